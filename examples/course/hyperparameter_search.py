"""Random search tries more learning rates than a grid; coarse to fine closes in.

The map is the validation loss of one small net, trained briefly at each of 900 pairs of learning rate and weight decay.
Searches that may look at few of them are then played on the map many times over: a 5 × 5 grid tries only five learning
rates and can step over the valley, 25 random points try up to 25. That is the better use of 25 runs wherever one
hyperparameter matters much more than the other. A second, finer search around the best of the first trains for longer.

Course: lecture notes on hyperparameters ("coarse to fine; random search? grid search"); Bergstra & Bengio, Random
Search for Hyper-Parameter Optimization, JMLR 2012.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

RATE, DECAY = (-5, 0), (-6, 0)  # exponents of 10: the box that is searched
SIDES = [2, 3, 5, 6, 10]  # of grids; so many runs squared
NEAR = 1.3  # a search has succeeded when its best loss is at most so many times the map's best


def validation_loss(data: common.Data, point: np.ndarray, epochs: int, seed: int) -> float:
    """Train on three quarters of the data at 10^point = (learning rate, weight decay); return the others' loss."""
    images, labels = data
    split = len(labels) * 3 // 4
    torch.manual_seed(seed)
    rate, decay = 10.0**point
    net = nn.Sequential(nn.Linear(images.shape[1], 32), nn.ReLU(), nn.Linear(32, int(labels.max()) + 1))
    optimizer = optim.SGD(net.parameters(), lr=rate, momentum=0.9, weight_decay=decay)
    common.train(net, (images[:split], labels[:split]), epochs, optimizer)
    return F.cross_entropy(common.predict(net, images[split:]), labels[split:]).item()


def grid(size: int, side: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of an evenly spaced grid, shifted at random."""
    rows, columns = (np.arange(side) * (size // side) + draw.integers(size // side) for _ in range(2))
    return tuple(each.ravel() for each in np.meshgrid(rows, columns))


def scattered(size: int, side: int, draw: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of as many points, anywhere."""
    return np.unravel_index(draw.choice(size**2, side**2, replace=False), (size, size))


SEARCHES = {"grid": grid, "random": scattered}


def main() -> None:
    """Make the map, play searches on it, and go from coarse to fine."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options)
    data, draw = (images.flatten(1), labels), np.random.default_rng(options.seed)
    size, epochs, sides = (6, 1, [2, 3]) if options.small else (30, 3, SIDES)
    rates, decays = np.linspace(*RATE, size), np.linspace(*DECAY, size)
    losses = np.array([[validation_loss(data, np.array([r, d]), epochs, options.seed) for r in rates] for d in decays])
    best = {  # of 2,000 searches each
        (name, side): np.array([losses[search(size, side, draw)].min() for _ in range(2000)])
        for name, search in SEARCHES.items()
        for side in sides
    }
    share = {key: 100 * np.mean(each <= NEAR * losses.min()) for key, each in best.items()}
    # coarse to fine: 25 random points, then 25 in the box around the five best, for three times as many epochs
    side = min(5, sides[-1])
    rows, columns = scattered(size, side, draw)
    coarse = np.stack([rates[columns], decays[rows]], 1)[np.argsort(losses[rows, columns])]
    fine = draw.uniform(coarse[:5].min(0), coarse[:5].max(0), coarse.shape)
    before, *after = (validation_loss(data, point, 3 * epochs, options.seed) for point in (coarse[0], *fine))

    figure, axes = plt.subplots(1, 3, figsize=(13, 4))
    guessing = np.log(int(labels.max()) + 1)
    for cell in axes[:2]:
        shown = cell.pcolormesh(10.0**rates, 10.0**decays, np.minimum(losses, guessing), cmap="viridis_r", vmin=0)
        cell.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="weight decay")
    for (name, search), marker in zip(SEARCHES.items(), ("s", "o"), strict=True):
        rows, columns = search(size, side, draw)
        axes[0].plot(10.0 ** rates[columns], 10.0 ** decays[rows], f"w{marker}", markeredgecolor="k", label=name)
    axes[0].set_title(f"{side**2} points on a grid or at random")
    axes[1].plot(*10.0**coarse.T, "wo", markeredgecolor="k", label="coarse")
    axes[1].plot(*10.0**fine.T, "r^", markersize=4, label="fine, around the 5 best")
    axes[1].set_title("coarse to fine")
    figure.colorbar(shown, ax=axes[1], label="validation loss (dark: guessing)")
    for name in SEARCHES:
        axes[2].plot(np.square(sides), [share[name, side] for side in sides], "o-", label=name)
    axes[2].set(
        xscale="log", xlabel="runs of a search", ylabel=f"searches within {100 * NEAR - 100:.0f} % of the best [%]"
    )
    axes[2].set(xticks=np.square(sides), xticklabels=np.square(sides), title="how often a search hits the valley")
    axes[2].minorticks_off()
    for cell in axes:
        cell.legend(loc="upper left", frameon=True)
    common.save(figure, options, "hyperparameter_search")
    common.say(
        f"of searches with {side**2} runs, {share['random', side]:.0f} % at random and {share['grid', side]:.0f} % on "
        f"a grid come within {100 * NEAR - 100:.0f} % of the best of {losses.size} losses; {len(fine)} finer, longer "
        f"runs around the best five of a random search bring the loss to {min(after):.3f}, where the best coarse point "
        f"gets {before:.3f} in as many epochs."
    )


if __name__ == "__main__":
    main()
