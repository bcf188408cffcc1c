"""Resizing of planes: every axis by itself, each output a weighted sum of a few inputs.

Shapes: input (N, C, ...), output (N, C, ...) of other spatial sizes.
"""

import math
import operator
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from ops.dims import array_of
from ops.pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d
from ops.selecting import index_select

Array = np.ndarray[Any, Any]
Taps = list[tuple[Array, Array | None]]
"""Which input each output takes, and with what weight (None: 1); as many pairs as taps."""

DIMS_OF_MODE = {"linear": 1, "bilinear": 2, "bicubic": 2, "trilinear": 3}
CUBIC = -0.75
"""The coefficient a of Keys' cubic convolution (1981), as PyTorch and OpenCV choose it."""


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Resize to `size`, or by `scale_factor`: nearest, nearest-exact, area, linear, bilinear, bicubic or
    trilinear.

    Output i reads the input at (i + ½) in/out − ½, or at i (in − 1)/(out − 1) with align_corners. `antialias` widens
    the filters of bilinear and bicubic to the step between outputs where that is larger than 1.
    """
    dims = input.ndim - 2
    if antialias and (mode not in ("bilinear", "bicubic") or dims != 2):
        raise ValueError("interpolate: antialias is only supported for bilinear and bicubic modes, on 4D inputs")
    _check_mode(mode, dims, align_corners)
    if mode in DIMS_OF_MODE and array_of(input).dtype.kind != "f":
        raise NotImplementedError(f"interpolate: mode {mode!r} is not implemented for {input.dtype}")
    sizes, scales = _sizes(input, size, scale_factor, recompute_scale_factor)
    if min(*input.shape[2:], *sizes) <= 0:
        raise RuntimeError(
            "interpolate: Input and output sizes should be greater than 0, but got input "
            f"{list(input.shape[2:])} output {list(sizes)}"
        )
    if mode == "area":
        return (adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d)[dims - 1](input, sizes)
    y = input
    for axis, (outputs, scale) in enumerate(zip(sizes, scales, strict=True)):
        taps = _wide_taps if antialias else _taps
        y = _resampled(y, axis + 2, taps(mode, input.shape[axis + 2], outputs, scale, bool(align_corners)))
    return y


def upsample(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
) -> Any:
    """Resize as `interpolate` does."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Resize by taking the nearest input."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Resize bilinearly with aligned corners."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


def _check_mode(mode: str, dims: int, align_corners: bool | None) -> None:
    if mode not in ("nearest", "nearest-exact", "area", *DIMS_OF_MODE):
        raise NotImplementedError(f"interpolate: unknown mode {mode!r}")
    if dims not in (1, 2, 3):
        raise NotImplementedError(f"interpolate: got {dims + 2}D input, expected 3D, 4D or 5D")
    if mode not in DIMS_OF_MODE and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: " + " | ".join(DIMS_OF_MODE)
        )
    if DIMS_OF_MODE.get(mode, dims) != dims:
        raise NotImplementedError(
            f"interpolate: Got {dims + 2}D input, but {mode} mode needs {DIMS_OF_MODE[mode] + 2}D input"
        )


def _sizes(
    input: Any, size: Any, scale_factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float | None, ...]]:
    """Return the output's spatial sizes, and the scales given that are to be used as they are."""
    dims = input.ndim - 2
    if (size is None) == (scale_factor is None):
        raise ValueError("interpolate: only one of size or scale_factor should be defined" if size is not None else
                         "interpolate: either size or scale_factor should be defined")  # fmt: skip
    given = scale_factor if size is None else size
    values = tuple(given) if isinstance(given, (tuple, list)) else (given,) * dims
    if len(values) != dims:
        raise ValueError(
            "interpolate: Input and output must have the same number of spatial dimensions, but got input "
            f"with spatial dimensions of {list(input.shape[2:])} and "
            f"{'scale_factor' if size is None else 'output size'} of {given}"
        )
    if size is not None:
        if recompute:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        return tuple(map(operator.index, values)), (None,) * dims
    sizes = tuple([math.floor(n * s) for n, s in zip(input.shape[2:], values, strict=True)])
    return sizes, (None,) * dims if recompute else tuple(map(float, values))


def _taps(mode: str, size: int, outputs: int, scale: float | None, align_corners: bool) -> Taps:
    """Return what the outputs of one axis read."""
    step = 1 / scale if scale else size / outputs
    i = np.arange(outputs)
    at: Array
    if mode.startswith("nearest"):
        # In float32, as in PyTorch: which of two inputs is nearer can hang on the rounding.
        at = (i + (0.5 if mode == "nearest-exact" else 0.0)) * np.float64(np.float32(step))
        return [(np.minimum(np.floor(at.astype(np.float32)).astype(np.int64), size - 1), None)]
    if outputs == size and mode != "bicubic":
        return [(i, None)]  # whatever the scale
    if align_corners:
        at = i * ((size - 1) / (outputs - 1) if outputs > 1 else 0.0)
    else:
        at = (i + 0.5) * step - 0.5
    if mode == "bicubic":
        first = np.floor(at).astype(np.int64)
        weights = _cubic_weights(at - first)
        return [(np.clip(first + tap - 1, 0, size - 1), weight) for tap, weight in enumerate(weights)]
    at = np.maximum(at, 0)
    first = np.minimum(np.floor(at).astype(np.int64), size - 1)
    fraction = at - first
    return [(first, 1 - fraction), (np.minimum(first + 1, size - 1), fraction)]


def _wide_taps(mode: str, size: int, outputs: int, scale: float | None, align_corners: bool) -> Taps:
    """Return what the outputs of one axis read, through a filter at least as wide as the step between them."""
    step = 1 / scale if scale else size / outputs
    if align_corners:
        step = (size - 1) / (outputs - 1) if outputs > 1 else 0.0
    stretch = max(step, 1.0)
    reach = stretch * (2 if mode == "bicubic" else 1)
    center = step * (np.arange(outputs) + 0.5)
    first = np.maximum((center - reach + 0.5).astype(np.int64), 0)
    count = np.minimum((center + reach + 0.5).astype(np.int64), size) - first
    taps = np.arange(max(int(count.max()), 1))[:, None]
    weights = (_cubic if mode == "bicubic" else _triangle)(np.abs(taps + first - center + 0.5) / stretch)
    weights = np.where(taps < count, weights, 0.0)
    weights /= weights.sum(0)
    return list(zip(np.minimum(first + taps, size - 1), weights, strict=True))


def _triangle(t: Array) -> Array:
    return np.maximum(1 - t, 0.0)


def _cubic(t: Array, a: float = -0.5) -> Array:
    """Keys' filter with the coefficient that PyTorch and Pillow choose against aliasing."""
    near = ((a + 2) * t - (a + 3)) * t * t + 1
    far = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
    return np.where(t < 1, near, np.where(t < 2, far, 0.0))


def _cubic_weights(t: Array) -> list[Array]:
    """Return the weights of the inputs at −1, 0, 1 and 2 for a point at t in [0, 1)."""
    a = CUBIC
    near = [((a + 2) * x - (a + 3)) * x * x + 1 for x in (t, 1 - t)]
    far = [((a * x - 5 * a) * x + 8 * a) * x - 4 * a for x in (1 + t, 2 - t)]
    return [far[0], near[0], near[1], far[1]]


def _resampled(x: Any, dim: int, taps: Taps) -> Any:
    """Return Σ weight · x[index] along one axis."""
    shape = (-1,) + (1,) * (x.ndim - 1 - dim)
    terms = []
    for index, weight in taps:
        chosen = index_select(x, dim, Tensor(index))
        terms.append(chosen if weight is None else chosen * Tensor(weight.astype(x.array.dtype).reshape(shape)))
    y = terms[0]
    for term in terms[1:]:
        y = y + term
    return y
