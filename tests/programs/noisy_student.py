"""Dropout by masks of one's own, mixed samples, and a schedule made of three schedules."""

import numpy as np

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from nn.optim import lr_scheduler
from tests.programs.start import draw, draw_classes, start_alike


class Mask(nn.Module):
    def __init__(self, p):
        super().__init__()
        self.p, self.rng = p, np.random.default_rng(0)

    def forward(self, x):
        if not self.training:
            return x
        keep = torch.from_numpy(self.rng.random(tuple(x.shape)) >= self.p)
        return torch.where(keep, x / (1 - self.p), torch.zeros_like(x))


def train():
    model = start_alike(nn.Sequential(nn.Linear(6, 24), nn.LayerNorm(24), nn.CELU(), Mask(0.3), nn.Linear(24, 3)))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
    parts = [
        lr_scheduler.ConstantLR(optimizer, factor=0.3, total_iters=3),
        lr_scheduler.CosineAnnealingWarmRestarts(optimizer, T_0=4, T_mult=2),
        lr_scheduler.PolynomialLR(optimizer, total_iters=5, power=2.0),
    ]
    scheduler = lr_scheduler.SequentialLR(optimizer, parts, milestones=[3, 12])
    x = torch.from_numpy(draw(20, 6))
    target = F.one_hot(torch.from_numpy(draw_classes(3, 20)), 3).to(x.dtype)
    losses = []
    for step in range(18):
        order = torch.from_numpy(np.random.default_rng(step).permutation(20))
        mixed = torch.lerp(x, x[order], 0.3)
        soft = torch.lerp(target, target[order], 0.3)
        loss = F.cross_entropy(model(mixed), soft)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        model.eval()
        losses += [loss.item(), F.cross_entropy(model(x), target).item(), scheduler.get_last_lr()[0]]
        model.train()
    return losses
