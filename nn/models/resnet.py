"""ResNet: blocks that learn what to add to their input; and the plain nets it was compared with.

He, Zhang, Ren and Sun (2016), Deep residual learning for image recognition. The shortcut lets signal and gradient
pass a block unchanged, so that a deeper net is no harder to train. Also ResNeXt (Xie et al., 2017: Bottlenecks
with grouped convolutions) and Wide ResNet (Zagoruyko and Komodakis, 2016: Bottlenecks twice as wide inside).

    BasicBlock   x ─┬─ conv 3×3 ─ bn ─ relu ─ conv 3×3 ─ bn ─ + ─ relu ─ y
                    └─────────────── shortcut ────────────────┘

    Bottleneck   x ─┬─ conv 1×1 ─ bn ─ relu ─ conv 3×3 ─ bn ─ relu ─ conv 1×1 ─ bn ─ + ─ relu ─ y
                    └──────────────────────────── shortcut ──────────────────────────┘

    The shortcut is the identity, or where the block changes the size (stride 2) or the channels a 1×1 convolution
    with batch norm (the paper's option B).

    blocks    output      resnet18    resnet34    resnet50    resnet101   resnet152
    conv1     112×112     one 7×7 convolution to 64 channels, stride 2; then a max pool 3×3, stride 2
    layer1    56×56       2           3           3           3           3
    layer2    28×28       2           4           4           4           8
    layer3    14×14       2           6           6           23          36
    layer4    7×7         2           3           3           3           3
    avgpool   1×1         the mean of each channel (global average pooling); then one linear layer, fc

    The stages have 64, 128, 256, 512 channels; with Bottlenecks (50 layers and more) four times as many at their
    ends. BasicBlocks hold two convolutions, Bottlenecks three: 18 = 1 + 2·(2 + 2 + 2 + 2) + 1.

    parameters  resnet18    resnet34    resnet50    resnet101   resnet152
    conv1       9,408       9,408       9,408       9,408       9,408
    bn1         128         128         128         128         128
    layer1      147,968     221,952     215,808     215,808     215,808
    layer2      525,568     1,116,416   1,219,584   1,219,584   2,339,840
    layer3      2,099,712   6,822,400   7,098,368   26,090,496  40,613,888
    layer4      8,393,728   13,114,368  14,964,736  14,964,736  14,964,736
    fc          513,000     513,000     2,049,000   2,049,000   2,049,000
    total       11,689,512  21,797,672  25,557,032  44,549,160  60,192,808

torchvision's weights fit: `model.load_state_dict(torch.load("resnet18-f37072fd.pth"))`. As there, a Bottleneck's
stride is that of its 3 × 3 convolution; the paper's is that of the first 1 × 1 one. `plain18` and `plain34` have the
same layers but no shortcuts: 11,515,688 and 21,623,848 parameters, fewer by those of the shortcuts.
"""

from collections.abc import Callable, Sequence
from typing import Any

from autograd.tensor import Tensor
from nn import init
from nn.activation import ReLU
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.linear import Identity, Linear
from nn.module import Module
from nn.normalization import BatchNorm2d
from nn.pooling import AdaptiveAvgPool2d, MaxPool2d

Norm = Callable[..., Module]


def _conv3x3(inplanes: int, planes: int, stride: int = 1, groups: int = 1, dilation: int = 1) -> Conv2d:
    return Conv2d(inplanes, planes, 3, stride, padding=dilation, dilation=dilation, groups=groups, bias=False)


def _conv1x1(inplanes: int, planes: int, stride: int = 1) -> Conv2d:
    return Conv2d(inplanes, planes, 1, stride, bias=False)


class BasicBlock(Module):
    """y = relu(bn₂(conv₂(relu(bn₁(conv₁(x))))) + shortcut(x)), with two 3 × 3 convolutions.

    Args:
        inplanes: channels of the input.
        planes: channels of the output, over `expansion`.
        stride: of the first convolution.
        downsample: the shortcut, where it is not the identity.
        groups, base_width, dilation: of `Bottleneck`; here 1, 64 and 1 are possible.
        norm_layer: makes the norms from their number of channels; default `BatchNorm2d`.

    Shapes:
        input (N, inplanes, H, W), output (N, planes, ⌈H / stride⌉, ⌈W / stride⌉).
    """

    expansion = 1

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        kind = type(self).__name__
        if groups != 1 or base_width != 64:
            raise ValueError(
                f"{kind} only supports groups=1 and base_width=64, got groups={groups} and base_width={base_width}; "
                "Bottleneck supports others"
            )
        if dilation > 1:
            raise NotImplementedError(f"Dilation > 1 not supported in {kind}, got {dilation}; Bottleneck supports it")
        norm = BatchNorm2d if norm_layer is None else norm_layer
        self.conv1 = _conv3x3(inplanes, planes, stride)
        self.bn1 = norm(planes)
        self.relu = ReLU(inplace=True)
        self.conv2 = _conv3x3(planes, planes)
        self.bn2 = norm(planes)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions make of x to its shortcut."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    def last_norm(self) -> Any:
        """Return the norm whose output the shortcut is added to."""
        return self.bn2


class PlainBlock(BasicBlock):
    """y = relu(bn₂(conv₂(relu(bn₁(conv₁(x)))))): a `BasicBlock` without its shortcut."""

    def forward(self, x: Tensor) -> Tensor:
        """Return what the convolutions make of x."""
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)))


class Bottleneck(Module):
    """y = relu(bn₃(conv₃(…)) + shortcut(x)): 1 × 1 to few channels, 3 × 3 there, 1 × 1 to four times as many.

    Args:
        inplanes: channels of the input.
        planes: channels of the output, over `expansion`.
        stride: of the 3 × 3 convolution.
        downsample: the shortcut, where it is not the identity.
        groups: of the 3 × 3 convolution (Xie et al., 2017).
        base_width: channels of a group where `planes` is 64.
        dilation: of the 3 × 3 convolution.
        norm_layer: makes the norms from their number of channels; default `BatchNorm2d`.

    Shapes:
        input (N, inplanes, H, W), output (N, 4·planes, ⌈H / stride⌉, ⌈W / stride⌉).
    """

    expansion = 4

    def __init__(
        self,
        inplanes: int,
        planes: int,
        stride: int = 1,
        downsample: Module | None = None,
        groups: int = 1,
        base_width: int = 64,
        dilation: int = 1,
        norm_layer: Norm | None = None,
    ) -> None:
        super().__init__()
        norm = BatchNorm2d if norm_layer is None else norm_layer
        width = int(planes * (base_width / 64.0)) * groups
        self.conv1 = _conv1x1(inplanes, width)
        self.bn1 = norm(width)
        self.conv2 = _conv3x3(width, width, stride, groups, dilation)
        self.bn2 = norm(width)
        self.conv3 = _conv1x1(width, planes * self.expansion)
        self.bn3 = norm(planes * self.expansion)
        self.relu = ReLU(inplace=True)
        self.downsample = downsample
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """Add what the convolutions make of x to its shortcut."""
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))

    def last_norm(self) -> Any:
        """Return the norm whose output the shortcut is added to."""
        return self.bn3


class ResNet(Module):
    """A stem, four stages of blocks, the mean of each channel and a linear layer (He et al., 2016).

    Convolutions are drawn from N(0, 2 / fan_out).

    Args:
        block: `BasicBlock`, `Bottleneck` or `PlainBlock`.
        layers: blocks of the four stages.
        num_classes: K, the number of classes.
        zero_init_residual: start with each block's last γ at 0: as the identity (Goyal et al., 2017).
        groups: of the Bottlenecks' 3 × 3 convolutions.
        width_per_group: channels of such a group in the first stage.
        replace_stride_with_dilation: for stages 2 to 4, whether to keep the size and dilate the filters instead.
        norm_layer: makes the norms from their number of channels; default `BatchNorm2d`.
        stem: "imagenet", a 7 × 7 convolution and a pooling, each of stride 2; or "cifar", for images of 32 × 32
            pixels: a 3 × 3 convolution of stride 1 and no pooling.
        in_channels: channels of the images.
        width: channels of the stem and the first stage; each further stage has twice as many.

    Shapes:
        input (N, in_channels, H, W), output (N, K): logits.
    """

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        layers: Sequence[int],
        num_classes: int = 1000,
        zero_init_residual: bool = False,
        groups: int = 1,
        width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Norm | None = None,
        *,
        stem: str = "imagenet",
        in_channels: int = 3,
        width: int = 64,
    ) -> None:
        super().__init__()
        dilate = (False, False, False) if replace_stride_with_dilation is None else replace_stride_with_dilation
        if len(dilate) != 3:
            raise ValueError(f"ResNet: replace_stride_with_dilation should be None or a 3-element tuple, got {dilate}")
        self._norm = BatchNorm2d if norm_layer is None else norm_layer
        self.inplanes, self.dilation = width, 1
        self.groups, self.base_width = groups, width_per_group
        self._make_stem(stem, in_channels, width)
        self.layer1 = self._make_layer(block, width, layers[0], stride=1, dilate=False)
        self.layer2 = self._make_layer(block, 2 * width, layers[1], stride=2, dilate=dilate[0])
        self.layer3 = self._make_layer(block, 4 * width, layers[2], stride=2, dilate=dilate[1])
        self.layer4 = self._make_layer(block, 8 * width, layers[3], stride=2, dilate=dilate[2])
        self.avgpool = AdaptiveAvgPool2d((1, 1))
        self.fc = Linear(self.inplanes, num_classes)
        self._initialise(zero_init_residual)

    def _make_stem(self, stem: str, in_channels: int, width: int) -> None:
        if stem not in ("imagenet", "cifar"):
            raise ValueError(f"ResNet: stem must be 'imagenet' or 'cifar', got {stem!r}")
        large = stem == "imagenet"
        self.conv1 = Conv2d(in_channels, width, 7, 2, padding=3, bias=False) if large else _conv3x3(in_channels, width)
        self.bn1 = self._norm(width)
        self.relu = ReLU(inplace=True)
        self.maxpool = MaxPool2d(3, 2, padding=1) if large else Identity()

    def _make_layer(
        self, block: type[BasicBlock] | type[Bottleneck], planes: int, blocks: int, stride: int, dilate: bool
    ) -> Sequential:
        """Return a stage: its first block changes size and channels."""
        dilation = self.dilation  # of the first block
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        out_planes, downsample = planes * block.expansion, None
        if (stride != 1 or self.inplanes != out_planes) and not issubclass(block, PlainBlock):
            downsample = Sequential(_conv1x1(self.inplanes, out_planes, stride), self._norm(out_planes))
        shared: dict[str, Any] = {"groups": self.groups, "base_width": self.base_width, "norm_layer": self._norm}
        first = block(self.inplanes, planes, stride, downsample, dilation=dilation, **shared)
        self.inplanes = out_planes
        others = (block(out_planes, planes, dilation=self.dilation, **shared) for _ in range(1, blocks))
        return Sequential(first, *others)

    def _initialise(self, zero_init_residual: bool) -> None:
        for module in self.modules():
            if isinstance(module, Conv2d):
                init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            elif zero_init_residual and isinstance(module, PlainBlock):
                raise ValueError("ResNet: with zero_init_residual=True a PlainBlock would return zeros")
            elif zero_init_residual and isinstance(module, (BasicBlock, Bottleneck)):
                norm = module.last_norm()
                if norm.weight is not None:
                    init.zeros_(norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def resnet18(**options: Any) -> ResNet:
    """Return the net of 18 layers; `options` are the other arguments of `ResNet`."""
    return ResNet(BasicBlock, [2, 2, 2, 2], **options)


def resnet34(**options: Any) -> ResNet:
    """Return the net of 34 layers."""
    return ResNet(BasicBlock, [3, 4, 6, 3], **options)


def resnet50(**options: Any) -> ResNet:
    """Return the net of 50 layers."""
    return ResNet(Bottleneck, [3, 4, 6, 3], **options)


def resnet101(**options: Any) -> ResNet:
    """Return the net of 101 layers."""
    return ResNet(Bottleneck, [3, 4, 23, 3], **options)


def resnet152(**options: Any) -> ResNet:
    """Return the net of 152 layers."""
    return ResNet(Bottleneck, [3, 8, 36, 3], **options)


def resnext50_32x4d(**options: Any) -> ResNet:
    """Return ResNeXt-50: 32 groups of 4 channels in the first stage (Xie et al., 2017)."""
    return ResNet(Bottleneck, [3, 4, 6, 3], groups=32, width_per_group=4, **options)


def wide_resnet50_2(**options: Any) -> ResNet:
    """Return a net of 50 layers with twice the channels in its 3 × 3 convolutions (Zagoruyko and Komodakis, 2016)."""
    return ResNet(Bottleneck, [3, 4, 6, 3], width_per_group=128, **options)


def plain18(**options: Any) -> ResNet:
    """Return `resnet18` without shortcuts, the paper's plain net."""
    return ResNet(PlainBlock, [2, 2, 2, 2], **options)


def plain34(**options: Any) -> ResNet:
    """Return `resnet34` without shortcuts, the paper's plain net."""
    return ResNet(PlainBlock, [3, 4, 6, 3], **options)
