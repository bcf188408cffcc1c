"""What a conformance sample is made of: calls in which tensors and types stand for those of either library."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided


@dataclass(frozen=True, eq=False)
class Arr:
    """A tensor: the same elements, type and strides in both libraries."""

    array: np.ndarray
    requires_grad: bool = False

    def copy(self) -> np.ndarray:
        """Return the elements in memory of their own, laid out as they are."""
        x = self.array
        memory = np.zeros(sum(s // x.itemsize * (n - 1) for s, n in zip(x.strides, x.shape, strict=True)) + 1, x.dtype)
        copied = as_strided(memory, x.shape, x.strides) if x.size else np.empty(x.shape, x.dtype)
        copied[...] = x
        return copied

    def __repr__(self) -> str:
        x, more = self.array, ", requires_grad=True" * self.requires_grad
        strides = "" if x.flags.c_contiguous else f".strides{tuple(s // x.itemsize for s in x.strides)}"
        return f"tensor({x.tolist()}, {x.dtype}, shape={x.shape}{strides}{more})"


class DType(NamedTuple):
    """An element type, by its name."""

    name: str

    def __repr__(self) -> str:
        return self.name


class Call(NamedTuple):
    """Arguments by name, in the order of the signature."""

    arguments: dict[str, Any]
    positional: int  # how many of them come by position
    splat: bool = False  # whether the last one by position is spread: view(2, 3), not view((2, 3))

    def split(self) -> tuple[list[Any], dict[str, Any]]:
        """Return what comes by position and what by keyword."""
        items = list(self.arguments.items())
        args = [value for _, value in items[: self.positional]]
        if self.splat and args and isinstance(args[-1], (tuple, list)):
            args = [*args[:-1], *args[-1]]
        return args, dict(items[self.positional :])

    def __repr__(self) -> str:
        args, kwargs = self.split()
        return ", ".join([*map(repr, args), *(f"{k}={v!r}" for k, v in kwargs.items())])


def mapped(function: Any, value: Any) -> Any:
    """Return `value` with each Arr and DType in it replaced."""
    if isinstance(value, (Arr, DType)):
        return function(value)
    if isinstance(value, slice):
        return slice(*(mapped(function, x) for x in (value.start, value.stop, value.step)))
    if type(value) in (list, tuple):
        return type(value)(mapped(function, x) for x in value)
    if type(value) is dict:
        return {k: mapped(function, x) for k, x in value.items()}
    return value
