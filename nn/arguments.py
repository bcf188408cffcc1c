"""Arguments that several modules share."""

import operator
import warnings
from collections.abc import Iterable, Iterator
from typing import Any


def n_tuple(value: Any, n: int, what: str) -> tuple[Any, ...]:
    """Return a number repeated `n` times, or the `n` numbers given."""
    if not isinstance(value, Iterable):
        return (value,) * n
    values = tuple(value)
    if len(values) != n:
        raise ValueError(f"{what} must be a number or {n} numbers, got {values}")
    return values


def resolve_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """Return the reduction that PyTorch's two deprecated flags stand for, where one of them is given."""
    if size_average is None and reduce is None:
        return reduction
    resolved = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{resolved}' instead.",
        stacklevel=4,
    )
    return resolved


def position(index: Any, size: int) -> int:
    """Return a position in a list of `size` counted from its start."""
    index = operator.index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range for a list of {size}")
    return index % size


def pairs(given: Any, owner: str) -> Iterator[tuple[str, Any]]:
    """Yield the items of a mapping, or the pairs of an iterable, that `owner.update` was given."""
    if hasattr(given, "items"):
        yield from given.items()
        return
    if not isinstance(given, Iterable):
        raise TypeError(
            f"{owner}.update should be called with an iterable of key/value pairs, but got {type(given).__name__}"
        )
    for number, pair in enumerate(given):
        if not isinstance(pair, Iterable):
            raise TypeError(f"{owner} update sequence element #{number} should be Iterable; is {type(pair).__name__}")
        pair = tuple(pair)
        if len(pair) != 2:
            raise ValueError(f"{owner} update sequence element #{number} has length {len(pair)}; 2 is required")
        yield pair[0], pair[1]
