"""Plain nets train worse when they get deeper, residual nets do not.

A plain net of 34 layers could copy the one of 18 and let the other layers be the identity; yet it has the higher loss,
on the training images, in spite of batch normalisation: the problem is optimisation, not overfitting. With shortcuts
H(x) = F(x) + x the identity is the easiest thing to learn, gradients pass the blocks unhindered, and depth costs
nothing. Thin lines are three runs with other weights each, the thick line is their mean.

Course: slides "Deep Learning 2", residual connections (p. 49–52); He et al., Deep residual learning for image
recognition, CVPR 2016, figure 4 and table 2. Here every layer has an eighth of the paper's channels.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

WIDTH = 8  # channels of the first stage; 64 in the paper
BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}


class Block(nn.Module):
    """Two 3 × 3 convolutions; around them a shortcut, or none."""

    def __init__(self, channels: int, out_channels: int, stride: int, residual: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.residual, self.downsample = residual, None
        if residual and channels != out_channels:
            shortcut = nn.Conv2d(channels, out_channels, 1, stride, bias=False)
            self.downsample = nn.Sequential(shortcut, nn.BatchNorm2d(out_channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ReLU(F(x) + x), or ReLU(F(x))."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.residual:
            y = y + (x if self.downsample is None else self.downsample(x))
        return F.relu(y)


def network(depth: int, residual: bool, in_channels: int, classes: int) -> nn.Module:
    """Return the paper's net for small images: one convolution, four stages of blocks, average pooling, one layer."""
    layers = [nn.Conv2d(in_channels, WIDTH, 3, padding=1, bias=False), nn.BatchNorm2d(WIDTH), nn.ReLU()]
    channels = WIDTH
    for stage, blocks in enumerate(BLOCKS[depth]):
        for block in range(blocks):
            stride = 2 if block == 0 and stage > 0 else 1
            layers.append(Block(channels, WIDTH * 2**stage, stride, residual))
            channels = WIDTH * 2**stage
    net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return net


def curve(depth: int, residual: bool, images: torch.Tensor, labels: torch.Tensor, epochs: int) -> np.ndarray:
    """Train a net; return its mean loss on the training images, epoch by epoch."""
    net = network(depth, residual, images.shape[1], int(labels.max()) + 1)
    optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    losses = common.train(net, (images, labels), epochs, optimizer)
    return np.array(losses).reshape(epochs, -1).mean(1)


def main() -> None:
    """Train the four nets from three seeds and draw their training losses."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options, size=32)
    images = (images - images.mean()) / images.std()
    epochs, seeds = (1, 1) if options.small else (6, 3)
    curves = {(depth, residual): [] for residual in (False, True) for depth in BLOCKS}
    for (depth, residual), runs in curves.items():
        for seed in range(seeds):
            torch.manual_seed(options.seed + seed)
            runs.append(curve(depth, residual, images, labels, epochs))

    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    steps = np.arange(1, epochs + 1)
    for (depth, residual), runs in curves.items():
        color = common.COLORS[depth == 34]
        panels[int(residual)].plot(steps, np.array(runs).T, color=color, linewidth=0.6, alpha=0.6)
        panels[int(residual)].plot(steps, np.mean(runs, 0), "o-", color=color, linewidth=2.5, label=f"{depth} layers")
    last = {key: np.mean(runs, 0)[-1] for key, runs in curves.items()}
    ratio = [last[34, residual] / last[18, residual] for residual in (False, True)]
    for axes, name, times in zip(panels, ("plain", "residual"), ratio, strict=True):
        axes.set(xlabel="epoch", xticks=steps, title=f"{name} nets: 34 layers end at {times:.1f} × the loss of 18")
        axes.legend()
    panels[0].set(ylabel="cross-entropy on the training images", ylim=(0, None))
    common.save(figure, options, "plain_vs_residual")
    common.say(
        f"after {epochs} epochs the plain net of 34 layers has {ratio[0]:.1f} times the training loss of that of 18 "
        f"({last[34, False]:.3f} and {last[18, False]:.3f}), the residual one of 34 {ratio[1]:.1f} times that of "
        f"18 ({last[34, True]:.3f} and {last[18, True]:.3f}); means of {seeds} seeds."
    )


if __name__ == "__main__":
    main()
