"""Layer and group normalisation: every row by its own mean and variance, forward and backward.

A weight or bias of None means ones or zeros.  No result depends on the number of threads.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels.arrays import dense, flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.layer_norm_leaf import layer_norm_gradients
from ops.kernels.norm import GRAIN, Gradients, filled, sum_of
from ops.kernels.scalar import Function
from ops.kernels.simd import address_of, call

Array = np.ndarray[Any, Any]


class Kernels(NamedTuple):
    """Loops for one element type, each called as loop(threads, count, *arrays)."""

    layer_forward: Function
    group_forward: Function
    group_backward: Function


@functools.cache
def kernels(dtype: np.dtype[Any]) -> Kernels:
    """Make the loops for float32 or float64."""
    check(dtype)
    return Kernels(*map(split, (layer_forward_loop(dtype.type), *group_loops(dtype.type))))


def check(dtype: np.dtype[Any]) -> None:
    """Accept what there are kernels for."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"norm: expected float32 or float64, got {dtype}")


def row_moments(real: type) -> Function:
    """Make (mean, 1 / sqrt(variance + eps)) of one row, the variance about the mean."""
    zero, one, total = real(0), real(1), sum_of(real)

    @kernel(inline=True)
    def moments(a, eps):
        mean, q = total(a) / real(a.size), zero
        for i in range(a.size):
            d = a[i] - mean
            q += d * d
        return mean, one / real(math.sqrt(q / real(a.size) + eps))

    return moments


def layer_forward_loop(real: type) -> Function:
    """Make the loop over rows (M, D) with one weight per element of a row."""
    moments = row_moments(real)

    @kernel
    def forward(start, stop, x, weight, bias, eps, y, mean, invstd):
        for row in range(start, stop):
            a, b = x[row], y[row]
            m, inv = moments(a, eps)
            mean[row], invstd[row] = m, inv
            for i in range(b.size):
                b[i] = (a[i] - m) * inv * weight[i] + bias[i]

    return forward


@split
@kernel
def layer_backward(start, stop, grad, x, weight, mean, invstd, dx, dweight, dbias, leaf):
    """Differentiate blocks of rows; dweight and dbias (blocks, D) keep each block's sums."""
    blocks, (rows, columns), size = dweight.shape[0], x.shape, x.itemsize
    for block in range(start, stop):
        first, last = rows * block // blocks, rows * (block + 1) // blocks
        dweight[block], dbias[block] = 0, 0
        at, sums = first * columns * size, block * columns * size
        call(
            leaf, last - first, columns, address_of(grad) + at, address_of(x) + at, address_of(dx) + at,
            address_of(weight), address_of(mean) + first * size, address_of(invstd) + first * size,
            address_of(dweight) + sums, address_of(dbias) + sums,
        )  # fmt: skip


def group_loops(real: type) -> tuple[Function, ...]:
    """Make the loops over groups: x (N, C, P), rows of C / G channels, one weight per channel."""
    zero, moments = real(0), row_moments(real)

    @kernel
    def forward(start, stop, x, weight, bias, eps, y, mean, invstd):
        """x and y are (N G, C / G, P)."""
        groups = weight.size // max(x.shape[1], 1)
        for row in range(start, stop):
            m, inv = moments(x[row].reshape(-1), eps)
            mean[row], invstd[row] = m, inv
            for j in range(x.shape[1]):
                c = row % groups * x.shape[1] + j
                a, b, k, o = x[row, j], y[row, j], inv * weight[c], bias[c]
                for i in range(b.size):
                    b[i] = (a[i] - m) * k + o

    @kernel
    def backward(start, stop, grad, x, weight, mean, invstd, dx, dweight, dbias):
        """dweight and dbias (N G, C / G) keep each image's sums."""
        groups, count = weight.size // max(x.shape[1], 1), real(x.shape[1] * x.shape[2])
        for row in range(start, stop):
            m, inv = mean[row], invstd[row]
            first, second = 0.0, 0.0
            for j in range(x.shape[1]):
                g, a, s, q = grad[row, j], x[row, j], zero, zero
                for i in range(g.size):
                    s += g[i]
                    q += g[i] * (a[i] - m)
                q *= inv
                dweight[row, j], dbias[row, j] = q, s
                w = weight[row % groups * x.shape[1] + j]
                first += w * s
                second += w * q
            s, q = inv * real(first) / count, inv * inv * real(second) / count
            for j in range(x.shape[1]):
                g, a, d = grad[row, j], x[row, j], dx[row, j]
                k = inv * weight[row % groups * x.shape[1] + j]
                for i in range(d.size):
                    d[i] = k * g[i] - s - q * (a[i] - m)

    return forward, backward


class RowNorm(NamedTuple):
    """What layer_norm_forward and group_norm_forward return: y and, per row, the mean and 1 / std."""

    y: Array
    mean: Array
    invstd: Array


def layer_norm_forward(x: Array, weight: Array | None, bias: Array | None, *, eps: float) -> RowNorm:
    """Normalise each row of x (M, D), weight and bias (D,) (Ba, Kiros and Hinton 2016).

    y[m, d] = (x[m, d] - mean[m]) invstd[m] weight[d] + bias[d].
    """
    rows, size = x.shape
    result = RowNorm(np.empty(x.shape, x.dtype), np.empty(rows, x.dtype), np.empty(rows, x.dtype))
    kernels(x.dtype).layer_forward(
        threads_for(x.size, GRAIN),
        rows,
        dense(x),
        filled(weight, 1, size, x.dtype),
        filled(bias, 0, size, x.dtype),
        x.dtype.type(eps),
        *result,
    )
    return result


def layer_norm_backward(grad: Array, x: Array, weight: Array | None, mean: Array, invstd: Array) -> Gradients:
    """Differentiate layer norm; with h = (x - mean) invstd and averages over d,

    dx[m, d] = invstd[m] (grad w - avg(grad w) - h avg(grad w h)), dweight = sum_m grad h, dbias = sum_m grad.
    """
    check(x.dtype)
    rows, size = x.shape
    blocks = min(max(rows // 32, 1), 64)
    dx, sums = np.empty(x.shape, x.dtype), np.empty((2, blocks, size), x.dtype)
    layer_backward(
        min(threads_for(x.size, GRAIN), blocks),
        blocks,
        dense(grad),
        dense(x),
        filled(weight, 1, size, x.dtype),
        flat(mean),
        flat(invstd),
        dx,
        *sums,
        layer_norm_gradients(x.dtype),
    )
    dweight, dbias = sums.sum(axis=1, dtype=np.float64).astype(x.dtype)
    return Gradients(dx, dweight, dbias)


def group_norm_forward(x: Array, groups: int, weight: Array | None, bias: Array | None, *, eps: float) -> RowNorm:
    """Normalise each group of channels of each image of x (N, C, P), weight and bias (C,) (Wu and He 2018).

    y[n, c, p] = (x[n, c, p] - mean[n, g]) invstd[n, g] weight[c] + bias[c], g = c G // C; mean and invstd (N
    G,).
    """
    images, channels, positions = x.shape
    rows, shape = images * groups, (images * groups, channels // groups, positions)
    result = RowNorm(np.empty(x.shape, x.dtype), np.empty(rows, x.dtype), np.empty(rows, x.dtype))
    kernels(x.dtype).group_forward(
        threads_for(x.size, GRAIN),
        rows,
        dense(x).reshape(shape),
        filled(weight, 1, channels, x.dtype),
        filled(bias, 0, channels, x.dtype),
        x.dtype.type(eps),
        result.y.reshape(shape),
        result.mean,
        result.invstd,
    )
    return result


def group_norm_backward(
    grad: Array, x: Array, groups: int, weight: Array | None, mean: Array, invstd: Array
) -> Gradients:
    """Differentiate group norm: layer norm's formulas over a group's channels and positions."""
    images, channels, positions = x.shape
    shape = (images * groups, channels // groups, positions)
    dx, sums = np.empty(x.shape, x.dtype), np.empty((2, *shape[:2]), x.dtype)
    kernels(x.dtype).group_backward(
        threads_for(x.size, GRAIN),
        shape[0],
        dense(grad).reshape(shape),
        dense(x).reshape(shape),
        filled(weight, 1, channels, x.dtype),
        flat(mean),
        flat(invstd),
        dx.reshape(shape),
        *sums,
    )
    dweight, dbias = sums.reshape(2, images, channels).sum(axis=1, dtype=np.float64).astype(x.dtype)
    return Gradients(dx, dweight, dbias)


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        v, x = np.ones(2, dtype), np.ones((2, 2, 2), dtype)
        rows = x[0]
        yield (
            f"row_norm.layer_norm_forward {dtype}",
            functools.partial(layer_norm_forward, rows, v, v, eps=1e-5),
        )
        yield (
            f"row_norm.layer_norm_backward {dtype}",
            functools.partial(layer_norm_backward, rows, rows, v, v, v),
        )
        yield (
            f"row_norm.group_norm_forward {dtype}",
            functools.partial(group_norm_forward, x, 1, v, v, eps=1e-5),
        )
        yield (
            f"row_norm.group_norm_backward {dtype}",
            functools.partial(group_norm_backward, x, x, 1, v, v, v),
        )
