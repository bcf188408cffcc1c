"""How a recurrent layer is computed: register tiles, threads, and the layout that the workers of `recurrent` read."""

import functools
import itertools
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import simd
from ops.kernels.jit import threads_for
from ops.kernels.recurrent_leaves import GATES, add_rows, cell_backward, cell_forward, copy_rows
from ops.kernels.tiles import choose_tile

Array: TypeAlias = np.ndarray[Any, Any]

FLOPS_PER_THREAD = 1 << 20
"""A thread with less to do costs more than it saves."""

ALIASING = 4096
"""Rows a multiple of so many bytes apart share lines of the caches: such rows are set a cache line further apart."""

LINE = 64
"""Bytes of a cache line."""

PACKED = -1
"""In the place of the bytes from step to step: the rows of a packed sequence follow each other."""

COLLECTED = 128
"""Rows of gate gradients that are collected before the weights' gradients are added to, which reads and writes all of
those."""


class Shape(NamedTuple):
    """What a layer is: kind of cell, sizes of input, hidden state and output (P = H unless there is a projection)."""

    kind: str
    I: int
    H: int
    P: int
    projected: bool
    dtype: np.dtype[Any]

    @property
    def gates(self) -> int:
        """Numbers of all gates of a sequence."""
        return GATES[self.kind] * self.H

    @property
    def pitch(self) -> int:
        """Numbers from row to row of [x | h]."""
        return spaced(self.I + self.P, self.dtype.itemsize)


class Tile(NamedTuple):
    """A register tile, and where it lies in the layout."""

    rows: int
    vectors: int
    dtype: np.dtype[Any]

    @property
    def columns(self) -> int:
        """Columns of a panel."""
        return self.vectors * simd.lanes(self.dtype)

    def numbers(self) -> list[int]:
        """Return what `product` reads: leaf, sizes, lanes, the segment (0, 0), the table of a whole panel."""
        leaf = simd.outer_product(self.rows, self.vectors, self.dtype)
        sizes = (self.rows, self.columns, self.dtype.itemsize, simd.lanes(self.dtype))
        return [leaf, *sizes, 0, 0, *self.table(self.columns)]

    def table(self, columns: int) -> list[int]:
        """Return the table of a panel of which `columns` exist."""
        lanes, size = simd.lanes(self.dtype), self.dtype.itemsize
        shift = [j * lanes * size for j in range(self.vectors)]
        return [*shift, *shift, *(min(max(columns - j * lanes, 0), lanes) for j in range(self.vectors))]

    def packed(self, depth: int, columns: int) -> int:
        """Return how many numbers the panels of a packed matrix hold."""
        return depth * -(-columns // self.columns) * self.columns


class Plan(NamedTuple):
    """What the driver is given besides the operands."""

    layout: Array
    chunks: int
    work: int  # numbers of scratch


def spaced(count: int, size: int) -> int:
    """Return the pitch, in numbers, of rows of `count` numbers: whole cache lines, no power of two of them."""
    lines = -(-count * size // LINE)
    return (lines + (lines * LINE % (ALIASING // 4) == 0)) * LINE // size


class Writer:
    """Collects the numbers of a layout; blocks of them follow the header, which holds their displacements in bytes."""

    def __init__(self, header: int) -> None:
        self.header = header
        self.blocks: list[int] = []

    def block(self, numbers: Any) -> int:
        """Append numbers; return where they lie."""
        at = 8 * (self.header + len(self.blocks))
        self.blocks.extend(map(int, numbers))
        return at

    def finish(self, *numbers: int) -> Array:
        """Return the layout."""
        assert len(numbers) == self.header
        return np.array([*numbers, *self.blocks], np.int64)


def steps_of(batch_sizes: tuple[int, ...], reverse: bool) -> list[tuple[int, int, int]]:
    """Return (first row, rows, time) of each step, in the order they are taken."""
    starts = itertools.accumulate(batch_sizes, initial=0)
    steps = [(start, count, time) for time, (start, count) in enumerate(zip(starts, batch_sizes, strict=False))]
    return steps[::-1] if reverse else steps


def bounds_of(batch_sizes: tuple[int, ...], threads: int) -> list[int]:
    """Cut the sequences so that every thread gets about as many rows of all steps."""
    lengths = [0] * max(batch_sizes, default=0)
    for count in batch_sizes:
        if count:
            lengths[count - 1] += 1
    for i in range(len(lengths) - 2, -1, -1):
        lengths[i] += lengths[i + 1]
    total, passed, bounds = sum(lengths), 0, [0]
    for i, length in enumerate(lengths):
        if passed * threads >= total * len(bounds) and i > bounds[-1]:
            bounds.append(i)
        passed += length
    return [*bounds, len(lengths)]


def choose_threads(shape: Shape, batch_sizes: tuple[int, ...], passes: int) -> int:
    """Return how many threads share the sequences; each takes some of them through all steps."""
    flops = 2 * passes * sum(batch_sizes) * shape.gates * (shape.I + shape.P)
    return max(1, min(threads_for(flops, FLOPS_PER_THREAD), max(batch_sizes, default=1)))


def most_rows(bounds: list[int]) -> int:
    """Return the sequences of the largest chunk, at least one."""
    return max(1, *(b - a for a, b in itertools.pairwise(bounds)))


def sizes(shape: Shape, batch_sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return what every layout begins with: steps, I, H, P, gates, bytes of a number and of a row [x | h]."""
    size = shape.dtype.itemsize
    return len(batch_sizes), shape.I, shape.H, shape.P, shape.gates, size, shape.pitch * size


# ---- forward ----

FORWARD_PLACES, FORWARD_LEAVES, FORWARD_HEADER = 56, 128, 19
"""Where, in bytes, groups of numbers lie in the layout, and how many numbers there are; sizes come first."""

PRODUCT = 10


@functools.lru_cache(maxsize=512)
def plan_forward(
    shape: Shape, batch_sizes: tuple[int, ...], reverse: bool, x_strides: tuple[int, int], zero: bool, threads: int
) -> Plan:
    """Return the plan of a forward pass; x_strides are the bytes from step to step and from row to row.

    `zero`: h0 is zero, so that the first step has no product with it.
    """
    kind, _, H, P, projected, dtype = shape
    bounds = bounds_of(batch_sizes, threads)
    size, packed_input = dtype.itemsize, x_strides[0] == PACKED
    tile = Tile(*choose_tile(most_rows(bounds), -(-shape.gates // simd.lanes(dtype))), dtype)
    writer = Writer(FORWARD_HEADER)
    products, work = forward_products(shape, tile, zero, writer)
    steps = [
        number
        for start, count, time in steps_of(batch_sizes, reverse)
        for number in (start, count, (start * x_strides[1] if packed_input else time * x_strides[0]))
    ] + [0, 0, 0]
    layout = writer.finish(
        *sizes(shape, batch_sizes),
        *(writer.block(steps), writer.block(bounds), writer.block(tile.numbers())),
        *(len(products) // PRODUCT, writer.block(products), projected, work * size),
        *(writer.block(tile.table((P - 1) % tile.columns + 1)), x_strides[1]),
        *(cell_forward(kind, dtype), copy_rows(dtype), simd.transpose(dtype)),
    )
    work += tile.packed(H, P) if projected else 0
    return Plan(layout, len(bounds) - 1, work)


def forward_products(shape: Shape, tile: Tile, zero: bool, writer: Writer) -> tuple[list[int], int]:
    """Return the numbers of the products that make the gates of [x | h], and how many numbers the packed weights are.

    Of each: the first column of [x | h], the depth, that of the first step, the first row of the weights, the first
    number of the packed weights, columns, whether they go to `kept`, the first column there, its pitch in bytes, and
    the table of the last panel.
    """
    kind, I, H, P, _, dtype = shape
    G, whole, start = shape.gates, I + P, I if zero else I + P
    if kind == "gru":  # the last gate takes what comes of h by itself
        rows = [(0, whole, start, 0, 2 * H, 0, 0, G), (0, I, I, 2 * H, H, 0, 2 * H, G)]
        rows.append((I, P, 0 if zero else P, 2 * H, H, 1, 0, H))
    else:
        rows = [(0, whole, start, 0, G, 0, 0, G)]
    numbers, work = [], 0
    for column, depth, first, row, columns, kept, to, target in rows:
        last = writer.block(tile.table((columns - 1) % tile.columns + 1))
        numbers += [column, depth, first, row, work, columns, kept, to, target * dtype.itemsize, last]
        work += tile.packed(depth, columns)
    return numbers, work


# ---- backward ----

FLAGS, BUFFERS, PLACES, EDGES, LEAVES, BACKWARD_HEADER = 56, 104, 152, 192, 248, 35
"""Where, in bytes, groups of numbers lie in the layout, and how many numbers there are; sizes come first."""


class Wanted(NamedTuple):
    """Which gradients are wanted: of x, of h0 or c0, of weights or biases."""

    x: bool
    start: bool
    weights: bool


@functools.lru_cache(maxsize=512)
def plan_backward(
    shape: Shape, batch_sizes: tuple[int, ...], reverse: bool, zero: bool, wanted: Wanted, threads: int
) -> Plan:
    """Return the plan of a backward pass; zero: the first step began with h = 0."""
    kind, I, H, P, projected, dtype = shape
    bounds, size, lanes = bounds_of(batch_sizes, threads), dtype.itemsize, simd.lanes(dtype)
    rows, G = most_rows(bounds), shape.gates
    step, outer = (Tile(*choose_tile(m, -(-n // lanes)), dtype) for m, n in ((rows, P), (G, P)))
    total = Tile(1, 8 if simd.registers() == 32 else 4, dtype)
    writer = Writer(BACKWARD_HEADER)
    pitch = spaced(G, size)
    capacity = max(rows, COLLECTED // rows * rows)
    collected = capacity * (pitch * (1 + (kind == "gru")) + shape.pitch) + outer.columns  # panels are read whole
    packed = [step.packed(G, P), step.packed(G, I) if wanted.x else 0, step.packed(P, H) if projected else 0]
    steps = [number for start, count, _ in steps_of(batch_sizes, reverse) for number in (start, count)]

    def last(tile: Tile, columns: int) -> int:
        return writer.block(tile.table((columns - 1) % tile.columns + 1))

    layout = writer.finish(
        *sizes(shape, batch_sizes),
        *(kind == "gru", projected, *wanted, zero),
        *(pitch * size, capacity, collected * size, sum(packed) * size, packed[0] * size, sum(packed[:2]) * size),
        *(writer.block(steps), writer.block(bounds)),
        *(writer.block(tile.numbers()) for tile in (step, outer, total)),
        *(last(step, P), last(step, I), last(step, H), last(outer, I), last(outer, P), last(outer, H), last(total, G)),
        *(cell_backward(kind, dtype), copy_rows(dtype), add_rows(dtype), simd.copy_panel(step.vectors, dtype)),
    )
    return Plan(layout, len(bounds) - 1, sum(packed) + (len(bounds) - 1) * collected)
