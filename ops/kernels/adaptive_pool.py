"""Adaptive pooling: OH x OW bins that cover the image, bin i from floor(i H / OH) to ceil((i + 1) H / OH).

Arrays are (..., H, W) and are treated as planes, which the threads divide.  Averages over bins of one size are
those of windows side by side, and that over the whole plane is the sum of a row.  For others the leaves of
`window_leaves` add rows, and loops the few columns of a bin: (8, 256, 13, 13) to 6 x 6 takes 0.27 ms forward and
0.40 ms backward, where loops over each bin took 0.74 and 0.78 ms (Zen 4, one thread).
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels import window_leaves
from ops.kernels.arrays import dense
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.pool import GRAIN, avg_pool2d_backward, avg_pool2d_forward, check_type, planes
from ops.kernels.reduction import by_rows
from ops.kernels.simd import address_of, call

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]

COLUMN = window_leaves.Shape(taps=1, stride=1, dilation=1)
"""Windows of one column: their leaves add whole rows."""


@kernel(inline=True)
def bin_edges(i, bins, size):
    """Return where bin i starts and stops."""
    return i * size // bins, ((i + 1) * size + bins - 1) // bins


@split
@kernel
def average_forward(start, stop, x, y, ones, leaf):
    """Average each bin: the leaf adds its rows, whose columns are then added; no bin is wider than `widest`."""
    (H, W), (OH, OW), zero = x.shape[1:], y.shape[1:], x.dtype.type(0)
    lefts, widths = np.empty(OW, np.int64), np.empty(OW, np.int64)
    for ow in range(OW):
        left, right = bin_edges(ow, OW, W)
        lefts[ow], widths[ow] = left, right - left
    widest, pitch = widths.max(), W * x.itemsize
    columns = np.zeros(W + widest, x.dtype)
    for plane in range(start, stop):
        for oh in range(OH):
            top, bottom = bin_edges(oh, OH, H)
            call(
                leaf, address_of(x) + (plane * H + top) * pitch, pitch, bottom - top, 0, W, address_of(ones),
                address_of(columns), W,
            )  # fmt: skip
            out = y[plane, oh]
            for ow in range(OW):
                total, first = zero, np.uint64(lefts[ow])
                for i in range(widest):  # equally often for all bins: the CPU foresees it
                    value = columns[first + np.uint64(i)]
                    total += value if i < widths[ow] else zero
                out[ow] = total / x.dtype.type((bottom - top) * widths[ow])


@kernel
def bins_over(bins, size):
    """List for each of `size` places the first bin that covers it and how many do, and the most that do."""
    first, count = np.zeros(size, np.int64), np.zeros(size, np.int64)
    for i in range(bins - 1, -1, -1):
        start, stop = bin_edges(i, bins, size)
        first[start:stop] = i
        count[start:stop] += 1
    return first, count, count.max()


@split
@kernel
def average_backward(start, stop, grad, dx, leaf):
    """Spread each gradient over its bin's size along the columns; the leaf then adds what a row receives."""
    (OH, OW), (H, W), zero = grad.shape[1:], dx.shape[1:], dx.dtype.type(0)
    first, count, most = bins_over(OW, W)
    first_row, row_count, most_rows = bins_over(OH, H)
    rows = np.zeros((H, most_rows, 2), np.int64)  # of `spread`, with a tap of 0, as the leaf takes them
    for h in range(H):
        for i in range(row_count[h]):
            rows[h, i, 0] = first_row[h] + i
    share, spread = np.zeros(OW + most, dx.dtype), np.empty((OH, W), dx.dtype)
    for plane in range(start, stop):
        for oh in range(OH):
            top, bottom = bin_edges(oh, OH, H)
            for ow in range(OW):
                left, right = bin_edges(ow, OW, W)
                share[ow] = grad[plane, oh, ow] / dx.dtype.type((bottom - top) * (right - left))
            row = spread[oh]
            for w in range(W):
                total = zero
                for i in range(most):  # equally often for all places: the CPU foresees it
                    value = share[np.uint64(first[w] + i)]
                    total += value if i < count[w] else zero
                row[w] = total
        for h in range(H):
            out = address_of(dx) + (plane * H + h) * W * dx.itemsize
            call(leaf, address_of(rows[h]), row_count[h], address_of(spread), 0, W, out, W, 0)


@split
@kernel
def fill_planes(start, stop, grad, dx):
    """dx[p, i] = grad[p] / (H W): the gradient of averages of whole planes."""
    for plane in range(start, stop):
        row, value = dx[plane], grad[plane] / dx.dtype.type(dx.shape[1])
        for i in range(row.size):
            row[i] = value


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
                        wins = (v > best) | (v != v)  # chosen, not jumped to: which one wins cannot be foreseen
                        best = v if wins else best
                        where = h * x.shape[2] + w if wins else where
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
    ones, leaf = np.ones(W, x.dtype), window_leaves.sum_row(COLUMN, x.dtype)
    average_forward(threads_for(x.size, GRAIN), len(source), source, planes(y), ones, leaf)
    return y


def adaptive_avg_pool2d_backward(grad: Array, in_size: Pair) -> Array:
    """Return dx (..., H, W): each gradient over its bin's size, added to every input of the bin."""
    check_type("adaptive_avg_pool2d", grad)
    (H, W), (OH, OW) = in_size, grad.shape[-2:]
    bins = equal_bins((H, W), (OH, OW)) if grad.size else None
    if bins is not None and (OH, OW) != (1, 1):
        return avg_pool2d_backward(grad, bins, bins, (0, 0), (H, W))
    dx = np.empty((*grad.shape[:-2], H, W), grad.dtype)
    target, threads = planes(dx), threads_for(dx.size, GRAIN)
    if not (grad.size and dx.size):
        dx.fill(0)
    elif (OH, OW) == (1, 1):
        fill_planes(threads, len(target), dense(grad).reshape(-1), target.reshape(-1, H * W))
    else:
        leaf = window_leaves.spread_row(COLUMN, grad.dtype, chosen=False)
        average_backward(threads, len(target), planes(grad), target, leaf)
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
    dx = np.empty((*grad.shape[:-2], *in_size), grad.dtype)
    if not grad.size:
        dx.fill(0)
    else:
        target = planes(dx)
        max_backward(threads_for(dx.size, GRAIN), len(target), planes(grad), planes(dense(index)), target)
    return dx


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        x, grad = np.ones((1, 4, 4), dtype), np.ones((1, 2, 2), dtype)
        index = np.zeros((1, 2, 2), np.int64)
        for function, arguments in (
            (adaptive_avg_pool2d_forward, (x, (3, 3))),
            (adaptive_avg_pool2d_backward, (grad, (3, 3))),
            (adaptive_avg_pool2d_backward, (grad[:, :1, :1], (3, 3))),
            (adaptive_max_pool2d_forward, (x, (2, 2))),
            (adaptive_max_pool2d_backward, (grad, index, (4, 4))),
        ):
            height, width = arguments[0].shape[-2:]
            yield f"adaptive_pool.{function.__name__} {height}x{width} {dtype}", functools.partial(function, *arguments)
