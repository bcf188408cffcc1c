"""Gradients through time vanish or explode; open gates and clipping keep them usable.

A net reads an image row by row, then rows of noise, and must say in the end which digit it was. Its gradient passes the
recurrent weights once for each step: it shrinks or grows exponentially. Gates help only where they are open: half
closed, with bias 0, they forget exponentially, too, like a plain net with small weights. Gradients that explode can be
scaled down to norm 1: they keep their direction, and the net learns where it was thrown off before.

Course: midterm review, recurrent nets (p. 66–70); Pascanu et al., On the difficulty of training RNNs, ICML 2013.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

HIDDEN, PAUSE = 32, 30  # units; rows of noise behind the image


class Net(nn.Module):
    """A recurrent layer, its recurrent weights orthogonal times `scale`, its gates' bias `open`; then the classes."""

    def __init__(self, kind: type[nn.Module], features: int, classes: int, scale: float = 1, open: float = 0) -> None:
        super().__init__()
        self.rnn, self.head = kind(features, HIDDEN, batch_first=True), nn.Linear(HIDDEN, classes)
        with torch.no_grad():
            for block in self.rnn.weight_hh_l0.split(HIDDEN):  # one for each gate
                block.copy_(scale * nn.init.orthogonal_(torch.empty(HIDDEN, HIDDEN)))
            if kind is not nn.RNN:
                self.rnn.bias_ih_l0[HIDDEN : 2 * HIDDEN] = open  # the LSTM's forget gate, the GRU's update gate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map sequences (N, T, F) to scores (N, K)."""
        return self.head(self.rnn(x)[0][:, -1])


KINDS = (nn.RNN, nn.GRU, nn.LSTM)
NETS = {f"RNN, weights × {scale}": (nn.RNN, {"scale": scale}) for scale in (0.5, 1, 2)}
for kind in KINDS[1:]:
    for opening, bias in (("half closed", 0), ("open", 2)):
        NETS[f"{kind.__name__}, gates {opening}"] = (kind, {"open": bias})


def state_gradients(net: Net, x: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Return ‖∂L/∂hₜ‖ for each step t; an LSTM's state is hₜ and cₜ."""
    state, states = None, []
    for step in x.split(1, 1):
        _, state = net.rnn(step, state)
        states.append(state if isinstance(state, tuple) else (state,))
    loss = F.cross_entropy(net.head(states[-1][0][0]), labels)
    grads = torch.autograd.grad(loss, [part for parts in states for part in parts], allow_unused=True)
    squares = np.array([0 if grad is None else grad.square().sum().item() for grad in grads])
    return np.sqrt(squares.reshape(len(states), -1).sum(1))


def train(net: Net, x: torch.Tensor, labels: torch.Tensor, steps: int, optimizer: optim.Optimizer, clip: float):
    """Train on random batches; return the mean loss of every twentieth part."""
    losses = []
    for _ in range(steps):
        batch = torch.randint(len(x), (64,))
        loss = F.cross_entropy(net(x[batch] + 0.1 * torch.randn(64, *x.shape[1:])), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return common.smooth(losses, steps // 20)


def main() -> None:
    """Measure gradients at the start, train every net, and some with and without clipping."""
    options = common.options(__doc__)
    (images, labels), _ = common.load(options)
    rows = ((images - images.mean()) / images.std()).transpose(1, 2).flatten(2)
    x = F.pad(rows, (0, 0, 0, PAUSE))  # (N, H + PAUSE, C·W)
    steps, classes = 20 if options.small else 800, int(labels.max()) + 1
    ends = np.arange(1, 21) * steps // 20

    def new(kind: type[nn.Module], **settings: float) -> Net:
        torch.manual_seed(options.seed)
        return Net(kind, x.shape[2], classes, **settings)

    figure, ((plain, gated), (learning, clipping)) = plt.subplots(2, 2, figsize=(11, 8))
    times, end = {}, {}
    for (name, (kind, settings)), color in zip(NETS.items(), common.COLORS, strict=True):
        net = new(kind, **settings)
        norms = state_gradients(net, x[:64], labels[:64])
        times[name] = norms[0] / norms[-1]
        style = {"color": color, "linestyle": "--" if "half" in name else "-"}
        (plain if kind is nn.RNN else gated).semilogy(np.arange(len(norms)) + 1, norms, label=name, **style)
        end[name] = train(net, x, labels, steps, optim.Adam(net.parameters(), lr=0.003), clip=1.0)
        learning.plot(ends, end[name], **style)
    for kind, settings, color in zip(KINDS, ({"scale": 1.5}, {"open": 2}, {"open": 2}), common.COLORS, strict=False):
        for clip, line, name in ((np.inf, ":", "not clipped"), (1.0, "-", "norm clipped to 1")):
            net = new(kind, **settings)
            end[kind, clip] = train(net, x, labels, steps, optim.SGD(net.parameters(), lr=0.2), clip)
            clipping.plot(ends, end[kind, clip], line, color=color, label=f"{kind.__name__}, {name}")

    for axes, title in ((plain, "plain nets, by the scale of their weights"), (gated, "gated nets, by their gates")):
        axes.axvspan(1, x.shape[1] - PAUSE, color="black", alpha=0.06, label="rows of the image")
        axes.set(xlabel="time step t", ylabel="norm of ∂L/∂h at step t, before training", title=title)
    for axes, title in ((learning, "training with Adam, lines as above"), (clipping, "training with SGD, lr 0.2")):
        axes.set(xlabel="step", ylabel=f"cross-entropy (chance: {np.log(classes):.2f})", title=title, ylim=(0, 2.8))
    for axes in (plain, gated, clipping):
        axes.legend(fontsize="small", labelspacing=0.2)
    common.save(figure, options, "vanishing_gradients")
    small, _, large, _, _, shut, wide = times.values()
    common.say(
        f"over {len(norms) - 1} steps back a plain net multiplies its gradient by {small:.0e} with small weights, by "
        f"{large:.0f} with large ones; an LSTM by {shut:.0e} with gates half closed, by {wide:.1f} with open, which "
        f"end at a loss of {end['LSTM, gates half closed'][-1]:.2f} and {end['LSTM, gates open'][-1]:.2f}; clipping "
        f"takes SGD on a plain net from {end[nn.RNN, np.inf][-1]:.2f} to {end[nn.RNN, 1.0][-1]:.2f}."
    )


if __name__ == "__main__":
    main()
