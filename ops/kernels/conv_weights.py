"""Gradient of convolution weights with the filters in the lanes.

dw[k, c, r, s] = sum over n, oh, ow of grad[n, k, oh, ow] x[n, c, h(oh, r), w(ow, s)]: for a tap, an outer
product over channels (rows, read in place from x) and filters (lanes, out of a copy of grad with the filters
innermost), summed along the output rows.  Only pixels inside x are visited.  For 1 x 1 filters the copy is made a few
images at a time, so that it stays in the cache, and the channels' next rows are fetched ahead.

Measured, float32, one Zen 4 core (114 GFLOP/s at most; in brackets PyTorch's best layout): 1 x 1 filters, 32 images of
1024 x 14 x 14 to 256 channels 105 (90), of 576 x 14 x 14 to 96 99 (87), of 32 x 112 x 112 to 16 69 (69).
"""

from typing import Any

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import ConvGeometry
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, memory_cycles, tile_cycles

COPY_BYTES = 16 * 2**20
"""Largest copy of grad; more images are taken in several rounds."""

NEAR_BYTES = 2**19, 2**21
"""Largest copy for 1 x 1 filters, which read it but once, on one thread, where it stays near, and on several, which
wait for each other after each."""

BLOCK_PIXELS = 256
"""Pixels that a tile sums at least in one go, where there are enough images."""

PART_PIXELS = 512
"""Pixels of a large plane that 1 x 1 filters sum in one go, all channels before the next."""

SMALL = 50_000
"""Weights that one thread brings into their final order faster than several."""

TRANSPOSE_CYCLES = 0.5
"""Cycles per element of grad moved to the filters-innermost layout."""

NEAR_ELEMENTS, FAR_PRODUCTS = 400_000, 1.4
"""Elements of x that a cache holds, and what products cost beyond, of their cycles, if they skip most of them."""

WEIGHT_CYCLES = 2.5
"""Cycles per weight brought into its final order."""


def cycles(g: ConvGeometry, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    vectors = -(-g.group_outputs // lanes)
    tile = choose_tile(g.group_inputs, vectors)
    steps = sum(last - first for first, last in map(g.rows.outputs_of_tap, range(g.R)))
    steps *= sum(last - first for first, last in map(g.columns.outputs_of_tap, range(g.S)))
    products = 1.0 * g.N * steps * tile_cycles(g.group_inputs, vectors, tile)
    if g.R * g.S == 1 and g.stride[1] > 1 and g.N * g.C * g.H * g.W > NEAR_ELEMENTS:
        products *= FAR_PRODUCTS
    tiles = g.R * g.S * -(-g.group_inputs // tile[0]) * -(-vectors // tile[1])
    calls = tiles * -(-g.N // images_per_block(g))
    weights, outputs = g.K * g.group_inputs * g.R * g.S, g.N * g.K * g.OH * g.OW
    moved = TRANSPOSE_CYCLES * outputs + memory_cycles(outputs, g.N * g.C * g.H * g.W + outputs, lanes)
    return g.groups * (products + CALL_CYCLES * calls) + moved + WEIGHT_CYCLES * weights


def images_per_block(g: ConvGeometry) -> int:
    """Return how many images a tile sums in one go."""
    return max(1, min(g.N, -(-BLOCK_PIXELS // (g.OH * g.OW))))


class WeightsPlan:
    """Tables and layout of one shape."""

    def __init__(self, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> None:
        g = g.refolded(PART_PIXELS) if g.is_pointwise else g
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        height, width = choose_tile(g.group_inputs, -(-g.group_outputs // lanes))
        filters = -(-g.group_outputs // (width * lanes)) * width * lanes
        pixel = g.groups * filters
        per_image = g.OH * g.OW * pixel
        block = images_per_block(g)
        copied = NEAR_BYTES[threads > 1] if g.R * g.S == 1 else COPY_BYTES
        per_round = min(g.N, -(-max(1, copied // (per_image * size)) // block) * block)
        rounds = -(-g.N // per_round)
        shift = np.arange(width) * lanes * size
        table = np.stack([shift, shift, np.full(width, lanes)]).astype(np.int64)
        segments, starts = row_segments(g, block, pixel, size)
        by_parts = g.is_pointwise and block == 1
        together = max(1, PART_PIXELS // g.OW) if by_parts else max(1, len(segments))  # rows summed in one go
        leaf = simd.outer_product(height, width, dtype, prefetch="r" if g.is_pointwise else "")
        numbers = (
            *(leaf, simd.transpose(dtype), height, width * lanes, lanes),
            *(g.N, g.groups, g.group_inputs, g.group_outputs, g.R, g.S, g.H * g.W, g.OH * g.OW, g.stride[1]),
            *(filters, per_round, block, together, per_round * per_image * size, size),
        )
        self.layout = pack_layout(numbers, segments, starts, column_ranges(g), table)
        order = threads if g.K * g.group_inputs * g.R * g.S > SMALL else 1
        self.stages = stage_list(
            *((worker, i, threads) for i in range(rounds) for worker in (FILTERS_INNERMOST, ACCUMULATE)),
            (FINISH, 0, order),
        )
        self.work, self.dtype = per_round * per_image + g.R * g.S * g.group_inputs * pixel, dtype

    def __call__(self, grad: Array, x: Array, dw: Array) -> None:
        """Compute dw."""
        run_stages(grad, x, dw, dw, scratch(self.work, self.dtype), self.layout, self.stages)


def row_segments(g: ConvGeometry, images: int, pixel: int, size: int) -> tuple[Int64, Int64]:
    """Return, for every filter row r, the (x, grad) displacements of the output rows that read inside x.

    List r is segments[start[r] : start[r + 1]], all rows of the first image, then of the second ...
    """
    lists = []
    for r in range(g.R):
        oh = np.arange(*g.rows.outputs_of_tap(r))
        h = oh * g.stride[0] + r * g.dilation[0] - g.padding[0]
        n = np.arange(images)[:, None]
        in_x, in_grad = (n * g.C * g.H + h) * g.W, (n * g.OH + oh) * g.OW * pixel
        lists.append(np.stack([in_x.reshape(-1), in_grad.reshape(-1)], axis=1) * size)
    starts = np.cumsum([0] + [len(part) for part in lists], dtype=np.int64)
    return np.concatenate(lists).astype(np.int64), starts


def column_ranges(g: ConvGeometry) -> Int64:
    """Return, for every filter column s, (first ow inside x, number of them, the w that the first reads)."""
    ranges = []
    for s in range(g.S):
        first, last = g.columns.outputs_of_tap(s)
        ranges.append((first, last - first, first * g.stride[1] + s * g.dilation[1] - g.padding[1]))
    return np.array(ranges, np.int64)


def filters_innermost(grad, _x, _dw, _, copy, layout, step, t, chunks):
    """Copy the images of round `step` of grad (N, K, P) to copy (n, P, groups * filters)."""
    (
        _,
        transpose,
        _,
        _,
        lanes,
        N,
        groups,
        _,
        per_group,
        _,
        _,
        _,
        pixels,
        _,
        filters,
        per_round,
        _,
        _,
        _,
        size,
    ) = load_integers(layout, 20)
    plane, pixel = pixels * size, groups * filters * size
    start = step * per_round
    images = min(per_round, N - start)
    for n in range(images * t // chunks, images * (t + 1) // chunks):
        for g in range(groups):
            source = grad + ((start + n) * groups + g) * per_group * plane
            target = copy + n * pixels * pixel + g * filters * size
            for k in range(0, filters, lanes):
                for q in range(0, pixels, lanes):
                    call(
                        transpose, source + k * plane + q * size, plane, per_group - k, pixels - q,
                        target + q * pixel + k * size, pixel, lanes,
                    )  # fmt: skip


def accumulate(_grad, x, _dw, _, copy, layout, step, t, chunks):
    """Add the images of round `step` to chunk t of the tiles of sums (groups, R, S, channels, filters)."""
    (leaf, _, height, width, _, N, groups, channels, _, R, S, x_pixels, pixels, stride_w, filters, per_round,
     block, together, sums, size, segments, starts, columns, table) = load_integers(layout, 24)  # fmt: skip
    pixel, plane, start = groups * filters * size, x_pixels * size, step * per_round
    panels, row_tiles = filters // width, (channels + height - 1) // height
    tiles = groups * R * S * panels * row_tiles
    (rows,) = load_integers(layout + starts + 8 * R, 1)
    for b in range(0, min(per_round, N - start), block):
        images = min(block, N - start - b)
        for row in range(0, max(1, rows), together):  # once at least: where all is padding, the sums become 0
            for u in range(tiles * t // chunks, tiles * (t + 1) // chunks):
                c, k, u_tap = u % row_tiles * height, u // row_tiles % panels * width, u // (row_tiles * panels)
                g, r, s = u_tap // (R * S), u_tap // S % R, u_tap % S
                first, end = load_integers(layout + starts + 8 * r, 2)
                ow, steps, v = load_integers(layout + columns + 24 * s, 3)
                source = x + (((start + b) * groups + g) * channels + c) * plane + v * size
                gradient = copy + (b * pixels + ow) * pixel + (g * filters + k) * size
                total = copy + sums + ((u_tap * channels + c) * filters + k) * size
                call(
                    leaf, source, plane, stride_w * size, gradient, pixel, layout + segments + 16 * (first + row),
                    min(together, (end - first) // block * images - row), steps, layout + table, 0,
                    total, filters * size, 1 if start + b + row > 0 else 0, 0, 0, channels - c,
                )  # fmt: skip


def finish(_grad, _x, dw, _, copy, layout, _step, t, chunks):
    """Transpose sums (groups, taps, channels, filters) to dw (groups * filters, channels, taps).

    Chunk t is a range of filters of every group.
    """
    (_, transpose, _, _, lanes, _, groups, channels, per_group, R, S, _, _, _, filters, _, _, _, sums, size) = (
        load_integers(layout, 20)
    )
    inner, outer = (channels, 1) if R * S == 1 else (R * S, channels)
    blocks = filters // lanes
    for g in range(groups):
        for k in range(blocks * t // chunks * lanes, min(blocks * (t + 1) // chunks * lanes, per_group), lanes):
            for o in range(outer):
                source = copy + sums + ((g * inner * outer + o) * filters + k) * size
                target = dw + ((g * per_group + k) * outer + o) * inner * size
                for i in range(0, inner, lanes):
                    call(
                        transpose, source + i * outer * filters * size, outer * filters * size, inner - i,
                        per_group - k, target + i * size, outer * inner * size, inner - i,
                    )  # fmt: skip


FILTERS_INNERMOST, ACCUMULATE, FINISH = Worker(filters_innermost), Worker(accumulate), Worker(finish)
