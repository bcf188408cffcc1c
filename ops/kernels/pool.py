"""Max and average pooling over the last two axes, forward and backward.

Arrays are (..., H, W) and are treated as planes, which the threads divide; pooling in one dimension is H = 1.
Max pooling remembers the tap (r, s) of the window that won as r S + s in one byte, a quarter of the traffic
of PyTorch's int64 positions; `flat_index` converts.  As in PyTorch NaN wins over every number and the first
of equals wins.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ops.kernels import pool_loops as loops
from ops.kernels import window_leaves as leaves
from ops.kernels.arrays import dense
from ops.kernels.jit import threads_for
from ops.kernels.simd import lanes

Array = np.ndarray[Any, Any]
Pair = tuple[int, int]

GRAIN = 16384
"""Elements per thread below which a second thread costs more than it saves."""

WIDE = 16
"""Outputs in a row from which loops find maxima of 2 x 2 windows sooner than the masked leaves do."""


def planes(x: Array) -> Array:
    """View (..., H, W) as dense (planes, H, W)."""
    return dense(x).reshape(math.prod(x.shape[:-2]), *x.shape[-2:])


def pair(numbers: Sequence[int]) -> Pair:
    """Return two numbers as a tuple, which caches can look up."""
    first, second = numbers
    return first, second


def check_type(name: str, x: Array) -> None:
    """Accept float32 and float64."""
    if x.dtype not in (np.float32, np.float64):
        raise TypeError(f"{name}: expected float32 or float64, got {x.dtype}")


def is_2x2(kernel: Pair, stride: Pair, padding: Pair, sizes: tuple[Pair, Pair]) -> bool:
    """Return whether windows are 2 x 2 side by side inside the image; sizes are (H, W), (OH, OW)."""
    (height, width), (out_height, out_width) = sizes
    fits = 2 * out_height <= height and 2 * out_width <= width
    return kernel == stride == (2, 2) and padding == (0, 0) and fits


def short(x: Array, y: Array) -> bool:
    """Return whether windows 2 x 2 fill the planes of x, and their rows in y several to a vector."""
    return x.size == 4 * y.size and y.shape[-1] < WIDE and lanes(y.dtype) % y.shape[-1] == 0


@functools.cache
def table(*pairs: Pair) -> Array:
    """Write pairs as rows of int64: kernels that start threads take arrays, not nested tuples."""
    return np.array(pairs, np.int64)


@functools.lru_cache(maxsize=256)
def first_columns(outputs: int, stride: int, padding: int, dilation: int, taps: int) -> Array:
    """Return, per output column, the first tap inside the image (int32)."""
    left = padding - stride * np.arange(outputs)
    return np.clip(-(-left // dilation), 0, taps - 1).astype(np.int32)


@functools.lru_cache(maxsize=256)
def rows_over(height: int, outputs: int, kernel: Pair, stride: int, padding: int, dilation: int) -> tuple[Array, Array]:
    """List for every input row h the rows oh of windows it is in and r S, and how many there are.

    int64[height, R, 2] and int64[height], with h + padding = oh stride + r dilation.
    """
    r = np.arange(kernel[0])
    place = np.arange(height)[:, None] + padding - r * dilation
    inside = (place >= 0) & (place % stride == 0) & (place // stride < outputs)
    rows = np.stack(np.broadcast_arrays(place // stride, r * kernel[1]), axis=-1)
    first = np.argsort(~inside, axis=1, kind="stable")  # those inside come first, in their order
    return np.take_along_axis(rows, first[:, :, None], axis=1), np.count_nonzero(inside, axis=1)


def row_shape(kernel: Pair, stride: Pair, dilation: Pair, padding: Pair = (0, 0)) -> leaves.Shape | None:
    """Return what a row's leaves are made for, None if they are not for such windows; gradients give the padding."""
    shape = leaves.Shape(kernel[1], stride[1], dilation[1], padding[1] % stride[1])
    return shape if max(shape) <= leaves.LARGEST else None


def index_type(kernel: Pair) -> type:
    """Return the smallest type that numbers the taps of a window."""
    return np.uint8 if math.prod(kernel) <= 256 else np.int32


def max_pool2d_forward(
    x: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_size: Pair
) -> tuple[Array, Array]:
    """Return y and the winning taps, both (..., OH, OW).

    y[p, oh, ow] = max over r, s of x[p, oh stride + r dilation - padding, ow stride + s dilation - padding]
    inside the image; index = r S + s of the maximum.
    """
    check_type("max_pool2d", x)
    kernel, stride, padding, dilation = map(pair, (kernel, stride, padding, dilation))
    y = np.empty((*x.shape[:-2], *out_size), x.dtype)
    index: Array = np.empty(y.shape, index_type(kernel))
    if y.size == 0:
        return y, index
    source, threads = planes(x), threads_for(x.size, GRAIN)
    side_by_side = is_2x2(kernel, stride, padding, (x.shape[-2:], out_size)) and dilation == (1, 1)
    if side_by_side and out_size[1] >= WIDE:
        loops.max_forward_2x2(threads, len(source), source, planes(y), planes(index))
    elif side_by_side and short(x, y):
        leaf = leaves.max_2x2(out_size[1], x.dtype)
        loops.max_forward_2x2_short(threads, len(source), source, planes(y), planes(index), leaf)
    else:
        columns = first_columns(out_size[1], stride[1], padding[1], dilation[1], kernel[1])
        geometry, shape = table(kernel, stride, padding, dilation), row_shape(kernel, stride, dilation)
        row_leaf = shape and leaves.max_row(shape, x.dtype, wide_index=index.itemsize > 1)
        loop = loops.max_forward if row_leaf else loops.max_search
        loop(threads, len(source), source, geometry, columns, planes(y), planes(index), row_leaf or 0)
    return y, index


def max_pool2d_backward(
    grad: Array, index: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, in_size: Pair
) -> Array:
    """Return dx (..., H, W): each gradient added at the position its window's maximum came from."""
    check_type("max_pool2d", grad)
    kernel, stride, padding, dilation = map(pair, (kernel, stride, padding, dilation))
    dx = np.empty((*grad.shape[:-2], *in_size), grad.dtype)
    if grad.size == 0:
        dx.fill(0)
        return dx
    target, threads = planes(dx), threads_for(dx.size, GRAIN)
    side_by_side = is_2x2(kernel, stride, padding, (in_size, grad.shape[-2:])) and dilation == (1, 1)
    if side_by_side and grad.shape[-1] >= WIDE:
        loops.max_backward_2x2(threads, len(target), planes(grad), planes(index), target)
        return dx
    if side_by_side and short(dx, grad):
        leaf = leaves.spread_2x2(grad.shape[-1], grad.dtype, chosen=True)
        loops.max_backward_2x2_short(threads, len(target), planes(grad), planes(index), target, leaf)
        return dx
    geometry, shape = table(kernel, stride, padding, dilation), row_shape(kernel, stride, dilation, padding)
    if shape and index.itemsize == 1:
        leaf = leaves.spread_row(shape, grad.dtype, chosen=True)
        rows = rows_over(in_size[0], grad.shape[-2], kernel, stride[0], padding[0], dilation[0])
        loops.max_backward(threads, len(target), planes(grad), planes(index), *rows, padding[1], target, leaf)
    else:
        loops.max_scatter(threads, len(target), planes(grad), planes(index), geometry, target)
    return dx


def flat_index(index: Array, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, in_size: Pair) -> Array:
    """Convert winning taps to PyTorch's int64 positions h W + w within a plane."""
    r, s = np.divmod(index.astype(np.int64), kernel[1])
    h = np.arange(index.shape[-2])[:, None] * stride[0] - padding[0] + r * dilation[0]
    w = np.arange(index.shape[-1]) * stride[1] - padding[1] + s * dilation[1]
    return h * in_size[1] + w


def counts(
    out_size: Pair, in_size: Pair, kernel: Pair, stride: Pair, padding: Pair, *, count_include_pad: bool
) -> list[Array]:
    """Return how many rows, and how many columns, each window counts: those inside the (padded) image."""
    result = []
    for outputs, size, window, step, pad in zip(out_size, in_size, kernel, stride, padding, strict=True):
        start = np.arange(outputs) * step - pad
        stop = np.minimum(start + window, size + pad)
        if not count_include_pad:
            start, stop = np.maximum(start, 0), np.minimum(stop, size)
        result.append(stop - start)
    return result


@functools.lru_cache(maxsize=256)
def divisors(
    dtype: np.dtype[Any],
    out_size: Pair,
    in_size: Pair,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Array:
    """Return what each window's sum is divided by, (OH, OW)."""
    if divisor_override is not None:
        return np.full(out_size, divisor_override, dtype)
    rows, columns = counts(out_size, in_size, kernel, stride, padding, count_include_pad=count_include_pad)
    return np.outer(rows, columns).astype(dtype)


def avg_pool2d_forward(
    x: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    out_size: Pair,
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Return the mean of each window (..., OH, OW): its sum over the number of its elements.

    Elements beyond the padding are never counted, those in it if `count_include_pad`; `divisor_override`
    replaces the count.
    """
    check_type("avg_pool2d", x)
    kernel, stride, padding, out_size = map(pair, (kernel, stride, padding, out_size))
    y, in_size = np.empty((*x.shape[:-2], *out_size), x.dtype), x.shape[-2:]
    if y.size == 0:
        return y
    source, threads = planes(x), threads_for(x.size, GRAIN)
    if is_2x2(kernel, stride, padding, (in_size, out_size)):
        scale = np.array([1 / (divisor_override or 4)], x.dtype)
        if short(x, y):
            leaf = leaves.average_2x2(out_size[1], x.dtype)
            loops.average_forward_2x2_short(threads, len(source), source, scale, planes(y), leaf)
        else:
            loops.average_forward_2x2(threads, len(source), source, scale[0], planes(y))
    else:
        count = divisors(x.dtype, out_size, in_size, kernel, stride, padding, count_include_pad, divisor_override)
        geometry, shape = table(kernel, stride, padding, (1, 1)), row_shape(kernel, stride, (1, 1))
        row_leaf = shape and leaves.sum_row(shape, x.dtype)
        loop = loops.average_forward if row_leaf else loops.average_search
        loop(threads, len(source), source, geometry, count, planes(y), row_leaf or 0)
    return y


def avg_pool2d_backward(
    grad: Array,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
    in_size: Pair,
    *,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Array:
    """Return dx (..., H, W): each gradient over its window's count, added to every input of the window."""
    check_type("avg_pool2d", grad)
    kernel, stride, padding, in_size = map(pair, (kernel, stride, padding, in_size))
    dx, out_size = np.empty((*grad.shape[:-2], *in_size), grad.dtype), grad.shape[-2:]
    if grad.size == 0:
        dx.fill(0)
        return dx
    target, threads = planes(dx), threads_for(dx.size, GRAIN)
    if is_2x2(kernel, stride, padding, (in_size, out_size)):
        scale = np.array([1 / (divisor_override or 4)], grad.dtype)
        if short(dx, grad):
            leaf = leaves.spread_2x2(out_size[1], grad.dtype, chosen=False)
            loops.average_backward_2x2_short(threads, len(target), planes(grad), scale, target, leaf)
        else:
            loops.average_backward_2x2(threads, len(target), planes(grad), scale[0], target)
        return dx
    count = divisors(grad.dtype, out_size, in_size, kernel, stride, padding, count_include_pad, divisor_override)
    geometry, shape = table(kernel, stride, padding, (1, 1)), row_shape(kernel, stride, (1, 1), padding)
    if shape:
        leaf = leaves.spread_row(shape, grad.dtype, chosen=False)
        rows = rows_over(in_size[0], out_size[0], kernel, stride[0], padding[0], 1)
        loops.average_backward(threads, len(target), planes(grad), count, *rows, padding[1], target, leaf)
    else:
        loops.average_scatter(threads, len(target), planes(grad), geometry, count, target)
    return dx


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        cases = ("2x2", (2, 2), (0, 0), 2), ("2x2 wide", (2, 2), (0, 0), WIDE), ("any", (3, 3), (1, 1), 2)
        for name, window, pad, width in cases:
            x, size, outputs = np.ones((1, 4, 2 * width), dtype), (4, 2 * width), (2, width)
            index, grad = np.zeros((1, *outputs), np.uint8), np.ones((1, *outputs), dtype)
            yield (
                f"pool.max_pool2d_forward {name} {dtype}",
                functools.partial(max_pool2d_forward, x, window, (2, 2), pad, (1, 1), outputs),
            )
            yield (
                f"pool.max_pool2d_backward {name} {dtype}",
                functools.partial(max_pool2d_backward, grad, index, window, (2, 2), pad, (1, 1), size),
            )
            yield (
                f"pool.avg_pool2d_forward {name} {dtype}",
                functools.partial(avg_pool2d_forward, x, window, (2, 2), pad, outputs),
            )
            yield (
                f"pool.avg_pool2d_backward {name} {dtype}",
                functools.partial(avg_pool2d_backward, grad, window, (2, 2), pad, size),
            )
