"""004, slides 9 and 10: a net with one hidden layer whose gradients are written by hand; vanilla SGD."""

import autograd as torch
import nn.functional as F
from nn.data import DataLoader, TensorDataset
from tests.programs.start import draw, draw_classes

lr = 0.05


class TwoLayerNet:
    def __init__(self, input_size, hidden_size, output_size):
        self.W1 = torch.from_numpy(draw(input_size, hidden_size)) * 0.1
        self.b1 = torch.from_numpy(draw(hidden_size)) * 0.1
        self.W2 = torch.from_numpy(draw(hidden_size, output_size)) * 0.1
        self.b2 = torch.from_numpy(draw(output_size)) * 0.1

    def forward(self, x):
        self.x = x
        self.z1 = x @ self.W1 + self.b1
        self.a1 = F.relu(self.z1)
        self.z2 = self.a1 @ self.W2 + self.b2
        return self.z2


def train():
    model = TwoLayerNet(36, 20, 10)
    images, labels = torch.from_numpy(draw(40, 1, 6, 6)), torch.from_numpy(draw_classes(10, 40))
    train_loader = DataLoader(dataset=TensorDataset(images, labels), batch_size=8, shuffle=False)
    losses = []
    for _ in range(3):
        for data, target in train_loader:
            data = data.view(-1, 36)
            output = model.forward(data)
            log_softmax = F.log_softmax(output, dim=1)
            loss = -torch.mean(log_softmax[range(len(target)), target])

            grad_z2 = F.softmax(output, dim=1)
            grad_z2[range(len(target)), target] -= 1
            grad_z2 /= len(target)
            grad_a1 = grad_z2 @ model.W2.T
            grad_z1 = grad_a1.clone()
            grad_z1[model.z1 < 0] = 0
            model.W2.grad = model.a1.T @ grad_z2
            model.b2.grad = grad_z2.sum(dim=0)
            model.W1.grad = model.x.T @ grad_z1
            model.b1.grad = grad_z1.sum(dim=0)

            model.W2 = model.W2 - lr * model.W2.grad
            model.b2 = model.b2 - lr * model.b2.grad
            model.W1 = model.W1 - lr * model.W1.grad
            model.b1 = model.b1 - lr * model.b1.grad
            losses.append(loss.item())
    return losses
