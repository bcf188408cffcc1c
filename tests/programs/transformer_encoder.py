"""A transformer encoder classifies sequences with padding (Vaswani et al. 2017)."""

import math

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw_classes, start_alike


class PositionalEncoding(nn.Module):
    def __init__(self, width, length):
        super().__init__()
        position = torch.arange(length).unsqueeze(1)
        rate = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
        table = torch.zeros(length, width)
        table[:, 0::2] = torch.sin(position * rate)
        table[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("table", table)

    def forward(self, x):
        return x + self.table[: x.size(1)]


class Classifier(nn.Module):
    def __init__(self, vocabulary, width=16):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position = PositionalEncoding(width, 32)
        layer = nn.TransformerEncoderLayer(width, nhead=4, dim_feedforward=32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2, enable_nested_tensor=False)
        self.head = nn.Linear(width, 2)

    def forward(self, tokens):
        padding = tokens == 0
        x = self.encoder(self.position(self.embedding(tokens)), src_key_padding_mask=padding)
        keep = (~padding).unsqueeze(-1)
        return self.head((x * keep).sum(1) / keep.sum(1))


def train():
    tokens = torch.from_numpy(draw_classes(10, 8, 12))
    tokens[:, 0] = 1
    tokens[::2, 9:] = 0
    y = (tokens > 5).sum(1) % 2
    model = start_alike(Classifier(10))
    optimizer = optim.Adam(model.parameters(), lr=1e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(tokens), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
