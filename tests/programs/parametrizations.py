"""Weights computed from others: weight normalisation, and a symmetric matrix of one's own."""

import autograd as torch
import nn
from nn import optim
from nn.utils import parametrize
from nn.utils.parametrizations import weight_norm
from tests.programs.start import draw, start_alike


class Symmetric(nn.Module):
    def forward(self, x):
        return x.triu() + x.triu(1).transpose(-1, -2)


def train():
    first, middle, last = start_alike(nn.ModuleList([nn.Linear(5, 8), nn.Linear(8, 8), nn.Linear(8, 1)]))
    weight_norm(first)
    parametrize.register_parametrization(middle, "weight", Symmetric())
    model = nn.Sequential(first, nn.Softsign(), middle, nn.Tanhshrink(), last)
    optimizer = optim.Rprop(model.parameters(), lr=1e-3)
    x = torch.from_numpy(draw(25, 5))
    y = x.prod(1, keepdim=True)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert torch.equal(middle.weight, middle.weight.T)
    parametrize.remove_parametrizations(middle, "weight")
    return [*losses, model(x).sum().item(), float(len(list(model.parameters())))]
