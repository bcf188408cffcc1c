"""Losses of classifiers: cross-entropy and the negative log-likelihood, of classes or of probabilities.

`reduction` is that of `ops.loss`.
"""

import math
from typing import Any

import numpy as np

from autograd.batching import Batch, is_batched
from autograd.elementwise import silently
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from ops.batched import elements
from ops.comparison import ne, where
from ops.conv_each import joined, separated
from ops.indexing import indexed
from ops.joining import stack
from ops.lazy_kernels import softmax as kernels
from ops.lazy_kernels import softmax_columns as column_kernels
from ops.loss import chosen_reduction, reduced
from ops.reduction import sum, summed
from ops.shape import movedim, reshape
from ops.softmax import log_softmax, softmax

Array = np.ndarray[Any, Any]

CLASS_TYPES = (np.dtype(np.int64), np.dtype(np.uint8))


def _mean(losses: Array, count: Any) -> Any:
    """Return NaN where every row was ignored, and infinity where the sum is too large."""
    return np.add.reduce(losses) / count


@primitive(residual=True)
def class_cross_entropy(
    x: Any, target: Any, weight: Any, *, ignore_index: int, label_smoothing: float, reduction: str
) -> tuple[Array, tuple[Array, Any]]:
    """l[n] = −(1 − ε) w[t] log p[n, t] − ε/C · Σ_c w[c] log p[n, c], p = softmax of x over c, t = target[n].

    Entries whose target is `ignore_index` count nothing; the mean divides by the sum of w[t].
    """
    kernel, logits = _logits(x)
    losses, row_weight, log_sum = kernel.cross_entropy_forward(
        logits, target.reshape(target.size), weight, ignore_index=ignore_index, label_smoothing=label_smoothing
    )
    if reduction == "none":
        return losses.reshape(target.shape if x.ndim > 1 else ()), (log_sum, None)
    if reduction == "sum":
        return silently(np.add.reduce, losses), (log_sum, None)
    count = np.add.reduce(row_weight)
    return silently(_mean, losses, count), (log_sum, count)


@class_cross_entropy.joint_vjp
def _(
    grad: Any,
    _: Any,
    x: Any,
    target: Any,
    weight: Any,
    residual: Any,
    ignore_index: int,
    label_smoothing: float,
) -> tuple[Any, None, None]:
    log_sum, count = residual
    options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
    if isinstance(grad, Tensor):
        share: Any = Tensor(np.asarray(1.0 if count is None else 1 / count if count else 0.0, grad.array.dtype))
        scale = reshape(grad, (-1, 1)) * share
        return _class_cross_entropy_grad(scale, x, target, weight, **options), None, None
    scale = grad.reshape(grad.size) if count is None else silently(np.true_divide, grad, count)
    if scale.shape != log_sum.shape:
        scale = _filled(scale, log_sum)
    kernel, logits = _logits(x)
    dx = kernel.cross_entropy_backward(scale, logits, target.reshape(log_sum.size), log_sum, weight, **options)
    return dx.reshape(x.shape), None, None


@class_cross_entropy.joint_vmap
def _(batch: Batch, x: Any, target: Any, weight: Any, reduction: str, **options: Any) -> Any:
    x, target = batch.everywhere((x, target))
    if batch.of[2]:
        one_by_one = zip(x, target, weight, strict=True)
        return stack([class_cross_entropy(*each, reduction=reduction, **options) for each in one_by_one])
    rows, classes = (x, target) if x.ndim == 2 else (joined(x), joined(target))
    losses = class_cross_entropy(rows, classes, weight, reduction="none", **options)
    losses = reshape(losses, target.shape)
    dims = tuple(range(1, losses.ndim))
    if reduction == "none":
        return losses
    total = summed(losses, dim=dims, keepdim=False)
    if reduction == "sum":
        return total
    share = _class_share(target, weight, options["ignore_index"], x.array.dtype)
    return total / summed(share, dim=dims, keepdim=False)


def _class_share(target: Any, weight: Any, ignore_index: int, dtype: np.dtype) -> Any:
    """Return w[t] for every target t, 0 where it is ignored."""
    kept = ne(target, ignore_index)
    share = cast(kept, dtype=dtype)
    return share if weight is None else share * indexed(weight, where(kept, target, 0), dims=(0,))


def _filled(value: Any, like: Array) -> Array:
    """Return `value`, one or a number per element, in an array like another."""
    array = np.empty(like.shape, like.dtype)
    array[...] = value
    return array


def _class_cross_entropy_grad(
    scale: Any, x: Any, target: Any, weight: Any, *, ignore_index: int, label_smoothing: float
) -> Any:
    """dx[n, c] = scale[n] ((a[n] + b Σ_j w[j]) p[n, c] − a[n] [c = t] − b w[c]), a = (1 − ε) w[t], b = ε/C.

    By recordable ops: only scale and p depend on anything that may require gradients.
    """
    rows = movedim(x, 1, -1) if x.ndim > 1 else x
    rows = rows.reshape((-1, x.shape[min(1, x.ndim - 1)]))
    classes, dtype = rows.shape[1], x.array.dtype
    w = np.ones(classes, dtype) if weight is None else weight.array
    t = target.array.reshape(-1)
    kept = t != ignore_index
    hits = np.zeros(rows.shape, dtype)
    hits[kept, t[kept]] = (1 - label_smoothing) * w[t[kept]]
    pull = hits + label_smoothing / classes * w * kept[:, None]
    dx = scale * (softmax(rows, 1) * Tensor(pull.sum(1, keepdims=True)) - Tensor(pull))
    if x.ndim < 3:
        return dx.reshape(x.shape)
    return movedim(dx.reshape((x.shape[0], *x.shape[2:], classes)), -1, 1)


def _logits(x: Array) -> tuple[Any, Array]:
    """Return x (N, C) or (C,) as rows, x (N, C, ...) as columns (N, C, positions), each with its kernels."""
    if x.ndim < 3:
        return kernels, x if x.ndim == 2 else x[None]
    return column_kernels, x.reshape(*x.shape[:2], math.prod(x.shape[2:]))


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Compare logits (N, C, ...) or (C,) with classes (N, ...) (int64), or with the probabilities of all
    classes.

    −Σ_c w[c] q[c] log softmax(x)[c], with q the target mixed with ε of the uniform distribution (Szegedy et
    al. 2016).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"cross_entropy: label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    _check_class_weight("cross_entropy", input, target, weight)
    if input.array.shape == target.array.shape and input.array.ndim:
        return _probability_cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)
    _check_classes("cross_entropy", input, target)
    if input.array.dtype == np.float16:  # for which there is no kernel
        wide = [x if x is None else cast(x, dtype=np.dtype(np.float32)) for x in (input, weight)]
        loss = cross_entropy(
            wide[0], target, wide[1], ignore_index=ignore_index, reduction=reduction, label_smoothing=label_smoothing
        )
        return cast(loss, dtype=np.dtype(np.float16))
    return class_cross_entropy(
        input, target, weight, ignore_index=ignore_index, label_smoothing=label_smoothing, reduction=reduction
    )


def _probability_cross_entropy(
    input: Any, target: Any, weight: Any, ignore_index: int, reduction: str, label_smoothing: float
) -> Any:
    if not target.is_floating_point():
        raise RuntimeError(
            f"cross_entropy: Expected floating point type for target with class probabilities, got {target.dtype}"
        )
    if ignore_index >= 0:
        raise RuntimeError("cross_entropy: ignore_index is not supported for floating point target")
    dim = min(1, input.ndim - 1)
    classes = input.shape[dim]
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    terms = target * log_softmax(input, dim)
    if weight is not None:
        terms = terms * weight.reshape((classes,) + (1,) * (input.ndim - 1 - dim))
    loss = -sum(terms, dim=dim)
    return reduced(loss, reduction)


@primitive
def picked(x: Any, classes: Any) -> Array:
    """y[n] = x[n, t], t = classes[n]; 0 where t is negative."""
    dim = min(1, x.ndim - 1)
    y = np.take_along_axis(x, np.expand_dims(classes, dim), dim).squeeze(dim)
    return np.where(classes < 0, x.dtype.type(0), y)


@primitive
def unpicked(x: Any, classes: Any, *, shape: tuple[int, ...]) -> Array:
    """y[n, c] = x[n] where c = classes[n] ≥ 0, else 0: the adjoint of `picked`."""
    y, dim = np.zeros(shape, x.dtype), min(1, len(shape) - 1)
    np.put_along_axis(y, np.expand_dims(classes, dim), np.expand_dims(np.where(classes < 0, 0, x), dim), dim)
    return y


picked.vjp(x=lambda grad, classes, x_shape: unpicked(grad, classes, shape=x_shape))
unpicked.vjp(x=lambda grad, classes: picked(grad, classes))


@picked.joint_vmap
def _(batch: Batch, x: Any, classes: Any) -> Any:
    x, classes = batch.everywhere((x, classes))
    return picked(x, classes) if x.ndim == 2 else separated(picked(joined(x), joined(classes)), batch.size)


@unpicked.joint_vmap
def _(batch: Batch, x: Any, classes: Any, shape: tuple[int, ...]) -> Any:
    x, classes = batch.everywhere((x, classes))
    if len(shape) == 1:
        return unpicked(x, classes, shape=(batch.size, *shape))
    wide = unpicked(joined(x), joined(classes), shape=(batch.size * shape[0], *shape[1:]))
    return separated(wide, batch.size)


def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l[n] = −w[t] · x[n, t], t = target[n]: input holds log-probabilities (N, C, ...) or (C,).

    Entries whose target is `ignore_index` count nothing; the mean divides by the sum of w[t].
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    _check_class_weight("nll_loss", input, target, weight)
    _check_classes("nll_loss", input, target)
    dim = min(1, input.ndim - 1)
    count, positions = input.shape[dim], elements(target).astype(np.int64, copy=False)
    kept = positions != ignore_index
    outside = kept & ((positions < 0) | (positions >= count))
    if outside.any():
        raise IndexError(f"nll_loss: Target {positions[outside][0]} is out of bounds for {count} classes")
    if is_batched(input, target, weight):
        return _each_nll_loss(input, target, weight, ignore_index, reduction)
    if input.ndim == 1:
        kept, positions = kept.reshape(()), positions.reshape(())
    classes = np.where(kept, positions, -1)
    share = kept.astype(input.array.dtype) if weight is None else np.where(kept, weight.array[classes], 0)
    loss = picked(input, classes) * Tensor(-share)
    if reduction == "mean":
        return sum(loss) / Tensor(np.asarray(share.sum()))
    return reduced(loss, reduction)


def _each_nll_loss(input: Any, target: Any, weight: Any, ignore_index: int, reduction: str) -> Any:
    """The loss by ops alone, for samples of a vmap."""
    target = reshape(target, ()) if input.ndim == 1 else target
    share = _class_share(target, weight, ignore_index, input.array.dtype)
    loss = picked(input, where(ne(target, ignore_index), target, -1)) * -share
    return sum(loss) / sum(share) if reduction == "mean" else reduced(loss, reduction)


def _check_class_weight(name: str, input: Any, target: Any, weight: Any) -> None:
    for what, x in (("input", input), ("target", target), ("weight", weight)):
        if (x is not None or what != "weight") and not isinstance(x, Tensor):
            raise TypeError(f"{name}: {what} must be a Tensor, not {type(x).__name__}")
    if input.array.ndim == 0:
        raise ValueError(f"{name}: Expected 1 or more dimensions (got 0)")
    if input.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: expected a floating-point input, got {input.dtype}")
    if weight is None:
        return
    classes = input.array.shape[min(1, input.array.ndim - 1)]
    if weight.array.shape != (classes,):
        raise RuntimeError(
            f"{name}: weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )
    if weight.array.dtype != input.array.dtype:
        raise RuntimeError(f"{name}: expected weight of type {input.dtype}, got {weight.dtype}")
    if weight.requires_grad:
        raise RuntimeError(f"{name}: weight is a constant: it cannot have requires_grad True")


def _check_classes(name: str, input: Tensor, target: Any) -> None:
    x, t = input.array, target.array
    if t.dtype not in CLASS_TYPES:
        raise RuntimeError(f"{name}: expected target dtype to be int64 or uint8, but got {target.dtype}")
    if x.ndim == 1:
        if t.size != 1 or t.ndim > 1:
            raise RuntimeError(f"{name}: expected one target class for an input of one dimension, got {list(t.shape)}")
        return
    if t.ndim == 0 or t.shape[0] != x.shape[0]:
        raise ValueError(
            f"{name}: Expected input batch_size ({x.shape[0]}) to match target batch_size "
            f"({t.shape[0] if t.ndim else 0})."
        )
    expected = (x.shape[0], *x.shape[2:])
    if t.shape != expected:
        raise RuntimeError(f"{name}: Expected target size {list(expected)}, got {list(t.shape)}")
