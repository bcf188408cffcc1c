"""Sentences through 1-d convolutions of several widths, maximum over time (Kim 2014), plus a WaveNet-like branch."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw_classes, start_alike


class TextCNN(nn.Module):
    def __init__(self, vocabulary=30, width=8):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.convs = nn.ModuleList([nn.Conv1d(width, 5, k, padding=k // 2) for k in (2, 3, 4)])
        self.causal = nn.Conv1d(width, 10, 2, dilation=2)
        self.fc = nn.Linear(20, 2)

    def forward(self, tokens):
        x = self.embedding(tokens).transpose(1, 2)
        pooled = [F.max_pool1d(F.relu(conv(x)), tokens.size(1) - 1).amax(2) for conv in self.convs]
        gated = F.glu(self.causal(F.pad(x, (2, 0))), dim=1)
        return self.fc(torch.cat([*pooled, gated.mean(2)], dim=1))


def train():
    tokens = torch.from_numpy(draw_classes(30, 10, 14))
    y = (tokens == 3).any(dim=1).long()
    model = start_alike(TextCNN())
    optimizer = optim.ASGD(model.parameters(), lr=0.2)
    losses = []
    for _ in range(20):
        loss = F.multi_margin_loss(model(tokens), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
