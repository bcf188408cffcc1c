"""A character language model: two-layer LSTM, truncated backpropagation through time, clipped gradients."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import start_alike

TEXT = "the quick brown fox jumps over the lazy dog while the five boxing wizards jump quickly over it. " * 4


class CharModel(nn.Module):
    def __init__(self, vocabulary, hidden):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 12)
        self.lstm = nn.LSTM(12, hidden, num_layers=2, batch_first=True)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, tokens, state=None):
        out, state = self.lstm(self.embedding(tokens), state)
        return self.head(out), state


def train():
    alphabet = sorted(set(TEXT))
    codes = torch.tensor([alphabet.index(c) for c in TEXT])
    rows = codes[: 4 * 96].view(4, 96)
    model = start_alike(CharModel(len(alphabet), 24))
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        state = None
        for start in range(0, 80, 16):
            x, y = rows[:, start : start + 16], rows[:, start + 1 : start + 17]
            scores, state = model(x, state)
            state = tuple(s.detach() for s in state)
            loss = nn.functional.cross_entropy(scores.reshape(-1, len(alphabet)), y.reshape(-1))
            optimizer.zero_grad()
            loss.backward()
            norm = nn.utils.clip_grad_norm_(model.parameters(), 0.5)
            optimizer.step()
            losses += [loss.item(), norm.item()]
    return losses
