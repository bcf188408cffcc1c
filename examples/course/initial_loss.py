"""The loss before the first step tells whether the weights start at a good scale.

A net that knows nothing should give every class the probability 1/K, and so the loss −log(1/K). Weights that are too
large make it confidently wrong: the first steps are then spent on squashing the scores. Weights that are nearly 0 give
just the expected loss, but the hidden units are all alike and learning hardly moves; a good scale lies between.

Course: slides "Deep Learning 2", initialization (p. 14–16): a 784-500-10 net with weights and biases N(0, scale²).
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

SCALES = [1, 0.3, 0.1, 0.03, 0.01, 1e-3, 1e-4]


class TwoLayerNet(nn.Module):
    """784-500-10 with ReLU; every weight and bias drawn from N(0, scale²)."""

    def __init__(self, scale: float, inputs: int, classes: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(inputs, 500), nn.Linear(500, classes)
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (N, C, H, W) to scores (N, K)."""
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


def main() -> None:
    """Measure the loss at the start and in training for every scale."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options, size=28)
    mean, std = images.mean(), images.std()
    images = (images - mean) / std
    classes = int(labels.max()) + 1
    expected = -np.log(1 / classes)
    start, curves, epochs = {}, {}, 1 if options.small else 6
    for scale in SCALES:
        torch.manual_seed(options.seed)
        net = TwoLayerNet(scale, images[0].numel(), classes)
        start[scale] = F.cross_entropy(common.predict(net, images), labels).item()
        optimizer = optim.SGD(net.parameters(), lr=0.005)
        curves[scale] = common.train(net, (images, labels), epochs, optimizer, batch_size=8)

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    left.loglog(SCALES, start.values(), "o-")
    left.axhline(expected, color="black", linestyle="--", label=f"−log(1/{classes}) = {expected:.3f}")
    left.set(xlabel="standard deviation of the weights", ylabel="cross-entropy before the first step")
    left.set_title("large weights: confidently wrong from the start")
    left.legend()
    for scale in (1, 0.1, 0.03, 1e-4):
        losses = common.smooth(curves[scale], max(1, len(curves[scale]) // 50))
        right.semilogy(np.arange(1, len(losses) + 1) * epochs / len(losses), losses, label=f"{scale:g}")
    right.set(xlabel="epoch", ylabel="cross-entropy in training", title="weights near 0: nothing moves for long")
    right.set_ylim(bottom=1e-2)
    right.legend(title="standard deviation", ncols=2)
    common.save(figure, options, "initial_loss")
    ends = {scale: np.mean(losses[-len(losses) // epochs :]) for scale, losses in curves.items()}
    common.say(
        f"before the first step the loss is {start[1]:.0f} for weights from N(0, 1), {start[0.1]:.1f} for a tenth of "
        f"them and {start[1e-4]:.4f} for 0.0001 of them, where −log(1/{classes}) = {expected:.4f}; in epoch {epochs} "
        f"it is {ends[1]:.2f}, {ends[0.1]:.2f} and {ends[1e-4]:.2f}, and {min(ends.values()):.2f} for the best scale, "
        f"{min(ends, key=ends.get):g}."
    )


if __name__ == "__main__":
    main()
