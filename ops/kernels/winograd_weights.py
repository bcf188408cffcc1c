"""Winograd's gradient of the weight: dg = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.

Tiles are gathered from x and from grad; then each of the n^2 positions is a matrix product, channels by tiles times
tiles by filters.  Two orders:

few tiles for the size of the weights: all are gathered first; then a block of channels and a panel of filters is
    multiplied and transformed back at once, and its sums stay in the second-level cache.
many tiles: every thread gathers its own in rounds that stay in the cache, and adds each round to sums of its own;
    then these are added, in the order of the threads, and transformed back.

Positions that multiply the same weight are summed together.

Measured as `winograd_correlation` was: 195 to 370 GFLOP/s, 2.1 to 7 times PyTorch's best layout; at stride 2 100
to 150, 1.0 to 2.0 times.
"""

from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import ConvGeometry
from ops.kernels.jit import kernel
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles
from ops.kernels.transforms import accumulate
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
from ops.kernels.winograd_steps import Planes, first_tile, gather_tiles

STRIP_TILES = 48
"""Tiles that are copied and transformed in one go."""

FEW_TILES = 2
"""Tiles are few if, transformed, they take up to so many times the room of the sums."""

ROUND_BYTES = 2 * 2**20, 24 * 2**20
"""Transformed tiles of one round, at least and at most: between these the threads' rounds take somewhat more than the
sums, which every round reads and writes."""

SUM_BYTES = 640 * 1024
"""Sums of a block of channels and a panel of filters: they stay in the second-level cache."""

BLOCKS_PER_THREAD = 4
"""Blocks of sums, at least: where the division leaves one over, it is small."""


def algorithm(tile: int, g: ConvGeometry) -> Variant | None:
    """Return the algorithm on tiles of this size if there is one for g: in one group, without dilation."""
    if g.groups > 1 or min(g.N, g.C, g.K, g.OH, g.OW) == 0:
        return None
    return find_variant(tile, g.rows, g.columns)


class Blocking(NamedTuple):
    """How the work is cut."""

    few: bool
    strips: Strips
    per_round: int
    """Strips gathered at once; all, if they are few."""
    height: int
    width: int
    panels: int
    """Panels of `width` vectors of filters."""
    channels: int
    """Channels of one block of sums."""
    blocks: int


def blocking(v: Variant, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> Blocking:
    """Choose the order, rounds, blocks (several for every thread) and the register tile."""
    lanes = simd.lanes(dtype)
    vectors = -(-g.K // lanes)
    strips = cut((g.OH, g.OW), v.tile, g.N, STRIP_TILES)
    height, width = choose_tile(g.C, -(-vectors // threads), lanes)
    panels, channels = -(-vectors // width), g.C
    tile_bytes = v.patch**2 * (-(-g.C // lanes) + vectors) * lanes * dtype.itemsize
    sum_bytes = v.weight_positions * g.C * g.K * dtype.itemsize
    if g.N * strips.tiles_h * strips.tiles_w * tile_bytes <= FEW_TILES * sum_bytes:
        channels = max(1, SUM_BYTES // (v.weight_positions * width * lanes * dtype.itemsize) // lanes) * lanes
        if threads > 1:
            channels = min(channels, -(-g.C // (-(-BLOCKS_PER_THREAD * threads // panels) * lanes)) * lanes)
        return Blocking(True, strips, strips.number, height, width, panels, channels, -(-g.C // channels))
    least, most = ROUND_BYTES
    per_round = min(most, max(least, 5 * sum_bytes // (4 * threads))) // (strips.tiles * tile_bytes)
    per_round = max(1, min(per_round, -(-strips.number // threads)))
    return Blocking(False, strips, per_round, height, width, panels, channels, 1)


def cycles(v: Variant, g: ConvGeometry, dtype: np.dtype[Any]) -> float:
    """Estimate the cycles of one thread."""
    lanes = simd.lanes(dtype)
    b = blocking(v, g, dtype, 1)
    tiles, vectors = g.N * b.strips.tiles_h * b.strips.tiles_w, -(-g.K // lanes)
    products = v.patch**2 * tiles * tile_cycles(g.C, vectors, (b.height, b.width))
    calls = v.weight_positions * -(-g.C // b.height) * b.panels * -(-b.strips.number // b.per_round)
    return (
        products
        + CALL_CYCLES * calls
        + transform_cycles(v, tiles, g.C, g.K, lanes)
        + copy_cycles(g.N, (g.C, (g.H, g.W)), (g.K, (g.OH, g.OW)), lanes)
    )


class WinogradWeightsPlan:
    """Tables and layout of one shape."""

    def __init__(self, tile: int, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> None:
        v = algorithm(tile, g)
        assert v is not None
        b = blocking(v, g, dtype, threads)
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        panel, vector = b.width * lanes, lanes * size
        # Tiles lie in the order they are summed in: (position, vector of channels, tile, lane).
        tiles, positions = odd_lines(b.per_round * b.strips.tiles * vector), v.patch**2
        sources, targets = odd_lines(-(-g.C // lanes) * tiles), odd_lines(b.panels * b.width * tiles)
        pitch = panel * size if b.few else pixel_bytes(b.panels * panel, dtype)
        sums = odd_lines(b.channels * pitch)
        x = Planes("inputs", g.C, (g.H, g.W), g.padding, v.reads, v.step)
        grad = Planes("output_gradients", g.K, (g.OH, g.OW), (0, 0), tile, tile)
        buffer = max(
            odd_lines(v.taps**2 * lanes * lanes * size), *(side.buffer_bytes(b.strips, dtype) for side in (x, grad))
        )
        gathered = positions * (sources + targets)
        shared, private = (gathered, 0) if b.few else (0, gathered)
        private += buffer + v.weight_positions * sums
        numbers = (
            simd.outer_product(b.height, b.width, dtype), v.transform("weight_gradients", dtype), simd.transpose(dtype),
            b.height, panel, lanes, size, g.C, g.K, positions * sources, b.panels, tiles, v.taps, len(v.weights), sums,
            pitch, shared, private, buffer, b.strips.number, b.per_round, b.channels, b.blocks, accumulate(dtype),
            threads,
        )  # fmt: skip
        shift = np.arange(b.width) * lanes * size
        table = np.stack([np.arange(b.width) * tiles, shift, np.full(b.width, lanes)]).astype(np.int64)
        self.layout = pack_layout(
            numbers, x.table(v, b.strips, (vector, tiles, sources), dtype),
            grad.table(v, b.strips, (vector, tiles, targets), dtype), table, *position_lists(v, sources, targets),
        )  # fmt: skip
        workers = (GATHER_ALL, MULTIPLY_BLOCKS) if b.few else (MULTIPLY_ROUNDS, ADD_SUMS, FINISH)
        self.stages = stage_list(*((worker, 0, threads) for worker in workers))
        self.work, self.dtype = (shared + threads * private) // size, dtype

    def __call__(self, grad: Array, x: Array, dw: Array) -> None:
        """Compute dw."""
        run_stages(grad, x, dw, dw, scratch(self.work, self.dtype), self.layout, self.stages)


def position_lists(v: Variant, sources: int, targets: int) -> tuple[Int64, Int64]:
    """Return (displacement in x, in grad) of all positions, those of a filter together, and (first, number) of each."""
    filters = v.weight_table(1)
    segments = np.argsort(filters, kind="stable")[:, None] * np.array([sources, targets])
    number = np.bincount(filters)
    return segments.astype(np.int64), np.stack([np.cumsum(number) - number, number], axis=1).astype(np.int64)


def gather_all(grad, x, _dw, _, work, layout, _step, t, chunks):
    """Gather chunk t of all strips, of x and of grad."""
    (_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, shared, private, _, strips) = load_integers(layout, 20)
    buffer = work + shared + t * private
    for u in range(2 * strips * t // chunks, 2 * strips * (t + 1) // chunks):
        gather(grad, x, layout, u // 2, u % 2, 0, buffer, work)


def multiply_blocks(_grad, _x, dw, _, work, layout, _step, t, chunks):
    """Compute dw of chunk t of the blocks of channels and panels of filters."""
    (_, _, _, _, panel, _, _, C, _, _, panels, _, _, side, sums, _, shared, private, buffer, strips, _, channels,
     blocks, _, _, of_x) = load_integers(layout, 26)  # fmt: skip
    taps = work + shared + t * private
    total, tiles = taps + buffer, first_tile(strips, layout + of_x)
    for u in range(blocks * panels * t // chunks, blocks * panels * (t + 1) // chunks):
        k, c = u // blocks, u % blocks * channels
        count = min(channels, C - c)
        for p in range(side * side):
            multiply(work, layout, p, k, c, count, tiles, total + p * sums, 0)
        finish_filters(total, layout, k * panel, panel, c, count, taps, dw)


def multiply_rounds(grad, x, _dw, _, work, layout, _step, t, chunks):
    """Form the sums over chunk t of the strips."""
    (_, _, _, _, panel, _, size, C, _, _, panels, _, _, side, sums, _, _, private, buffer_bytes, strips, per_round, _,
     _, _, _, of_x) = load_integers(layout, 26)  # fmt: skip
    total = work + t * private
    buffer = total + side * side * sums
    gathered = buffer + buffer_bytes
    begin, end = strips * t // chunks, strips * (t + 1) // chunks
    for first in range(begin, max(end, begin + 1), per_round):
        last, start = min(first + per_round, end), first_tile(first, layout + of_x)
        for strip in range(first, last):
            for of_input in range(2):
                gather(grad, x, layout, strip, of_input, start, buffer, gathered)
        tiles = first_tile(last, layout + of_x) - start
        for p in range(side * side):
            for k in range(panels):
                place = total + p * sums + k * panel * size
                multiply(gathered, layout, p, k, 0, C, tiles, place, 1 if first > begin else 0)


def add_sums(_grad, _x, _dw, _, work, layout, _step, t, chunks):
    """Add the sums of all threads at chunk t of the positions to the first thread's."""
    (_, _, _, _, _, lanes, size, _, _, _, _, _, _, side, sums, _, _, private, _, _, _, _, _, leaf,
     threads) = load_integers(layout, 25)  # fmt: skip
    first, last = side * side * t // chunks, side * side * (t + 1) // chunks
    for other in range(1, threads):
        at = work + first * sums
        call(leaf, at + other * private, at, (last - first) * sums // (lanes * size))


def finish(_grad, _x, dw, _, work, layout, _step, t, chunks):
    """Transform the sums of chunk t of the panels."""
    (_, _, _, _, panel, _, size, C, _, _, panels, _, _, side, sums, _, _, private) = load_integers(layout, 18)
    taps = work + t * private + side * side * sums
    for u in range(panels * t // chunks, panels * (t + 1) // chunks):
        finish_filters(work + u * panel * size, layout, u * panel, panel, 0, C, taps, dw)


@kernel
def gather(grad, x, layout, strip, of_input, start, buffer, target):
    """Gather a strip of x or of grad; tile `start` is the first one of the target."""
    (_, _, _, _, _, lanes, size, _, _, all_inputs, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, of_x,
     of_grad) = load_integers(layout, 27)  # fmt: skip
    place = target + (first_tile(strip, layout + of_x) - start) * lanes * size
    if of_input:
        gather_tiles(x, layout + of_x, strip, buffer, place)
    else:
        gather_tiles(grad, layout + of_grad, strip, buffer, place + all_inputs)


@kernel
def multiply(gathered, layout, p, k, channel, count, tiles, total, mode):
    """Form the sums over tiles at the positions of weight p, of panel k of the filters and `count` channels."""
    (leaf, _, _, height, panel, lanes, size, _, _, all_inputs, _, step, _, _, _, pitch, _, _, _, _, _, _, _, _,
     _, _, _, table, segments, ranges) = load_integers(layout, 30)  # fmt: skip
    first, positions = load_integers(layout + ranges + 16 * p, 2)
    gradients = gathered + all_inputs + k * (panel // lanes) * step
    for c in range(0, count, height):
        inputs = gathered + (channel + c) // lanes * step + (channel + c) % lanes * size
        call(
            leaf, inputs, size, lanes * size, gradients, lanes * size, layout + segments + 16 * first, positions, tiles,
            layout + table, 0, total + c * pitch, pitch, mode, 0, 0, count - c,
        )  # fmt: skip


@kernel
def finish_filters(total, layout, first, count, channel, channels, taps, dw):
    """Transform the sums of some filters and channels to dw (K, C, R, S)."""
    (_, leaf, transpose, _, _, lanes, size, C, K, _, _, _, R, side, sums, pitch) = load_integers(layout, 16)
    vector, square = lanes * size, R * R
    filters = square * C * size
    for k in range(0, min(count, K - first), lanes):
        for c in range(0, channels, lanes):
            number = min(lanes, channels - c)
            call(
                leaf, total + c * pitch + k * size, side * sums, sums, taps, R * vector, vector, number, pitch,
                square * vector,
            )  # fmt: skip
            for q in range(0, square * number, lanes):
                call(
                    transpose, taps + q * vector, vector, square * number - q, K - first - k,
                    dw + (first + k) * filters + (square * (channel + c) + q) * size, filters, square * number - q,
                )  # fmt: skip


GATHER_ALL, MULTIPLY_BLOCKS = Worker(gather_all), Worker(multiply_blocks)
MULTIPLY_ROUNDS, ADD_SUMS, FINISH = Worker(multiply_rounds), Worker(add_sums), Worker(finish)
