"""Recurrent layers over whole sequences, forward and backward, in one pass over time each.

The rows of a step are those of a packed sequence: `batch_sizes` tells how many sequences last that long, the longest
ones first.  What the passes do with them stands in `recurrent_steps`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import recurrent_plan as plans
from ops.kernels import recurrent_steps as steps
from ops.kernels.arrays import dense
from ops.kernels.parallel import RUN_CHUNKS
from ops.kernels.recurrent_plan import PACKED, Plan, Shape, Wanted
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker

Array: TypeAlias = np.ndarray[Any, Any]


class Kept(NamedTuple):
    """What backward needs of the forward pass."""

    joined: Array  # (rows, pitch): [x | h before the step]
    gates: Array  # (rows, gates): their values
    kept: Array  # (rows, H): lstm: c before the step; gru: W_hn h + b_hn
    raw: Array  # (rows, H): lstm with a projection: h before it


class Gradients(NamedTuple):
    """Gradients of all inputs; empty arrays where those of x, or of the weights, are not wanted."""

    x: Array
    h: Array
    c: Array
    w_ih: Array
    w_hh: Array
    b_ih: Array
    b_hh: Array
    w_hr: Array


# ---- entries ----


def forward(
    kind: str,
    x: Array,
    h: Array | None,
    c: Array | None,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    w_hr: Array | None,
    batch_sizes: tuple[int, ...],
    reverse: bool,
) -> tuple[Array, Kept]:
    """Return [y | h after the last step | c after it], one array of (rows P + B P [+ B H]) numbers, and what to keep.

    x is (T, B, I), or (rows, I) of a packed sequence; h (B, P) and c (B, H), or None for zeros.  All of one type.
    """
    shape = shape_of(kind, w_ih, w_hh, w_hr)
    rows, B = sum(batch_sizes), max(batch_sizes, default=0)
    x, strides = strided_rows(x)
    threads = plans.choose_threads(shape, batch_sizes, 1)
    plan = plans.plan_forward(shape, batch_sizes, reverse, strides, h is None, threads)
    dtype, H, P = shape.dtype, shape.H, shape.P
    flat = np.empty(rows * P + B * P + (B * H if kind == "lstm" else 0), dtype)
    fill(flat[rows * P :][: B * P], h)
    fill(flat[rows * P + B * P :], c)
    gates = np.empty((rows, shape.gates), dtype)
    joined = np.empty((rows, shape.pitch), dtype)
    kept = np.empty((rows, H) if kind in ("lstm", "gru") else (0, H), dtype)
    raw = np.empty((rows, H) if shape.projected else (0, H), dtype)
    operands: list[Any] = [
        x.ctypes.data, joined.reshape(-1), gates.reshape(-1), kept.reshape(-1), raw.reshape(-1), flat,
        flat[rows * P :], flat[rows * P + B * P :], *flat_weights(w_ih, w_hh, w_hr),
        joined_bias(kind, b_ih, b_hh, shape), scratch(plan.work, dtype),
    ]  # fmt: skip
    steps.run_forward(*operands, *launch(plan, steps.PACK_FORWARD, steps.FORWARD))
    return flat, Kept(joined, gates, kept, raw)


def backward(
    kind: str,
    grad: Array,
    kept: Kept,
    w_ih: Array,
    w_hh: Array,
    w_hr: Array | None,
    batch_sizes: tuple[int, ...],
    reverse: bool,
    wanted: tuple[bool, bool, bool],
) -> Gradients:
    """Return the gradients of all inputs, given that of what `forward` returned.

    wanted: those of x, those of h or c, those of weights or biases.
    """
    shape = shape_of(kind, w_ih, w_hh, w_hr)
    rows, B = sum(batch_sizes), max(batch_sizes, default=0)
    threads = plans.choose_threads(shape, batch_sizes, 2)
    needs = Wanted(*wanted)
    plan = plans.plan_backward(shape, batch_sizes, reverse, needs, threads)
    dtype, H, P, I, G = shape.dtype, shape.H, shape.P, shape.I, shape.gates
    grad = dense(grad)
    dx = np.empty((rows, I) if needs.x else (0, I), dtype)
    dh, dc = grad[rows * P :][: B * P].copy(), grad[rows * P + B * P :].copy()
    draw = np.empty((B, H) if shape.projected else (0, H), dtype)
    shapes = [(G, I), (G, P), (G,), (G,), (P, H) if shape.projected else (0, H)]
    chunks = (plan.chunks,) if plan.chunks > 1 else ()  # each adds to sums of its own
    make = np.empty if rows else np.zeros  # the first step that is taken stores, the others add
    sums = [make(chunks + each if needs.weights else (0,), dtype) for each in shapes]
    operands = [
        grad, *(each.reshape(-1) for each in kept), dx.reshape(-1), dh, dc, draw.reshape(-1),
        *(each.reshape(-1) for each in sums), *flat_weights(w_ih, w_hh, w_hr), np.ones(1, dtype),
        scratch(plan.work, dtype),
    ]  # fmt: skip
    steps.run_backward(*operands, *launch(plan, steps.PACK_BACKWARD, steps.BACKWARD))
    dw_ih, dw_hh, db_ih, db_hh, dw_hr = (each.sum(0) for each in sums) if chunks and needs.weights else sums
    db_hh = db_hh if kind == "gru" else db_ih.copy()  # the biases of other cells are added to each other
    return Gradients(dx, dh.reshape(B, P), dc.reshape(-1, H), dw_ih, dw_hh, db_ih, db_hh, dw_hr)


def flat_weights(w_ih: Array, w_hh: Array, w_hr: Array | None) -> list[Array]:
    """Return the weights as the drivers take them: along one axis, and something in the place of no projection."""
    return [dense(w).reshape(-1) for w in (w_ih, w_hh, w_hh if w_hr is None else w_hr)]


def launch(plan: Plan, packer: Worker, worker: Worker) -> tuple[Any, ...]:
    """Return the drivers' last arguments."""
    driver = RUN_CHUNKS.address if plan.chunks > 1 else 0
    return plan.layout, packer.address, worker.address, plan.chunks, driver


def shape_of(kind: str, w_ih: Array, w_hh: Array, w_hr: Array | None) -> Shape:
    """Return the layer's sizes."""
    H = w_hh.shape[1] if w_hr is None else w_hr.shape[1]
    return Shape(kind, w_ih.shape[1], H, w_hh.shape[1], w_hr is not None, w_ih.dtype)


def strided_rows(x: Array) -> tuple[Array, tuple[int, int]]:
    """Return x with the numbers of a row side by side, and the bytes from step to step and from row to row."""
    if x.size and x.strides[-1] != x.itemsize and x.shape[-1] > 1:
        x = dense(x)
    return x, (x.strides[0], x.strides[1]) if x.ndim == 3 else (PACKED, x.strides[0])


def fill(target: Array, source: Array | None) -> None:
    """Copy a state, or zeros."""
    target[...] = 0 if source is None else source.reshape(-1)


def joined_bias(kind: str, b_ih: Array | None, b_hh: Array | None, shape: Shape) -> Array:
    """Return what the products start from: both biases as one; gru: of the last gate, one after the other."""
    if b_ih is None or b_hh is None:
        return np.zeros(shape.gates + (shape.H if kind == "gru" else 0), shape.dtype)
    if kind != "gru":
        return np.asarray(b_ih + b_hh)
    both = 2 * shape.H
    return np.concatenate((b_ih[:both] + b_hh[:both], b_ih[both:], b_hh[both:]))


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        for kind in plans.GATES:
            yield f"recurrent.{kind} {dtype}", functools.partial(run_both_ways, kind, dtype)


def run_both_ways(kind: str, dtype: str) -> None:
    """Take 32 sequences of 128 units two steps forward and back."""
    B, H, G = 32, 128, plans.GATES[kind] * 128
    x, w, b = np.ones((2, B, H), dtype), np.ones((G, H), dtype), np.ones(G, dtype)
    flat, kept = forward(kind, x, None, None, w, w, b, b, None, (B, B), False)
    backward(kind, flat, kept, w, w, None, (B, B), False, (True, True, True))
