"""Graph convolutions by index_add, and attention over edges by scatter (Kipf 2017; Veličković 2018)."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


class GraphConv(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)

    def forward(self, x, source, target):
        degree = torch.zeros(x.size(0)).index_add(0, target, torch.ones(target.numel())).clamp(min=1)
        messages = self.linear(x)[source] / degree[target].unsqueeze(1)
        return torch.zeros(x.size(0), messages.size(1)).index_add(0, target, messages)


class GraphAttention(nn.Module):
    def __init__(self, in_features, out_features):
        super().__init__()
        self.linear = nn.Linear(in_features, out_features, bias=False)
        self.score = nn.Linear(2 * out_features, 1, bias=False)

    def forward(self, x, source, target):
        h = self.linear(x)
        score = F.leaky_relu(self.score(torch.cat([h[source], h[target]], 1)), 0.2).squeeze(1).exp()
        total = torch.zeros(x.size(0)).scatter_add(0, target, score)
        weight = (score / total[target]).unsqueeze(1)
        return torch.zeros_like(h).scatter_add(0, target.unsqueeze(1).expand(-1, h.size(1)), weight * h[source])


def train():
    source, target = torch.from_numpy(draw_classes(10, 2, 40))
    loops = torch.arange(10)
    edges = torch.cat([source, loops]), torch.cat([target, loops])
    x, y = torch.from_numpy(draw(10, 5)), torch.from_numpy(draw_classes(3, 10))
    known = torch.tensor([True, False] * 5)
    layers = start_alike(nn.ModuleList([GraphConv(5, 8), GraphAttention(8, 3)]))
    optimizer = optim.Adam(layers.parameters(), lr=1e-2, weight_decay=5e-4)
    losses = []
    for _ in range(20):
        scores = layers[1](F.elu(layers[0](x, *edges)), *edges)
        loss = F.nll_loss(F.log_softmax(scores, 1)[known], y[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), F.one_hot(scores.argmax(1), 3).sum(0).double().std().item()]
    return losses
