"""Rosenbrock's function and a logistic regression by L-BFGS with a closure."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, start_alike


def minimise(parameters, function, steps, **options):
    optimizer = optim.LBFGS(parameters, **options)

    def closure():
        optimizer.zero_grad()
        loss = function()
        loss.backward()
        return loss

    return [optimizer.step(closure).item() for _ in range(steps)]


def train():
    xy = torch.tensor([-1.2, 1.0], requires_grad=True)
    losses = minimise(
        [xy], lambda: (1 - xy[0]) ** 2 + 100 * (xy[1] - xy[0] ** 2) ** 2, 5, max_iter=5, line_search_fn="strong_wolfe"
    )
    x = torch.from_numpy(draw(30, 4))
    y = (x[:, :1] > 0.2).to(x.dtype)
    model = start_alike(nn.Linear(4, 1))

    def loss():
        penalty = sum((p**2).sum() for p in model.parameters())
        return nn.functional.binary_cross_entropy_with_logits(model(x), y) + 1e-2 * penalty

    return losses + minimise(model.parameters(), loss, 5, lr=0.5, history_size=4, max_iter=6)
