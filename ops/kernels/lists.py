"""Lists of arrays changed in place, all in one pass: moving averages, and the clipping of gradients."""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.memory import address_of
from ops.kernels.parameters import BLOCK, GRAIN, Array, block_of, blocks_of
from ops.kernels.scalar import Function


@functools.cache
def average_loop(real: type) -> Function:
    """Compile `average`."""

    @kernel
    def part(start, stop, blocks, table, sizes, like, weight):
        weight = real(weight)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            average = block_of(table, sizes, 0, i, a, like)
            value = block_of(table, sizes, 1, i, a, like)
            for j in range(average.size):
                average[j] += weight * (value[j] - average[j])

    return split(part)


@functools.cache
def scale_loop(real: type) -> Function:
    """Compile `scale`."""

    @kernel
    def part(start, stop, blocks, table, sizes, like, factor):
        factor = real(factor)
        for block in range(start, stop):
            x = block_of(table, sizes, 0, blocks[block, 0], blocks[block, 1], like)
            for j in range(x.size):
                x[j] *= factor

    return split(part)


@functools.cache
def clamp_loop(real: type) -> Function:
    """Compile `clamp`."""

    @kernel
    def part(start, stop, blocks, table, sizes, like, low, high):
        low, high = real(low), real(high)
        for block in range(start, stop):
            x = block_of(table, sizes, 0, blocks[block, 0], blocks[block, 1], like)
            for j in range(x.size):
                value = x[j]
                value = low if value < low else value
                x[j] = high if value > high else value

    return split(part)


def average(averages: Sequence[Array], values: Sequence[Array], weight: float) -> None:
    """Move averages towards values of the same shapes: a += weight (x - a)."""
    _run(average_loop, [averages, [np.ascontiguousarray(x) for x in values]], weight)


def scale(arrays: Sequence[Array], factor: float) -> None:
    """Multiply by a number."""
    _run(scale_loop, [arrays], factor)


def clamp(arrays: Sequence[Array], low: float, high: float) -> None:
    """Limit to [low, high]; NaN stays."""
    _run(clamp_loop, [arrays], low, high)


def _run(loop: Callable[[type], Function], rows: Sequence[Sequence[Array]], *numbers: float) -> None:
    """Run a loop over arrays of one type, float32 or float64, those it writes to C-contiguous."""
    if not rows[0]:
        return
    kind = rows[0][0].dtype
    sizes = np.array([x.size for x in rows[0]], np.int64)
    blocks = blocks_of(sizes)
    table = np.array([[address_of(x.ravel()) for x in row] for row in rows], np.int64)
    threads = threads_for(len(blocks) * BLOCK, GRAIN)
    loop(kind.type)(threads, len(blocks), blocks, table, sizes, np.empty(0, kind), *map(float, numbers))


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    calls: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {"scale": (scale, (0.5,)), "clamp": (clamp, (0, 1))}
    for dtype in ("float32", "float64"):
        ones = [np.ones(3, dtype)]
        yield f"lists.average {dtype}", functools.partial(average, ones, ones, 0.5)
        for name, (function, numbers) in calls.items():
            yield f"lists.{name} {dtype}", functools.partial(function, ones, *numbers)
