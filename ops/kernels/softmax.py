"""Softmax, log-softmax and cross-entropy over the last axis of (rows, D), forward and backward.

Infinities follow from the formulas, as in PyTorch: a row that is -inf throughout, or holds +inf or NaN, gives
NaN.
"""

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels.arrays import dense, flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.scalar import Function, elementary

Array = np.ndarray[Any, Any]

GRAIN = 8192
"""Elements per thread below which a second thread costs more than it saves."""


INT64 = np.dtype(np.int64)


class Kernels(NamedTuple):
    """The compiled loops for one element type, each called as loop(threads, rows, *arrays)."""

    softmax: Function
    log_softmax: Function
    softmax_backward: Function
    log_softmax_backward: Function
    cross_entropy: Function
    cross_entropy_backward: Function


def largest_of(real: type) -> Function:
    """Make max(a) as a reduction of integers ordered like the floats: on floats it would stay scalar.

    Flipping all but the sign bit of a negative float turns sign-magnitude into two's complement.  NaN sorts
    above +inf or below -inf by its sign; either way exp(NaN - max) tells later.
    """
    bits = np.int32 if real is np.float32 else np.int64
    all_but_sign, sign = bits(np.iinfo(bits).max), bits(np.iinfo(bits).bits - 1)
    lowest = bits(np.iinfo(bits).min)

    @kernel(inline=True)
    def largest(a):
        words, best = a.view(bits), lowest
        for i in range(words.size):
            word = words[i]
            word = bits(word ^ ((word >> sign) & all_but_sign))
            best = word if word > best else best
        return bits(best ^ ((best >> sign) & all_but_sign)).view(real)

    return largest


@functools.cache
def kernels(dtype: np.dtype[Any]) -> Kernels:
    """Make the loops for float32 or float64."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"softmax: expected float32 or float64, got {dtype}")
    real = dtype.type
    return Kernels(*map(split, softmax_loops(real) + cross_entropy_loops(real)))


def softmax_loops(real: type) -> tuple[Function, ...]:
    """Make the loops over rows of softmax and log-softmax."""
    exp, largest, zero, one = elementary(real).exp, largest_of(real), real(0), real(1)

    @kernel
    def softmax(start, stop, x, y):
        for row in range(start, stop):
            a, b = x[row], y[row]
            top, total = largest(a), zero
            for i in range(a.size):
                e = exp(a[i] - top)
                b[i] = e
                total += e
            scale = one / total
            for i in range(b.size):
                b[i] *= scale

    @kernel
    def log_softmax(start, stop, x, y):
        for row in range(start, stop):
            a, b = x[row], y[row]
            top, total = largest(a), zero
            for i in range(a.size):
                total += exp(a[i] - top)
            log_total = real(math.log(total))
            for i in range(b.size):
                b[i] = (a[i] - top) - log_total

    @kernel
    def softmax_backward(start, stop, grad, y, dx):
        for row in range(start, stop):
            g, b, d = grad[row], y[row], dx[row]
            dot = zero
            for i in range(g.size):
                dot += g[i] * b[i]
            for i in range(d.size):
                d[i] = b[i] * (g[i] - dot)

    @kernel
    def log_softmax_backward(start, stop, grad, y, dx):
        for row in range(start, stop):
            g, b, d = grad[row], y[row], dx[row]
            total = zero
            for i in range(g.size):
                total += g[i]
            for i in range(d.size):
                d[i] = g[i] - exp(b[i]) * total

    return softmax, log_softmax, softmax_backward, log_softmax_backward


def cross_entropy_loops(real: type) -> tuple[Function, ...]:
    """Make the loops over rows of cross-entropy; see `cross_entropy_forward` for the formulas."""
    exp, largest, zero, one = elementary(real).exp, largest_of(real), real(0), real(1)

    @kernel
    def forward(start, stop, x, target, weight, ignore_index, smoothing, loss, log_sum, row_weight):
        total_weight = zero
        for i in range(weight.size):
            total_weight += weight[i]
        share = smoothing / real(x.shape[1])
        for row in range(start, stop):
            a, t = x[row], target[row]
            top, total = largest(a), zero
            for i in range(a.size):
                total += exp(a[i] - top)
            log_sum[row] = top + real(math.log(total))
            if t == ignore_index:
                loss[row], row_weight[row] = zero, zero
                continue
            row_weight[row] = weight[t]
            log_total = real(math.log(total))
            value = (one - smoothing) * weight[t] * (log_total - (a[t] - top))
            if smoothing > zero:
                dot = zero
                for i in range(a.size):
                    dot += weight[i] * (a[i] - top)
                value += share * (log_total * total_weight - dot)
            loss[row] = value

    @kernel
    def backward(start, stop, scale, x, target, weight, ignore_index, smoothing, log_sum, dx):
        total_weight = zero
        for i in range(weight.size):
            total_weight += weight[i]
        share = smoothing / real(x.shape[1])
        for row in range(start, stop):
            a, d, t = x[row], dx[row], target[row]
            if t == ignore_index:
                for i in range(d.size):
                    d[i] = zero
                continue
            hit = scale[row] * (one - smoothing) * weight[t]
            spread = scale[row] * share
            factor, shift = hit + spread * total_weight, log_sum[row]
            if smoothing > zero:
                for i in range(d.size):
                    d[i] = factor * exp(a[i] - shift) - spread * weight[i]
            else:
                for i in range(d.size):
                    d[i] = factor * exp(a[i] - shift)
            d[t] -= hit

    return forward, backward


@kernel
def first_outside(target, classes, ignore_index):
    """Return the first position whose class does not exist, -1 if there is none."""
    bad = 0
    for i in range(target.size):  # without a way out it is vector code
        t = target[i]
        bad += (t != ignore_index) & ((t < 0) | (t >= classes))
    if bad == 0:
        return -1
    for i in range(target.size):
        t = target[i]
        if t != ignore_index and (t < 0 or t >= classes):
            return i
    return -1


def softmax_forward(x: Array) -> Array:
    """Return y[r, i] = exp(x[r, i]) / sum_j exp(x[r, j])."""
    y = np.empty(x.shape, x.dtype)
    kernels(x.dtype).softmax(threads_for(x.size, GRAIN), len(x), dense(x), y)
    return y


def log_softmax_forward(x: Array) -> Array:
    """Return y[r, i] = x[r, i] - log sum_j exp(x[r, j])."""
    y = np.empty(x.shape, x.dtype)
    kernels(x.dtype).log_softmax(threads_for(x.size, GRAIN), len(x), dense(x), y)
    return y


def softmax_backward(grad: Array, y: Array) -> Array:
    """Return dx[r, i] = y[r, i] (grad[r, i] - sum_j grad[r, j] y[r, j]), y = softmax(x)."""
    dx = np.empty(y.shape, y.dtype)
    kernels(y.dtype).softmax_backward(threads_for(y.size, GRAIN), len(y), dense(grad), dense(y), dx)
    return dx


def log_softmax_backward(grad: Array, y: Array) -> Array:
    """Return dx[r, i] = grad[r, i] - exp(y[r, i]) sum_j grad[r, j], y = log_softmax(x)."""
    dx = np.empty(y.shape, y.dtype)
    kernels(y.dtype).log_softmax_backward(threads_for(y.size, GRAIN), len(y), dense(grad), dense(y), dx)
    return dx


class CrossEntropy(NamedTuple):
    """What cross_entropy_forward returns; every array has one entry per row."""

    loss: Array
    """The loss of the row, 0 where it is ignored."""
    row_weight: Array
    """weight[target], 0 where the row is ignored: PyTorch's mean divides by the sum of these."""
    log_sum: Array
    """log sum_j exp(x[r, j]), for the backward pass."""


def cross_entropy_forward(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> CrossEntropy:
    """Return the loss of each row of x (B, D) against class target[r] (int64, (B,)).

    With l = log_softmax(x), class weights w (D,), smoothing e:
    loss[r] = -(1 - e) w[t] l[r, t] - e / D sum_i w[i] l[r, i], t = target[r].
    Raises IndexError for a target that is no class and not `ignore_index`.
    """
    rows, classes = x.shape
    if target.shape != (rows,) or (weight is not None and weight.shape != (classes,)):
        shape = None if weight is None else weight.shape
        raise ValueError(f"cross_entropy: x {x.shape} does not match target {target.shape}, weight {shape}")
    loops, dtype = kernels(x.dtype), x.dtype
    target = checked_classes(target, classes, ignore_index)
    result = CrossEntropy(np.empty(rows, dtype), np.empty(rows, dtype), np.empty(rows, dtype))
    loops.cross_entropy(
        threads_for(x.size, GRAIN),
        rows,
        dense(x),
        target,
        class_weights(weight, classes, dtype),
        ignore_index,
        dtype.type(label_smoothing),
        result.loss,
        result.log_sum,
        result.row_weight,
    )
    return result


def cross_entropy_backward(
    scale: Array,
    x: Array,
    target: Array,
    log_sum: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Array:
    """Return dx for the gradient scale[r] of each row's loss: with p = softmax(x),

    dx[r, i] = scale[r] ((1 - e) w[t] (p[r, i] - [i = t]) + e / D (p[r, i] sum_j w[j] - w[i])).
    """
    dx = np.empty(x.shape, x.dtype)
    kernels(x.dtype).cross_entropy_backward(
        threads_for(x.size, GRAIN),
        len(x),
        flat(scale),
        dense(x),
        class_numbers(target),
        class_weights(weight, x.shape[1], x.dtype),
        ignore_index,
        x.dtype.type(label_smoothing),
        flat(log_sum),
        dx,
    )
    return dx


def class_weights(weight: Array | None, classes: int, dtype: np.dtype[Any]) -> Array:
    """Return the weight of each class, 1 where none were given."""
    return equal_weights(classes, dtype) if weight is None else flat(weight.astype(dtype, copy=False))


@functools.lru_cache(16)
def equal_weights(classes: int, dtype: np.dtype[Any]) -> Array:
    """Return ones, which no kernel writes to."""
    return np.ones(classes, dtype)


def checked_classes(target: Array, classes: int, ignore_index: int) -> Array:
    """Return classes in the form the loops take; raise IndexError for one that does not exist."""
    target = class_numbers(target)
    bad = first_outside(target, classes, ignore_index)
    if bad >= 0:
        raise IndexError(f"cross_entropy: Target {target[bad]} is out of bounds for {classes} classes")
    return target


def class_numbers(target: Array) -> Array:
    """Return classes in the form the loops take."""
    return flat(target if target.dtype is INT64 else target.astype(np.int64))


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    target = np.zeros(1, np.int64)
    for dtype in ("float32", "float64"):
        x, rows = np.ones((1, 2), dtype), np.ones(1, dtype)
        yield f"softmax.softmax {dtype}", functools.partial(softmax_forward, x)
        yield f"softmax.log_softmax {dtype}", functools.partial(log_softmax_forward, x)
        yield f"softmax.softmax_backward {dtype}", functools.partial(softmax_backward, x, x)
        yield f"softmax.log_softmax_backward {dtype}", functools.partial(log_softmax_backward, x, x)
        yield f"softmax.cross_entropy {dtype}", functools.partial(cross_entropy_forward, x, target)
        backward = functools.partial(cross_entropy_backward, rows, x, target, rows)
        yield f"softmax.cross_entropy_backward {dtype}", backward
