"""A deep stack whose activations are computed again in backward, not kept (Chen et al. 2016)."""

import autograd as torch
import nn
from nn import optim
from nn.utils.checkpoint import checkpoint, checkpoint_sequential
from tests.programs.start import draw, start_alike


class Layer(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.linear = nn.Linear(width, 2 * width)

    def forward(self, x):
        left, right = self.linear(self.norm(x)).chunk(2, dim=-1)
        return x + torch.sigmoid(left) * right


def train():
    model = start_alike(nn.Sequential(*[Layer(8) for _ in range(6)], nn.Linear(8, 1)))
    optimizer = optim.Adam(model.parameters(), lr=5e-3)
    x = torch.from_numpy(draw(16, 8))
    losses = []
    for _ in range(12):
        h = checkpoint_sequential(model[:4], 2, x, use_reentrant=False)
        for layer in model[4:6]:
            h = checkpoint(layer, h, use_reentrant=False)
        loss = nn.functional.smooth_l1_loss(model[6](h), x.norm(dim=1, keepdim=True), beta=0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
