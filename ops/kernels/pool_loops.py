"""The loops of max and average pooling over planes; `pool` chooses among them and states what they compute.

`geometry` holds rows of two int64: window, stride, padding and dilation.  Rows go through the leaves of
`window_leaves`, whose addresses are passed along; windows of 2 x 2 side by side, which fill whole vectors, and
windows too wide for `spread_row` are loops.
"""

import numpy as np

from ops.kernels.jit import kernel, split
from ops.kernels.simd import address_of, call


@kernel(inline=True)
def rows_inside(top, window, dilation, height):
    """Return the first r with top + r dilation >= 0, and how many from there on are below the height."""
    first = 0 if top >= 0 else (-top + dilation - 1) // dilation
    return first, min(window, (height - top + dilation - 1) // dilation) - first


@split
@kernel
def max_forward(start, stop, x, geometry, first_column, y, index, leaf):
    """x (planes, H, W), y and index (planes, OH, OW); first_column[ow] is the first s inside the image."""
    window, stride, padding, dilation = geometry[0], geometry[1], geometry[2], geometry[3]
    H, W, OH, OW = x.shape[1], x.shape[2], y.shape[1], y.shape[2]
    pitch = W * x.itemsize
    for plane in range(start, stop):
        for oh in range(OH):
            top, out = oh * stride[0] - padding[0], (plane * OH + oh) * OW
            r, rows = rows_inside(top, window[0], dilation[0], H)
            call(
                leaf, address_of(x) + (plane * H + top + r * dilation[0]) * pitch, dilation[0] * pitch, rows,
                padding[1], W, address_of(first_column), r * window[1], address_of(y) + out * y.itemsize,
                address_of(index) + out * index.itemsize, OW,
            )  # fmt: skip


@split
@kernel
def max_search(start, stop, x, geometry, first_column, y, index, _leaf):
    """The same for windows of any width, one output at a time."""
    window, stride, padding, dilation = geometry[0], geometry[1], geometry[2], geometry[3]
    for plane in range(start, stop):
        for oh in range(y.shape[1]):
            top = oh * stride[0] - padding[0]
            r0, rows = rows_inside(top, window[0], dilation[0], x.shape[1])
            for ow in range(y.shape[2]):
                left = ow * stride[1] - padding[1]
                s0, columns = rows_inside(left, window[1], dilation[1], x.shape[2])
                best, tap = -np.inf, r0 * window[1] + first_column[ow]
                for r in range(r0, r0 + rows):
                    row = x[plane, top + r * dilation[0]]
                    for s in range(s0, s0 + columns):
                        v = row[left + s * dilation[1]]
                        if v > best or v != v:
                            best, tap = v, r * window[1] + s
                y[plane, oh, ow], index[plane, oh, ow] = best, tap


@split
@kernel
def max_backward(start, stop, grad, index, rows, counts, padding, dx, leaf):
    """Every input adds up the gradients of the windows it won; dx (planes, H, W), for rows see `pool.rows_over`."""
    (OH, OW), (H, W) = grad.shape[1:], dx.shape[1:]
    for plane in range(start, stop):
        g = address_of(grad) + plane * OH * OW * grad.itemsize
        taps = address_of(index) + plane * OH * OW
        for h in range(H):
            row = address_of(dx) + (plane * H + h) * W * dx.itemsize
            call(leaf, address_of(rows[h]), counts[h], g, taps, OW, row, W, padding)


@split
@kernel
def max_scatter(start, stop, grad, index, geometry, dx):
    """The same for windows of any width: each gradient is added where its maximum was."""
    window, stride, padding, dilation = geometry[0], geometry[1], geometry[2], geometry[3]
    H, W = dx.shape[1], dx.shape[2]
    for plane in range(start, stop):
        clear(dx[plane].reshape(-1))
        for oh in range(grad.shape[1]):
            g, taps = grad[plane, oh], index[plane, oh]
            for ow in range(g.size):
                r, s = np.int64(taps[ow]) // window[1], np.int64(taps[ow]) % window[1]
                h = oh * stride[0] + r * dilation[0] - padding[0]
                w = ow * stride[1] + s * dilation[1] - padding[1]
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
def max_forward_2x2_short(start, stop, x, y, index, leaf):
    """Window 2 x 2, stride 2 in rows too short for vectors, which they fill: the leaf takes many rows at a time."""
    windows = y.shape[1] * y.shape[2]
    first = start * windows
    call(
        leaf, address_of(x) + 4 * first * x.itemsize, (stop - start) * windows, address_of(y) + first * y.itemsize,
        address_of(index) + first,
    )  # fmt: skip


@split
@kernel
def max_backward_2x2_short(start, stop, grad, index, dx, leaf):
    """The gradient of `max_forward_2x2_short`."""
    windows = grad.shape[1] * grad.shape[2]
    first = start * windows
    call(
        leaf, address_of(grad) + first * grad.itemsize, address_of(index) + first, (stop - start) * windows,
        address_of(dx) + 4 * first * dx.itemsize,
    )  # fmt: skip


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


@split
@kernel
def average_forward(start, stop, x, geometry, divisor, y, leaf):
    """The sum of each window over divisor[oh, ow]."""
    window, stride, padding = geometry[0], geometry[1], geometry[2]
    H, W, OH, OW = x.shape[1], x.shape[2], y.shape[1], y.shape[2]
    pitch, step = W * x.itemsize, OW * y.itemsize
    for plane in range(start, stop):
        for oh in range(OH):
            top = oh * stride[0] - padding[0]
            r, rows = rows_inside(top, window[0], 1, H)
            call(
                leaf, address_of(x) + (plane * H + top + r) * pitch, pitch, rows, padding[1], W,
                address_of(divisor) + oh * step, address_of(y) + (plane * OH + oh) * step, OW,
            )  # fmt: skip


@split
@kernel
def average_search(start, stop, x, geometry, divisor, y, _leaf):
    """The same for windows of any width, one output at a time."""
    window, stride, padding = geometry[0], geometry[1], geometry[2]
    for plane in range(start, stop):
        for oh in range(y.shape[1]):
            top = oh * stride[0] - padding[0]
            for ow in range(y.shape[2]):
                left, total = ow * stride[1] - padding[1], x.dtype.type(0)
                for h in range(max(top, 0), min(top + window[0], x.shape[1])):
                    row = x[plane, h][max(left, 0) : min(left + window[1], x.shape[2])]
                    for i in range(row.size):
                        total += row[i]
                y[plane, oh, ow] = total / divisor[oh, ow]


@split
@kernel
def average_backward(start, stop, grad, divisor, rows, counts, padding, dx, leaf):
    """Every input adds up its share, grad / divisor, of the windows it is in."""
    (OH, OW), (H, W) = grad.shape[1:], dx.shape[1:]
    share, count = np.empty(OH * OW, grad.dtype), divisor.reshape(-1)
    for plane in range(start, stop):
        g = grad[plane].reshape(-1)
        for i in range(share.size):
            share[i] = g[i] / count[i]
        for h in range(H):
            row = address_of(dx) + (plane * H + h) * W * dx.itemsize
            call(leaf, address_of(rows[h]), counts[h], address_of(share), 0, OW, row, W, padding)


@split
@kernel
def average_scatter(start, stop, grad, geometry, divisor, dx):
    """The same for windows of any width: each share is added to all of its window."""
    window, stride, padding = geometry[0], geometry[1], geometry[2]
    H, W = dx.shape[1], dx.shape[2]
    for plane in range(start, stop):
        clear(dx[plane].reshape(-1))
        for oh in range(grad.shape[1]):
            top = oh * stride[0] - padding[0]
            for ow in range(grad.shape[2]):
                left, share = ow * stride[1] - padding[1], grad[plane, oh, ow] / divisor[oh, ow]
                for h in range(max(top, 0), min(top + window[0], H)):
                    row = dx[plane, h][max(left, 0) : min(left + window[1], W)]
                    for i in range(row.size):
                        row[i] += share


@split
@kernel
def average_forward_2x2_short(start, stop, x, scale, y, leaf):
    """Window 2 x 2, stride 2 in rows too short for vectors, which they fill: the leaf takes many rows at a time."""
    windows = y.shape[1] * y.shape[2]
    first = start * windows
    call(
        leaf, address_of(x) + 4 * first * x.itemsize, (stop - start) * windows, address_of(y) + first * y.itemsize,
        address_of(scale),
    )  # fmt: skip


@split
@kernel
def average_backward_2x2_short(start, stop, grad, scale, dx, leaf):
    """The gradient of `average_forward_2x2_short`."""
    windows = grad.shape[1] * grad.shape[2]
    first = start * windows
    call(
        leaf, address_of(grad) + first * grad.itemsize, address_of(scale), (stop - start) * windows,
        address_of(dx) + 4 * first * dx.itemsize,
    )  # fmt: skip


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
