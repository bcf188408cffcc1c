"""The weights of a convolution as panels, of as many filters as a register tile has rows: packed, or read in place.

A packed panel holds (sources, taps, filters of the tile), in the order in which a tile reads them.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.correlation import Correlation
from ops.kernels.simd import Worker, call, load_integers

ROWS_PACKED = 16
"""Rows of weights packed together, so that few streams are read at once."""

FEW_VECTORS = 8
"""Vectors of pixels that meet 1 x 1 filters in place: packing these is not worth its time."""

PACK_CYCLES = 1.0, 0.5
"""Cycles per 1 x 1 filter's weight packed, forward and back."""

FAR_APART = 1024
"""Distance of consecutive weights, in elements, that the caches do not foresee: a page of memory."""


class Panels(NamedTuple):
    """Distances of weights, in elements."""

    row: int
    """From filter to filter of a tile."""
    step: int
    """From term to term of a sum."""
    panel: int
    group: int
    packed: int
    """Elements of all packed panels; 0: the weights are read where they lie."""
    prefetch: str
    """What of them `outer_product` fetches ahead."""


def packed_panels(c: Correlation, height: int, lanes: int) -> Panels:
    """Return the panels of packed weights, each with room for the vectors that are stored whole at its end."""
    panel = height * c.sources * c.taps + (height + lanes) // lanes * lanes
    group = -(-c.targets // height) * panel
    return Panels(1, height, panel, group, c.groups * group, "")


def pointwise_panels(c: Correlation, height: int, lanes: int) -> Panels:
    """Return the panels of 1 x 1 filters, in place if they are used little."""
    if packs_pointwise(c, lanes):
        return packed_panels(c, height, lanes)
    prefetch = "a" if c.source_stride >= FAR_APART else ""
    return Panels(c.target_stride, c.source_stride, height * c.target_stride, c.group_stride, 0, prefetch)


def packs_pointwise(c: Correlation, lanes: int) -> bool:
    """Whether 1 x 1 filters are packed: often used, or 4 KB apart, where they share lines of the first-level cache."""
    pixels = c.N * min(math.prod(c.source_plane), math.prod(c.target_plane))
    return pixels > FEW_VECTORS * lanes or (c.target_stride > 1 and c.target_stride % 1024 == 0)


def packing_cycles(c: Correlation, lanes: int) -> float:
    """Estimate the cycles to pack 1 x 1 filters of one group."""
    return PACK_CYCLES[c.backward] * c.group_stride if packs_pointwise(c, lanes) else 0.0


def panel_packer(c: Correlation, height: int, dtype: np.dtype[Any]) -> int:
    """Return the leaf that `pack_weights` calls."""
    side_by_side = c.backward and c.taps == 1
    return simd.copy_panel(-(-height // simd.lanes(dtype)), dtype) if side_by_side else simd.transpose(dtype)


def pack_weights(_x, w, _bias, _y, work, layout, _step, t, chunks):
    """Pack chunk t of the panels (groups, tiles of targets): the weights as (sources, taps, targets of a tile).

    Vectors are stored whole: what lies beyond the tile is overwritten by what belongs there, which comes later.
    """
    (_, _, packer, height, _, lanes, _, groups, sources, targets, taps, backward, size, panel_size) = (
        load_integers(layout, 14)
    )  # fmt: skip
    tiles = (targets + height - 1) // height
    row = taps if backward != 0 else sources * taps  # distance of targets
    block, blocks = (taps, sources) if backward != 0 else (sources * taps, 1)
    first, stop = groups * tiles * t // chunks, groups * tiles * (t + 1) // chunks
    if backward != 0 and taps == 1:  # the targets lie side by side: a few rows at a time, read from end to end
        for i in range(0, sources, ROWS_PACKED):
            for u in range(first, stop):
                o = u % tiles * height
                call(
                    packer, w + ((u // tiles * sources + i) * targets + o) * size, targets * size,
                    work + u * panel_size + i * height * size, height * size, min(ROWS_PACKED, sources - i),
                    min(height, targets - o),
                )  # fmt: skip
        return
    for u in range(first, stop):
        o = u % tiles * height
        source = w + (u // tiles * sources * targets * taps + o * row) * size
        for i in range(blocks):
            panel = work + u * panel_size + i * block * height * size
            for q in range(0, block, lanes):
                for h in range((height - 1) // lanes * lanes, -1, -lanes):
                    call(
                        packer, source + (i * targets * taps + h * row + q) * size, row * size, targets - o - h,
                        block - q, panel + (q * height + h) * size, height * size, lanes,
                    )  # fmt: skip


PACK_WEIGHTS = Worker(pack_weights)
