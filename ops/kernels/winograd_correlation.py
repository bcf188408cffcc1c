"""Winograd convolution forward, and back to the input: there the filters are rotated, the channels swapped.

Two orders of the same steps, each with its intermediate results in the second-level cache:

tiles outermost: the weights are transformed once; then blocks of tiles are gathered, multiplied position by
    position, transformed back and scattered to the planes.
filters outermost, for few tiles and many channels: all tiles are gathered once; then, for a panel of filters, the
    weights are transformed a block of channels at a time and multiplied at once, so that the transformed
    weights, four times as large as the weights, are never in memory.

Bias and ReLU are applied on the way back.

Measured for 64 to 512 channels, planes of 56 x 56 to 4 x 4 and batches of 8 and 32, on one core of a Zen 4 with
AVX-512: 210 to 370 GFLOP/s counted as direct sums (its peak is 118), 2.0 to 3.2 times PyTorch's best layout.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.conv_positions import walk
from ops.kernels.correlation import Correlation
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles
from ops.kernels.winograd import (
    VARIANTS,
    Strips,
    Variant,
    copy_cycles,
    cut,
    odd_lines,
    pixel_bytes,
    transform_cycles,
)
from ops.kernels.winograd_steps import (
    Planes,
    filter_table,
    first_tile,
    gather_tiles,
    output_table,
    pad_bias,
    scatter_tiles,
    transform_filters,
)

BLOCK_TILES = 48
"""Tiles of one block."""

FEW_TILES, MANY_WEIGHTS = 128, 4 * 2**20
"""Filters are outermost if there is one block of tiles, or so few tiles and so many bytes of transformed weights."""

FILTER_BYTES = 640 * 1024
"""Transformed weights of a block of channels and a panel of filters: they stay in the second-level cache."""


def supports(c: Correlation) -> bool:
    """Whether c has 3 x 3 filters at stride and dilation 1, in one group."""
    axes = (c.rows, c.columns)
    return (
        c.groups == 1
        and min(c.N, c.sources, c.targets) > 0
        and all((axis.taps, axis.stride, axis.dilation) == (3, 1, 1) for axis in axes)
    )


class Blocking(NamedTuple):
    """How the work is cut."""

    few: bool
    """Filters are outermost."""
    strips: Strips
    group: int
    """Strips of one block; with few tiles, all."""
    height: int
    width: int
    panels: int
    """Panels of `width` vectors of filters."""
    channels: int
    """Channels multiplied at once."""


def blocking(v: Variant, c: Correlation, dtype: np.dtype[Any], threads: int) -> Blocking:
    """Choose the order, the blocks (every thread gets as many, if there are few) and the register tile."""
    lanes = simd.lanes(dtype)
    vectors = -(-c.targets // lanes)
    tiles = c.N * math.prod(-(-size // v.tile) for size in c.target_plane)
    wanted = min(BLOCK_TILES, -(-tiles // (-(-tiles // (BLOCK_TILES * threads)) * threads)))
    strips = cut(c.target_plane, v.tile, c.N, wanted)
    weights = v.patch**2 * c.sources * c.targets * dtype.itemsize
    few = tiles <= BLOCK_TILES or (tiles <= FEW_TILES and weights > MANY_WEIGHTS)
    group = strips.number if few else max(1, wanted // strips.tiles)
    height, width = choose_tile(group * strips.tiles, -(-vectors // threads) if few else vectors)
    channels = FILTER_BYTES // (v.patch**2 * width * lanes * dtype.itemsize) // lanes * lanes if few else c.sources
    return Blocking(few, strips, group, height, width, -(-vectors // width), max(lanes, min(channels, c.sources)))


def cycles(tile: int, c: Correlation, dtype: np.dtype[Any]) -> float:
    """Estimate the cycles of one thread."""
    v, lanes = VARIANTS[tile], simd.lanes(dtype)
    b = blocking(v, c, dtype, 1)
    tiles, vectors = c.N * b.strips.tiles_h * b.strips.tiles_w, -(-c.targets // lanes)
    blocks = -(-b.strips.number // b.group)
    per_block = -(-tiles // blocks)
    products = v.patch**2 * blocks * c.sources * tile_cycles(per_block, vectors, (b.height, b.width))
    calls = v.patch**2 * blocks * -(-per_block // b.height) * b.panels * -(-c.sources // b.channels)
    moved = copy_cycles(c.N, (c.sources, c.source_plane), (c.targets, c.target_plane), lanes)
    return products + CALL_CYCLES * calls + transform_cycles(v, tiles, c.sources, c.targets, lanes) + moved


class WinogradPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, tile: int, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        v = VARIANTS[tile]
        b = blocking(v, c, dtype, threads)
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        panel = b.width * lanes
        filters = panel if b.few else b.panels * panel  # whose products are formed between gather and scatter
        tiles, positions = b.group * b.strips.tiles, v.patch**2
        source, target = pixel_bytes(c.sources, dtype), pixel_bytes(filters, dtype)
        inputs, products = odd_lines(tiles * source), odd_lines(tiles * target)
        weights = odd_lines(b.channels * filters * size)
        rows, columns = walk(c)
        planes = Planes("inputs", c.sources, c.source_plane, (rows.padding, columns.padding), v.patch)
        copies = planes.buffer_bytes(v, b.strips, dtype), odd_lines(b.strips.tiles * tile * tile * target)
        taps, bias = odd_lines(9 * lanes * lanes * size), odd_lines(b.panels * panel * size)
        shared, private = (inputs, weights) if b.few else (weights, inputs)
        private = max(*copies, taps) + positions * (private + products)
        numbers = (
            simd.outer_product(b.height, b.width, dtype), b.height, panel, b.panels, size, c.sources, b.channels,
            v.patch, b.group, b.strips.number, source, target, inputs, products, weights, bias,
            positions * shared + bias, private, max(*copies, taps),
        )  # fmt: skip
        shift = np.arange(b.width) * lanes * size
        table = np.stack([shift, shift, np.full(b.width, lanes)]).astype(np.int64)
        self.layout = pack_layout(
            numbers, planes.table(v, b.strips, (source, lanes * size, inputs), dtype),
            output_table(v, c, b.strips, dtype, target, products, relu),
            filter_table(v, c, dtype, panel, weights, biased), table, np.zeros(2, np.int64),
        )  # fmt: skip
        workers = (GATHER_ALL, CONVOLVE_PANELS) if b.few else (TRANSFORM_WEIGHTS, CONVOLVE_BLOCKS)
        self.stages = stage_list(*((worker, 0, threads) for worker in workers))
        self.work, self.dtype = (positions * shared + bias + threads * private) // size, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def transform_weights(_x, w, bias, _y, work, layout, _step, t, chunks):
    """Transform chunk t of the panels to (position, panel, channel, filter)."""
    (_, _, panel, panels, size, sources, _, patch, _, _, _, _, _, _, weights, _, shared, private, _, _, _,
     filters) = load_integers(layout, 22)  # fmt: skip
    taps, biases = work + shared + t * private, work + patch * patch * weights
    for u in range(panels * t // chunks, panels * (t + 1) // chunks):
        k = u * panel
        transform_filters(w, layout + filters, k, panel, 0, sources, taps, work + k * sources * size)
        pad_bias(bias, layout + filters, k, panel, biases)


def convolve_blocks(x, _w, _bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the blocks of strips."""
    (leaf, height, panel, panels, size, sources, _, patch, group, strips, source, target, inputs_size,
     products_size, weights, _, shared, private, copies, gather, outputs, _, table,
     segment) = load_integers(layout, 24)  # fmt: skip
    buffer, bias = work + shared + t * private, work + patch * patch * weights
    inputs = buffer + copies
    products = inputs + patch * patch * inputs_size
    blocks = (strips + group - 1) // group
    for block in range(blocks * t // chunks, blocks * (t + 1) // chunks):
        first, last = block * group, min((block + 1) * group, strips)
        tiles = 0
        for strip in range(first, last):
            tiles += gather_tiles(x, layout + gather, strip, buffer, inputs + tiles * source)
        for p in range(patch * patch):
            for k in range(panels):
                for q in range(0, tiles, height):
                    call(
                        leaf, inputs + p * inputs_size + q * source, source, size,
                        work + p * weights + k * sources * panel * size, panel * size, layout + segment, 1, sources,
                        layout + table, 0, products + p * products_size + q * target + k * panel * size, target, 0, 0,
                        0, tiles - q,
                    )  # fmt: skip
        tiles = 0
        for strip in range(first, last):
            tiles += scatter_tiles(
                products + tiles * target, layout + outputs, strip, 0, panels * panel, bias, buffer, y
            )


def gather_all(x, _w, _bias, _y, work, layout, _step, t, chunks):
    """Gather chunk t of all strips."""
    (_, _, _, _, _, _, _, _, _, strips, source, _, _, _, _, _, shared, private, _, gather) = load_integers(layout, 20)
    for strip in range(strips * t // chunks, strips * (t + 1) // chunks):
        tile = first_tile(strip, layout + gather)
        gather_tiles(x, layout + gather, strip, work + shared + t * private, work + tile * source)


def convolve_panels(_x, w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the panels of filters."""
    (leaf, height, panel, panels, size, sources, channels, patch, _, strips, source, target, inputs, products_size,
     weights_size, _, shared, private, copies, gather, outputs, filters, table,
     segment) = load_integers(layout, 24)  # fmt: skip
    buffer, biases = work + shared + t * private, work + patch * patch * inputs
    weights = buffer + copies
    products = weights + patch * patch * weights_size
    tiles = first_tile(strips, layout + gather)
    for u in range(panels * t // chunks, panels * (t + 1) // chunks):
        k = u * panel
        pad_bias(bias, layout + filters, k, panel, biases)
        for c in range(0, sources, channels):
            count = min(channels, sources - c)
            transform_filters(w, layout + filters, k, panel, c, count, buffer, weights)
            for p in range(patch * patch):
                for q in range(0, tiles, height):
                    call(
                        leaf, work + p * inputs + q * source + c * size, source, size, weights + p * weights_size,
                        panel * size, layout + segment, 1, count, layout + table, 0,
                        products + p * products_size + q * target, target, 1 if c > 0 else 0, 0, 0, tiles - q,
                    )  # fmt: skip
        tile = 0
        for strip in range(strips):
            tile += scatter_tiles(products + tile * target, layout + outputs, strip, k, panel, biases, buffer, y)


TRANSFORM_WEIGHTS, CONVOLVE_BLOCKS = Worker(transform_weights), Worker(convolve_blocks)
GATHER_ALL, CONVOLVE_PANELS = Worker(gather_all), Worker(convolve_panels)
