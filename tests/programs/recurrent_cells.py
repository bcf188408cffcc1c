"""Cells stepped by hand: a generator of sine waves that feeds on its own output."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import start_alike


class Sequence(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm1 = nn.LSTMCell(1, 11)
        self.gru2 = nn.GRUCell(11, 9)
        self.rnn3 = nn.RNNCell(9, 6, nonlinearity="relu")
        self.linear = nn.Linear(6, 1)

    def forward(self, x, future=0):
        N = x.size(0)
        h1, c1, h2, h3 = torch.zeros(N, 11), torch.zeros(N, 11), torch.zeros(N, 9), torch.zeros(N, 6)
        outputs = []
        steps = list(x.split(1, dim=1))
        for t in range(len(steps) + future):
            step = steps[t] if t < len(steps) else outputs[-1]
            h1, c1 = self.lstm1(step, (h1, c1))
            h2 = self.gru2(h1, h2)
            h3 = self.rnn3(h2, h3)
            outputs.append(self.linear(h3))
        return torch.cat(outputs, dim=1)


def train():
    phase = torch.arange(4).unsqueeze(1)
    wave = torch.sin((torch.arange(20).unsqueeze(0) + 3 * phase) / 4.0)
    model = start_alike(Sequence())
    optimizer = optim.Adam(model.parameters(), lr=2e-2)
    losses = []
    for _ in range(10):
        loss = nn.functional.mse_loss(model(wave[:, :-5], future=4), wave[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
