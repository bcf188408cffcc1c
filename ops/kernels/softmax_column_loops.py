"""The loops of softmax and cross-entropy over the middle axis of (A, D, B); `softmax_columns` states what they compute.

Their ranges count (a, block of columns), `blocks` of them for each a.
"""

import numpy as np

from ops.kernels.jit import kernel
from ops.kernels.scalar import Function, elementary

WIDTH = 512
"""Columns of the widest block."""


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
