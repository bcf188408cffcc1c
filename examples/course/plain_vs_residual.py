"""Plain nets train worse when they get deeper, residual nets do not.

A plain net of 34 layers could copy the one of 18 and let the other layers be the identity; yet it has the higher loss,
on the training images, in spite of batch normalisation: the problem is optimisation, not overfitting. With shortcuts
H(x) = F(x) + x the identity is the easiest thing to learn, gradients pass the blocks unhindered, and depth costs
nothing. Thin lines are three runs with other weights each, the thick line is their mean. With `--data` there is one
run of 20 epochs: some minutes for 8,000 photographs of 32 × 32 pixels.

Course: slides "Deep Learning 2", residual connections (p. 49–52); He et al., Deep residual learning for image
recognition, CVPR 2016, figure 4 and table 2. Here every layer has an eighth of the paper's channels.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
from nn import optim

NETS = {
    (18, False): nn.models.plain18,
    (34, False): nn.models.plain34,
    (18, True): nn.models.resnet18,
    (34, True): nn.models.resnet34,
}
WIDTH = 8  # channels of the first stage; 64 in the paper


def curve(depth: int, residual: bool, images: torch.Tensor, labels: torch.Tensor, epochs: int) -> np.ndarray:
    """Train a net; return its mean loss on the training images, epoch by epoch."""
    classes, channels = int(labels.max()) + 1, images.shape[1]
    net = NETS[depth, residual](num_classes=classes, stem="cifar", in_channels=channels, width=WIDTH)
    optimizer = optim.SGD(net.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    losses = common.train(net, (images, labels), epochs, optimizer)
    return np.array(losses).reshape(epochs, -1).mean(1)


def main() -> None:
    """Train the four nets from three seeds and draw their training losses."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options, size=32)
    images = (images - images.mean()) / images.std()
    epochs, seeds = (6, 3) if options.data == "digits" else (20, 1)  # photographs are learnt more slowly
    if options.small:
        epochs, seeds = 1, 1
    curves = {key: [] for key in NETS}
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
    runs_of = "one seed" if seeds == 1 else f"means of {seeds} seeds"
    common.say(
        f"after {epochs} epochs the plain net of 34 layers has {ratio[0]:.1f} times the training loss of that of 18 "
        f"({last[34, False]:.3f} and {last[18, False]:.3f}), the residual one of 34 {ratio[1]:.1f} times that of "
        f"18 ({last[34, True]:.3f} and {last[18, True]:.3f}); {runs_of}."
    )


if __name__ == "__main__":
    main()
