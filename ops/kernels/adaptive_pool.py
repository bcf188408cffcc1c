"""Adaptive pooling: OH x OW bins that cover the image, bin i from floor(i H / OH) to ceil((i + 1) H / OH).

Arrays are (..., H, W) and are treated as planes, which the threads divide.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels.arrays import dense
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.pool import GRAIN, check_type, planes

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]


@kernel(inline=True)
def bin_edges(i, bins, size):
    """Return where bin i starts and stops."""
    return i * size // bins, ((i + 1) * size + bins - 1) // bins


@split
@kernel
def average_forward(start, stop, x, y):
    """Average each bin."""
    OH, OW, zero = y.shape[1], y.shape[2], x.dtype.type(0)
    for plane in range(start, stop):
        for oh in range(OH):
            top, bottom = bin_edges(oh, OH, x.shape[1])
            for ow in range(OW):
                left, right = bin_edges(ow, OW, x.shape[2])
                total = 0.0
                for h in range(top, bottom):
                    row, part = x[plane, h][left:right], zero
                    for i in range(row.size):
                        part += row[i]
                    total += part
                y[plane, oh, ow] = total / ((bottom - top) * (right - left))


@split
@kernel
def average_backward(start, stop, grad, dx):
    """Add each gradient over its bin's size to the bin."""
    OH, OW = grad.shape[1], grad.shape[2]
    for plane in range(start, stop):
        for h in range(dx.shape[1]):
            row = dx[plane, h]
            for i in range(row.size):
                row[i] = 0
        for oh in range(OH):
            top, bottom = bin_edges(oh, OH, dx.shape[1])
            for ow in range(OW):
                left, right = bin_edges(ow, OW, dx.shape[2])
                share = grad[plane, oh, ow] / grad.dtype.type((bottom - top) * (right - left))
                for h in range(top, bottom):
                    row = dx[plane, h][left:right]
                    for i in range(row.size):
                        row[i] += share


@split
@kernel
def max_forward(start, stop, x, y, index):
    """Find the maximum of each bin and where it is."""
    OH, OW = y.shape[1], y.shape[2]
    for plane in range(start, stop):
        for oh in range(OH):
            top, bottom = bin_edges(oh, OH, x.shape[1])
            for ow in range(OW):
                left, right = bin_edges(ow, OW, x.shape[2])
                best, where = x[plane, top, left], top * x.shape[2] + left
                for h in range(top, bottom):
                    for w in range(left, right):
                        v = x[plane, h, w]
                        if v > best or v != v:
                            best, where = v, h * x.shape[2] + w
                y[plane, oh, ow], index[plane, oh, ow] = best, where


@split
@kernel
def max_backward(start, stop, grad, index, dx):
    """Add each gradient where its maximum was."""
    for plane in range(start, stop):
        a, g, where = dx[plane].reshape(-1), grad[plane].reshape(-1), index[plane].reshape(-1)
        for i in range(a.size):
            a[i] = 0
        for i in range(g.size):
            a[where[i]] += g[i]


def merged(x: Array, out_size: Pair) -> Array:
    """View x as planes, each one long row where there is a single bin."""
    x = planes(x)
    return x.reshape(len(x), 1, -1) if tuple(out_size) == (1, 1) else x


def adaptive_avg_pool2d_forward(x: Array, out_size: Pair) -> Array:
    """Return the mean over each bin, (..., OH, OW)."""
    check_type("adaptive_avg_pool2d", x)
    y = np.empty((*x.shape[:-2], *out_size), x.dtype)
    if y.size:
        source = merged(x, out_size)
        average_forward(threads_for(x.size, GRAIN), len(source), source, planes(y))
    return y


def adaptive_avg_pool2d_backward(grad: Array, in_size: Pair) -> Array:
    """Return dx (..., H, W): each gradient over its bin's size, added to every input of the bin."""
    check_type("adaptive_avg_pool2d", grad)
    dx = np.zeros((*grad.shape[:-2], *in_size), grad.dtype)
    if grad.size:
        target = merged(dx, grad.shape[-2:])
        average_backward(threads_for(dx.size, GRAIN), len(target), planes(grad), target)
    return dx


def adaptive_max_pool2d_forward(x: Array, out_size: Pair) -> tuple[Array, Array]:
    """Return the maximum of each bin and its position h W + w (int64), both (..., OH, OW)."""
    check_type("adaptive_max_pool2d", x)
    y = np.empty((*x.shape[:-2], *out_size), x.dtype)
    index = np.empty(y.shape, np.int64)
    if y.size:
        source = planes(x)
        max_forward(threads_for(x.size, GRAIN), len(source), source, planes(y), planes(index))
    return y, index


def adaptive_max_pool2d_backward(grad: Array, index: Array, in_size: Pair) -> Array:
    """Return dx (..., H, W): each gradient added at the position its maximum came from."""
    check_type("adaptive_max_pool2d", grad)
    dx = np.zeros((*grad.shape[:-2], *in_size), grad.dtype)
    if grad.size:
        target = planes(dx)
        max_backward(threads_for(dx.size, GRAIN), len(target), planes(grad), planes(dense(index)), target)
    return dx


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        x, grad = np.ones((1, 4, 4), dtype), np.ones((1, 2, 2), dtype)
        index = np.zeros((1, 2, 2), np.int64)
        for function, arguments in (
            (adaptive_avg_pool2d_forward, (x, (2, 2))),
            (adaptive_avg_pool2d_backward, (grad, (4, 4))),
            (adaptive_max_pool2d_forward, (x, (2, 2))),
            (adaptive_max_pool2d_backward, (grad, index, (4, 4))),
        ):
            yield f"adaptive_pool.{function.__name__} {dtype}", functools.partial(function, *arguments)
