"""One element at a time along a dimension: gather, and its relatives that write."""

import math
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.batching import Batch, next_dim, with_batch
from autograd.elementwise import SMALL
from autograd.primitive import primitive
from autograd.tensor import Tensor
from ops.batched import each_sample, elements
from ops.comparison import FLOATS, as_filling
from ops.dims import array_of, wrap_dim
from ops.indexing import ZERO, indexed
from ops.joining import cat
from ops.lazy_kernels import lookup
from ops.lazy_kernels import rows as row_kernels
from ops.selecting import integers
from ops.shape import broadcast_shapes, expand, ravel, reshape
from ops.slicing import sliced

Sizes = tuple[int, ...]


def _flat_positions(index: np.ndarray, dim: int, shape: Sizes) -> np.ndarray:
    """Return the C-order number of [..., index[..., i, ...], ...] in an array of `shape`, for every i."""
    positions = np.zeros((), np.intp)
    for k, size in enumerate(shape):
        along = index if k == dim else np.arange(index.shape[k]).reshape(-1, *[1] * (len(shape) - 1 - k))
        positions = positions * size + along
    return positions


def _as_blocks(index: np.ndarray, dim: int, shape: Sizes) -> tuple[Sizes, Sizes] | None:
    """Return `shape` and the index's shape as (A, n, B) about `dim`; None if a kernel does not serve them."""
    if index.size <= SMALL or index.shape[:dim] != shape[:dim] or index.shape[dim + 1 :] != shape[dim + 1 :]:
        return None
    outer, inner = math.prod(shape[:dim]), math.prod(shape[dim + 1 :])
    return (outer, shape[dim], inner), (outer, index.shape[dim], inner)


@primitive
def gathered(x: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
    """y[..., i, ...] = x[..., index[..., i, ...], ...]."""
    blocks = _as_blocks(index, dim, x.shape)
    if blocks is None or x.dtype not in FLOATS:
        return x.reshape(-1)[_flat_positions(index, dim, x.shape)]
    y = np.empty(index.shape, x.dtype)
    lookup.run(lookup.take, x.reshape(blocks[0]), index.reshape(blocks[1]), y.reshape(blocks[1]))
    return y


def _added(y: np.ndarray, x: np.ndarray, index: np.ndarray, dim: int) -> np.ndarray:
    """Add x[..., i, ...] to y[..., index[..., i, ...], ...] in place; y is dense."""
    blocks = _as_blocks(index, dim, y.shape)
    if blocks is None or y.dtype not in FLOATS:
        positions = _flat_positions(index, dim, y.shape).reshape(-1)
        row_kernels.add_rows(y.reshape(-1, 1), positions, x.reshape(-1, 1))
    else:
        lookup.run(lookup.add, x.reshape(blocks[1]), index.reshape(blocks[1]), y.reshape(blocks[0]))
    return y


@primitive
def ungathered(x: np.ndarray, index: np.ndarray, *, dim: int, shape: Sizes) -> np.ndarray:
    """Zeros with x[..., i, ...] added at [..., index[..., i, ...], ...]: the adjoint of `gathered`."""
    return _added(np.zeros(shape, x.dtype), x, index, dim)


@primitive
def scattered_sum(x: np.ndarray, src: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
    """A copy of x with src[..., i, ...] added at [..., index[..., i, ...], ...]."""
    return _added(x.copy("C"), src, index, dim)


@primitive
def scattered(x: np.ndarray, value: np.ndarray, index: np.ndarray, *, dim: int) -> np.ndarray:
    """A copy of x with value[..., i, ...] at [..., index[..., i, ...], ...]."""
    y, blocks = x.copy("C"), _as_blocks(index, dim, x.shape)
    if blocks is None or x.dtype not in FLOATS or value.dtype != x.dtype or value.shape != index.shape:
        y.reshape(-1)[_flat_positions(index, dim, x.shape)] = value
    else:
        lookup.run(lookup.put, value.reshape(blocks[1]), index.reshape(blocks[1]), y.reshape(blocks[0]))
    return y


gathered.vjp(x=lambda grad, index, x_shape, dim: ungathered(grad, index, dim=dim, shape=x_shape))
scattered_sum.vjp(x=lambda grad: grad, src=lambda grad, index, dim: gathered(grad, index, dim=dim))
ungathered.vjp(x=lambda grad, index, dim: gathered(grad, index, dim=dim))
scattered.vjp(
    x=lambda grad, index, dim: scattered(grad, ZERO, index, dim=dim),
    value=lambda grad, index, dim: gathered(grad, index, dim=dim),
)
gathered.vmap(dim=next_dim)
ungathered.vmap(dim=next_dim, shape=with_batch)
scattered_sum.vmap(dim=next_dim)


@scattered.joint_vmap
def _(batch: Batch, x: Any, value: Any, index: Any, dim: int) -> Any:
    x, value, index = batch.everywhere((x, value, index))
    if value.ndim < index.ndim:  # one value for all places
        value = reshape(value, (batch.size,) + (1,) * (index.ndim - 1))
    return scattered(x, value, index, dim=dim + 1)


def _element_index(name: str, input: Any, dim: int, index: Any) -> tuple[int, Any]:
    """Return the wrapped dim and the checked index."""
    index = integers(name, index)
    dim = wrap_dim(name, dim, input.ndim)
    if index.ndim != input.ndim:
        raise RuntimeError(
            f"{name}: Index tensor must have the same number of dimensions as input tensor, got {index.ndim} "
            f"and {input.ndim}"
        )
    for k, (n, size) in enumerate(zip(index.shape, input.shape, strict=True)):
        if k != dim and n > size:
            raise RuntimeError(
                f"{name}: Size does not match at dimension {k} expected index {list(index.shape)} to be no "
                f"larger than self {list(input.shape)} apart from dimension {dim}"
            )
    array = elements(index)
    size = input.shape[dim] if input.ndim else 1
    if array.size > SMALL:
        bad = lookup.any_outside(array.astype(np.int64, copy=False).reshape(-1), size)
    else:
        bad = array.size and (array.min() < 0 or array.max() >= size)
    if bad:
        outside = (array < 0) | (array >= size)
        first = array[outside].flat[0] if array.ndim else array
        raise RuntimeError(f"{name}: index {first} is out of bounds for dimension {dim} with size {size}")
    return dim, index


def gather(input: Any, dim: int, index: Any) -> Any:
    """y[..., i, ...] = input[..., index[..., i, ...], ...] with i along `dim`; y has the index's shape."""
    if input.ndim + index.ndim == 1:  # a vector and a 0-d tensor, which counts as one
        return reshape(gather(reshape(input, (-1,)), dim, reshape(index, (-1,))), tuple(index.shape))
    dim, index = _element_index("gather", input, dim, index)
    return gathered(input, index, dim=dim)


def take_along_dim(input: Any, indices: Any, dim: int | None = None) -> Any:
    """Return `gather` with the other dimensions broadcast; without `dim`, of both tensors flattened."""
    if dim is None:
        return gather(ravel(input), 0, ravel(indices))
    if input.ndim != indices.ndim:
        raise RuntimeError(
            "take_along_dim: input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices"
        )
    dim = wrap_dim("take_along_dim", dim, input.ndim)
    others = [tuple([1 if k == dim else n for k, n in enumerate(x.shape)]) for x in (input, indices)]
    shape = list(broadcast_shapes(*others))
    input, indices = (expand(x, [*shape[:dim], x.shape[dim], *shape[dim + 1 :]]) for x in (input, indices))
    return gather(input, dim, indices)


def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """Return `input` with src[..., i, ...], or a number, written at [..., index[..., i, ...], ...].

    `reduce` "add" or "multiply" combines with what is there.
    """
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError(f"scatter: reduce argument must be either add or multiply, got {reduce!r}")
    dim, index = _element_index("scatter", input, dim, index)
    if not isinstance(src, (Tensor, np.ndarray)):
        src = np.full(index.shape, as_filling("scatter", src, array_of(input).dtype))
    src = _source("scatter", input, index, src)
    if reduce is None:
        return scattered(input, src, index, dim=dim)
    return scatter_reduce(input, dim, index, src, "sum" if reduce == "add" else "prod")


def _source(name: str, input: Any, index: Any, src: Any) -> Any:
    """Return the part of `src` that the index covers."""
    ours, given = (dtypes.FROM_NUMPY[array_of(x).dtype] for x in (input, src))
    if ours != given:
        raise RuntimeError(f"{name}: Expected self.dtype to be equal to src.dtype, got {ours} and {given}")
    if src.ndim != index.ndim or any(n > size for n, size in zip(index.shape, src.shape, strict=True)):
        raise RuntimeError(f"{name}: Expected index {list(index.shape)} to be no larger than src {list(src.shape)}")
    if tuple(src.shape) == tuple(index.shape):
        return src
    return sliced(src, index=tuple([slice(0, n) for n in index.shape]))


def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Return `input` with src[..., i, ...] added at [..., index[..., i, ...], ...], for every i."""
    dim, index = _element_index("scatter_add", input, dim, index)
    src = _source("scatter_add", input, index, src)
    return scattered_sum(input, src, index, dim=dim)


# -- reductions ----------------------------------------------------------------------------------------------


@primitive
def scattered_extremum(x: np.ndarray, src: np.ndarray, index: np.ndarray, *, dim: int, largest: bool) -> np.ndarray:
    """The largest, or smallest, of x and all src[..., i, ...] that go to the same element."""
    y = x.copy()
    ufunc = np.maximum if largest else np.minimum
    ufunc.at(y.reshape(-1), _flat_positions(index, dim, x.shape).reshape(-1), src.reshape(-1))
    return y


@scattered_extremum.joint_vjp
def scattered_extremum_vjp(grad: Any, _: Any, x: Any, src: Any, index: Any, output: Any, dim: int) -> Any:
    """Ties share the gradient equally."""
    chosen, chosen_src = x == output, src == gathered(output, index, dim=dim)
    count = chosen + ungathered(1.0 * chosen_src, index, dim=dim, shape=tuple(x.shape))
    share = grad / count
    return share * chosen, gathered(share, index, dim=dim) * chosen_src, None


scattered_extremum.vmap(dim=next_dim)


def _scattered_product(input: Any, index: Any, src: Any, dim: int) -> Any:
    """Multiply every element and the src[..., i, ...] that go to it.

    The factors of an element lie side by side; neighbours are multiplied until one is left of each: ⌈log₂ n⌉ rounds.
    No division, so zeros do no harm to derivatives of any order.
    """
    shape = tuple(input.shape)
    group = np.concatenate([np.arange(math.prod(shape)), _flat_positions(array_of(index), dim, shape).reshape(-1)])
    order = np.argsort(group, stable=True)
    group, factors = group[order], indexed(cat([ravel(input), ravel(src)]), order, dims=(0,))
    one = np.ones(1, array_of(input).dtype)
    while True:
        starts = np.flatnonzero(np.diff(group, prepend=-1))
        if len(starts) == len(group):
            return reshape(factors, shape)
        rank = np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
        left = np.flatnonzero(rank % 2 == 0)
        alone = np.diff(group, append=-1)[left] != 0
        right = np.where(alone, len(group), left + 1)  # the neighbour, or the one put at the end
        factors = indexed(factors, left, dims=(0,)) * indexed(cat([factors, one]), right, dims=(0,))
        group = group[left]


IDENTITY = {"sum": 0, "mean": 0, "prod": 1, "amax": -np.inf, "amin": np.inf}


@each_sample
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """Reduce src[..., i, ...] into the elements [..., index[..., i, ...], ...] of `input`.

    Args:
        reduce: "sum", "prod", "mean", "amax" or "amin".
        include_self: whether an element's value before takes part.
    """
    if reduce not in IDENTITY:
        raise RuntimeError(f"scatter_reduce: reduce argument must be one of {list(IDENTITY)}, got {reduce!r}")
    dim, index = _element_index("scatter_reduce", input, dim, index)
    src = _source("scatter_reduce", input, index, src)
    if not include_self:
        input = scattered(input, _identity(reduce, array_of(input).dtype), index, dim=dim)
    if reduce == "prod":
        return _scattered_product(input, index, src, dim)
    if reduce in ("amax", "amin"):
        return scattered_extremum(input, src, index, dim=dim, largest=reduce == "amax")
    total = scattered_sum(input, src, index, dim=dim)
    return total if reduce == "sum" else _mean(total, index, dim, include_self)


def _identity(reduce: str, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f" or reduce in ("sum", "mean", "prod"):
        return np.asarray(IDENTITY[reduce], dtype)
    if dtype.kind == "b":
        return np.asarray(reduce == "amin")
    limits = np.iinfo(dtype)
    return np.asarray(limits.min if reduce == "amax" else limits.max, dtype)


def _mean(total: Any, index: Any, dim: int, include_self: bool) -> Any:
    dtype = array_of(total).dtype
    count = np.zeros(total.shape, dtype)
    np.add.at(count.reshape(-1), _flat_positions(array_of(index), dim, count.shape).reshape(-1), 1)
    count = np.maximum(count + include_self, 1)
    return total / count if dtype.kind == "f" else total // count
