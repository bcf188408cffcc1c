"""Convolution of arrays over one, two or three spatial axes, by the kernels for two.

A sequence is a plane of height 1. A volume is a batch of planes: every tap of the filter along the depth is a
convolution of planes, summed where its planes overlap the volume.

Shapes: x (N, C, D, H, W), w (K, C/groups, Q, R, S), y (N, K, OD, OH, OW), fewer spatial axes from the right.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels.geometry import Axis
from ops.lazy_kernels import conv as kernels

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]


class ConvSettings(NamedTuple):
    """How a filter slides: one number per spatial axis."""

    stride: Shape
    padding: Shape
    dilation: Shape
    groups: int

    def of_plane(self) -> dict[str, Any]:
        """Return the settings of the last two axes, as the kernels take them."""
        stride, padding, dilation, groups = self
        if len(stride) == 1:
            return {
                "stride": (1, *stride),
                "padding": (0, *padding),
                "dilation": (1, *dilation),
                "groups": groups,
            }
        return {"stride": stride[-2:], "padding": padding[-2:], "dilation": dilation[-2:], "groups": groups}


def forward(x: Array, w: Array, bias: Array | None, settings: ConvSettings) -> Array:
    """Return y of x and w."""
    options = settings.of_plane()
    if x.ndim == 5:
        return _volume_forward(x, w, bias, settings)
    y = kernels.conv2d_forward(plane(x), plane(w), bias, **options)
    return y if x.ndim == 4 else y.reshape(*y.shape[:2], y.shape[3])


def grad_input(dy: Array, w: Array, input_shape: Shape, settings: ConvSettings) -> Array:
    """Return dx of dy and w."""
    if dy.ndim == 5:
        return _volume_grad_input(dy, w, input_shape, settings)
    options = settings.of_plane()
    return kernels.conv2d_grad_input(plane(dy), plane(w), plane_shape(input_shape), **options).reshape(input_shape)


def grad_weight(dy: Array, x: Array, weight_shape: Shape, settings: ConvSettings) -> Array:
    """Return dw of dy and x."""
    if dy.ndim == 5:
        return _volume_grad_weight(dy, x, weight_shape, settings)
    options = settings.of_plane()
    return kernels.conv2d_grad_weight(plane(dy), plane(x), plane_shape(weight_shape), **options).reshape(weight_shape)


def explain(input_shape: Shape, weight_shape: Shape, settings: ConvSettings, dtype: np.dtype) -> str:
    """Say in a sentence per direction how the kernels compute a convolution over one or two axes, and why."""
    shapes, options = (plane_shape(input_shape), plane_shape(weight_shape)), settings.of_plane()
    directions = ("forward", "grad_input", "grad_weight")
    return "\n".join(kernels.explain(direction, *shapes, dtype=dtype, **options) for direction in directions)


def plane(x: Array) -> Array:
    """See one spatial axis as a plane of height 1."""
    return x if x.ndim == 4 else x.reshape(plane_shape(x.shape))


def plane_shape(shape: Shape) -> Shape:
    """Return (N, C, H, W) for itself and (N, C, 1, W) for (N, C, W)."""
    return shape if len(shape) == 4 else (*shape[:2], 1, shape[2])


def _volume_forward(x: Array, w: Array, bias: Array | None, settings: ConvSettings) -> Array:
    options, axis = settings.of_plane(), _depth_axis(x.shape[2], w.shape[2], settings)
    slices = _depth_first(x)
    y: Any = None
    for tap, outputs, inputs in _depth_taps(axis):
        part = kernels.conv2d_forward(_planes(slices[inputs]), w[:, :, tap], None, **options)
        if y is None:
            y = np.zeros((axis.outputs, x.shape[0], *part.shape[1:]), x.dtype)
        y[outputs] += part.reshape(y[outputs].shape)
    if bias is not None:
        y += bias.reshape(-1, 1, 1)
    return _depth_third(y)


def _volume_grad_input(dy: Array, w: Array, input_shape: Shape, settings: ConvSettings) -> Array:
    options, axis = settings.of_plane(), _depth_axis(input_shape[2], w.shape[2], settings)
    grads, shape = _depth_first(dy), (input_shape[0], input_shape[1], *input_shape[3:])
    dx = np.zeros((axis.size, *shape), dy.dtype)
    for tap, outputs, inputs in _depth_taps(axis._replace(outputs=dy.shape[2])):
        part = _planes(grads[outputs])
        sums = kernels.conv2d_grad_input(part, w[:, :, tap], (len(part), *shape[1:]), **options)
        dx[inputs] += sums.reshape(dx[inputs].shape)
    return _depth_third(dx)


def _volume_grad_weight(dy: Array, x: Array, weight_shape: Shape, settings: ConvSettings) -> Array:
    options, axis = settings.of_plane(), _depth_axis(x.shape[2], weight_shape[2], settings)
    grads, slices = _depth_first(dy), _depth_first(x)
    dw = np.zeros(weight_shape, dy.dtype)
    shape = weight_shape[:2] + weight_shape[3:]
    for tap, outputs, inputs in _depth_taps(axis._replace(outputs=dy.shape[2])):
        dw[:, :, tap] = kernels.conv2d_grad_weight(_planes(grads[outputs]), _planes(slices[inputs]), shape, **options)
    return dw


def _depth_axis(size: int, taps: int, settings: ConvSettings) -> Axis:
    stride, padding, dilation = settings.stride[0], settings.padding[0], settings.dilation[0]
    outputs = (size + 2 * padding - dilation * (taps - 1) - 1) // stride + 1
    return Axis(size, outputs, taps, stride, padding, dilation)


def _depth_taps(axis: Axis) -> Iterator[tuple[int, slice, slice]]:
    """Yield (tap, which outputs, which inputs they read); a tap in the padding alone has none."""
    for tap in range(axis.taps):
        first, last = axis.outputs_of_tap(tap)
        start = first * axis.stride + tap * axis.dilation - axis.padding
        yield tap, slice(first, last), slice(start, start + (last - first) * axis.stride, axis.stride)


def _depth_first(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(2, 0, 1, 3, 4))


def _depth_third(x: Array) -> Array:
    return np.ascontiguousarray(x.transpose(1, 2, 0, 3, 4))


def _planes(x: Array) -> Array:
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
