"""Slices and elements chosen by vectors of positions or masks, as functions."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.primitive import cast
from autograd.tensor import Tensor
from ops.arithmetic import add
from ops.batched import each_sample, elements
from ops.comparison import as_filling
from ops.conversion import to
from ops.dims import array_of, wrap_dim
from ops.indexing import indexed, overwritten, parse, unindexed
from ops.shape import broadcast_shapes, expand, ravel, reshape
from ops.slicing import sliced

Sizes = tuple[int, ...]


def integers(name: str, index: Any) -> Any:
    """Return an index of integers, as int64."""
    dtype = array_of(index, name).dtype
    if dtype not in (np.int64, np.int32):
        raise RuntimeError(f"{name}: Expected dtype int32/int64 for index, got {dtypes.FROM_NUMPY[dtype]}")
    if dtype == np.intp:
        return index
    return cast(index, dtype=np.dtype(np.intp)) if isinstance(index, Tensor) else index.astype(np.intp)


# -- whole slices --------------------------------------------------------------------------------------------


def _slice_index(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any]:
    """Return the wrapped dim and the index as a vector; positions may not be negative."""
    index = integers(name, index)
    if index.ndim > 1:
        raise IndexError(f"{name}: Index is supposed to be a vector, but got dim: {index.ndim}")
    dim = wrap_dim(name, dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    _check_positions(name, elements(index), dim, size)
    return dim, index if index.ndim else reshape(index, (1,))


def _check_positions(name: str, index: np.ndarray, dim: int, size: int) -> None:
    outside = (index < 0) | (index >= size)
    if outside.any():
        raise IndexError(
            f"{name}: index {index[outside].flat[0]} is out of bounds for dimension {dim} with size {size}"
        )


def index_select(input: Any, dim: int, index: Any) -> Any:
    """y[..., i, ...] = input[..., index[i], ...]."""
    dim, index = _slice_index("index_select", input, dim, index)
    if not input.ndim:
        return reshape(indexed(ravel(input), index, dims=(0,)), ())
    return indexed(input, index, dims=(dim,))


def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: float = 1) -> Any:
    """Return `input` with alpha · source[..., i, ...] added at [..., index[i], ...], for every i."""
    if not input.ndim:
        return _of_vector(index_add, input, dim, index, reshape(source, (-1,)), alpha=alpha)
    dim, index = _slice_index("index_add", input, dim, index)
    _check_source("index_add", input, (dim, index), source)
    result = add(input, unindexed(source, index, dims=(dim,), shape=tuple(input.shape)), alpha=alpha)
    return result if result.dtype == input.dtype else to(result, input.dtype)


def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """Return `input` with source[..., i, ...] at [..., index[i], ...], for every i."""
    if not input.ndim:
        return _of_vector(index_copy, input, dim, index, reshape(source, (-1,)))
    dim, index = _slice_index("index_copy", input, dim, index)
    _check_source("index_copy", input, (dim, index), source)
    return overwritten(input, source, index, dims=(dim,))


def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Return `input` with `value` at [..., index[i], ...], for every i."""
    if not input.ndim:
        return _of_vector(index_fill, input, dim, index, value)
    dim, index = _slice_index("index_fill", input, dim, index)
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(f"index_fill: supports only a 0-dimensional value tensor, got {value.ndim} dimension(s).")
    return overwritten(input, as_filling("index_fill", value, array_of(input).dtype), index, dims=(dim,))


def _of_vector(function: Callable[..., Any], input: Any, dim: int, *rest: Any, **more: Any) -> Any:
    """Call a function of whole slices for a 0-d tensor as for a vector of one element."""
    wrap_dim(function.__name__, dim, 0)
    return reshape(function(reshape(input, (1,)), 0, *rest, **more), ())


def _check_source(name: str, input: Any, where: tuple[int, Any], source: Any) -> None:
    dim, index = where
    expected = [*input.shape]
    expected[dim] = index.shape[0]
    if list(source.shape) != expected:
        raise RuntimeError(f"{name}: source has shape {list(source.shape)}, but input and index expect {expected}")
    _check_types(name, input, source)


def _check_types(name: str, input: Any, source: Any) -> None:
    ours, given = (dtypes.FROM_NUMPY[array_of(x, name).dtype] for x in (input, source))
    if ours is not given:
        raise RuntimeError(f"{name}: self ({ours}) and source ({given}) must have the same scalar type")


def index_put(input: Any, indices: Sequence[Any], values: Any, accumulate: bool = False) -> Any:
    """Return `input` with `values` at input[indices]; `accumulate` adds, position by position, instead."""
    basic, positions, dims = parse(tuple(indices), tuple(input.shape))
    if basic is not None:
        raise IndexError("index_put: indices must be tensors of positions or masks, one for each leading dimension")
    _check_types("index_put", input, values)
    if not accumulate:
        return overwritten(input, values, *positions, dims=dims)
    shape = indexed(input, *positions, dims=dims).shape
    return input + unindexed(expand(values, shape), *positions, dims=dims, shape=tuple(input.shape))


def take(input: Any, index: Any) -> Any:
    """y[i] = input's element number index[i], counted in C order."""
    return indexed(ravel(input), integers("take", index), dims=(0,))


def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Return `input` with source[i] at element number index[i]; `accumulate` adds instead."""
    index = ravel(integers("put", index))
    if math.prod(source.shape) != index.shape[0]:
        raise IndexError(
            "put_(): Expected source and index to have the same number of elements, but got source.numel() "
            f"= {math.prod(source.shape)}, index.numel() = {index.shape[0]}"
        )
    _check_types("put", input, source)
    return reshape(index_put(ravel(input), (index,), ravel(source), accumulate), tuple(input.shape))


def masked_select(input: Any, mask: Any) -> Any:
    """Return the elements where `mask`, broadcast, is true, as one dimension."""
    found, shape = _masked("masked_select", mask, input)
    return indexed(expand(input, shape), *found, dims=tuple(range(len(shape))))


@each_sample
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """Return `input` with the elements of `source`, one after another, where `mask` is true."""
    found, shape = _masked("masked_scatter", mask, input)
    _check_types("masked_scatter", input, source)
    count = len(found[0])
    if math.prod(source.shape) < count:
        raise RuntimeError(
            f"masked_scatter: expected source to have at least {count} elements, got {math.prod(source.shape)}"
        )
    chosen = sliced(ravel(source), index=(slice(0, count),))
    result = overwritten(expand(input, shape), chosen, *found, dims=tuple(range(len(shape))))
    return result if input.ndim or mask.ndim else reshape(result, ())


def _masked(name: str, mask: Any, input: Any) -> tuple[tuple[np.ndarray, ...], Sizes]:
    """Return where the mask is true, and the shape it and the input broadcast to (a 0-d one as (1,))."""
    array = array_of(mask)
    if array.dtype != bool:
        raise RuntimeError(f"{name}: expected a bool Tensor for mask, got {dtypes.FROM_NUMPY[array.dtype]}")
    shape = tuple(broadcast_shapes(input.shape, array.shape)) or (1,)
    return np.broadcast_to(array, shape).nonzero(), shape


def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Return where elements are not zero: positions (count, dimensions), or a vector for each dimension."""
    array = array_of(input)
    if as_tuple:
        return tuple([Tensor(found) for found in np.atleast_1d(array).nonzero()])
    return Tensor(np.argwhere(array))


def argwhere(input: Any) -> Tensor:
    """Return the positions of the elements that are not zero: (count, dimensions)."""
    return Tensor(np.argwhere(array_of(input)))
