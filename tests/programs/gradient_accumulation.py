"""Gradients added up over small batches, clipped by value, with gradual unfreezing."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


def train():
    body = nn.Sequential(nn.Linear(8, 16), nn.GroupNorm(4, 16), nn.SiLU(), nn.Linear(16, 16), nn.Mish())
    head = nn.Linear(16, 3)
    model = start_alike(nn.Sequential(body, head))
    for parameter in body.parameters():
        parameter.requires_grad_(False)
    optimizer = optim.SGD(head.parameters(), lr=0.1, momentum=0.9, dampening=0.1)
    x, y = torch.from_numpy(draw(24, 8)), torch.from_numpy(draw_classes(3, 24))
    losses = []
    for step in range(12):
        if step == 4:
            body.requires_grad_(True)
            optimizer.add_param_group({"params": body.parameters(), "lr": 0.02, "nesterov": False})
        for images, labels in zip(x.chunk(4), y.chunk(4), strict=True):
            loss = nn.functional.cross_entropy(model(images), labels) / 4
            loss.backward()
            losses.append(loss.item())
        nn.utils.clip_grad_value_(model.parameters(), 0.1)
        optimizer.step()
        optimizer.zero_grad()
    return losses
