"""Strided convolutions can take the place of pooling.

Pooling halves a map with a fixed rule, the maximum of 2 × 2 pixels; a convolution of stride 2 halves it with a rule
that is learnt. Two ways lead there: give the convolution before the pooling the stride (fewer multiply-adds, same
weights, but less is looked at), or put a convolution in the pooling's place (the most weights and work). Pooling is
not what makes a conv net good; a fixed rule costs nothing, though, and the freedom to learn one has to be paid for.

Course: notes on convolutional nets, pooling (section "Pooling Layer"); Springenberg et al., Striving for simplicity:
the all convolutional net, ICLR workshop 2015.
"""

import time
from collections.abc import Callable

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
from nn import optim


def conv(channels: int, out_channels: int, stride: int = 1) -> list[nn.Module]:
    """Return a 3 × 3 convolution with batch norm and ReLU."""
    convolution = nn.Conv2d(channels, out_channels, 3, stride, padding=1, bias=False)
    return [convolution, nn.BatchNorm2d(out_channels), nn.ReLU()]


def max_pooling(c: int, d: int) -> list[nn.Module]:
    """Convolve, then take maxima."""
    return [*conv(c, d), nn.MaxPool2d(2)]


def average_pooling(c: int, d: int) -> list[nn.Module]:
    """Convolve, then take means."""
    return [*conv(c, d), nn.AvgPool2d(2)]


def strided(c: int, d: int) -> list[nn.Module]:
    """Convolve with stride 2: "Strided-CNN"."""
    return conv(c, d, stride=2)


def all_convolutional(c: int, d: int) -> list[nn.Module]:
    """Convolve, then once more in place of the pooling: "All-CNN"."""
    return [*conv(c, d), *conv(d, d, stride=2)]


LESS, MORE = "stride in the convolution", "convolution in place of pooling"
STAGES = {"max pooling": max_pooling, "average pooling": average_pooling, LESS: strided, MORE: all_convolutional}


def network(stage: Callable[[int, int], list[nn.Module]], channels: int, classes: int) -> nn.Module:
    """Return three stages that halve the image, then global average pooling and no other linear layer."""
    layers = [*conv(channels, 16), *stage(16, 16), *stage(16, 32), *stage(32, 64)]
    return nn.Sequential(*layers, nn.Conv2d(64, classes, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())


def main() -> None:
    """Train each net from three seeds; compare accuracy, size and time."""
    options = common.options(__doc__)
    (images, labels), test = common.load(options, size=16)
    epochs, seeds = (1, 1) if options.small else (10, 3)
    right, size, work, seconds = ({} for _ in range(4))
    for name, stage in STAGES.items():
        right[name], seconds[name] = [], 0.0
        for seed in range(seeds):
            torch.manual_seed(options.seed + seed)
            net = network(stage, images.shape[1], int(labels.max()) + 1)
            optimizer = optim.Adam(net.parameters(), lr=3e-3)
            schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
            begin = time.process_time()
            common.train(net, (images, labels), epochs, optimizer, after_epoch=lambda _, step=schedule.step: step())
            seconds[name] += (time.process_time() - begin) / seeds / epochs
            right[name].append(100 * common.accuracy(net, *test))
        table = nn.summary(net, tuple(images[:1].shape))
        size[name], work[name] = table.total_parameters / 1e3, table.total_multiply_adds / 1e6

    figure, (accuracy, *panels) = plt.subplots(1, 4, figsize=(11, 2.6), sharey=True)
    for name, each in right.items():
        accuracy.plot(each, [name] * seeds, "o", color="black", alpha=0.4)
    accuracy.set(xlabel="test accuracy [%]", xlim=(None, 100.2))
    accuracy.invert_yaxis()
    measures = {"parameters [thousands]": size, "multiply-adds [millions]": work, "CPU seconds per epoch": seconds}
    for axes, (measure, values) in zip(panels, measures.items(), strict=True):
        bars = axes.barh(list(values), list(values.values()), color=common.COLORS[0])
        axes.bar_label(bars, fmt="%.2g", padding=3)
        axes.set(xlabel=measure, xlim=(0, 1.2 * max(values.values())))
        axes.grid(visible=False)
    common.save(figure, options, "strided_convolution")
    maxima, means, less, more = (np.mean(each) for each in right.values())
    common.say(
        f"{maxima:.1f} % of the images are right with max pooling, {means:.1f} % with average pooling, {more:.1f} % "
        f"with a convolution in its place, for {size[MORE] / size['max pooling']:.1f} times the parameters, and "
        f"{less:.1f} % with a stride, for {work[LESS] / work['max pooling']:.2f} times the multiply-adds; means of "
        f"{seeds} seeds."
    )


if __name__ == "__main__":
    main()
