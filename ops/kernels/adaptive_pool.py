"""Adaptive pooling: OH x OW bins that cover the image, bin i from floor(i H / OH) to ceil((i + 1) H / OH).

Arrays are (..., H, W) and are treated as planes, which the threads divide.  Averages over bins of one size are
those of windows side by side, and that over the whole plane is the sum of a row.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels.arrays import dense
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.pool import GRAIN, avg_pool2d_backward, avg_pool2d_forward, check_type, planes
from ops.kernels.reduction import by_rows

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


def equal_bins(in_size: Pair, out_size: Pair) -> Pair | None:
    """Return the size of the bins if all are of one size, and lie side by side as windows do."""
    if in_size[0] % out_size[0] or in_size[1] % out_size[1]:
        return None
    return in_size[0] // out_size[0], in_size[1] // out_size[1]


def adaptive_avg_pool2d_forward(x: Array, out_size: Pair) -> Array:
    """Return the mean over each bin, (..., OH, OW)."""
    check_type("adaptive_avg_pool2d", x)
    (H, W), shape = x.shape[-2:], (*x.shape[:-2], *out_size)
    if not (x.size and math.prod(out_size)):
        return np.full(shape, np.nan, x.dtype)
    if tuple(out_size) == (1, 1):
        return (by_rows(planes(x).reshape(-1, H * W)) / x.dtype.type(H * W)).reshape(shape)
    bins = equal_bins((H, W), out_size)
    if bins is not None:
        return avg_pool2d_forward(x, bins, bins, (0, 0), out_size)
    y, source = np.empty(shape, x.dtype), planes(x)
    average_forward(threads_for(x.size, GRAIN), len(source), source, planes(y))
    return y


def adaptive_avg_pool2d_backward(grad: Array, in_size: Pair) -> Array:
    """Return dx (..., H, W): each gradient over its bin's size, added to every input of the bin."""
    check_type("adaptive_avg_pool2d", grad)
    (H, W), (OH, OW) = in_size, grad.shape[-2:]
    shape = (*grad.shape[:-2], H, W)
    bins = equal_bins((H, W), (OH, OW)) if grad.size else None
    if bins is not None and (OH, OW) != (1, 1):
        return avg_pool2d_backward(grad, bins, bins, (0, 0), (H, W))
    dx = np.zeros(shape, grad.dtype)
    if grad.size:
        lines = (OH, OW) == (1, 1)
        target = planes(dx).reshape(-1, 1, H * W) if lines else planes(dx)
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
