"""Fully connected layers as convolutions, so that a classifier slides over images larger than it was trained on."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.grad_mode import no_grad
from autograd.tensor import Tensor
from nn.containers import Sequential
from nn.conv import Conv1d, Conv2d
from nn.flatten import Flatten
from nn.linear import Linear
from nn.module import Module
from nn.utils.receptive_fields import POINTWISE, layers


def linear_to_conv(linear: Linear, input_size: Sequence[int]) -> Conv2d | Conv1d:
    """Return the convolution that computes a Linear layer on a flattened volume: its filters cover all of it.

    linear(x.flatten(1)) = linear_to_conv(linear, (C, H, W))(x).flatten(1) for x (N, C, H, W). On a larger x it computes
    the layer for every H × W window, with stride 1.

    Args:
        linear: a layer of C·H·W inputs and K outputs.
        input_size: (C, H, W), or (C, W) for a Conv1d: what was flattened.

    Shapes:
        weight (K, C·H·W) → (K, C, H, W), a copy.

    Source: Long, Shelhamer and Darrell 2015, Fully convolutional networks for semantic segmentation, section 3.1.
    """
    if not isinstance(linear, Linear):
        raise TypeError(f"linear_to_conv: expected a Linear layer, got {type(linear).__name__}")
    size = tuple(input_size)
    if len(size) not in (2, 3):
        raise ValueError(f"linear_to_conv: input_size must be (C, W) or (C, H, W), got {size}")
    if int(np.prod(size)) != linear.in_features:
        raise ValueError(
            f"linear_to_conv: input_size {size} has {int(np.prod(size))} numbers, but the layer expects "
            f"{linear.in_features}"
        )
    kind = Conv1d if len(size) == 2 else Conv2d
    conv = kind(size[0], linear.out_features, size[1:], bias=linear.bias is not None, dtype=linear.weight.dtype)
    for own, given in ((conv.weight, linear.weight), (conv.bias, linear.bias)):
        if own is not None and given is not None:
            with no_grad():
                own.copy_(given.reshape(own.shape))
            own.requires_grad_(given.requires_grad)
    return conv.train(linear.training)


def fully_convolutional(model: Sequential, input_size: Sequence[int]) -> Sequential:
    """Return a copy of a classifier in which Flatten is gone and each Linear layer behind it is a convolution.

    For images of `input_size` it gives the same scores, as (N, K, 1, 1). A larger image gives a map of scores
    (N, K, I, J) in one go: where no layer pads, those of the classifier on all windows `receptive_field(...).jump`
    pixels apart.

    Args:
        model: a Sequential of any layers, then Flatten, then Linear layers with activations or dropout between.
        input_size: (C, H, W) or (C, W), one image without the batch.
    """
    flat = [i for i, (_, layer) in enumerate(layers(model, "fully_convolutional")) if isinstance(layer, Flatten)]
    if len(flat) != 1:
        raise ValueError(f"fully_convolutional: the model must have exactly one Flatten, it has {len(flat)}")
    copies: dict[int, Any] = {}  # one for each layer, however often it is called
    named = [(path, copy.deepcopy(layer, copies)) for path, layer in layers(model, "fully_convolutional")]
    before = Sequential(*(layer for _, layer in named[: flat[0]]))
    size = _output_size(before, input_size)
    for path, layer in named[flat[0] + 1 :]:
        if isinstance(layer, Linear):
            layer = linear_to_conv(layer, size)
            size = (layer.out_channels, *(1 for _ in size[1:]))
        elif not isinstance(layer, POINTWISE):
            raise ValueError(
                f"fully_convolutional: {path} ({type(layer).__name__}) behind Flatten has no form as a convolution"
            )
        before.append(layer)
    return before.train(model.training)


def _output_size(model: Module, input_size: Sequence[int]) -> tuple[int, ...]:
    """Return the size of the model's output for one input, in evaluation mode so that nothing is remembered."""
    kind = next((p.array.dtype for p in model.parameters()), np.dtype(np.float32))
    with no_grad():
        return tuple(copy.deepcopy(model).eval()(Tensor(np.zeros((1, *input_size), kind))).shape[1:])
