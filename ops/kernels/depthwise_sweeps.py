"""How depthwise convolutions visit a plane: its vectors, in what order, and which lanes of each count.

The tables are those of `depthwise_leaves`.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels.correlation import Correlation
from ops.kernels.depthwise_leaves import Columns, Entries
from ops.kernels.geometry import Axis
from ops.kernels.stages import Int64

Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

FETCHED_PLANE, FETCHED_BYTES, BYTES_AHEAD = 1 << 14, 1 << 22, 3 << 12
"""Planes of up to so many bytes are fetched ahead, where all of them are more than that; and how far at least."""

MOST_KNOWN, MOST_KNOWN_GRADIENTS = 16, 8
"""Vectors of a sweep that is written out as code, to the outputs or the input, and to the gradient of the weight; if
its plane has rows: there are too many lengths of a sequence."""


def is_flat(rows: Axis, columns: Axis) -> bool:
    """Whether a plane can be swept as one row: a tap reads at the same distance from every output."""
    return (rows.stride, columns.stride, columns.size) == (1, 1, columns.outputs)


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


class Sweep(NamedTuple):
    """The order in which the vectors of a plane are visited."""

    table: Int64
    known: Entries | None
    """The entries of a short sweep, which become part of the code."""


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


def find_sweep(
    c: Correlation, vectors: Vectors, loads: Columns, size: int, row_distance: int, most_known: int
) -> Sweep:
    """Return the sweep of some vectors; `row_distance` is that of paired rows, in elements."""
    entries = entry_table(vectors, loads, size, row_distance)
    inner: Any
    if loads.flat:
        inner = vectors.stored.all(axis=(1, 2)) & vectors.inside.all(axis=(1, 2, 3))
    else:
        inner = (vectors.inside == vectors.inside[:, :1]).all(axis=(1, 2, 3))
    start, stop = longest_run(inner)
    period, moved = repetition(entries[start:stop], vectors.target.shape[1])
    repeats = (stop - start) // period if period else 0
    end = start + repeats * period
    numbers = np.array(
        [start, period if repeats else 0, len(entries) - end, repeats, *moved, *fetch_distances(c, size)]
    )
    kept = (entries[: start + period], entries[end:])
    table = np.concatenate([numbers, *(part.reshape(-1) for part in kept)]).astype(np.int64)
    known = len(entries) <= most_known and c.target_plane[0] > 1
    return Sweep(table, tuple(map(tuple, entries.tolist())) if known else None)


def entry_table(vectors: Vectors, loads: Columns, size: int, row_distance: int) -> Int64:
    """Return int64[vectors, numbers], the entries of a sweep."""
    count = len(vectors.source)
    parts: tuple[Int64, ...] = (
        vectors.source[:, None] * size,
        np.stack([vectors.target * size, bits(vectors.stored)], axis=2).reshape(count, -1),
        bits(vectors.inside).reshape(count, -1),
        bits(vectors.counted),
    )
    if loads.paired:
        parts = (*parts, np.full((count, 1), row_distance * size))
    return np.concatenate(parts, axis=1)


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
