"""LeNet-5: the convolutional net that read cheques.

LeCun, Bottou, Bengio and Haffner (1998), Gradient-based learning applied to document recognition.

    image ─ conv 5×5 ─ pool ─ conv 5×5 ─ pool ─ fc ─ fc ─ output       (a tanh behind the convolutions and fc)
    32×32    28×28×6  14×14    10×10×16   5×5   120  84     10

    module        output    layer               parameters
    features.0    28×28×6   conv 5×5                   156
    features.2    14×14×6   average pool 2×2             0
    features.3    10×10×16  conv 5×5                 2,416
    features.5    5×5×16    average pool 2×2             0
    classifier.0  120       linear, from 400        48,120
    classifier.2  84        linear                  10,164
    classifier.4  10        linear                     850
    total                                           61,706

The paper's net, with its scaled tanh, its distances to fixed codes as output and its loss:

    model = lenet5(side=32, activation=ScaledTanh, output="rbf")
    loss = RBFLoss()(model(images), labels)  # RBFLoss(j=0.1) for the discriminative one
    predicted = model(images).argmin(1)

Two things of the paper's are simpler here: its poolings have a trainable factor and bias for each map, and its second
convolution connects each map to some of the six alone (1,516 parameters).
"""

from collections.abc import Callable
from typing import Any

from autograd.tensor import Tensor
from nn.activation import Tanh
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.linear import Linear
from nn.models.rbf import RBFOutput
from nn.module import Module
from nn.pooling import AvgPool2d

_ORIGINAL_SIDES = (32, 14)  # of the maps that enter the two convolutions in the paper


class ScaledTanh(Module):
    """y = 1.7159 tanh(2x / 3): about ±1 at ±1, where it bends most, so that codes of ±1 do not saturate it.

    LeCun et al. (1998), appendix A.

    Shapes:
        input any, output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Squash each element."""
        return 1.7159 * (input * (2 / 3)).tanh()


class LeNet5(Module):
    """Two 5 × 5 convolutions of 6 and 16 channels, each followed by pooling; then 120, 84 and K units.

    The paper's images have 32 × 32 pixels. A convolution that smaller ones enter keeps their size by zeros at
    the edges: 28 × 28 (MNIST) gives the paper's 16 maps of 5 × 5, 8 × 8 (scikit-learn's digits) 16 of 2 × 2.

    Args:
        num_classes: K, the number of classes.
        in_channels: channels of the images.
        side: height and width of the images.
        activation: makes the nonlinearities: a module class; the paper's is `ScaledTanh`.
        pool: makes the poolings from their size: a module class.
        output: "linear", or "rbf" for the paper's `RBFOutput`, whose loss is `RBFLoss`.

    Shapes:
        input (N, in_channels, side, side), output (N, num_classes): logits; with "rbf" distances, smallest likeliest.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        *,
        side: int = 28,
        activation: Callable[..., Module] = Tanh,
        pool: Callable[..., Module] = AvgPool2d,
        output: str = "linear",
    ) -> None:
        super().__init__()
        if output not in ("linear", "rbf"):
            raise ValueError(f"LeNet5: output must be 'linear' or 'rbf', got {output!r}")
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
            Linear(84, num_classes) if output == "linear" else RBFOutput(num_classes, 84),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes, or the distances to their codes."""
        return self.classifier(self.features(x).flatten(1))


def lenet5(num_classes: int = 10, in_channels: int = 1, **options: Any) -> LeNet5:
    """Return a `LeNet5`; `options` are its keyword arguments."""
    return LeNet5(num_classes, in_channels, **options)
