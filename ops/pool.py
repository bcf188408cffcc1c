"""Pooling: the maximum or the average of every window of a plane.

Shapes: x (..., H, W), y (..., OH, OW), OH = ⌊(H + 2 padding − dilation (R − 1) − 1) / stride⌋ + 1, or with
ceil_mode ⌈ ⌉ unless the last window would start in the padding at the end. Every primitive is linear, once
the positions of the maxima are known, and stands beside its adjoint.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from autograd.primitive import primitive
from autograd.tensor import Tensor
from ops.batched import each_sample
from ops.dims import hashable, per_axis
from ops.kernels.geometry import Pair
from ops.lazy_kernels import adaptive_pool, pool
from ops.pool_arguments import Sizes, Windows, adaptive_size, check_positions, shape_of, windows
from ops.shape import reshape

Array = np.ndarray[Any, Any]


# -- maxima --------------------------------------------------------------------------------------------------


@primitive(residual=True)
def max_pooled(x: Any, *, windows: Windows) -> tuple[Array, Array]:
    """y[i, j] = max_r,s x[i stride + r dilation − padding, ...]; NaN wins, and of equals the first."""
    kernel, stride, padding, dilation, _, out_size = windows
    return pool.max_pool2d_forward(x, kernel, stride, padding, dilation, out_size)


@primitive
def max_unpooled(dy: Any, taps: Any, *, windows: Windows) -> Array:
    """Add each dy[i, j] at the tap r S + s of its window that `taps` names: the adjoint of `tapped`."""
    kernel, stride, padding, dilation, in_size, _ = windows
    return pool.max_pool2d_backward(dy, taps, kernel, stride, padding, dilation, in_size)


@primitive
def tapped(x: Any, taps: Any, *, windows: Windows) -> Array:
    """Return the tap of every window that `taps` names, 0 where it lies in the padding."""
    positions, inside = _positions(taps, windows)
    y = np.take_along_axis(_lines(x), _lines(np.where(inside, positions, 0)), axis=-1)
    return np.where(inside, y.reshape(taps.shape), x.dtype.type(0))


max_pooled.vjp(x=lambda grad, residual, windows: max_unpooled(grad, residual, windows=windows))
max_unpooled.vjp(dy=lambda grad, taps, windows: tapped(grad, taps, windows=windows))
tapped.vjp(x=lambda grad, taps, windows: max_unpooled(grad, taps, windows=windows))
for _of_planes in (max_pooled, max_unpooled, tapped):
    _of_planes.vmap()


def _positions(taps: Array, windows: Windows) -> tuple[Array, Array]:
    """Return the position h W + w of every tap, and whether it lies inside the plane."""
    kernel, stride, padding, dilation, (H, W), (OH, OW) = windows
    r, s = np.divmod(taps.astype(np.int64), kernel[1])
    h = np.arange(OH)[:, None] * stride[0] - padding[0] + r * dilation[0]
    w = np.arange(OW) * stride[1] - padding[1] + s * dilation[1]
    return h * W + w, (h >= 0) & (h < H) & (w >= 0) & (w < W)


def _lines(x: Array) -> Array:
    """See every plane as one line."""
    return x.reshape(*x.shape[:-2], x.shape[-2] * x.shape[-1])


@primitive(residual=True)
def adaptive_max_pooled(x: Any, *, out_size: Pair) -> tuple[Array, Array]:
    """y[i, j] = max of x[⌊i H / OH⌋ : ⌈(i + 1) H / OH⌉, ...]."""
    return adaptive_pool.adaptive_max_pool2d_forward(x, out_size)


@primitive
def placed(x: Any, positions: Any, *, in_size: Pair) -> Array:
    """Add every x at its position h W + w of a plane (H, W) of zeros: the adjoint of `taken`."""
    return adaptive_pool.adaptive_max_pool2d_backward(x, positions, in_size)


@primitive
def taken(x: Any, positions: Any) -> Array:
    """Return x at the positions h W + w of its planes."""
    return np.take_along_axis(_lines(x), _lines(positions), axis=-1).reshape(positions.shape)


adaptive_max_pooled.vjp(x=lambda grad, residual, x_shape: placed(grad, residual, in_size=x_shape[-2:]))
placed.vjp(x=lambda grad, positions: taken(grad, positions))
taken.vjp(x=lambda grad, positions, x_shape: placed(grad, positions, in_size=x_shape[-2:]))
for _of_planes in (adaptive_max_pooled, placed, taken):
    _of_planes.vmap()


# -- averages ------------------------------------------------------------------------------------------------


class Divisor(NamedTuple):
    """What the sum over a window is divided by: its size, without the padding, or a number."""

    count_include_pad: bool
    divisor_override: int | None


@primitive
def averaged(x: Any, *, windows: Windows, divisor: Divisor) -> Array:
    """y[i, j] = Σ_r,s x[i stride + r − padding, j stride + s − padding] / divisor."""
    kernel, stride, padding, _, _, out_size = windows
    return pool.avg_pool2d_forward(x, kernel, stride, padding, out_size, **divisor._asdict())


@primitive
def unaveraged(dy: Any, *, windows: Windows, divisor: Divisor) -> Array:
    """Add dy[i, j] / divisor to every element of its window: the adjoint of `averaged`."""
    kernel, stride, padding, _, in_size, _ = windows
    return pool.avg_pool2d_backward(dy, kernel, stride, padding, in_size, **divisor._asdict())


averaged.vjp(x=lambda grad, windows, divisor: unaveraged(grad, windows=windows, divisor=divisor))
unaveraged.vjp(dy=lambda grad, windows, divisor: averaged(grad, windows=windows, divisor=divisor))


@primitive
def adaptive_averaged(x: Any, *, out_size: Pair) -> Array:
    """y[i, j] = mean of x[⌊i H / OH⌋ : ⌈(i + 1) H / OH⌉, ...]."""
    return adaptive_pool.adaptive_avg_pool2d_forward(x, out_size)


@primitive
def adaptive_unaveraged(dy: Any, *, in_size: Pair) -> Array:
    """Add dy[i, j] over its bin's size to every element of the bin: the adjoint of `adaptive_averaged`."""
    return adaptive_pool.adaptive_avg_pool2d_backward(dy, in_size)


adaptive_averaged.vjp(x=lambda grad, x_shape: adaptive_unaveraged(grad, in_size=x_shape[-2:]))
adaptive_unaveraged.vjp(dy=lambda grad, dy_shape: adaptive_averaged(grad, out_size=dy_shape[-2:]))
for _of_planes in (averaged, unaveraged, adaptive_averaged, adaptive_unaveraged):
    _of_planes.vmap()


# -- public functions ----------------------------------------------------------------------------------------


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of input (N, C, W) or (C, W), and its position with return_indices."""
    options = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool1d", 1, input, options, ceil_mode=ceil_mode, return_indices=return_indices)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of input (N, C, H, W) or (C, H, W), and with return_indices its
    position h W + w.

    The padding counts as −∞; stride is kernel_size by default.
    """
    options = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool2d", 2, input, options, ceil_mode=ceil_mode, return_indices=return_indices)


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the maximum of each window of input (N, C, D, H, W) or (C, D, H, W): of its planes, then along
    the depth.
    """
    options = (kernel_size, stride, padding, dilation)
    return _max_pool("max_pool3d", 3, input, options, ceil_mode=ceil_mode, return_indices=return_indices)


def _max_pool(
    name: str, dims: int, input: Any, options: tuple[Any, ...], *, ceil_mode: bool, return_indices: bool
) -> Any:
    shape = shape_of(name, dims, input)
    steps = windows(name, dims, shape, hashable(options), ceil_mode)
    y = max_pooled(input, windows=steps[0])
    if dims == 3:
        y = _along_depth(y, lambda rows: max_pooled(rows, windows=steps[1]))
    if not return_indices:
        return y
    positions = _winners(input, steps)
    return y, positions % shape[-1] if dims == 1 else positions


@each_sample
def _winners(input: Tensor, steps: tuple[Windows, ...]) -> Tensor:
    """Return the positions of the maxima of the windows of x in its plane, or volume."""
    x, planes = input.array, steps[0]
    y, taps = pool.max_pool2d_forward(x, *planes[:4], planes.out_size)
    positions = _positions(taps, planes)[0]
    if len(steps) == 1:
        return Tensor(positions)
    depth = steps[1]
    rows = y.reshape(*y.shape[:-2], depth.in_size[1])
    taps = pool.max_pool2d_forward(rows, *depth[:4], depth.out_size)[1]
    return Tensor(_in_volume(_positions(taps, depth)[0], positions, math.prod(planes.in_size)))


def _in_volume(slices: Array, positions: Array, area: int) -> Array:
    """Return positions d H W + h W + w in a volume of planes of `area` = H W.

    `slices` (..., OD, OH OW) are positions d (OH OW) + (i, j) of the maxima along the depth, `positions`
    (..., D, OH, OW) those of the maxima of each plane.
    """
    *leading, depth, height, width = positions.shape
    lines = positions.reshape(*leading, depth * height * width)
    chosen = np.take_along_axis(lines, _lines(slices), axis=-1).reshape(slices.shape)
    volume = slices // (height * width) * area + chosen
    return volume.reshape(*volume.shape[:-1], height, width)


def _along_depth(x: Any, pooled: Callable[[Any], Any]) -> Any:
    """Pool (..., D, H, W) as planes (D, H W)."""
    *leading, height, width = x.shape
    y = pooled(reshape(x, (*leading, height * width)))
    return reshape(y, (*y.shape[:-1], height, width))


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Return the average of each window of input (N, C, W) or (C, W)."""
    options = (kernel_size, stride, padding, 1)
    return _avg_pool("avg_pool1d", 1, input, options, ceil_mode=ceil_mode, divisor=Divisor(count_include_pad, None))


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the average of each window of input (N, C, H, W) or (C, H, W): its sum over its size or
    divisor_override.
    """
    if divisor_override == 0:
        raise RuntimeError("avg_pool2d: divisor must be not zero")
    options = (kernel_size, stride, padding, 1)
    divisor = Divisor(count_include_pad, divisor_override)
    return _avg_pool("avg_pool2d", 2, input, options, ceil_mode=ceil_mode, divisor=divisor)


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """Return the average of each window of input (N, C, D, H, W) or (C, D, H, W): of its planes, then along
    the depth.
    """
    if divisor_override == 0:
        raise RuntimeError("avg_pool3d: divisor must be not zero")
    options = (kernel_size, stride, padding, 1)
    divisor = Divisor(count_include_pad, divisor_override)
    return _avg_pool("avg_pool3d", 3, input, options, ceil_mode=ceil_mode, divisor=divisor)


def _avg_pool(name: str, dims: int, input: Any, options: tuple[Any, ...], *, ceil_mode: bool, divisor: Divisor) -> Any:
    steps = windows(name, dims, shape_of(name, dims, input), hashable(options), ceil_mode)
    y = averaged(input, windows=steps[0], divisor=divisor)
    if dims < 3:
        return y
    second = divisor if divisor.divisor_override is None else divisor._replace(divisor_override=1)
    return _along_depth(y, lambda rows: averaged(rows, windows=steps[1], divisor=second))


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Return the averages of output_size bins that cover input (N, C, W) or (C, W)."""
    shape = shape_of("adaptive_avg_pool1d", 1, input)
    return adaptive_averaged(input, out_size=(shape[-2], *adaptive_size("adaptive_avg_pool1d", shape, output_size, 1)))


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """Return the averages of OH × OW bins that cover input (N, C, H, W) or (C, H, W); a size of None keeps
    the input's.
    """
    shape = shape_of("adaptive_avg_pool2d", 2, input)
    return adaptive_averaged(input, out_size=adaptive_size("adaptive_avg_pool2d", shape, output_size, 2))


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """Return the averages of OD × OH × OW bins that cover input (N, C, D, H, W) or (C, D, H, W)."""
    shape = shape_of("adaptive_avg_pool3d", 3, input)
    sizes = adaptive_size("adaptive_avg_pool3d", shape, output_size, 3)
    y = adaptive_averaged(input, out_size=sizes[1:])
    return _along_depth(y, lambda rows: adaptive_averaged(rows, out_size=(sizes[0], sizes[1] * sizes[2])))


def adaptive_max_pool1d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the maxima of output_size bins that cover input (N, C, W) or (C, W), and with return_indices
    positions.
    """
    return _adaptive_max_pool("adaptive_max_pool1d", 1, input, output_size, return_indices)


def adaptive_max_pool2d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the maxima of OH × OW bins that cover input (N, C, H, W), and with return_indices their
    positions h W + w.
    """
    return _adaptive_max_pool("adaptive_max_pool2d", 2, input, output_size, return_indices)


def adaptive_max_pool3d(input: Any, output_size: Any, return_indices: bool = False) -> Any:
    """Return the maxima of OD × OH × OW bins that cover input (N, C, D, H, W), and with return_indices
    positions.
    """
    return _adaptive_max_pool("adaptive_max_pool3d", 3, input, output_size, return_indices)


def _adaptive_max_pool(name: str, dims: int, input: Any, output_size: Any, return_indices: bool) -> Any:
    shape = shape_of(name, dims, input)
    sizes = adaptive_size(name, shape, output_size, dims)
    planes = (shape[-2], *sizes) if dims == 1 else sizes[-2:]
    depth = (sizes[0], planes[0] * planes[1])
    y = adaptive_max_pooled(input, out_size=planes)
    if dims == 3:
        y = _along_depth(y, lambda rows: adaptive_max_pooled(rows, out_size=depth))
    if not return_indices:
        return y
    positions = _adaptive_winners(input, planes, depth if dims == 3 else None)
    return y, positions % shape[-1] if dims == 1 else positions


@each_sample
def _adaptive_winners(input: Tensor, planes: Pair, depth: Pair | None) -> Tensor:
    """Return the positions of the maxima of the bins of the planes, or volume."""
    maxima, positions = adaptive_pool.adaptive_max_pool2d_forward(input.array, planes)
    if depth is not None:
        rows = maxima.reshape(*maxima.shape[:-2], depth[1])
        slices = adaptive_pool.adaptive_max_pool2d_forward(rows, depth)[1]
        height, width = input.shape[-2:]
        positions = _in_volume(slices, positions, height * width)
    return Tensor(positions)


@each_sample
def max_unpool1d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Put maxima back at the positions max_pool1d returned, zeros elsewhere: input (N, C, W) or (C, W)."""
    width = _unpooled_size("max_unpool1d", 1, input, (kernel_size, stride, padding), output_size)[0]
    positions = check_positions("max_unpool1d", indices, input, width)
    channels = positions.shape[-2]
    return placed(input, positions + width * np.arange(channels)[:, None], in_size=(channels, width))


@each_sample
def max_unpool2d(
    input: Any, indices: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, output_size: Any = None
) -> Any:
    """Put maxima back where max_pool2d found them, zeros elsewhere: input (N, C, H, W) or (C, H, W)."""
    sizes = _unpooled_size("max_unpool2d", 2, input, (kernel_size, stride, padding), output_size)
    return placed(input, check_positions("max_unpool2d", indices, input, sizes[0] * sizes[1]), in_size=sizes)


def _unpooled_size(name: str, dims: int, input: Any, options: tuple[Any, Any, Any], output_size: Any) -> Sizes:
    """Return the spatial sizes asked for, or those of the smallest input that pools to this one."""
    shape = shape_of(name, dims, input)
    kernel = per_axis(name, "kernel_size", options[0], dims)
    stride = kernel if options[1] is None else per_axis(name, "stride", options[1], dims)
    padding = per_axis(name, "padding", options[2], dims)
    axes = zip(shape[-dims:], kernel, stride, padding, strict=True)
    default = [(n - 1) * s - 2 * p + k for n, k, s, p in axes]
    if output_size is None:
        return tuple(default)
    sizes = tuple(output_size)[-dims:]
    if len(sizes) != dims or any(abs(n - d) >= s for n, d, s in zip(sizes, default, stride, strict=True)):
        raise ValueError(f"{name}: invalid output_size {list(output_size)}: each must be within a stride of {default}")
    return sizes
