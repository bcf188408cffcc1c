"""Embeddings learnt from triplets with hard negatives, and from pairs by InfoNCE."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, start_alike


def hardest_triplets(embeddings, labels, margin=0.5):
    squares = embeddings.square().sum(1)
    distance = (squares[:, None] + squares[None, :] - 2 * embeddings @ embeddings.mT).clamp(min=1e-12).sqrt()
    same = labels[:, None] == labels[None, :]
    positive = distance.masked_fill(~same, 0.0).amax(1)
    negative = distance.masked_fill(same, torch.inf).amin(1)
    return F.relu(positive - negative + margin).mean()


def info_nce(first, second, temperature=0.2):
    similarity = F.cosine_similarity(first[:, None], second[None, :], dim=-1) / temperature
    target = torch.arange(len(first))
    return (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.t(), target)) / 2


def train():
    model = start_alike(nn.Sequential(nn.Linear(10, 16), nn.SELU(), nn.Linear(16, 4)))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    labels = torch.arange(5).repeat_interleave(3)
    x = torch.from_numpy(draw(15, 10)) + labels.unsqueeze(1)
    losses = []
    for step in range(20):
        noisy = x + 0.1 * torch.from_numpy(draw(15, 10, seed=step))
        first, second = model(x), model(noisy)
        loss = hardest_triplets(F.normalize(first), labels) + info_nce(first, second)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
