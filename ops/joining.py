"""Tensors put together: cat, stack and their relatives."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import batching, dtypes
from autograd.batching import next_dim
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from ops.dims import wrap_dim
from ops.shape import atleast_1d, atleast_2d, atleast_3d, expand, ravel, reshape, unsqueeze
from ops.slicing import along, sliced

Sizes = tuple[int, ...]


@primitive
def joined(*tensors: np.ndarray, dim: int) -> np.ndarray:
    """The tensors, of one type, one after another along `dim`."""
    return np.concatenate(tensors, axis=dim)


@joined.joint_vjp
def joined_vjp(grad: Any, wanted: Sequence[bool], tensors_shape: Sequence[Sizes], dim: int) -> list[Any]:
    """Each tensor receives its part of the gradient."""
    grads, start = [], 0
    for shape, want in zip(tensors_shape, wanted, strict=True):
        end = start + shape[dim]
        grads.append(sliced(grad, index=along(dim, slice(start, end))) if want else None)
        start = end
    return grads


joined.vmap(dim=next_dim)


def cat(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return the tensors one after another along `dim`. Empty 1-d tensors may be among them."""
    items = _tensors("cat", tensors)
    if not items:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    first = next((x for x in items if tuple(x.shape) != (0,)), items[0])
    for i, x in enumerate(items):
        if x.ndim == 0:
            raise RuntimeError(f"cat: zero-dimensional tensor (at position {i}) cannot be concatenated")
    dim = wrap_dim("cat", dim, first.ndim)
    for i, x in enumerate(items):
        if tuple(x.shape) != (0,):
            _check_sizes(first, x, i, dim)
    shape = tuple(first.shape)
    hollow = (*shape[:dim], 0, *shape[dim + 1 :])  # the empty ones, so that they still take part in promotion
    parts = [x if len(x.shape) == len(shape) else reshape(x, hollow) for x in items]
    return joined(*_of_one_type(parts), dim=dim)


concat = concatenate = batching.join = cat


def _tensors(name: str, tensors: Any) -> list[Any]:
    if isinstance(tensors, Tensor) or not isinstance(tensors, (list, tuple)):
        raise TypeError(f"{name}: expected a tuple or list of Tensors, got {type(tensors).__name__}")
    for i, x in enumerate(tensors):
        if not isinstance(x, (Tensor, np.ndarray)):
            raise TypeError(f"{name}: expected Tensor as element {i} in argument 0, but got {type(x).__name__}")
    return list(tensors)


def _of_one_type(items: list[Any]) -> list[Any]:
    """Convert tensors to the type arithmetic on them would give."""
    arrays = [x.array if isinstance(x, Tensor) else x for x in items]
    target = dtypes.result_dtype(arrays)
    return [x if a.dtype == target else cast(x, dtype=target) for x, a in zip(items, arrays, strict=True)]


def _check_sizes(first: Any, x: Any, position: int, dim: int) -> None:
    if x.ndim != first.ndim:
        raise RuntimeError(f"cat: Tensors must have same number of dimensions: got {first.ndim} and {x.ndim}")
    for k, (expected, got) in enumerate(zip(first.shape, x.shape, strict=True)):
        if k != dim and expected != got:
            raise RuntimeError(
                f"cat: Sizes of tensors must match except in dimension {dim}. Expected size {expected} but "
                f"got size {got} for tensor number {position} in the list."
            )


def stack(tensors: Sequence[Any], dim: int = 0) -> Any:
    """Return tensors of one shape one after another along a new dimension."""
    items = _tensors("stack", tensors)
    if not items:
        raise RuntimeError("stack expects a non-empty TensorList")
    shape = tuple(items[0].shape)
    for i, x in enumerate(items):
        if tuple(x.shape) != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(x.shape)} at entry {i}"
            )
    dim = wrap_dim("stack", dim, len(shape) + 1)
    return joined(*[unsqueeze(x, dim) for x in _of_one_type(items)], dim=dim)


def hstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors side by side: along dimension 1, or 0 of 1-d tensors."""
    items = [atleast_1d(x) for x in _tensors("hstack", tensors)]
    return cat(items, 0 if items and items[0].ndim == 1 else 1)


def vstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors as rows one below another: along dimension 0."""
    return cat([atleast_2d(x) for x in _tensors("vstack", tensors)], 0)


row_stack = vstack


def dstack(tensors: Sequence[Any]) -> Any:
    """Return the tensors one behind another: along dimension 2."""
    return cat([atleast_3d(x) for x in _tensors("dstack", tensors)], 2)


def column_stack(tensors: Sequence[Any]) -> Any:
    """Return the tensors side by side, vectors as columns."""
    items = _tensors("column_stack", tensors)
    return hstack([reshape(x, (x.shape[0] if x.ndim else 1, 1)) if x.ndim < 2 else x for x in items])


def block_diag(*tensors: Any) -> Any:
    """Return the matrix with the given ones along its diagonal and zeros elsewhere."""
    if not tensors:
        return Tensor(np.zeros((1, 0), dtypes.default_float()))
    blocks = _of_one_type([atleast_2d(x) for x in _tensors("block_diag", tensors)])
    dtype = (blocks[0].array if isinstance(blocks[0], Tensor) else blocks[0]).dtype
    width = sum(x.shape[1] for x in blocks)
    rows, left = [], 0
    for x in blocks:
        if x.ndim != 2:
            raise RuntimeError(f"block_diag: Input tensors must have 2 or fewer dimensions, got {x.ndim}")
        sides = [np.zeros((x.shape[0], n), dtype) for n in (left, width - left - x.shape[1])]
        rows.append(joined(sides[0], x, sides[1], dim=1))
        left += x.shape[1]
    return joined(*rows, dim=0)


# -- grids ---------------------------------------------------------------------------------------------------


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Any, ...]:
    """Return, for vectors v₀, v₁, ..., the coordinates of their grid: yₖ[i₀, i₁, ...] = vₖ[iₖ].

    `indexing` "xy" exchanges the first two dimensions.
    """
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    items = _tensors("meshgrid", list(given))
    if indexing not in ("ij", "xy"):
        raise RuntimeError(f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if not items:
        raise ValueError("meshgrid expects a non-empty TensorList")
    for x in items:
        if x.ndim > 1:
            raise RuntimeError(f"meshgrid: Expected 0D or 1D tensor in the tensor list but got: {list(x.shape)}")
    order = list(range(len(items)))
    if indexing == "xy" and len(items) > 1:
        order[:2] = 1, 0
    vectors = [atleast_1d(x) for x in items]
    shape = [vectors[k].shape[0] for k in order]
    place = [[-1 if dim == k else 1 for dim in order] for k in range(len(items))]
    return tuple([expand(_along_one(x, where), shape) for x, where in zip(vectors, place, strict=True)])


def _along_one(x: Any, where: list[int]) -> Any:
    return reshape(x, tuple([x.shape[0] if n == -1 else 1 for n in where]))


def cartesian_prod(*tensors: Any) -> Any:
    """Return all combinations of one element from each vector, as rows."""
    for x in _tensors("cartesian_prod", tensors):
        if x.ndim != 1:
            raise RuntimeError(f"cartesian_prod: Expect a 1D vector, but got shape {list(x.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([ravel(x) for x in meshgrid(*tensors)], 1)
