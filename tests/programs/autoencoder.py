"""A convolutional autoencoder: strided and transposed convolutions, binary cross-entropy."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, start_alike


def train():
    encoder = nn.Sequential(nn.Conv2d(1, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 4, 3, stride=2, padding=1))
    decoder = nn.Sequential(
        nn.ConvTranspose2d(4, 8, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(8, 1, 2, stride=2),
        nn.Sigmoid(),
    )
    model = start_alike(nn.Sequential(encoder, decoder))
    optimizer = optim.Adam(model.parameters(), lr=5e-3, betas=(0.8, 0.99))
    images = torch.from_numpy(draw(6, 1, 16, 16)).sigmoid()
    criterion = nn.BCELoss()
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = criterion(model(images), images)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
