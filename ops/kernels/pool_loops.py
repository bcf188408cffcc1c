"""The loops of max and average pooling over planes; `pool` chooses among them and states what they compute.

`geometry` holds rows of two int64: window, stride, padding and, for max pooling, dilation.  Columns are
handled a whole output row at a time: an input row is split into as many phases as the stride is wide, padding
included, after which every tap of the window reads consecutive elements.
"""

import numpy as np

from ops.kernels.jit import kernel, split


@kernel(inline=True)
def phase_runs(phases, size, padding):
    """Return, per remainder k of the input column, its phase, first slot and number: columns k, k + stride ...

    Column w is slot (w + padding) // stride of phase (w + padding) % stride; columns beyond the slots are not needed.
    """
    stride, slots = phases.shape
    runs = np.empty((stride, 3), np.int64)
    for k in range(stride):
        first = (k + padding) // stride
        columns = (size - k + stride - 1) // stride if size > k else 0
        runs[k, 0], runs[k, 1], runs[k, 2] = (k + padding) % stride, first, max(min(columns, slots - first), 0)
    return runs


@kernel(inline=True)
def run_of(phases, runs, k):
    """Return the slots that hold columns k, k + stride, ..."""
    return phases[runs[k, 0]][runs[k, 1] : runs[k, 1] + runs[k, 2]]


@kernel(inline=True)
def split_phases(row, runs, phases):
    """Copy columns k, k + stride ... of a row side by side, so that every tap reads consecutive elements."""
    stride = phases.shape[0]
    if stride == 2:  # pairs are read together, as whole vectors
        even, odd = run_of(phases, runs, 0), run_of(phases, runs, 1)
        for i in range(odd.size):
            even[i] = row[2 * i]
            odd[i] = row[2 * i + 1]
        if even.size > odd.size:
            even[odd.size] = row[2 * odd.size]
        return
    for k in range(stride):
        run = run_of(phases, runs, k)
        for i in range(run.size):
            run[i] = row[i * stride + k]


@kernel(inline=True)
def join_phases(phases, runs, row):
    """Put the columns of a row back in their places."""
    stride = phases.shape[0]
    if stride == 2:
        even, odd = run_of(phases, runs, 0), run_of(phases, runs, 1)
        for i in range(odd.size):
            row[2 * i] = even[i]
            row[2 * i + 1] = odd[i]
        if even.size > odd.size:
            row[2 * odd.size] = even[odd.size]
        return
    for k in range(stride):
        run = run_of(phases, runs, k)
        for i in range(run.size):
            row[i * stride + k] = run[i]


@kernel(inline=True)
def take_larger(a, tap, best, index):
    """Let a[i] challenge best[i]."""
    for i in range(best.size):
        v, m, k = a[i], best[i], index[i]
        wins = (v > m) | (v != v)
        best[i] = v if wins else m
        index[i] = tap if wins else k


@kernel(inline=True)
def new_phases(outputs, window, stride, dilation, like):
    """Allocate phases long enough for every tap of a row of outputs."""
    return np.empty((stride, outputs + (window - 1) * dilation // stride), like.dtype)


@split
@kernel
def max_forward(start, stop, x, geometry, first_column, y, index):
    """x (planes, H, W), y and index (planes, OH, OW); first_column[ow] is the first s inside the image."""
    window, stride, padding, dilation = geometry[0], geometry[1], geometry[2], geometry[3]
    H, OW, S, tap_type = x.shape[1], y.shape[2], window[1], index.dtype.type
    phases = new_phases(OW, S, stride[1], dilation[1], x)
    phases[:] = -np.inf  # the padding, which never wins
    runs = phase_runs(phases, x.shape[2], padding[1])
    for plane in range(start, stop):
        for oh in range(y.shape[1]):
            best, taps, top = y[plane, oh], index[plane, oh], oh * stride[0] - padding[0]
            first_tap = 0 if top >= 0 else (-top + dilation[0] - 1) // dilation[0] * S
            for i in range(best.size):
                best[i] = -np.inf
                taps[i] = tap_type(first_tap + first_column[i])
            for r in range(window[0]):
                h = top + r * dilation[0]
                if h < 0 or h >= H:
                    continue
                split_phases(x[plane, h], runs, phases)
                for s in range(S):
                    q, shift = s * dilation[1] % stride[1], s * dilation[1] // stride[1]
                    take_larger(phases[q][shift : shift + OW], tap_type(r * S + s), best, taps)


@split
@kernel
def max_backward(start, stop, grad, index, geometry, dx):
    """Add each gradient where its maximum was; dx (planes, H, W)."""
    window, stride, padding, dilation = geometry[0], geometry[1], geometry[2], geometry[3]
    H, W = dx.shape[1], dx.shape[2]
    rows, columns = np.empty(window[0] * window[1], np.int64), np.empty(window[0] * window[1], np.int64)
    for tap in range(rows.size):
        rows[tap] = tap // window[1] * dilation[0] - padding[0]
        columns[tap] = tap % window[1] * dilation[1] - padding[1]
    for plane in range(start, stop):
        clear(dx[plane].reshape(-1))
        for oh in range(grad.shape[1]):
            g, taps = grad[plane, oh], index[plane, oh]
            for ow in range(g.size):
                tap = np.int64(taps[ow])
                h, w = oh * stride[0] + rows[tap], ow * stride[1] + columns[tap]
                if 0 <= h < H and 0 <= w < W:  # a window wholly in the padding has no maximum
                    dx[plane, h, w] += g[ow]


@kernel(inline=True)
def clear(a):
    """a[i] = 0."""
    for i in range(a.size):
        a[i] = 0


@split
@kernel
def max_forward_2x2(start, stop, x, y, index):
    """Window 2 x 2, stride 2, no padding: one pass over pairs of rows."""
    one, two, three = np.uint8(1), np.uint8(2), np.uint8(3)
    for plane in range(start, stop):
        for oh in range(y.shape[1]):
            a, b, best, taps = x[plane, 2 * oh], x[plane, 2 * oh + 1], y[plane, oh], index[plane, oh]
            for i in range(best.size):
                v0, v1, v2, v3 = a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1]
                wins = (v1 > v0) | (v1 != v1)
                v, k = v1 if wins else v0, one if wins else np.uint8(0)
                wins = (v2 > v) | (v2 != v2)
                v, k = v2 if wins else v, two if wins else k
                wins = (v3 > v) | (v3 != v3)
                best[i] = v3 if wins else v
                taps[i] = three if wins else k


@kernel(inline=True)
def spread_row(g, taps, left, right, row):
    """row[2 i] = g[i] where the tap is `left`, row[2 i + 1] = g[i] where it is `right`, else 0."""
    zero = row.dtype.type(0)
    for i in range(g.size):
        v, k = g[i], taps[i]
        row[2 * i] = v if k == left else zero
        row[2 * i + 1] = v if k == right else zero
    for i in range(2 * g.size, row.size):
        row[i] = zero


@split
@kernel
def max_backward_2x2(start, stop, grad, index, dx):
    """Window 2 x 2, stride 2, no padding: every input belongs to one window, so each is written once."""
    for plane in range(start, stop):
        for oh in range(grad.shape[1]):
            g, taps = grad[plane, oh], index[plane, oh]
            spread_row(g, taps, np.uint8(0), np.uint8(1), dx[plane, 2 * oh])
            spread_row(g, taps, np.uint8(2), np.uint8(3), dx[plane, 2 * oh + 1])
        for h in range(2 * grad.shape[1], dx.shape[1]):
            row = dx[plane, h]
            for i in range(row.size):
                row[i] = 0


@kernel(inline=True)
def accumulate(a, total):
    """total[i] += a[i]."""
    for i in range(total.size):
        total[i] += a[i]


@split
@kernel
def average_forward(start, stop, x, geometry, rows, columns, y):
    """Sum the rows of a window, then the columns, and divide by rows[oh] columns[ow]."""
    window, stride, padding = geometry[0], geometry[1], geometry[2]
    H, W, OW = x.shape[1], x.shape[2], y.shape[2]
    phases, line = new_phases(OW, window[1], stride[1], 1, x), np.empty(W, x.dtype)
    phases[:] = 0
    runs = phase_runs(phases, W, padding[1])
    for plane in range(start, stop):
        for oh in range(y.shape[1]):
            top, total = oh * stride[0] - padding[0], y[plane, oh]
            clear(line)
            for h in range(max(top, 0), min(top + window[0], H)):
                accumulate(x[plane, h], line)
            split_phases(line, runs, phases)
            clear(total)
            for s in range(window[1]):
                q, shift = s % stride[1], s // stride[1]
                accumulate(phases[q][shift : shift + OW], total)
            for i in range(total.size):
                total[i] /= rows[oh] * columns[i]


@split
@kernel
def average_backward(start, stop, grad, geometry, rows, columns, dx):
    """Add grad / count to every input of its window: along the columns, then to each row."""
    window, stride, padding = geometry[0], geometry[1], geometry[2]
    H, W, OW = dx.shape[1], dx.shape[2], grad.shape[2]
    phases = new_phases(OW, window[1], stride[1], 1, grad)
    share, line = np.empty(OW, grad.dtype), np.zeros(W, grad.dtype)
    runs = phase_runs(phases, W, padding[1])
    for plane in range(start, stop):
        clear(dx[plane].reshape(-1))
        for oh in range(grad.shape[1]):
            g, top = grad[plane, oh], oh * stride[0] - padding[0]
            for i in range(share.size):
                share[i] = g[i] / (rows[oh] * columns[i])
            clear(phases.reshape(-1))
            for s in range(window[1]):
                q, shift = s % stride[1], s // stride[1]
                accumulate(share, phases[q][shift : shift + OW])
            join_phases(phases, runs, line)
            for h in range(max(top, 0), min(top + window[0], H)):
                accumulate(line, dx[plane, h])


@split
@kernel
def average_forward_2x2(start, stop, x, scale, y):
    """Window 2 x 2, stride 2, no padding: scale times the sum of two pairs."""
    for plane in range(start, stop):
        for oh in range(y.shape[1]):
            a, b, out = x[plane, 2 * oh], x[plane, 2 * oh + 1], y[plane, oh]
            for i in range(out.size):
                out[i] = ((a[2 * i] + a[2 * i + 1]) + (b[2 * i] + b[2 * i + 1])) * scale


@split
@kernel
def average_backward_2x2(start, stop, grad, scale, dx):
    """Window 2 x 2, stride 2, no padding: every input is written once."""
    for plane in range(start, stop):
        for h in range(dx.shape[1]):
            row = dx[plane, h]
            if h // 2 >= grad.shape[1]:
                for i in range(row.size):
                    row[i] = 0
                continue
            g = grad[plane, h // 2]
            for i in range(g.size):
                v = g[i] * scale
                row[2 * i] = v
                row[2 * i + 1] = v
            for i in range(2 * g.size, row.size):
                row[i] = 0
