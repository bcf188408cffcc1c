"""A bigram language model whose output layer is its embedding (Press and Wolf 2017)."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw_classes, start_alike


class Bigram(nn.Module):
    def __init__(self, vocabulary, width):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.mix = nn.Linear(width, width)
        self.decoder = nn.Linear(width, vocabulary, bias=False)
        self.decoder.weight = self.embedding.weight

    def forward(self, tokens):
        return self.decoder(torch.tanh(self.mix(self.embedding(tokens))))


def train():
    model = start_alike(Bigram(17, 8))
    assert len(list(model.parameters())) == 3
    assert "decoder.weight" in model.state_dict()
    optimizer = optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.1)
    tokens = torch.from_numpy(draw_classes(17, 5, 21))
    losses = []
    for _ in range(25):
        scores = model(tokens[:, :-1])
        loss = nn.functional.cross_entropy(scores.transpose(1, 2), tokens[:, 1:], ignore_index=0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
