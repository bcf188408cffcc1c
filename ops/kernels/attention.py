"""Scaled dot-product attention by tiles: o[l] = sum_s softmax_s(scale q[l] . k[s] + mask[l, s]) v[s].

No more of the scores than a tile of keys x queries is ever held (Dao et al., "FlashAttention", 2022).  Forward, the
weights of a tile are relative to the largest score met so far, and what was summed before is rescaled where a larger
one comes (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018).  Backward computes the weights
again from the largest score and the sum that forward keeps for every query: with p the weights and d the gradient,

    dv[s] = sum_l p[l, s] d[l],  dx[l, s] = p[l, s] (d[l] . v[s] - d[l] . o[l]),
    dq[l] = scale sum_s dx[l, s] k[s],  dk[s] = scale sum_l dx[l, s] q[l].

A tile is [keys][queries], the queries in the lanes (see `attention_leaves`); products are `simd.outer_product`s.
Arrays are read and written where they lie, whatever their strides but the last.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import attention_leaves as leaves
from ops.kernels import simd
from ops.kernels.attention_tiles import (
    ATTEND,
    DIFFERENTIATE,
    MASK_OF_KEYS,
    MASK_OF_PAIRS,
    NO_MASK,
    SEGMENT,
)
from ops.kernels.gemm_plan import panel_tables
from ops.kernels.jit import threads_for
from ops.kernels.scratch import scratch
from ops.kernels.stages import Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import choose_tile

Array = np.ndarray[Any, Any]

QUERIES, KEYS = 128, 128
"""Most queries and keys of a tile: it and its slopes stay in the level-2 cache."""

FEW_QUERIES = 256
"""Up to so many, half of which see half of the keys, tiles are halved: more of them are left out."""

FLOPS_PER_THREAD = 1 << 19
"""A thread with less to do costs more than it saves."""


class Dropout(NamedTuple):
    """Which weights are dropped: those that `random.dropout_forward` drops of all weights (..., L, S) for this key."""

    p: float
    key: int


class Options(NamedTuple):
    """What a call depends on besides its arrays.  causal: query l sees the keys s <= l alone."""

    scale: float
    causal: bool = False
    dropout: Dropout | None = None


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
    plan = _plan_of([*inputs, output], options, forward=True)
    statistics = np.empty((math.prod(output.shape[:-2]), 2, plan.queries), q.dtype)
    run_plan(plan, [*inputs, output, statistics], _dropped(options))
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
    plan = _plan_of([*inputs, forward.output, grad, dq, dk, dv], options, forward=False)
    run_plan(plan, [*inputs, *forward, grad, dq, dk, dv], _dropped(options))
    return dq, dk, dv


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


# ---- plans ----


Shapes = tuple[Any, ...]


def shapes_of(arrays: list[Any]) -> Shapes:
    """Return shape and strides of each array, None of one that is missing."""
    return tuple([None if x is None else (x.shape, x.strides) for x in arrays])


class Strides(NamedTuple):
    """The strides of q, k, v, mask, output, its gradient, dq, dk and dv, in bytes; of what is missing, zeros."""

    leading: tuple[tuple[int, ...], ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, shapes: Shapes) -> "Strides":
        none = (0,) * len(shapes[0][0])
        strides = [none if each is None else each[1] for each in shapes] + [none] * (9 - len(shapes))
        return cls(tuple(s[:-2] for s in strides), tuple(s[-2] for s in strides))

    def places(self, leading: tuple[int, ...]) -> Int64:
        """Return the displacement of each matrix, (batch, 9)."""
        places = np.zeros((*leading, len(self.leading)), np.int64)
        for axis, length in enumerate(leading):
            steps = np.array([strides[axis] for strides in self.leading])
            places += np.arange(length).reshape(-1, *(1,) * (len(leading) - axis)) * steps
        return places.reshape(-1)


class Plan:
    """Tables, layout and scratch of one shape; `attention_tiles` reads the layout."""

    def __init__(
        self, shapes: Shapes, dtype: np.dtype[Any], scale: float, causal: bool, p: float, threads: int, forward: bool
    ) -> None:
        (q_shape, _), _, (v_shape, _), mask, *_ = shapes
        (*leading, L, E), (S, D), strides = q_shape, v_shape[-2:], Strides.of(shapes)
        size, lanes, batch = dtype.itemsize, simd.lanes(dtype), math.prod(leading)
        most = 2 if causal and L <= FEW_QUERIES else 1
        tile_queries, tile_keys = min(QUERIES // most, -(-L // lanes) * lanes), min(KEYS // most, S)
        blocks = -(-L // tile_queries)
        self.queries = blocks * tile_queries
        width, scores = _product(tile_keys, tile_queries, dtype, fill=True)
        by_keys_width, by_keys = _product(tile_queries, E, dtype)
        by_values_width, by_values = _product(tile_queries, D, dtype)
        pitch = width + lanes  # not a power of two: the rows would share lines of the caches
        tile, widest = tile_keys * pitch, max(by_keys_width, by_values_width)
        parts = [E * width, tile, tile_keys * by_values_width, width]
        if not forward:
            parts = [
                E * width,
                tile,
                0,
                0,
                tile,
                self.queries,
                D * width,
                tile_queries * widest,
                tile_keys * by_keys_width,
            ]
        *starts, work = np.cumsum([0, *(-(-part // lanes) * lanes for part in parts)]).tolist()
        kind = NO_MASK if mask is None else MASK_OF_PAIRS if strides.rows[3] else MASK_OF_KEYS
        numbers = (
            *(size, lanes, batch, L, S, E, D, tile_queries, tile_keys, pitch * size),
            *(int(causal), kind, int(p > 0), self.queries, work * size),
            *_leaves(dtype),
            *strides.rows,
            *(start * size for start in starts + [0] * (9 - len(starts))),
        )
        self.layout = pack_layout(numbers, scores, by_keys, by_values, strides.places(tuple(leading)))
        chunks = max(1, min(threads, batch * blocks if forward else batch))
        self.stages = stage_list((ATTEND if forward else DIFFERENTIATE, 0, chunks))
        self.work, self.dtype = work * chunks, dtype
        self.numbers = np.array([scale, 1 / (1 - p)], dtype)


def _plan_of(arrays: list[Any], options: Options, *, forward: bool) -> Plan:
    q, _, v = arrays[:3]
    threads = threads_for(2 * q.size // q.shape[-1] * v.shape[-2] * (q.shape[-1] + v.shape[-1]), FLOPS_PER_THREAD)
    p = options.dropout.p if options.dropout else 0.0
    return _plan(shapes_of(arrays), q.dtype, options.scale, options.causal, p, threads, forward)


@functools.lru_cache(maxsize=256)
def _plan(*what: Any) -> Plan:
    return Plan(*what)


def _dropped(options: Options) -> Int64 | None:
    """Return the halves of the key and the largest random bits that keep a weight, as `random.dropout_forward`."""
    if options.dropout is None:
        return None
    p, key = options.dropout
    return np.array([key & 0xFFFFFFFF, key >> 32 & 0xFFFFFFFF, max(round((1 - p) * 2**32) - 1, 0)], np.int64)


def run_plan(plan: Any, arrays: list[Any], key: Int64 | None = None) -> None:
    """Call a plan's worker: operands are the addresses of the plan's numbers, of the key, and of the arrays."""
    given = [plan.numbers, key, *arrays]
    operands = np.array([0 if x is None else x.__array_interface__["data"][0] for x in given], np.int64)
    work = scratch(plan.work, plan.dtype)
    run_stages(operands, operands, operands, operands, work, plan.layout, plan.stages)


@functools.cache
def _leaves(dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the addresses of the leaves, in the layout's order."""
    return simd.transpose(dtype), *(
        leaf(dtype)
        for leaf in (
            leaves.hide_later, leaves.scale_vectors, leaves.drop, leaves.online_softmax, leaves.softmax_factors,
            leaves.scale_rows, leaves.softmax_slope, leaves.row_dots,
        )
    )  # fmt: skip


@functools.lru_cache(maxsize=256)
def _product(rows: int, columns: int, dtype: np.dtype[Any], *, fill: bool = False) -> tuple[int, Int64]:
    """Return the width, up to whole register tiles, and the description of products with so many columns.

    With `fill` whole tiles are written.
    """
    lanes, size = simd.lanes(dtype), dtype.itemsize
    height, vectors = choose_tile(rows, -(-columns // lanes))
    width = -(-columns // (vectors * lanes)) * vectors * lanes
    leaf, packer = simd.outer_product(height, vectors, dtype), simd.copy_panel(vectors, dtype)
    whole = SEGMENT + 16
    numbers = (leaf, height, vectors * lanes, packer, lanes, size, whole, whole + 24 * vectors, 0, 0)
    tables = panel_tables(width if fill else columns, vectors, lanes, size)
    return width, np.array([*numbers, *tables], np.int64)


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        yield f"attention.attention {dtype}", functools.partial(_forward_and_back, np.ones((2, 64, 32), dtype))


def _forward_and_back(x: Array) -> None:
    options = Options(1.0)
    attention_backward(x, x, x, x, None, attention_forward(x, x, x, None, options), options)
