"""Order along a dimension. NaN counts as greater than every number, as in NumPy and PyTorch."""

from typing import Any, NamedTuple

import numpy as np

from autograd.tensor import Tensor
from ops.batched import along_dim
from ops.dims import array_of, wrap_dim
from ops.lazy_kernels import largest as row_choices
from ops.scattering import gathered
from ops.slicing import along, select

FEW, SHORT = 8, 256
"""One element in FEW, or any of a row this SHORT, are sooner kept in a heap than found by NumPy's partition."""


class Ordered(NamedTuple):
    """Elements and the positions they came from."""

    values: Any
    indices: Tensor


def _order(array: np.ndarray, dim: int, descending: bool, stable: bool) -> np.ndarray:
    """Return the positions that sort an array; equal elements keep their order if `stable`."""
    if array.ndim == 0:
        return np.zeros((), np.intp)
    if not descending:
        return np.argsort(array, axis=dim, stable=stable)
    # The reverse of the ascending order of the reversed array: equal elements keep their order.
    return array.shape[dim] - 1 - np.flip(np.argsort(np.flip(array, dim), axis=dim, stable=stable), dim)


@along_dim
def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Ordered:
    """Return the elements in order and where they were; equal ones keep their order if `stable`."""
    dim = wrap_dim("sort", dim, input.ndim)
    indices = _order(array_of(input), dim, descending, stable)
    return Ordered(gathered(input, indices, dim=dim), Tensor(indices))


@along_dim
def argsort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Tensor:
    """Return the positions that put the elements in order; equal ones keep theirs if `stable`."""
    return Tensor(_order(array_of(input), wrap_dim("argsort", dim, input.ndim), descending, stable))


def msort(input: Any) -> Any:
    """Return the elements in order along the first dimension."""
    return sort(input, 0).values


@along_dim
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Ordered:
    """Return the k largest, or smallest, elements and where they were; in order if `sorted`."""
    dim = wrap_dim("topk", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 0 <= k <= size:
        raise RuntimeError(f"topk: selected index k out of range, got k = {k} for dimension {dim} of size {size}")
    array = array_of(input)
    if input.ndim and k > 0 and (k <= size // FEW or size <= SHORT):
        indices = _first(array, k, dim, largest)
    else:
        indices = _extreme(array, k, dim, largest)
        if sorted and input.ndim:
            order = _order(np.take_along_axis(array, indices, dim), dim, largest, stable=True)
            indices = np.take_along_axis(indices, order, dim)
    return Ordered(gathered(input, indices, dim=dim), Tensor(indices))


def _first(array: np.ndarray, k: int, dim: int, largest: bool) -> np.ndarray:
    """Return the positions of the k largest or smallest elements, in order."""
    rows = np.moveaxis(array, dim, -1)
    found = row_choices.positions_of_largest(rows.reshape(-1, array.shape[dim]), k, largest)
    return np.ascontiguousarray(np.moveaxis(found.reshape(*rows.shape[:-1], k), -1, dim))


def _beyond(rows: np.ndarray, k: int, largest: bool) -> np.ndarray | None:
    """Return the positions of each row's k largest or smallest, found by the k-th value; None where others equal it.

    NumPy partitions values sooner than positions.
    """
    place = rows.shape[-1] - k if largest else k - 1
    bound = np.partition(rows, place, axis=-1)[..., place, None]
    chosen = rows >= bound if largest else rows <= bound
    if not (np.count_nonzero(chosen, axis=-1) == k).all():
        return None  # ties, or NaN
    return (np.flatnonzero(chosen) % rows.shape[-1]).reshape(*rows.shape[:-1], k)


def _extreme(array: np.ndarray, k: int, dim: int, largest: bool) -> np.ndarray:
    """Return the positions of the k largest or smallest elements, earlier positions first."""
    if array.ndim == 0:
        return np.zeros((), np.intp)
    size = array.shape[dim]
    if array.dtype.kind == "f" and 0 < k < size:
        beyond = _beyond(np.moveaxis(array, dim, -1), k, largest)
        if beyond is not None:
            return np.moveaxis(beyond, -1, dim)
    first = size - k if largest else 0
    found = (
        np.argpartition(array, min(first if largest else k - 1, size - 1), axis=dim) if k else np.zeros_like(array, int)
    )
    return np.sort(found[along(dim, slice(first, first + k))], axis=dim)


@along_dim
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Ordered:
    """Return the k-th smallest element, counted from 1, and where it was."""
    dim = wrap_dim("kthvalue", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    if not 1 <= k <= size:
        raise RuntimeError(f"kthvalue: selected number k out of range for dimension {dim}, got {k} of {size}")
    order = _order(array_of(input), dim, descending=False, stable=True)
    if input.ndim == 0:
        return Ordered(gathered(input, order, dim=0), Tensor(order))
    indices = order[along(dim, slice(k - 1, k))]
    values = gathered(input, indices, dim=dim)
    return (
        Ordered(values, Tensor(indices)) if keepdim else Ordered(select(values, dim, 0), Tensor(indices.squeeze(dim)))
    )
