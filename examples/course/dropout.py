"""Dropout trains an ensemble of thinned nets, and eval mode is its average.

Every mask of dropout makes another net out of the same weights. One of them alone is worse than the net in eval mode;
the average of many comes to the same classes as eval mode, which needs one pass only because inverted dropout,
mask / p_keep, leaves the expected input of every layer as it is. How far the masks disagree on an image, the entropy
of their average less the average of their entropies, says how sure the net is: they do so most on the images that it
gets wrong (Monte Carlo dropout).

Course: discussion of dropout (section 3) and lecture notes on ensembles ("2^{km} different models"); Srivastava et al.,
JMLR 2014; Gal & Ghahramani, Dropout as a Bayesian Approximation, ICML 2016.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
from nn import optim

KEEP = 0.5
MASKS = [1, 2, 3, 5, 10, 20, 50, 100]


class InvertedDropout(nn.Module):
    """y = x · mask / p_keep in training, mask drawn from Bernoulli(p_keep); y = x in eval mode."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Thin x out."""
        return x * (torch.rand_like(x) < KEEP) / KEEP if self.training else x


def thinned(net: nn.Module, images: torch.Tensor, masks: int) -> np.ndarray:
    """Return the probabilities (masks, N, K) under so many masks."""
    net.train()
    with torch.no_grad():
        return torch.stack([net(images).softmax(1) for _ in range(masks)]).numpy()


def entropy(probabilities: np.ndarray) -> np.ndarray:
    """Return −Σ_k p_k log p_k."""
    return -(probabilities * np.log(probabilities + 1e-12)).sum(-1)


def right(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Return how many of the highest probabilities are at the label, in %."""
    return 100 * float((probabilities.argmax(-1) == labels).mean())


def main() -> None:
    """Train with dropout; compare single masks, their average and eval mode."""
    options = common.options(__doc__)
    (train_x, train_y), (test_x, test_y) = common.load(options)
    train_x, test_x, labels = train_x.flatten(1), test_x.flatten(1), test_y.numpy()
    inputs, classes = train_x.shape[1], int(train_y.max()) + 1
    hidden = [nn.Linear(inputs, 200), nn.ReLU(), InvertedDropout(), nn.Linear(200, 200), nn.ReLU(), InvertedDropout()]
    net = nn.Sequential(*hidden, nn.Linear(200, classes))
    optimizer = optim.Adam(net.parameters(), lr=1e-3)
    common.train(net, (train_x, train_y), 5 if options.small else 40, optimizer)

    evaluated = common.predict(net, test_x).softmax(1).numpy()
    draws = thinned(net, test_x, MASKS[-1])
    single = [right(each, labels) for each in draws]
    averaged = {}  # over disjoint groups of masks
    for masks in MASKS:
        groups = draws[: len(draws) // masks * masks].reshape(-1, masks, *draws.shape[1:]).mean(1)
        averaged[masks] = np.mean([right(group, labels) for group in groups])
    mean = draws.mean(0)
    agreement = right(mean, evaluated.argmax(1))
    disagreement = entropy(mean) - entropy(draws).mean(0)  # 0 where all masks say the same
    wrong = mean.argmax(1) != labels

    figure, (left, spread) = plt.subplots(1, 2, figsize=(10, 4))
    left.plot(MASKS, averaged.values(), "o-", label="average of n masks")
    left.axhline(right(evaluated, labels), color="black", linestyle="--", label="eval mode: one pass, no mask")
    left.set(xscale="log", xlabel="masks n", ylabel="test images right [%]", xticks=MASKS, xticklabels=MASKS)
    left.minorticks_off()
    left.set_title("many thinned nets together are as good as eval mode")
    left.legend()
    bins = np.histogram_bin_edges(disagreement, 25)
    for chosen, name in ((~wrong, "right"), (wrong, "wrong")):
        weights = np.full(chosen.sum(), 100 / max(1, chosen.sum()))
        spread.hist(disagreement[chosen], bins, weights=weights, alpha=0.6, label=f"{name}: {chosen.sum()} images")
    spread.set(xlabel="entropy of the average − average entropy [nat]", ylabel="share of these images [%]")
    spread.set_title("the masks disagree where the net is wrong")
    spread.legend()
    common.save(figure, options, "dropout")
    common.say(
        f"one mask gets {np.mean(single):.1f} % of the test images right, the average of {len(draws)} masks "
        f"{averaged[len(draws)]:.1f} % and eval mode {right(evaluated, labels):.1f} %; average and eval mode agree on "
        f"{agreement:.1f} % of the images, and the masks disagree by {disagreement[wrong].mean():.2f} nat where "
        f"their average is wrong and by {disagreement[~wrong].mean():.2f} where it is right."
    )


if __name__ == "__main__":
    main()
