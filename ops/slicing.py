"""Views of a part: slices, pieces, diagonals and windows."""

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.batching import after_all, next_dim, with_batch
from autograd.primitive import primitive
from autograd.views import view_primitive
from ops.dims import wrap_dim
from ops.shape import clone, ravel, strided

Sizes = tuple[int, ...]
Pieces = tuple[Any, ...]


@view_primitive
def sliced(x: np.ndarray, *, index: Any) -> np.ndarray:
    """y = x[index], for an index of ints, slices, None and Ellipsis."""
    return x[index]


@primitive
def unsliced(x: np.ndarray, *, index: Any, shape: Sizes) -> np.ndarray:
    """Zeros of `shape` with x at `index`: the adjoint of `sliced`."""
    y = np.zeros(shape, x.dtype)
    y[index] = x
    return y


sliced.vjp(x=lambda grad, x_shape, index: unsliced(grad, index=index, shape=x_shape))
unsliced.vjp(x=lambda grad, index: sliced(grad, index=index))
sliced.vmap(index=after_all)
unsliced.vmap(index=after_all, shape=with_batch)


def along(dim: int, index: Any) -> Pieces:
    """Return the index that applies `index` to one dimension."""
    return (*(slice(None),) * dim, index)


def select(input: Any, dim: int, index: int) -> Any:
    """Return the slice at `index` of dimension `dim`, without that dimension."""
    shape = tuple(input.shape)
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = wrap_dim("select", dim, len(shape)), operator.index(index)
    if not -shape[dim] <= index < shape[dim]:
        raise IndexError(f"select(): index {index} out of range for tensor of size {list(shape)} at dimension {dim}")
    # As a tuple that ends in an Ellipsis the index gives an array also where no dimension is left.
    return sliced(input, index=(*along(dim, index), ...))


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """Return the part from `start`, `length` long, of dimension `dim`."""
    shape = tuple(input.shape)
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    dim, start, length = wrap_dim("narrow", dim, len(shape)), operator.index(start), operator.index(length)
    size = shape[dim]
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if not -size <= start <= size:
        raise IndexError(f"narrow: start out of range (expected to be in range of [{-size}, {size}], but got {start})")
    start += size if start < 0 else 0
    if start + length > size:
        raise RuntimeError(f"narrow: start ({start}) + length ({length}) exceeds dimension size ({size}).")
    return sliced(input, index=along(dim, slice(start, start + length)))


# -- pieces --------------------------------------------------------------------------------------------------


def _pieces(input: Any, dim: int, bounds: Sequence[int]) -> Pieces:
    """Return the parts between each two neighbours of `bounds`."""
    parts = [slice(a, max(a, b)) for a, b in itertools.pairwise(bounds)]
    return tuple([sliced(input, index=along(dim, part)) for part in parts])


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Pieces:
    """Return pieces of one size, the last maybe smaller; or of the given sizes."""
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    shape, step = tuple(tensor.shape), operator.index(split_size_or_sections)
    if not shape:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if step < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={step}")
    dim = wrap_dim("split", dim, len(shape))
    size = shape[dim]
    if step == 0 and size:
        raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}")
    return _pieces(tensor, dim, [*range(0, size, step or 1), size] if size else [0, 0])


def split_method(input: Any, split_size: Any, dim: int = 0) -> Pieces:
    """Return `split`; the method's first argument has another name than the function's."""
    return split(input, split_size, dim)


def split_with_sizes(input: Any, split_sizes: Sequence[int], dim: int = 0) -> Pieces:
    """Return pieces of the given sizes, which sum to the size of dimension `dim`."""
    shape, sizes = tuple(input.shape), [operator.index(size) for size in split_sizes]
    if not shape:
        raise RuntimeError("split_with_sizes expects at least a 1-dimensional tensor")
    dim = wrap_dim("split_with_sizes", dim, len(shape))
    if any(size < 0 for size in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={sizes}"
        )
    if sum(sizes) != shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {shape[dim]} (input tensor's size at "
            f"dimension {dim}), but got split_sizes={sizes}"
        )
    return _pieces(input, dim, [*itertools.accumulate(sizes, initial=0)])


def chunk(input: Any, chunks: int, dim: int = 0) -> Pieces:
    """Return at most `chunks` pieces of size ⌈n / chunks⌉, the last maybe smaller."""
    shape = tuple(input.shape)
    if not shape:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    dim = wrap_dim("chunk", dim, len(shape))
    if shape[dim] == 0:
        return _pieces(input, dim, [0] * (chunks + 1))
    return split(input, -(-shape[dim] // chunks), dim)


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> Pieces:
    """Return pieces cut before the given indices, or that many pieces of sizes differing by at most one."""
    shape = tuple(input.shape)
    if not shape:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    dim = wrap_dim("tensor_split", dim, len(shape))
    size, cuts = shape[dim], indices_or_sections
    if not isinstance(cuts, (tuple, list)) and getattr(cuts, "ndim", False):
        cuts = cuts.tolist()
    if isinstance(cuts, (tuple, list)):
        inner = [slice(operator.index(cut)).indices(size)[1] for cut in cuts]
        return _pieces(input, dim, [0, *inner, size])
    sections = operator.index(cuts)
    if sections <= 0:
        raise RuntimeError(f"tensor_split: number of sections must be larger than 0, got {sections}")
    small, larger = divmod(size, sections)
    return _pieces(input, dim, [i * small + min(i, larger) for i in range(sections + 1)])


def hsplit(input: Any, indices_or_sections: Any) -> Pieces:
    """Split by columns: along dimension 1, or 0 of a 1-d tensor."""
    return _split_along("hsplit", input, indices_or_sections, 0 if input.ndim == 1 else 1, 1)


def vsplit(input: Any, indices_or_sections: Any) -> Pieces:
    """Split by rows: along dimension 0."""
    return _split_along("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Any, indices_or_sections: Any) -> Pieces:
    """Split by depth: along dimension 2."""
    return _split_along("dsplit", input, indices_or_sections, 2, 3)


def _split_along(name: str, input: Any, cuts: Any, dim: int, least: int) -> Pieces:
    if input.ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with "
            f"{input.ndim} dimensions!"
        )
    if isinstance(cuts, int) and (cuts <= 0 or input.shape[dim] % cuts):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.shape[dim]} is not divisible by the split_size {cuts}!"
        )
    return tensor_split(input, cuts, dim)


def unbind(input: Any, dim: int = 0) -> Pieces:
    """Return every slice along a dimension, without that dimension."""
    shape = tuple(input.shape)
    if not shape:
        raise IndexError("unbind: Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim("unbind", dim, len(shape))
    return tuple([sliced(input, index=(*along(dim, i), ...)) for i in range(shape[dim])])


# -- diagonals -----------------------------------------------------------------------------------------------


@view_primitive
def diagonal_of(x: np.ndarray, *, offset: int, dim1: int, dim2: int) -> np.ndarray:
    """y[..., i] = x[..., i, i + offset] where the last two stand for dims `dim1` and `dim2`."""
    y = x.diagonal(offset, dim1, dim2)
    y.flags.writeable = x.flags.writeable  # NumPy gives a read-only view
    return y


@primitive
def embedded_diagonal(x: np.ndarray, *, offset: int, dim1: int, dim2: int, shape: Sizes) -> np.ndarray:
    """Zeros of `shape` with x on a diagonal: the adjoint of `diagonal_of`."""
    y = np.zeros(shape, x.dtype)
    diagonal_of(y, offset=offset, dim1=dim1, dim2=dim2)[...] = x
    return y


diagonal_of.vjp(
    x=lambda grad, x_shape, offset, dim1, dim2: embedded_diagonal(
        grad, offset=offset, dim1=dim1, dim2=dim2, shape=x_shape
    )
)
embedded_diagonal.vjp(
    x=lambda grad, offset, dim1, dim2: diagonal_of(grad, offset=offset, dim1=dim1, dim2=dim2),
)
diagonal_of.vmap(dim1=next_dim, dim2=next_dim)
embedded_diagonal.vmap(dim1=next_dim, dim2=next_dim, shape=with_batch)


def _diagonal_dims(name: str, ndim: int, dim1: int, dim2: int) -> tuple[int, int]:
    first, second = wrap_dim(name, dim1, ndim), wrap_dim(name, dim2, ndim)
    if first == second:
        raise RuntimeError(f"{name}: diagonal dimensions cannot be identical {dim1}, {dim2}")
    return first, second


def diagonal(input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return a diagonal of every matrix over dims `dim1` and `dim2`, as the last dimension."""
    first, second = _diagonal_dims("diagonal", len(input.shape), dim1, dim2)
    return diagonal_of(input, offset=operator.index(offset), dim1=first, dim2=second)


def diag_embed(input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return zeros with the last dimension of `input` on a diagonal of dims `dim1` and `dim2`."""
    shape = list(input.shape)
    first, second = _diagonal_dims("diag_embed", len(shape) + 1, dim1, dim2)
    side = shape.pop() + abs(offset)
    for dim in sorted((first, second)):
        shape.insert(dim, side)
    return embedded_diagonal(input, offset=offset, dim1=first, dim2=second, shape=tuple(shape))


def diag(input: Any, diagonal: int = 0) -> Any:
    """Return a copy of a matrix's diagonal, or the matrix with a vector on its diagonal."""
    if input.ndim == 1:
        return diag_embed(input, diagonal)
    if input.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return clone(diagonal_of(input, offset=operator.index(diagonal), dim1=0, dim2=1))


def diagflat(input: Any, offset: int = 0) -> Any:
    """Return the matrix with all elements of `input` on its diagonal."""
    return diag_embed(ravel(input), offset)


# -- windows -------------------------------------------------------------------------------------------------


@view_primitive
def windows(x: np.ndarray, *, dim: int, size: int, step: int) -> np.ndarray:
    """y[..., i, ..., k] = x[..., i · step + k, ...]."""
    count = (x.shape[dim] - size) // step + 1
    shape, strides = list(x.shape), list(x.strides)
    shape[dim], strides[dim] = count, strides[dim] * step
    return strided(x, [*shape, size], [*strides, x.strides[dim]])


@primitive
def summed_windows(x: np.ndarray, *, dim: int, step: int, shape: Sizes) -> np.ndarray:
    """y[..., j, ...] = Σ x[..., i, ..., k] over i · step + k = j: the adjoint of `windows`."""
    y = np.zeros(shape, x.dtype)
    reach = (x.shape[dim] - 1) * step + 1
    for k in range(x.shape[-1]):
        y[along(dim, slice(k, k + reach, step))] += x[..., k]
    return y


windows.vjp(x=lambda grad, x_shape, dim, step: summed_windows(grad, dim=dim, step=step, shape=x_shape))
summed_windows.vjp(x=lambda grad, x_shape, dim, step: windows(grad, dim=dim, size=x_shape[-1], step=step))
windows.vmap(dim=next_dim)
summed_windows.vmap(dim=next_dim, shape=with_batch)


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Return all windows of `size` elements, `step` apart, along a dimension, as a new last one."""
    shape = tuple(input.shape)
    dim = wrap_dim("unfold", dimension, len(shape))
    available = shape[dim] if shape else 1
    if not 0 <= size <= available:
        raise RuntimeError(f"unfold: maximum size for tensor at dimension {dim} is {available} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"unfold: step is {step} but must be > 0")
    if not shape:
        return sliced(ravel(input), index=(slice(0, size),))
    return windows(input, dim=dim, size=size, step=step)
