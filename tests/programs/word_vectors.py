"""Skip-gram word vectors with negative samples (Mikolov et al. 2013)."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw_classes, start_alike


class SkipGram(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.centers = nn.Embedding(vocabulary, width, max_norm=2.0)
        self.contexts = nn.Embedding(vocabulary, width)

    def forward(self, center, context, negatives):
        v = self.centers(center)
        positive = F.logsigmoid((v * self.contexts(context)).sum(-1))
        negative = F.logsigmoid(-torch.bmm(self.contexts(negatives), v.unsqueeze(2)).squeeze(2)).sum(-1)
        return -(positive + negative).mean()


def train():
    model = start_alike(SkipGram(25, 6))
    optimizer = optim.Adagrad(model.parameters(), lr=0.1, lr_decay=1e-2, initial_accumulator_value=0.1)
    losses = []
    for step in range(20):
        center, context = torch.from_numpy(draw_classes(25, 2, 16, seed=step))
        negatives = torch.from_numpy(draw_classes(25, 16, 5, seed=step))
        loss = model(center, context, negatives)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    vectors = F.normalize(model.centers.weight, dim=1)
    best = (vectors @ vectors.T - 2 * torch.eye(25)).topk(3, dim=1)
    return losses + best.values.flatten().tolist() + best.indices.flatten().tolist()
