"""Depthwise convolution: every filter slides over one channel, so nothing is summed over channels.

Planes are read where they lie.  A vector holds neighbouring pixels of the target; where source and target rows
are equally long, rows are taken as one (small planes then fill their vectors), and masks cut off what a tap
would read beyond the ends of a row.  At stride 2 a vector is put together from the even or odd lanes of two
loads; back to the input the even and the odd columns are computed apart and interleaved on the way out.  Two rows of
up to half a vector share one, as those of 7 pixels do.
The gradient of the weight keeps one vector of sums per tap, over all images.

Planes of up to 16 KB are too short for the caches to foresee them; a vector fetches its place some planes on, 12 KB
away or more.

Measured, float32, one Zen 4 core, forward / input / weight in microseconds (PyTorch's faster layout in brackets):
1 x 960 x 7 x 7: 30 / 36 / 49 (52 / 105 / 104); 8 x 144 x 56 x 56: 1700 / 1760 / 1190 (3470 / 4940 / 4670); at stride 2,
32 x 144 x 56 x 56: 3680 / 8000 / 2960 (7740 / 37400 / 9090); 32 x 576 x 14 x 14, which waits for memory: 3280 / 3290 /
1880 (2320 / 2720 / 3680); 8 x 576 x 14 x 14 at stride 2: 156 / 210 / 178 (134 / 209 / 196).
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation, forward, walk
from ops.kernels.depthwise_leaves import (
    Columns,
    depthwise_rows,
    depthwise_weights,
    spread_columns,
    strided_columns,
)
from ops.kernels.geometry import Axis, ConvGeometry
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list

PLANE_CYCLES = 30
"""Cycles to begin a plane."""

FETCHED_PLANE, FETCHED_BYTES, BYTES_AHEAD = 1 << 14, 1 << 22, 3 << 12
"""Planes of up to so many bytes are fetched ahead, where all of them are more than that; and how far at least."""

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


def is_flat(rows: Axis, columns: Axis) -> bool:
    """Whether a plane can be swept as one row: a tap reads at the same distance from every output."""
    return (rows.stride, columns.stride, columns.size) == (1, 1, columns.outputs)


# ---- sweeps ----

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]


class Vectors(NamedTuple):
    """The vectors that a plane is swept by, from left to right along each line; displacements count elements."""

    source: Int64
    """int64[vectors]."""
    target: Int64
    """int64[vectors, pieces]."""
    stored: Mask
    """bool[vectors, pieces, lanes]."""
    inside: Mask
    """bool[vectors, row taps, loads, lanes]."""
    counted: Mask
    """bool[vectors, taps, lanes]: whether a lane's target reads through a column tap."""


def flat_vectors(rows: Axis, columns: Axis, loads: Columns, lanes: int) -> Vectors:
    """Sweep a plane as one line; source and target have the same width and the stride is 1.

    An element beyond the end of a source row belongs to the next row; what counts is told by the column.
    """
    size, count = rows.outputs * columns.outputs, -(-(rows.outputs * columns.outputs + loads.reach) // lanes)
    index = np.arange(count * lanes).reshape(count, lanes)
    shift = (np.arange(rows.taps) * rows.dilation - rows.padding) * columns.size - columns.padding
    tap_columns = index[:, None] % columns.size + np.arange(columns.taps)[:, None] * columns.dilation - columns.padding
    return Vectors(
        index[:, 0] + shift[0],
        index[:, :1],
        (index < size)[:, None],
        within(index[:, None] + shift[:, None], rows.size * columns.size)[:, :, None],
        (index < size)[:, None] & within(tap_columns, columns.size),
    )


def line_vectors(rows: Axis, columns: Axis, loads: Columns, lanes: int) -> Vectors:
    """Sweep a plane row by row."""
    count = -(-(columns.outputs + loads.reach) // lanes)
    row, start = (a.reshape(-1) for a in np.mgrid[: rows.outputs, 0 : count * lanes : lanes])
    lane = np.arange(loads.loads * lanes).reshape(loads.loads, lanes)
    tap_rows = row[:, None] * rows.stride + np.arange(rows.taps) * rows.dilation - rows.padding
    load_columns = (start * columns.stride - columns.padding)[:, None, None] + lane
    stored = ((start[:, None] + np.arange(lanes)) < columns.outputs)[:, None]
    return Vectors(
        (row * rows.stride - rows.padding) * columns.size + start * columns.stride - columns.padding,
        (row * columns.outputs + start)[:, None],
        stored,
        within(tap_rows, rows.size)[:, :, None, None] & within(load_columns, columns.size)[:, None],
        np.repeat(stored, columns.taps, axis=1),
    )


def paired_vectors(rows: Axis, columns: Axis, loads: Columns, lanes: int) -> Vectors:
    """Sweep the plane by two rows of outputs at a time, which begin at lane 0 and in the middle of a vector."""
    row, load, lane = np.arange(0, rows.outputs, 2), np.arange(2), np.arange(lanes)
    tap_rows = (row[:, None] * rows.stride + np.arange(rows.taps) * rows.dilation - rows.padding)[:, :, None]
    half = lane - load[:, None] * (lanes // 2)
    stored = within(half, columns.outputs) & (row[:, None] + load < rows.outputs)[:, :, None]
    inside = within(tap_rows + load * rows.stride, rows.size)[..., None] & within(lane - columns.padding, columns.size)
    return Vectors(
        (row * rows.stride - rows.padding) * columns.size - columns.padding,
        (row[:, None] + load) * columns.outputs - load * (lanes // 2),
        stored,
        inside,
        np.repeat(stored.any(axis=1, keepdims=True), columns.taps, axis=1),
    )


def may_pair(rows: Axis, columns: Axis, lanes: int) -> bool:
    """Whether two rows of outputs, and what their shifted sums reach, fit a vector."""
    reach = -(-columns.reach // columns.stride)
    return columns.stride == 2 and rows.outputs > 1 and columns.outputs + reach <= lanes // 2


def spread_vectors(rows: Axis, columns: Axis, loads: Columns, phase: int, taps: list[int], lanes: int) -> Vectors:
    """Sweep the rows h = phase, phase + 2 ... of the input's gradient, which the filter rows `taps` reach."""
    count = -(-(-(-columns.size // 2) + loads.reach) // lanes)
    h, start = (a.reshape(-1) for a in np.mgrid[phase : rows.size : 2, 0 : count * lanes : lanes])
    tap_rows = (h[:, None] + rows.padding - np.array(taps, np.int64) * rows.dilation) // 2
    load_columns = (start + loads.first)[:, None, None, None] + np.arange(lanes)
    first = tap_rows[:, 0] if taps else np.zeros_like(h)
    target = (2 * start)[:, None] + np.array([0, lanes])
    return Vectors(
        first * columns.outputs + start + loads.first,
        h[:, None] * columns.size + target,
        target[:, :, None] + np.arange(lanes) < columns.size,
        within(tap_rows, rows.outputs)[:, :, None, None] & within(load_columns, columns.outputs),
        np.ones((len(h), columns.taps, lanes), bool),
    )


def paired_spread_vectors(
    rows: Axis, columns: Axis, loads: Columns, phase: int, taps: list[int], lanes: int
) -> Vectors:
    """Sweep those rows by two at a time: h and h + 2, whose gradients begin at lane 0 and in the middle of a vector."""
    h, load, lane = np.arange(phase, rows.size, 4), np.arange(2), np.arange(lanes)
    tap_rows = (h[:, None] + rows.padding - np.array(taps, np.int64) * rows.dilation) // 2
    half = lane - load[:, None] * (lanes // 2)
    column_inside = within(half, lanes // 2) & within(half + loads.first, columns.outputs)
    target = h[:, None] + 2 * load
    return Vectors(
        (tap_rows[:, 0] if taps else np.zeros_like(h)) * columns.outputs + loads.first,
        target * columns.size,
        (target < rows.size)[:, :, None] & (lane < columns.size),
        within(tap_rows[:, :, None] + load, rows.outputs)[..., None] & column_inside,
        np.ones((len(h), columns.taps, lanes), bool),
    )


def strided_vectors(rows: Axis, columns: Axis, loads: Columns, lanes: int) -> Vectors:
    """Sweep the plane of outputs."""
    if loads.paired:
        return paired_vectors(rows, columns, loads, lanes)
    return (flat_vectors if loads.flat else line_vectors)(rows, columns, loads, lanes)


def within(index: Int64, size: int) -> Any:
    """0 <= index < size."""
    return (index >= 0) & (index < size)


def leftwards(vectors: Vectors) -> Vectors:
    """Return the same vectors from the last to the first."""
    reverse: Any = [array[::-1] for array in vectors]
    return Vectors(*reverse)


def for_gradients(vectors: Vectors, loads: Columns) -> Vectors:
    """Return what of the gradient counts once it is shifted under the elements of the source that it met."""
    counted = vectors.counted.swapaxes(0, 1).reshape(loads.taps, -1)
    moved = np.zeros_like(counted)
    for s, _, shift in loads.outputs[0]:
        moved[s, shift:] = counted[s, : counted.shape[1] - shift]
    return vectors._replace(counted=moved.reshape(loads.taps, len(vectors.source), -1).swapaxes(0, 1))


def fetch_distances(c: Correlation, size: int) -> tuple[int, int]:
    """Return how many bytes ahead to fetch the source and the target: whole planes, of elements of a size."""
    source, target = (math.prod(plane) * size for plane in (c.source_plane, c.target_plane))
    if max(source, target) > FETCHED_PLANE or c.N * c.groups * (source + target) <= FETCHED_BYTES:
        return 0, 0
    ahead = max(2, -(-BYTES_AHEAD // max(source, target)))
    return ahead * source, ahead * target


def sweep_table(c: Correlation, vectors: Vectors, loads: Columns, size: int, row_distance: int = 0) -> Int64:
    """Return the sweep of some vectors (see `depthwise_leaves`); `row_distance` is that of paired rows."""
    count = len(vectors.source)
    parts: tuple[Int64, ...] = (
        vectors.source[:, None] * size,
        np.stack([vectors.target * size, bits(vectors.stored)], axis=2).reshape(count, -1),
        bits(vectors.inside).reshape(count, -1),
        bits(vectors.counted),
    )
    if loads.paired:
        parts = (*parts, np.full((count, 1), row_distance * size))
    entries = np.concatenate(parts, axis=1)
    inner: Any
    if loads.flat:
        inner = vectors.stored.all(axis=(1, 2)) & vectors.inside.all(axis=(1, 2, 3))
    else:
        inner = (vectors.inside == vectors.inside[:, :1]).all(axis=(1, 2, 3))
    start, stop = longest_run(inner)
    period, moved = repetition(entries[start:stop], vectors.target.shape[1])
    repeats = (stop - start) // period if period else 0
    end = start + repeats * period
    numbers = np.array([start, period if repeats else 0, count - end, repeats, *moved, *fetch_distances(c, size)])
    kept = (entries[: start + period], entries[end:])
    return np.concatenate([numbers, *(part.reshape(-1) for part in kept)]).astype(np.int64)


def bits(mask: Mask) -> Int64:
    """Lane l of a mask as bit l of a number."""
    return mask.astype(np.int64) @ (1 << np.arange(mask.shape[-1]))


def longest_run(flags: Mask) -> tuple[int, int]:
    """Return the longest range of true flags."""
    changes = np.flatnonzero(np.diff(flags.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    start, stop = max(changes.tolist(), key=lambda run: run[1] - run[0], default=(0, 0))
    return start, stop


def repetition(entries: Int64, pieces: int) -> tuple[int, tuple[int, int]]:
    """Return after how many entries all displacements have moved alike, all else being equal, and how far."""
    count = len(entries)
    displacements = [0, *range(1, 1 + 2 * pieces, 2)]
    for period in range(1, count // 2 + 1):
        moved = entries[period:] - entries[:-period]
        alike, rest = moved[:, displacements], np.delete(moved, displacements, axis=1)
        if not rest.any() and (alike[:, :2] == alike[0, :2]).all() and (alike[:, 1:] == alike[0, 1]).all():
            return period, (int(alike[0, 0]), int(alike[0, 1]))
    return count, (0, 0)


# ---- plans ----


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
    leaf = depthwise_rows(rows.taps, loads, dtype)
    sweep = sweep_table(c, vectors, loads, dtype.itemsize, rows.stride * columns.size)
    return Pass(leaf, *order, rows.dilation * columns.size, sweep)


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
        leaf = depthwise_rows(len(taps), loads, dtype)
        x_row = -(step * rows.dilation // 2) * columns.outputs
        sweep = sweep_table(c, vectors, loads, dtype.itemsize, columns.outputs - lanes // 2)
        yield Pass(leaf, *order, x_row, sweep)


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
        planes = min(PLANES_AT_ONCE, -(-g.C // threads))
        sums = planes * g.R * g.S * lanes
        numbers = (
            *(depthwise_weights(g.R, loads, dtype), simd.lane_sums(dtype), g.N, g.C, planes, g.R * g.S),
            *(g.H * g.W * size, g.OH * g.OW * size, g.dilation[0] * g.W * size, sums * size, size),
        )
        self.layout = pack_layout(numbers, sweep_table(forward(g), vectors, loads, size, g.stride[0] * g.W))
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
