"""Ratings as products of factors, with biases and weight decay by parameter group."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


class Factors(nn.Module):
    def __init__(self, users, items, rank):
        super().__init__()
        self.users, self.items = nn.Embedding(users, rank), nn.Embedding(items, rank)
        self.user_bias, self.item_bias = nn.Embedding(users, 1), nn.Embedding(items, 1)
        self.mean = nn.Parameter(torch.zeros(()))

    def forward(self, user, item):
        product = torch.einsum("nr,nr->n", self.users(user), self.items(item))
        return product + self.user_bias(user).squeeze(1) + self.item_bias(item).squeeze(1) + self.mean


def train():
    model = start_alike(Factors(12, 15, 3))
    biases = [p for name, p in model.named_parameters() if "bias" in name or name == "mean"]
    factors = [*model.users.parameters(), *model.items.parameters()]
    groups = [{"params": factors, "weight_decay": 1e-2}, {"params": biases, "lr": 0.5}]
    optimizer = optim.Adadelta(groups, lr=1.0, rho=0.8)
    user, item = torch.from_numpy(draw_classes(12, 50)), torch.from_numpy(draw_classes(15, 50, seed=1))
    rating = torch.from_numpy(draw(50, seed=2)) + 3
    losses = []
    for _ in range(25):
        loss = nn.functional.mse_loss(model(user, item), rating)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
