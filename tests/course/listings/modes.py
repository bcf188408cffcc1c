"""004, slides 30 and 32: train and eval mode of batch norm; layer norm against its formula, with a single sample."""

import autograd as torch
import nn
from tests.programs.start import draw, start_alike


class BNNet(nn.Module):
    def __init__(self):
        super(BNNet, self).__init__()
        self.fc1 = nn.Linear(20, 10)
        self.bn1 = nn.BatchNorm1d(10)
        self.fc2 = nn.Linear(10, 1)

    def forward(self, x):
        x = self.fc2(torch.relu(self.bn1(self.fc1(x))))
        return x


class LNNet(nn.Module):
    def __init__(self):
        super(LNNet, self).__init__()
        self.fc1 = nn.Linear(5, 10)
        self.ln1 = nn.LayerNorm(10)
        self.fc2 = nn.Linear(10, 1)

    def forward(self, x):
        x = self.fc2(torch.relu(self.ln1(self.fc1(x))))
        return x


def train():
    x, net = torch.from_numpy(draw(3, 20)), BNNet()
    start_alike(net)
    net.train()
    found = [net(x[[0, 1],])[0], net(x[[0, 2],])[0]]
    net.eval()
    found += [net(x[[0],])[0], net(x[[0, 1],])[0], net(x[[0, 2],])[0]]

    x, net = torch.from_numpy(draw(1, 5)), LNNet()
    start_alike(net)
    u = net.fc1(x)
    gamma = net.ln1.weight
    beta = net.ln1.bias
    z_manual = beta + gamma * (u - u.mean(dim=1, keepdim=True)) \
        / torch.sqrt(u.var(dim=1, keepdim=True, unbiased=False) + 1e-05)  # fmt: skip
    z_pytorch = net.ln1(u)
    assert torch.allclose(z_manual, z_pytorch)
    found += [*z_manual[0], net(x[[0],])[0]]
    return [each.item() for each in found]
