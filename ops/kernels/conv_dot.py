"""Gradient of convolution weights for few channels: the lanes run along the rows of the output.

dw[k, c, r, s] = sum over n, oh of the dot product of row oh of grad[n, k] with the elements that tap (r, s)
reads in channel c of x[n], consecutive in a padded copy.  Vectors of partial sums live in memory from image
to image.
"""

from typing import Any

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import ConvGeometry
from ops.kernels.phases import copy_cycles, copy_elements, fill_layout, fill_phases, phase_layout
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, memory_cycles, unevenness

TILES_32 = ((4, 5), (4, 6), (3, 5), (3, 7), (2, 5), (2, 9), (1, 9))
TILES_16 = ((2, 4), (3, 3), (1, 5))


def dot_cycles(rows: int, columns: int, tile: tuple[int, int]) -> int:
    """Return the cycles of all tiles for one vector of the reduction; a load may straddle two cache lines."""
    height, width = tile
    per_tile = max(height * width, 2 * (height + width), 8)
    return -(-rows // height) * -(-columns // width) * per_tile


def choose_dot_tile(rows: int, columns: int) -> tuple[int, int]:
    """Return the (filters, taps) tile that covers rows x columns in the fewest cycles."""
    tiles = TILES_32 if simd.registers() == 32 else TILES_16
    return min(tiles, key=lambda tile: dot_cycles(rows, columns, tile))


def cycles(g: ConvGeometry, lanes: int, threads: int) -> float:
    """Estimate the cycles of one thread; more, where images can't be shared out evenly."""
    taps = g.group_inputs * g.R * g.S
    tile = choose_dot_tile(g.group_outputs, taps)
    vectors = g.OH * -(-g.OW // lanes)
    calls = -(-g.group_outputs // tile[0]) * -(-taps // tile[1])
    per_group = dot_cycles(g.group_outputs, taps, tile) * vectors + CALL_CYCLES * calls
    copied = g.C * copy_cycles(g.rows, g.columns, lanes)
    elements = g.N * (g.C * g.H * g.W + g.K * g.OH * g.OW)
    awaited = memory_cycles(elements, elements, lanes) if g.R * g.S == 1 else 0.0  # else there is more to do for each
    return (g.N * (g.groups * per_group + copied) + awaited) * unevenness(g.N, threads)


class DotPlan:
    """Tables and layout of one shape."""

    def __init__(self, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> None:
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        taps = g.group_inputs * g.R * g.S
        height, width = choose_dot_tile(g.group_outputs, taps)
        phases = phase_layout(g.rows, g.columns, g.OH, lanes)
        shift = (np.arange(g.group_inputs)[:, None] * phases.channel + phases.shift.reshape(-1)).reshape(-1)
        shifts = np.pad(shift, (0, -taps % width), mode="edge").astype(np.int64) * size
        sums = g.groups * -(-g.group_outputs // height) * height * len(shifts) * lanes
        copy = copy_elements(g.group_inputs, phases, lanes)
        numbers = (
            *(simd.dot_tile(height, width, dtype), simd.lane_sums(dtype), height, width, lanes),
            *(g.N, g.groups, g.group_inputs, g.group_outputs, taps, g.OH, g.OW, *g.padding, phases.pitch),
            *((sums + copy) * size, sums * size, size),
        )
        self.layout = pack_layout(numbers, shifts, fill_layout(phases, g.rows, g.columns, dtype))
        self.threads, self.dtype = min(threads, max(1, g.N)), dtype
        self.stages = stage_list((ACCUMULATE, 0, self.threads))
        self.partial, self.copies = g.K * taps, self.threads * (sums + copy)

    def __call__(self, grad: Array, x: Array, dw: Array) -> None:
        """Compute dw."""
        if self.threads == 1:
            run_stages(grad, x, dw, dw, scratch(self.copies, self.dtype), self.layout, self.stages)
            return
        work = scratch(self.copies + self.threads * self.partial, self.dtype)
        partial = work[self.copies :].reshape(self.threads, *dw.shape)
        run_stages(grad, x, dw, partial.reshape(-1, *dw.shape[1:]), work, self.layout, self.stages)
        np.add(partial[0], partial[1], out=dw)
        for other in partial[2:]:
            dw += other


def accumulate(grad, x, _, partial, work, layout, _step, t, chunks):
    """partial[t] = sum over the images of chunk t.

    The sums are (groups, tiles of filters, tiles of taps, filters, taps, lanes) until all images are added.
    """
    (leaf, lane_sums, height, width, lanes, N, groups, channels, filters, taps, OH, OW, pad_h, pad_w, pitch,
     work_size, sums_size, size, shifts, fill) = load_integers(layout, 20)  # fmt: skip
    sums = work + t * work_size
    copy = sums + sums_size
    tile, plane = height * width * lanes * size, OH * OW * size
    first = N * t // chunks
    for n in range(first, N * (t + 1) // chunks):
        at = sums
        for g in range(groups):
            fill_phases(x, (n * groups + g) * channels, channels, -pad_h, -pad_w, layout + fill, copy)
            source = grad + (n * groups + g) * filters * plane
            for k in range(0, filters, height):
                for tap in range(0, taps, width):
                    call(
                        leaf, source + k * plane, plane, filters - k, copy, layout + shifts + 8 * tap, OH,
                        OW * size, pitch * size, OW // lanes, OW % lanes, 1 if n > first else 0, at,
                    )  # fmt: skip
                    at += tile
    row_tiles, tap_tiles = (filters + height - 1) // height, (taps + width - 1) // width
    for k in range(groups * filters):
        g, i = k // filters, k % filters
        for tap in range(tap_tiles):
            at = sums + ((g * row_tiles + i // height) * tap_tiles + tap) * tile + i % height * width * lanes * size
            out = partial + ((t * groups * filters + k) * taps + tap * width) * size
            call(lane_sums, at, min(width, taps - tap * width), out)


ACCUMULATE = Worker(accumulate)
