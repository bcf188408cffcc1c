"""004, slide 27: an MLP whose hidden layers are Linear without bias, BatchNorm1d, ReLU."""

import autograd as torch
import nn
import nn.functional as F
from tests.programs.start import draw, draw_classes, start_alike


class mlp_model(nn.Module):
    def __init__(self, input_dim, output_dim, middle_dim=50):
        super(mlp_model, self).__init__()
        self.fc1 = nn.Linear(input_dim, middle_dim, bias=False)
        self.bn1 = nn.BatchNorm1d(middle_dim)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(middle_dim, middle_dim, bias=False)
        self.bn2 = nn.BatchNorm1d(middle_dim)
        self.relu2 = nn.ReLU()
        self.fc5 = nn.Linear(middle_dim, output_dim)

    def forward(self, x):
        out = x
        out = self.relu1(self.bn1(self.fc1(out)))
        out = self.relu2(self.bn2(self.fc2(out)))
        out = self.fc5(out)
        return out


def train():
    model = mlp_model(12, 4)
    start_alike(model)
    x, y = torch.from_numpy(draw(16, 12)), torch.from_numpy(draw_classes(4, 16))
    losses = []
    for _ in range(10):
        loss = F.cross_entropy(model(x), y)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for p in model.parameters():
                p -= 0.1 * p.grad
        losses.append(loss.item())
    return losses
