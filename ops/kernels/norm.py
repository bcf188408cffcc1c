"""Batch normalisation, forward and backward.

x is (N, C, P), P the positions of an image; one thread owns whole channels.  With one position (features rather than
images) x is a matrix: see `column_norm`.  A weight or bias of None means ones or zeros.  Sums run in the element type
along one image and in float64 across images; no result depends on the number of threads.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import column_norm
from ops.kernels.arrays import dense, flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.scalar import Function

Array = np.ndarray[Any, Any]

GRAIN = 16384
"""Elements per thread below which a second thread costs more than it saves."""


class Kernels(NamedTuple):
    """Loops for one element type and layout, each called as loop(threads, parts, *arrays)."""

    forward: Function
    affine: Function
    backward: Function


@functools.cache
def kernels(dtype: np.dtype[Any], matrix: bool) -> Kernels:
    """Make the loops for float32 or float64, over channels of images or over the rows of a matrix."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"norm: expected float32 or float64, got {dtype}")
    if matrix:
        return Kernels(column_norm.forward, column_norm.affine, column_norm.backward)
    return Kernels(*map(split, image_loops(dtype.type)))


def sum_of(real: type) -> Function:
    """Make sum(a)."""
    zero = real(0)

    @kernel(inline=True)
    def total(a):
        s = zero
        for i in range(a.size):
            s += a[i]
        return s

    return total


def image_loops(real: type) -> tuple[Function, ...]:
    """Make the loops over x (N, C, P).

    Both passes follow the order of memory: taken channel by channel, the images of a batch compete for the same sets of
    the cache, and the caches fetch ahead what follows, not what precedes.
    """

    @kernel
    def affine(start, stop, x, weight, bias, mean, invstd, y):
        for n in range(x.shape[0]):
            for c in range(start, stop):
                a, b, m, k, o = x[n, c], y[n, c], mean[c], invstd[c] * weight[c], bias[c]
                for i in range(b.size):
                    b[i] = (a[i] - m) * k + o

    return image_forward(real, affine), affine, image_backward(real)


def image_forward(real: type, affine: Function) -> Function:
    """Make the loop that measures x (N, C, P) and normalises it."""
    zero, total = real(0), sum_of(real)

    @kernel
    def forward(start, stop, x, weight, bias, eps, mean, var, invstd, y):
        """Mean and biased variance come from sums about the mean of the channel's first image.

        About such a pivot the variance loses at most a factor N of precision, whatever the offset of the
        data.
        """
        first, second = np.zeros(stop - start, np.float64), np.zeros(stop - start, np.float64)
        count = x.shape[0] * x.shape[2]
        for c in range(start, stop):
            mean[c] = total(x[0, c]) / real(x.shape[2])
        for n in range(x.shape[0]):
            for c in range(start, stop):
                a, pivot, s, q = x[n, c], mean[c], zero, zero
                for i in range(a.size):
                    d = a[i] - pivot
                    s += d
                    q += d * d
                first[c - start] += s
                second[c - start] += q
        for c in range(start, stop):
            m = first[c - start] / count
            v = second[c - start] / count - m * m
            v = 0.0 if v < 0.0 else v  # a rounding below zero
            mean[c], var[c], invstd[c] = mean[c] + m, v, 1.0 / math.sqrt(v + eps)
        affine(start, stop, x, weight, bias, mean, invstd, y)

    return forward


def image_backward(real: type) -> Function:
    """Make the loop that differentiates: sums per channel first, then dx."""
    zero = real(0)

    @kernel
    def backward(start, stop, grad, x, weight, mean, invstd, training, dx, dweight, dbias):
        first, second = np.zeros(stop - start, np.float64), np.zeros(stop - start, np.float64)
        share = training / real(x.shape[0] * x.shape[2])
        for n in range(x.shape[0]):
            for c in range(start, stop):
                g, a, m, s, q = grad[n, c], x[n, c], mean[c], zero, zero
                for i in range(g.size):
                    s += g[i]
                    q += g[i] * (a[i] - m)
                first[c - start] += s
                second[c - start] += q
        for c in range(start, stop):
            dweight[c], dbias[c] = second[c - start] * invstd[c], first[c - start]
        for n in range(x.shape[0]):
            for c in range(start, stop):
                g, a, d, m, k = grad[n, c], x[n, c], dx[n, c], mean[c], invstd[c] * weight[c]
                o, s = k * share * dbias[c], k * share * dweight[c] * invstd[c]
                for i in range(d.size):
                    d[i] = k * g[i] - o - s * (a[i] - m)

    return backward


class BatchNorm(NamedTuple):
    """What batch_norm_forward returns: y (N, C, P) and each channel's mean, biased variance and 1 / std."""

    y: Array
    mean: Array
    var: Array
    invstd: Array


class Gradients(NamedTuple):
    """Gradients of a normalisation with respect to its input, weight and bias."""

    dx: Array
    dweight: Array
    dbias: Array


def filled(vector: Array | None, value: float, size: int, dtype: np.dtype[Any]) -> Array:
    """Return a weight or bias as one dense axis, or an axis full of `value` in place of None."""
    return np.full(size, value, dtype) if vector is None else flat(vector.astype(dtype, copy=False))


class Layout(NamedTuple):
    """How the loops see x (N, C, P)."""

    loops: Kernels
    shape: tuple[int, ...]
    parts: int
    """What the threads divide: channels of images, rows of a matrix."""
    threads: int


def layout(x: Array) -> Layout:
    """Choose the loops for the shape of x."""
    images, channels, positions = x.shape
    loops = kernels(x.dtype, positions == 1)
    if positions == 1:
        return Layout(loops, (images, channels), images, threads_for(x.size, column_norm.GRAIN))
    return Layout(loops, x.shape, channels, threads_for(x.size, GRAIN))


def batch_norm_forward(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> BatchNorm:
    """Normalise x (N, C, P) by the batch's own statistics.

    y[n, c, p] = (x[n, c, p] - mean[c]) invstd[c] weight[c] + bias[c], invstd = 1 / sqrt(var + eps), var
    biased (Ioffe and Szegedy 2015, algorithm 1).
    """
    loops, shape, parts, threads = layout(x)
    channels, dtype = x.shape[1], x.dtype
    if x.size == 0:
        return BatchNorm(np.empty(x.shape, dtype), *(np.full(channels, np.nan, dtype) for _ in range(3)))
    y, (mean, var, invstd) = np.empty(x.shape, dtype), (np.empty(channels, dtype) for _ in range(3))
    loops.forward(
        threads,
        parts,
        dense(x).reshape(shape),
        filled(weight, 1, channels, dtype),
        filled(bias, 0, channels, dtype),
        eps,
        mean,
        var,
        invstd,
        y.reshape(shape),
    )
    return BatchNorm(y, mean, var, invstd)


def batch_norm_apply(x: Array, weight: Array | None, bias: Array | None, mean: Array, invstd: Array) -> Array:
    """Normalise by given statistics: y[n, c, p] = (x[n, c, p] - mean[c]) invstd[c] weight[c] + bias[c]."""
    loops, shape, parts, threads = layout(x)
    channels, dtype = x.shape[1], x.dtype
    y = np.empty(x.shape, dtype)
    loops.affine(
        threads,
        parts,
        dense(x).reshape(shape),
        filled(weight, 1, channels, dtype),
        filled(bias, 0, channels, dtype),
        filled(mean, 0, channels, dtype),
        filled(invstd, 1, channels, dtype),
        y.reshape(shape),
    )
    return y


def batch_norm_backward(
    grad: Array, x: Array, weight: Array | None, mean: Array, invstd: Array, *, training: bool
) -> Gradients:
    """Differentiate batch norm; with h = (x - mean) invstd and M = N P,

    dbias = sum grad, dweight = sum grad h, dx = weight invstd (grad - dbias / M - h dweight / M) where the
    statistics were those of the batch, dx = weight invstd grad where they were constants (training=False).
    """
    loops, shape, parts, threads = layout(x)
    channels, dtype = x.shape[1], x.dtype
    if x.size == 0:
        return Gradients(np.empty(x.shape, dtype), np.zeros(channels, dtype), np.zeros(channels, dtype))
    result = Gradients(np.empty(x.shape, dtype), np.empty(channels, dtype), np.empty(channels, dtype))
    loops.backward(
        threads,
        parts,
        dense(grad).reshape(shape),
        dense(x).reshape(shape),
        filled(weight, 1, channels, dtype),
        filled(mean, 0, channels, dtype),
        filled(invstd, 1, channels, dtype),
        dtype.type(training),
        result.dx.reshape(shape),
        result.dweight,
        result.dbias,
    )
    return result


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of batch norm."""
    for dtype in ("float32", "float64"):
        v = np.ones(2, dtype)
        for name, x in ("images", np.ones((2, 2, 2), dtype)), ("matrix", np.ones((2, 2, 1), dtype)):
            calls: dict[str, Callable[[], object]] = {
                "forward": functools.partial(batch_norm_forward, x, v, v, eps=1e-5),
                "apply": functools.partial(batch_norm_apply, x, v, v, v, v),
                "backward": functools.partial(batch_norm_backward, x, x, v, v, v, training=True),
            }
            yield from ((f"norm.batch_norm_{part} {name} {dtype}", call) for part, call in calls.items())
