"""Model-agnostic meta-learning: gradients of a step of gradient descent (Finn et al. 2017)."""

import autograd as torch
import nn.functional as F
from nn import optim
from tests.programs.start import draw


def predict(x, weights):
    w1, b1, w2, b2 = weights
    return F.linear(torch.tanh(F.linear(x, w1, b1)), w2, b2)


def train():
    weights = [0.5 * draw(16, 1), 0.1 * draw(16), 0.25 * draw(1, 16), 0.1 * draw(1)]
    weights = [torch.from_numpy(w).requires_grad_() for w in weights]
    optimizer = optim.Adam(weights, lr=1e-2)
    losses = []
    for step in range(12):
        total = 0.0
        for task in range(3):
            phase = 0.3 * task + 0.1 * step
            x_support, x_query = torch.from_numpy(draw(10, 1, seed=step)), torch.from_numpy(draw(10, 1, seed=50 + step))
            adapted = weights
            for _ in range(2):
                support = F.mse_loss(predict(x_support, adapted), torch.sin(x_support + phase))
                gradients = torch.autograd.grad(support, adapted, create_graph=True)
                adapted = [w - 0.1 * g for w, g in zip(adapted, gradients, strict=True)]
            total = total + F.mse_loss(predict(x_query, adapted), torch.sin(x_query + phase))
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        losses.append(total.item())
    return losses
