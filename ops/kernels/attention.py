"""Scaled dot-product attention by tiles: o[l] = sum_s softmax_s(scale q[l] . k[s] + mask[l, s]) v[s].

No more of the scores than a tile of keys x queries is ever held (Dao et al., "FlashAttention", 2022).  Forward, the
weights of a tile are relative to the largest score met so far, and what was summed before is rescaled where a larger
one comes (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).  Backward computes the weights
again from the largest score and the sum that forward keeps for every query: with p the weights and d the gradient,

    dv[s] = sum_l p[l, s] d[l],  dx[l, s] = p[l, s] (d[l] . v[s] - d[l] . o[l]),
    dq[l] = scale sum_s dx[l, s] k[s],  dk[s] = scale sum_l dx[l, s] q[l].

A tile is [keys][queries], the queries in the lanes (see `attention_leaves`); products are `simd.outer_product`s.
Arrays are read and written where they lie, whatever their strides but the last.

Measured, float32, one Zen 4 core: 8 x 8 sequences and heads, 128 positions, 32 features 1.75 ms forward and 4.0 back
(PyTorch 2.28 and 5.0); 2 x 8, 512 positions, 64 features, causal, 7.7 and 18 ms (PyTorch 13.9 and 35).
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels.attention_plan import (
    KEYS,
    Array,
    BackwardPlan,
    Dropout,
    ForwardPlan,
    Options,
    WeightsPlan,
    plan_of,
    run_plan,
    threads_of,
)

__all__ = [
    "Attention",
    "Dropout",
    "Options",
    "attention_backward",
    "attention_forward",
    "attention_weights",
    "in_order_of",
]


class Attention(NamedTuple):
    """What attention_forward returns."""

    output: Array
    statistics: Array
    """(batch, 2, queries): the largest score of each query and 1 / sum of its weights, for the backward pass."""


# ---- entries ----


def attention_forward(q: Array, k: Array, v: Array, mask: Array | None, options: Options) -> Attention:
    """Attend: q (..., L, E), k (..., S, E), v (..., S, D), mask to be added, to (..., L, S) -> output (..., L, D).

    All float32 or all float64; leading axes broadcast; no length is 0.  The output lies in memory in the order of q's
    axes.  A query that may see no key gets 0.
    """
    inputs = inputs_of(q, k, v, mask)
    output = in_order_of(inputs[0], v.shape[-1])
    plan = plan_of(ForwardPlan, [*inputs, output], options, threads_of(*inputs[:3]))
    statistics = np.empty((math.prod(output.shape[:-2]), 2, plan.queries), q.dtype)
    run_plan(plan, [*inputs, output, statistics], options)
    return Attention(output, statistics)


def attention_backward(
    grad: Array,
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None,
    forward: Attention,
    options: Options,
    out: tuple[Array, ...] | None = None,
) -> tuple[Array, ...]:
    """Return dq, dk, dv for the gradient of the output; they are written to `out`, where three arrays are given.

    Where leading axes were broadcast, they are still to be summed.
    """
    inputs, grad = inputs_of(q, k, v, mask), _rows(grad)
    dq, dk, dv = out or (in_order_of(x, x.shape[-1]) for x in inputs[:3])
    if options.causal and k.shape[-2] > q.shape[-2]:  # no query sees the last keys
        dk[...] = dv[...] = 0
    threads = threads_of(*inputs[:3])
    ranges = _ranges_of_keys(math.prod(forward.output.shape[:-2]), k.shape[-2], threads)
    sums = np.zeros((ranges, *dq.shape), dq.dtype) if ranges > 1 else dq[None]
    arrays = [forward.output, grad, sums[0], dk, dv]
    plan = plan_of(BackwardPlan, [*inputs, *arrays], options, threads, ranges)
    run_plan(plan, [*inputs, *forward, *arrays[1:]], options, ranges, sums.strides[0])
    if ranges > 1:
        sums.sum(axis=0, out=dq)
    return dq, dk, dv


def _ranges_of_keys(batch: int, S: int, threads: int) -> int:
    """Return in how many ranges the keys are cut so that all threads work; each sums its share of dq."""
    return 1 if batch >= threads else min(-(-threads // batch), -(-S // KEYS))


def attention_weights(q: Array, k: Array, mask: Array | None, options: Options, *, average: bool) -> Array:
    """Return the weights (..., L, S), or their averages over the last leading axis, that of the heads."""
    q, k, _, mask = inputs_of(q, k, k, mask)
    leading, heads = (q.shape[:-3], q.shape[-3]) if average else (q.shape[:-2], 1)
    weights = np.empty((*leading, q.shape[-2], k.shape[-2]), q.dtype)
    placed = np.broadcast_to(weights[..., None, :, :], (*q.shape[:-1], k.shape[-2])) if average else weights
    plan = plan_of(WeightsPlan, [q, k, k, mask, placed], options, threads_of(q, k, k), heads)
    run_plan(plan, [q, k, mask, weights], options, heads)
    return weights


def inputs_of(q: Array, k: Array, v: Array, mask: Array | None) -> list[Any]:
    """Return the inputs with rows that are dense, and the same leading axes."""
    leading = q.shape[:-2]
    if not leading == k.shape[:-2] == v.shape[:-2]:
        leading = np.broadcast_shapes(leading, k.shape[:-2], v.shape[:-2])
    inputs = [_broadcast(_rows(x), (*leading, *x.shape[-2:])) for x in (q, k, v)]
    if mask is None:
        return [*inputs, None]
    mask = _rows(_broadcast(mask, (*mask.shape[:-1], k.shape[-2])))
    return [*inputs, _broadcast(mask, (*leading, q.shape[-2], k.shape[-2]))]


def _rows(x: Array) -> Array:
    """Return x, copied unless its last axis is dense."""
    return x if x.strides[-1] == x.itemsize and x.flags.aligned else np.ascontiguousarray(x)


def _broadcast(x: Array, shape: tuple[int, ...]) -> Array:
    return x if x.shape == shape else np.broadcast_to(x, shape)


def in_order_of(x: Array, length: int) -> Array:
    """Return an array of x's shape but for its last axis, dense, and with its axes in memory in the order of x's."""
    if x.flags.c_contiguous:
        return np.empty((*x.shape[:-1], length), x.dtype)
    order = sorted(range(x.ndim - 1), key=lambda axis: -abs(x.strides[axis]))
    dense = np.empty((*(x.shape[axis] for axis in order), length), x.dtype)
    return dense.transpose(*np.argsort(order), x.ndim - 1)


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        x = np.ones((2, 64, 32), dtype)
        yield f"attention.attention {dtype}", functools.partial(_forward_and_back, x)
        weights = functools.partial(attention_weights, x, x, None, Options(1.0), average=False)
        yield f"attention.weights {dtype}", weights


def _forward_and_back(x: Array) -> None:
    options = Options(1.0)
    attention_backward(x, x, x, x, None, attention_forward(x, x, x, None, options), options)
