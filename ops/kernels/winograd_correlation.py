"""Winograd convolution forward, and back to the input: there the filters are rotated, the channels swapped.

Two orders of the same steps, each with its intermediate results in the second-level cache:

tiles outermost: the weights are transformed once; then blocks of tiles are gathered, multiplied position by
    position, transformed back and scattered to the planes.
filters outermost, for few tiles and many channels: all tiles are gathered once; then, for a panel of filters, the
    weights are transformed a block of channels at a time and multiplied at once, so that the transformed
    weights, four times as large as the weights, are never in memory.

Bias and ReLU are applied on the way back.

Measured for 64 to 512 channels, planes of 56 x 56 to 4 x 4 and batches of 8 and 32, on one core of a Zen 4 with
AVX-512: 210 to 370 GFLOP/s counted as direct sums (its peak is 118), 2.0 to 3.2 times PyTorch's best layout.  At
stride 2, 64 to 512 channels, planes of 56 x 56 to 8 x 8 and batches of 1 to 32, 110 to 150 GFLOP/s, 0.9 to 1.5
times; 5 x 5 filters over 64 x 27 x 27 to 192 channels 230, 2.0 times.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation, walk
from ops.kernels.geometry import Pair
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles
from ops.kernels.winograd import (
    Strips,
    Variant,
    copy_cycles,
    cut,
    find_variant,
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

BLOCK_TILES, BLOCK_ROWS = 48, 48 * 36
"""Tiles of one block, and transformed elements of one channel in it, at most."""

FEW_ROWS, MANY_WEIGHTS = 128 * 36, 4 * 2**20
"""Filters are outermost if there are few tiles: one block's, or so few transformed elements of a channel, and so many
bytes of transformed weights."""

MANY_POSITIONS, SLOWER = 36, 1.15
"""Positions beyond which a block of tiles leaves the second-level cache, and how much that slows its products."""

FILTER_BYTES = 640 * 1024
"""Transformed weights of a block of channels and a panel of filters: they stay in the second-level cache."""


def algorithm(tile: int, c: Correlation) -> Variant | None:
    """Return the algorithm on tiles of this size if there is one for c: in one group, without dilation."""
    if c.groups > 1 or min(c.N, c.sources, c.targets) == 0:
        return None
    return find_variant(tile, c.rows, c.columns, backward=c.backward)


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
    most = max(1, min(BLOCK_TILES, BLOCK_ROWS // v.patch**2))
    wanted = min(most, -(-tiles // (-(-tiles // (most * threads)) * threads)))
    strips = cut(c.target_plane, v.tile, c.N, wanted)
    weights = v.weight_positions * c.sources * c.targets * dtype.itemsize
    few = tiles <= BLOCK_TILES or (tiles * v.patch**2 <= FEW_ROWS and weights > MANY_WEIGHTS)
    group = strips.number if few else max(1, wanted // strips.tiles)
    height, width = choose_tile(group * strips.tiles, -(-vectors // threads) if few else vectors)
    channels = c.sources
    if few:
        channels = FILTER_BYTES // (v.weight_positions * width * lanes * dtype.itemsize) // lanes * lanes
    return Blocking(few, strips, group, height, width, -(-vectors // width), max(lanes, min(channels, c.sources)))


def cycles(v: Variant, c: Correlation, dtype: np.dtype[Any]) -> float:
    """Estimate the cycles of one thread."""
    lanes = simd.lanes(dtype)
    b = blocking(v, c, dtype, 1)
    tiles, vectors = c.N * b.strips.tiles_h * b.strips.tiles_w, -(-c.targets // lanes)
    blocks = -(-b.strips.number // b.group)
    per_block = -(-tiles // blocks)
    products = 1.0 * v.patch**2 * blocks * c.sources * tile_cycles(per_block, vectors, (b.height, b.width))
    if not b.few and v.patch**2 > MANY_POSITIONS:
        products *= SLOWER
    calls = v.patch**2 * blocks * -(-per_block // b.height) * b.panels * -(-c.sources // b.channels)
    moved = copy_cycles(c.N, (c.sources, c.source_plane), (c.targets, c.target_plane), lanes)
    return products + CALL_CYCLES * calls + transform_cycles(v, tiles, c.sources, c.targets, lanes) + moved


class WinogradPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, tile: int, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        v = algorithm(tile, c)
        assert v is not None
        b = blocking(v, c, dtype, threads)
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        panel = b.width * lanes
        filters = panel if b.few else b.panels * panel  # whose products are formed between gather and scatter
        tiles, positions = b.group * b.strips.tiles, v.patch**2
        source, target = pixel_bytes(c.sources, dtype), pixel_bytes(filters, dtype)
        inputs, products = odd_lines(tiles * source), odd_lines(tiles * target)
        weights = odd_lines(b.channels * filters * size)
        planes = Planes("inputs", c.sources, c.source_plane, paddings(c), v.reads, v.step)
        copies = planes.buffer_bytes(b.strips, dtype), odd_lines(b.strips.tiles * v.tile**2 * target)
        taps, bias = odd_lines(v.taps**2 * lanes * lanes * size), odd_lines(b.panels * panel * size)
        all_inputs, all_weights = positions * inputs, v.weight_positions * weights
        shared, private = (all_inputs, all_weights) if b.few else (all_weights, all_inputs)
        private += max(*copies, taps) + positions * products
        numbers = (
            simd.outer_product(b.height, b.width, dtype), b.height, panel, b.panels, size, c.sources, b.channels,
            v.patch, b.group, b.strips.number, source, target, inputs, products, all_weights,
            bias, shared + bias, private, max(*copies, taps),
        )  # fmt: skip
        shift = np.arange(b.width) * lanes * size
        table = np.stack([shift, shift, np.full(b.width, lanes)]).astype(np.int64)
        self.layout = pack_layout(
            numbers, planes.table(v, b.strips, (source, lanes * size, inputs), dtype),
            output_table(v, c, b.strips, dtype, target, products, relu),
            filter_table(v, c, dtype, panel, weights, biased), v.weight_table(weights), table, np.zeros(2, np.int64),
        )  # fmt: skip
        workers = (GATHER_ALL, CONVOLVE_PANELS) if b.few else (TRANSFORM_WEIGHTS, CONVOLVE_BLOCKS)
        self.stages = stage_list(*((worker, 0, threads) for worker in workers))
        self.work, self.dtype = (shared + bias + threads * private) // size, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def paddings(c: Correlation) -> Pair:
    """Return the zeros above and to the left of what the first tile reads; negative: what it skips."""
    rows, columns = walk(c)
    if c.backward and c.rows.stride == 2:  # target 0 reads source (padding - 1) / 2 through the middle tap
        return -((c.rows.padding - 1) // 2), -((c.columns.padding - 1) // 2)
    return rows.padding, columns.padding


def transform_weights(_x, w, bias, _y, work, layout, _step, t, chunks):
    """Transform chunk t of the panels to (position, panel, channel, filter)."""
    (_, _, panel, panels, size, sources, _, _, _, _, _, _, _, _, weights, _, shared, private, _, _, _,
     filters) = load_integers(layout, 22)  # fmt: skip
    taps, biases = work + shared + t * private, work + weights
    for u in range(panels * t // chunks, panels * (t + 1) // chunks):
        k = u * panel
        transform_filters(w, layout + filters, k, panel, 0, sources, taps, work + k * sources * size)
        pad_bias(bias, layout + filters, k, panel, biases)


def convolve_blocks(x, _w, _bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the blocks of strips."""
    (leaf, height, panel, panels, size, sources, _, patch, group, strips, source, target, inputs_size,
     products_size, weights, _, shared, private, copies, gather, outputs, _, places, table,
     segment) = load_integers(layout, 25)  # fmt: skip
    buffer, bias = work + shared + t * private, work + weights
    inputs = buffer + copies
    products = inputs + patch * patch * inputs_size
    blocks = (strips + group - 1) // group
    for block in range(blocks * t // chunks, blocks * (t + 1) // chunks):
        first, last = block * group, min((block + 1) * group, strips)
        tiles = 0
        for strip in range(first, last):
            tiles += gather_tiles(x, layout + gather, strip, buffer, inputs + tiles * source)
        for p in range(patch * patch):
            (place,) = load_integers(layout + places + 8 * p, 1)
            for k in range(panels):
                for q in range(0, tiles, height):
                    call(
                        leaf, inputs + p * inputs_size + q * source, source, size,
                        work + place + k * sources * panel * size, panel * size, layout + segment, 1, sources,
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
     weights_size, _, shared, private, copies, gather, outputs, filters, places, table,
     segment) = load_integers(layout, 25)  # fmt: skip
    buffer, biases = work + shared + t * private, work + patch * patch * inputs
    weights = buffer + copies
    products = weights + weights_size
    tiles = first_tile(strips, layout + gather)
    for u in range(panels * t // chunks, panels * (t + 1) // chunks):
        k = u * panel
        pad_bias(bias, layout + filters, k, panel, biases)
        for c in range(0, sources, channels):
            count = min(channels, sources - c)
            transform_filters(w, layout + filters, k, panel, c, count, buffer, weights)
            for p in range(patch * patch):
                (place,) = load_integers(layout + places + 8 * p, 1)
                for q in range(0, tiles, height):
                    call(
                        leaf, work + p * inputs + q * source + c * size, source, size, weights + place,
                        panel * size, layout + segment, 1, count, layout + table, 0,
                        products + p * products_size + q * target, target, 1 if c > 0 else 0, 0, 0, tiles - q,
                    )  # fmt: skip
        tile = 0
        for strip in range(strips):
            tile += scatter_tiles(products + tile * target, layout + outputs, strip, k, panel, biases, buffer, y)


TRANSFORM_WEIGHTS, CONVOLVE_BLOCKS = Worker(transform_weights), Worker(convolve_blocks)
GATHER_ALL, CONVOLVE_PANELS = Worker(gather_all), Worker(convolve_panels)
