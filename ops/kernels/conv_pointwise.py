"""Convolution with 1 x 1 filters at a stride, or over planes too small for 'planes': a matrix product of all pixels.

y = w x, where the columns of x are pixels.  A block of them, of neighbouring images if these are small, is copied side
by side to the cache, the skipped ones at a stride above 1 left out; there it meets the weights, packed by rows of the
register tile (blocks and panels as in Goto and van de Geijn, "Anatomy of high-performance matrix multiplication",
2008), while the next block is fetched from memory, a line per step.  Where planes are no multiple of a vector, or zeros
come between the results on the way back at a stride above 1, a tile of results goes to a buffer in the first-level
cache, from where every row's share is put in its place.

Measured, float32, one Zen 4 core (at most 114 GFLOP/s; in brackets PyTorch's best layout): eight images of
256 x 56 x 56 to 512 channels at stride 2 90 (93), back 80 (86); of 256 x 8 x 8 to 512 at stride 2 94; 128 images of
512 x 3 x 3 to 512 at stride 1 100.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation
from ops.kernels.geometry import Pair
from ops.kernels.jit import kernel
from ops.kernels.placement import fetch_places, place_rows
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles
from ops.kernels.transforms import clear
from ops.kernels.weight_panels import PACK_WEIGHTS, packing_cycles, panel_packer, pointwise_panels

BLOCK_BYTES = 384 * 1024
"""Pixels copied at once: they stay in the second-level cache."""

MOST_VECTORS = 48
"""Vectors of pixels copied at once, where channels are few."""

FEWEST_VECTORS = 6
"""Vectors of pixels taken together, at least, if there are enough images."""

COPY_CYCLES, PLACE_CYCLES = 3.0, 6.0
"""Cycles per vector of pixels copied, and per vector of results put in its place."""


def supports(c: Correlation) -> bool:
    """Whether c has 1 x 1 filters without padding, which read, at a stride, all of their inputs."""
    return (
        c.taps == 1
        and min(c.N, c.sources, c.targets) > 0
        and all(a.padding == 0 and a.outputs == -(-a.size // a.stride) for a in (c.rows, c.columns))
        and c.columns.stride <= 2
    )


class Rows(NamedTuple):
    """How pixels follow each other: lines of neighbours, and the distance in a plane that is spread, or thinned out."""

    lines: int
    length: int
    stride: Pair
    """1, or the convolution's on the way back to its input."""
    plane: Pair
    """The target's."""

    @property
    def pixels(self) -> int:
        """Products formed in one plane."""
        return self.lines * self.length


def find_rows(c: Correlation) -> Rows:
    """Return the lines of pixels of one image; at stride 1 a plane is one line."""
    stride = (c.rows.stride, c.columns.stride)
    if stride == (1, 1):
        pixels = math.prod(c.target_plane)
        return Rows(1, pixels, stride, (1, pixels))
    return Rows(c.rows.outputs, c.columns.outputs, stride if c.backward else (1, 1), c.target_plane)


def images_together(N: int, pixels: int, lanes: int) -> int:
    """Return how many images are taken as one: their pixels fill vectors, and groups of so many make up N."""
    least = min(N, -(-FEWEST_VECTORS * lanes // pixels))
    period = lanes // math.gcd(lanes, pixels)  # after so many, a plane begins with a vector again
    most = max(period, 2 * least)
    return min(range(least, min(N, most) + 1), key=lambda images: (vectors_of(N, images, pixels, lanes), images))


def vectors_of(N: int, images: int, pixels: int, lanes: int) -> int:
    """Return how many vectors N images fill, so many together."""
    return -(-N // images) * -(-images * pixels // lanes)


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    rows = find_rows(c)
    vectors = vectors_of(c.N, images_together(c.N, rows.pixels, lanes), rows.pixels, lanes)
    tile = choose_tile(c.targets, vectors)
    products = c.sources * tile_cycles(c.targets, vectors, tile)
    calls = CALL_CYCLES * -(-c.targets // tile[0]) * -(-vectors // tile[1])
    lines = c.N * rows.lines * -(-rows.length // lanes)  # pieces of lines that are copied, and placed
    copied = COPY_CYCLES * (1 if c.backward else c.columns.stride) * c.sources * lines
    places = math.prod(rows.stride) if rows.pixels % lanes or rows.stride != (1, 1) else 0
    placed = PLACE_CYCLES * places * c.targets * lines
    return c.groups * (products + calls + copied + placed + packing_cycles(c, lanes))


class PointwisePlan:
    """Tables and layout of one shape."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        size, lanes, rows = dtype.itemsize, simd.lanes(dtype), find_rows(c)
        images = images_together(c.N, rows.pixels, lanes)
        vectors = -(-images * rows.pixels // lanes)
        height, width = choose_tile(c.targets, vectors * -(-c.N // images))
        most = min(MOST_VECTORS, max(1, BLOCK_BYTES // (c.sources * lanes * size)))
        most = max(1, min(most, -(-c.N // images) * c.groups * vectors // threads))
        blocks = -(-vectors // (-(-most // width) * width))
        block = -(-vectors // (blocks * width)) * width
        blocks = -(-vectors // block)
        skip_h, skip_w = (1, 1) if c.backward else (c.rows.stride, c.columns.stride)
        panel = 1 if rows.length <= lanes or skip_w > 1 else 2  # wider ones write more zeros, where a line ends
        row = (block + panel | 1) * lanes * size  # odd: rows spread over all sets of the cache
        whole = images == 1 and rows.pixels % lanes == 0 and rows.stride == (1, 1)
        pieces = 1 + -(-(lanes - 1) // rows.length)
        weights = pointwise_panels(c, height, lanes)
        buffer = height * width * lanes
        work = c.sources * row // size + 2 * buffer
        lines_per_step = 1 if width <= -(-c.targets // height) else 2  # a tile of all filters reads `width` lines
        fetch = fetch_places(width, c.sources, dtype) if rows.stride == (1, 1) and not whole else 0
        fetched = "c" * whole + weights.prefetch
        numbers = (
            simd.outer_product(height, width, dtype, prefetch=fetched + "n" * lines_per_step),
            *(place_rows(pieces, rows.stride[1], dtype), panel_packer(c, height, dtype), height, width, lanes),
            *(c.N, c.groups, c.sources, c.targets, 1, int(c.backward), size, weights.panel * size),
            *(int(c.groups == 1 if images > 1 else skip_w == 1), lines_per_step, fetch),
            *(simd.copy_panel(panel, dtype, skip_w, prefetch=True), panel * lanes, block, blocks),
            *(images, -(-c.N // images), vectors),
            *(rows.pixels, rows.length, rows.lines, skip_h * c.source_plane[1] * size, skip_w * size),
            *(math.prod(c.source_plane) * size, math.prod(c.target_plane) * size, row, int(whole), rows.stride[0]),
            *(2 if biased else 0, int(relu), weights.packed * size, work * size, buffer * size),
            *(8 * pieces * (1 + rows.stride[1]), blocks * block, clear(dtype), *(size * n for n in weights[:4])),
        )
        shift = np.arange(width) * lanes * size
        rest = np.where(np.arange(width) < vectors - (vectors - 1) // width * width, lanes, 0)
        tables = [np.stack([shift, shift, valid]).astype(np.int64) for valid in (np.full(width, lanes), rest)]
        places = [
            place_tables(c, rows, n, blocks * block, pieces, lanes, size)
            for n in (images, c.N - (-(-c.N // images) - 1) * images)
        ]
        self.layout = pack_layout(numbers, np.zeros(2, np.int64), *tables, *places)
        multiply = (MULTIPLY_PIXELS, 0, threads)
        self.stages = stage_list((PACK_WEIGHTS, 0, threads), multiply) if weights.packed else stage_list(multiply)
        self.work, self.dtype = weights.packed + threads * work, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def place_tables(c: Correlation, rows: Rows, images: int, vectors: int, pieces: int, lanes: int, size: int) -> Int64:
    """Return where the pixels of `images` images go in (images, groups * targets, plane).

    The result is int64[row phases, vectors, pieces, 1 + column phases], see `place_rows`.
    """
    stride_h, stride_w = rows.stride
    first, piece = np.arange(vectors)[:, None] * lanes, np.arange(pieces)
    line = first // rows.length + piece
    column = first - line * rows.length
    element = np.arange(stride_w * lanes)
    place = column[:, :, None] * stride_w + element
    pixel = column[:, :, None] + element // stride_w
    exists = (pixel >= 0) & (pixel < rows.length) & (place < rows.plane[1]) & (line < images * rows.lines)[:, :, None]
    image, row = np.divmod(line, rows.lines)
    tables = []
    for phase in range(stride_h):
        target_row = row * stride_h + phase
        stored = exists & (target_row < rows.plane[0])[:, :, None]
        masks = stored.reshape(vectors, pieces, stride_w, lanes) @ (1 << np.arange(lanes))
        at = image * c.groups * c.targets * math.prod(rows.plane) + target_row * rows.plane[1] + column * stride_w
        tables.append(np.concatenate([np.where(masks.any(-1), at * size, 0)[..., None], masks], axis=-1))
    return np.stack(tables).astype(np.int64)


def multiply_pixels(x, w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the blocks of vectors of all groups of images and channels."""
    (leaf, place, _, height, width, lanes, N, groups, sources, targets, _, _, size, _, looks_ahead,
     lines_per_step, fetch, copier, panel, block, blocks, images, image_groups, vectors, pixels, run, runs, run_step,
     column_step, source_plane, plane, row, whole, phases, mode, relu, packed, work_size, buffer_size, place_size,
     places_size, clear_leaf, w_row, w_step, panel_step, group_step, segment, table, rest, places,
     last_places) = load_integers(layout, 51)  # fmt: skip
    columns, vector = work + packed + t * work_size, lanes * size
    zeros = columns + work_size - buffer_size
    buffer = zeros - buffer_size
    call(clear_leaf, zeros, buffer_size // vector)
    panels = (targets + height - 1) // height
    stop = image_groups * groups * blocks * (t + 1) // chunks
    for u in range(image_groups * groups * blocks * t // chunks, stop):
        b, g, n = u % blocks * block, u // blocks % groups, u // (blocks * groups) * images
        last = min(b + block, vectors)
        copy_pixels(
            copier, panel, x + (n * groups + g) * sources * source_plane, groups * sources * source_plane,
            source_plane, sources, b * lanes, min(last * lanes, min(images, N - n) * pixels), pixels, runs, run,
            run_step, column_step, columns, row, size,
        )  # fmt: skip
        following = u + 1 if looks_ahead != 0 and u + 1 < stop else -1
        fetched, row_bytes, row_stride, amount = pixels_to_fetch(
            x, following, blocks, block * lanes, vectors * lanes, images, pixels, sources, source_plane, size
        )
        steps = panels * ((last - b + width - 1) // width) * sources * lines_per_step
        fetch_step, done = (amount + steps - 1) // steps, 0
        target = y + (n * groups + g) * targets * plane
        place_at = layout + (places if n + images <= N else last_places)
        for k in range(0, targets, height):
            weights = (work if packed != 0 else w) + g * group_step + k // height * panel_step
            biases, rows = bias + (g * targets + k) * size, min(height, targets - k)
            for v in range(b, last, width):
                source = columns + (v - b) * vector
                edge = 0 if whole == 0 or v + width <= vectors else 1
                row_at, place_table = target + k * plane, place_at + v * place_size
                tile, tile_row = (row_at + v * vector, plane) if whole != 0 else (buffer, width * vector)
                if fetch != 0:
                    call(fetch, rows, row_at, plane, place_table)
                call(
                    leaf, weights, w_row, w_step, source, row, layout + segment, 1, sources,
                    layout + (rest if edge != 0 else table), edge, tile, tile_row, mode, biases, relu, rows,
                    fetched + done // row_bytes * row_stride, done % row_bytes, fetch_step, row_stride, row_bytes,
                )  # fmt: skip
                done += fetch_step * lines_per_step * sources
                for a in range(phases if whole == 0 else 0):  # rows between those of the tile receive zeros
                    source, table_at = buffer if a == 0 else zeros, place_table + a * places_size * place_size
                    call(place, source, tile_row, zeros - source, rows, width, row_at, plane, table_at)


@kernel
def pixels_to_fetch(x, u, blocks, block, end, images, pixels, channels, plane, size):
    """Return (address, row bytes, row stride, bytes in all) of block u, nothing if u < 0.

    Of one image, a row is a channel's share.  Pixels of several images are all in one row: channels of an image follow
    each other, and where a share of the images begins in memory, its pixels do so nearly.
    """
    if u < 0:
        return x, 1, 0, 0
    first, image = u % blocks * block, channels * plane
    count, group = min(block, end - first), x + u // blocks * images * image
    if images == 1:
        return group + first * size, count * size, plane, channels * count * size
    return group + first * image // pixels, count * image // pixels, 0, count * image // pixels


@kernel
def copy_pixels(
    copier, panel, x, image, plane, channels, first, last, pixels, runs, run, run_step, column_step, columns, row, size
):  # fmt: skip
    """Copy pixels first <= p < last of neighbouring images side by side, all channels."""
    for i in range(first // pixels, (last + pixels - 1) // pixels):
        for r in range(max(0, first - i * pixels) // run, runs):
            start = i * pixels + r * run
            for p in range(max(start, first), min(start + run, last), panel):
                source, width = x + i * image + r * run_step + (p - start) * column_step, min(start + run, last) - p
                call(copier, source, plane, columns + (p - first) * size, row, channels, width)


MULTIPLY_PIXELS = Worker(multiply_pixels)
