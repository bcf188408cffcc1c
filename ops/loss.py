"""Losses of numbers and of probabilities: how far predictions are from targets. `class_loss` has those of classes.

`reduction` says what becomes of the losses of the elements: "none" keeps them, "sum" adds them, "mean"
averages them. The older pair `size_average`, `reduce` says the same: (True, True) is "mean", (False, True)
"sum", (·, False) "none".
"""

import math
import warnings
from typing import Any

import numpy as np

from autograd.batching import Batch
from autograd.elementwise import SMALL, elementwise
from autograd.primitive import primitive
from autograd.tensor import Tensor
from ops.activation import logsigmoid
from ops.arithmetic import abs
from ops.batched import elements
from ops.comparison import clamp_min, where
from ops.elementary import exp, log, sigmoid, sigmoid_grad, xlogy
from ops.lazy_kernels import elementwise as element_kernels
from ops.lazy_kernels import reduction as reduction_kernels
from ops.reduction import averaged, mean, sum, summed, total
from ops.shape import check_broadcast, reshape

Array = np.ndarray[Any, Any]

# -- reductions ----------------------------------------------------------------------------------------------


def reduced(loss: Any, reduction: str) -> Any:
    """Return the losses of the elements as `reduction` says."""
    if reduction == "mean":
        return mean(loss)
    if reduction == "sum":
        return sum(loss)
    if reduction == "none":
        return loss
    raise ValueError(f"{reduction} is not a valid value for reduction, expected 'none', 'mean' or 'sum'")


def chosen_reduction(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """Return the reduction asked for, also where it was asked for in the older way."""
    if size_average is not None or reduce is not None:
        reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.",
            stacklevel=4,
        )
    elif reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction, expected 'none', 'mean' or 'sum'")
    return reduction


# -- numbers -------------------------------------------------------------------------------------------------


@primitive(promotion="common")
@elementwise
def squared_error(x: Any, target: Any, *, reduction: str) -> Array:
    """(x − target)² of every element, their sum, or their mean."""
    if reduction != "none" and _fused(x, target):
        sum_of = reduction_kernels.sum_squared_differences(x, target)[0]
        return sum_of / x.dtype.type(x.size) if reduction == "mean" else sum_of
    d = np.subtract(x, target)
    if reduction == "none":
        return d * d
    flat = d.reshape(d.size)
    wide = flat if d.dtype.itemsize > 2 else flat.astype(np.float32)
    sum_of = np.dot(wide, wide) if d.size <= SMALL else total(np.square(wide), (0,), False)
    result = sum_of / wide.dtype.type(d.size) if reduction == "mean" else sum_of
    return result if wide is flat else result.astype(d.dtype)


def _fused(x: Any, y: Any) -> bool:
    """Return whether two arrays are so large, and so alike, that a kernel takes them in one pass."""
    return x.size > SMALL and x.shape == y.shape and x.dtype is y.dtype and x.dtype.kind == "f" and x.itemsize > 2


squared_error.primitive.name = "mse_loss"


@squared_error.joint_vjp
def _(grad: Any, wanted: Any, x: Any, target: Any, reduction: str) -> tuple[Any, Any]:
    if not isinstance(grad, Tensor) and grad.ndim == 0 and _fused(x, target):
        dx = element_kernels.scaled_difference(x, target, float(grad) * _slope(x.shape, reduction))
    else:
        d = x - target
        dx = (grad * _slope(d.shape, reduction)) * d
    return dx, -dx if wanted[1] else None


@squared_error.joint_vmap
def _(batch: Batch, x: Any, target: Any, reduction: str) -> Any:
    ndims = [each.ndim - own for each, own in zip((x, target), batch.of, strict=True)]
    x, target = (
        reshape(each, (*each.shape[:own], *[1] * (max(ndims) - n), *each.shape[own:]))
        for each, own, n in zip((x, target), batch.of, ndims, strict=True)
    )
    losses = squared_error(x, target, reduction="none")
    dims = tuple(range(1, losses.ndim))
    if reduction == "none":
        return losses
    return (averaged if reduction == "mean" else summed)(losses, dim=dims, keepdim=False)


def _slope(shape: tuple[int, ...], reduction: str) -> float:
    """Return ∂(reduced squared error)/∂d over d."""
    return 2 / (math.prod(shape) or 1) if reduction == "mean" else 2.0


def mse_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """l = (x − target)²; with a weight per element the mean is Σ weight · l / Σ weight."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    _check_pair("mse_loss", input, target)
    if weight is None:
        return squared_error(input, target, reduction=reduction)
    return _weighted(squared_error(input, target, reduction="none"), input, weight, reduction)


def l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Any = None,
) -> Any:
    """l = |x − target|; with a weight per element the mean is Σ weight · l / Σ weight."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    _check_pair("l1_loss", input, target)
    loss = abs(input - target)
    return reduced(loss, reduction) if weight is None else _weighted(loss, input, weight, reduction)


def smooth_l1_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Any:
    """l = d² / (2 beta) where |d| < beta, else |d| − beta/2, with d = x − target (Girshick 2015)."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    _check_pair("smooth_l1_loss", input, target)
    if beta < 0:
        raise RuntimeError(f"smooth_l1_loss: negative values for beta are not supported, got {beta}")
    difference = input - target
    distance = abs(difference)
    if beta:
        distance = where(distance < beta, difference * difference * (0.5 / beta), distance - 0.5 * beta)
    return reduced(distance, reduction)


def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """l = d²/2 where |d| ≤ delta, else delta (|d| − delta/2), with d = x − target (Huber 1964)."""
    _check_pair("huber_loss", input, target)
    if delta <= 0:
        raise RuntimeError(f"huber_loss: non-positive values for delta are not supported, got {delta}")
    difference = input - target
    distance = abs(difference)
    loss = where(distance <= delta, 0.5 * difference * difference, delta * (distance - 0.5 * delta))
    return reduced(loss if weight is None else loss * _checked_weight(input, weight), reduction)


def _weighted(loss: Any, input: Any, weight: Any, reduction: str) -> Any:
    loss = loss * _checked_weight(input, weight)
    return sum(loss) / sum(weight) if reduction == "mean" else reduced(loss, reduction)


def _checked_weight(input: Any, weight: Any) -> Any:
    if weight.shape != input.shape:
        raise ValueError(f"Weights and input must have the same size, got {list(weight.shape)} and {list(input.shape)}")
    return weight


def _check_pair(name: str, input: Any, target: Any) -> None:
    for what, x in (("input", input), ("target", target)):
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {what} must be a Tensor, not {type(x).__name__}")
    if input.array.dtype.kind != "f" and target.array.dtype.kind != "f":
        raise NotImplementedError(f"{name}: expected floating-point tensors, got {input.dtype} and {target.dtype}")
    if input.array.shape != target.array.shape:
        warnings.warn(
            f"Using a target size ({list(target.shape)}) that is different to the input size "
            f"({list(input.shape)}). This will likely lead to incorrect results due to broadcasting. Please "
            "ensure they have the same size.",
            stacklevel=4,
        )
        check_broadcast(name, input.shape, target.shape)


def _check_floating(name: str, input: Any) -> None:
    if not input.is_floating_point():
        raise NotImplementedError(f"{name}: expected a floating-point input, got {input.dtype}")


# -- probabilities -------------------------------------------------------------------------------------------


@primitive(promotion="common")
@elementwise
def bernoulli_nll(x: Any, target: Any) -> Array:
    """−t log x − (1 − t) log(1 − x), the logarithms at least −100 so that a sure and wrong x costs a finite
    100.
    """
    return -(target * np.maximum(np.log(x), -100) + (1 - target) * np.maximum(np.log1p(-x), -100))


bernoulli_nll.vjp(
    x=lambda grad, x, target: grad * (x - target) / clamp_min((1 - x) * x, 1e-12),
    target=lambda grad, x: grad * (log(1 - x) - log(x)),
)


def binary_cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = −weight (t log x + (1 − t) log(1 − x)), x and t in [0, 1]; a logarithm counts as −100 at least."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"binary_cross_entropy: Using a target size ({list(target.shape)}) that is different to the "
            f"input size ({list(input.shape)}) is deprecated. Please ensure they have the same size."
        )
    if input.dtype != target.dtype:
        raise RuntimeError(f"binary_cross_entropy: input is {input.dtype} but target is {target.dtype}")
    _check_floating("binary_cross_entropy", input)
    for what, x in (("input", elements(input)), ("target", elements(target))):
        if x.size and not (x.min() >= 0 and x.max() <= 1):
            raise RuntimeError(f"binary_cross_entropy: all elements of {what} should be between 0 and 1")
    loss = bernoulli_nll(input, target)
    return reduced(loss if weight is None else loss * weight, reduction)


@primitive(promotion="common")
@elementwise
def logit_loss(x: Any, target: Any) -> Array:
    """(1 − t) x − log σ(x), with −log σ(x) = max(−x, 0) + log(1 + e^−|x|)."""
    if _fused(x, target):
        return element_kernels.logit_loss(x, target)
    return (1 - target) * x + (np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x))))


@primitive(promotion="common")
@elementwise
def logit_error(x: Any, target: Any) -> Array:
    """σ(x) − t: the derivative of `logit_loss` in x."""
    return element_kernels.logit_error(x, target) if _fused(x, target) else 1 / (1 + np.exp(-x)) - target


logit_loss.vjp(x=lambda grad, x, target: grad * logit_error(x, target), target=lambda grad, x: -grad * x)
logit_error.vjp(x=lambda grad, x: sigmoid_grad(grad, sigmoid(x)), target=lambda grad: -grad)


def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """l = −weight (pos_weight t log σ(x) + (1 − t) log(1 − σ(x))), σ the logistic function: stable for every
    x.

    log(1 − σ(x)) = log σ(x) − x leaves one logarithm.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"binary_cross_entropy_with_logits: Target size ({list(target.shape)}) must be the same as "
            f"input size ({list(input.shape)})"
        )
    _check_floating("binary_cross_entropy_with_logits", input)
    if pos_weight is None:
        loss = logit_loss(input, target)
    else:
        loss = (1 - target) * input - ((pos_weight - 1) * target + 1) * logsigmoid(input)
    return reduced(loss if weight is None else loss * weight, reduction)


def kl_div(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """l = t (log t − x), x log-probabilities; "batchmean" divides the sum by the batch, as the divergence is
    defined.

    With log_target, target holds log t.
    """
    if reduction == "batchmean":
        total = kl_div(input, target, reduction="sum", log_target=log_target)
        return total / input.shape[0] if input.ndim else total
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. "
            "'batchmean' divides only by the batch size, and aligns with the KL div math definition.",
            stacklevel=3,
        )
    reduction = chosen_reduction(size_average, reduce, reduction)
    check_broadcast("kl_div", input.shape, target.shape)
    if log_target:
        return reduced(exp(target) * (target - input), reduction)
    return reduced(xlogy(target, target) - target * input, reduction)
