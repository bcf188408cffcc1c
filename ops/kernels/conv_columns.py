"""Gradient of convolution weights with (channel, tap) in the lanes, as they lie in the result.

dw[k, q] = sum over n, p of grad[n, k, p] columns[n, p, q] with q = (c, r, s): a matrix product whose right factor
holds, for every output pixel p, the elements that its taps read ("im2col": Chellapilla, Puri and Simard, "High
performance convolutional neural networks for document processing", 2006).  It is built a block of pixels at a time,
in panels as wide as a register tile, and stays in the cache; grad is read where it lies, dw is written as it is.

Measured, float32, one Zen 4 core (114 GFLOP/s at most): 1 x 1 filters over 256 x 14 x 14 to 1024 channels 113
(oneDNN 103), 160 x 7 x 7 to 960 channels, batch 8, 110 (96); 3 x 3 filters at stride 2 over 256 x 8 x 8 to 512
channels, one image, 80 (84, and 29 with the filters in the lanes, whose sums must be reordered); 1 x 1 filters over
512 x 7 x 7 to 2048 channels, batch 32, 108, and 91 where the gradient's next rows are not fetched ahead.
"""

from typing import Any

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import ConvGeometry
from ops.kernels.phases import Phases, copy_cycles, copy_elements, fill_layout, fill_phases, phase_layout
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, call, load_integers
from ops.kernels.stages import Array, pack_layout, run_stages, stage_list
from ops.kernels.tiles import CALL_CYCLES, choose_tile, memory_cycles, tile_cycles, unevenness

BLOCK_PIXELS = 512
"""Pixels summed in one go: the columns of a few panels and the gradients they meet stay in the caches."""

PANELS = 4
"""Panels built at once: what is read of grad serves them all."""

COLUMN_CYCLES = 80
"""Cycles to transpose lanes x lanes elements."""


def block(g: ConvGeometry) -> tuple[int, int]:
    """Return how many images and how many rows of outputs a tile sums in one go; several images are whole."""
    rows = max(1, min(g.OH, BLOCK_PIXELS // g.OW))
    rows = -(-g.OH // -(-g.OH // rows))  # all blocks nearly alike
    return (max(1, min(g.N, BLOCK_PIXELS // (g.OH * g.OW))), g.OH) if rows == g.OH else (1, rows)


def reads_in_place(g: ConvGeometry) -> bool:
    """Whether x needs no copy: no tap reads outside it, and columns are not skipped."""
    return g.padding == (0, 0) and g.stride[1] == 1


def cycles(g: ConvGeometry, lanes: int, threads: int) -> float:
    """Estimate the cycles of one thread; more, where panels can't be shared out evenly."""
    g = g.refolded(BLOCK_PIXELS) if g.is_pointwise else g
    taps = g.group_inputs * g.R * g.S
    vectors = -(-taps // lanes)
    tile = choose_tile(g.group_outputs, vectors)
    images, rows = block(g)
    products = g.OH * g.OW * tile_cycles(g.group_outputs, vectors, tile)
    calls = -(-g.OH // rows) / images * -(-g.group_outputs // tile[0]) * -(-vectors // tile[1])
    built = COLUMN_CYCLES * vectors * g.OH * -(-g.OW // lanes)
    copied = 0.0 if reads_in_place(g) else 1.5 * g.group_inputs * copy_cycles(g.rows, g.columns, lanes)
    inputs, outputs = g.N * g.C * g.H * g.W, g.N * g.K * g.OH * g.OW
    awaited = memory_cycles(inputs, inputs + outputs, lanes)
    panels = g.groups * -(-vectors // tile[1])
    total = g.N * g.groups * (products + 2 * CALL_CYCLES * calls + built + copied) + awaited
    return total * unevenness(panels, threads)


class ColumnsPlan:
    """Tables and layout of one shape."""

    def __init__(self, g: ConvGeometry, dtype: np.dtype[Any], threads: int) -> None:
        g = g.refolded(BLOCK_PIXELS) if g.is_pointwise else g
        size, lanes = dtype.itemsize, simd.lanes(dtype)
        taps = g.group_inputs * g.R * g.S
        height, width = choose_tile(g.group_outputs, -(-taps // lanes))
        panels = -(-taps // (width * lanes))
        together = max(1, min(PANELS, g.groups * panels // threads))
        images, rows = block(g)
        phases, row_step = layout_of(g, rows, lanes)
        channel = np.arange(g.group_inputs)[:, None] * phases.channel
        sources = np.zeros(panels * width * lanes, np.int64)
        sources[:taps] = (channel + phases.shift.reshape(-1)).reshape(-1) * size
        channels = min(g.group_inputs, (together * width * lanes - 2) // (g.R * g.S) + 2)
        in_place = reads_in_place(g)
        copy = 0 if in_place else copy_elements(channels, phases, lanes)
        work = copy + together * images * rows * g.OW * width * lanes
        # Of 1 x 1 filters the gradient comes from memory, many rows at once; larger ones read it again and again.
        prefetch = "r" if g.R * g.S == 1 else ""
        numbers = (
            *(
                simd.outer_product(height, width, dtype, prefetch=prefetch),
                simd.transpose(dtype, table=True),
                height,
                width * lanes,
                lanes,
            ),
            *(g.N, g.groups, g.group_inputs, g.group_outputs, g.R * g.S, g.OH, g.OW, images, rows, together),
            *(g.stride[0], *g.padding, g.H * g.W * size, phases.channel * size, row_step * size, size),
            *(copy * size, work * size, int(in_place)),
        )
        image = np.arange(images)
        segments = np.stack([image * g.K * g.OH * g.OW * size, image * g.OH * g.OW * width * lanes * size], axis=1)
        shift = np.arange(width) * lanes
        valid = np.clip(taps - (panels - 1) * width * lanes - shift, 0, lanes)
        tables = [np.stack([shift * size, shift * size, v]).astype(np.int64) for v in (np.full(width, lanes), valid)]
        fill = fill_layout(phases, g.rows, g.columns, dtype)
        self.layout = pack_layout(numbers, segments.astype(np.int64), sources, *tables, fill)
        self.stages = stage_list((SUM_COLUMNS, 0, threads))
        self.work, self.dtype = threads * work, dtype

    def __call__(self, grad: Array, x: Array, dw: Array) -> None:
        """Compute dw."""
        run_stages(grad, x, dw, dw, scratch(self.work, self.dtype), self.layout, self.stages)


def layout_of(g: ConvGeometry, rows: int, lanes: int) -> tuple[Phases, int]:
    """Return where the taps of an output lie, in a copy or in x itself, and the distance of rows of outputs."""
    if not reads_in_place(g):
        phases = phase_layout(g.rows, g.columns, rows, lanes)
        return phases, phases.pitch
    r, s = np.arange(g.R)[:, None] * g.dilation[0], np.arange(g.S) * g.dilation[1]
    return Phases(np.zeros((1, 2), np.int64), r * g.W + s, g.W, g.H, g.H * g.W), g.stride[0] * g.W


def sum_columns(grad, x, dw, _, work, layout, _step, t, chunks):
    """Compute chunk t of the blocks of panels (groups, panels / together)."""
    (leaf, transpose, height, width, lanes, N, groups, channels, filters, taps, OH, OW, images, rows, together,
     stride_h, pad_h, pad_w, x_plane, channel, row_step, size, copy_size, work_size, in_place, segments, sources,
     whole, last, fill) = load_integers(layout, 30)  # fmt: skip
    copy = work + t * work_size
    columns, row = copy + copy_size, width * size
    total, plane = channels * taps, OH * OW * size
    panel_size = images * rows * OW * row
    blocks = ((total + width - 1) // width + together - 1) // together
    for u in range(groups * blocks * t // chunks, groups * blocks * (t + 1) // chunks):
        g, q0 = u // blocks, u % blocks * together * width
        q1 = min(q0 + together * width, total)
        c0, c1 = q0 // taps, (q1 - 1) // taps + 1
        for n in range(0, N, images):
            count = min(images, N - n)
            for oh in range(0, OH, rows):
                band = min(rows, OH - oh)
                for i in range(count):
                    first = ((n + i) * groups + g) * channels + c0
                    if in_place != 0:
                        base = x + (first - c0) * x_plane + oh * row_step
                    else:
                        fill_phases(x, first, c1 - c0, oh * stride_h - pad_h, -pad_w, layout + fill, copy)
                        base = copy - c0 * channel
                    for q in range(q0, q1, lanes):
                        panel = columns + (q - q0) // width * panel_size + (q - q0) % width * size
                        for p in range(band):
                            for v in range(0, OW, lanes):
                                call(
                                    transpose, base + p * row_step + v * size, layout + sources + 8 * q, total - q,
                                    OW - v, panel + ((i * band + p) * OW + v) * row, row, lanes,
                                )  # fmt: skip
                gradient = grad + (n * groups + g) * filters * plane + oh * OW * size
                for k in range(0, filters, height):
                    for q in range(q0, q1, width):
                        call(
                            leaf, gradient + k * plane, plane, size, columns + (q - q0) // width * panel_size, row,
                            layout + segments, count, band * OW, layout + (whole if q + width <= total else last),
                            0 if q + width <= total else 1, dw + ((g * filters + k) * total + q) * size, total * size,
                            1 if n + oh > 0 else 0, 0, 0, filters - k,
                        )  # fmt: skip


SUM_COLUMNS = Worker(sum_columns)
