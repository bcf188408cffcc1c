"""A generative adversarial net: two optimisers that take turns (Goodfellow et al. 2014)."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, start_alike


def train():
    generator = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
    discriminator = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1))
    start_alike(generator, 1)
    start_alike(discriminator, 2)
    optimizer_g = optim.Adam(generator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    optimizer_d = optim.Adam(discriminator.parameters(), lr=2e-3, betas=(0.5, 0.999))
    criterion = nn.BCEWithLogitsLoss()
    real_label, fake_label = torch.ones(16, 1), torch.zeros(16, 1)
    losses = []
    for step in range(20):
        real = torch.from_numpy(draw(16, 2, seed=step)) * 0.5 + 2.0
        fake = generator(torch.from_numpy(draw(16, 4, seed=step)))

        discriminator.zero_grad()
        loss_d = criterion(discriminator(real), real_label) + criterion(discriminator(fake.detach()), fake_label)
        loss_d.backward()
        optimizer_d.step()

        generator.zero_grad()
        loss_g = criterion(discriminator(fake), real_label)
        loss_g.backward()
        optimizer_g.step()
        losses += [loss_d.item(), loss_g.item()]
    return losses
