"""Products and convolutions of common networks, to be compiled ahead.

Their drivers are few and all compiled here; the register tiles they call depend on the shape, and a tile that no
shape below needs takes a tenth of a second when it is first met.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels import conv, gemm, rows

MATRICES = (
    (8, 500, 784),
    (128, 500, 784),
    (128, 10, 500),
    (64, 120, 400),
    (500, 784, 128),
    (10, 500, 128),
    (1, 512, 512),
)
"""(M, N, K) of layers forward and backward."""

CONVOLUTIONS = (
    ((8, 1, 28, 28), (6, 1, 5, 5), 1, 2, 1),
    ((32, 6, 14, 14), (16, 6, 5, 5), 1, 0, 1),
    ((2, 3, 32, 32), (64, 3, 3, 3), 1, 1, 1),
    ((16, 64, 16, 16), (64, 64, 3, 3), 1, 1, 1),
    ((16, 128, 4, 4), (128, 128, 3, 3), 1, 1, 1),
    ((2, 64, 16, 16), (128, 64, 3, 3), 2, 1, 1),
    ((2, 64, 16, 16), (128, 64, 1, 1), 1, 0, 1),
    ((2, 64, 16, 16), (128, 64, 1, 1), 2, 0, 1),
    ((8, 64, 7, 7), (128, 64, 1, 1), 1, 0, 1),
    ((1, 3, 64, 64), (64, 3, 7, 7), 2, 3, 1),
    ((2, 32, 16, 16), (32, 1, 3, 3), 1, 1, 32),
    ((2, 32, 16, 16), (32, 1, 3, 3), 2, 1, 32),
)
"""x and weight shapes, stride, padding and groups of first layers, inner layers, 1 x 1 and depthwise filters."""


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it."""
    for dtype in ("float32", "float64"):
        for M, N, K in MATRICES:
            a, b = np.ones((M, K), dtype), np.ones((K, N), dtype)
            at, bt = np.ones((K, M), dtype).T, np.ones((N, K), dtype).T
            for layout, x, y in (("NN", a, b), ("NT", a, bt), ("TN", at, b)):
                yield f"gemm.matmul {M}x{N}x{K} {layout} {dtype}", functools.partial(gemm.matmul, x, y)
        stack = np.ones((4, 32, 32), dtype)
        yield f"gemm.batched_matmul {dtype}", functools.partial(gemm.batched_matmul, stack, stack)
        table, index = np.zeros((9, 64), dtype), np.zeros(3, np.int64)
        yield f"rows.add_rows {dtype}", functools.partial(rows.add_rows, table, index, table[:3].copy())
        for case in CONVOLUTIONS:
            yield f"conv.conv2d {case} {dtype}", functools.partial(convolve, dtype, *case)


def convolve(
    dtype: str, x_shape: tuple[int, ...], w_shape: tuple[int, ...], stride: int, padding: int, groups: int
) -> None:
    """Run a convolution forward and backward."""
    options: dict[str, Any] = {"stride": (stride,) * 2, "padding": (padding,) * 2, "dilation": (1, 1), "groups": groups}
    x, w = np.ones(x_shape, dtype), np.ones(w_shape, dtype)
    y = conv.conv2d_forward(x, w, np.ones(w_shape[0], dtype), **options)
    conv.conv2d_grad_input(y, w, x_shape, **options)
    conv.conv2d_grad_weight(y, x, w_shape, **options)
