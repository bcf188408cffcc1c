"""Losses of rankings, embeddings and distributions: short compositions of the ops of this package."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from ops.activation import logsigmoid, softplus
from ops.batched import each_sample, elements
from ops.comparison import clamp_min, minimum, where
from ops.distance import pairwise_distance
from ops.elementary import exp, log
from ops.loss import chosen_reduction, reduced
from ops.reduction import mean, sum
from ops.scattering import gather
from ops.shape import unsqueeze


def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = max(0, −t (x₁ − x₂) + margin): t = 1 asks for x₁ above x₂, t = −1 for the reverse."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{list(input1.shape)}, input2: {list(input2.shape)}, target: {list(target.shape)} "
        )
    return reduced(clamp_min(-target * (input1 - input2) + margin, 0), reduction)


def hinge_embedding_loss(
    input: Any,
    target: Any,
    margin: float = 1.0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = x where t = 1, max(0, margin − x) where t = −1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    unlike = where(target != 1, clamp_min(margin - input, 0), 0.0)
    return reduced(where(target != -1, input, 0.0) + unlike, reduction)


def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = 1 − cos(x₁, x₂) where t = 1, max(0, cos(x₁, x₂) − margin) where t = −1; inputs (N, D) or (D,)."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    if target.ndim not in (0, 1):
        raise RuntimeError(f"cosine_embedding_loss: 0D or 1D target tensor expected, got {list(target.shape)}")
    for x in (input1, input2):
        if x.ndim != target.ndim + 1:
            raise RuntimeError(
                f"cosine_embedding_loss: a target of {target.ndim} dimensions expects inputs of "
                f"{target.ndim + 1}, got sizes {list(input1.shape)} and {list(input2.shape)}"
            )
    cosine = _cosine(input1, input2)
    alike = where(target == 1, 1 - cosine, 0.0)
    return reduced(alike + where(target == -1, clamp_min(cosine - margin, 0), 0.0), reduction)


def _cosine(x: Any, y: Any) -> Any:
    """x · y / √((x² + ε)(y² + ε)) over the last axis, ε = 1e-12."""
    return sum(x * y, dim=-1) / ((sum(x * x, dim=-1) + 1e-12) * (sum(y * y, dim=-1) + 1e-12)) ** 0.5


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = max(0, d(a, p) − d(a, n) + margin), d the p-norm distance (Schroff et al. 2015).

    With swap, the negative's distance is the smaller of those to the anchor and to the positive (Balntas et
    al. 2016).
    """
    reduction = chosen_reduction(size_average, reduce, reduction)

    def distance(x: Any, y: Any) -> Any:
        return pairwise_distance(x, y, p, eps)

    return triplet_margin_with_distance_loss(
        anchor, positive, negative, distance_function=distance, margin=margin, swap=swap, reduction=reduction
    )


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable[[Any, Any], Any] | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """triplet_margin_loss with a distance of the caller's, pairwise_distance by default."""
    if margin <= 0:
        raise ValueError(f"triplet_margin_loss: margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = minimum(far, distance(positive, negative))
    return reduced(clamp_min(margin + near - far, 0), reduction)


def soft_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = log(1 + e^(−t x)), t = ±1."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    return reduced(softplus(-target * input, threshold=math.inf), reduction)


def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = Σ_(c ≠ t) w[t] max(0, margin − x[t] + x[c])^p / C, p = 1 or 2; input (N, C) or (C,)."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    return reduced(_multi_margin(input, target, p, margin, weight), reduction)


@each_sample
def _multi_margin(input: Any, target: Any, p: int, margin: float, weight: Any) -> Any:
    """Return `multi_margin_loss` of every row."""
    if p not in (1, 2):
        raise ValueError(f"multi_margin_loss: only p == 1 and p == 2 supported, got {p}")
    if input.ndim not in (1, 2):
        raise RuntimeError(f"multi_margin_loss: Expected a vector or matrix, but got: {list(input.shape)}")
    classes, t = input.shape[-1], target.array
    if t.shape != input.shape[:-1] and not (input.ndim == 1 and t.size == 1):
        raise RuntimeError(
            f"multi_margin_loss: inconsistent target size, expected {list(input.shape[:-1])} but got {list(t.shape)}"
        )
    if t.size and not 0 <= t.min() <= t.max() < classes:
        raise RuntimeError(f"multi_margin_loss: target out of range: classes are 0 to {classes - 1}")
    t = t.reshape(input.shape[:-1])
    if weight is not None and weight.shape != (classes,):
        raise RuntimeError(f"multi_margin_loss: inconsistent weight size, expected {classes} but got {weight.shape}")
    chosen = gather(input, -1, Tensor(t[..., None]))
    violation = clamp_min(margin - chosen + input, 0)
    others = np.arange(classes) != t[..., None]
    terms = where(Tensor(others), violation if p == 1 else violation * violation, 0.0)
    loss = mean(terms, dim=-1)
    return loss if weight is None else loss * Tensor(weight.array[t])


def multilabel_margin_loss(
    input: Any,
    target: Any,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = Σ_(t, c) max(0, 1 − x[t] + x[c]) / C, t over the targets, c over the other classes; input (N, C) or
    (C,).

    Each row of target (int64, of input's shape) lists classes up to its first −1.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    return reduced(_multilabel_margin(input, target), reduction)


@each_sample
def _multilabel_margin(input: Any, target: Any) -> Any:
    """Return `multilabel_margin_loss` of every row."""
    if target.shape != input.shape or input.ndim not in (1, 2):
        raise RuntimeError(
            f"multilabel_margin_loss: inconsistent target size {list(target.shape)} for input of size "
            f"{list(input.shape)}"
        )
    t, classes = target.array, input.shape[-1]
    listed = np.logical_and.accumulate(t >= 0, axis=-1)
    if t.size and not -1 <= t.min() <= t.max() < classes:
        raise RuntimeError(f"multilabel_margin_loss: target out of range: classes are 0 to {classes - 1}")
    is_target = ((t[..., :, None] == np.arange(classes)) & listed[..., :, None]).any(-2)
    wanted = gather(input, -1, Tensor(np.where(listed, t, 0)))
    violation = clamp_min(1 - unsqueeze(wanted, -1) + unsqueeze(input, -2), 0)
    counted = listed[..., :, None] & ~is_target[..., None, :]
    return sum(where(Tensor(counted), violation, 0.0), dim=(-2, -1)) / classes


def multilabel_soft_margin_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = −Σ_c w[c] (t log σ(x) + (1 − t) log σ(−x)) / C over the last axis, t in {0, 1}."""
    reduction = chosen_reduction(size_average, reduce, reduction)
    terms = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    return reduced(mean(terms if weight is None else terms * weight, dim=-1), reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: bool | None = None,
    eps: float = 1e-8,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Any:
    """l = e^x − t x, or x − t log(x + eps) where input is not the logarithm of the rate.

    `full` adds Stirling's approximation of log t! for t > 1: t log t − t + log(2π t)/2.
    """
    reduction = chosen_reduction(size_average, reduce, reduction)
    loss = exp(input) - target * input if log_input else input - target * log(input + eps)
    if full:
        large = target > 1
        t = where(large, target, 1.0)
        loss = loss + where(large, t * log(t) - t + 0.5 * log(2 * math.pi * t), 0.0)
    return reduced(loss, reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """l = (log v + (x − t)² / v)/2, v = max(var, eps); `full` adds log(2π)/2.

    var is a number, of input's shape, of size 1 along one of its axes, or without the last. The clamp passes gradients
    through.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not valid")
    if isinstance(var, (int, float)):
        var = Tensor(np.full(input.shape, var, input.array.dtype))
    if (elements(var) < 0).any():
        raise ValueError("gaussian_nll_loss: var has negative entry/entries")
    if var.shape != input.shape:
        var = _homoscedastic(input, var)
    clamped = clamp_min(var.detach(), eps)
    v = var + (clamped - var.detach())
    loss = 0.5 * (log(v) + (input - target) ** 2 / v)
    return reduced(loss + 0.5 * math.log(2 * math.pi) if full else loss, reduction)


def _homoscedastic(input: Any, var: Any) -> Any:
    """Return a variance shared along one axis, shaped to broadcast."""
    if var.shape == input.shape[:-1]:
        return unsqueeze(var, -1)
    different = [v for x, v in zip(input.shape, var.shape, strict=False) if x != v]
    if var.ndim != input.ndim or different != [1]:
        raise ValueError(
            f"gaussian_nll_loss: var is of incorrect size: {list(var.shape)} for input of size {list(input.shape)}"
        )
    return var
