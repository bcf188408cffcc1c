"""A mixture of Gaussians whose parameters a net predicts (Bishop 1994)."""

import math

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, start_alike


class MixtureDensity(nn.Module):
    def __init__(self, hidden=16, components=4):
        super().__init__()
        self.hidden = nn.Linear(1, hidden)
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, components) for name in ("weight", "mean", "scale")})

    def forward(self, x):
        h = F.gelu(self.hidden(x))
        return F.log_softmax(self.heads["weight"](h), -1), self.heads["mean"](h), F.softplus(self.heads["scale"](h))


def train():
    model = start_alike(MixtureDensity())
    optimizer = optim.RAdam(model.parameters(), lr=3e-2)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, factor=0.5)
    y = torch.from_numpy(draw(40, 1))
    x = y + 0.5 * torch.sin(4 * y)
    losses = []
    for _ in range(25):
        log_weight, mean, scale = model(x)
        z = (y - mean) / (scale + 1e-3)
        log_density = log_weight - 0.5 * z**2 - torch.log(scale + 1e-3) - 0.5 * math.log(2 * math.pi)
        loss = -torch.logsumexp(log_density, dim=1).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        plateau.step(loss.item())
        losses += [loss.item(), optimizer.param_groups[0]["lr"]]
    return losses
