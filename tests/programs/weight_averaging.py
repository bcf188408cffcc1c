"""Averaged weights: stochastic weight averaging with its schedule, and an exponential moving average."""

import autograd as torch
import nn
from nn import optim
from nn.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn
from tests.programs.start import draw, start_alike


def train():
    x = torch.from_numpy(draw(30, 5))
    y = (x * x).sum(1, keepdim=True)
    batches = list(x.split(10))
    model = start_alike(nn.Sequential(nn.Linear(5, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 1)))
    averaged = AveragedModel(model)
    moving = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = optim.SGD(model.parameters(), lr=0.05)
    schedule = optim.lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=4)
    swa = SWALR(optimizer, swa_lr=0.01, anneal_epochs=3)
    losses = []
    for epoch in range(10):
        for batch, target in zip(batches, y.split(10), strict=True):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(batch), target)
            loss.backward()
            optimizer.step()
            moving.update_parameters(model)
            losses.append(loss.item())
        if epoch >= 5:
            averaged.update_parameters(model)
            swa.step()
        else:
            schedule.step()
    update_bn(batches, averaged)
    for net in (averaged, moving):
        net.eval()
        losses.append(nn.functional.mse_loss(net(x), y).item())
    return losses
