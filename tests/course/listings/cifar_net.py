"""004, slide 44: the net of PyTorch's CIFAR tutorial; `torch.flatten`, one pooling layer used twice."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * 5 * 5, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = self.pool(F.relu(self.conv2(x)))
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        x = self.fc3(x)
        return x


def train():
    net = Net()
    start_alike(net)
    optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    images, labels = torch.from_numpy(draw(4, 3, 32, 32)), torch.from_numpy(draw_classes(10, 4))
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.CrossEntropyLoss()(net(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
