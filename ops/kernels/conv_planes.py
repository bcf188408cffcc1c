"""Convolution with 1 x 1 filters at stride 1: planes are read, and results written, where they lie.

y = w x, where the columns of x are pixels.  A block of them, planes of a few images or a range of larger ones, meets
the weights, packed by rows of the register tile unless they meet few pixels only; it stays in the second-level cache
meanwhile, into which the next block is fetched from memory, a few lines per step.  The vectors of a tile may belong to
several images.  Pixels that fill no vector, the last of each plane, are collected from several images, and their
results are put in place.

Measured, float32, one Zen 4 core (at most 114 GFLOP/s; in brackets PyTorch's best layout), 32 images: of 960 x 7 x 7 to
160 channels 104 (102), of 576 x 14 x 14 to 96 102 (99), of 256 x 14 x 14 to 1024 105 (106), of 192 x 28 x 28 to 32 97
(57), of 64 x 56 x 56 to 64 100 (93), of 32 x 112 x 112 to 16, whose time is memory's, 73 (37).
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.conv_pointwise import Rows, copy_pixels, place_tables
from ops.kernels.correlation import Correlation
from ops.kernels.jit import kernel
from ops.kernels.placement import place_rows
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles, unevenness
from ops.kernels.weight_panels import PACK_WEIGHTS, packing_cycles, panel_packer, pointwise_panels

FEWEST_BYTES, MOST_BYTES = 64 * 1024, 256 * 1024
"""A block has about as many bytes as the weights, all of which it meets; within these bounds."""

COLLECT_CYCLES, PLACE_CYCLES = 6.0, 6.0
"""Cycles per plane whose last pixels are collected, and per plane and pixel that is put in place."""


def supports(c: Correlation, lanes: int) -> bool:
    """Whether c has 1 x 1 filters at stride 1, without padding, and planes of at least a vector."""
    return (
        c.taps == 1
        and min(c.N, c.sources, c.targets) > 0
        and all((axis.padding, axis.stride) == (0, 1) and axis.outputs == axis.size for axis in (c.rows, c.columns))
        and math.prod(c.target_plane) >= lanes
    )


class Cut(NamedTuple):
    """How the pixels of all images are cut into blocks, and these into tiles."""

    vectors: int
    """Vectors of a plane that are read in place; of a single image also the last one, which may not be whole."""
    rest: int
    """Pixels of a plane that remain."""
    images: int
    """Images of a block."""
    block: int
    """Vectors of each; less than a plane's only if the block has one image."""
    together: int
    """Images whose remaining pixels are collected, a multiple of `images`."""
    collected: int
    """Vectors that these fill."""
    height: int
    width: int
    rest_width: int
    """A tile has `height` filters and `width` vectors of pixels, or so many of collected ones."""


def cut(c: Correlation, lanes: int) -> Cut:
    """Cut the pixels of c."""
    size = simd.vector_bytes() // lanes
    vectors, rest = divmod(math.prod(c.target_plane), lanes)
    if c.N == 1:
        vectors, rest = vectors + (rest > 0), 0
    near = min(max(FEWEST_BYTES, c.sources * c.targets * size), MOST_BYTES) // (c.sources * lanes * size)
    images = min(c.N, max(1, near // vectors)) if c.groups == 1 else 1
    together = images
    if rest:
        together = lanes // math.gcd(lanes, rest)
        images = 1 << min(images, together).bit_length() - 1  # a power of two, as `together` is
    height, width = choose_tile(c.targets, images * vectors)
    blocks = -(-vectors // max(width, near))
    block = vectors if blocks == 1 else -(-vectors // (blocks * width)) * width
    collected = -(-together * rest // lanes)
    return Cut(vectors, rest, images, block, together, collected, height, width, min(2, max(1, collected)))


def cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles of one thread."""
    p = cut(c, lanes)
    blocks = -(-c.N // p.images), p.images * p.vectors, p.width
    rests = -(-c.N // p.together), p.collected, p.rest_width
    total = packing_cycles(c, lanes)
    for count, vectors, width in (blocks, rests):
        total += count * c.sources * tile_cycles(c.targets, vectors, (p.height, width))
        total += count * CALL_CYCLES * -(-c.targets // p.height) * -(-vectors // width)
    if p.rest:
        total += c.N * (COLLECT_CYCLES * c.sources + PLACE_CYCLES * c.targets * p.rest)
    return c.groups * total


class PlanesPlan:
    """Tables and layout of one shape."""

    def __init__(
        self, c: Correlation, dtype: np.dtype[Any], threads: int, *, biased: bool = False, relu: bool = False
    ) -> None:
        size, lanes, pixels = dtype.itemsize, simd.lanes(dtype), math.prod(c.target_plane)
        p, vector = cut(c, lanes), simd.vector_bytes()
        weights = pointwise_panels(c, p.height, lanes)
        panels, units = -(-c.targets // p.height), -(-c.N // p.together) * c.groups
        shares = threads if unevenness(panels, threads) < unevenness(units, threads) else 1
        row = (-(-p.collected // p.rest_width) * p.rest_width + 1 | 1) * lanes  # odd: spread over the cache's sets
        buffer = p.height * p.rest_width * lanes
        work = c.sources * row + buffer if p.rest else 0
        images = tuple(c.groups * channels * pixels * size for channels in (c.sources, c.targets))
        ranges = p.block < p.vectors  # of one plane; of these a row per channel is fetched, planes are one row in all
        next_row = p.block * vector if ranges else p.images * c.sources * pixels * size
        fetched_lines = -(-p.width * shares // panels)  # per step
        pieces = 1 + -(-(lanes - 1) // max(1, p.rest))
        blocks = block_tables(p, pixels, c.N, images, dtype)
        fetched = "c" + weights.prefetch + "n" * fetched_lines
        numbers = (
            simd.outer_product(p.height, p.width, dtype, prefetch=fetched),
            simd.outer_product(p.height, p.rest_width, dtype),
            panel_packer(c, p.height, dtype),
            *(p.height, p.width, lanes, c.N, c.groups, c.sources, c.targets, 1, int(c.backward)),  # from number 3 on
            *(size, weights.panel * size),  # 12
            *(pixels * size, *images, weights.packed * size, 2 if biased else 0, int(relu)),  # 14
            *(p.vectors, p.images, p.block, p.together, shares, p.rest, work * size),  # 20
            *(next_row, next_row * (c.sources if ranges else 1), fetched_lines),  # 27
            *(simd.copy_panel(1, dtype, prefetch=True), place_rows(pieces, 1, dtype), p.rest_width),  # 30
            *(row * size, buffer * size, 16 * pieces, *(size * distance for distance in weights[:4])),  # 33
            *(n for table in blocks for n in (len(table), int((table[:, 2] == lanes).all(axis=1).sum()))),  # 40
        )
        collected = tile_table(p.rest_width * lanes, 1, p.rest_width, (0, 0), dtype)
        places = (rest_places(c, n, row // lanes, pieces, lanes, size) for n in (p.together, c.N % p.together))
        self.layout = pack_layout(numbers, np.zeros(2, np.int64), *blocks, collected, *places)
        multiply = (MULTIPLY_PLANES, 0, threads)
        self.stages = stage_list((PACK_WEIGHTS, 0, threads), multiply) if weights.packed else stage_list(multiply)
        self.work, self.dtype = weights.packed + threads * work, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def rest_places(c: Correlation, images: int, vectors: int, pieces: int, lanes: int, size: int) -> Int64:
    """Return where collected pixels of some images go, from where the first one's go; see `place_rows`."""
    pixels = math.prod(c.target_plane)
    rows = Rows(1, pixels % lanes or lanes, (1, 1), (1, pixels))
    return place_tables(c, rows, images, vectors, pieces, lanes, size)


def block_tables(p: Cut, pixels: int, N: int, distances: tuple[int, ...], dtype: np.dtype[Any]) -> list[Int64]:
    """Return the tiles of a block, and of the last one, which may have fewer pixels or images."""
    lanes = simd.lanes(dtype)
    in_place = pixels - p.rest
    if p.block < p.vectors:
        last = in_place - (p.vectors - 1) // p.block * p.block * lanes
        return [tile_table(count, 1, p.width, distances, dtype) for count in (p.block * lanes, last)]
    return [tile_table(in_place, images, p.width, distances, dtype) for images in (p.images, N % p.images)]


def tile_table(pixels: int, images: int, width: int, distances: tuple[int, ...], dtype: np.dtype[Any]) -> Int64:
    """Return how the pixels of some images, at distances in the source and the target, form tiles of vectors.

    The result is int64[tiles, 3, width], see `outer_product`; vectors that do not exist have no valid lane.
    """
    lanes = simd.lanes(dtype)
    image, first = (a.reshape(-1) for a in np.mgrid[:images, 0:pixels:lanes])
    starts = [image * distance + first * dtype.itemsize for distance in distances]
    table = np.stack([*starts, np.minimum(lanes, pixels - first)])
    table = np.pad(table, ((0, 0), (0, -image.size % width)))
    return np.ascontiguousarray(table.reshape(3, table.shape[1] // width, width).swapaxes(0, 1), np.int64)


def multiply_planes(x, w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the units, groups of images and of channels, or of the filters for all units."""
    height, _, lanes, N, groups, sources, targets = load_integers(layout + 8 * 3, 7)
    (size, _, plane, source_image, target_image, packed, _, _, vectors, images, block, together, shares, rest,
     work_size) = load_integers(layout + 8 * 12, 15)  # fmt: skip
    panel_step, group_step = load_integers(layout + 8 * 38, 2)
    panels, units = (targets + height - 1) // height, (N + together - 1) // together * groups
    vector, weights = lanes * size, work if packed != 0 else w
    for u in range(units * shares * t // chunks, units * shares * (t + 1) // chunks):
        share, n, g = u // units, u % units // groups * together, u % groups
        first, stop = panels * share // shares * height, min(targets, panels * (share + 1) // shares * height)
        panel = weights + g * group_step + first // height * panel_step
        source = x + n * source_image + g * sources * plane
        target, biases = y + n * target_image + (g * targets + first) * plane, bias + (g * targets + first) * size
        count = min(together, N - n)
        for i in range(0, count, images):
            for v in range(0, vectors, block):
                is_whole = v + block < vectors if block < vectors else i + images <= count
                following = block * vector if v + block < vectors else images * source_image - v * vector
                multiply_block(
                    source + i * source_image + v * vector, target + i * target_image + v * vector, panel, biases,
                    layout, stop - first, int(is_whole), following,
                )  # fmt: skip
        if rest != 0:
            multiply_rest(
                source + vectors * vector, target + vectors * vector, panel, biases, layout, stop - first, count,
                int(count == together), work + packed + t * work_size,
            )  # fmt: skip


@kernel
def multiply_block(source, target, weights, bias, layout, filters, is_whole, following):
    """Compute the results of some filters for a block, while that `following` bytes on is fetched."""
    leaf, _, _, height, width, _, _, _, sources = load_integers(layout, 9)
    size, _, plane, _, _, _, mode, relu = load_integers(layout + 8 * 12, 8)
    next_row, amount, lines = load_integers(layout + 8 * 27, 3)
    w_row, w_step, panel_step, _, _, _, tiles, filled, segment, whole, last = load_integers(layout + 8 * 36, 11)
    tables = layout + last
    if is_whole != 0:
        tables = layout + whole
        tiles, filled = load_integers(layout + 8 * 40, 2)
    steps = max(1, (filters + height - 1) // height * tiles * sources * lines)
    fetch_step, done = (amount + steps - 1) // steps, 0
    for k in range(0, filters, height):
        for i in range(tiles):
            call(
                leaf, weights + k // height * panel_step, w_row, w_step, source, plane, layout + segment, 1,
                sources, tables + 24 * width * i, 2 if i >= filled else 0, target + k * plane, plane, mode,
                bias + k * size, relu, min(height, filters - k), source + following + done // next_row * plane,
                done % next_row, fetch_step, plane, next_row,
            )  # fmt: skip
            done += fetch_step * lines * sources


@kernel
def multiply_rest(source, target, weights, bias, layout, filters, images, is_whole, collected):
    """Compute the results of some filters for the last pixels of some images."""
    _, leaf, _, height, _, lanes, _, _, sources = load_integers(layout, 9)
    size, _, plane, source_image, _, _, mode, relu = load_integers(layout + 8 * 12, 8)
    rest, work_size, _, _, _, copier, place, width, row, buffer_size, place_size = load_integers(layout + 8 * 25, 11)
    w_row, w_step, panel_step = load_integers(layout + 8 * 36, 3)
    segment, _, _, table, places, last_places = load_integers(layout + 8 * 44, 6)
    copy_pixels(
        copier, lanes, source, source_image, plane, sources, 0, images * rest, rest, 1, rest, 0, size, collected, row,
        size,
    )  # fmt: skip
    buffer, vector = collected + work_size - buffer_size, lanes * size
    place_at = layout + (places if is_whole != 0 else last_places)
    for k in range(0, filters, height):
        rows = min(height, filters - k)
        for v in range(0, (images * rest + lanes - 1) // lanes, width):
            call(
                leaf, weights + k // height * panel_step, w_row, w_step, collected + v * vector, row, layout + segment,
                1, sources, layout + table, 0, buffer, width * vector, mode, bias + k * size, relu, rows,
            )  # fmt: skip
            call(place, buffer, width * vector, 0, rows, width, target + k * plane, plane, place_at + v * place_size)


MULTIPLY_PLANES = Worker(multiply_planes)
