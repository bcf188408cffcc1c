"""Training that is saved in the middle and taken up by new objects, with optimiser and scheduler."""

import tempfile
from pathlib import Path

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


def build(seed):
    model = nn.Sequential(nn.Linear(6, 12), nn.BatchNorm1d(12), nn.PReLU(), nn.Linear(12, 3))
    start_alike(model, seed)
    optimizer = optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=4, gamma=0.5)
    return model, optimizer, scheduler


def steps(count, model, optimizer, scheduler):
    x, y = torch.from_numpy(draw(20, 6)), torch.from_numpy(draw_classes(3, 20))
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def train():
    first = build(1)
    losses = steps(7, *first)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint"
        names = ("model", "optimizer", "scheduler")
        torch.save({name: part.state_dict() for name, part in zip(names, first, strict=True)}, path)
        second = build(2)
        saved = torch.load(path)
        for name, part in zip(names, second, strict=True):
            part.load_state_dict(saved[name])
    return losses + steps(7, *second)
