"""Sequences of unequal length through a bidirectional GRU, packed."""

import autograd as torch
import nn
from nn import optim
from nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence
from tests.programs.start import draw, start_alike


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.gru = nn.GRU(5, 7, num_layers=2, bidirectional=True, batch_first=True)
        self.fc = nn.Linear(14, 3)

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        out, hidden = self.gru(packed)
        out, lengths = pad_packed_sequence(out, batch_first=True)
        mean = out.sum(1) / lengths.unsqueeze(1)
        return self.fc(torch.cat([hidden[-2], hidden[-1]], dim=1) + mean)


def train():
    lengths = torch.tensor([3, 7, 1, 5])
    x = pad_sequence([torch.from_numpy(draw(int(n), 5)) for n in lengths], batch_first=True)
    y = torch.tensor([0, 2, 1, 2])
    model = start_alike(Classifier())
    optimizer = optim.SGD(model.parameters(), lr=0.2, momentum=0.5)
    losses = []
    for _ in range(15):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x, lengths), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
