"""Batch norm lets a deep net learn at rates at which it otherwise does not.

The MLP of the slides, five linear layers, trained by plain SGD with and without batch norm, at learning rates from
0.003 to 10. Without it the small rates crawl and the large ones diverge; with it most of them work, for a layer's
output no longer depends on the scale of its weights. In training each unit is normalised by its batch, so a sample's
output depends on its neighbours; in eval mode, by running averages, it does not.

Course: slides "Deep Learning 2", normalization (p. 22–31); Ioffe & Szegedy, Batch Normalization, ICML 2015.
"""

import common
import matplotlib.pyplot as plt

import autograd as torch
import nn
from nn import optim

RATES = [0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
WIDTH = 128


def mlp(inputs: int, classes: int, batch_norm: bool) -> nn.Sequential:
    """Return four hidden layers, each z = ReLU(BN(Wu)) or z = ReLU(Wu + b), and a linear one."""
    layers = []
    for n in (inputs, WIDTH, WIDTH, WIDTH):
        norm = [nn.BatchNorm1d(WIDTH)] if batch_norm else []
        layers += [nn.Linear(n, WIDTH, bias=not batch_norm), *norm, nn.ReLU()]  # BN's shift β stands for the bias
    return nn.Sequential(*layers, nn.Linear(WIDTH, classes))


def neighbours_matter(net: nn.Module, images: torch.Tensor) -> float:
    """Return by how much an image's scores differ between two batches, at most."""
    with torch.no_grad():
        one, other = net(images[:32])[0], net(torch.cat([images[:1], images[32:63]]))[0]
    return (one - other).abs().max().item()


def main() -> None:
    """Train both nets at each rate."""
    options = common.options(__doc__)
    (train_x, train_y), (test_x, test_y) = common.load(options)
    train_x, test_x, classes = train_x.flatten(1), test_x.flatten(1), int(train_y.max()) + 1
    epochs = 2 if options.small else 10
    names = {"with batch norm": True, "without": False}
    tested, curves, nets = {}, {}, {}
    for name, batch_norm in names.items():
        for rate in RATES:
            torch.manual_seed(options.seed)
            net = nets[name, rate] = mlp(train_x.shape[1], classes, batch_norm)
            optimizer = optim.SGD(net.parameters(), lr=rate)
            curves[name, rate] = common.train(net, (train_x, train_y), epochs, optimizer, batch_size=32)
            tested[name, rate] = 100 * common.accuracy(net, test_x, test_y)

    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    for name in names:
        left.semilogx(RATES, [tested[name, rate] for rate in RATES], "o-", label=name)
        for rate, style in ((0.01, ":"), (0.1, "-")):
            losses = common.smooth(curves[name, rate], max(1, len(curves[name, rate]) // 50))
            color = common.COLORS[list(names).index(name)]
            epoch = [epochs * (i + 0.5) / len(losses) for i in range(len(losses))]
            right.semilogy(epoch, losses, style, color=color, label=f"{name}, rate {rate}")
    left.set(xlabel="learning rate (plain SGD)", ylabel=f"test images right after {epochs} epochs [%]")
    left.set_title("batch norm: a wide range of rates works")
    right.set(xlabel="epoch", ylabel="cross-entropy in training", title="and it learns sooner", ylim=(1e-3, 5))
    left.legend()
    right.legend()
    common.save(figure, options, "batch_norm")

    works = {name: [rate for rate in RATES if tested[name, rate] > 90] for name in names}
    said = {name: f"{len(works[name])} of {len(RATES)} learning rates" for name in names}
    net = nets["with batch norm", 0.1]
    train_mode, eval_mode = neighbours_matter(net.train(), train_x), neighbours_matter(net.eval(), train_x)
    common.say(
        f"after {epochs} epochs over 90 % of the test images are right at {said['with batch norm']} with batch norm "
        f"and at {said['without']} without; other neighbours in its batch change an image's scores by up to "
        f"{train_mode:.2g} in training and {eval_mode:.2g} in eval mode."
    )


if __name__ == "__main__":
    main()
