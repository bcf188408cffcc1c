"""Several nets know better than one: average, vote, heads on one trunk, snapshots along one run.

Nets from different random weights make different mistakes, so that the mean of their probabilities, or the majority of
their choices, is right more often than they are one by one. Cheaper: several heads on one shared trunk, which differ
less and so help less; and snapshots of one run, whose learning rate starts anew after each so that the next one settles
elsewhere, for the price of training a single net.

Course: lecture notes on ensembles (bagging, majority vote, shared features with several heads, snapshots); Huang et
al., Snapshot Ensembles, ICLR 2017.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

MEMBERS, WIDTH, TRAINED_ON = 8, 12, 400  # few units and images, so that there are mistakes left to mend


def mlp(inputs: int, classes: int) -> nn.Sequential:
    """Return a net with one hidden layer."""
    return nn.Sequential(nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Linear(WIDTH, classes))


class Heads(nn.Module):
    """One trunk, several heads: (N, D) → (N, members, K)."""

    def __init__(self, inputs: int, classes: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(inputs, WIDTH), nn.ReLU())
        self.heads = nn.ModuleList(mlp(WIDTH, classes) for _ in range(MEMBERS))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return every head's scores."""
        z = self.trunk(x)
        return torch.stack([head(z) for head in self.heads], 1)


def every_head(scores: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Return the mean cross-entropy over heads: all are to be right."""
    return F.cross_entropy(scores.flatten(0, 1), labels.repeat_interleave(MEMBERS))


def train(net: nn.Module, data: common.Data, epochs: int, loss: object = F.cross_entropy) -> nn.Module:
    """Train with a learning rate that falls from 0.01 to 0 along a cosine; return the net."""
    optimizer = optim.Adam(net.parameters(), lr=0.01)
    scheduler = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    common.train(net, data, epochs, optimizer, 32, loss, after_epoch=lambda epoch: scheduler.step())
    return net


def members(data: common.Data, images: torch.Tensor, classes: int, epochs: int) -> dict[str, np.ndarray]:
    """Return the probabilities (members, N, K) that each kind of ensemble gives to the images."""
    inputs, net = images.shape[1], mlp(images.shape[1], classes)

    def probabilities(net: nn.Module) -> np.ndarray:
        return common.predict(net, images).softmax(-1).numpy()

    heads = train(Heads(inputs, classes), data, epochs, every_head)
    return {
        "independent nets": np.array(
            [probabilities(train(mlp(inputs, classes), data, epochs)) for _ in range(MEMBERS)]
        ),
        "heads on a trunk": probabilities(heads).swapaxes(0, 1),
        "snapshots of one run": np.array([probabilities(train(net, data, epochs // MEMBERS)) for _ in range(MEMBERS)]),
    }


def judge(probabilities: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Return how many are right, in %, for the members one by one, their average, and their majority."""
    votes = np.eye(probabilities.shape[-1])[probabilities.argmax(-1)].sum(0)
    chosen = probabilities.argmax(-1), probabilities.mean(0).argmax(-1), votes.argmax(-1)
    return tuple(100 * float((each == labels).mean()) for each in chosen)


def main() -> None:
    """Repeat everything a few times, for one ensemble's luck says little."""
    options = common.options(__doc__)
    (images, labels), (test_x, test_y) = common.load(options)
    images, test_x, classes = images.flatten(1), test_x.flatten(1), int(labels.max()) + 1
    repeats, epochs = (1, MEMBERS) if options.small else (4, 15 * MEMBERS)
    results = {}
    for _ in range(repeats):
        chosen = torch.randperm(len(labels))[:TRAINED_ON]
        for name, each in members((images[chosen], labels[chosen]), test_x, classes, epochs).items():
            results.setdefault(name, []).append(judge(each, test_y.numpy()))
    means = {name: np.mean(rows, 0) for name, rows in results.items()}

    figure, axes = plt.subplots(figsize=(8, 4))
    for i, how in enumerate(("one member", "average of probabilities", "majority vote")):
        rows = np.array([np.array(results[name])[:, i] for name in results])
        bars = axes.bar(np.arange(len(rows)) + 0.27 * (i - 1), rows.mean(1), 0.25, label=how)
        axes.bar_label(bars, fmt="%.1f", fontsize=8)
        for bar, row in zip(bars, rows, strict=True):
            axes.plot(np.full(len(row), bar.get_x() + 0.04), row, "k.", markersize=3)
    every = np.concatenate(list(map(np.array, results.values())))
    axes.set(xticks=range(len(results)), xticklabels=results, ylabel="test images right [%]")
    axes.set_ylim(every.min() - 1, every.max() + 1)
    axes.set_title(
        f"{MEMBERS} members, each and together (mean and dots: {repeats} draws of {TRAINED_ON} training images)"
    )
    axes.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.1))
    common.save(figure, options, "ensembles")
    said = "; ".join(
        f"of {MEMBERS} {name} one gets {one:.1f} %, their average {average:.1f} % and their majority {vote:.1f} %"
        for name, (one, average, vote) in means.items()
    )
    common.say(f"test images right: {said}.")


if __name__ == "__main__":
    main()
