"""Convolution of small planes: the pixels of several images are packed side by side into the lanes.

y = w columns, a matrix product whose right factor holds for every (channel, tap) a row of what the pixels read
("im2col": Chellapilla, Puri and Simard, 2006), here of a few images and a block of channels at a time, so that it
stays in the cache.  The weights are read where they lie.  Planes of 7 x 7 or 4 x 4 pixels alone would leave a
quarter or more of the lanes empty.

Measured, float32, one Zen 4 core (114 GFLOP/s at most): 3 x 3 filters over eight images of 512 x 7 x 7 to
512 channels 92, flattened 78; of 256 x 14 x 14 to 512 at stride 2 91, flattened 78.
"""

import functools
import math
from typing import Any

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation
from ops.kernels.phases import copy_cycles, copy_elements, fill_layout, fill_phases, phase_layout
from ops.kernels.placement import place_rows
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles

PIXELS = 320
"""Most pixels packed at once."""

WAITED_CYCLES = 0.5
"""Cycles that a weight is waited for where it meets a single vector of pixels."""

BLOCK_ELEMENTS = 96 * 1024
"""Elements of the right factor that are built at once."""


def supports(c: Correlation) -> bool:
    """Whether this strategy can compute c: to the outputs, and planes are small enough to be packed."""
    return not c.backward and c.N > 0 and 0 < 2 * math.prod(c.target_plane) <= PIXELS


@functools.lru_cache(maxsize=4096)
def images_packed(targets: int, pixels: int, most: int, lanes: int) -> int:
    """Return how many images to pack: the fewest cycles per image."""

    def per_image(images: int) -> float:
        vectors = -(-images * pixels // lanes)
        return tile_cycles(targets, vectors, choose_tile(targets, vectors)) / images

    return min(range(1, max(1, min(most, PIXELS // pixels)) + 1), key=per_image)


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    pixels = math.prod(c.target_plane)
    blocks = -(-c.N // images_packed(c.targets, pixels, c.N, lanes))
    images = -(-c.N // blocks)
    vectors = -(-images * pixels // lanes)
    tile = choose_tile(c.targets, vectors)
    products = c.sources * c.taps * tile_cycles(c.targets, vectors, tile)
    calls = CALL_CYCLES * -(-c.targets // tile[0]) * -(-vectors // tile[1])
    placed = 6 * c.targets * vectors
    per_channel = c.taps * (160 + 8 * c.rows.outputs * -(-c.columns.outputs // lanes))
    built = images * c.sources * (200 + per_channel + 2 * copy_cycles(c.rows, c.columns, lanes))
    waited = WAITED_CYCLES * c.sources * c.targets * c.taps if vectors == 1 else 0.0
    return c.groups * blocks * (products + waited + calls + placed + built)


class PackedPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        size, lanes, pixels = dtype.itemsize, simd.lanes(dtype), math.prod(c.target_plane)
        blocks = -(-c.N // images_packed(c.targets, pixels, -(-c.N // threads), lanes))
        images = -(-c.N // blocks)
        blocks = -(-c.N // images)
        height, width = choose_tile(c.targets, -(-images * pixels // lanes))
        run, runs = c.columns.outputs, c.rows.outputs
        panel = next((n for n in (1, 2, 4, 8) if n * lanes >= run), 8)
        beyond = -(-run // (panel * lanes)) * panel * lanes - run  # elements that the last run is stored too long
        tiles = -(-(images * pixels + beyond) // (width * lanes))
        pitch = tiles * width * lanes
        channels = max(1, min(c.sources, BLOCK_ELEMENTS // (pitch * c.taps)))
        copied = phase_layout(c.rows, c.columns, c.rows.outputs, lanes)
        copy = copy_elements(channels, copied, lanes)
        pieces = 1 + -(-(lanes - 1) // pixels)
        work = copy + channels * c.taps * pitch + c.targets * pitch
        numbers = (
            *(simd.outer_product(height, width, dtype), place_rows(pieces, 1, dtype), simd.copy_panel(panel, dtype)),
            *(height, width * lanes * size, tiles, pitch // lanes, pitch * size, panel * lanes, run, runs, pixels),
            *(c.N, c.groups, c.sources, c.targets, c.taps, images, blocks, channels, size),
            *(c.group_stride * size, c.target_stride * size, c.source_stride * size),
            *(c.rows.padding, c.columns.padding),
            *(copied.channel * size, copied.pitch * size, 2 if biased else 0),
            *(int(relu), copy * size, work * size),
        )
        shift = np.arange(width) * lanes * size
        tables = (
            *(np.zeros(2, np.int64), copied.shift.reshape(-1) * size),
            np.stack([shift, shift, np.full(width, lanes)]).astype(np.int64),
            *(place_table(c, n, pitch // lanes, pieces, lanes, size) for n in (images, c.N - (blocks - 1) * images)),
        )
        self.layout = pack_layout(numbers, *tables, fill_layout(copied, c.rows, c.columns, dtype))
        self.stages = stage_list((CONVOLVE_PACKED, 0, threads))
        self.work, self.dtype = threads * work, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def place_table(c: Correlation, images: int, vectors: int, pieces: int, lanes: int, size: int) -> Int64:
    """Return where the pixels of `images` images go, from (images, pixels) to (images, groups * targets, pixels)."""
    pixels = math.prod(c.target_plane)
    first = np.arange(vectors)[:, None] * lanes
    image = first // pixels + np.arange(pieces)
    pixel = (first - image * pixels)[:, :, None] + np.arange(lanes)
    stored = (pixel >= 0) & (pixel < pixels) & (image < images)[:, :, None]
    masks = stored @ (1 << np.arange(lanes))
    place = (image * c.groups * c.targets * pixels + pixel[:, :, 0]) * size
    return np.stack([np.where(masks != 0, place, 0), masks], axis=-1).astype(np.int64)


def convolve_packed(x, w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the blocks of images of all groups."""
    (leaf, place, copier, height, tile, tiles, vectors, row, panel, run, runs, pixels, N, groups, sources, targets,
     taps, images, blocks, channels, size, w_group, w_target, w_source, pad_h, pad_w, channel, copy_row,
     mode, relu, copy_size, work_size, segment, shifts, table, places, last_places,
     fill) = load_integers(layout, 38)  # fmt: skip
    copy = work + t * work_size
    columns = copy + copy_size
    sums = columns + channels * taps * row
    plane = pixels * size
    for u in range(groups * blocks * t // chunks, groups * blocks * (t + 1) // chunks):
        g, n = u % groups, u // groups * images
        count = min(images, N - n)
        for c in range(0, max(sources, 1), channels):
            rows = min(channels, sources - c)
            for i in range(count):
                source = ((n + i) * groups + g) * sources + c
                fill_phases(x, source, rows, -pad_h, -pad_w, layout + fill, copy)
                for q in range(rows * taps):
                    (shift,) = load_integers(layout + shifts + 8 * (q % taps), 1)
                    at = copy + q // taps * channel + shift
                    for p in range((run - 1) // panel * panel, -1, -panel):
                        call(
                            copier, at + p * size, copy_row, columns + q * row + (i * pixels + p) * size,
                            run * size, runs, run - p,
                        )  # fmt: skip
            last = c + rows == sources
            for j in range(tiles):
                for k in range(0, targets, height):
                    call(
                        leaf, w + g * w_group + k * w_target + c * w_source, w_target, size, columns + j * tile, row,
                        layout + segment, 1, rows * taps, layout + table, 0, sums + k * row + j * tile, row,
                        mode if c == 0 else 1, bias + (g * targets + k) * size, relu if last else 0, targets - k,
                    )  # fmt: skip
        call(
            place, sums, row, 0, targets, vectors, y + (n * groups + g) * targets * plane, plane,
            layout + (places if n + images <= N else last_places),
        )  # fmt: skip


CONVOLVE_PACKED = Worker(convolve_packed)
