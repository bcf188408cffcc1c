"""Convolution over one, two or three spatial axes, and its transpose.

Convolution is bilinear in input and weight: the three primitives below are one another's vjps, so derivatives
of any order need no further formula.

Shapes: x (N, C, H, W), w (K, C/groups, R, S), y (N, K, OH, OW), and likewise for fewer or more spatial axes.
"""

from typing import Any

import numpy as np

from autograd.batching import Batch
from autograd.primitive import primitive
from ops import conv_nd
from ops.conv_arguments import Shape, conv_settings, operand_shapes, transposed_settings
from ops.conv_each import cropped, each_convolution, each_grad_input, each_grad_weight, joined, separated
from ops.conv_nd import ConvSettings
from ops.dims import hashable
from ops.padding import pad
from ops.reduction import summed
from ops.shape import reshape, squeeze, unsqueeze


@primitive
def convolution(x: Any, w: Any, bias: Any, *, settings: ConvSettings) -> np.ndarray:
    """y[n, k, i, j] = bias[k] + Σ_c,r,s w[k, c, r, s] · x[n, c₀ + c, i stride + r dilation − padding, ...].

    c₀ is the first input channel of filter k's group; x is 0 outside its plane.
    """
    return conv_nd.forward(x, w, bias, settings)


@primitive
def convolution_grad_input(dy: Any, w: Any, *, input_shape: Shape, settings: ConvSettings) -> np.ndarray:
    """dx[n, c₀ + c, i stride + r dilation − padding, ...] = Σ_k,r,s w[k, c, r, s] · dy[n, k, i, j]."""
    return conv_nd.grad_input(dy, w, input_shape, settings)


@primitive
def convolution_grad_weight(dy: Any, x: Any, *, weight_shape: Shape, settings: ConvSettings) -> np.ndarray:
    """dw[k, c, r, s] = Σ_n,i,j dy[n, k, i, j] · x[n, c₀ + c, i stride + r dilation − padding, ...]."""
    return conv_nd.grad_weight(dy, x, weight_shape, settings)


convolution.vjp(
    x=lambda grad, w, x_shape, settings: convolution_grad_input(grad, w, input_shape=x_shape, settings=settings),
    w=lambda grad, x, w_shape, settings: convolution_grad_weight(grad, x, weight_shape=w_shape, settings=settings),
    bias=lambda grad: summed(grad, dim=(0, *range(2, grad.ndim)), keepdim=False),
)
convolution_grad_input.vjp(
    dy=lambda grad, w, dy_shape, settings: cropped(convolution(grad, w, None, settings=settings), dy_shape),
    w=lambda grad, dy, w_shape, settings: convolution_grad_weight(dy, grad, weight_shape=w_shape, settings=settings),
)
convolution_grad_weight.vjp(
    dy=lambda grad, x, dy_shape, settings: cropped(convolution(x, grad, None, settings=settings), dy_shape),
    x=lambda grad, dy, x_shape, settings: convolution_grad_input(dy, grad, input_shape=x_shape, settings=settings),
)


@convolution.joint_vmap
def _(batch: Batch, x: Any, w: Any, bias: Any, settings: ConvSettings) -> Any:
    if batch.of == (True, False, False):
        return separated(convolution(joined(x), w, bias, settings=settings), batch.size)
    y = each_convolution(*batch.everywhere((x, w)), settings=settings)
    if bias is None:
        return y
    return y + reshape(bias, (batch.size if batch.of[2] else 1, 1, -1, *[1] * (y.ndim - 3)))


@convolution_grad_input.joint_vmap
def _(batch: Batch, dy: Any, w: Any, input_shape: Shape, settings: ConvSettings) -> Any:
    if not batch.of[1]:
        shape = (batch.size * input_shape[0], *input_shape[1:])
        return separated(convolution_grad_input(joined(dy), w, input_shape=shape, settings=settings), batch.size)
    return each_grad_input(*batch.everywhere((dy, w)), input_shape=(batch.size, *input_shape), settings=settings)


@convolution_grad_weight.joint_vmap
def _(batch: Batch, dy: Any, x: Any, weight_shape: Shape, settings: ConvSettings) -> Any:
    return each_grad_weight(*batch.everywhere((dy, x)), weight_shape=(batch.size, *weight_shape), settings=settings)


def conv1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolve a sequence: input (N, C, W) or (C, W), weight (K, C/groups, S), output (N, K, OW) or (K, OW).

    OW = ⌊(W + 2 padding − dilation (S − 1) − 1) / stride⌋ + 1; padding may be "valid" or, for stride 1,
    "same".
    """
    return _convolve("conv1d", 1, (input, weight, bias), (stride, padding, dilation, groups))


def conv2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolve an image: input (N, C, H, W) or (C, H, W), weight (K, C/groups, R, S), output (N, K, OH, OW).

    OH = ⌊(H + 2 padding − dilation (R − 1) − 1) / stride⌋ + 1; padding may be "valid" or, for stride 1,
    "same".
    """
    return _convolve("conv2d", 2, (input, weight, bias), (stride, padding, dilation, groups))


def conv3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """Convolve a volume: input (N, C, D, H, W), weight (K, C/groups, Q, R, S), output (N, K, OD, OH, OW)."""
    return _convolve("conv3d", 3, (input, weight, bias), (stride, padding, dilation, groups))


def _convolve(name: str, dims: int, operands: tuple[Any, Any, Any], options: tuple[Any, ...]) -> Any:
    x, w, bias = operands
    settings, extra = conv_settings(name, dims, operand_shapes(name, operands), hashable(options))
    if extra:
        x = pad(x, extra)
    if x.ndim == dims + 1:
        return squeeze(convolution(unsqueeze(x, 0), w, bias, settings=settings), 0)
    return convolution(x, w, bias, settings=settings)


def explain_convolution(
    input_size: Shape, weight: Any, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> str:
    """Say how conv1d or conv2d is computed for an input of some size, forward and both gradients, and why.

    A sentence per direction: the strategy, its threads and estimated cycles, and those of the other strategies.
    """
    dims = len(weight.shape) - 2
    if dims not in (1, 2):
        raise ValueError(f"explain: expected the weight of a conv1d or conv2d, got shape {list(weight.shape)}")
    shapes = (tuple(input_size), tuple(weight.shape), None)
    settings, extra = conv_settings(f"conv{dims}d", dims, shapes, hashable((stride, padding, dilation, groups)))
    more = (0,) * dims if extra is None else extra[::-2]
    sizes = [n + added for n, added in zip(input_size[-dims:], more, strict=True)]
    batch = (*input_size[:-dims], *sizes) if len(input_size) == dims + 2 else (1, input_size[0], *sizes)
    return conv_nd.explain(batch, tuple(weight.shape), settings, weight.array.dtype)


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Apply the adjoint of conv1d: input (N, C, W), weight (C, K/groups, S), output (N, K, OW).

    OW = (W − 1) stride − 2 padding + dilation (S − 1) + output_padding + 1.
    """
    options = (stride, padding, dilation, output_padding, groups)
    return _convolve_transposed("conv_transpose1d", 1, (input, weight, bias), options)


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Apply the adjoint of conv2d: input (N, C, H, W), weight (C, K/groups, R, S), output (N, K, OH, OW).

    OH = (H − 1) stride − 2 padding + dilation (R − 1) + output_padding + 1 (Dumoulin and Visin 2016, section
    4).
    """
    options = (stride, padding, dilation, output_padding, groups)
    return _convolve_transposed("conv_transpose2d", 2, (input, weight, bias), options)


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """Apply the adjoint of conv3d: input (N, C, D, H, W), weight (C, K/groups, Q, R, S), output (N, K, OD,
    OH, OW).
    """
    options = (stride, padding, dilation, output_padding, groups)
    return _convolve_transposed("conv_transpose3d", 3, (input, weight, bias), options)


def _convolve_transposed(name: str, dims: int, operands: tuple[Any, Any, Any], options: tuple[Any, ...]) -> Any:
    x, w, bias = operands
    settings, sizes = transposed_settings(name, dims, operand_shapes(name, operands), hashable(options))
    batch = unsqueeze(x, 0) if x.ndim == dims + 1 else x
    input_shape = (batch.shape[0], w.shape[1] * settings.groups, *sizes)
    y = convolution_grad_input(batch, w, input_shape=input_shape, settings=settings)
    if bias is not None:
        y = y + bias.reshape((-1,) + (1,) * dims)
    return y if batch is x else squeeze(y, 0)
