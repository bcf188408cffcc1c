"""Zero-padded copies of images in which every tap of a strided filter reads consecutive elements.

A copy holds planes (channel, phase): phase (a, b) of stride (sh, sw) keeps the padded pixels (q sh + a, j sw
+ b) at (q, j).  Output (p, v) reads tap (r, s) in phase (r dh % sh, s dw % sw) at (p + r dh // sh, v + s dw
// sw).
"""

from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import Axis
from ops.kernels.jit import kernel
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Int64, pack_layout


class Phases(NamedTuple):
    """Layout of the copy that some consecutive rows of outputs read.  Sizes count elements."""

    offsets: Int64
    """int64[M, 2]: (a, b) of the phases that some tap reads."""
    shift: Int64
    """int64[R, S]: where tap (r, s) of output (0, 0) lies from the start of a channel."""
    pitch: int
    height: int
    plane: int

    @property
    def channel(self) -> int:
        """Distance between channels."""
        return len(self.offsets) * self.plane


def phase_layout(rows: Axis, columns: Axis, outputs: int, lanes: int) -> Phases:
    """Lay out the copy that `outputs` consecutive rows of outputs read."""
    r, s = np.arange(rows.taps) * rows.dilation, np.arange(columns.taps) * columns.dilation
    a, a_of_tap = np.unique(r % rows.stride, return_inverse=True)
    b, b_of_tap = np.unique(s % columns.stride, return_inverse=True)
    pitch = columns.outputs + columns.reach // columns.stride
    height = outputs + rows.reach // rows.stride
    lines = -(-height * pitch // lanes) | 1  # an odd number of vectors: channels spread over all sets of the cache
    offsets = np.stack([np.repeat(a, len(b)), np.tile(b, len(a))], axis=1).astype(np.int64)
    slot = a_of_tap[:, None] * len(b) + b_of_tap[None, :]
    shift = slot * lines * lanes + (r // rows.stride)[:, None] * pitch + (s // columns.stride)[None, :]
    return Phases(offsets, shift.astype(np.int64), pitch, height, lines * lanes)


def fill_layout(phases: Phases, rows: Axis, columns: Axis, dtype: np.dtype[Any]) -> Int64:
    """Return the layout that `fill_phases` reads."""
    lanes = simd.lanes(dtype)
    panel = panel_vectors(phases.pitch, columns.stride, lanes)
    sizes = (phases.pitch, phases.height, phases.plane, rows.stride, columns.stride, rows.size, columns.size)
    leaf = simd.copy_panel(panel, dtype, columns.stride)
    numbers = (FILL.address, leaf, panel * lanes, *sizes, dtype.itemsize, len(phases.offsets))
    return pack_layout(numbers, phases.offsets)


PANELS = (1, 2, 4, 8)
"""Widths, in vectors, of the pieces that rows are copied in."""


def panel_vectors(pitch: int, step: int, lanes: int) -> int:
    """Return the width of the panels that rows are copied in."""
    return next((width for width in PANELS if width * lanes >= pitch), PANELS[-1]) if step == 1 else 1


def copy_cycles(rows: Axis, columns: Axis, lanes: int) -> float:
    """Estimate the cycles to copy one channel: three calls per panel, and the loads and stores of its rows."""
    pitch, height = columns.outputs + columns.reach // columns.stride, rows.outputs + rows.reach // rows.stride
    panel = panel_vectors(pitch, columns.stride, lanes)
    per_panel = 60 + height * (4 + 2 * panel * (1 + columns.stride))
    phases = min(rows.stride, rows.taps) * min(columns.stride, columns.taps)
    return float(phases * -(-pitch // (panel * lanes)) * per_panel)


def copy_elements(channels: int, phases: Phases, lanes: int) -> int:
    """Return the size of a copy, with room for the last panel and for the vectors read at its end."""
    return channels * phases.channel + (2 * PANELS[-1] + 1) * lanes + phases.pitch


@kernel
def ceil_div(a, b):
    """The smallest integer >= a / b."""
    return -(-a // b)


@kernel
def copy_plane(
    leaf, width, source, source_row, source_columns, step, left, target, pitch, first, last, height, size
):  # fmt: skip
    """Copy columns left, left + step ... to rows first <= q < last of a plane of `height` rows; the rest is 0.

    Panels are written whole, so a row also clears the left margin of the next one, and may overwrite columns
    there that have not been copied yet.  Hence panels from right to left, rows downwards.
    """
    start = max(0, ceil_div(-left, step))
    skipped = left + start * step
    columns = max(0, min(pitch - start, ceil_div(source_columns - skipped, step)))
    row = pitch * size
    for p in range(ceil_div(pitch, width) - 1, -1, -1):
        at = p * width
        call(leaf, source, 0, target + at * size, row, first + 1, 0)
        call(
            leaf, source + (skipped + at * step) * size, source_row, target + first * row + (start + at) * size,
            row, last - first, max(0, min(width, columns - at)),
        )  # fmt: skip
        call(leaf, source, 0, target + last * row + at * size, row, height - last, 0)


def fill(x, first_plane, channels, top, left, layout, copy):
    """See `fill_phases`, which calls it."""
    (_, copier, width, pitch, height, plane, stride_h, stride_w, H, W, size, n_phases, phases) = (
        load_integers(layout, 13)
    )  # fmt: skip
    for i in range(channels * n_phases):
        a, b = load_integers(layout + phases + 16 * (i % n_phases), 2)
        row = top + a
        first = min(height, max(0, ceil_div(-row, stride_h)))
        last = max(first, min(height, ceil_div(H - row, stride_h)))
        source = x + ((first_plane + i // n_phases) * H + row + first * stride_h) * W * size
        target = copy + i * plane * size
        copy_plane(
            copier, width, source, stride_h * W * size, W, stride_w, left + b, target, pitch, first, last, height, size
        )


FILL = Worker(fill)


@kernel
def fill_phases(x, first_plane, channels, top, left, layout, copy):
    """Copy channels of an image, starting at plane first_plane of x (N * C, H, W).

    (0, 0) of phase (0, 0) is row `top`, column `left` of the image.
    """
    (worker,) = load_integers(layout, 1)
    call(worker, x, first_plane, channels, top, left, layout, copy)
