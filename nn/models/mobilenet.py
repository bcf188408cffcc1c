"""MobileNetV2: inverted residuals, wide inside and narrow between, whose 3 × 3 convolutions are depthwise.

Sandler, Howard, Zhu, Zhmoginov and Chen (2018), MobileNetV2: inverted residuals and linear bottlenecks. The
shortcuts join the narrow ends, which have no ReLU: it would lose what few channels carry.

    x ─┬─ conv 1×1, t·C channels ─ bn ─ relu6 ─ conv 3×3 depthwise ─ bn ─ relu6 ─ conv 1×1, C′ channels ─ bn ─ + ─ y
       └─────────────────── identity, where the stride is 1 and C = C′ ────────────────────────────────────────┘

    module          output      layers                   t  parameters
    features.0      112×112×32  conv 3×3, stride 2       -         928
    features.1      112×112×16  1 block                  1         896
    features.2-3    56×56×24    2 blocks, stride 2       6      13,968
    features.4-6    28×28×32    3 blocks, stride 2       6      39,696
    features.7-10   14×14×64    4 blocks, stride 2       6     183,872
    features.11-13  14×14×96    3 blocks                 6     303,168
    features.14-16  7×7×160     3 blocks, stride 2       6     795,264
    features.17     7×7×320     1 block                  6     473,920
    features.18     7×7×1280    conv 1×1                 -     412,160
    classifier.1    1000        linear, from the means   -   1,281,000
    total                                                     3,504,872

torchvision's weights fit: `model.load_state_dict(torch.load("mobilenet_v2-7ebf99e0.pth"))`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn.activation import ReLU6
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.models.initial_values import draw_by_fan_out
from nn.module import Module
from nn.normalization import BatchNorm2d

Norm = Callable[..., Module]

# Of each stage: t, the expansion; c, the channels; n, its blocks; s, the stride of the first (the paper's table 2).
SETTING = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
]


def _make_divisible(v: float, divisor: int) -> int:
    """Return the multiple of `divisor` nearest to v, but at least `divisor` and no less than 0.9 v."""
    nearest = max(divisor, int(v + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * v else nearest


class Conv2dNormActivation(Sequential):
    """A convolution that keeps the size (over its stride), without bias; a norm; a ReLU6."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        groups: int = 1,
        norm_layer: Norm = BatchNorm2d,
    ) -> None:
        padding = (kernel_size - 1) // 2
        super().__init__(
            Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False),
            norm_layer(out_channels),
            ReLU6(inplace=True),
        )


class InvertedResidual(Module):
    """y = conv(x), or x + conv(x) where shapes allow: 1 × 1 to many channels, 3 × 3 depthwise, 1 × 1 to few.

    Args:
        inp: channels of the input.
        oup: channels of the output.
        stride: of the 3 × 3 convolution: 1 or 2.
        expand_ratio: t, how many times the input's channels there are inside; without the first convolution if 1.
        norm_layer: makes the norms from their number of channels; default `BatchNorm2d`.

    Shapes:
        input (N, inp, H, W), output (N, oup, ⌈H / stride⌉, ⌈W / stride⌉).
    """

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: float, norm_layer: Norm | None = None) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"InvertedResidual: stride should be 1 or 2 instead of {stride}")
        norm = BatchNorm2d if norm_layer is None else norm_layer
        hidden = round(inp * expand_ratio)
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        expand = [] if expand_ratio == 1 else [Conv2dNormActivation(inp, hidden, 1, norm_layer=norm)]
        depthwise = Conv2dNormActivation(hidden, hidden, 3, stride, groups=hidden, norm_layer=norm)
        self.conv = Sequential(*expand, depthwise, Conv2d(hidden, oup, 1, bias=False), norm(oup))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve; add the input where that is possible."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(Module):
    """A convolution, seventeen inverted residuals, a convolution, the mean of each channel, a linear layer.

    Convolutions are drawn from N(0, 2 / fan_out), the linear layer from N(0, 0.01²), its bias is 0.

    Args:
        num_classes: K, the number of classes.
        width_mult: factor of all numbers of channels (that of the last convolution does not fall below 1280).
        inverted_residual_setting: (t, c, n, s) of each stage; default: the paper's.
        round_nearest: numbers of channels are rounded to a multiple of it; 1: not at all.
        block: makes the blocks: called as `InvertedResidual`.
        norm_layer: makes the norms from their number of channels; default `BatchNorm2d`.
        dropout: how likely an input of the linear layer becomes zero.

    Shapes:
        input (N, 3, H, W), output (N, K): logits.
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None,
        round_nearest: int = 8,
        block: Callable[..., Module] | None = None,
        norm_layer: Norm | None = None,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        setting = SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or any(len(stage) != 4 for stage in setting):
            raise ValueError(
                f"MobileNetV2: inverted_residual_setting should be a non-empty list of (t, c, n, s), got {setting}"
            )
        norm = BatchNorm2d if norm_layer is None else norm_layer
        make_block = InvertedResidual if block is None else block
        channels = _make_divisible(32 * width_mult, round_nearest)
        self.last_channel = _make_divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[Module] = [Conv2dNormActivation(3, channels, 3, stride=2, norm_layer=norm)]
        for t, c, n, s in setting:
            width = _make_divisible(c * width_mult, round_nearest)
            for i in range(n):
                features.append(make_block(channels, width, s if i == 0 else 1, expand_ratio=t, norm_layer=norm))
                channels = width
        features.append(Conv2dNormActivation(channels, self.last_channel, 1, norm_layer=norm))
        self.features = Sequential(*features)
        self.classifier = Sequential(Dropout(dropout), Linear(self.last_channel, num_classes))
        self.apply(draw_by_fan_out)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        means = F.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(means.flatten(1))


def mobilenet_v2(**options: Any) -> MobileNetV2:
    """Return a `MobileNetV2`; `options` are its arguments."""
    return MobileNetV2(**options)
