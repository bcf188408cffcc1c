"""Initial values that several of the models share."""

import math
from typing import Any

from nn import init
from nn.conv import Conv2d
from nn.linear import Linear
from nn.module import Module


def draw_by_fan_out(module: Module) -> None:
    """Draw the weight of a convolution from N(0, 2 / fan_out), of a linear layer from N(0, 0.01²); biases are 0."""
    if isinstance(module, Conv2d):
        init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    elif isinstance(module, Linear):
        init.normal_(module.weight, 0.0, 0.01)
    else:
        return
    if module.bias is not None:
        init.zeros_(module.bias)


def draw_by_fan_in(layer: Any, fan_in: int) -> Any:
    """Draw a layer's weight from a truncated N(0, 1 / fan_in), its bias is 0; return the layer."""
    init.trunc_normal_(layer.weight, std=math.sqrt(1 / fan_in))
    init.zeros_(layer.bias)
    return layer


def draw_xavier(layer: Any) -> None:
    """Draw a layer's weight from Xavier's uniform law, its bias from N(0, 10⁻¹²)."""
    init.xavier_uniform_(layer.weight)
    init.normal_(layer.bias, std=1e-6)


def set_to_zero(layer: Module) -> None:
    """Set all parameters of a layer to 0."""
    for parameter in layer.parameters():
        init.zeros_(parameter)
