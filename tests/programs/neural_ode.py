"""A learnt vector field, integrated by Runge-Kutta's method of order four through the tape."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, start_alike


def integrate(field, state, times):
    states = [state]
    for i in range(len(times) - 1):
        h = times[i + 1] - times[i]
        k1 = field(state)
        k2 = field(state + h / 2 * k1)
        k3 = field(state + h / 2 * k2)
        k4 = field(state + h * k3)
        state = torch.add(state, k1 + 2 * (k2 + k3) + k4, alpha=h / 6)
        states.append(state)
    return torch.stack(states)


def train():
    times = [0.1 * i for i in range(9)]
    turn = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
    start = torch.from_numpy(draw(6, 2))
    with torch.no_grad():
        truth = integrate(lambda s: s @ turn, start, times)
    field = start_alike(nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)))
    optimizer = optim.Adamax(field.parameters(), lr=1e-2)
    losses = []
    for _ in range(15):
        loss = nn.functional.l1_loss(integrate(field, start, times), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
