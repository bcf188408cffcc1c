"""x[index] and x[index] = value, for every kind of index.

An index is applied in two steps, as PyTorch does. First its ints, slices, None and Ellipsis: a view. Then its
arrays of positions, which broadcast together and copy; a mask stands for the positions where it is true.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd.batching import Batch, BatchedTensor, is_batched, next_dim
from autograd.grad_mode import is_recording
from autograd.primitive import cast, primitive
from autograd.regions import overlaps
from autograd.tensor import Tensor
from autograd.tracing import watch_write, watchers
from autograd.views import assign, mark_written, refuse_hidden, write, writes_of
from ops.comparison import as_filling, chosen
from ops.dims import named
from ops.lazy_kernels import lookup
from ops.lazy_kernels import rows as row_kernels
from ops.shape import expand, inverse_permutation, movedim, reshape
from ops.slicing import sliced

Sizes = tuple[int, ...]

FULL = slice(None)
ZERO = np.zeros(())
FEW = 4096
"""Product of the sizes of two indices up to which NumPy takes both sooner than they are joined to one."""


# -- arrays of positions -------------------------------------------------------------------------------------


@primitive
def indexed(x: np.ndarray, *indices: np.ndarray, dims: Sizes) -> np.ndarray:
    """y[..., i, ...] = x[..., indices₀[i], indices₁[i], ...] with indices[k] at dimension dims[k] of x.

    The indices broadcast together. Their dimensions stand where `dims` stood, or first where `dims` are not
    neighbours.
    """
    try:
        array, places, at = _joined(x, indices, dims)
        return array.take(places[0], axis=at[0]) if len(at) == 1 else array[_key(places, at)]
    except (IndexError, ValueError):
        _refuse(x.shape, indices, dims)
        raise


@primitive
def unindexed(x: np.ndarray, *indices: np.ndarray, dims: Sizes, shape: Sizes) -> np.ndarray:
    """Zeros of `shape` with x added at the indices, as often as they occur: the adjoint of `indexed`."""
    index, rows = _rows(x, indices, dims, shape)
    rest = [i for i in range(len(shape)) if i not in dims]
    y = np.zeros([shape[i] for i in (*dims, *rest)], x.dtype)
    row_kernels.add_rows(y.reshape(math.prod([shape[i] for i in dims]), rows.shape[1]), index, rows)
    return y.transpose(inverse_permutation((*dims, *rest)))


@primitive
def overwritten(x: np.ndarray, value: np.ndarray, *indices: np.ndarray, dims: Sizes) -> np.ndarray:
    """A copy of x with `value`, broadcast, at the indices; of positions that occur twice the last wins."""
    y = x.copy()
    put(y, value, indices, dims)
    return y


indexed.vjp(x=lambda grad, indices, x_shape, dims: unindexed(grad, *indices, dims=dims, shape=x_shape))
unindexed.vjp(x=lambda grad, indices, dims: indexed(grad, *indices, dims=dims))
overwritten.vjp(
    x=lambda grad, indices, dims: overwritten(grad, ZERO, *indices, dims=dims),
    value=lambda grad, indices, dims: indexed(grad, *indices, dims=dims),
)


# Under vmap. Where the samples have indices of their own, they are indexed together with the number of the sample. The
# batch is first in all tensors; NumPy may have it elsewhere: with indices at dimensions that are no neighbours, theirs
# stand first.


class _Places(NamedTuple):
    """Where NumPy has the dimensions of the samples' indices among those of the result."""

    indices: tuple[Any, ...]
    dims: Sizes
    moved: Sizes  # dimensions that are elsewhere with NumPy
    to: Sizes

    @classmethod
    def of(cls, batch: Batch, own: Sequence[bool], indices: Sequence[Any], dims: Sizes) -> "_Places":
        count = max([index.ndim - mine for index, mine in zip(indices, own, strict=True)])
        neighbours = dims[-1] - dims[0] + 1 == len(dims)
        further = next_dim(dims, batch.size)
        if not any(own):
            return cls(tuple(indices), further, *(((), ()) if neighbours else ((count,), (0,))))
        number = np.arange(batch.size).reshape(-1, *[1] * count)
        wide = [
            reshape(index, (batch.size, *[1] * (count + 1 - index.ndim), *index.shape[1:])) if mine else index
            for index, mine in zip(indices, own, strict=True)
        ]
        start = dims[0] if neighbours else 0
        there = tuple(range(1, count + 1))
        return cls((number, *wide), (0, *further), there, tuple([start + i for i in there]))


@indexed.joint_vmap
def _(batch: Batch, x: Any, *indices: Any, dims: Sizes) -> Any:
    places = _Places.of(batch, batch.of[1:], indices, dims)
    (x,) = batch.everywhere((x,), 0)
    return movedim(indexed(x, *places.indices, dims=places.dims), places.moved, places.to)


@unindexed.joint_vmap
def _(batch: Batch, x: Any, *indices: Any, dims: Sizes, shape: Sizes) -> Any:
    places = _Places.of(batch, batch.of[1:], indices, dims)
    (x,) = batch.everywhere((x,), 0)
    x = movedim(x, places.to, places.moved)
    return unindexed(x, *places.indices, dims=places.dims, shape=(batch.size, *shape))


@overwritten.joint_vmap
def _(batch: Batch, x: Any, value: Any, *indices: Any, dims: Sizes) -> Any:
    places = _Places.of(batch, batch.of[2:], indices, dims)
    x, value = batch.everywhere((x, value), 0)
    count = max([index.ndim - mine for index, mine in zip(indices, batch.of[2:], strict=True)])
    ndim = x.ndim - len(dims) + count
    value = reshape(value, (batch.size, *[1] * (ndim - value.ndim), *value.shape[1:]))
    return overwritten(x, movedim(value, places.to, places.moved), *places.indices, dims=places.dims)


def put(x: np.ndarray, value: Any, indices: Sequence[np.ndarray], dims: Sizes) -> None:
    """Write `value`, broadcast, into x at the indices."""
    try:
        array, places, at = _joined(x, indices, dims)
        array[_key(places, at)] = value
    except IndexError:
        _refuse(x.shape, indices, dims)
        raise
    except ValueError:
        shape = indexed(x, *indices, dims=dims).shape
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(np.shape(value))} cannot be broadcast to indexing "
            f"result of shape {list(shape)}"
        ) from None


def _joined(
    x: np.ndarray, indices: Sequence[np.ndarray], dims: Sizes
) -> tuple[np.ndarray, Sequence[np.ndarray], Sizes]:
    """Return x with `dims` made one, and one index into that, where x and so many indices allow it."""
    if len(dims) == 1 or indices[0].size * indices[1].size <= FEW:
        return x, indices, dims
    first, last = dims[0], dims[-1] + 1
    if last - first != len(dims) or not x.flags.c_contiguous:
        return x, indices, dims
    sizes = x.shape[first:last]
    merged = x.reshape(*x.shape[:first], math.prod(sizes), *x.shape[last:])
    return merged, (lookup.join(indices, sizes),), (first,)


def _key(indices: Sequence[np.ndarray], dims: Sizes) -> tuple[Any, ...]:
    key: list[Any] = [FULL] * (dims[-1] + 1)
    for index, dim in zip(indices, dims, strict=True):
        key[dim] = index
    return tuple(key)


def _refuse(shape: Sizes, indices: Sequence[np.ndarray], dims: Sizes) -> None:
    """Raise the error that says which index is wrong."""
    for index, dim in zip(indices, dims, strict=True):
        check_bounds(index, dim, shape[dim])
    shapes = ", ".join(str(list(index.shape)) for index in indices)
    raise IndexError(f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}")


def check_bounds(index: np.ndarray, dim: int, size: int) -> None:
    """Raise IndexError unless -size <= index < size."""
    outside = (index < -size) | (index >= size)
    if outside.any():
        first = index[outside].flat[0] if index.ndim else index
        raise IndexError(f"index {int(first)} is out of bounds for dimension {dim} with size {size}")


def _rows(x: np.ndarray, indices: Sequence[np.ndarray], dims: Sizes, shape: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Return where each indexed element is, counted over `dims` in C order, and x as (positions, rest)."""
    index, size = lookup.join(indices, [shape[dim] for dim in dims]), shape[dims[0]]
    if len(dims) == 1 and index.size and index.min() < 0:
        index = np.where(index < 0, index + size, index)
    start = dims[0] if dims[-1] - dims[0] + 1 == len(dims) else 0
    front = range(start, start + index.ndim)
    x = x.transpose((*front, *[i for i in range(x.ndim) if i not in front]))
    return index.reshape(-1), x.reshape(index.size, math.prod(x.shape[index.ndim :]))


# -- reading an index ----------------------------------------------------------------------------------------


class Index(NamedTuple):
    """An index in its two steps."""

    basic: tuple[Any, ...] | None
    """Ints, slices, None and Ellipsis; None when there is nothing to do."""
    indices: list[Any]
    """Arrays or Tensors of positions."""
    dims: Sizes
    """The dimensions, after the first step, that they index."""


def parse(index: Any, shape: Sizes) -> Index:
    """Take an index for a tensor of `shape` apart."""
    fits = type(index) is tuple and 0 < len(index) <= len(shape)
    if fits and all(type(item) is Tensor and item.array.dtype == np.intp and item.array.ndim for item in index):
        return Index(None, list(index), tuple(range(len(index))))
    items = list(map(_item, index if isinstance(index, tuple) else (index,)))
    spare = len(shape) - sum([_consumed(item) for item in items])
    if spare < 0:
        raise IndexError(
            f"too many indices for tensor of dimension {len(shape)}: got {len(shape) - spare} for shape {list(shape)}"
        )
    basic: list[Any] = []
    indices: list[Any] = []
    dims: list[int] = []
    source = 0  # the dimension of the tensor an item applies to
    for item in items:
        parts = [item]
        if item is Ellipsis:
            parts, spare = [FULL] * spare, 0
        elif isinstance(item, (Tensor, np.ndarray)):
            positions, parts = _positions(item, shape, source)
            first = sum([not isinstance(part, int) for part in basic])
            indices += positions
            dims += range(first, first + len(positions))
        elif isinstance(item, int) and not -shape[source] <= item < shape[source]:
            raise IndexError(f"index {item} is out of bounds for dimension {source} with size {shape[source]}")
        basic += parts
        source += sum([part is not None for part in parts])
    if indices and all(part == FULL for part in basic):
        return Index(None, indices, tuple(dims))
    return Index((*basic, ...), indices, tuple(dims))  # the Ellipsis makes a view of a single element too


def _item(item: Any) -> Any:
    """Return one part of an index as an int, slice, None, Ellipsis, mask, or array or Tensor of positions."""
    if type(item) is int or item is None or item is Ellipsis:
        return item
    if isinstance(item, slice):
        if item.step is not None and item.step <= 0:
            raise ValueError(f"index: step must be greater than zero, got {item.step}")
        return item
    if isinstance(item, (list, tuple, range)):
        item = np.asarray(item) if len(item) else np.zeros(0, np.intp)
    if type(item) is BatchedTensor:
        return _batched_item(item)
    array = item.array if isinstance(item, Tensor) else item
    if isinstance(array, (np.ndarray, np.generic, bool)):
        return _array_item(item, np.asarray(array))
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices "
        f"(got {type(item).__name__}: {item!r})"
    )


def _batched_item(item: Any) -> Any:
    dtype = item.array.dtype
    if dtype.kind not in "iu" or dtype == np.uint8:
        raise RuntimeError(
            "vmap: We do not support indexing with a mask that is vmapped over: the shape of the result would depend "
            f"on the elements (got an index of {item.dtype}). Use torch.where."
        )
    return item if dtype == np.intp else cast(item, dtype=np.dtype(np.intp))


def _array_item(item: Any, array: np.ndarray) -> Any:
    if array.dtype == np.uint8:
        warnings.warn("indexing with dtype uint8 is deprecated, please use a dtype bool instead", stacklevel=5)
        array = array.astype(bool)
    if array.dtype.kind == "b":
        return array
    if array.dtype not in (np.int64, np.int32):
        raise IndexError(f"tensors used as indices must be long, int, byte or bool tensors, got {array.dtype}")
    if array.ndim == 0:
        return int(array)
    if array.dtype != np.intp:
        return array.astype(np.intp)
    return item if isinstance(item, Tensor) else array


def _consumed(item: Any) -> int:
    """Return how many dimensions of the tensor an item applies to."""
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if isinstance(item, np.ndarray) and item.dtype == bool else 1


def _positions(item: Any, shape: Sizes, source: int) -> tuple[list[Any], list[Any]]:
    """Return an array item as arrays of positions, and what stands for it in the first step."""
    if isinstance(item, Tensor) or item.dtype != bool:
        return [item], [FULL]
    if item.ndim == 0:  # a mask over a new dimension of size 1
        return [*item.reshape(1).nonzero()], [None]
    if item.shape != shape[source : source + item.ndim]:
        raise IndexError(
            f"The shape of the mask {list(item.shape)} at index {source} does not match the shape of the "
            f"indexed tensor {list(shape)} at index {source}"
        )
    return [*item.nonzero()], [FULL] * item.ndim


# -- the operators -------------------------------------------------------------------------------------------


def getitem(input: Any, index: Any) -> Any:
    """Return input[index]: a view, or a copy where arrays or masks are in the index."""
    shape = input.array.shape if type(input) is Tensor else tuple(input.shape)
    if type(index) is int and shape and -shape[0] <= index < shape[0]:  # the index of every loop
        return sliced(input, index=(index, ...))
    if type(index) is Tensor and index.array.dtype.kind == "b" and shape[: index.ndim] == index.array.shape != ():
        places = np.flatnonzero(index.array)  # a tenth of the time of finding row and column
        return indexed(reshape(input, (index.array.size, *shape[index.ndim :])), places, dims=(0,))
    if type(index) is tuple and 0 < len(index) <= len(shape) and _are_plain(index):
        return sliced(input, index=(*index, ...))
    basic, indices, dims = parse(index, shape)
    if basic is not None:
        input = sliced(input, index=basic)
    return indexed(input, *indices, dims=dims) if indices else input


def _are_plain(items: tuple[Any, ...]) -> bool:
    """Return whether all are slices that need no second look: a loop, for it runs at every such index."""
    for item in items:
        if type(item) is not slice:
            return False
        step = item.step
        if step is not None and not (type(step) is int and step > 0):
            return False
    return True


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """Write `value`, broadcast and converted to the tensor's type, to input[index]."""
    if type(index) is BatchedTensor and index.array.dtype.kind == "b":
        _set_masked(input, index, _as_value(input, value))
        return
    basic, indices, dims = parse(index, input.array.shape)
    if indices and isinstance(value, Tensor) and value.array.dtype != input.array.dtype:
        value = _converted(input, index, value)
    value = _as_value(input, value)
    recorded = is_recording() and input.array.dtype.kind == "f" and (input.requires_grad or value.requires_grad)
    if recorded or is_batched(input, value, *indices):
        part = input if basic is None else sliced(input, index=basic)
        if value.array.dtype != part.array.dtype:
            value = cast(value, dtype=part.array.dtype)
        if indices:
            ndim = part.ndim - len(dims) + max([index.ndim for index in indices])
            new = overwritten(part, _without_leading_ones(value, ndim), *indices, dims=dims)
        else:
            new = _filling(_without_leading_ones(value, part.ndim), part.shape)
        assign(part, new, "setitem")
    else:
        _write_part(input, basic, value.array, (indices, dims))


def _filling(value: Any, shape: Any) -> Any:
    try:
        return expand(value, shape)
    except RuntimeError as error:
        raise named(error, "setitem") from None


def _set_masked(input: Tensor, mask: Any, value: Any) -> None:
    """Write a value that does not depend on how many elements a mask of a vmap chooses."""
    rest = input.ndim - mask.ndim
    if mask.shape != input.shape[: mask.ndim] or value.ndim > rest:
        raise RuntimeError(
            f"setitem: vmap: a mask of shape {list(mask.shape)} that is vmapped over cannot choose the elements of a "
            f"tensor of shape {list(input.shape)} that {list(value.shape)} values are written to"
        )
    value = value if value.array.dtype == input.array.dtype else cast(value, dtype=input.array.dtype)
    assign(input, chosen(reshape(mask, (*mask.shape, *[1] * rest)), value, input), "setitem")


def _converted(input: Tensor, index: Any, value: Tensor) -> Any:
    """Refuse a value of another type at positions; one element is converted where a mask alone picks them."""
    arrays = [each for each in (index if isinstance(index, tuple) else (index,)) if not isinstance(each, slice)]
    arrays = [each for each in arrays if each is not None and each is not Ellipsis and np.ndim(each)]
    alone = arrays[0] if len(arrays) == 1 else ()
    one_mask = (alone.array if isinstance(alone, Tensor) else np.asarray(alone)).dtype.kind == "b"
    if value.array.size == 1 and one_mask:
        return as_filling("setitem", value, input.array.dtype)
    getitem(input.array, index)  # what is wrong with the index is said first
    raise RuntimeError(
        f"setitem: Index put requires the source and destination dtypes match, got {input.dtype} for the "
        f"destination and {value.dtype} for the source; convert it with .to({input.dtype})"
    )


def _as_value(input: Tensor, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float)):
        return Tensor(as_filling("setitem", value, input.array.dtype))
    if isinstance(value, (np.ndarray, np.generic)):
        return Tensor(np.asarray(value))
    raise TypeError(f"can't assign a {type(value).__name__} to a Tensor of {input.dtype}")


def _without_leading_ones(value: Any, ndim: int) -> Any:
    """Take away leading dimensions of size 1 that are too many for the part the value is written to."""
    extra = max(value.ndim - ndim, 0)
    return reshape(value, value.shape[extra:]) if extra and value.shape[:extra] == (1,) * extra else value


def _write_part(input: Tensor, basic: Any, values: np.ndarray, advanced: tuple[list[Any], Sizes]) -> None:
    """Write without recording."""
    refuse_hidden(input, "setitem")
    indices, dims = advanced
    part = Tensor(input.array if basic is None else input.array[basic])
    part._writes = writes_of(input)
    if not indices:
        write(part, _filling(_without_leading_ones(values, part.ndim), part.shape), "setitem")
        return
    if part.array.size and (not part.array.flags.writeable or overlaps(part.array)):
        raise RuntimeError("setitem: the memory is read-only or shared by several elements; clone() the tensor first")
    put(part.array, values, [i.array if isinstance(i, Tensor) else i for i in indices], dims)
    mark_written(part, "setitem")
    if watchers:
        watch_write("setitem", part, values, *indices)
