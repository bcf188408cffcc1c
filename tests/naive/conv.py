"""Convolution by the obvious loops, in float64: the oracle of the fast kernels."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]
Float64 = NDArray[np.float64]


def taps(
    x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: Pair, padding: Pair, dilation: Pair
) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Yield (oh, ow, r, s, h, w) for every output pixel and filter tap that falls inside the input."""
    (height, width), (filter_h, filter_w) = x_shape[2:], w_shape[2:]
    out_h = (height + 2 * padding[0] - dilation[0] * (filter_h - 1) - 1) // stride[0] + 1
    out_w = (width + 2 * padding[1] - dilation[1] * (filter_w - 1) - 1) // stride[1] + 1
    for oh in range(out_h):
        for ow in range(out_w):
            for r in range(filter_h):
                for s in range(filter_w):
                    h = oh * stride[0] + r * dilation[0] - padding[0]
                    w = ow * stride[1] + s * dilation[1] - padding[1]
                    if 0 <= h < height and 0 <= w < width:
                        yield oh, ow, r, s, h, w


def group_slices(w_shape: tuple[int, ...], groups: int) -> Iterator[tuple[slice, slice]]:
    """Yield every group's filters and its input channels."""
    filters, channels = w_shape[0] // groups, w_shape[1]
    for g in range(groups):
        yield slice(g * filters, (g + 1) * filters), slice(g * channels, (g + 1) * channels)


def conv2d(
    x: NDArray, w: NDArray, bias: NDArray | None, *, stride: Pair, padding: Pair, dilation: Pair, groups: int
) -> Float64:
    """y[n, k, oh, ow] = bias[k] + sum over c, r, s of w[k, c, r, s] x[n, c, h(oh, r), w(ow, s)]."""
    out_h = (x.shape[2] + 2 * padding[0] - dilation[0] * (w.shape[2] - 1) - 1) // stride[0] + 1
    out_w = (x.shape[3] + 2 * padding[1] - dilation[1] * (w.shape[3] - 1) - 1) // stride[1] + 1
    x, w = x.astype(np.float64), w.astype(np.float64)
    y = np.zeros((x.shape[0], w.shape[0], out_h, out_w))
    if bias is not None:
        y += bias.reshape(1, -1, 1, 1)
    for ks, cs in group_slices(w.shape, groups):
        for oh, ow, r, s, h, v in taps(x.shape, w.shape, stride, padding, dilation):
            y[:, ks, oh, ow] += x[:, cs, h, v] @ w[ks, :, r, s].T  # (N, C) @ (C, K) -> (N, K)
    return y


def conv2d_grad_input(
    grad: NDArray,
    w: NDArray,
    input_shape: tuple[int, ...],
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Float64:
    """dx[n, c, h(oh, r), w(ow, s)] += sum over k of grad[n, k, oh, ow] w[k, c, r, s]."""
    grad, w = grad.astype(np.float64), w.astype(np.float64)
    dx = np.zeros(input_shape)
    for ks, cs in group_slices(w.shape, groups):
        for oh, ow, r, s, h, v in taps(input_shape, w.shape, stride, padding, dilation):
            dx[:, cs, h, v] += grad[:, ks, oh, ow] @ w[ks, :, r, s]  # (N, K) @ (K, C) -> (N, C)
    return dx


def conv2d_grad_weight(
    grad: NDArray,
    x: NDArray,
    weight_shape: tuple[int, ...],
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> Float64:
    """dw[k, c, r, s] = sum over n, oh, ow of grad[n, k, oh, ow] x[n, c, h(oh, r), w(ow, s)]."""
    grad, x = grad.astype(np.float64), x.astype(np.float64)
    dw = np.zeros(weight_shape)
    for ks, cs in group_slices(weight_shape, groups):
        for oh, ow, r, s, h, v in taps(x.shape, weight_shape, stride, padding, dilation):
            dw[ks, :, r, s] += grad[:, ks, oh, ow].T @ x[:, cs, h, v]  # (K, N) @ (N, C) -> (K, C)
    return dw
