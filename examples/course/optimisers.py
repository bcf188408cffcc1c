"""SGD, momentum, AdaGrad, RMSProp and Adam: five ways down the same slope.

Below, a narrow valley, f(x, y) = x²/20 + y²: plain gradient descent bounces off the walls and creeps along the
floor, momentum rolls on (and past), the others divide every coordinate by the size of its own gradients and so go
diagonally. Above, the same five train a net: each at its best learning rate, and how the outcome depends on the rate.

Course: midterm review, optimization (p. 21: "SGD+momentum, AdaGrad, RMSProp, Adam"); Kingma & Ba, Adam, ICLR 2015.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
from nn import optim

OPTIMISERS = {
    "SGD": optim.SGD,
    "momentum": lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9),
    "AdaGrad": optim.Adagrad,
    "RMSProp": optim.RMSprop,
    "Adam": optim.Adam,
}
RATES = [1e-4, 1e-3, 1e-2, 1e-1, 1]
ON_THE_SURFACE = {"SGD": 0.95, "momentum": 0.1, "AdaGrad": 2, "RMSProp": 0.06, "Adam": 0.3}
START = (-9.0, 2.0)


def f(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Return x²/20 + y²."""
    return x**2 / 20 + y**2


def path(name: str, steps: int = 40) -> np.ndarray:
    """Return the points (steps + 1, 2) that an optimiser visits on the surface."""
    point = torch.tensor(START, requires_grad=True)
    optimizer = OPTIMISERS[name]([point], lr=ON_THE_SURFACE[name])
    points = [START]
    for _ in range(steps):
        optimizer.zero_grad()
        f(*point).backward()
        optimizer.step()
        points.append(point.tolist())
    return np.array(points)


def main() -> None:
    """Draw the paths; train a net with each optimiser at each rate."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options)
    images, classes = images.flatten(1), int(labels.max()) + 1
    epochs = 1 if options.small else 8
    final, curves = {}, {}
    for name, optimiser in OPTIMISERS.items():
        for rate in RATES:
            torch.manual_seed(options.seed)
            net = nn.Sequential(nn.Linear(images.shape[1], 100), nn.ReLU(), nn.Linear(100, classes))
            losses = common.train(net, (images, labels), epochs, optimiser(net.parameters(), lr=rate))
            curves[name, rate] = np.array(losses)
            final[name, rate] = np.mean(losses[-len(losses) // epochs :])  # over the last epoch
    best = {name: min(RATES, key=lambda rate: final[name, rate]) for name in OPTIMISERS}

    figure, axes = plt.subplot_mosaic("ab;cc", figsize=(10, 7.5))
    x, y = np.meshgrid(np.linspace(-10, 5, 100), np.linspace(-3, 3, 60))
    axes["c"].contour(x, y, f(x, y), levels=np.geomspace(0.05, 12, 9), colors="lightgray")
    for name in OPTIMISERS:
        axes["c"].plot(*path(name).T, "o-", markersize=3, linewidth=1, label=f"{name}, rate {ON_THE_SURFACE[name]}")
        axes["b"].loglog(RATES, [final[name, rate] for rate in RATES], "o-", label=name)
        losses = common.smooth(curves[name, best[name]], max(1, len(images) // 64 // 2))
        axes["a"].semilogy(np.linspace(0, epochs, len(losses) + 1)[1:], losses, label=f"{name}, rate {best[name]:g}")
    axes["c"].plot(0, 0, "r*", markersize=12)
    axes["c"].set(xlabel="x", ylabel="y", title="40 steps down a narrow valley, f = x²/20 + y², to the star")
    axes["a"].set(xlabel="epoch", ylabel="cross-entropy in training", title="a net, each at its best rate")
    axes["b"].set(
        xlabel="learning rate", ylabel="cross-entropy in the last epoch", title="the best rate is each one's own"
    )
    axes["b"].set_ylim(top=10)
    for cell in axes.values():
        cell.legend(fontsize=8)
    common.save(figure, options, "optimisers")
    said = ", ".join(f"{final[name, best[name]]:.3f} with {name} at {best[name]:g}" for name in OPTIMISERS)
    slow = final["SGD", best["Adam"]]
    common.say(
        f"after {epochs} epochs the best rates bring the training loss to {said}; at Adam's rate plain SGD is still at "
        f"{slow:.2f}."
    )


if __name__ == "__main__":
    main()
