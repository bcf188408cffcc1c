"""Recurrent layers over whole sequences, forward and backward, in one pass over time each.

The rows of a step are those of a packed sequence: `batch_sizes` tells how many sequences last that long, the longest
ones first.  What the passes do with them stands in `recurrent_steps`.

Outputs and gradients of all weights, 28 steps of 64 sequences of 28 inputs, 128 units: LSTM 8.7 ms where PyTorch took
10.4, GRU 7.2 and 13.0; on two threads 4.4 and 6.7, 3.8 and 10.1 (Zen 4; the products run at nine tenths of its peak).
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import recurrent_plan as plans
from ops.kernels import recurrent_steps as steps
from ops.kernels.arrays import dense
from ops.kernels.gemm import matmul
from ops.kernels.parallel import RUN_CHUNKS
from ops.kernels.recurrent_leaves import cell_forward
from ops.kernels.recurrent_plan import PACKED, Plan, Shape, Wanted
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker

Array: TypeAlias = np.ndarray[Any, Any]


FEW = 64
"""Sequences up to which a single step goes without packed weights."""


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
    weights = (w_ih, w_hh, b_ih, b_hh, w_hr)
    if len(batch_sizes) == 1 and 0 < batch_sizes[0] <= FEW:
        return one_step(shape, x.reshape(-1, shape.I), h, c, *weights)
    return all_steps(shape, x, h, c, *weights, batch_sizes, reverse)


def all_steps(
    shape: Shape,
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
    """Pack the weights and go through all steps."""
    rows, B = sum(batch_sizes), max(batch_sizes, default=0)
    kind, _, H, P, projected, dtype = shape
    x, strides = strided_rows(x)
    threads = plans.choose_threads(shape, batch_sizes, 1)
    plan = plans.plan_forward(shape, batch_sizes, reverse, strides, h is None, threads)
    flat = np.empty((rows + B) * P + (B * H if kind == "lstm" else 0), dtype)
    states, cells = flat[rows * P :], flat[(rows + B) * P :]
    fill(states[: B * P], h)
    fill(cells, c)
    joined, gates = np.empty((rows, shape.pitch), dtype), np.empty((rows, shape.gates), dtype)
    kept = np.empty((rows if kind in ("lstm", "gru") else 0, H), dtype)
    raw = np.empty((rows if projected else 0, H), dtype)
    operands: list[Any] = [
        x.ctypes.data, joined.reshape(-1), gates.reshape(-1), kept.reshape(-1), raw.reshape(-1), flat, states, cells,
        *flat_weights(w_ih, w_hh, w_hr), joined_bias(b_ih, b_hh, shape), scratch(plan.work, dtype),
    ]  # fmt: skip
    steps.run_forward(*operands, *launch(plan, steps.PACK_FORWARD, steps.FORWARD))
    return flat, Kept(joined, gates, kept, raw)


def one_step(
    shape: Shape,
    x: Array,
    h: Array | None,
    c: Array | None,
    w_ih: Array,
    w_hh: Array,
    b_ih: Array | None,
    b_hh: Array | None,
    w_hr: Array | None,
) -> tuple[Array, Kept]:
    """Take a few sequences a single step on: to pack the weights would take longer than their product."""
    kind, I, H, P, projected, dtype = shape
    B = len(x)
    gates = matmul(x, w_ih.T, bias=b_ih)
    of_h = np.zeros((B, shape.gates), dtype) if h is None else matmul(h, w_hh.T)
    if b_hh is not None:
        of_h += b_hh
    joined = np.empty((B, shape.pitch), dtype)
    joined[:, :I], joined[:, I : I + P] = x, 0 if h is None else h
    flat = np.empty(2 * B * P + (B * H if kind == "lstm" else 0), dtype)
    cells = flat[2 * B * P :]
    fill(cells, c)
    if kind == "gru":
        gates[:, : 2 * H] += of_h[:, : 2 * H]
        kept = of_h[:, 2 * H :].copy()
    else:
        gates += of_h
        kept = np.empty((B if kind == "lstm" else 0, H), dtype)
    raw = np.empty((B if projected else 0, H), dtype)
    column, pitch = I * dtype.itemsize, shape.pitch * dtype.itemsize
    leaf, after = cell_forward(kind, dtype), raw.reshape(-1) if projected else flat
    steps.call_cell(leaf, B, H, gates, kept, joined, column, pitch, after, cells)
    if w_hr is not None:
        flat[: B * P] = matmul(raw, w_hr.T).reshape(-1)
    flat[B * P : 2 * B * P] = flat[: B * P]
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
    zero: bool = False,
) -> Gradients:
    """Return the gradients of all inputs, given that of what `forward` returned.

    wanted: those of x, those of h or c, those of weights or biases.  zero: h was None.
    """
    shape = shape_of(kind, w_ih, w_hh, w_hr)
    rows, B = sum(batch_sizes), max(batch_sizes, default=0)
    threads = plans.choose_threads(shape, batch_sizes, 2)
    needs = Wanted(*wanted)
    plan = plans.plan_backward(shape, batch_sizes, reverse, zero, needs, threads)
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


def joined_bias(b_ih: Array | None, b_hh: Array | None, shape: Shape) -> Array:
    """Return what the products start from: both biases as one; gru: of the last gate, one after the other."""
    if b_ih is None or b_hh is None:
        return np.zeros(shape.gates + (shape.H if shape.kind == "gru" else 0), shape.dtype)
    if shape.kind != "gru":
        return np.add(b_ih, b_hh)
    both, biases = 2 * shape.H, np.empty(4 * shape.H, shape.dtype)
    np.add(b_ih[:both], b_hh[:both], out=biases[:both])
    biases[both : 3 * shape.H], biases[3 * shape.H :] = b_ih[both:], b_hh[both:]
    return biases


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
