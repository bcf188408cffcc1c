"""How large activations are after ten ReLU layers, under three initialisations.

A layer of n inputs multiplies the variance by n·Var(w), and ReLU halves the mean square. With 0.01·N(0, 1) activations
die out within a few layers, with Xavier's 1/√n they shrink by √2 in each, and Kaiming's √(2/n) makes good for the half
that ReLU takes away. The gradients go the same way back, so the first layers of the two other nets hardly learn.

Course: slides "Deep Learning 2", initialization (p. 17–20); Glorot & Bengio, AISTATS 2010; He et al., ICCV 2015.
"""

import math

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F

LAYERS, WIDTH = 10, 500
STDS = {  # of the weights, for n inputs
    "0.01·N(0, 1)": lambda n: 0.01,
    "Xavier": lambda n: 1 / math.sqrt(n),
    "Kaiming": lambda n: math.sqrt(2 / n),
}


def network(std: object, inputs: int, classes: int) -> nn.Sequential:
    """Return ten ReLU layers of 500 and a linear one, weights N(0, std(n)²), biases 0."""
    layers = []
    for n in (inputs, *[WIDTH] * (LAYERS - 1)):
        layers += [nn.Linear(n, WIDTH), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Linear(WIDTH, classes))
    for linear in net[::2]:
        nn.init.normal_(linear.weight, std=std(linear.in_features))
        nn.init.zeros_(linear.bias)
    return net


def measure(net: nn.Sequential, x: torch.Tensor, y: torch.Tensor) -> tuple[list[np.ndarray], list[float], float]:
    """Return the activations behind each ReLU, the standard deviation of each layer's gradient, and the loss."""
    activations = []
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.ReLU):
            x.retain_grad()
            activations.append(x)
    loss = F.cross_entropy(x, y)
    loss.backward()
    gradients = [each.grad.std().item() for each in activations]
    return [each.detach().numpy() for each in activations], gradients, loss.item()


def main() -> None:
    """Pass the training images once forward and back through each net."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options)
    images = ((images - images.mean()) / images.std()).flatten(1)
    figure, axes = plt.subplot_mosaic("aaabbb;001122", figsize=(10, 6), height_ratios=[3, 2])
    last, depth, bins = {}, range(1, LAYERS + 1), np.logspace(-11, 2, 80)
    for i, (name, std) in enumerate(STDS.items()):
        torch.manual_seed(options.seed)
        net = network(std, images.shape[1], int(labels.max()) + 1)
        activations, gradients, loss = measure(net, images, labels)
        stds = [each.std() for each in activations]
        last[name] = stds[-1] / stds[0]
        axes["a"].semilogy(depth, stds, "o-", label=f"{name}: loss {loss:.2f}")
        axes["b"].semilogy(depth, gradients, "o-")
        for layer, alpha in ((1, 0.25), (5, 0.5), (10, 1)):
            axes[str(i)].hist(
                activations[layer - 1].ravel(), bins, color=common.COLORS[i], alpha=alpha, label=f"layer {layer}"
            )
        axes[str(i)].set(xscale="log", yticks=[], xlabel="activations above 0", title=name)
    axes["a"].set(xlabel="layer", ylabel="std of activations", title="forward: only Kaiming's keep their scale")
    axes["b"].set(xlabel="layer", ylabel="std of the loss's gradient", title="backward: so do the gradients")
    for key in "a12":
        axes[key].legend()
    common.save(figure, options, "activation_scale")
    said = ", ".join(f"{ratio:.2g} with {name}" for name, ratio in last.items())
    common.say(
        f"from layer 1 to layer {LAYERS} the standard deviation of the activations changes by a factor of {said}."
    )


if __name__ == "__main__":
    main()
