"""VGG: nothing but 3 × 3 convolutions and 2 × 2 poolings, 11 to 19 layers deep.

Simonyan and Zisserman (2015), Very deep convolutional networks for large-scale image recognition. Two 3 × 3
convolutions see 5 × 5 pixels and three see 7 × 7, with fewer weights and more ReLUs than one large one.

    image ─ conv×n₁ ─ pool ─ conv×n₂ ─ pool ─ conv×n₃ ─ pool ─ conv×n₄ ─ pool ─ conv×n₅ ─ pool ─ fc ─ fc ─ fc
    side     224      112     112       56      56       28      28       14      14       7
    channels  64       64     128      128     256      256     512      512     512      512  4096 4096 1000

    n₁ … n₅: vgg11 1 1 2 2 2, vgg13 2 2 2 2 2, vgg16 2 2 3 3 3, vgg19 2 2 4 4 4 (the paper's A, B, D, E)

    block     output       vgg11        vgg13        vgg16        vgg19
    1         112×112×64   1,792        38,720       38,720       38,720
    2         56×56×128    73,856       221,440      221,440      221,440
    3         28×28×256    885,248      885,248      1,475,328    2,065,408
    4         14×14×512    3,539,968    3,539,968    5,899,776    8,259,584
    5         7×7×512      4,719,616    4,719,616    7,079,424    9,439,232
    fc        1000         123,642,856  123,642,856  123,642,856  123,642,856
    total                  132,863,336  133,047,848  138,357,544  143,667,240

(parameters; a block ends with its pooling). `vgg11_bn` … `vgg19_bn` have a batch norm behind each convolution.
torchvision's weights fit: `model.load_state_dict(torch.load("vgg16-397923af.pth"))`.
"""

from collections.abc import Sequence
from typing import Any

from autograd.tensor import Tensor
from nn.activation import ReLU
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.models.initial_values import draw_by_fan_out
from nn.module import Module
from nn.normalization import BatchNorm2d
from nn.pooling import AdaptiveAvgPool2d, MaxPool2d

# The paper's configurations: output channels of the convolutions, "M" for a pooling.
cfgs: dict[str, list[int | str]] = {
    "A": [64, "M", 128, "M", *[256] * 2, "M", *[512] * 2, "M", *[512] * 2, "M"],
    "B": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 2, "M", *[512] * 2, "M", *[512] * 2, "M"],
    "D": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 3, "M", *[512] * 3, "M", *[512] * 3, "M"],
    "E": [*[64] * 2, "M", *[128] * 2, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M"],
}


class VGG(Module):
    """Convolutions, then three linear layers (Simonyan and Zisserman, 2015).

    Args:
        features: maps images to (N, 512, H, W): of `make_layers`.
        num_classes: K, the number of classes.
        init_weights: draw convolutions from N(0, 2 / fan_out) and linear layers from N(0, 0.01²), biases 0;
            otherwise each layer keeps its own initial values.
        dropout: how likely an output of the first two linear layers becomes zero.

    Shapes:
        input (N, 3, H, W), H and W at least 32 and 224 in the paper; output (N, K): logits.
    """

    def __init__(
        self, features: Module, num_classes: int = 1000, init_weights: bool = True, dropout: float = 0.5
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = AdaptiveAvgPool2d((7, 7))
        self.classifier = Sequential(
            *(Linear(512 * 7 * 7, 4096), ReLU(inplace=True), Dropout(dropout)),
            *(Linear(4096, 4096), ReLU(inplace=True), Dropout(dropout)),
            Linear(4096, num_classes),
        )
        if init_weights:
            self.apply(draw_by_fan_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def make_layers(cfg: Sequence[int | str], batch_norm: bool = False) -> Sequential:
    """Return the convolutions and poolings of a configuration, such as `[64, "M", 128, "M"]`, of RGB images."""
    layers: list[Module] = []
    channels = 3
    for width in cfg:
        if isinstance(width, str):
            if width != "M":
                raise ValueError(f"make_layers: expected numbers of channels and 'M' for a pooling, got {width!r}")
            layers.append(MaxPool2d(2, 2))
            continue
        layers.append(Conv2d(channels, width, 3, padding=1))
        if batch_norm:
            layers.append(BatchNorm2d(width))
        layers.append(ReLU(inplace=True))
        channels = width
    return Sequential(*layers)


def _vgg(cfg: str, batch_norm: bool, options: dict[str, Any]) -> VGG:
    return VGG(make_layers(cfgs[cfg], batch_norm), **options)


def vgg11(**options: Any) -> VGG:
    """Return configuration A: 8 convolutions; `options` are the other arguments of `VGG`."""
    return _vgg("A", False, options)


def vgg11_bn(**options: Any) -> VGG:
    """Return configuration A with batch norm."""
    return _vgg("A", True, options)


def vgg13(**options: Any) -> VGG:
    """Return configuration B: 10 convolutions."""
    return _vgg("B", False, options)


def vgg13_bn(**options: Any) -> VGG:
    """Return configuration B with batch norm."""
    return _vgg("B", True, options)


def vgg16(**options: Any) -> VGG:
    """Return configuration D: 13 convolutions."""
    return _vgg("D", False, options)


def vgg16_bn(**options: Any) -> VGG:
    """Return configuration D with batch norm."""
    return _vgg("D", True, options)


def vgg19(**options: Any) -> VGG:
    """Return configuration E: 16 convolutions."""
    return _vgg("E", False, options)


def vgg19_bn(**options: Any) -> VGG:
    """Return configuration E with batch norm."""
    return _vgg("E", True, options)
