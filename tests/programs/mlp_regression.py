"""A perceptron fits sin(3x) by gradient descent with Nesterov momentum and weight decay."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, start_alike


def train():
    model = start_alike(nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1)))
    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-4)
    x = torch.from_numpy(draw(64, 1))
    y = torch.sin(3 * x)
    losses = []
    for _ in range(40):
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
