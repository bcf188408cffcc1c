"""Attention of few queries, as in decoding: a row of scores per query, lanes along the features, then along the keys.

Keys and values are read once, where they lie; in the tiles of `attention` most lanes would be empty.  There is no
backward.  A query of 64 features, 8 x 8 sequences and heads, 2048 keys that lie apart: 6.0 ms where PyTorch takes 7.8
(Zen 4, one thread).
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels import simd
from ops.kernels.attention import in_order_of, inputs_of
from ops.kernels.attention_leaves import exponential, finite, number, scale_rows
from ops.kernels.attention_plan import Array, Options, Shapes, Strides, run_plan, shapes_of
from ops.kernels.emitter import Emitter, vector_leaf
from ops.kernels.gemm_plan import dot_tables, panel_tables
from ops.kernels.jit import threads_for
from ops.kernels.native import INT
from ops.kernels.simd import Worker, call, load_integers, sum_lanes
from ops.kernels.stages import pack_layout, stage_list
from ops.kernels.tiles import choose_tile

READ_PER_THREAD = 1 << 16
"""Keys and values, in numbers: a thread that reads less costs more than it saves."""


def attention_of_few(q: Array, k: Array, v: Array, mask: Array | None, options: Options) -> Array:
    """Return the output of `attention_forward` without what its backward needs; there must be no dropout."""
    inputs = inputs_of(q, k, v, mask)
    output = in_order_of(inputs[0], v.shape[-1])
    threads = threads_for(inputs[1].size + inputs[2].size, READ_PER_THREAD)
    run_plan(_plan(shapes_of([*inputs, output]), q.dtype, options, threads), [*inputs, output], options)
    return output


class RowsPlan:
    """Tables, layout and scratch of one shape; `attend_rows` reads the layout."""

    def __init__(self, shapes: Shapes, dtype: np.dtype[Any], options: Options, threads: int) -> None:
        (q_shape, _), _, (v_shape, _), mask, _ = shapes
        (*leading, L, E), (S, D) = q_shape, v_shape[-2:]
        size, lanes, batch, strides = dtype.itemsize, simd.lanes(dtype), math.prod(leading), Strides.of(shapes)
        dot_rows, dot_columns = (1, 8) if L == 1 else (4, 6) if simd.registers() == 32 else (2, 4)
        rows, vectors = choose_tile(L, -(-D // lanes))
        row, sums = -(-S // lanes) * lanes, dot_rows * dot_columns * lanes
        work = L * row + sums + -(-L // lanes) * lanes
        q_row, k_row, v_row, mask_row, o_row = strides.rows[:5]
        numbers = (
            *(size, lanes, batch, L, S, E, D, int(options.causal), int(mask is not None), work * size, row * size),
            *(q_row, k_row, v_row, mask_row, o_row, sums * size),
            *(simd.dot_tile(dot_rows, dot_columns, dtype), simd.dot_store(dot_rows, dot_columns, dtype)),
            *(dot_rows, dot_columns, simd.outer_product(rows, vectors, dtype), rows, vectors * lanes),
            *(row_softmax(dtype), scale_rows(dtype)),
        )
        tables = dot_tables(S, dot_columns, k_row), [0, 0, *panel_tables(D, vectors, lanes, size)]
        places = strides.places(tuple(leading))
        self.layout = pack_layout(numbers, *(np.array(table, np.int64) for table in tables), places)
        chunks = max(1, min(threads, batch))
        self.stages = stage_list((ATTEND_ROWS, 0, chunks))
        self.work, self.dtype, self.numbers = work * chunks, dtype, np.array([options.scale], dtype)


@functools.lru_cache(maxsize=256)
def _plan(shapes: Shapes, dtype: np.dtype[Any], options: Options, threads: int) -> RowsPlan:
    return RowsPlan(shapes, dtype, options, threads)


def attend_rows(operands, _b, _c, _d, work, layout, _step, t, chunks):
    """Compute the output of chunk t of the batch."""
    scale, _, q, k, v, mask, o = load_integers(operands, 7)
    (size, lanes, batch, L, S, E, D, causal, masked, work_size, x_row, q_row, k_row, v_row, mask_row, o_row, sums_size,
     dot, dot_store, dot_rows, dot_columns, product, rows, columns, softmax, scale_rows, dot_table, panels,
     places) = load_integers(layout, 29)  # fmt: skip
    x = work + t * work_size
    sums = x + L * x_row
    factors = sums + sums_size
    dot_table, segment = layout + dot_table, layout + panels
    for b in range(batch * t // chunks, batch * (t + 1) // chunks):
        q_b, k_b, v_b, mask_b, o_b = load_integers(layout + places + b * 72, 5)
        for s in range(0, S, dot_columns):
            width = min(dot_columns, S - s)
            table = dot_table if width == dot_columns else dot_table + 8 * dot_columns
            for i in range(0, L, dot_rows):
                keys, at = k + k_b + s * k_row, q + q_b + i * q_row
                call(dot, at, q_row, L - i, keys, table, 1, 0, 0, E // lanes, E % lanes, 0, sums)
                call(dot_store, sums, x + i * x_row + s * size, x_row, L - i, width, 0, 0, 0)
        call(softmax, x, x_row, L, S, 1 if causal != 0 else S, causal, mask + mask_b, mask_row, masked, scale, factors)
        for j in range(0, D, columns):
            table, edge = (segment + 16, 0) if j + columns <= D else (segment + 16 + 24 * (columns // lanes), 2)
            for i in range(0, L, rows):
                call(
                    product, x + i * x_row, x_row, size, v + v_b + j * size, v_row, segment, 1, S, table, edge,
                    o + o_b + i * o_row + j * size, o_row, 0, 0, 0, L - i,
                )  # fmt: skip
        call(scale_rows, o + o_b, o_row, L, D, factors)


ATTEND_ROWS = Worker(attend_rows)


@functools.cache
def row_softmax(dtype: DTypeLike) -> int:
    """Return a leaf that turns rows of scores into weights, exp(x' - max x') with x' = scale x + mask, x' = -inf for
    columns that row r does not see, r more each row.

    Rows of x are whole vectors long.  Arguments, 11: x, x_row, n_rows, n_columns, seen (columns of row 0), more, mask,
    mask_row, masked (0 or 1), scale (address), factors (address; 1 / sum of each row, 0 where nothing is seen).
    """
    return vector_leaf("row_softmax", 11, dtype, _emit_row_softmax)


def _emit_row_softmax(e: Emitter) -> None:
    x, x_row, n_rows, n_columns, seen, more, mask, mask_row, masked, scale, factors = e.arguments
    b, lowest = e.builder, number(e, -math.inf)
    row, mask_at, target, visible = map(e.variable, (x, mask, factors, seen))
    vectors, factor = b.sdiv(e.add(n_columns, e.lanes - 1), INT(e.lanes)), e.load_broadcast(scale)
    with e.repeat(n_rows):
        count = e.variable(b.select(b.icmp_signed("<", e.get(visible), n_columns), e.get(visible), n_columns))
        at, beside, top = e.variable(e.get(row)), e.variable(e.get(mask_at)), e.variable(lowest)
        with e.repeat(vectors):
            seen_lanes, value = e.mask(e.get(count)), e.variable(b.fmul(e.load(e.get(at)), factor))
            with e.when(masked, "!=", 0):
                e.set(value, b.fadd(e.get(value), e.load(e.get(beside), seen_lanes)))
            e.set(value, b.select(seen_lanes, e.get(value), lowest))
            e.store(e.get(value), e.get(at))
            e.set(top, _larger(e, e.get(value), e.get(top)))
            e.advance(count, -e.lanes)
            e.advance(at, e.vector_size)
            e.advance(beside, e.vector_size)
        _weigh(e, e.get(row), vectors, finite(e, _largest_lane(e, e.get(top))), e.get(target))
        e.advance(row, x_row)
        e.advance(mask_at, mask_row)
        e.advance(visible, more)
        e.advance(target, e.size)


def _weigh(e: Emitter, row: ir.Value, vectors: ir.Value, top: ir.Value, target: ir.Value) -> None:
    """x = exp(x - top) throughout a row; the target is given 1 / its sum."""
    b, at, total = e.builder, e.variable(row), e.variable(e.zero)
    with e.repeat(vectors):
        weight = exponential(e, b.fsub(e.load(e.get(at)), top))
        e.store(weight, e.get(at))
        e.set(total, b.fadd(e.get(total), weight))
        e.advance(at, e.vector_size)
    value = sum_lanes(e, [e.get(total)])
    inverse = b.select(b.fcmp_ordered("==", value, e.zero), e.zero, b.fdiv(number(e, 1), value))
    e.store(inverse, target, e.mask(INT(1)))


def _larger(e: Emitter, value: ir.Value, best: ir.Value) -> ir.Value:
    return e.builder.select(e.builder.fcmp_ordered(">", value, best), value, best)


def _largest_lane(e: Emitter, vector: ir.Value) -> ir.Value:
    """The largest element, in all lanes."""
    distance = e.lanes // 2
    while distance:
        other = e.shuffle(vector, vector, [lane ^ distance for lane in range(e.lanes)])
        vector, distance = _larger(e, other, vector), distance // 2
    return vector


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        x = np.ones((2, 1, 64), dtype)
        yield f"attention_rows.attention {dtype}", functools.partial(attention_of_few, x, x, x, None, Options(1.0))
