"""Early stopping ends training where the validation loss turns; with L2 it hardly does.

A net with many weights learns a few images by heart, here with some of their labels wrong: the training loss goes on
falling where the validation loss already rises. Early stopping keeps the weights of the best epoch and gives up after
some epochs without a better one. An L2 penalty (weight decay) holds the weights small, so that there is little to lose
by training on; the two go well together.

Course: midterm review, regularization (p. 13–14); Goodfellow, Bengio & Courville, Deep Learning, 2016, section 7.8.
"""

import copy

import common
import matplotlib.pyplot as plt

import autograd as torch
import nn
import nn.functional as F
from nn import optim

DECAYS = {"no L2": 0, "L2, λ = 0.01": 0.01}
TRAINED_ON, NOISE, PATIENCE = 300, 0.15, 15


class EarlyStopping:
    """Keeps the best weights, until there were no better ones for `patience` epochs."""

    def __init__(self, net: nn.Module, patience: int) -> None:
        self.net, self.patience = net, patience
        self.best, self.epoch, self.weights = float("inf"), 0, {}

    def __call__(self, loss: float, epoch: int) -> None:
        """Take note of an epoch's validation loss; those after the patience's end come too late."""
        if loss < self.best and epoch <= self.epoch + self.patience:
            self.best, self.epoch, self.weights = loss, epoch, copy.deepcopy(self.net.state_dict())


def disturbed(labels: torch.Tensor, classes: int) -> torch.Tensor:
    """Give a share of the labels at random: what cannot be learnt, only learnt by heart."""
    return torch.where(torch.rand(len(labels)) < NOISE, torch.randint(classes, (len(labels),)), labels)


def main() -> None:
    """Train far beyond the best epoch, with and without L2, and compare with the weights that early stopping keeps."""
    options = common.options(__doc__)
    (images, labels), (test_x, test_y) = common.load(options)
    images, test_x, classes = images.flatten(1), test_x.flatten(1), int(labels.max()) + 1
    n = TRAINED_ON if not options.small else 100
    data = images[:n], disturbed(labels[:n], classes)
    valid = images[n : 2 * n], labels[n : 2 * n]
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
    said = []
    for cell, (name, decay) in zip(axes, DECAYS.items(), strict=True):
        torch.manual_seed(options.seed)
        net = nn.Sequential(nn.Linear(images.shape[1], 200), nn.ReLU(), nn.Linear(200, classes))
        optimizer = optim.SGD(net.parameters(), lr=0.05, momentum=0.9, weight_decay=decay)
        stopping, losses = EarlyStopping(net, PATIENCE), {"training": [], "validation": []}

        def after_epoch(epoch: int, net: nn.Module = net, losses: dict = losses, stopping=stopping) -> None:
            for key, (x, y) in (("training", data), ("validation", valid)):
                losses[key].append(F.cross_entropy(common.predict(net, x), y).item())
            stopping(losses["validation"][-1], epoch)

        common.train(net, data, 3 if options.small else 150, optimizer, batch_size=32, after_epoch=after_epoch)
        last = 100 * common.accuracy(net, test_x, test_y)
        net.load_state_dict(stopping.weights)
        best = 100 * common.accuracy(net, test_x, test_y)
        for key, values in losses.items():
            cell.plot(range(1, len(values) + 1), values, label=key)
        cell.axvline(stopping.epoch, color="black", linestyle=":", label=f"early stopping keeps epoch {stopping.epoch}")
        cell.set(
            xlabel="epoch", ylabel="cross-entropy", title=f"{name}: test {best:.1f} % kept, {last:.1f} % at the end"
        )
        cell.legend()
        said.append(f"with {name} {best:.1f} % with the weights of epoch {stopping.epoch} and {last:.1f} % at the end")
    common.save(figure, options, "early_stopping")
    common.say(
        f"with {100 * NOISE:.0f} % of {n} training labels drawn at random, test images right: {'; '.join(said)}."
    )


if __name__ == "__main__":
    main()
