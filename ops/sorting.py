"""Order along a dimension. NaN counts as greater than every number, as in NumPy and PyTorch."""

from typing import Any, NamedTuple

import numpy as np

from autograd.tensor import Tensor
from ops.dims import wrap_dim
from ops.scattering import gathered
from ops.selecting import array_of
from ops.slicing import select


class Ordered(NamedTuple):
    """Elements and the positions they came from."""

    values: Any
    indices: Tensor


def _order(array: np.ndarray, dim: int, descending: bool, stable: bool = True) -> np.ndarray:
    """Return the positions that sort an array; equal elements keep their order if `stable`."""
    if array.ndim == 0:
        return np.zeros((), np.intp)
    kind = "stable" if stable else None
    if not descending:
        return np.argsort(array, axis=dim, kind=kind)
    # The reverse of the ascending order of the reversed array: equal elements keep their order.
    return array.shape[dim] - 1 - np.flip(np.argsort(np.flip(array, dim), axis=dim, kind=kind), dim)


def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Ordered:
    """Return the elements in order and where they were; equal ones keep their order, whatever `stable` says."""
    dim = wrap_dim("sort", dim, input.ndim)
    indices = _order(array_of(input), dim, descending)
    return Ordered(gathered(input, indices, dim=dim), Tensor(indices))


def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Tensor:
    """Return the positions that put the elements in order; equal ones keep theirs, whatever `stable` says."""
    return Tensor(_order(array_of(input), wrap_dim("argsort", dim, input.ndim), descending))


def msort(input: Any) -> Any:
    """Return the elements in order along the first dimension."""
    return sort(input, 0).values


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Ordered:
    """Return the k largest, or smallest, elements and where they were, in order even when `sorted` does not ask."""
    dim = wrap_dim("topk", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"topk: selected index k out of range, got k = {k} for dimension {dim} of size {size}")
    indices = _extreme(array_of(input), k, dim, largest)
    return Ordered(gathered(input, indices, dim=dim), Tensor(indices))


def _extreme(array: np.ndarray, k: int, dim: int, largest: bool) -> np.ndarray:
    """Return the positions of the k largest or smallest elements, in order."""
    if array.ndim == 0 or k == 0 or 4 * k > array.shape[dim]:
        order = _order(array, dim, largest)
        return order if array.ndim == 0 else _first(order, k, dim)
    size = array.shape[dim]
    found = np.argpartition(array, size - k if largest else k - 1, axis=dim)
    found = np.sort(_first(np.flip(found, dim) if largest else found, k, dim), axis=dim)
    order = _order(np.take_along_axis(array, found, dim), dim, largest)
    return np.take_along_axis(found, order, dim)


def _first(array: np.ndarray, k: int, dim: int) -> np.ndarray:
    return array[(*(slice(None),) * dim, slice(0, k))]


def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
    """Return the k-th smallest element, counted from 1, and where it was."""
    dim = wrap_dim("kthvalue", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue(): selected number k out of range for dimension {dim}, got {k} of {size}")
    return _kth(input, k - 1, dim, keepdim)


def _kth(input: Any, position: Any, dim: int, keepdim: bool) -> Ordered:
    order = _order(array_of(input), dim, descending=False)
    if input.ndim == 0:
        return Ordered(gathered(input, order, dim=0), Tensor(order))
    indices = order[(*(slice(None),) * dim, slice(position, position + 1))]
    values = gathered(input, indices, dim=dim)
    if keepdim:
        return Ordered(values, Tensor(indices))
    return Ordered(select(values, dim, 0), Tensor(indices.squeeze(dim)))
