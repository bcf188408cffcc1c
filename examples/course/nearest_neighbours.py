"""The k nearest neighbours vote, with L1 or L2 distances; cross-validation chooses k.

There is nothing to train: a test image gets the label that most of the k training images nearest to it have. A small k
follows every oddity of the data, a large one blurs the border between classes. k and the distance are hyperparameters,
so they are chosen on folds of the training images, never on the test images.

Course: midterm review, nearest neighbours (p. 8): how does it train and test, what does k do, L1 or L2?
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn.functional as F

KS = [1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50]
FOLDS = 5


def l1(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return Σ_d |a_id − b_jd|, (N, M), as many rows at a time as make 64 MB: (N, M, D) might not fit."""
    return torch.cat([(rows[:, None] - b).abs().sum(-1) for rows in a.split(max(1, 2**24 // b.numel()))])


def l2(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return ‖a_i − b_j‖, (N, M), by ‖a‖² − 2a·b + ‖b‖²: one matrix product in place of a loop."""
    squares = (a**2).sum(1)[:, None] - 2 * a @ b.T + (b**2).sum(1)
    return squares.clamp(min=0).sqrt()


DISTANCES = {"L1": l1, "L2": l2}


def vote(distances: torch.Tensor, labels: torch.Tensor, k: int, classes: int) -> torch.Tensor:
    """Return for every row (N,) the label that most of its k nearest have; a tie goes to the smaller label."""
    nearest = labels[distances.topk(k, largest=False).indices]
    return F.one_hot(nearest, classes).sum(1).argmax(1)


def share(chosen: torch.Tensor, labels: torch.Tensor) -> float:
    """Return how many are right, in %."""
    return 100 * (chosen == labels).float().mean().item()


def main() -> None:
    """Choose k and the distance on folds, then test once."""
    options = common.options(__doc__)
    (x, y), (test_x, test_y) = common.load(options)
    x, test_x, classes = x.flatten(1), test_x.flatten(1), int(y.max()) + 1
    folds = torch.randperm(len(y)).chunk(FOLDS)
    validated = {}  # per cent right on each fold, by distance and k
    for name, distance in DISTANCES.items():
        between = distance(x, x)
        for i, held in enumerate(folds):
            kept = torch.cat([fold for j, fold in enumerate(folds) if j != i])
            rows = between[held][:, kept]
            for k in KS:
                right = share(vote(rows, y[kept], k, classes), y[held])
                validated.setdefault((name, k), []).append(right)

    figure, axes = plt.subplots(figsize=(7, 4))
    for name in DISTANCES:
        mean = [np.mean(validated[name, k]) for k in KS]
        error = [np.std(validated[name, k]) / FOLDS**0.5 for k in KS]
        axes.errorbar(KS, mean, error, fmt="o-", capsize=3, label=f"{name} distance")
    best = max(validated, key=lambda choice: np.mean(validated[choice]))
    axes.axvline(best[1], color="black", linestyle=":", label=f"best: {best[0]}, k = {best[1]}")
    axes.set(xscale="log", xlabel="k neighbours", ylabel="right on held-out folds [%]", xticks=KS, xticklabels=KS)
    axes.minorticks_off()
    axes.set_title(f"too many neighbours blur the classes (mean ± standard error of {FOLDS} folds)")
    axes.legend()
    common.save(figure, options, "nearest_neighbours")

    name, k = best
    tested = share(vote(DISTANCES[name](test_x, x), y, k, classes), test_y)
    common.say(
        f"cross-validation chooses the {name} distance and k = {k} ({np.mean(validated[best]):.1f} % right on held-out "
        f"folds, against {np.mean(validated[name, KS[-1]]):.1f} % with k = {KS[-1]}), which gets {tested:.1f} % of the "
        "test images right."
    )


if __name__ == "__main__":
    main()
