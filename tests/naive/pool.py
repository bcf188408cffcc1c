"""Pooling by the obvious loops over planes (P, H, W): the oracle of the fast kernels."""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Pair = tuple[int, int]


def window(oh: int, ow: int, size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair) -> list[Pair]:
    """List the positions (h, w) of one window that lie in the image, in order of its taps."""
    top, left = oh * stride[0] - padding[0], ow * stride[1] - padding[1]
    positions = [(top + r * dilation[0], left + s * dilation[1]) for r in range(kernel[0]) for s in range(kernel[1])]
    return [(h, w) for h, w in positions if 0 <= h < size[0] and 0 <= w < size[1]]


def first_maximum(plane: NDArray, positions: list[Pair]) -> Pair:
    """Return where the maximum is: the first of equals, but the last NaN if there are any."""
    best = positions[0]
    for position in positions:
        if plane[position] > plane[best] or math.isnan(plane[position]):
            best = position
    return best


def max_pool2d(
    x: NDArray, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, out_size: Pair
) -> tuple[NDArray, NDArray]:
    """Return the maxima and their positions h W + w, both (P, OH, OW)."""
    y, index = np.empty((len(x), *out_size), x.dtype), np.empty((len(x), *out_size), np.int64)
    for p, oh, ow in np.ndindex(y.shape):
        h, w = first_maximum(x[p], window(oh, ow, x.shape[1:], kernel, stride, padding, dilation))
        y[p, oh, ow], index[p, oh, ow] = x[p, h, w], h * x.shape[2] + w
    return y, index


def scatter(grad: NDArray, index: NDArray, in_size: Pair) -> NDArray:
    """Add grad[p, i] to position index[p, i] of plane p."""
    dx = np.zeros((len(grad), *in_size))
    for p, oh, ow in np.ndindex(grad.shape):
        dx[p].reshape(-1)[index[p, oh, ow]] += grad[p, oh, ow]
    return dx


def average_windows(
    in_size: Pair, out_size: Pair, kernel: Pair, stride: Pair, padding: Pair, include_pad: bool, divisor: int | None
) -> Iterator[tuple[int, int, list[Pair], float]]:
    """Yield every output position with the inputs of its window and what their sum is divided by."""
    for oh, ow in np.ndindex(out_size):
        inside = window(oh, ow, in_size, kernel, stride, padding, (1, 1))
        top, left = oh * stride[0] - padding[0], ow * stride[1] - padding[1]
        rows = min(top + kernel[0], in_size[0] + padding[0]) - top
        columns = min(left + kernel[1], in_size[1] + padding[1]) - left
        yield oh, ow, inside, divisor or (rows * columns if include_pad else len(inside))


def bins(in_size: Pair, out_size: Pair) -> Iterator[tuple[int, int, list[Pair], float]]:
    """Yield every bin of adaptive pooling in the same form."""
    for oh, ow in np.ndindex(out_size):
        rows = range(oh * in_size[0] // out_size[0], math.ceil((oh + 1) * in_size[0] / out_size[0]))
        columns = range(ow * in_size[1] // out_size[1], math.ceil((ow + 1) * in_size[1] / out_size[1]))
        inside = [(h, w) for h in rows for w in columns]
        yield oh, ow, inside, len(inside)


def average(x: NDArray, out_size: Pair, windows: list[tuple[int, int, list[Pair], float]]) -> NDArray:
    """Average x (P, H, W) over each window."""
    y = np.empty((len(x), *out_size))
    for oh, ow, inside, divisor in windows:
        y[:, oh, ow] = sum(x[:, h, w].astype(float) for h, w in inside) / divisor
    return y


def average_grad(grad: NDArray, in_size: Pair, windows: list[tuple[int, int, list[Pair], float]]) -> NDArray:
    """Add grad / divisor to every input of each window."""
    dx = np.zeros((len(grad), *in_size))
    for oh, ow, inside, divisor in windows:
        for h, w in inside:
            dx[:, h, w] += grad[:, oh, ow] / divisor
    return dx
