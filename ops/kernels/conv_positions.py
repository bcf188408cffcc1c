"""Convolution with neighbouring pixels in the lanes: image by image, out of a padded copy in the cache.

A tile is a few filters times a few vectors of one output row each.  Where nothing is padded and the stride is
1 the image is read in place.  Runs forward at any stride, and back to the input at stride 1, where that pass
is itself a convolution of stride 1 with the taps mirrored.
"""

import math
from typing import Any

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation, walk
from ops.kernels.geometry import Axis
from ops.kernels.phases import Phases, copy_cycles, copy_elements, fill_layout, fill_phases, phase_layout
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CACHED_BYTES, CALL_CYCLES, choose_tile, memory_cycles, tile_cycles

CACHE_ELEMENTS = 192 * 1024
"""Largest copy of one band of an image: it stays near, in a cache of a megabyte; smaller bands waste more lanes."""

IN_PLACE_CYCLES = 2.5
"""Cycles per vector read or written in place, from a cache that is not the first."""

WEIGHTS_NEAR = 4096
"""Weights of a tile that stay in the first-level cache; read tap by tap, more of them miss it: 1.6 times as slow."""


def supports(c: Correlation) -> bool:
    """Whether this strategy can compute c."""
    return not c.backward or (c.rows.stride, c.columns.stride) == (1, 1)


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    rows, columns = walk(c)
    vectors = rows.outputs * -(-columns.outputs // lanes)
    tile = choose_tile(c.targets, vectors, most_rows(c))
    products = c.sources * c.taps * tile_cycles(c.targets, vectors, tile)
    if walks_channels(c) and c.taps > 1 and c.sources * c.taps * tile[0] > WEIGHTS_NEAR:
        products = products * 8 // 5
    if walks_channels(c) and c.source_stride % 1024 == 0 and c.sources > 64:
        products = products * 5 // 4  # weights 4 KB apart share lines of the first-level cache
    calls = -(-c.targets // tile[0]) * -(-vectors // tile[1])
    if reads_in_place(c):
        elements = c.N * c.groups * (c.sources * math.prod(c.source_plane) + c.targets * math.prod(c.target_plane))
        moved = max(IN_PLACE_CYCLES * elements / lanes, memory_cycles(elements, elements, lanes))
    else:
        moved = c.N * c.groups * c.sources * copy_cycles(rows, columns, lanes)
    return c.N * c.groups * (products + CALL_CYCLES * calls) + moved


def reads_in_place(c: Correlation) -> bool:
    """Whether no copy is made: nothing padded or skipped, and channels do not share one set of the cache."""
    aliased = c.sources > 8 and c.source_plane[0] * c.source_plane[1] % 256 == 0
    return not aliased and all(
        (axis.padding, axis.stride) == (0, 1) and axis.size >= axis.outputs + axis.reach for axis in walk(c)
    )


class PositionsPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        rows, columns = walk(c)
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        in_place = reads_in_place(c)
        band = rows.outputs if in_place else band_height(c, rows, columns, threads)
        bands = -(-rows.outputs // band)
        phases = in_place_layout(c) if in_place else phase_layout(rows, columns, band, lanes)
        height, width = choose_tile(c.targets, band * -(-columns.outputs // lanes), most_rows(c))
        tables, last_tables = (
            tile_tables(n, columns.outputs, phases.pitch, width, dtype, in_place=in_place)
            for n in (band, rows.outputs - band * (bands - 1))
        )
        segments, steps, w_step, copy_step = segment_list(c, phases, size)
        copy = 0 if in_place else copy_elements(c.sources, phases, lanes)
        fetched = "c" if c.N * c.groups * c.targets * math.prod(c.target_plane) * size > CACHED_BYTES else ""
        numbers = (
            *(simd.outer_product(height, width, dtype, prefetch=fetched), height, c.groups, c.sources, c.targets),
            *(c.group_stride * size, c.target_stride * size, w_step, steps, copy_step),
            *(band, bands, c.N * c.groups * bands, rows.stride, rows.padding, columns.padding),
            *(rows.size * columns.size * size, rows.outputs * columns.outputs * size, columns.outputs * size),
            *(2 if biased else 0, int(relu), size, copy * size, len(segments), 32 * width),
            *(len(tables), len(last_tables)),
        )
        fill = fill_layout(phases, rows, columns, dtype)
        self.layout = pack_layout(numbers, segments, tables, last_tables, fill)
        self.stages = stage_list((CONVOLVE_BANDS, 0, threads))
        self.work, self.dtype = threads * copy, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def band_height(c: Correlation, rows: Axis, columns: Axis, threads: int) -> int:
    """Return how many output rows are computed from one copy: it fits the cache, every thread has work."""
    columns_copied = (columns.outputs + columns.reach // columns.stride) * min(columns.stride, columns.taps)
    per_row = c.sources * columns_copied * min(rows.stride, rows.taps)
    fitting = max(1, CACHE_ELEMENTS // max(1, per_row) - rows.reach // rows.stride)
    bands = max(-(-rows.outputs // fitting), min(rows.outputs, -(-threads // (c.N * c.groups))))
    return -(-rows.outputs // bands)


def in_place_layout(c: Correlation) -> Phases:
    """Return the layout of the source itself."""
    rows, columns = walk(c)
    height, width = c.source_plane
    r, s = np.arange(rows.taps)[:, None] * rows.dilation, np.arange(columns.taps) * columns.dilation
    return Phases(np.zeros((1, 2), np.int64), r * width + s, width, height, height * width)


def tile_tables(rows: int, columns: int, pitch: int, vectors: int, dtype: np.dtype[Any], *, in_place: bool) -> Int64:
    """Cut a band of output rows into vectors and these into tiles.

    Returns int64[tiles, 4, vectors]: displacement in the copy and in the output plane, in bytes, valid lanes,
    and the tile's `edge` (see `simd.outer_product`).
    """
    lanes, size = simd.lanes(dtype), dtype.itemsize
    starts = np.arange(0, columns, lanes)
    p, v = np.repeat(np.arange(rows), len(starts)), np.tile(starts, rows)
    vector = np.stack([(p * pitch + v) * size, (p * columns + v) * size, np.minimum(lanes, columns - v)])
    vector = np.pad(vector, ((0, 1), (0, -len(p) % vectors)))  # the missing ones have no valid lane
    tables = np.ascontiguousarray(vector.reshape(4, -1, vectors).transpose(1, 0, 2), np.int64)
    partial: np.ndarray = np.any(tables[:, 2] < lanes, axis=1)
    tables[:, 3] = partial[:, None] * (2 if in_place else 1)
    return tables


def segment_list(c: Correlation, phases: Phases, size: int) -> tuple[Int64, int, int, int]:
    """Return (segments, steps, step of w, step of the copy): the order in which taps and channels are summed.

    At stride 1 the inner loop runs along a filter row, which lies consecutively in w and in the copy;
    otherwise along the channels.
    """
    taps = np.arange(phases.shift.size).reshape(phases.shift.shape)
    shift = phases.shift[::-1, ::-1] if c.backward else phases.shift
    if not walks_channels(c):
        channel = np.arange(c.sources)[:, None]
        w_offset, copy_offset = channel * c.source_stride + taps[:, 0], channel * phases.channel + shift[:, 0]
        steps, w_step, copy_step = c.columns.taps, 1, int(shift[0, 1] - shift[0, 0])
    else:
        w_offset, copy_offset = taps, shift
        steps, w_step, copy_step = c.sources, c.source_stride, phases.channel
    segments = np.stack([w_offset.reshape(-1), copy_offset.reshape(-1)], axis=1).astype(np.int64) * size
    return segments, steps, w_step * size, copy_step * size


def most_rows(c: Correlation) -> int:
    """Return how many filters a tile may hold: 4 KB apart they share lines of the first-level cache."""
    return 6 if c.target_stride % 1024 == 0 else 12


def walks_channels(c: Correlation) -> bool:
    """Whether the inner loop runs along the channels instead of a filter row."""
    return c.columns.stride > 1 or c.columns.taps == 1


def convolve_bands(x, w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the N * groups * bands there are."""
    (leaf, tile_rows, groups, sources, targets, w_group, w_target, w_step, steps, copy_step, band, bands,
     units, stride_h, pad_h, pad_w, source_plane, target_plane, target_row, mode, relu, size, copy_size,
     n_segments, table_size, tiles, last_tiles, segments, tables, last_tables,
     fill) = load_integers(layout, 31)  # fmt: skip
    for u in range(units * t // chunks, units * (t + 1) // chunks):
        image_group, b = u // bands, u % bands
        g = image_group % groups
        source = x + image_group * sources * source_plane
        if copy_size > 0:
            source = work + t * copy_size
            top = b * band * stride_h - pad_h
            fill_phases(x, image_group * sources, sources, top, -pad_w, layout + fill, source)
        target = y + image_group * targets * target_plane + b * band * target_row
        filters, biases = w + g * w_group, bias + g * targets * size
        table, count = (tables, tiles) if b < bands - 1 else (last_tables, last_tiles)
        panels = (targets + tile_rows - 1) // tile_rows
        for v in range(count * panels):
            # A copy is near: a few planes of the result at a time are written from end to end.  An image in place is
            # read once.
            i, k = (v % count, v // count * tile_rows) if copy_size > 0 else (v // panels, v % panels * tile_rows)
            tile = layout + table + i * table_size
            (edge,) = load_integers(tile + table_size // 4 * 3, 1)
            call(
                leaf, filters + k * w_target, w_target, w_step, source, copy_step, layout + segments,
                n_segments, steps, tile, edge, target + k * target_plane, target_plane, mode,
                biases + k * size, relu, targets - k,
            )  # fmt: skip


CONVOLVE_BANDS = Worker(convolve_bands)
