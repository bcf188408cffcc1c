"""Convolution with neighbouring pixels in the lanes, where the rows of a padded copy are taken as one.

Narrow planes then fill their vectors: at a pitch a little over the width, few lanes fall between two rows.  A tile
of results goes to a buffer in the first-level cache first, from where every row's share is put in its place, whose
lines are fetched meanwhile.
Back to the input at stride s, pixels of one phase (h mod s, v mod s) read the same taps; a tile is computed per
phase, and the phases of a row are interleaved on the way out.  Weights are packed by rows of the register tile.

Measured, float32, one Zen 4 core (114 GFLOP/s at most): eight images of 3 x 224 x 224 to 64 channels through 11 x 11
filters at stride 4 100 (oneDNN 105), through 7 x 7 filters at stride 2 98; 3 x 3 filters at stride 2, one image of
64 x 56 x 56 to 128 channels 90 forward and 101 back (oneDNN 111, 107), 128 x 56 x 56 99 and 103; 5 x 5 filters over
64 x 27 x 27 93.
"""

import math
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import simd
from ops.kernels.conv_positions import band_height
from ops.kernels.correlation import Correlation, walk
from ops.kernels.geometry import Axis, Pair
from ops.kernels.phases import Phases, copy_cycles, copy_elements, fill_layout, fill_phases, phase_layout
from ops.kernels.placement import fetch_places, place_rows
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles
from ops.kernels.weight_panels import PACK_WEIGHTS, packed_panels, panel_packer

PLACE_CYCLES = 6
"""Cycles to put a vector of results in its place."""

PACK_CYCLES = 1.0
"""Cycles per weight packed."""


Taps: TypeAlias = tuple[tuple[int, int, int], ...]
"""(index in the filter, row tap and column tap in the copy)."""


class Walk(NamedTuple):
    """How source pixels are visited: the phase of targets (p stride[0] + a, v stride[1] + b) reads around (p, v)."""

    rows: Axis
    columns: Axis
    stride: Pair
    """Of the targets: 1, or the convolution's on the way back to its input."""
    phases: tuple[Taps, ...]
    """What the targets of phase a stride[1] + b read."""


def supports(c: Correlation) -> bool:
    """Whether this strategy can compute c: two or four phases are interleaved."""
    return not c.backward or c.columns.stride in (1, 2, 4)


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    way = find_walk(c)
    pitch = way.columns.outputs + way.columns.reach // way.columns.stride
    vectors = -(-way.rows.outputs * pitch // lanes)
    height, width = choose_tile(c.targets, vectors)
    steps = c.sources * sum(len(taps) for taps in way.phases)
    tiles = -(-c.targets // height) * -(-vectors // width)
    calls = CALL_CYCLES * tiles * (len(way.phases) + way.stride[0])
    placed = PLACE_CYCLES * c.targets * vectors * len(way.phases)
    copied = c.sources * copy_cycles(way.rows, way.columns, lanes)
    per_image = steps * tile_cycles(c.targets, vectors, (height, width)) + calls + placed + copied
    return c.groups * (c.N * per_image + PACK_CYCLES * c.group_stride)


def find_walk(c: Correlation) -> Walk:
    """Return how the source of c is visited."""
    if not c.backward or (c.rows.stride, c.columns.stride) == (1, 1):
        rows, columns = walk(c)
        order = np.arange(c.taps).reshape(rows.taps, columns.taps)
        order = order[::-1, ::-1] if c.backward else order
        taps = tuple((int(tap), r, s) for (r, s), tap in np.ndenumerate(order))
        return Walk(rows, columns, (1, 1), (taps,))
    (rows, row_taps), (columns, column_taps) = by_phase(c.rows), by_phase(c.columns)
    phases = tuple(
        tuple((r * c.columns.taps + s, dr, ds) for r, dr in row_taps[a] for s, ds in column_taps[b])
        for a in range(c.rows.stride)
        for b in range(c.columns.stride)
    )
    return Walk(rows, columns, (c.rows.stride, c.columns.stride), phases)


def by_phase(axis: Axis) -> tuple[Axis, list[list[tuple[int, int]]]]:
    """Return the axis along which a gradient is copied and, per phase of the input, its (tap, place in the copy)."""
    reads = [
        [
            (tap, (phase + axis.padding - tap * axis.dilation) // axis.stride)
            for tap in range(axis.taps)
            if (phase + axis.padding - tap * axis.dilation) % axis.stride == 0
        ]
        for phase in range(axis.stride)
    ]
    places = [place for pairs in reads for _, place in pairs]
    first, last = min(places), max(places)
    copied = Axis(axis.outputs, -(-axis.size // axis.stride), last - first + 1, 1, -first, 1)
    return copied, [[(tap, place - first) for tap, place in pairs] for pairs in reads]


class FlattenedPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        way = find_walk(c)
        band = band_height(c, way.rows, way.columns, threads)
        bands = -(-way.rows.outputs // band)
        copied = phase_layout(way.rows, way.columns, band, lanes)
        height, width = choose_tile(c.targets, -(-band * copied.pitch // lanes))
        shift = np.arange(width) * lanes * size
        pieces = 1 + -(-(lanes - 1) // copied.pitch)
        places, last_places = (
            place_tables(way, c.target_plane, copied.pitch, first, band, width * lanes, pieces, lanes, size)
            for first in (0, (bands - 1) * band)
        )
        segments, ranges = segment_lists(way, copied, height * size, size)
        copy, tile = copy_elements(c.sources, copied, lanes), height * width * lanes
        weights, work = packed_panels(c, height, lanes), copy + way.stride[1] * tile
        leaves = simd.outer_product(height, width, dtype), place_rows(pieces, way.stride[1], dtype)
        numbers = (
            *(*leaves, panel_packer(c, height, dtype), height, width, lanes),
            *(c.N, c.groups, c.sources, c.targets, c.taps, int(c.backward), size, weights.panel * size),
            *(band, bands, *way.stride),
            *(way.rows.stride, way.rows.padding, way.columns.padding),
            *(math.prod(c.source_plane) * size, math.prod(c.target_plane) * size),
            *(way.stride[0] * c.target_plane[1] * size, copied.channel * size, 2 if biased else 0, int(relu)),
            fetch_places(width * way.stride[1], c.sources * len(way.phases[0]), dtype),
            *(weights.packed * size, work * size, tile * size, 8 * places[0, 0].size),
            *(places.shape[1], last_places.shape[1]),
        )
        fill = fill_layout(copied, way.rows, way.columns, dtype)
        table = np.stack([shift, shift, np.full(width, lanes)]).astype(np.int64)
        self.layout = pack_layout(numbers, table, segments, ranges, places, last_places, fill)
        self.stages = stage_list((PACK_WEIGHTS, 0, threads), (CONVOLVE_FLATTENED, 0, threads))
        self.work, self.dtype = weights.packed + threads * work, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def segment_lists(way: Walk, copied: Phases, w_tap: int, size: int) -> tuple[Int64, Int64]:
    """Return (displacement in the packed weights, in the copy) per tap of every phase, and (first, number) of each."""
    lists = [[(tap * w_tap, copied.shift[r, s] * size) for tap, r, s in phase] for phase in way.phases]
    counts = np.array([len(pairs) for pairs in lists])
    segments = np.array([pair for pairs in lists for pair in pairs], np.int64)
    return segments, np.stack([np.cumsum(counts) - counts, counts], axis=1).astype(np.int64)


def place_tables(
    way: Walk, plane: Pair, pitch: int, first: int, rows: int, tile: int, pieces: int, lanes: int, size: int
) -> Int64:
    """Return where the results of a band go that begins at row `first` of the walk.

    The result is int64[row phases, tiles, vectors, pieces, 1 + column phases], see `place_rows`.
    """
    stride_h, stride_w = way.stride
    rows = min(rows, way.rows.outputs - first)
    flat = np.arange(-(-(rows * pitch) // tile) * tile).reshape(-1, tile // lanes, lanes)
    row, column = np.divmod(flat[:, :, :1], pitch)  # of the first lane
    piece, element = np.arange(pieces)[:, None], np.arange(stride_w * lanes)
    piece_row, piece_column = row[..., None] + piece, column[..., None] - piece * pitch
    place = piece_column * stride_w + element
    exists = (place >= 0) & (place < plane[1]) & (piece_row < rows)
    exists &= piece_column + element // stride_w < way.columns.outputs
    tables = []
    for phase in range(stride_h):
        target_row = piece_row * stride_h + phase
        stored = exists & (first * stride_h + target_row < plane[0])
        masks = stored.reshape(*stored.shape[:-1], stride_w, lanes) @ (1 << np.arange(lanes))
        displacement = (target_row * plane[1] + piece_column * stride_w) * size
        tables.append(np.concatenate([np.where(masks.any(-1, keepdims=True), displacement, 0), masks], axis=-1))
    return np.stack(tables).astype(np.int64)


def convolve_flattened(x, w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the N * groups * bands there are."""
    (leaf, place, _, height, width, lanes, N, groups, sources, targets, taps, _, size, panel_size,
     band, bands, stride_h, stride_w, walk_stride, pad_h, pad_w, _, target_plane, target_row, channel, mode,
     relu, fetch, packed, work_size, tile_size, place_size, tiles, last_tiles, table, segments, ranges, places,
     last_places, fill) = load_integers(layout, 40)  # fmt: skip
    copy = work + packed + t * work_size
    buffer = copy + work_size - stride_w * tile_size
    panels = (targets + height - 1) // height
    row = width * lanes * size
    for u in range(N * groups * bands * t // chunks, N * groups * bands * (t + 1) // chunks):
        image_group, b = u // bands, u % bands
        g = image_group % groups
        fill_phases(x, image_group * sources, sources, b * band * walk_stride - pad_h, -pad_w, layout + fill, copy)
        target = y + image_group * targets * target_plane + b * band * target_row
        count, tables = (tiles, places) if b < bands - 1 else (last_tiles, last_places)
        for i in range(count):
            for k in range(panels):
                weights = work + (g * panels + k) * panel_size
                rows = min(height, targets - k * height)
                for a in range(stride_h):
                    place_at = target + k * height * target_plane
                    place_table = layout + tables + (a * count + i) * place_size
                    if fetch != 0:
                        call(fetch, rows, place_at, target_plane, place_table)
                    for v in range(stride_w):
                        first, number = load_integers(layout + ranges + 16 * (a * stride_w + v), 2)
                        call(
                            leaf, weights, size, taps * height * size, copy + i * row, channel,
                            layout + segments + 16 * first, number, sources, layout + table, 0,
                            buffer + v * tile_size, row, mode, bias + (g * targets + k * height) * size, relu, rows,
                        )  # fmt: skip
                    call(place, buffer, row, tile_size, rows, width, place_at, target_plane, place_table)


CONVOLVE_FLATTENED = Worker(convolve_flattened)
