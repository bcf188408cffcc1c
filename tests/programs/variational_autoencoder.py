"""A variational autoencoder with the reparametrisation trick (Kingma and Welling 2014)."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, start_alike


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(20, 32)
        self.fc21 = nn.Linear(32, 4)
        self.fc22 = nn.Linear(32, 4)
        self.fc3 = nn.Linear(4, 32)
        self.fc4 = nn.Linear(32, 20)

    def encode(self, x):
        h = F.relu(self.fc1(x))
        return self.fc21(h), self.fc22(h)

    def decode(self, z):
        return torch.sigmoid(self.fc4(F.relu(self.fc3(z))))

    def forward(self, x, eps):
        mu, logvar = self.encode(x)
        std = torch.exp(0.5 * logvar)
        return self.decode(mu + eps * std), mu, logvar


def train():
    model = start_alike(VAE())
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    x = torch.from_numpy(draw(32, 20)).sigmoid()
    losses = []
    for step in range(25):
        eps = torch.from_numpy(draw(32, 4, seed=step))
        reconstruction, mu, logvar = model(x, eps)
        bce = F.binary_cross_entropy(reconstruction, x, reduction="sum")
        kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
        loss = (bce + kld) / len(x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
