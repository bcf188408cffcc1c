"""LeNet-5 (LeCun et al., 1998, Gradient-based learning applied to document recognition)."""

from collections.abc import Callable
from typing import Any

from autograd.tensor import Tensor
from nn.activation import Tanh
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.linear import Linear
from nn.module import Module
from nn.pooling import AvgPool2d

_ORIGINAL_SIDES = (32, 14)  # of the maps that enter the two convolutions in the paper


class LeNet5(Module):
    """Two 5 × 5 convolutions of 6 and 16 channels, each followed by pooling; then 120, 84 and K units.

    The paper's images have 32 × 32 pixels. A convolution that smaller ones enter keeps their size by zeros at
    the edges: 28 × 28 (MNIST) gives the paper's 16 maps of 5 × 5, 8 × 8 (scikit-learn's digits) 16 of 2 × 2.

    Args:
        num_classes: K, the number of classes.
        in_channels: channels of the images.
        side: height and width of the images.
        activation: makes the nonlinearities: a module class.
        pool: makes the poolings from their size: a module class.

    Shapes:
        input (N, in_channels, side, side), output (N, num_classes): logits.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        *,
        side: int = 28,
        activation: Callable[..., Module] = Tanh,
        pool: Callable[..., Module] = AvgPool2d,
    ) -> None:
        super().__init__()
        layers: list[Module] = []
        channels = in_channels
        for out_channels, original in zip((6, 16), _ORIGINAL_SIDES, strict=True):
            padding = 2 if side < original else 0
            layers += [Conv2d(channels, out_channels, 5, padding=padding), activation(), pool(2)]
            channels, side = out_channels, (side + 2 * padding - 4) // 2
        self.features = Sequential(*layers)
        self.classifier = Sequential(
            Linear(channels * side * side, 120),
            activation(),
            Linear(120, 84),
            activation(),
            Linear(84, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        return self.classifier(self.features(x).flatten(1))


def lenet5(num_classes: int = 10, in_channels: int = 1, **options: Any) -> LeNet5:
    """Return a `LeNet5`; `options` are its keyword arguments."""
    return LeNet5(num_classes, in_channels, **options)
