"""Twenty years of architectures on the same images: what accuracy costs.

Parameters, multiply-adds and time are three different prices. Linear layers are rich in parameters and poor in work,
convolutions the other way round; depthwise convolutions (MobileNet) save work, but not the time to read and write the
maps. All nets are narrow versions of their kind, trained alike for a few epochs on few images: what they make of much
data is not measured here, but how fast they learn and what that costs is.

Course: slides "Deep Learning 2", architectures (p. 44–56), where the class `Net` is from PyTorch's tutorial on CIFAR;
lecture on AlexNet, VGG and ResNet (p. 4–5).
"""

import time

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from nn.models.mlp_mixer import MLPMixer


class Net(nn.Module):
    """The net of the slides, for images of 32 × 32 pixels."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, 3, 32, 32) to scores (N, K)."""
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


def alexnet(classes: int) -> nn.Module:
    """Overlapping pooling, local response norm, dropout between large linear layers."""
    return nn.Sequential(
        *(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5)),
        *(nn.Conv2d(16, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.LocalResponseNorm(5)),
        *(nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()),
        *(nn.Linear(32 * 3 * 3, 256), nn.ReLU(), nn.Dropout(), nn.Linear(256, classes)),
    )


def vgg(classes: int) -> nn.Module:
    """Pairs of 3 × 3 convolutions, each pair followed by pooling."""
    layers = nn.models.vgg.make_layers([16, 16, "M", 32, 32, "M", 64, 64, "M"], batch_norm=True)
    return nn.Sequential(layers, nn.Flatten(), nn.Linear(64 * 4 * 4, 128), nn.ReLU(), nn.Linear(128, classes))


NETS = {
    "Net": Net,
    "AlexNet": alexnet,
    "VGG": vgg,
    "ResNet-18": lambda classes: nn.models.resnet18(num_classes=classes, stem="cifar", width=8),
    "MobileNetV2": lambda classes: nn.models.mobilenet_v2(num_classes=classes, width_mult=0.25),
    "MLP-Mixer": lambda classes: MLPMixer(32, 4, 4, 64, 32, 128, classes),
}


def main() -> None:
    """Train each net from three seeds; draw test error over its prices."""
    options = common.options(__doc__)
    (images, labels), (test_images, test_labels) = common.load(options, size=32)
    if images.shape[2:] != (32, 32):
        raise SystemExit(f"--data: these nets take images of 32 × 32 pixels, not {images.shape[2]} × {images.shape[3]}")
    images, test_images = (each.expand(-1, 3, -1, -1) for each in (images, test_images))  # grey to colour
    epochs, seeds = (1, 1) if options.small else (5, 3)
    rows = []  # of each net: test error [%], parameters, multiply-adds, seconds
    for new in NETS.values():
        wrong, begin = [], time.process_time()
        for seed in range(seeds):
            torch.manual_seed(options.seed + seed)
            net = new(int(labels.max()) + 1)
            common.train(net, (images, labels), epochs, optim.Adam(net.parameters(), lr=2e-3), batch_size=32)
            wrong.append(100 - 100 * common.accuracy(net, test_images, test_labels))
        seconds = (time.process_time() - begin) / seeds / epochs
        table = nn.summary(net, (1, 3, 32, 32))
        rows.append((np.mean(wrong), table.total_parameters, table.total_multiply_adds, seconds))
    error, *prices = np.array(rows).T / [[1], [1e3], [1e6], [1]]

    figure, panels = plt.subplots(1, 3, figsize=(11, 3.8), sharey=True)
    units = ("parameters [thousands]", "multiply-adds per image [millions]", "CPU seconds per epoch")
    for axes, price, unit in zip(panels, prices, units, strict=True):
        for x, y, name, color in zip(price, error, NETS, common.COLORS, strict=False):
            axes.semilogy(x, y, "o", color=color, markersize=9, label=name)
        axes.set(xlabel=unit, xlim=(0, 1.1 * price.max()))
        axes.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        axes.minorticks_off()
    panels[0].set(
        ylabel=f"wrong after {epochs} epochs [%], mean of {seeds} seeds", ylim=(0.7 * error.min(), 1.5 * error.max())
    )
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(NETS), frameon=False)
    common.save(figure, options, "architectures")
    names, best, most = list(NETS), error.argmin(), error.argmax()
    common.say(
        f"after {epochs} epochs {names[best]} has the fewest test images wrong, {error[best]:.1f} %, with "
        f"{prices[0][best]:.0f} thousand parameters and {prices[1][best]:.1f} million multiply-adds; "
        f"{names[most]} the most, {error[most]:.1f} %; {names[prices[1].argmin()]} needs the fewest multiply-adds, "
        f"{prices[1].min():.1f} million, for {error[prices[1].argmin()]:.1f} %; means of {seeds} seeds."
    )


if __name__ == "__main__":
    main()
