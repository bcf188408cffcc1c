"""What a benchmark is: a named program that builds its data once and returns the step to time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from benchmarks.library import Library

THINNED = 1 << 18  # values compared of each array


class Work(NamedTuple):
    """A step to time, and a check: a first step that returns the arrays on which the libraries must agree."""

    step: Callable[[], Any]
    check: Callable[[], list[np.ndarray]]


@dataclass(frozen=True)
class Case:
    """A benchmark.

    Args:
        name: a path, `suite/group/.../case`; the beginning of a name selects all that begin with it.
        build: returns the work of one library.
        what: one line for the reader.
        features: which of PyTorch's features make a difference: "channels_last", "fused", "foreach", "compiled".
        tolerance: allowed size (root mean square) of a difference over the size of the values, for each array compared.
        operations: how many operations one step has, to state a time per operation (or per sample).
        flops, traffic: arithmetic operations of a step, and bytes it must read and write at least.
        jax: name of the same model in `jax_nets`.
        kind: what is measured: "time" of a step, or of a process "memory", "import", "warm", "cold" start, "compile".
    """

    name: str
    build: Callable[[Library], Work]
    what: str = ""
    features: frozenset[str] = frozenset()
    tolerance: float = 1e-4
    operations: int = 1
    flops: float = 0
    traffic: float = 0
    jax: str = ""
    kind: str = "time"

    @property
    def group(self) -> str:
        """The first two parts of the name."""
        return "/".join(self.name.split("/")[:2])

    @property
    def suite(self) -> str:
        """The first part of the name."""
        return self.name.split("/")[0]


def random(*shape: int, seed: int = 0, scale: float = 1.0, dtype: Any = np.float32) -> np.ndarray:
    """Return normally distributed numbers, the same in every process."""
    numbers = np.random.default_rng(seed).standard_normal(shape, dtype)
    numbers *= scale
    return numbers


def timed(step: Callable[[], Any]) -> Work:
    """Return work whose step returns a tensor, or several: the values to compare."""

    def check() -> list[np.ndarray]:
        result = step()
        return [values(tensor) for tensor in (result if isinstance(result, list | tuple) else [result])]

    return Work(step, check)


def values(tensor: Any) -> np.ndarray:
    """Return a tensor's values, of a large one evenly spread samples."""
    return thinned(tensor.detach().numpy())


def thinned(array: np.ndarray) -> np.ndarray:
    """Return an array's values, of a large one evenly spread samples."""
    flat = array.reshape(-1)
    return np.array(flat[:: max(1, flat.size // THINNED | 1)])
