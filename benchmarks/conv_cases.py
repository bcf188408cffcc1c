"""Convolutions of well-known nets: forward, gradient to the input, gradient to the weight, each timed apart.

The group `conv3x3` is ResNet's body (He et al. 2016): 3×3, stride 1, as many filters as channels. The groups `conv-...`
are all others of LeNet, AlexNet, VGG-16, ResNet-18/50 and MobileNet-v2, layers of torchvision's models.
"""

from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.case import Case, Work, random, timed
from benchmarks.library import Library

BATCHES = (1, 8, 32)
PARTS = ("forward", "grad_input", "grad_weight")


class Layer(NamedTuple):
    """C channels of side × side pixels, K filters of size × size."""

    C: int
    K: int
    side: int
    size: int
    stride: int = 1
    padding: int = 0
    groups: int = 1

    @property
    def out(self) -> int:
        """Side of the output."""
        return (self.side + 2 * self.padding - self.size) // self.stride + 1

    def title(self, N: int) -> str:
        """Such as n8-c64-k128-3x3-28x28-s2."""
        filters = "" if self.K == self.C else f"-k{self.K}"
        stride = f"-s{self.stride}" if self.stride > 1 else ""
        return f"n{N}-c{self.C}{filters}-{self.side}x{self.side}{stride}"


RESNET_BODY = [Layer(C, C, side, 3, padding=1) for C, side in
               [(64, 56), (128, 28), (256, 14), (512, 7), (64, 32), (128, 16), (256, 8), (512, 4)]]  # fmt: skip

FIRST = [
    Layer(1, 6, 32, 5),  # LeNet-5
    Layer(3, 64, 32, 3, padding=1),  # ResNet-18 on CIFAR
    Layer(3, 6, 32, 5),  # the CIFAR net of PyTorch's tutorial
    Layer(3, 64, 224, 11, 4, 2),  # AlexNet
    Layer(3, 64, 224, 7, 2, 3),  # ResNet
    Layer(3, 32, 224, 3, 2, 1),  # MobileNet-v2
    Layer(3, 64, 224, 3, padding=1),  # VGG
]
FIVE = [Layer(6, 16, 14, 5), Layer(64, 192, 27, 5, padding=2)]  # LeNet-5, AlexNet

UNEVEN = [
    *(Layer(C, K, 13, 3, padding=1) for C, K in [(192, 384), (384, 256), (256, 256)]),  # AlexNet
    *(Layer(C, K, side, 3, padding=1) for C, K, side in
      [(64, 64, 224), (64, 128, 112), (128, 128, 112), (128, 256, 56), (256, 256, 56), (256, 512, 28), (512, 512, 28),
       (512, 512, 14)]),  # VGG-16
]  # fmt: skip

STRIDED = [
    *(Layer(C, 2 * C, side, 3, 2, 1) for C, side in [(64, 56), (128, 28), (256, 14)]),  # ResNet-18
    *(Layer(C, 2 * C, side, 3, 2, 1) for C, side in [(64, 32), (128, 16), (256, 8)]),  # ResNet-18 on CIFAR
    *(Layer(C, C, side, 3, 2, 1) for C, side in [(128, 56), (256, 28), (512, 14)]),  # ResNet-50
]

POINTWISE = [
    *(Layer(C, K, side, 1, 2) for C, K, side in
      [(64, 128, 56), (128, 256, 28), (256, 512, 14), (64, 128, 32), (128, 256, 16), (256, 512, 8)]),  # ResNet-18
    *(Layer(C, 2 * C, side, 1, 2) for C, side in [(256, 56), (512, 28), (1024, 14)]),  # ResNet-50
    *(Layer(C, K, side, 1) for C, K, side in
      [(64, 64, 56), (64, 256, 56), (256, 64, 56), (256, 128, 56), (128, 512, 28), (512, 128, 28), (512, 256, 28),
       (256, 1024, 14), (1024, 256, 14), (1024, 512, 14), (512, 2048, 7), (2048, 512, 7)]),  # ResNet-50
    *(Layer(C, K, side, 1) for C, K, side in
      [(32, 16, 112), (16, 96, 112), (96, 24, 56), (24, 144, 56), (144, 24, 56), (144, 32, 28), (32, 192, 28),
       (192, 32, 28), (192, 64, 14), (64, 384, 14), (384, 64, 14), (384, 96, 14), (96, 576, 14), (576, 96, 14),
       (576, 160, 7), (160, 960, 7), (960, 160, 7), (960, 320, 7), (320, 1280, 7)]),  # MobileNet-v2
]  # fmt: skip

DEPTHWISE = [Layer(C, C, side, 3, stride, 1, C) for C, side, stride in
             [(32, 112, 1), (96, 112, 2), (144, 56, 1), (144, 56, 2), (192, 28, 1), (192, 28, 2), (384, 14, 1),
              (576, 14, 1), (576, 14, 2), (960, 7, 1)]]  # fmt: skip  # MobileNet-v2


def convolution(library: Library, layer: Layer, N: int, part: str) -> Work:
    """One part of a convolution's work."""
    bound = (layer.size**2 * layer.C // layer.groups) ** -0.5
    x = library.images(random(N, layer.C, layer.side, layer.side), requires_grad=part != "grad_weight")
    filters = random(layer.K, layer.C // layer.groups, layer.size, layer.size, seed=1, scale=bound)
    w = library.images(filters, requires_grad=part != "grad_input")
    options = {"stride": layer.stride, "padding": layer.padding, "groups": layer.groups}
    if part == "forward":
        return timed(lambda: library.F.conv2d(x, w, **options))
    y = library.F.conv2d(x, w, **options)
    dy = library.images(random(*y.shape, seed=2))
    grad, wanted = library.torch.autograd.grad, x if part == "grad_input" else w
    return timed(lambda: grad(y, wanted, dy, retain_graph=True))


def cases() -> Iterator[Case]:
    """Yield a case for each layer, batch and part."""
    groups = {"conv3x3": (RESNET_BODY, (8, 32)), "conv-first": (FIRST, BATCHES), "conv-5x5": (FIVE, BATCHES),
              "conv-3x3": (UNEVEN, BATCHES), "conv-stride2": (STRIDED, BATCHES), "conv-1x1": (POINTWISE, BATCHES),
              "conv-depthwise": (DEPTHWISE, BATCHES)}  # fmt: skip
    for group, (layers, batches) in groups.items():
        for layer in layers:
            for N in batches:
                for part in PARTS:
                    yield case(group, layer, N, part)


def case(group: str, layer: Layer, N: int, part: str) -> Case:
    """Return the case of one part of a layer."""
    size = f"{layer.size}x{layer.size}-" if group == "conv-first" else ""
    weights = layer.K * layer.C // layer.groups * layer.size**2
    inputs, outputs = N * layer.C * layer.side**2, N * layer.K * layer.out**2
    return Case(
        f"kernels/{group}/{size}{layer.title(N)}/{part}",
        lambda library: convolution(library, layer, N, part),
        features=frozenset({"channels_last"}),
        flops=2 * N * layer.out**2 * weights,
        traffic=4 * (inputs + outputs + weights),
    )
