"""Convolution with 1 x 1 filters at stride 1: planes are read, and results written, where they lie.

y = w x, where the columns of x are pixels.  A block of them, planes of a few images or a range of larger ones, meets
the weights, packed by rows of the register tile; it stays in the second-level cache meanwhile, into which the next
block is fetched from memory, a few lines per step.  The vectors of a tile may belong to several images.  Pixels that
fill no vector, the last of each plane, are collected from several images, and their results are put in place.

Measured, float32, one Zen 4 core (at most 114 GFLOP/s; in brackets PyTorch's best layout):
MEASURED
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.conv_flattened import PACK_WEIGHTS
from ops.kernels.conv_pointwise import PACK_CYCLES, Rows, copy_pixels, place_tables
from ops.kernels.correlation import Correlation
from ops.kernels.jit import kernel
from ops.kernels.placement import place_rows
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, tile_cycles, unevenness

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
    """Whole vectors of a plane."""
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
    tail_width: int
    """A tile has `height` filters and `width` vectors of pixels, or so many of collected ones."""


def cut(c: Correlation, lanes: int) -> Cut:
    """Cut the pixels of c."""
    size = simd.vector_bytes() // lanes
    vectors, rest = divmod(math.prod(c.target_plane), lanes)
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
    tails = -(-c.N // p.together), p.collected, p.tail_width
    total = PACK_CYCLES[c.backward] * c.group_stride
    for count, vectors, width in (blocks, tails):
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
        panels, units = -(-c.targets // p.height), -(-c.N // p.together) * c.groups
        shares = threads if unevenness(panels, threads) < unevenness(units, threads) else 1
        panel = p.height * c.sources + (p.height + lanes) // lanes * lanes
        packed = c.groups * panels * panel
        row = (-(-p.collected // p.tail_width) * p.tail_width + 1 | 1) * lanes  # odd: spread over the cache's sets
        buffer = p.height * p.tail_width * lanes
        work = c.sources * row + buffer if p.rest else 0
        images = tuple(c.groups * channels * pixels * size for channels in (c.sources, c.targets))
        ranges = p.block < p.vectors  # of one plane; of these a row per channel is fetched, planes are one row in all
        next_row = p.block * vector if ranges else p.images * c.sources * pixels * size
        fetched_lines = -(-p.width * shares // panels)  # per step
        pieces = 1 + -(-(lanes - 1) // max(1, p.rest))
        numbers = (
            simd.outer_product(p.height, p.width, dtype, prefetch="c" + "n" * fetched_lines),
            simd.outer_product(p.height, p.tail_width, dtype),
            simd.copy_panel(-(-p.height // lanes), dtype) if c.backward else simd.transpose(dtype),
            *(p.height, p.width, lanes, c.N, c.groups, c.sources, c.targets, 1, int(c.backward), size, panel * size),
            *(pixels * size, *images, packed * size, 2 if biased else 0, int(relu)),
            *(p.vectors, p.images, p.block, p.together, shares, p.rest, work * size),
            *(next_row, next_row * (c.sources if ranges else 1), fetched_lines),
            *(simd.copy_panel(1, dtype, prefetch=True), place_rows(pieces, 1, dtype), p.tail_width),
            *(row * size, buffer * size, 16 * pieces),
        )
        last = (1, p.vectors % p.block or p.block) if ranges else (c.N % p.images or p.images, p.vectors)
        tables = (
            np.zeros(2, np.int64),
            *(tile_tables(*each, p.width, images, dtype) for each in ((p.images, p.block), last)),
            tile_tables(1, p.tail_width, p.tail_width, (0, 0), dtype),
            *(rest_places(c, n, row // lanes, pieces, lanes, size) for n in (p.together, c.N % p.together)),
        )
        self.layout = pack_layout(numbers, *tables)
        self.stages = stage_list((PACK_WEIGHTS, 0, threads), (MULTIPLY_PLANES, 0, threads))
        self.work, self.dtype = packed + threads * work, dtype

    def __call__(self, x: Array, w: Array, bias: Array | None, y: Array) -> None:
        """Compute y from x, or dx from the gradient."""
        work = scratch(self.work, self.dtype)
        run_stages(x, w, y if bias is None else bias.reshape(1, -1, 1, 1), y, work, self.layout, self.stages)


def rest_places(c: Correlation, images: int, vectors: int, pieces: int, lanes: int, size: int) -> Int64:
    """Return where collected pixels of some images go, from where the first one's go; see `place_rows`."""
    pixels = math.prod(c.target_plane)
    rows = Rows(1, pixels % lanes or lanes, (1, 1), (1, pixels))
    return place_tables(c, rows, images, vectors, pieces, lanes, size)


def tile_tables(images: int, vectors: int, width: int, distances: tuple[int, ...], dtype: np.dtype[Any]) -> Int64:
    """Return how the vectors of some images, at distances in the source and the target, form tiles.

    The result is int64[tiles, 3, width], see `outer_product`; vectors that do not exist have no valid lane.
    """
    image, vector = (a.reshape(-1) for a in np.mgrid[:images, :vectors])
    starts = [image * distance + vector * simd.vector_bytes() for distance in distances]
    table = np.stack([*starts, np.full(image.size, simd.lanes(dtype))])
    table = np.pad(table, ((0, 0), (0, -image.size % width)))
    return np.ascontiguousarray(table.reshape(3, -1, width).swapaxes(0, 1), np.int64)


def multiply_planes(x, _w, bias, y, work, layout, _step, t, chunks):
    """Compute chunk t of the units, groups of images and of channels, or of the filters for all units."""
    height, _, lanes, N, groups, sources, targets = load_integers(layout + 24, 7)
    (size, _, plane, source_image, target_image, packed, _, _, vectors, images, block, together, shares, rest,
     work_size) = load_integers(layout + 96, 15)  # fmt: skip
    panels, units = (targets + height - 1) // height, (N + together - 1) // together * groups
    vector = lanes * size
    for u in range(units * shares * t // chunks, units * shares * (t + 1) // chunks):
        share, n, g = u // units, u % units // groups * together, u % groups
        first, stop = panels * share // shares, panels * (share + 1) // shares
        source = x + n * source_image + g * sources * plane
        target, count = y + n * target_image + g * targets * plane, min(together, N - n)
        for i in range(0, count, images):
            for v in range(0, vectors, block):
                present = min(images, count - i) * min(block, vectors - v)
                following = block * vector if v + block < vectors else images * source_image - v * vector
                multiply_block(
                    source + i * source_image + v * vector, target + i * target_image + v * vector, bias, work, layout,
                    g, first, stop, present, int(present == images * block), following,
                )  # fmt: skip
        if rest != 0:
            multiply_rest(
                source + vectors * vector, target + vectors * vector, bias, work, work + packed + t * work_size, layout,
                g, first, stop, count, int(count == together),
            )  # fmt: skip


@kernel
def multiply_block(source, target, bias, work, layout, g, first, stop, vectors, is_whole, following):
    """Compute panels first <= k < stop of the results of a block, while that `following` bytes on is fetched."""
    (leaf, _, _, height, width, _, _, _, sources, targets, _, _, size, panel_size, plane, _, _, _, mode, relu) = (
        load_integers(layout, 20)
    )  # fmt: skip
    next_row, amount, lines = load_integers(layout + 8 * 27, 3)
    segment, whole, last = load_integers(layout + 8 * 36, 3)
    tables, tiles = layout + (whole if is_whole != 0 else last), (vectors + width - 1) // width
    steps = max(1, (stop - first) * tiles * sources * lines)
    fetch_step, done = (amount + steps - 1) // steps, 0
    panels = (targets + height - 1) // height
    for k in range(first, stop):
        rows = min(height, targets - k * height)
        for i in range(tiles):
            call(
                leaf, work + (g * panels + k) * panel_size, size, height * size, source, plane, layout + segment, 1,
                sources, tables + 24 * width * i, 2 if (i + 1) * width > vectors else 0, target + k * height * plane,
                plane, mode, bias + (g * targets + k * height) * size, relu, rows,
                source + following + done // next_row * plane, done % next_row, fetch_step, plane, next_row,
            )  # fmt: skip
            done += fetch_step * lines * sources


@kernel
def multiply_rest(source, target, bias, work, collected, layout, g, first, stop, images, is_whole):
    """Compute panels first <= k < stop of the results of the last pixels of some images."""
    (_, leaf, _, height, _, lanes, _, _, sources, targets, _, _, size, panel_size, plane, source_image, _, _, mode,
     relu) = load_integers(layout, 20)  # fmt: skip
    rest, work_size, _, _, _, copier, place, width, row, buffer_size, place_size = load_integers(layout + 8 * 25, 11)
    segment, _, _, table, places, last_places = load_integers(layout + 8 * 36, 6)
    copy_pixels(
        copier, lanes, source, source_image, plane, sources, 0, images * rest, rest, 1, rest, 0, size, collected, row,
        size,
    )  # fmt: skip
    buffer, vector, panels = collected + work_size - buffer_size, lanes * size, (targets + height - 1) // height
    place_at = layout + (places if is_whole != 0 else last_places)
    for k in range(first, stop):
        rows = min(height, targets - k * height)
        for v in range(0, (images * rest + lanes - 1) // lanes, width):
            call(
                leaf, work + (g * panels + k) * panel_size, size, height * size, collected + v * vector, row,
                layout + segment, 1, sources, layout + table, 0, buffer, width * vector, mode,
                bias + (g * targets + k * height) * size, relu, rows,
            )  # fmt: skip
            call(
                place, buffer, width * vector, 0, rows, width, target + k * height * plane, plane,
                place_at + v * place_size,
            )  # fmt: skip


MULTIPLY_PLANES = Worker(multiply_planes)
