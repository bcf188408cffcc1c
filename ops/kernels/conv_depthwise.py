"""Depthwise convolution: every filter slides over one channel, so nothing is summed over channels.

Planes are read where they lie.  A vector holds neighbouring pixels of the target; where source and target rows
are equally long, rows are taken as one (small planes then fill their vectors), and masks cut off what a tap
would read beyond the ends of a row.  At stride 2 a vector is put together from the even or odd lanes of two
loads; back to the input the even and the odd columns are computed apart and interleaved on the way out.  Two rows of
up to half a vector share one, as those of 7 pixels do.
The gradient of the weight keeps one vector of sums per tap, over all images.

Planes of up to 16 KB are too short for the caches to foresee them; a vector fetches its place some planes on, 12 KB
away or more.  A sweep of few vectors is written out as code.

Measured, float32, one Zen 4 core, forward / input / weight in microseconds (PyTorch's faster layout in brackets):
32 x 960 x 7 x 7: 510 / 520 / 560 (650 / 1620 / 1030); 32 x 576 x 14 x 14: 1500 / 1430 / 1530 (2610 / 3310 / 4580), at
stride 2 430 / 690 / 720 (1340 / 1620 / 2080); 8 x 576 x 14 x 14 at stride 2: 109 / 141 / 139 (134 / 209 / 196);
8 x 144 x 56 x 56: 1420 / 1330 / 840 (3470 / 4940 / 4670); 32 x 144 x 56 x 56 at stride 2: 3560 / 5590 / 2470 (7780 /
33200 / 7200).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation, forward, walk
from ops.kernels.depthwise_leaves import depthwise_rows, depthwise_weights, spread_columns, strided_columns
from ops.kernels.depthwise_sweeps import (
    MOST_KNOWN,
    MOST_KNOWN_GRADIENTS,
    find_sweep,
    for_gradients,
    is_flat,
    leftwards,
    may_pair,
    paired_spread_vectors,
    spread_vectors,
    strided_vectors,
)
from ops.kernels.geometry import ConvGeometry
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list

PLANE_CYCLES = 30
"""Cycles to begin a plane."""

PLANES_AT_ONCE = 32
"""Planes of one image visited by one pass before the next pass, or the next image, is begun."""


def supports(c: Correlation, lanes: int) -> bool:
    """Whether this strategy can compute c: the taps of a row reach no further than into the next vector."""
    if not c.groups > c.sources == c.targets == 1 or -(-c.columns.reach // c.columns.stride) > lanes:
        return False
    if c.backward:  # at stride 1 it is a pass forward, at 2 the targets fall in four classes
        return (c.rows.stride, c.columns.stride) in ((1, 1), (2, 2))
    return c.columns.stride <= 2


def supports_weights(g: ConvGeometry, lanes: int) -> bool:
    """Whether the gradient of the weight can be computed: one vector of sums per tap in registers."""
    return supports(forward(g), lanes) and simd.registers() - 7 >= g.R * g.S


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread, as measured per vector and tap."""
    rows, width = c.target_plane
    if c.backward and c.columns.stride == 2:
        vectors, per_tap = rows * -(-width // (2 * lanes)), 1.5
    elif is_flat(c.rows, c.columns):
        vectors, per_tap = -(-rows * width // lanes), 1.5
    else:
        vectors, per_tap = rows * -(-width // lanes), 2.5
    return c.N * c.groups * (PLANE_CYCLES + per_tap * c.taps * vectors)


class Pass(NamedTuple):
    """One leaf and what it is given besides the operands; distances count elements."""

    leaf: int
    w_first: int
    w_row: int
    w_step: int
    x_row: int
    sweep: Int64


def strided_pass(c: Correlation, dtype: np.dtype[Any]) -> Pass:
    """Return the pass to the outputs; back to the input at stride 1, where the filter is mirrored."""
    rows, columns = walk(c)
    lanes, flat = simd.lanes(dtype), is_flat(rows, columns)
    paired = may_pair(rows, columns, lanes)
    loads = strided_columns(columns.taps, columns.stride, columns.dilation, flat=flat, paired=paired)
    vectors = leftwards(strided_vectors(rows, columns, loads, lanes))
    order = (c.taps - 1, -columns.taps, -1) if c.backward else (0, columns.taps, 1)
    sweep = find_sweep(c, vectors, loads, dtype.itemsize, rows.stride * columns.size, MOST_KNOWN)
    leaf = depthwise_rows(rows.taps, loads, dtype, sweep.known)
    return Pass(leaf, *order, rows.dilation * columns.size, sweep.table)


def spread_passes(c: Correlation, dtype: np.dtype[Any]) -> Iterator[Pass]:
    """Yield the passes back to the even and to the odd rows of the input, at stride 2."""
    rows, columns, lanes = c.rows, c.columns, simd.lanes(dtype)
    loads = spread_columns(columns.taps, columns.padding, columns.dilation)
    if rows.size > 2 and -(-columns.size // 2) + loads.reach <= lanes // 2:
        loads = loads._replace(paired=True)
    for phase in range(min(2, rows.size)):
        taps = [r for r in range(rows.taps) if (phase + rows.padding - r * rows.dilation) % 2 == 0]
        spread = paired_spread_vectors if loads.paired else spread_vectors
        vectors = leftwards(spread(rows, columns, loads, phase, taps, lanes))
        step = 1 + rows.dilation % 2  # between taps of one class
        order = (taps[0] * columns.taps if taps else 0, step * columns.taps, 1)
        x_row = -(step * rows.dilation // 2) * columns.outputs
        sweep = find_sweep(c, vectors, loads, dtype.itemsize, columns.outputs - lanes // 2, MOST_KNOWN)
        yield Pass(depthwise_rows(len(taps), loads, dtype, sweep.known), *order, x_row, sweep.table)


class DepthwisePlan:
    """Tables and layout of one shape, to the outputs and back to the input."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        size = dtype.itemsize
        spread = c.backward and c.columns.stride == 2
        passes = list(spread_passes(c, dtype)) if spread else [strided_pass(c, dtype)]
        records = [[p.leaf, *(size * n for n in (p.w_first, p.w_row, p.w_step, p.x_row))] for p in passes]
        planes = (math.prod(c.source_plane) * size, math.prod(c.target_plane) * size)
        numbers = (c.N, c.groups, len(passes), *planes, c.taps * size, 2 if biased else 0, int(relu), size)
        self.layout = pack_layout(numbers, np.array(records, np.int64), *(p.sweep for p in passes))
        self.stages = stage_list((SLIDE, 0, threads))

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        run_stages(
            x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, NO_WORK[y.dtype], self.layout, self.stages
        )


NO_WORK = {np.dtype(name): np.empty(0, name) for name in ("float32", "float64")}


def slide(x, w, bias, y, _work, layout, _step, t, chunks):
    """Compute chunk t of the planes, a few at a time through all passes."""
    (N, channels, passes, x_plane, y_plane, w_plane, mode, relu, size, records) = load_integers(layout, 10)
    u, last = N * channels * t // chunks, N * channels * (t + 1) // chunks
    while u < last:
        c = u % channels
        planes = min(PLANES_AT_ONCE, last - u, channels - c)
        for i in range(passes):
            leaf, w_first, w_row, w_step, x_row = load_integers(layout + records + 40 * i, 5)
            (sweep,) = load_integers(layout + 80 + 8 * i, 1)
            call(
                leaf, planes, x + u * x_plane, x_plane, x_row, w + c * w_plane + w_first, w_plane, w_row, w_step,
                y + u * y_plane, y_plane, mode, bias + c * size, relu, layout + sweep,
            )  # fmt: skip
        u += planes


class DepthwiseWeightsPlan:
    """Tables and layout of one shape, of the gradient of the weight."""

    def __init__(self, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> None:
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        flat, paired = is_flat(g.rows, g.columns), may_pair(g.rows, g.columns, lanes)
        loads = strided_columns(g.S, g.stride[1], g.dilation[1], flat=flat, paired=paired)
        vectors = for_gradients(strided_vectors(g.rows, g.columns, loads, lanes), loads)
        sweep = find_sweep(forward(g), vectors, loads, size, g.stride[0] * g.W, MOST_KNOWN_GRADIENTS)
        planes = min(PLANES_AT_ONCE, -(-g.C // threads))
        sums = planes * g.R * g.S * lanes
        numbers = (
            *(depthwise_weights(g.R, loads, dtype, sweep.known), simd.lane_sums(dtype), g.N, g.C, planes, g.R * g.S),
            *(g.H * g.W * size, g.OH * g.OW * size, g.dilation[0] * g.W * size, sums * size, size),
        )
        self.layout = pack_layout(numbers, sweep.table)
        self.stages = stage_list((CORRELATE, 0, threads))
        self.work, self.dtype = threads * sums, dtype

    def __call__(self, grad: Array, x: Array, dw: Array) -> None:
        """Compute dw."""
        run_stages(grad, x, dw, dw, scratch(self.work, self.dtype), self.layout, self.stages)


def correlate(grad, x, dw, _, work, layout, _step, t, chunks):
    """Compute chunk t of the blocks of channels, image after image."""
    (leaf, lane_sums, N, channels, block, taps, x_plane, y_plane, x_row, sums_size, size, sweep) = (
        load_integers(layout, 12)
    )  # fmt: skip
    sums, blocks = work + t * sums_size, (channels + block - 1) // block
    for b in range(blocks * t // chunks, blocks * (t + 1) // chunks):
        c = b * block
        planes = min(block, channels - c)
        for n in range(N):
            u = n * channels + c
            call(
                leaf, planes, x + u * x_plane, x_plane, x_row, grad + u * y_plane, y_plane, min(n, 1), sums,
                layout + sweep,
            )  # fmt: skip
        call(lane_sums, sums, planes * taps, dw + c * taps * size)


SLIDE, CORRELATE = Worker(slide), Worker(correlate)
