"""The steps of a Winograd convolution around its matrix products: patches, results and filters change their layout.

Each step has a table of numbers, built with the plan, and a kernel that reads it.  Channels lie in the lanes between
the steps; a buffer per thread holds one strip of tiles with the channels innermost.
"""

from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation
from ops.kernels.jit import kernel
from ops.kernels.simd import call, load_integers
from ops.kernels.stages import Int64
from ops.kernels.transforms import clear
from ops.kernels.winograd import Strips, Variant, odd_lines, pixel_bytes

# ---- planes to transformed patches ----


class Planes(NamedTuple):
    """Patches read from planes (channels, H, W)."""

    transform: str
    channels: int
    plane: tuple[int, int]
    padding: tuple[int, int]
    """Zeros above and to the left; negative: what is skipped there."""
    reads: int
    """Rows and columns of a patch."""
    step: int
    """Their distance from patch to patch."""

    def buffer_bytes(self, strips: Strips, dtype: np.dtype[Any]) -> int:
        """Return the size of the copy of a strip."""
        height, width = (self.step * (n - 1) + self.reads for n in (strips.rows, strips.tiles_w))
        return odd_lines(height * width * pixel_bytes(self.channels, dtype))

    def table(self, v: Variant, strips: Strips, places: tuple[int, int, int], dtype: np.dtype[Any]) -> Int64:
        """Return the numbers of `gather_tiles`.

        `places` are the distances, in bytes, of the results for the next tile, vector of channels and position.
        """
        tile, vector, position = places
        pixel = pixel_bytes(self.channels, dtype)
        leaves = v.transform(self.transform, dtype), simd.transpose(dtype, prefetch="s"), clear(dtype)
        return np.array(
            [*leaves, simd.lanes(dtype), dtype.itemsize, self.channels, *self.plane, *self.padding, self.step,
             self.reads, strips.tiles_h, strips.tiles_w, strips.rows, strips.per_image, pixel, tile,
             vector, position, v.patch * position], np.int64,
        )  # fmt: skip


@kernel
def gather_tiles(x, table, strip, buffer, target):
    """Copy a strip of x (N, C, H, W) to the buffer, transform its patches to target; return how many.

    The buffer is (rows, columns, C + a vector); what lies outside the plane is zero in it.
    """
    (leaf, transpose, clear_leaf, lanes, size, C, H, W, pad_h, pad_w, stride, reads, tiles_h, tiles_w, strip_rows,
     per_image, pixel, pitch, step, column, row) = load_integers(table, 21)  # fmt: skip
    first, vector, plane = strip % per_image * strip_rows, lanes * size, H * W * size
    rows = min(strip_rows, tiles_h - first)
    width = stride * (tiles_w - 1) + reads
    left, skipped = min(max(pad_w, 0), width), max(-pad_w, 0)
    columns = max(0, min(W - skipped, width - left))
    image = x + strip // per_image * C * plane + skipped * size
    for i in range(stride * (rows - 1) + reads):
        h, line = first * stride - pad_h + i, buffer + i * width * pixel
        if h < 0 or h >= H:
            call(clear_leaf, line, width * pixel // vector)
            continue
        call(clear_leaf, line, left * pixel // vector)
        for c in range(0, C, lanes):
            for q in range(0, columns, lanes):
                call(
                    transpose, image + c * plane + (h * W + q) * size, plane, C - c, columns - q,
                    line + (left + q) * pixel + c * size, pixel, lanes,
                )  # fmt: skip
        call(clear_leaf, line + (left + columns) * pixel, (width - left - columns) * pixel // vector)
    for i in range(rows):
        for c in range((C + lanes - 1) // lanes):
            call(
                leaf, buffer + i * stride * width * pixel + c * vector, width * pixel, pixel,
                target + i * tiles_w * pitch + c * step, row, column, tiles_w, stride * pixel, pitch,
            )  # fmt: skip
    return rows * tiles_w


@kernel
def first_tile(strip, table):
    """The number of the first tile of a strip; of the strip after the last one, the number of tiles."""
    _, _, _, _, _, _, _, _, _, _, _, _, tiles_h, tiles_w, strip_rows, per_image = load_integers(table, 16)
    return strip // per_image * tiles_h * tiles_w + strip % per_image * strip_rows * tiles_w


# ---- products to planes ----


def output_table(
    v: Variant, c: Correlation, strips: Strips, dtype: np.dtype[Any], pitch: int, position: int, relu: bool
) -> Int64:
    """Return the numbers of `scatter_tiles`."""
    leaves = v.transform("outputs", dtype), simd.transpose(dtype, prefetch="d")
    return np.array(
        [*leaves, simd.lanes(dtype), dtype.itemsize, c.targets, *c.target_plane, v.tile, strips.tiles_h, strips.tiles_w,
         strips.rows, strips.per_image, pitch, position, v.patch * position, int(relu)], np.int64,
    )  # fmt: skip


@kernel
def scatter_tiles(products, table, strip, first_filter, count, bias, buffer, y):
    """Transform products of a strip back and copy them to planes of y (N, K, OH, OW); return the number of tiles."""
    (leaf, transpose, lanes, size, K, OH, OW, tile, tiles_h, tiles_w, strip_rows, per_image, pixel, column, row,
     relu) = load_integers(table, 16)  # fmt: skip
    first, plane = strip % per_image * strip_rows, OH * OW * size
    rows, width, filters = min(strip_rows, tiles_h - first), tiles_w * tile, min(count, K - first_filter)
    for i in range(rows):
        for k in range(0, filters, lanes):
            call(
                leaf, products + i * tiles_w * pixel + k * size, row, column,
                buffer + i * tile * width * pixel + k * size, width * pixel, pixel, tiles_w, pixel, tile * pixel,
                bias + (first_filter + k) * size, relu,
            )  # fmt: skip
    lines, run = min(rows * tile, OH - first * tile), OW
    if width == OW:  # the rows follow one another
        lines, run = 1, lines * OW
    image = y + (strip // per_image * K + first_filter) * plane + first * tile * OW * size
    for k in range(0, filters, lanes):
        for i in range(lines):
            for q in range(0, run, lanes):
                call(
                    transpose, buffer + (i * width + q) * pixel + k * size, pixel, run - q, filters - k,
                    image + k * plane + (i * OW + q) * size, plane, run - q,
                )  # fmt: skip
    return rows * tiles_w


# ---- weights to transformed filters ----


def filter_table(v: Variant, c: Correlation, dtype: np.dtype[Any], panel: int, position: int, biased: bool) -> Int64:
    """Return the numbers of `transform_filters`."""
    size = dtype.itemsize
    leaves = v.transform("weights", dtype), simd.transpose(dtype), simd.copy_panel(1, dtype)
    return np.array(
        [*leaves, simd.lanes(dtype), size, c.targets, c.target_stride * size, c.source_stride * size, int(c.backward),
         int(biased), panel * size, position, len(v.weights) * position, v.taps], np.int64,
    )  # fmt: skip


@kernel
def transform_filters(w, table, first, count, channel, channels, taps, target):
    """Transform filters first ... + count of some channels to target (position, channel, filter)."""
    (leaf, transpose, _, lanes, size, targets, target_stride, source_stride, backward, _, panel, column,
     row, side) = load_integers(table, 14)  # fmt: skip
    vector, square = lanes * size, side * side
    for k in range(first, first + count, lanes):
        for c in range(0, channels, lanes):
            number = min(lanes, channels - c)
            filters = w + k * target_stride + (channel + c) * source_stride
            place = target + c * panel + (k - first) * size
            if backward:
                for i in range(number):
                    for q in range(0, square, lanes):
                        call(
                            transpose, filters + i * source_stride + q * size, target_stride, targets - k, square - q,
                            taps + (square * i + q) * vector, vector, lanes,
                        )  # fmt: skip
                call(
                    leaf, taps + (square - 1) * vector, -side * vector, -vector, place, row, column, number,
                    square * vector, panel,
                )  # fmt: skip
            else:
                for q in range(0, square * number, lanes):
                    call(
                        transpose, filters + q * size, target_stride, targets - k, square * number - q,
                        taps + q * vector, vector, lanes,
                    )  # fmt: skip
                call(leaf, taps, side * vector, vector, place, row, column, number, square * vector, panel)


@kernel
def pad_bias(bias, table, first, count, target):
    """Copy the bias of filters first ... + count to their place in target; zeros if there is none."""
    _, _, leaf, lanes, size, targets, _, _, _, biased = load_integers(table, 10)
    for k in range(first, first + count, lanes):
        call(leaf, bias + k * size, 0, target + k * size, 0, 1, biased * (targets - k))
