"""The models, written once against PyTorch's names; `nn` is that of the library measured."""

from typing import Any


def mlp(nn: Any) -> Any:
    """784-500-10, as for MNIST."""
    return nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))


def batch_norm_mlp(nn: Any) -> Any:
    """784-500-500-10 with batch norm."""
    hidden = (layer for inputs in (784, 500) for layer in (nn.Linear(inputs, 500), nn.BatchNorm1d(500), nn.ReLU()))
    return nn.Sequential(*hidden, nn.Linear(500, 10))


def lenet5(nn: Any) -> Any:
    """LeNet-5 (LeCun et al. 1998) with max-pooling, on 1 × 32 × 32."""
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )


def cifar_net(nn: Any) -> Any:
    """The net of PyTorch's CIFAR-10 tutorial, on 3 × 32 × 32."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )


def six_conv_vgg(nn: Any) -> Any:
    """Three pairs of 3 × 3 convolutions, each followed by pooling (after Simonyan & Zisserman 2015), on 3 × 32 × 32."""
    layers, channels = [], 3
    for width in (64, 128, 256):
        layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels = width
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(4096, 256), nn.ReLU(), nn.Linear(256, 10))


def alexnet(nn: Any) -> Any:
    """AlexNet (Krizhevsky 2014, one tower, torchvision's sizes), on 3 × 224 × 224, 1000 classes."""
    features = [
        *(nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)),
        *(nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        *(nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
    ]
    classifier = [
        *(nn.Dropout(0.5), nn.Linear(9216, 4096), nn.ReLU()),
        *(nn.Dropout(0.5), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000)),
    ]
    return nn.Sequential(*features, *classifier)


def resnet18(nn: Any) -> Any:
    """ResNet-18 (He et al. 2016) for CIFAR: a 3 × 3 stem and no pooling before the blocks, on 3 × 32 × 32."""

    class Block(nn.Module):
        """y = relu(x' + conv(relu(conv(x)))), x' = x or its 1 × 1 convolution."""

        def __init__(self, channels: int, width: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(width)
            self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(width)
            self.relu = nn.ReLU(inplace=True)
            self.downsample = nn.Sequential()
            if stride != 1 or channels != width:
                self.downsample = nn.Sequential(
                    nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
                )

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
            return self.relu(y + self.downsample(x))

    layers, channels = [nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True)], 64
    for width, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        layers += [Block(channels, width, stride), Block(width, width, 1)]
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


def mixer(nn: Any) -> Any:
    """MLP-Mixer (Tolstikhin et al. 2021) for CIFAR: 4 × 4 patches, 128 channels, 4 layers, on 3 × 32 × 32."""

    class Layer(nn.Module):
        """x ← x + mix of tokens; x ← x + mix of channels."""

        def __init__(self, tokens: int, channels: int) -> None:
            super().__init__()
            self.norm1 = nn.LayerNorm(channels)
            self.tokens = nn.Sequential(nn.Linear(tokens, 2 * tokens), nn.GELU(), nn.Linear(2 * tokens, tokens))
            self.norm2 = nn.LayerNorm(channels)
            self.channels = nn.Sequential(
                nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
            )

        def forward(self, x: Any) -> Any:
            x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.channels(self.norm2(x))

    class Mixer(nn.Module):
        def __init__(self, tokens: int, channels: int, depth: int) -> None:
            super().__init__()
            self.patches = nn.Conv2d(3, channels, 4, 4)
            self.layers = nn.Sequential(*(Layer(tokens, channels) for _ in range(depth)))
            self.norm = nn.LayerNorm(channels)
            self.head = nn.Linear(channels, 10)

        def forward(self, x: Any) -> Any:
            x = self.patches(x).flatten(2).transpose(1, 2)
            return self.head(self.norm(self.layers(x)).mean(1))

    return Mixer(64, 128, 4)
