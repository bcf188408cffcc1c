"""Activation functions compared: sigmoid stalls a deep net, the others train it.

The same net of eight hidden layers with each nonlinearity. A sigmoid's slope is at most 1/4, so the gradient shrinks in
every layer on its way back and the first layers stand still; tanh has slope 1 at 0, ReLU and its relatives for all
positive inputs. Leaky ReLU, ELU and GELU pass something of negative inputs too, so that no unit dies; maxout learns its
own nonlinearity, max(W₁x + b₁, W₂x + b₂), for twice the weights.

Course: midterm review, activation functions (p. 33); Goodfellow et al., Maxout Networks, ICML 2013; Hendrycks &
Gimpel, Gaussian Error Linear Units, 2016.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

DEPTH, WIDTH = 8, 64


class Maxout(nn.Module):
    """y = max(W₁x + b₁, W₂x + b₂): a linear layer and its nonlinearity in one."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pieces = nn.Linear(inputs, 2 * outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the larger of two linear maps, unit by unit."""
        return self.pieces(x).unflatten(1, (2, -1)).amax(1)


ACTIVATIONS = {
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "ReLU": nn.ReLU,
    "LeakyReLU": lambda: nn.LeakyReLU(0.1),
    "ELU": nn.ELU,
    "GELU": nn.GELU,
    "maxout": None,
}


def network(name: str, inputs: int, classes: int) -> nn.Sequential:
    """Return eight hidden layers of 64 and a linear one, weights N(0, 2/n) for ReLU and the like, else 1/n."""
    layers = []
    for n in (inputs, *[WIDTH] * (DEPTH - 1)):
        layers += [Maxout(n, WIDTH)] if name == "maxout" else [nn.Linear(n, WIDTH), ACTIVATIONS[name]()]
    net = nn.Sequential(*layers, nn.Linear(WIDTH, classes))
    for module in net.modules():
        if isinstance(module, nn.Linear):
            gain = 2 if name in ("ReLU", "LeakyReLU", "ELU", "GELU") else 1
            nn.init.normal_(module.weight, std=(gain / module.in_features) ** 0.5)
            nn.init.zeros_(module.bias)
    return net


def first_to_last(net: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return how large the first layer's gradient is in terms of the last hidden layer's (root mean square)."""
    F.cross_entropy(net(images), labels).backward()
    weights = [each for each in net.parameters() if each.ndim == 2]
    first, last = (weights[i].grad.square().mean().sqrt().item() for i in (0, -2))
    return first / last


def main() -> None:
    """Train the net with each nonlinearity."""
    options = common.options(__doc__)
    (images, labels), (test_x, test_y) = common.load(options)
    images, test_x, classes = images.flatten(1), test_x.flatten(1), int(labels.max()) + 1
    epochs = 1 if options.small else 15
    curves, tested, passed = {}, {}, {}
    for name in ACTIVATIONS:
        torch.manual_seed(options.seed)
        net = network(name, images.shape[1], classes)
        passed[name] = first_to_last(net, images, labels)
        curves[name] = common.train(net, (images, labels), epochs, optim.SGD(net.parameters(), lr=0.03, momentum=0.9))
        tested[name] = 100 * common.accuracy(net, test_x, test_y)
        print(f"{name}: {tested[name]:.1f} % of the test images right")

    figure, axes = plt.subplot_mosaic("abb", figsize=(11, 4.2))
    x = torch.linspace(-3, 3, 121)
    for name, activation in ACTIVATIONS.items():
        y = activation()(x) if activation else torch.maximum(0.5 * x + 0.5, -0.7 * x - 0.5)
        axes["a"].plot(x.numpy(), y.numpy())
        losses = common.smooth(curves[name], max(1, len(curves[name]) // (2 * epochs)))
        epoch = np.arange(1, len(losses) + 1) * epochs / len(losses)
        axes["b"].semilogy(epoch, losses, label=f"{name}: {passed[name]:.1g}")
    axes["a"].set(xlabel="x", ylabel="y", ylim=(-2, 3), title="the functions (maxout: one it may learn)")
    axes["b"].set(xlabel="epoch", ylabel="cross-entropy in training", title=f"training with {DEPTH} hidden layers")
    axes["b"].set_ylim(bottom=1e-4)
    axes["b"].legend(title="first layer's gradient / last layer's, at the start", ncols=2, loc="lower left")
    common.save(figure, options, "activations")
    worst = min(tested, key=tested.get)
    others = [name for name in ACTIVATIONS if name != worst]
    right = [tested[name] for name in others]
    common.say(
        f"after {epochs} epochs {worst} gets {tested[worst]:.1f} % of the test images right with {DEPTH} hidden "
        f"layers, the others {min(right):.1f} to {max(right):.1f} %; at the start the first layer's gradient is "
        f"{passed[worst]:.1g} of the last's with {worst} and at least "
        f"{min(passed[name] for name in others):.1g} with the others."
    )


if __name__ == "__main__":
    main()
