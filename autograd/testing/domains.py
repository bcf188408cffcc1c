"""The numbers a tensor's elements are drawn from."""

import functools
from dataclasses import dataclass

import numpy as np

_FINENESS = 256  # a domain of reals is at first cut into at least this many steps


@dataclass(frozen=True)
class Domain:
    """The numbers low, low + step, low + 2 step, … up to high.

    Neighbours are a step apart, so distinct elements are too: far more than finite differences move them.
    Where more distinct elements are wanted than there are numbers, `refinable` domains halve the step.
    """

    low: float
    high: float
    step: float
    refinable: bool = True

    def __post_init__(self) -> None:
        if not self.low <= self.high or self.step <= 0:
            raise ValueError(f"Domain: expected low <= high and step > 0, got {self}")

    def numbers(self, count: int, away_from: tuple[float, ...] = (), margin: float = 0.0) -> np.ndarray:
        """Return at least `count` numbers, simplest first, all at least `margin` away from `away_from`."""
        found = _numbers(self, away_from, margin)
        if len(found) >= count:
            return found
        if not self.refinable or self.low == self.high:
            raise ValueError(f"{self}: {len(found)} numbers are left, but {count} distinct ones are wanted")
        return Domain(self.low, self.high, self.step / 2).numbers(count, away_from, margin)


def _digits(number: float) -> tuple[int, float, bool]:
    """Return a key that sorts 0.0, 1.0, 0.5, -1.0 before 0.265625."""
    return len(repr(abs(number))), abs(number), number < 0


@functools.lru_cache(maxsize=256)
def _numbers(domain: Domain, away_from: tuple[float, ...], margin: float) -> np.ndarray:
    count = int(np.floor((domain.high - domain.low) / domain.step)) + 1
    grid = domain.low + domain.step * np.arange(count)
    for kink in away_from:
        grid = grid[np.abs(grid - kink) >= margin]
    if not len(grid):
        raise ValueError(f"{domain}: no number is {margin} away from {list(away_from)}")
    return np.array(sorted(grid.tolist(), key=_digits))


def reals(low: float = -3.0, high: float = 3.0) -> Domain:
    """Return low <= x <= high, in steps of a power of two.

    >>> reals(0, 1).numbers(5)[:5].tolist()
    [0.0, 0.5, 1.0, 0.25, 0.75]
    """
    width = (high - low) / _FINENESS
    return Domain(float(low), float(high), float(2 ** np.floor(np.log2(width))) if width > 0 else 1.0)


def positive(high: float = 3.0) -> Domain:
    """Return the reals from 1/4 up, where 1/x and log x are tame."""
    return reals(0.25, high)


def integers(low: int = -5, high: int = 5) -> Domain:
    """Return low, low + 1, … high.

    >>> integers(-1, 2).numbers(4).tolist()
    [0.0, 1.0, -1.0, 2.0]
    """
    return Domain(float(low), float(high), 1.0, refinable=False)
