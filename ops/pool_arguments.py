"""The arguments of pooling: brought to one form, checked, and refused with what was got and what expected.

Checked arguments are remembered by their shapes: a training loop pays for a lookup.
"""

import functools
import math
import operator
from typing import Any, NamedTuple

import numpy as np

from autograd.tensor import Tensor
from ops.dims import per_axis
from ops.kernels.geometry import Pair, pool_output_size

Shape = tuple[int, ...]
Sizes = Any
"""A tuple of ints, one per spatial axis: how many that is, mypy cannot follow."""


class Windows(NamedTuple):
    """Where the windows of a plane (H, W) lie: out_size of them, each of `kernel` taps."""

    kernel: Pair
    stride: Pair
    padding: Pair
    dilation: Pair
    in_size: Pair
    out_size: Pair


def shape_of(name: str, dims: int, input: Any) -> Shape:
    """Return the shape of an input with `dims` spatial axes, channels, and perhaps a batch."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor, not {type(input).__name__}")
    shape, dtype = input.array.shape, input.array.dtype
    if dtype.kind != "f" or dtype.itemsize == 2:
        raise NotImplementedError(f"{name}: expected float32 or float64, got {dtype}")
    if len(shape) not in (dims + 1, dims + 2) or 0 in shape[-dims - 1 :]:
        raise RuntimeError(
            f"{name}: Expected {dims + 1}D or {dims + 2}D (batch mode) tensor with optional 0 dim batch "
            f"size for input, but got: {list(shape)}"
        )
    return shape


@functools.lru_cache(maxsize=1024, typed=True)
def windows(
    name: str, dims: int, shape: Shape, options: tuple[Any, Any, Any, Any], ceil_mode: bool
) -> tuple[Windows, ...]:
    """Check (kernel_size, stride, padding, dilation) for an input of `shape`; return the windows of each
    plane.

    Along one axis the plane is (C, W), its windows of height 1. Three axes are two poolings one after the
    other: of the planes (H, W), then of (D, OH OW) along the depth.
    """
    kernel = per_axis(name, "kernel_size", options[0], dims)
    stride = kernel if options[1] in (None, ()) else per_axis(name, "stride", options[1], dims)
    padding, dilation = (
        per_axis(name, "padding", options[2], dims),
        per_axis(name, "dilation", options[3], dims),
    )
    sizes: Sizes = shape[-dims:]
    _check(name, kernel, stride, padding, dilation)
    outputs: Sizes = tuple(
        [
            pool_output_size(*axis, ceil_mode=ceil_mode)
            for axis in zip(sizes, kernel, stride, padding, dilation, strict=True)
        ]
    )
    if min(outputs) <= 0:
        raise RuntimeError(
            f"{name}: Given input size: {list(shape[-dims - 1 :])}. Calculated output size: "
            f"{list(outputs)}. Output size is too small"
        )
    return _as_planes(Windows(kernel, stride, padding, dilation, sizes, outputs), shape[-dims - 1])


def _as_planes(axes: Any, channels: int) -> tuple[Windows, ...]:
    """Return windows over one, two or three axes as windows of planes."""
    dims = len(axes.kernel)
    if dims == 2:
        return (axes,)
    if dims == 1:
        neutral = (1, 1, 0, 1, channels, channels)
        return (Windows(*[(one, *values) for one, values in zip(neutral, axes, strict=True)]),)
    area = math.prod(axes.out_size[1:])
    along_depth = ((first, one) for (first, *_), one in zip(axes, (1, 1, 0, 1, area, area), strict=True))
    return Windows(*[values[1:] for values in axes]), Windows(*along_depth)


def _check(name: str, kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> None:
    for what, values in (("kernel size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(values) <= 0:
            raise RuntimeError(f"{name}: {what} should be greater than zero, but got {values}")
    if min(padding) < 0:
        raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {padding}")
    for k, p, d in zip(kernel, padding, dilation, strict=True):
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"{name}: pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and dilation={d}"
            )


def adaptive_size(name: str, shape: Shape, output_size: Any, dims: int) -> Sizes:
    """Return the sizes asked for; None keeps the input's size."""
    given = output_size if isinstance(output_size, (tuple, list)) else (output_size,) * dims
    if len(given) != dims:
        raise RuntimeError(f"{name}: output_size must be {dims} ints, got {output_size!r}")
    try:
        sizes = tuple(
            [n if size is None else operator.index(size) for n, size in zip(shape[-dims:], given, strict=True)]
        )
    except TypeError:
        raise TypeError(f"{name}: output_size must be ints or None, got {output_size!r}") from None
    if min(sizes) < 0:
        raise RuntimeError(f"{name}: elements of output_size must be greater than or equal to 0 but received {sizes}")
    return sizes


def check_positions(name: str, indices: Any, input: Tensor, size: int) -> np.ndarray:
    """Return positions within a plane as an array of input's shape, all of them below `size`."""
    if not isinstance(indices, Tensor) or indices.array.dtype != np.int64:
        got = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        raise RuntimeError(f"{name}: elements in indices should be type int64 but got: {got}")
    positions = indices.array
    if positions.shape != input.array.shape:
        raise RuntimeError(
            f"{name}: Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices tensor with shape: {list(positions.shape)}"
        )
    if positions.size and not 0 <= positions.min() <= positions.max() < size:
        raise RuntimeError(f"{name}: Found an invalid max index: indices must be in [0, {size})")
    return positions
