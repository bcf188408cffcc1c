"""Rows of what networks are made of: norms, dropout, losses, distances, attention and resampling."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd import Tensor
from autograd.random import manual_seed
from autograd.testing import arrays, integers, positive, reals
from ops import attention, class_loss, resampling
from ops import distance as d
from ops import dropout as o
from ops import loss as s
from ops import margin_loss as m
from ops import norm as n
from tests.row import Error, Row
from tests.samples import array, choice, of

REDUCTIONS = choice("mean", "sum", "none")
PROBABILITY = reals(0.0625, 0.9375)
APART = reals(-2.9961, 3.0)  # a grid between that of reals(): never equal to an element of it
SIGNS = integers(0, 1)
MEAN, VAR = [0.5, -1.0, 0.25], [1.0, 0.5, 2.0]


def _distinct(*shape: int) -> Any:
    """Draw values a variance of which is not nearly zero."""
    return array(shape, distinct=True)


def _maybe(*shape: int) -> Any:
    return st.none() | array(shape)


def _classes(*shape: int, count: int) -> Any:
    return arrays(shape, dtype=np.int64, domain=integers(0, count - 1))


def _signs(*shape: int) -> Any:
    return arrays(shape, dtype=np.int64, domain=SIGNS).map(lambda x: 2 * x - 1)


def _reduced(loss: Callable[..., np.ndarray]) -> Callable[..., Any]:
    """Return a reference with PyTorch's `reduction` of one for the losses of all elements."""

    def reference(*inputs: Any, reduction: str = "mean", **more: Any) -> Any:
        losses = loss(*inputs, **more)
        return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / max(losses.size, 1)}[reduction]

    return reference


def _log_softmax(x: np.ndarray) -> np.ndarray:
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def _nll(
    log_p: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Any:
    """Loop over all elements; log_p (N, C, ...)."""
    classes = log_p.shape[1]
    w = np.ones(classes) if weight is None else weight
    losses, weights = np.zeros(target.shape), np.zeros(target.shape)
    for place in np.ndindex(*target.shape):
        t = target[place]
        if t == ignore_index:
            continue
        p = log_p[(place[0], slice(None), *place[1:])]
        losses[place] = -(1 - label_smoothing) * w[t] * p[t] - label_smoothing / classes * (w * p).sum()
        weights[place] = w[t]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / weights.sum()}[reduction]


def _standardised(x: np.ndarray, axes: Any, eps: float = 1e-5) -> np.ndarray:
    centred = x - x.mean(axes, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axes, keepdims=True) + eps)


def _affine(h: np.ndarray, weight: Any, bias: Any, shape: tuple[int, ...]) -> np.ndarray:
    h = h if weight is None else h * weight.reshape(shape)
    return h if bias is None else h + bias.reshape(shape)


def _group_norm(x: np.ndarray, groups: int, weight: Any = None, bias: Any = None) -> np.ndarray:
    split = x.reshape(x.shape[0], groups, -1)
    return _affine(_standardised(split, 2).reshape(x.shape), weight, bias, (1, -1, *[1] * (x.ndim - 2)))


def _response_norm(x: np.ndarray, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> np.ndarray:
    y = np.empty_like(x)
    for c in range(x.shape[1]):
        near = x[:, max(c - size // 2, 0) : c + (size - 1) // 2 + 1]
        y[:, c] = x[:, c] / (k + alpha / size * (near**2).sum(1)) ** beta
    return y


def _eval_batch_norm(x: Tensor, weight: Any, bias: Any) -> Tensor:
    running = [Tensor(np.array(values, x.array.dtype)) for values in (MEAN, VAR)]
    return n.batch_norm(x, *running, weight, bias)


def _their_eval_batch_norm(x: Any, weight: Any, bias: Any) -> Any:
    import torch

    running = [torch.tensor(values, dtype=x.dtype) for values in (MEAN, VAR)]
    return torch.nn.functional.batch_norm(x, *running, weight, bias)


def _seeded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with the same random numbers at every call."""

    def call(x: Tensor, **parameters: Any) -> Any:
        manual_seed(3)
        return function(x, **parameters)

    return call


def _random(function: Callable[..., Any], *shape: int) -> Row:
    samples = of(shape, p=choice(0.5, 0.25), training=True)
    return Row(_seeded(function), samples, None, torch=None, name=function.__name__, linear=True)


def _weights(q: np.ndarray, k: np.ndarray, is_causal: bool = False, average: bool = False) -> np.ndarray:
    scores = np.einsum("...ld,...sd->...ls", q, k)
    if is_causal:
        scores = np.where(np.tri(*scores.shape[-2:], dtype=bool), scores, -np.inf)
    weights = np.exp(scores)
    weights /= weights.sum(-1, keepdims=True)
    return weights.mean(-3) if average else weights


def _attention(q: np.ndarray, k: np.ndarray, v: np.ndarray, is_causal: bool = False) -> np.ndarray:
    return np.einsum("...ls,...sd->...ld", _weights(q / np.sqrt(q.shape[-1]), k, is_causal), v)


def _cosine(x: np.ndarray, y: np.ndarray, dim: int = 1) -> np.ndarray:
    return (x * y).sum(dim) / np.sqrt((x * x).sum(dim) * (y * y).sum(dim))


def _p_norm(x: np.ndarray, p: float, axis: int = -1, keepdims: bool = False) -> np.ndarray:
    return (np.abs(x) ** p).sum(axis, keepdims=keepdims) ** (1 / p)


def _pairwise(x: np.ndarray, y: np.ndarray, p: float = 2.0, keepdim: bool = False) -> np.ndarray:
    return _p_norm(x - y + 1e-6, p, keepdims=keepdim)


def _triplet(a: np.ndarray, near: np.ndarray, far: np.ndarray, swap: bool) -> np.ndarray:
    to_far = _pairwise(a, far)
    return np.maximum(_pairwise(a, near) - (np.minimum(to_far, _pairwise(near, far)) if swap else to_far) + 8.0, 0)


def _nearest(x: np.ndarray, scale_factor: int) -> np.ndarray:
    return x.repeat(scale_factor, 2).repeat(scale_factor, 3)


_norms = [
    Row(
        n.batch_norm,
        of(_distinct(3, 2, 2), None, None, _maybe(2), _maybe(2), training=True),
        lambda x, mean, var, w, b, training: _affine(_standardised(x, (0, 2)), w, b, (1, 2, 1)),
        errors=(
            Error(ValueError, "batch_norm", (np.zeros((1, 3)), None, None), {"training": True}),
            Error(RuntimeError, "batch_norm", (np.zeros((2, 3)), None, None)),
        ),
    ),
    Row(
        _eval_batch_norm,
        of((2, 3, 2), _maybe(3), _maybe(3)),
        lambda x, w, b: _affine(
            (x - np.reshape(MEAN, (3, 1))) / np.sqrt(np.reshape(VAR, (3, 1)) + 1e-5), w, b, (1, 3, 1)
        ),
        name="batch_norm in evaluation",
        torch=_their_eval_batch_norm,
        linear=True,
    ),
    Row(
        n.instance_norm,
        of(_distinct(2, 2, 4), None, None, _maybe(2), _maybe(2)),
        lambda x, mean, var, w, b: _affine(_standardised(x, 2), w, b, (1, 2, 1)),
        errors=(Error(ValueError, "instance_norm", (np.zeros((2, 3, 1)),)),),
    ),
    Row(
        n.layer_norm,
        of(_distinct(2, 3, 2), choice([3, 2]), _maybe(3, 2), _maybe(3, 2)),
        lambda x, shape, w, b: _affine(_standardised(x, (1, 2)), w, b, (3, 2)),
        errors=(Error(RuntimeError, "layer_norm", (np.zeros((2, 3)), [2])),),
    ),
    Row(
        n.group_norm,
        of(_distinct(2, 4, 2), choice(1, 2, 4), (4,), (4,)),
        _group_norm,
        errors=(Error(RuntimeError, "group_norm", (np.zeros((2, 3, 2)), 2)),),
    ),
    Row(
        n.group_norm,
        of(_distinct(2, 4, 2, 1), choice(1, 2)),
        _group_norm,
        name="group_norm without weight",
        torch="group_norm",
    ),
    Row(
        n.rms_norm,
        of(_distinct(2, 3), choice([3]), _maybe(3), eps=choice(1e-5, 0.1)),
        lambda x, shape, w, eps: _affine(x / np.sqrt((x * x).mean(-1, keepdims=True) + eps), w, None, (3,)),
    ),
    Row(
        n.local_response_norm,
        of((2, 5, 2), choice(2, 3), alpha=choice(0.5)),
        _response_norm,
    ),
]

_dropouts = [
    _random(o.dropout, 3, 4),
    _random(o.dropout1d, 2, 3, 4),
    _random(o.dropout2d, 2, 3, 2, 2),
    _random(o.dropout3d, 2, 3, 1, 2, 2),
    _random(o.alpha_dropout, 3, 4),
    _random(o.feature_alpha_dropout, 2, 3, 4),
]

_losses = [
    Row(
        class_loss.cross_entropy,
        of(
            (3, 4),
            _classes(3, count=4),
            reduction=REDUCTIONS,
            label_smoothing=choice(0.0, 0.25),
            ignore_index=choice(-100, 1),
        ),
        lambda x, t, **more: _nll(_log_softmax(x), t, **more),
        errors=(
            Error((RuntimeError, ValueError), "cross_entropy", (np.zeros((2, 3)), np.zeros(3, np.int64))),
            Error(IndexError, r"[Tt]arget 3", (np.zeros((2, 3)), np.array([0, 3]))),
        ),
    ),
    Row(
        class_loss.cross_entropy,
        of((2, 3, 2), _classes(2, 2, count=3), reduction=REDUCTIONS),
        lambda x, t, reduction: _nll(_log_softmax(x), t, reduction=reduction),
        name="cross_entropy of pixels",
        torch="cross_entropy",
    ),
    Row(
        class_loss.cross_entropy,
        of((2, 3), array((2, 3), PROBABILITY), reduction=REDUCTIONS, label_smoothing=choice(0.0, 0.25)),
        None,
        name="cross_entropy of probabilities",
        torch="cross_entropy",
    ),
    Row(
        class_loss.nll_loss,
        of((3, 4), _classes(3, count=4), reduction=REDUCTIONS),
        lambda x, t, reduction: _nll(x, t, reduction=reduction),
        linear=True,
    ),
    Row(s.mse_loss, of((2, 3), (2, 3), reduction=REDUCTIONS), _reduced(lambda x, t: (x - t) ** 2)),
    Row(
        s.l1_loss,
        of((2, 3), array((2, 3), APART), reduction=REDUCTIONS),
        _reduced(lambda x, t: np.abs(x - t)),
    ),
    Row(
        s.smooth_l1_loss,
        of(
            array((2, 3), away_from=[-1, -0.5, 0.5, 1]),
            st.just(np.zeros((2, 3))),
            reduction=REDUCTIONS,
            beta=choice(1.0, 0.5),
        ),
        None,
    ),
    Row(
        s.huber_loss,
        of(
            array((2, 3), away_from=[-1, -0.5, 0.5, 1]),
            st.just(np.zeros((2, 3))),
            reduction=REDUCTIONS,
            delta=choice(1.0, 0.5),
        ),
        None,
    ),
    Row(
        s.binary_cross_entropy,
        of(array((2, 3), PROBABILITY), array((2, 3), PROBABILITY), reduction=REDUCTIONS),
        _reduced(lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p))),
    ),
    Row(
        s.binary_cross_entropy_with_logits,
        of((2, 3), array((2, 3), PROBABILITY), reduction=REDUCTIONS, pos_weight=None),
        _reduced(lambda x, t, pos_weight: np.log(1 + np.exp(x)) - t * x),
    ),
    Row(
        s.kl_div,
        of(
            (2, 3),
            array((2, 3), PROBABILITY),
            reduction=choice("sum", "none", "batchmean"),
            log_target=choice(False),
        ),
        None,
    ),
]

_margin_losses = [
    Row(
        m.margin_ranking_loss,
        of((4,), array((4,), APART), _signs(4), reduction=REDUCTIONS),
        _reduced(lambda x, y, t: np.maximum(-t * (x - y), 0)),
    ),
    Row(
        m.hinge_embedding_loss,
        of(array((4,), away_from=[1.0]), _signs(4), reduction=REDUCTIONS),
        _reduced(lambda x, t: np.where(t == 1, x, np.maximum(1 - x, 0))),
    ),
    Row(
        m.cosine_embedding_loss,
        of(array((3, 2), positive()), array((3, 2), positive()), _signs(3), reduction=REDUCTIONS),
        _reduced(lambda x, y, t: np.where(t == 1, 1 - _cosine(x, y), np.maximum(_cosine(x, y), 0))),
        rtol=1e-9,
    ),
    Row(
        m.triplet_margin_loss,
        of(
            (3, 2),
            array((3, 2), reals(4, 6)),
            array((3, 2), reals(-7, -4)),
            margin=8.0,
            swap=choice(False, True),
            reduction=REDUCTIONS,
        ),
        _reduced(lambda a, near, far, margin, swap: _triplet(a, near, far, swap)),
    ),
    Row(
        m.soft_margin_loss,
        of((2, 3), _signs(2, 3), reduction=REDUCTIONS),
        _reduced(lambda x, t: np.log(1 + np.exp(-t * x))),
    ),
    Row(
        m.multi_margin_loss,
        of(
            array((2, 3), distinct=True, domain=reals(-0.45, 0.45)),
            _classes(2, count=3),
            reduction=REDUCTIONS,
            p=choice(1, 2),
        ),
        None,
    ),
    Row(
        m.multilabel_margin_loss,
        of(
            array((2, 3), reals(-0.45, 0.45)),
            st.just(np.array([[2, -1, 0], [1, 0, -1]])),
            reduction=REDUCTIONS,
        ),
        None,
    ),
    Row(
        m.multilabel_soft_margin_loss,
        of((2, 3), _classes(2, 3, count=2).map(lambda t: t.astype(float)), reduction=REDUCTIONS),
        None,
    ),
    Row(
        m.poisson_nll_loss,
        of((2, 3), array((2, 3), reals(2, 5)), full=choice(False, True), reduction=REDUCTIONS),
        None,
    ),
    Row(
        m.gaussian_nll_loss,
        of((2, 3), (2, 3), array((2, 3), positive()), full=choice(False, True), reduction=REDUCTIONS),
        None,
        doubles=False,
    ),
]

_distances = [
    Row(
        d.cosine_similarity,
        of(array((2, 3), positive()), array((2, 3), positive()), dim=choice(1, 0)),
        _cosine,
    ),
    Row(
        d.pairwise_distance,
        of((2, 3), array((2, 3), reals(4, 6)), p=choice(2.0, 1.0, 3.0), keepdim=choice(False, True)),
        _pairwise,
    ),
    Row(
        d.normalize,
        of(array((2, 3), positive()), p=choice(2.0, 1.0), dim=choice(1, 0)),
        lambda x, p, dim: x / _p_norm(x, p, dim, True),
    ),
]

_networks = [
    Row(
        attention.scaled_dot_product_attention,
        of((2, 3, 2), (2, 3, 2), (2, 3, 2), is_causal=choice(False, True)),
        _attention,
        through=(attention.attended_by_few,),
    ),
    Row(
        attention.scaled_dot_product_attention,
        of((2, 9, 3), (2, 10, 3), (2, 10, 2), is_causal=choice(False, True)),
        _attention,
        name="scaled_dot_product_attention by tiles",
        torch="scaled_dot_product_attention",
    ),
    Row(
        lambda packed, **options: attention.attend_to_itself(packed, None, attention.attention_options(**options)),
        of((3, 2, 8, 3), scale=choice(0.5, 1.0), is_causal=choice(False, True), dropout_p=choice(0.0)),
        lambda x, scale, is_causal, dropout_p: _attention(x[0] * scale * np.sqrt(3), x[1], x[2], is_causal),
        name="attend_to_itself",
        torch=None,
    ),
    Row(
        lambda q, k, average, **o: attention.shown_weights(q, k, None, attention.attention_options(**o), average),
        of(
            (1, 2, 8, 3),
            (1, 2, 9, 3),
            average=choice(True, False),
            scale=choice(0.5),
            is_causal=choice(False, True),
            dropout_p=choice(0.0),
        ),
        lambda q, k, average, scale, is_causal, dropout_p: _weights(q * scale, k, is_causal, average),
        name="shown_weights",
        torch=None,
    ),
    Row(
        resampling.interpolate,
        of((1, 2, 2, 3), scale_factor=choice(2, 3)),
        _nearest,
        linear=True,
    ),
    Row(
        resampling.interpolate,
        of((1, 2, 3, 2), size=choice([4, 5], [2, 1]), mode="bilinear", align_corners=choice(False, True)),
        None,
        name="interpolate bilinear",
        torch="interpolate",
        linear=True,
    ),
]

ROWS = [*_norms, *_dropouts, *_losses, *_margin_losses, *_distances, *_networks]
