"""Winograd's gradient of the weight: dg = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.

Tiles are gathered from x and from grad; then each of the n^2 positions is a matrix product, channels by tiles times
tiles by filters.  Where all transformed tiles fit the last-level cache, a block of channels and a panel of filters
is multiplied and transformed back at once, and its sums stay in the second-level cache.  Otherwise tiles come in
rounds, and each adds to sums in memory, which the last stage transforms.  Every sum is formed by one thread, in one
order, whatever their number.
"""

from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import ConvGeometry
from ops.kernels.jit import kernel
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles
from ops.kernels.winograd import (
    VARIANTS,
    Planes,
    Strips,
    Variant,
    copy_cycles,
    cut,
    first_tile,
    gather_tiles,
    odd_lines,
    pixel_bytes,
    transform_cycles,
)

STRIP_TILES = 48
"""Tiles that are copied and transformed in one go."""

ROUND_BYTES = 2 * 2**20, 24 * 2**20
"""Transformed tiles of one round, at least and at most: between these they take somewhat more than the sums, which
every round reads and writes."""

SUM_BYTES = 640 * 1024
"""Sums of a block of channels and a panel of filters: they stay in the second-level cache."""

BLOCKS_PER_THREAD = 4
"""Blocks of sums, at least: where the division leaves one over, it is small."""


def supports(g: ConvGeometry) -> bool:
    """Whether g has 3 x 3 filters at stride and dilation 1, in one group."""
    return (
        g.groups == 1
        and min(g.N, g.C, g.K, g.OH, g.OW) > 0
        and all((a.taps, a.stride, a.dilation) == (3, 1, 1) for a in (g.rows, g.columns))
    )


class Blocking(NamedTuple):
    """How the work is cut."""

    strips: Strips
    rounds: int
    per_round: int
    height: int
    width: int
    panels: int
    """Panels of `width` vectors of filters."""
    channels: int
    """Channels of one block of sums."""
    blocks: int


def blocking(v: Variant, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> Blocking:
    """Choose rounds, blocks (several for every thread) and the register tile."""
    lanes = simd.lanes(dtype)
    vectors = -(-g.K // lanes)
    strips = cut((g.OH, g.OW), v.tile, g.N, STRIP_TILES)
    height, width = choose_tile(g.C, -(-vectors // threads), lanes)
    tile_bytes = v.patch**2 * (-(-g.C // lanes) + vectors) * lanes * dtype.itemsize
    least, most = ROUND_BYTES
    fitting = min(most, max(least, 5 * v.patch**2 * g.C * g.K * dtype.itemsize // 4))
    rounds = -(-g.N * strips.tiles_h * strips.tiles_w * tile_bytes // fitting)
    per_round = -(-strips.number // rounds)
    rounds = -(-strips.number // per_round)
    channels, panels = g.C, -(-vectors // width)
    if rounds == 1:
        channels = max(1, SUM_BYTES // (v.patch**2 * width * lanes * dtype.itemsize) // lanes) * lanes
        if threads > 1:
            channels = min(channels, -(-g.C // (-(-BLOCKS_PER_THREAD * threads // panels) * lanes)) * lanes)
    return Blocking(strips, rounds, per_round, height, width, panels, channels, -(-g.C // channels))


def cycles(tile: int, g: ConvGeometry, dtype: np.dtype[Any]) -> float:
    """Estimate the cycles of one thread."""
    v, lanes = VARIANTS[tile], simd.lanes(dtype)
    b = blocking(v, g, dtype, 1)
    tiles, vectors = g.N * b.strips.tiles_h * b.strips.tiles_w, -(-g.K // lanes)
    products = v.patch**2 * tiles * tile_cycles(g.C, vectors, (b.height, b.width))
    calls = v.patch**2 * -(-g.C // b.height) * b.panels * b.rounds
    return (
        products
        + CALL_CYCLES * calls
        + transform_cycles(v, tiles, g.C, g.K, lanes)
        + copy_cycles(g.N, (g.C, (g.H, g.W)), (g.K, (g.OH, g.OW)), lanes)
    )


class WinogradWeightsPlan:
    """Tables and layout of one shape."""

    def __init__(self, tile: int, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> None:
        v = VARIANTS[tile]
        b = blocking(v, g, dtype, threads)
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        panel, one, vector = b.width * lanes, b.rounds == 1, lanes * size
        # Tiles lie in the order they are summed in: (position, vector of channels, tile, lane).
        tiles, positions = odd_lines(b.per_round * b.strips.tiles * vector), v.patch**2
        sources, targets = odd_lines(-(-g.C // lanes) * tiles), odd_lines(b.panels * b.width * tiles)
        pitch = panel * size if one else pixel_bytes(b.panels * panel, dtype)
        sums = odd_lines(b.channels * pitch)
        x = Planes("inputs", g.C, (g.H, g.W), g.padding, v.patch)
        grad = Planes("output_gradients", g.K, (g.OH, g.OW), (0, 0), tile)
        buffer = max(
            odd_lines(9 * lanes * lanes * size), *(side.buffer_bytes(v, b.strips, dtype) for side in (x, grad))
        )
        shared, private = positions * (sources + targets), buffer + positions * sums
        if not one:
            shared, private = shared + positions * sums, buffer
        numbers = (
            simd.outer_product(b.height, b.width, dtype), v.transform("weight_gradients", dtype), simd.transpose(dtype),
            b.height, panel, lanes, size, g.C, g.K, v.patch, b.panels, tiles, sources, targets, sums, pitch, shared,
            private, buffer, b.strips.number, b.per_round, b.channels, b.blocks,
        )  # fmt: skip
        shift = np.arange(b.width) * lanes * size
        table = np.stack([np.arange(b.width) * tiles, shift, np.full(b.width, lanes)]).astype(np.int64)
        self.layout = pack_layout(
            numbers, x.table(v, b.strips, (vector, tiles, sources), dtype),
            grad.table(v, b.strips, (vector, tiles, targets), dtype), table, np.zeros(2, np.int64),
        )  # fmt: skip
        stages = [(GATHER_ROUND, 0, threads), (MULTIPLY_BLOCKS, 0, threads)]
        if not one:
            stages = [(worker, i, threads) for i in range(b.rounds) for worker in (GATHER_ROUND, MULTIPLY_ROUND)]
            stages.append((FINISH, 0, threads))
        self.stages = stage_list(*stages)
        self.work, self.dtype = (shared + threads * private) // size, dtype

    def __call__(self, grad: Array, x: Array, dw: Array) -> None:
        """Compute dw."""
        run_stages(grad, x, dw, dw, scratch(self.work, self.dtype), self.layout, self.stages)


def gather_round(grad, x, _dw, _, work, layout, step, t, chunks):
    """Gather chunk t of the strips of round `step`, of x and of grad."""
    (_, _, _, _, _, lanes, size, _, _, patch, _, _, sources, _, _, _, shared, private, _, strips, per_round, _, _, of_x,
     of_grad) = load_integers(layout, 25)  # fmt: skip
    gradients, buffer, vector = work + patch * patch * sources, work + shared + t * private, lanes * size
    start = step * per_round
    count, begin = min(per_round, strips - start), first_tile(start, layout + of_x)
    for u in range(2 * count * t // chunks, 2 * count * (t + 1) // chunks):
        strip = start + u // 2
        tile = (first_tile(strip, layout + of_x) - begin) * vector
        if u % 2:
            gather_tiles(x, layout + of_x, strip, buffer, work + tile)
        else:
            gather_tiles(grad, layout + of_grad, strip, buffer, gradients + tile)


def multiply_round(_grad, _x, _dw, _, work, layout, step, t, chunks):
    """Add the products of round `step` to the sums of chunk t of the positions and panels."""
    (_, _, _, _, panel, _, size, C, _, patch, panels, _, sources, targets, sums, _, _, _, _, strips, per_round, _, _,
     of_x) = load_integers(layout, 24)  # fmt: skip
    positions = patch * patch
    total = work + positions * (sources + targets)
    start = step * per_round
    tiles = first_tile(min(start + per_round, strips), layout + of_x) - first_tile(start, layout + of_x)
    for u in range(positions * panels * t // chunks, positions * panels * (t + 1) // chunks):
        p, k = u // panels, u % panels
        multiply(work, layout, p, k, 0, C, tiles, total + p * sums + k * panel * size, 1 if step > 0 else 0)


def multiply_blocks(_grad, _x, dw, _, work, layout, _step, t, chunks):
    """Compute dw of chunk t of the blocks of channels and panels of filters."""
    (_, _, _, _, panel, _, _, C, _, patch, panels, _, _, _, sums, _, shared, private, buffer, strips, _, channels,
     blocks, of_x) = load_integers(layout, 24)  # fmt: skip
    taps = work + shared + t * private
    total, tiles = taps + buffer, first_tile(strips, layout + of_x)
    for u in range(blocks * panels * t // chunks, blocks * panels * (t + 1) // chunks):
        k, c = u // blocks, u % blocks * channels
        count = min(channels, C - c)
        for p in range(patch * patch):
            multiply(work, layout, p, k, c, count, tiles, total + p * sums, 0)
        finish_filters(total, layout, k * panel, panel, c, count, taps, dw)


@kernel
def multiply(work, layout, p, k, channel, count, tiles, total, mode):
    """Form the sums over tiles at position p, of panel k of the filters and `count` channels."""
    (leaf, _, _, height, panel, lanes, size, _, _, patch, _, step, sources, targets, _, pitch, _, _, _, _, _, _, _, _,
     _, table, segment) = load_integers(layout, 27)  # fmt: skip
    gradients = work + patch * patch * sources + p * targets + k * (panel // lanes) * step
    for c in range(0, count, height):
        inputs = work + p * sources + (channel + c) // lanes * step + (channel + c) % lanes * size
        call(
            leaf, inputs, size, lanes * size, gradients, lanes * size, layout + segment, 1, tiles, layout + table, 0,
            total + c * pitch, pitch, mode, 0, 0, count - c,
        )  # fmt: skip


def finish(_grad, _x, dw, _, work, layout, _step, t, chunks):
    """Transform the sums of chunk t of the panels."""
    (_, _, _, _, panel, _, size, C, _, patch, panels, _, sources, targets, _, _, shared,
     private) = load_integers(layout, 18)  # fmt: skip
    total = work + patch * patch * (sources + targets)
    for u in range(panels * t // chunks, panels * (t + 1) // chunks):
        finish_filters(total + u * panel * size, layout, u * panel, panel, 0, C, work + shared + t * private, dw)


@kernel
def finish_filters(total, layout, first, count, channel, channels, taps, dw):
    """Transform the sums of some filters and channels to dw (K, C, 3, 3)."""
    (_, leaf, transpose, _, _, lanes, size, C, K, patch, _, _, _, _, sums, pitch) = load_integers(layout, 16)
    vector, filters = lanes * size, 9 * C * size
    for k in range(0, min(count, K - first), lanes):
        for c in range(0, channels, lanes):
            number = min(lanes, channels - c)
            call(
                leaf, total + c * pitch + k * size, patch * sums, sums, taps, 3 * vector, vector, number, pitch,
                9 * vector,
            )  # fmt: skip
            for q in range(0, 9 * number, lanes):
                call(
                    transpose, taps + q * vector, vector, 9 * number - q, K - first - k,
                    dw + (first + k) * filters + (9 * (channel + c) + q) * size, filters, 9 * number - q,
                )  # fmt: skip


GATHER_ROUND, MULTIPLY_ROUND = Worker(gather_round), Worker(multiply_round)
MULTIPLY_BLOCKS, FINISH = Worker(multiply_blocks), Worker(finish)
