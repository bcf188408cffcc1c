"""Convolution with the images of a batch in the lanes: every pixel of every channel is a vector over images.

Only taps inside the source are visited, so padding costs nothing and any stride and dilation will do, forward
and back to the input.  The price is a copy of the source with the batch innermost, and its inverse for the
target.
"""

import math
from typing import Any

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation, classify, outer_segments
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles

NEAR_ELEMENTS = 256 * 1024
"""Elements of source and target that the second-level cache holds."""

NEAR_CYCLES, FAR_CYCLES, FAR_PRODUCTS = 0.5, 3.0, 1.2
"""Cycles per element moved between the two layouts, near and beyond; what products cost beyond, of their cycles."""


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    vectors = -(-c.N // lanes)
    tile = choose_tile(c.targets, vectors)
    rows, columns = classify(c.rows, backward=c.backward), classify(c.columns, backward=c.backward)
    source_pixels, target_pixels = math.prod(c.source_plane), math.prod(c.target_plane)
    products = c.sources * rows.reads * columns.reads * tile_cycles(c.targets, vectors, tile)
    calls = target_pixels * -(-c.targets // tile[0]) * -(-vectors // tile[1])
    moved = (c.sources * source_pixels + c.targets * target_pixels) * vectors * lanes
    if c.groups * moved <= NEAR_ELEMENTS:
        return c.groups * (products + CALL_CYCLES * calls + NEAR_CYCLES * moved)
    return c.groups * (FAR_PRODUCTS * products + CALL_CYCLES * calls + FAR_CYCLES * moved)


class BatchPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        height, width = choose_tile(c.targets, -(-c.N // lanes))
        images = width * lanes
        blocks = -(-c.N // images)
        # One vector more than the channels: at a power-of-two distance all pixels would share a set
        # of the cache.
        pixel = (c.groups * c.sources + 1) * images * size
        rows, columns = classify(c.rows, backward=c.backward), classify(c.columns, backward=c.backward)
        taps, starts = outer_segments(rows.patterns, columns.patterns, c.columns.taps, c.source_plane[1])
        target_rows = np.stack([rows.kind * len(columns.patterns), rows.base * c.source_plane[1]], axis=1)
        target_columns = np.stack([columns.kind, columns.base], axis=1)
        shift = np.arange(width) * lanes * size
        table = np.stack([shift, shift, np.full(width, lanes)]).astype(np.int64)
        source_size = blocks * math.prod(c.source_plane) * pixel
        tile_size = lanes * (height * images + lanes) * size
        numbers = (
            *(simd.outer_product(height, width, dtype), simd.transpose(dtype), height, images, lanes),
            *(c.N, c.groups, c.sources, c.targets, math.prod(c.source_plane), *c.target_plane),
            *(
                c.group_stride * size,
                c.target_stride * size,
                c.source_stride * size,
                pixel,
                source_size,
                tile_size,
            ),
            *(2 if biased else 0, int(relu), size),
        )
        tables = (taps * np.array([size, pixel]), starts, target_rows, target_columns, table)
        self.layout = pack_layout(numbers, *tables)
        self.stages = stage_list((BATCH_INNERMOST, 0, threads), (CONVOLVE_PIXELS, 0, threads))
        self.work, self.dtype = (source_size + threads * tile_size) // size, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def batch_innermost(x, _w, _bias, _y, batched, layout, _step, t, chunks):
    """Copy x (N, C, P) to batched (N / images, P, C + 1, images), a vector of pixels at a time."""
    (
        _,
        transpose,
        _,
        images,
        lanes,
        N,
        groups,
        sources,
        _,
        pixels,
        _,
        _,
        _,
        _,
        _,
        pixel,
        _,
        _,
        _,
        _,
        size,
    ) = load_integers(layout, 21)
    channels, plane = groups * sources, pixels * size
    units = (pixels + lanes - 1) // lanes * channels
    for u in range(units * t // chunks, units * (t + 1) // chunks):
        c, q = u % channels, u // channels * lanes
        for i in range(0, N, lanes):
            block, lane = i // images, i % images
            source = x + (i * channels + c) * plane + q * size
            target = batched + (block * pixels + q) * pixel + (c * images + lane) * size
            call(transpose, source, channels * plane, N - i, pixels - q, target, pixel, lanes)


def convolve_pixels(_x, w, bias, y, batched, layout, _step, t, chunks):
    """Compute chunk t of the target pixels of all blocks of images, a vector of pixels at a time."""
    (leaf, transpose, tile_rows, images, lanes, N, groups, sources, targets, source_pixels, height, width,
     w_group, w_target, w_source, pixel, source_size, tile_size, mode, relu, size, segments, starts, rows,
     columns, table) = load_integers(layout, 26)  # fmt: skip
    pixels = height * width
    plane, row = pixels * size, images * size
    tile, tile_pixel, image = (
        batched + source_size + t * tile_size,
        tile_size // lanes,
        groups * targets * plane,
    )
    units = (N + images - 1) // images * pixels
    u, last = units * t // chunks, units * (t + 1) // chunks
    while u < last:
        block, start = u // pixels, u % pixels
        count = min(lanes, last - u, pixels - start)
        u += count
        for g in range(groups):
            source = batched + block * source_pixels * pixel + g * sources * row
            target = y + block * images * image + g * targets * plane + start * size
            for k in range(0, targets, tile_rows):
                filters, biases = w + g * w_group + k * w_target, bias + (g * targets + k) * size
                for q in range(count):
                    row_kind, row_base = load_integers(layout + rows + (start + q) // width * 16, 2)
                    column_kind, column_base = load_integers(layout + columns + (start + q) % width * 16, 2)
                    first, end = load_integers(layout + starts + (row_kind + column_kind) * 8, 2)
                    call(
                        leaf, filters, w_target, w_source, source + (row_base + column_base) * pixel, row,
                        layout + segments + 16 * first, end - first, sources, layout + table, 0,
                        tile + q * tile_pixel, row, mode, biases, relu, targets - k,
                    )  # fmt: skip
                for m in range(min(tile_rows, targets - k)):
                    for i in range(0, min(images, N - block * images), lanes):
                        call(
                            transpose, tile + (m * images + i) * size, tile_pixel, count,
                            N - block * images - i, target + i * image + (k + m) * plane, image, count,
                        )  # fmt: skip


BATCH_INNERMOST, CONVOLVE_PIXELS = Worker(batch_innermost), Worker(convolve_pixels)
