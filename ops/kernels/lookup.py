"""One element per index along the middle axis of (A, R, B): gather, and its relatives that write; indices joined.

index (A, N, B) names for each a, n, b the element [a, index[a, n, b], b].  Threads divide A, or where that is 1
the columns B, so no two write to one element and sums are formed in the order of n.  (512, 1000) by as many
indices along the last axis: 0.3 ms, against 0.9 ms for NumPy's indices into the flattened array (Zen 5).

Several indices, of neighbouring axes, are joined to one, with which NumPy takes from the array with those axes made
one: 4096 pairs in 7 µs, where its own x[i, j] takes 13 (Zen 4).
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ops.kernels.arrays import dense, flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.scalar import Function

Array = np.ndarray[Any, Any]

GRAIN = 16384
"""Elements per thread below which a second thread costs more than it saves."""

COLUMNS = 32
"""Columns that one thread takes at a time where there is one row of them only."""


def take(x, y, named, own):
    """y[a, n, b] = x[a, r, b], `own` and `named` being the places (a, n, b) and (a, r, b) in C order."""
    y[own] = x[named]


def put(x, y, named, own):
    """y[a, r, b] = x[a, n, b]."""
    y[named] = x[own]


def add(x, y, named, own):
    """y[a, r, b] += x[a, n, b]."""
    y[named] += x[own]


@functools.cache
def loop(move: Callable[..., None]) -> Function:
    """Compile `move` for all a, n, b; a range counts (a, block of columns)."""
    step = kernel(inline=True)(move)

    @kernel
    def part(start, stop, x, index, y, rows):
        N, B = index.shape[1], index.shape[2]
        blocks = 1 if index.shape[0] > 1 else (B + COLUMNS - 1) // COLUMNS
        # Positions are unsigned: a signed one might count from the end, and would be tested for it.
        source, numbers, target = x.reshape(-1), index.reshape(-1), y.reshape(-1)
        if N * B == 1:
            for a in range(start, stop):
                step(source, target, np.uint64(a * rows + numbers[a]), np.uint64(a))
            return
        for item in range(start, stop):
            a, block = (item, 0) if blocks == 1 else (item // blocks, item % blocks)
            first, last = B * block // blocks, B * (block + 1) // blocks
            named, own = a * rows * B, a * N * B
            if B == 1:
                for n in range(own, own + N):
                    step(source, target, np.uint64(named + numbers[n]), np.uint64(n))
                continue
            for n in range(N):
                for b in range(first, last):
                    i = own + n * B + b
                    step(source, target, np.uint64(named + numbers[i] * B + b), np.uint64(i))

    return split(part)


def run(move: Callable[..., None], x: Array, index: Array, y: Array) -> None:
    """Move all elements; y is dense."""
    count = len(index) if len(index) != 1 else -(-index.shape[2] // COLUMNS)
    threads = min(threads_for(index.size, GRAIN), max(count, 1))
    rows = (x if move is take else y).shape[1]
    loop(move)(threads, count, dense(x), dense(index.astype(np.int64, copy=False)), y, rows)


@kernel
def any_outside(index, size):
    """Return whether an index is negative or not below `size`."""
    found, limit = 0, np.uint64(size)
    for i in range(index.size):
        found |= np.uint64(index[i]) >= limit
    return found != 0


def join(indices: Sequence[Array], sizes: Sequence[int]) -> Array:
    """Return one index, into the product of `sizes`, for several, broadcast: n = (i₀ · size₁ + i₁) · size₂ + i₂ ...

    Negative ones count from the end.  Raises IndexError where one is outside, ValueError where shapes do not fit.
    """
    joined, count = indices[0], sizes[0]
    for index, size in zip(indices[1:], sizes[1:], strict=True):
        if joined.shape != index.shape:
            shape = np.broadcast_shapes(joined.shape, index.shape)
            joined, index = np.broadcast_to(joined, shape), np.broadcast_to(index, shape)
        places = np.empty(joined.shape, np.int64)
        if joined_outside(flat_index(joined), flat_index(index), count, size, flat(places)):
            raise IndexError(f"join: an index is out of bounds for sizes {list(sizes)}")
        joined, count = places, count * size
    return joined


def flat_index(index: Array) -> Array:
    """Return an index as kernels take it."""
    return flat(index.astype(np.int64, copy=False))


@kernel
def joined_outside(first, second, rows, columns, joined):
    """Join two indices; return whether an element lies outside."""
    found, last_row, last_column = 0, np.uint64(rows), np.uint64(columns)
    for i in range(joined.size):
        row, column = first[i], second[i]
        row += rows if row < 0 else 0
        column += columns if column < 0 else 0
        found |= (np.uint64(row) >= last_row) | (np.uint64(column) >= last_column)
        joined[i] = row * columns + column
    return found != 0


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    index = np.zeros((1, 1, 1), np.int64)
    yield "lookup.any_outside", functools.partial(any_outside, index.reshape(-1), 1)
    yield "lookup.join", functools.partial(join, (index, index), (1, 1))
    for dtype in ("float32", "float64"):
        x = np.ones((1, 1, 1), dtype)
        for move in (take, put, add):
            yield f"lookup.{move.__name__} {dtype}", functools.partial(run, move, x, index, x.copy())
