"""A small net learns from a large one's softened scores (Hinton et al. 2015)."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


def train():
    teacher = start_alike(nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 4)), 1).eval()
    student = start_alike(nn.Sequential(nn.Linear(8, 6), nn.Hardtanh(), nn.Linear(6, 4)), 2)
    optimizer = optim.SGD(student.parameters(), lr=0.2, momentum=0.9, weight_decay=1e-4, maximize=True)
    divergence = nn.KLDivLoss(reduction="batchmean", log_target=True)
    x, y = torch.from_numpy(draw(32, 8)), torch.from_numpy(draw_classes(4, 32))
    T = 3.0
    losses = []
    for _ in range(20):
        with torch.no_grad():
            soft = F.log_softmax(teacher(x) / T, dim=1)
        scores = student(x)
        loss = 0.7 * T * T * divergence(F.log_softmax(scores / T, dim=1), soft) + 0.3 * F.cross_entropy(scores, y)
        optimizer.zero_grad()
        (-loss).backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
