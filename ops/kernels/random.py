"""Dropout from a counter-based generator: element i of a mask depends on the key and on i alone.

The same key gives the same mask whatever the number of threads, and no state has to be kept or locked.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels.arrays import flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.scalar import Function

Array = np.ndarray[Any, Any]

GRAIN = 16384
"""Elements per thread below which a second thread costs more than it saves."""

u32 = np.uint32
GOLDEN, MIX1, MIX2 = u32(0x9E3779B9), u32(0x21F0AAAD), u32(0x735A2D97)
S16, S15 = u32(16), u32(15)


@kernel(inline=True)
def mix(h):
    """Scramble 32 bits: a bijection in which each bit of h reaches all of the result (C. Wellons, 2018)."""
    h = u32(u32(h ^ (h >> S16)) * MIX1)
    h = u32(u32(h ^ (h >> S15)) * MIX2)
    return u32(h ^ (h >> S15))


@kernel(inline=True)
def random_bits(i, low_key, high_key):
    """Return the 32 random bits of counter i under a key of 64 bits."""
    return mix(u32(mix(u32(u32(i * GOLDEN) + low_key)) + high_key))


@functools.cache
def dropout_loop(dtype: np.dtype[Any]) -> Function:
    """Compile `dropout_forward` for float32 or float64."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"dropout: expected float32 or float64, got {dtype}")
    zero = dtype.type(0)

    @kernel
    def part(start, stop, x, key, limit, scale, y, mask):
        low_key, high_key, bound = key[0], key[1], limit[0]
        first = u32(start)
        x, y, mask = x[start:stop], y[start:stop], mask[start:stop]
        for i in range(y.size):
            keep = random_bits(u32(first + u32(i)), low_key, high_key) <= bound
            mask[i] = keep
            y[i] = x[i] * (scale if keep else zero)

    return split(part)


@functools.cache
def scale_loop(dtype: np.dtype[Any]) -> Function:
    """Compile `dropout_backward` for float32 or float64."""
    zero = dtype.type(0)

    @kernel
    def part(start, stop, grad, mask, scale, dx):
        grad, mask, dx = grad[start:stop], mask[start:stop], dx[start:stop]
        for i in range(dx.size):
            dx[i] = grad[i] * (scale if mask[i] else zero)

    return split(part)


def dropout_forward(x: Array, p: float, key: int) -> tuple[Array, Array]:
    """Return y = x mask / (1 - p) and the mask (bool), each element kept with probability 1 - p.

    `key` (64 bits) names the mask; draw a new one for each call.
    """
    loop = dropout_loop(x.dtype)
    y, mask = np.empty(x.shape, x.dtype), np.empty(x.shape, np.bool_)
    if p >= 1:
        mask.fill(False)
        return np.multiply(x, 0, out=y), mask
    limit = max(round((1 - p) * 2**32) - 1, 0)  # keep where the 32 bits are at most this
    for start in range(0, x.size, 2**32):  # a counter has 32 bits; later runs take another key
        run = slice(start, start + 2**32)
        words = np.array([key & 0xFFFFFFFF, (key >> 32 & 0xFFFFFFFF) ^ (start >> 32)], np.uint32)
        source = flat(x)[run]
        loop(
            threads_for(source.size, GRAIN),
            source.size,
            source,
            words,
            np.array([limit], np.uint32),
            x.dtype.type(1 / (1 - p)),
            y.ravel()[run],
            mask.ravel()[run],
        )
    return y, mask


def dropout_backward(grad: Array, mask: Array, p: float) -> Array:
    """Return dx = grad mask / (1 - p)."""
    dx = np.empty(grad.shape, grad.dtype)
    scale = grad.dtype.type(0 if p >= 1 else 1 / (1 - p))
    scale_loop(grad.dtype)(threads_for(dx.size, GRAIN), dx.size, flat(grad), flat(mask), scale, dx.ravel())
    return dx


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        x = np.ones(1, dtype)
        yield f"random.dropout_forward {dtype}", functools.partial(dropout_forward, x, 0.5, 0)
        yield f"random.dropout_backward {dtype}", functools.partial(dropout_backward, x, x > 0, 0.5)
