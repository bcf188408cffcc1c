"""Gradients written by hand and by the tape: the same numbers.

A two-layer net is trained twice from the same weights on the same batches: once with the backward pass of the slides,
line by line in NumPy, once by `loss.backward()` and an optimiser. The loss curves lie on top of each other; what
differs is rounding, far less of it in float64. Where it jumps, rounding put a ReLU's input on different sides of 0, so
that one program passed a gradient that the other stopped.

Course: slides "Deep Learning 2", implementation (p. 9–10), and its homework not to rely on `loss.backward()`.
"""

import common
import matplotlib.pyplot as plt
import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim

HIDDEN, LR, BATCH = 500, 0.05, 8


class ManualNet:
    """z₁ = xW₁ + b₁, a₁ = max(0, z₁), z₂ = a₁W₂ + b₂, and every gradient by the chain rule, in NumPy."""

    def __init__(self, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray) -> None:
        self.parameters = [W1.copy(), b1.copy(), W2.copy(), b2.copy()]

    def loss_and_gradients(self, x: np.ndarray, y: np.ndarray) -> tuple[float, list[np.ndarray]]:
        """Return the mean cross-entropy of x (N, D) with labels y (N,), and the gradients of the parameters."""
        W1, b1, W2, b2 = self.parameters
        n = np.arange(len(y))
        # forward
        z1 = x @ W1 + b1
        a1 = np.maximum(z1, 0)
        z2 = a1 @ W2 + b2
        shifted = z2 - z2.max(axis=1, keepdims=True)
        log_softmax = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        loss = -log_softmax[n, y].mean()
        # backward: ∂L/∂z₂ = (softmax − one-hot) / N, then through each line above, last to first
        grad_z2 = np.exp(log_softmax)
        grad_z2[n, y] -= 1
        grad_z2 /= len(y)
        grad_z1 = grad_z2 @ W2.T * (z1 > 0)
        return loss, [x.T @ grad_z1, grad_z1.sum(axis=0), a1.T @ grad_z2, grad_z2.sum(axis=0)]


def compare(data: common.Data, classes: int, steps: int, dtype: torch.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Train both nets; return their losses (2, steps), and the largest difference between gradients at each step."""
    images, labels = data[0].flatten(1).to(dtype), data[1]
    net = nn.Sequential(nn.Linear(images.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, classes)).to(dtype)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    manual = ManualNet(*(parameter.detach().numpy().T for parameter in net.parameters()))  # W here is (in, out)
    optimizer = optim.SGD(net.parameters(), lr=LR)
    losses, differences = [], []
    for _ in range(steps):
        batch = torch.randint(len(labels), (BATCH,))
        x, y = images[batch], labels[batch]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        manual_loss, gradients = manual.loss_and_gradients(x.numpy(), y.numpy())
        pairs = zip(net.parameters(), gradients, strict=True)
        differences.append(max(np.abs(p.grad.numpy().T - gradient).max() for p, gradient in pairs))
        losses.append((loss.item(), manual_loss))
        optimizer.step()
        for parameter, gradient in zip(manual.parameters, gradients, strict=True):
            parameter -= LR * gradient
    return np.array(losses).T, np.array(differences)


def main() -> None:
    """Compare in both precisions."""
    options = common.options(__doc__)
    data, _ = common.load(options)
    classes, steps = int(data[1].max()) + 1, 100 if options.small else 2000
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    largest = {}
    for dtype, name in ((torch.float32, "float32"), (torch.float64, "float64")):
        torch.manual_seed(options.seed)
        losses, differences = compare(data, classes, steps, dtype)
        largest[name] = differences.max()
        right.semilogy(
            np.arange(len(differences) // 10) * 10,
            common.smooth(differences, 10),
            label=f"{name}: at most {largest[name]:.1e}",
        )
    tape, manual = (common.smooth(each, steps // 50) for each in losses)
    positions = np.arange(1, len(tape) + 1) * (steps // 50)
    left.plot(positions, tape, linewidth=5, alpha=0.4, label="tape: loss.backward()")
    left.plot(positions, manual, "k--", label="by hand, in NumPy")
    left.set(xlabel="step", ylabel="cross-entropy", title="two programs, one curve")
    left.legend()
    right.set(xlabel="step", ylabel="largest difference between gradients", title="what differs is rounding")
    right.legend()
    common.save(figure, options, "manual_gradients")
    common.say(
        f"over {steps} steps no gradient by hand differs from the tape's by more than {largest['float64']:.1e} in "
        f"float64 and {largest['float32']:.1e} in float32."
    )


if __name__ == "__main__":
    main()
