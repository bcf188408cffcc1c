"""Arguments of functions of tensors: dims, sizes, options per axis. They are brought to one form, or refused."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.tensor import Tensor


def array_of(x: Any, name: str = "") -> np.ndarray:
    """Return the array of a Tensor, or the array itself; `name` is the function that was given it."""
    if isinstance(x, Tensor):
        return x.array
    if not isinstance(x, (np.ndarray, np.generic)):
        who = f"{name}: " if name else ""
        raise TypeError(f"{who}expected a Tensor, got {type(x).__name__}")
    return np.asarray(x)


def named(error: Exception, name: str) -> Exception:
    """Return an error of a function that `name` is made of, as one of `name`."""
    error.args = (f"{name}: {str(error).partition(': ')[2] or error}",)
    return error


def wrap_dim(name: str, dim: int, ndim: int) -> int:
    """Return `dim` counted from the front; a 0-d tensor counts as having one dimension."""
    limit = ndim or 1
    wrapped = dim if type(dim) is int else _as_int(name, dim)
    if not -limit <= wrapped < limit:
        raise IndexError(
            f"{name}: Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got {dim})"
        )
    return wrapped + limit if wrapped < 0 else wrapped


def _as_int(name: str, dim: Any) -> int:
    try:
        if not isinstance(dim, bool):
            return operator.index(dim)
    except TypeError:
        pass
    raise TypeError(f"{name}: expected dim to be an int, got {type(dim).__name__}")


def wrap_dims(name: str, dims: Any, ndim: int) -> tuple[int, ...]:
    """Return distinct dims counted from the front; one int becomes a tuple of one."""
    wrapped = tuple([wrap_dim(name, dim, ndim) for dim in (dims if isinstance(dims, (tuple, list)) else (dims,))])
    if len(set(wrapped)) != len(wrapped):
        repeated = next(dim for dim in wrapped if wrapped.count(dim) > 1)
        raise RuntimeError(f"{name}: dim {repeated} appears multiple times in the list of dims")
    return wrapped


def as_sizes(name: str, given: Sequence[Any], keyword: Any = None) -> tuple[int, ...]:
    """Return the ints of `f(2, 3)`, `f((2, 3))` or `f(size=(2, 3))`, as all of PyTorch's shape arguments
    come.
    """
    if keyword is not None:
        if given:
            raise TypeError(f"{name}: got sizes both by position and by keyword")
        given = (keyword,)
    if not given:
        raise TypeError(f"{name}: missing the sizes")
    if len(given) == 1 and isinstance(given[0], (tuple, list)):
        given = given[0]
    try:
        return tuple(map(operator.index, given))
    except TypeError:
        raise TypeError(f"{name}: expected ints, got {list(given)!r}") from None


def check_sizes(name: str, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return `sizes`, none of them negative."""
    if any(size < 0 for size in sizes):
        raise RuntimeError(f"{name}: Trying to create tensor with negative dimension: {list(sizes)}")
    return sizes


def hashable(options: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the options with tuples in place of lists, so that they can be looked up."""
    return tuple([tuple(x) if type(x) is list else x for x in options])


def per_axis(name: str, what: str, value: Any, dims: int) -> Any:
    """Return an option as one int per spatial axis; how many that is, mypy cannot follow."""
    values = value if isinstance(value, (tuple, list)) else (value,)
    try:
        values = tuple(map(operator.index, values))
    except TypeError:
        raise TypeError(f"{name}: {what} must be an int or a tuple of ints, got {value!r}") from None
    if len(values) not in (1, dims):
        raise RuntimeError(
            f"{name}: expected {what} to be a single int or a tuple of {dims} values, one per spatial axis, but got "
            f"{value!r}"
        )
    return values if len(values) == dims else values * dims
