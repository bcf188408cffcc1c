"""Softmax, log-softmax and cross-entropy over the middle axis of (A, D, B), forward and backward.

Neighbouring columns b lie side by side in memory, so they are the lanes of vectors: a block of columns keeps its
maxima and sums in the first-level cache while the D rows go by, and nothing is transposed.  Blocks are so narrow
that their rows stay in the second-level cache from one pass to the next.  Fewer than `LEAST` columns are
transposed to rows, see `softmax`, which also says what becomes of infinities and NaN.

Cross-entropy of (8, 21, 64, 64), one thread (Zen 5): 0.27 ms forward and 0.23 ms backward, where transposing
took 2.5 and 1.5 ms.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import softmax as rows
from ops.kernels.arrays import dense, flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.scalar import Function, elementary
from ops.kernels.transposing import c_order

Array = np.ndarray[Any, Any]

LEAST = 16
"""Columns below which the loops do not fill vectors."""

WIDTH = 512
"""Columns of the widest block."""

BLOCK = 65536
"""Elements of a block, as far as it is wider than `LEAST_WIDTH`: a quarter of a second-level cache of 1 MB."""

LEAST_WIDTH = 64
"""Columns of a block where the rows are so many that it does not fit anyway."""


class Kernels(NamedTuple):
    """The compiled loops for one element type, each called as loop(threads, items, blocks, *arrays)."""

    softmax: Function
    log_softmax: Function
    softmax_backward: Function
    log_softmax_backward: Function
    cross_entropy: Function
    cross_entropy_backward: Function


@functools.cache
def kernels(dtype: np.dtype[Any]) -> Kernels:
    """Make the loops for float32 or float64."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"softmax: expected float32 or float64, got {dtype}")
    real = dtype.type
    loops = forward_loops(real) + backward_loops(real) + (cross_entropy_loop(real), cross_entropy_gradient(real))
    return Kernels(*map(split, loops))


@kernel(inline=True)
def find_maxima(x, first, last, top):
    """top[i] = max over d of x[d, first + i]; a NaN may be passed over: exp(NaN - max) tells later."""
    row = x[0][first:last]
    for i in range(top.size):
        top[i] = row[i]
    for d in range(1, x.shape[0]):
        row = x[d][first:last]
        for i in range(top.size):
            value, best = row[i], top[i]
            top[i] = value if value > best else best


def exponential_sums(real: type) -> Function:
    """Make total[i] = sum over d of exp(x[d, first + i] - top[i]), two rows at a time."""
    exp, zero = elementary(real).exp, real(0)

    @kernel(inline=True)
    def sums(x, first, last, top, total):
        D = x.shape[0]
        for i in range(total.size):
            total[i] = zero
        for d in range(0, D - 1, 2):
            row, other = x[d][first:last], x[d + 1][first:last]
            for i in range(total.size):
                total[i] += exp(row[i] - top[i]) + exp(other[i] - top[i])
        if D % 2 == 1:
            row = x[D - 1][first:last]
            for i in range(total.size):
                total[i] += exp(row[i] - top[i])

    return sums


def forward_loops(real: type) -> tuple[Function, ...]:
    """Make the loops of softmax and log-softmax; a range counts (a, block of columns)."""
    exp, log, sums = elementary(real).exp, elementary(real).log_from_one, exponential_sums(real)
    zero, one = real(0), real(1)

    @kernel
    def softmax(start, stop, blocks, x, y):
        tops, totals = np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype)
        for item in range(start, stop):
            a, block = item // blocks, item % blocks
            first, last = x.shape[2] * block // blocks, x.shape[2] * (block + 1) // blocks
            top, total = tops[: last - first], totals[: last - first]
            find_maxima(x[a], first, last, top)
            for i in range(total.size):
                total[i] = zero
            for d in range(x.shape[1]):
                row, out = x[a, d][first:last], y[a, d][first:last]
                for i in range(out.size):
                    e = exp(row[i] - top[i])
                    out[i] = e
                    total[i] += e
            for i in range(total.size):
                total[i] = one / total[i]
            for d in range(x.shape[1]):
                out = y[a, d][first:last]
                for i in range(out.size):
                    out[i] *= total[i]

    @kernel
    def log_softmax(start, stop, blocks, x, y):
        tops, totals = np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype)
        for item in range(start, stop):
            a, block = item // blocks, item % blocks
            first, last = x.shape[2] * block // blocks, x.shape[2] * (block + 1) // blocks
            top, total = tops[: last - first], totals[: last - first]
            find_maxima(x[a], first, last, top)
            sums(x[a], first, last, top, total)
            for i in range(total.size):
                total[i] = log(total[i])
            for d in range(x.shape[1]):
                row, out = x[a, d][first:last], y[a, d][first:last]
                for i in range(out.size):
                    out[i] = (row[i] - top[i]) - total[i]

    return softmax, log_softmax


def backward_loops(real: type) -> tuple[Function, ...]:
    """Make the loops of the gradients of softmax and log-softmax."""
    exp, zero = elementary(real).exp, real(0)

    @kernel
    def softmax_backward(start, stop, blocks, grad, y, dx):
        dots = np.empty(WIDTH, y.dtype)
        for item in range(start, stop):
            a, block = item // blocks, item % blocks
            first, last = y.shape[2] * block // blocks, y.shape[2] * (block + 1) // blocks
            dot = dots[: last - first]
            for i in range(dot.size):
                dot[i] = zero
            for d in range(y.shape[1]):
                g, row = grad[a, d][first:last], y[a, d][first:last]
                for i in range(dot.size):
                    dot[i] += g[i] * row[i]
            for d in range(y.shape[1]):
                g, row, out = grad[a, d][first:last], y[a, d][first:last], dx[a, d][first:last]
                for i in range(out.size):
                    out[i] = row[i] * (g[i] - dot[i])

    @kernel
    def log_softmax_backward(start, stop, blocks, grad, y, dx):
        totals = np.empty(WIDTH, y.dtype)
        for item in range(start, stop):
            a, block = item // blocks, item % blocks
            first, last = y.shape[2] * block // blocks, y.shape[2] * (block + 1) // blocks
            total = totals[: last - first]
            for i in range(total.size):
                total[i] = zero
            for d in range(y.shape[1]):
                g = grad[a, d][first:last]
                for i in range(total.size):
                    total[i] += g[i]
            for d in range(y.shape[1]):
                g, row, out = grad[a, d][first:last], y[a, d][first:last], dx[a, d][first:last]
                for i in range(out.size):
                    out[i] = g[i] - exp(row[i]) * total[i]

    return softmax_backward, log_softmax_backward


@kernel(inline=True)
def pick(x, target, first, ignore_index, weight, picked, weights):
    """picked[i] = x[t, first + i] and weights[i] = weight[t], t = target[first + i]; weights[i] = 0 where ignored."""
    logits, B = x.reshape(-1), x.shape[1]
    for i in range(picked.size):
        t, b = target[first + i], first + i
        ignored = t == ignore_index
        t = np.uint64(0 if ignored else t)  # a signed one might count from the end, and would be tested for it
        picked[i] = logits[t * np.uint64(B) + np.uint64(b)]
        w = weight[t]
        weights[i] = x.dtype.type(0) if ignored else w


def cross_entropy_loop(real: type) -> Function:
    """Make the loop of cross-entropy; see `softmax.cross_entropy_forward` for the formula."""
    log, sums, zero, one = elementary(real).log_from_one, exponential_sums(real), real(0), real(1)

    @kernel
    def forward(start, stop, blocks, x, target, weight, ignore_index, smoothing, loss, log_sum, row_weight):
        D, B = x.shape[1], x.shape[2]
        tops, totals, dots = np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype)
        picks = np.empty(WIDTH, x.dtype)
        total_weight = zero
        for i in range(weight.size):
            total_weight += weight[i]
        share, hit = smoothing / real(D), one - smoothing
        for item in range(start, stop):
            a, block = item // blocks, item % blocks
            first, last = B * block // blocks, B * (block + 1) // blocks
            top, total, dot = tops[: last - first], totals[: last - first], dots[: last - first]
            find_maxima(x[a], first, last, top)
            sums(x[a], first, last, top, total)
            for i in range(total.size):
                total[i] = log(total[i])
                dot[i] = zero
            if smoothing > zero:
                for d in range(D):
                    row, w = x[a, d][first:last], weight[d]
                    for i in range(dot.size):
                        dot[i] += w * (row[i] - top[i])
                for i in range(dot.size):
                    dot[i] = share * (total[i] * total_weight - dot[i])
            picked, weights = picks[: last - first], row_weight[a][first:last]
            pick(x[a], target[a], first, ignore_index, weight, picked, weights)
            losses, logs = loss[a][first:last], log_sum[a][first:last]
            for i in range(losses.size):
                losses[i] = hit * weights[i] * (total[i] - (picked[i] - top[i])) + dot[i]
            for i in range(logs.size):
                logs[i] = top[i] + total[i]
            for i in range(losses.size):
                if target[a, first + i] == ignore_index:
                    losses[i] = zero

    return forward


def cross_entropy_gradient(real: type) -> Function:
    """Make the loop of the gradient of cross-entropy; see `softmax.cross_entropy_backward` for the formula."""
    exp, zero, one = elementary(real).exp, real(0), real(1)

    @kernel
    def backward(start, stop, blocks, scale, x, target, weight, ignore_index, smoothing, log_sum, dx):
        D, B = x.shape[1], x.shape[2]
        hits, factors, spreads = np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype), np.empty(WIDTH, x.dtype)
        kept = np.empty(WIDTH, x.dtype)
        total_weight = zero
        for i in range(weight.size):
            total_weight += weight[i]
        share = smoothing / real(D)
        for item in range(start, stop):
            a, block = item // blocks, item % blocks
            first, last = B * block // blocks, B * (block + 1) // blocks
            factor, keep, spread = factors[: last - first], kept[: last - first], spreads[: last - first]
            shift = log_sum[a][first:last]
            for i in range(factor.size):
                t, s = target[a, first + i], scale[a, first + i]
                exists = t != ignore_index
                h = s * (one - smoothing) * weight[np.uint64(t if exists else 0)]
                keep[i], spread[i] = one if exists else zero, s * share
                hits[i] = h if exists else zero
                factor[i] = h + s * share * total_weight
            for d in range(D):
                row, out, w = x[a, d][first:last], dx[a, d][first:last], weight[d]
                if smoothing > zero:
                    for i in range(out.size):
                        v = factor[i] * exp(row[i] - shift[i]) - spread[i] * w
                        out[i] = v if keep[i] > zero else zero
                else:
                    for i in range(out.size):
                        v = factor[i] * exp(row[i] - shift[i])
                        out[i] = v if keep[i] > zero else zero
            slopes = dx[a].reshape(-1)
            for i in range(factor.size):
                t = target[a, first + i]
                t = np.uint64(0 if t == ignore_index else t)
                slopes[t * np.uint64(B) + np.uint64(first + i)] -= hits[i]

    return backward


def run(loop: Function, shape: tuple[int, ...], *arguments: Any) -> None:
    """Run a loop over all blocks of columns of arrays (A, D, B)."""
    outer, size, columns = shape
    width = min(max(BLOCK // size, LEAST_WIDTH), WIDTH)
    threads = threads_for(outer * size * columns, rows.GRAIN)
    blocks = max(-(-columns // width), min(-(-threads // outer), columns))
    loop(min(threads, outer * blocks), outer * blocks, blocks, *arguments)


def few_columns(x: Array) -> bool:
    """Return whether x (A, D, B) is computed row by row: the columns are too few for the loops, or none at all."""
    return x.shape[2] < LEAST or x.size == 0


def as_rows(x: Array) -> Array:
    """Return x (A, D, B) as (A B, D)."""
    outer, size, columns = x.shape
    return c_order(x.swapaxes(1, 2)).reshape(outer * columns, size)


def from_rows(x: Array, shape: tuple[int, ...]) -> Array:
    """Return rows (A B, D) as (A, D, B)."""
    outer, size, columns = shape
    return c_order(x.reshape(outer, columns, size).swapaxes(1, 2))


def apply(name: str, *arrays: Array) -> Array:
    """Run a softmax or its gradient on arrays (A, D, B)."""
    shape, dtype = arrays[0].shape, arrays[0].dtype
    if few_columns(arrays[0]):
        on_rows = getattr(rows, name if name.endswith("backward") else f"{name}_forward")
        return from_rows(on_rows(*map(as_rows, arrays)), shape)
    y = np.empty(shape, dtype)
    run(getattr(kernels(dtype), name), shape, *map(dense, arrays), y)
    return y


def softmax_forward(x: Array) -> Array:
    """Return y[a, i, b] = exp(x[a, i, b]) / sum_j exp(x[a, j, b])."""
    return apply("softmax", x)


def log_softmax_forward(x: Array) -> Array:
    """Return y[a, i, b] = x[a, i, b] - log sum_j exp(x[a, j, b])."""
    return apply("log_softmax", x)


def softmax_backward(grad: Array, y: Array) -> Array:
    """Return dx = y (grad - sum_j grad[a, j, b] y[a, j, b]), y = softmax(x)."""
    return apply("softmax_backward", grad, y)


def log_softmax_backward(grad: Array, y: Array) -> Array:
    """Return dx = grad - exp(y) sum_j grad[a, j, b], y = log_softmax(x)."""
    return apply("log_softmax_backward", grad, y)


def cross_entropy_forward(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> rows.CrossEntropy:
    """Return the loss of each column of x (A, D, B) against class target[a, b]: see `softmax.cross_entropy_forward`.

    All results are (A B,).
    """
    outer, classes, columns = x.shape
    if few_columns(x):
        options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
        return rows.cross_entropy_forward(as_rows(x), target.reshape(-1), weight, **options)
    dtype = x.dtype
    target = rows.checked_classes(target.reshape(-1), classes, ignore_index)
    result = rows.CrossEntropy(*[np.empty(outer * columns, dtype) for _ in range(3)])
    run(
        kernels(dtype).cross_entropy,
        x.shape,
        dense(x),
        target.reshape(outer, columns),
        rows.class_weights(weight, classes, dtype),
        ignore_index,
        dtype.type(label_smoothing),
        *[each.reshape(outer, columns) for each in (result.loss, result.log_sum, result.row_weight)],
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
    """Return dx (A, D, B) for the gradient scale (A B,) of each column's loss: see `softmax.cross_entropy_backward`."""
    outer, classes, columns = x.shape
    if few_columns(x):
        options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
        dx = rows.cross_entropy_backward(scale, as_rows(x), target.reshape(-1), log_sum, weight, **options)
        return from_rows(dx, x.shape)
    dx, dtype = np.empty(x.shape, x.dtype), x.dtype
    run(
        kernels(dtype).cross_entropy_backward,
        x.shape,
        flat(scale).reshape(outer, columns),
        dense(x),
        rows.class_numbers(target.reshape(-1)).reshape(outer, columns),
        rows.class_weights(weight, classes, dtype),
        ignore_index,
        dtype.type(label_smoothing),
        flat(log_sum).reshape(outer, columns),
        dx,
    )
    return dx


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    target = np.zeros(LEAST, np.int64)
    for dtype in ("float32", "float64"):
        x, ones = np.ones((1, 2, LEAST), dtype), np.ones(LEAST, dtype)
        yield f"softmax_columns.softmax {dtype}", functools.partial(softmax_forward, x)
        yield f"softmax_columns.log_softmax {dtype}", functools.partial(log_softmax_forward, x)
        yield f"softmax_columns.softmax_backward {dtype}", functools.partial(softmax_backward, x, x)
        yield f"softmax_columns.log_softmax_backward {dtype}", functools.partial(log_softmax_backward, x, x)
        yield f"softmax_columns.cross_entropy {dtype}", functools.partial(cross_entropy_forward, x, target)
        backward = functools.partial(cross_entropy_backward, ones, x, target, ones)
        yield f"softmax_columns.cross_entropy_backward {dtype}", backward
