"""Sums over any axes of a dense array, in one pass where the axes are adjacent.

Neighbouring axes that are both summed, or both kept, are one axis.  A last axis that is summed goes through the
leaf `row_sums`, long rows as rows of `BLOCK` elements; one before it is summed row upon row, in the order of addresses,
which the caches foresee: (4096, 2048) float32 in 1.1 ms, by eight rows abreast 2.2 (Zen 4, one thread).  Partial sums
of more than a few hundred elements are added in float64, and the order of additions depends on the shape alone, not on
the number of threads.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels.arrays import flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.row_leaves import row_sums
from ops.kernels.simd import address_of, call

Array = np.ndarray[Any, Any]

GRAIN = 32768
"""Elements per thread below which a second thread costs more than it saves."""

BLOCK = 1024
"""Elements that are summed in the element type."""

PART = 65536
"""Elements of a row that one thread sums at a time."""

FOLDED = 512
"""Columns below which rows are taken several at a time, as one."""

WIDTH = 2048
"""Columns summed side by side, whose sums stay in the first-level cache."""

SUMMED = 32
"""Rows that are summed in the element type."""

HEIGHT = 256
"""Rows of one partial sum of columns, at least."""

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@split
@kernel
def sum_rows(start, stop, x, other, y, leaf):
    """y[r] = sum of what the leaf sums of row r of x and other (M, D), D <= BLOCK."""
    step = x.shape[1] * x.itemsize
    call(
        leaf, address_of(x) + start * step, address_of(other) + start * step, step, stop - start, x.shape[1],
        address_of(y) + start * y.itemsize,
    )  # fmt: skip


@split
@kernel
def sum_long_rows(start, stop, x, other, y, leaf):
    """y[r, c] = the same of part c of row r (M, D), a range counts (r, c); each part in blocks, added in float64."""
    parts, size = y.shape[1], x.itemsize
    sums = np.zeros(x.shape[1] // parts // BLOCK + 3, x.dtype)
    for item in range(start, stop):
        row, part = item // parts, item % parts
        first, last = x.shape[1] * part // parts, x.shape[1] * (part + 1) // parts
        blocks = (last - first) // BLOCK
        at, end = (row * x.shape[1] + first) * size, blocks * BLOCK * size
        a, b = address_of(x) + at, address_of(other) + at
        call(leaf, a, b, BLOCK * size, blocks, BLOCK, address_of(sums))
        call(leaf, a + end, b + end, 0, 1, last - first - blocks * BLOCK, address_of(sums) + blocks * size)
        total = 0.0
        for i in range(blocks + 1):
            total += sums[i]
        y[row, part] = total


@kernel(inline=True)
def add_rows(x, first, last, a, b, part):
    """part[j] = sum of x[i, a + j] over first <= i < last, row upon row: in the order of addresses."""
    part[:] = 0
    for i in range(first, last):
        row = x[i][a:b]
        for j in range(part.size):
            part[j] += row[j]


@split
@kernel
def sum_columns(start, stop, x, y):
    """y[a, c, k] = sum of x[a, r, k] over the rows r of chunk c; a range counts (a, chunk, block of columns)."""
    R, K, chunks = x.shape[1], x.shape[2], y.shape[1]
    blocks = (K + WIDTH - 1) // WIDTH
    parts, totals = np.empty(min(WIDTH, K), x.dtype), np.empty(min(WIDTH, K), np.float64)
    for item in range(start, stop):
        a, rest = item // (chunks * blocks), item % (chunks * blocks)
        c, first = rest // blocks, rest % blocks * WIDTH
        last = min(first + WIDTH, K)
        part, total, out = parts[: last - first], totals[: last - first], y[a, c][first:last]
        total[:] = 0
        end = R * (c + 1) // chunks
        for i in range(R * c // chunks, end, SUMMED):
            add_rows(x[a], i, min(i + SUMMED, end), first, last, part)
            for j in range(total.size):
                total[j] += part[j]
        for j in range(out.size):
            out[j] = total[j]


def by_rows(x: Array, terms: str = "plain", other: Array | None = None) -> Array:
    """Sum the rows of x (M, D), or what else `row_leaves.TERMS` says, long ones part by part."""
    rows, size = x.shape
    threads, leaf = threads_for(x.size, GRAIN), row_sums(x.dtype, terms)
    other = x if other is None else other
    if size <= BLOCK:
        y = np.empty(rows, x.dtype)
        sum_rows(threads, rows, x, other, y, leaf)
        return y
    parts = max(size // PART, 1)
    sums = np.empty((rows, parts), np.float64 if parts > 1 else x.dtype)
    sum_long_rows(threads, rows * parts, x, other, sums, leaf)
    return sums[:, 0] if parts == 1 else np.add.reduce(sums, axis=1).astype(x.dtype)


def by_columns(x: Array) -> Array:
    """Sum x (A, R, K) over R; short rows are taken several at a time."""
    outer, rows, columns = x.shape
    fold = math.gcd(rows, 1 << max(FOLDED // columns, 1).bit_length() - 1)
    x = x.reshape(outer, rows // fold, fold * columns)
    chunks = max(1, min(x.shape[1] // HEIGHT, rows * columns // GRAIN))
    wide = chunks * fold > 1
    y = np.empty((outer, chunks, x.shape[2]), np.float64 if wide else x.dtype)
    count = outer * chunks * -(-x.shape[2] // WIDTH)
    sum_columns(min(threads_for(x.size, GRAIN), count), count, x, y)
    if not wide:
        return y[:, 0]
    total: Array = np.add.reduce(y.reshape(outer, chunks * fold, columns), axis=1)
    return total.astype(x.dtype)


Step = tuple[Callable[[Array], Array], tuple[int, ...]]


@functools.lru_cache(maxsize=4096)
def steps(shape: tuple[int, ...], dims: tuple[int, ...]) -> tuple[Step, ...]:
    """Return what to call in turn to sum over `dims`, each with the shape its argument is seen in."""
    axes: list[tuple[int, bool]] = []  # sizes, and whether they are summed; neighbours of one kind merged
    for i, n in enumerate(shape):
        if n != 1 and axes and axes[-1][1] == (i in dims):
            axes[-1] = (axes[-1][0] * n, axes[-1][1])
        elif n != 1:
            axes.append((n, i in dims))
    found: list[Step] = []
    left = math.prod(shape)
    if axes and axes[-1][1]:
        size = axes.pop()[0]
        left //= size
        found.append((by_rows, (left, size)))
    kept = 1
    while axes:
        kept *= axes.pop()[0]
        if axes:
            size = axes.pop()[0]
            left //= size
            found.append((by_columns, (left // kept, size, kept)))
    return tuple(found)


def sum_over(x: Array, dims: tuple[int, ...]) -> Array:
    """Return the sum of x over the axes `dims`, along one axis; x is float32 or float64 and not empty."""
    check(x)
    y, todo = flat(x), steps(x.shape, dims)
    for function, shape in todo:
        y = function(y.reshape(shape)).reshape(-1)
    return y if todo else y.copy()


def check(x: Array) -> None:
    """Accept what can be summed."""
    if x.dtype not in FLOATS or not x.size:
        raise TypeError(f"sum: expected float32 or float64 and at least one element, got {x.dtype} {x.shape}")


def sum_squares_over(x: Array, dims: tuple[int, ...]) -> Array:
    """Return the sum of x^2 over the axes `dims`, along one axis; where the last of them is summed, in one pass."""
    check(x)
    todo = steps(x.shape, dims)
    if not todo or todo[0][0] is not by_rows:
        return sum_over(np.square(x), dims)
    y = by_rows(flat(x).reshape(todo[0][1]), "squares")
    for function, shape in todo[1:]:
        y = function(y.reshape(shape)).reshape(-1)
    return y


def sum_squared_differences(x: Array, y: Array) -> Array:
    """Return the sum of (x - y)^2 over all elements of two arrays of one shape and dtype, as an array of one axis."""
    check(x)
    if x.shape != y.shape or x.dtype != y.dtype:
        raise ValueError(f"sum: {x.dtype} {x.shape} does not match {y.dtype} {y.shape}")
    return by_rows(flat(x)[None], "differences", flat(y)[None])


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        yield f"reduction.by_rows {dtype}", functools.partial(by_rows, np.ones((2, 3), dtype))
        yield f"reduction.by_rows long {dtype}", functools.partial(by_rows, np.ones((1, BLOCK + 1), dtype))
        yield f"reduction.by_rows longer {dtype}", functools.partial(by_rows, np.ones((1, 2 * PART), dtype))
        yield f"reduction.squares {dtype}", functools.partial(sum_squares_over, np.ones(3, dtype), (0,))
        pair = np.ones(3, dtype), np.ones(3, dtype)
        yield f"reduction.differences {dtype}", functools.partial(sum_squared_differences, *pair)
        for columns in (3, 512):
            x = np.ones((1, 2, columns), dtype)
            yield f"reduction.by_columns {columns} {dtype}", functools.partial(by_columns, x)
