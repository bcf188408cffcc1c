"""A Wasserstein critic whose gradient norm is held at 1: second derivatives (Gulrajani et al. 2017)."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, start_alike


def gradient_penalty(critic, real, fake, mix):
    between = (mix * real + (1 - mix) * fake).requires_grad_(True)
    scores = critic(between)
    (gradients,) = torch.autograd.grad(
        outputs=scores, inputs=between, grad_outputs=torch.ones_like(scores), create_graph=True, retain_graph=True
    )
    return ((gradients.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def train():
    critic = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.ELU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(36, 8),
        nn.Tanh(),
        nn.Linear(8, 1),
    )
    start_alike(critic)
    optimizer = optim.Adam(critic.parameters(), lr=1e-3, betas=(0.0, 0.9))
    losses = []
    for step in range(15):
        real = torch.from_numpy(draw(8, 1, 6, 6, seed=step)) + 1
        fake = torch.from_numpy(draw(8, 1, 6, 6, seed=100 + step))
        mix = torch.from_numpy(draw(8, 1, 1, 1, seed=step)).sigmoid()
        optimizer.zero_grad()
        loss = critic(fake).mean() - critic(real).mean() + 10 * gradient_penalty(critic, real, fake, mix)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
