"""Tables of vectors: rows looked up by number, and numbers as one-hot rows."""

import functools
from typing import Any

import numpy as np

from autograd.batching import Batch, is_batched, stacked
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from autograd.views import mark_written
from ops.batched import elements
from ops.comparison import eq
from ops.indexing import ZERO, overwritten
from ops.lazy_kernels import rows as row_kernels
from ops.selecting import integers
from ops.shape import reshape, unsqueeze


@primitive
def looked_up(
    weight: np.ndarray,
    index: np.ndarray,
    *,
    padding_idx: int | None,
    by_frequency: bool,
) -> np.ndarray:
    """y[..., :] = weight[index[...], :]."""
    return weight.take(index, axis=0)


@primitive
def each_looked_up(
    weight: np.ndarray,
    index: np.ndarray,
    *,
    padding_idx: int | None,
    by_frequency: bool,
) -> np.ndarray:
    """y[s, ..., :] = weight[s, index[s, ...], :]: samples with a table each."""
    return weight[_samples(index), index]


@primitive
def summed_rows(x: np.ndarray, index: np.ndarray, *, rows: int, padding_idx: int | slice | None) -> np.ndarray:
    """y[r, :] = Σ x[..., :] over index[...] = r, and 0 in row `padding_idx`: the gradient of a table."""
    y = np.zeros((rows, x.shape[-1]), x.dtype)
    row_kernels.add_rows(y, index.reshape(-1), x.reshape(index.size, x.shape[-1]))
    if padding_idx is not None:
        y[padding_idx] = 0
    return y


@primitive
def frequencies(index: np.ndarray, *, rows: int) -> np.ndarray:
    """y[...] = how often index[...] occurs in all of the index."""
    return np.bincount(index.reshape(-1), minlength=rows).astype(np.float32)[index]


def _looked_up_vjp(
    grad: Any, weight_shape: Any, index: Any, padding_idx: int | slice | None, by_frequency: bool
) -> Any:
    if by_frequency:
        grad = grad / unsqueeze(frequencies(index, rows=weight_shape[0]), -1)
    return summed_rows(grad, index, rows=weight_shape[0], padding_idx=padding_idx)


def _each_looked_up_vjp(grad: Any, weight_shape: Any, index: Any, padding_idx: int | None, by_frequency: bool) -> Any:
    """All tables are one long table: that of sample s has the rows from s · V on."""
    S, V, D = weight_shape
    padding = _in_every_table(padding_idx, V)
    return reshape(_looked_up_vjp(grad, (S * V, D), index + _samples(index) * V, padding, by_frequency), (S, V, D))


def _samples(index: Any) -> np.ndarray:
    """Return s at [s, ...]."""
    return np.arange(index.shape[0]).reshape(-1, *[1] * (index.ndim - 1))


def _in_every_table(padding_idx: int | slice | None, rows: int) -> slice | None:
    """Return the places of a row, of many tables below each other."""
    return slice(padding_idx, None, rows) if isinstance(padding_idx, int) else padding_idx


def _summed_rows_vjp(grad: Any, index: Any, padding_idx: int | slice | None) -> Any:
    if padding_idx is not None:
        grad = overwritten(grad, ZERO, np.atleast_1d(np.arange(grad.shape[0])[padding_idx]), dims=(0,))
    return looked_up(grad, index, padding_idx=None, by_frequency=False)


looked_up.vjp(weight=_looked_up_vjp)
each_looked_up.vjp(weight=_each_looked_up_vjp)
summed_rows.vjp(x=_summed_rows_vjp)


@looked_up.joint_vmap
def _(batch: Batch, weight: Any, index: Any, padding_idx: int | None, by_frequency: bool) -> Any:
    if not batch.of[0] and not by_frequency:
        return looked_up(weight, index, padding_idx=padding_idx, by_frequency=False)
    weight, index = batch.everywhere((weight, index))
    return each_looked_up(weight, index, padding_idx=padding_idx, by_frequency=by_frequency)


@each_looked_up.joint_vmap
def _(batch: Batch, weight: Any, index: Any, padding_idx: int | None, by_frequency: bool) -> Any:
    lookup = functools.partial(each_looked_up, padding_idx=padding_idx, by_frequency=by_frequency)
    return stacked(lookup, batch, (weight, index))


@summed_rows.joint_vmap
def _(batch: Batch, x: Any, index: Any, rows: int, padding_idx: int | slice | None) -> Any:
    x, index = batch.everywhere((x, index))
    padding = _in_every_table(padding_idx, rows)
    y = summed_rows(x, index + _samples(index) * rows, rows=batch.size * rows, padding_idx=padding)
    return reshape(y, (batch.size, rows, x.shape[-1]))


def embedding(
    input: Any,
    weight: Any,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
) -> Any:
    """Return the rows of a table by number: y[..., :] = weight[input[...], :].

    Args:
        padding_idx: a row that receives no gradient.
        max_norm: rows about to be read whose norm is larger are scaled down to it, in place.
        norm_type: the p of that norm.
        scale_grad_by_freq: divide a row's gradient by how often the row was read.

    Shapes: input (...), weight (V, D) -> y (..., D).
    """
    index = integers("embedding", input)
    if weight.ndim != 2:
        raise RuntimeError(f"embedding: 'weight' must be 2-D, got shape {list(weight.shape)}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(f"embedding: padding_idx {padding_idx} must be within num_embeddings {rows}")
        padding_idx %= rows
    positions = elements(index)
    if positions.size and (positions.min() < 0 or positions.max() >= rows):
        far = positions[(positions < 0) | (positions >= rows)].flat[0]
        raise IndexError(f"embedding: index {far} is out of bounds for a table with size {rows}")
    if max_norm is not None:
        _renormalise(weight, np.unique(positions), max_norm, norm_type)
    return looked_up(weight, index, padding_idx=padding_idx, by_frequency=scale_grad_by_freq)


def _renormalise(weight: Tensor, rows: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Scale long rows down, without recording."""
    norms = np.linalg.norm(weight.array[rows], ord=norm_type, axis=1)
    long = norms > max_norm
    weight.array[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None]
    mark_written(weight, "embedding")


def one_hot(tensor: Any, num_classes: int = -1) -> Tensor:
    """Return integers as rows: y[..., k] = 1 where tensor[...] = k, else 0."""
    index = elements(tensor)
    if index.dtype != np.int64:
        raise RuntimeError(f"one_hot: is only applicable to index tensor of type LongTensor, got {index.dtype}")
    if index.size == 0 and num_classes <= 0:
        raise RuntimeError("one_hot: Can not infer total number of classes from empty tensor.")
    if index.size and index.min() < 0:
        raise RuntimeError(f"one_hot: Class values must be non-negative, got {index.min()}")
    if num_classes == -1:
        if is_batched(tensor):
            raise RuntimeError("one_hot: under vmap num_classes must be given: a shape cannot depend on elements")
        num_classes = int(index.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("one_hot: num_classes should be positive")
    if index.size and index.max() >= num_classes:
        raise RuntimeError(
            f"one_hot: Class values must be smaller than num_classes, got {index.max()} of {num_classes}"
        )
    return cast(eq(unsqueeze(tensor, -1), np.arange(num_classes)), dtype=np.dtype(np.int64))
