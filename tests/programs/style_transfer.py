"""An image is optimised until its features and their Gram matrices match (Gatys et al. 2016)."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, start_alike


def gram(features):
    N, C, H, W = features.size()
    flat = features.reshape(N * C, H * W)
    return torch.mm(flat, flat.t()).div(N * C * H * W)


def train():
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect"),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 12, 3, padding=1),
        nn.InstanceNorm2d(12, affine=True),
    )
    start_alike(net).eval().requires_grad_(False)
    content, style = torch.from_numpy(draw(1, 3, 12, 12)), torch.from_numpy(draw(1, 3, 12, 12, seed=1))
    wanted, texture = net(content), gram(net(style))
    image = content.clone().requires_grad_(True)
    optimizer = optim.Adam([image], lr=5e-2)
    losses = []
    for _ in range(15):
        features = net(image)
        variation = (image.diff(dim=2).abs().mean() + image.diff(dim=3).abs().mean()) / 2
        loss = F.mse_loss(features, wanted) + 1e2 * F.mse_loss(gram(features), texture) + 0.1 * variation
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            image.clamp_(-2.5, 2.5)
        losses.append(loss.item())
    return losses
