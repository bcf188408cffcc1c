"""AlexNet: the net that won ImageNet in 2012, as torchvision has it.

Krizhevsky, Sutskever and Hinton (2012), ImageNet classification with deep convolutional neural networks, in the
form of Krizhevsky (2014), One weird trick for parallelizing convolutional neural networks: one tower instead of
two, with 64, 192, 384, 256, 256 channels instead of 96, 256, 384, 384, 256.

    image ─ conv 11×11 ─ pool ─ conv 5×5 ─ pool ─ conv 3×3 ─ conv 3×3 ─ conv 3×3 ─ pool ─ fc ─ fc ─ fc ─ logits
            stride 4   │              │                                          9216 4096 4096  1000
                     norm1?         norm2?           (a ReLU behind every layer but the last; pools 3×3, stride 2)

    module        output     layer                      parameters
    features.0    55×55×64   conv 11×11, stride 4           23,296
    features.2    27×27×64   max pool 3×3, stride 2              0
    features.3    27×27×192  conv 5×5                      307,392
    features.5    13×13×192  max pool 3×3, stride 2              0
    features.6    13×13×384  conv 3×3                      663,936
    features.8    13×13×256  conv 3×3                      884,992
    features.10   13×13×256  conv 3×3                      590,080
    features.12   6×6×256    max pool 3×3, stride 2              0
    classifier.1  4096       linear, from 9216          37,752,832
    classifier.4  4096       linear                     16,781,312
    classifier.6  1000       linear                      4,097,000
    total                                               61,100,840

torchvision's weights fit: `model.load_state_dict(torch.load("alexnet-owt-7be5be79.pth"))`.
"""

from collections import OrderedDict
from typing import Any

from autograd.tensor import Tensor
from nn.activation import ReLU
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module
from nn.normalization import LocalResponseNorm
from nn.pooling import AdaptiveAvgPool2d, MaxPool2d


class AlexNet(Module):
    """Five convolutions and three linear layers (Krizhevsky et al., 2012; Krizhevsky, 2014).

    Args:
        num_classes: K, the number of classes.
        dropout: how likely an input of the first two linear layers becomes zero.
        local_response_norm: normalise across channels behind the first two poolings, as Caffe's reference model
            does (the paper does so before them), by x / (2 + 10⁻⁴ Σ x²)^¾ over 5 channels. The two layers
            are called features.norm1 and features.norm2: no parameter gets another name.

    Shapes:
        input (N, 3, H, W), H and W at least 63 and 224 in the paper; output (N, K): logits.
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5, *, local_response_norm: bool = False) -> None:
        super().__init__()
        layers = [
            *(Conv2d(3, 64, 11, stride=4, padding=2), ReLU(inplace=True), MaxPool2d(3, 2)),
            *(Conv2d(64, 192, 5, padding=2), ReLU(inplace=True), MaxPool2d(3, 2)),
            *(Conv2d(192, 384, 3, padding=1), ReLU(inplace=True)),
            *(Conv2d(384, 256, 3, padding=1), ReLU(inplace=True)),
            *(Conv2d(256, 256, 3, padding=1), ReLU(inplace=True), MaxPool2d(3, 2)),
        ]
        self.features = Sequential(_with_norms(layers) if local_response_norm else _numbered(layers))
        self.avgpool = AdaptiveAvgPool2d((6, 6))
        self.classifier = Sequential(
            *(Dropout(dropout), Linear(256 * 6 * 6, 4096), ReLU(inplace=True)),
            *(Dropout(dropout), Linear(4096, 4096), ReLU(inplace=True)),
            Linear(4096, num_classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _numbered(layers: list[Module]) -> OrderedDict[str, Module]:
    return OrderedDict((str(number), layer) for number, layer in enumerate(layers))


def _with_norms(layers: list[Module]) -> OrderedDict[str, Module]:
    """Put norms behind the first two poolings, under names that leave the others' numbers as they are."""
    named: OrderedDict[str, Module] = OrderedDict()
    for number, layer in enumerate(layers):
        named[str(number)] = layer
        if isinstance(layer, MaxPool2d) and layer is not layers[-1]:
            name = "norm2" if "norm1" in named else "norm1"
            named[name] = LocalResponseNorm(5, alpha=5e-4, k=2.0)  # the paper's α multiplies the sum, not the mean
    return named


def alexnet(**options: Any) -> AlexNet:
    """Return an `AlexNet`; `options` are its arguments."""
    return AlexNet(**options)
