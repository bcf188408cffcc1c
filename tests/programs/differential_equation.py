"""A net solves u'' = -u with u(0) = 0, u'(0) = 1: derivatives with respect to the input, three times in all."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import start_alike


def derivative(y, x):
    return torch.autograd.grad(y.sum(), x, create_graph=True)[0]


def train():
    net = start_alike(nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Softplus(), nn.Linear(16, 1)))
    optimizer = optim.NAdam(net.parameters(), lr=5e-3)
    x = torch.linspace(0, 3, 25).unsqueeze(1).requires_grad_()
    losses = []
    for _ in range(20):
        u = net(x)
        slope = derivative(u, x)
        curvature = derivative(slope, x)
        loss = (curvature + u).square().mean() + u[0, 0] ** 2 + (slope[0, 0] - 1) ** 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
