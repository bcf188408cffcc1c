"""Convolutions of samples that have a filter each, as per-sample gradients need them.

Where all filters are one, repeated without a copy, the samples are one batch of images.

Shapes: as in `ops.conv`, with the samples as a further dimension before all others.
"""

import math
from typing import Any

import numpy as np

from autograd.batching import Batch
from autograd.primitive import primitive
from ops import conv_nd
from ops.conv_nd import ConvSettings, Shape
from ops.shape import reshape
from ops.slicing import sliced

Array = np.ndarray[Any, Any]


def _shared(w: Array) -> bool:
    """Return whether all samples have the same filter."""
    return len(w) > 1 and w.strides[0] == 0


@primitive
def each_convolution(x: Array, w: Array, *, settings: ConvSettings) -> Array:
    """y[b] = convolution of x[b] by w[b]."""
    if _shared(w):
        y = conv_nd.forward(joined(x), w[0], None, settings)
        return y.reshape(*x.shape[:2], *y.shape[1:])
    return np.stack([conv_nd.forward(a, b, None, settings) for a, b in zip(x, w, strict=True)])


@primitive
def each_grad_input(dy: Array, w: Array, *, input_shape: Shape, settings: ConvSettings) -> Array:
    """dx[b] = gradient of the input of convolution b."""
    if _shared(w):
        shape = (len(dy) * input_shape[1], *input_shape[2:])
        return conv_nd.grad_input(joined(dy), w[0], shape, settings).reshape(input_shape)
    return np.stack([conv_nd.grad_input(a, b, input_shape[1:], settings) for a, b in zip(dy, w, strict=True)])


@primitive
def each_grad_weight(dy: Array, x: Array, *, weight_shape: Shape, settings: ConvSettings) -> Array:
    """dw[b] = gradient of the filter of convolution b."""
    dw = np.empty(weight_shape, dy.dtype)
    for i, (a, b) in enumerate(zip(dy, x, strict=True)):
        dw[i] = conv_nd.grad_weight(a, b, weight_shape[1:], settings)
    return dw


each_convolution.vjp(
    x=lambda grad, w, x_shape, settings: each_grad_input(grad, w, input_shape=x_shape, settings=settings),
    w=lambda grad, x, w_shape, settings: each_grad_weight(grad, x, weight_shape=w_shape, settings=settings),
)
each_grad_input.vjp(
    dy=lambda grad, w, dy_shape, settings: cropped(each_convolution(grad, w, settings=settings), dy_shape),
    w=lambda grad, dy, w_shape, settings: each_grad_weight(dy, grad, weight_shape=w_shape, settings=settings),
)
each_grad_weight.vjp(
    dy=lambda grad, x, dy_shape, settings: cropped(each_convolution(x, grad, settings=settings), dy_shape),
    x=lambda grad, dy, x_shape, settings: each_grad_input(dy, grad, input_shape=x_shape, settings=settings),
)


@each_convolution.joint_vmap
def _(batch: Batch, x: Any, w: Any, settings: ConvSettings) -> Any:
    x, w = map(joined, batch.everywhere((x, w)))
    return separated(each_convolution(x, w, settings=settings), batch.size)


@each_grad_input.joint_vmap
def _(batch: Batch, dy: Any, w: Any, input_shape: Shape, settings: ConvSettings) -> Any:
    dy, w = map(joined, batch.everywhere((dy, w)))
    shape = (batch.size * input_shape[0], *input_shape[1:])
    return separated(each_grad_input(dy, w, input_shape=shape, settings=settings), batch.size)


@each_grad_weight.joint_vmap
def _(batch: Batch, dy: Any, x: Any, weight_shape: Shape, settings: ConvSettings) -> Any:
    dy, x = map(joined, batch.everywhere((dy, x)))
    shape = (batch.size * weight_shape[0], *weight_shape[1:])
    return separated(each_grad_weight(dy, x, weight_shape=shape, settings=settings), batch.size)


def joined(x: Any) -> Any:
    """Make one dimension of the first two."""
    return reshape(x, (math.prod(x.shape[:2]), *x.shape[2:]))


def separated(x: Any, size: int) -> Any:
    """Undo `joined`, of a first dimension of `size`."""
    return reshape(x, (size, x.shape[0] // size if size else 0, *x.shape[1:]))


def cropped(y: Any, shape: Shape) -> Any:
    """Drop the outputs past `shape`: a transposed convolution with a large output_padding leaves room for more."""
    return y if tuple(y.shape) == tuple(shape) else sliced(y, index=tuple([slice(n) for n in shape]))
