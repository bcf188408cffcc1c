"""A multi-class linear SVM by hand: hinge loss, gradient accumulation in place, no optimiser."""

import autograd as torch
from tests.programs.start import draw, draw_classes


def train():
    x, y = torch.from_numpy(draw(30, 6)), torch.from_numpy(draw_classes(4, 30))
    w = torch.from_numpy(0.01 * draw(6, 4)).requires_grad_()
    b = torch.zeros(4, requires_grad=True)
    rows = torch.arange(30)
    losses = []
    for step in range(25):
        scores = x @ w + b
        margins = (scores - scores[rows, y].unsqueeze(1) + 1).clamp(min=0)
        margins[rows, y] = 0
        loss = margins.sum() / 30 + 0.05 * (w * w).sum()
        loss.backward()
        with torch.no_grad():
            for parameter in (w, b):
                parameter -= 0.1 * 0.95**step * parameter.grad
                parameter.grad.zero_()
        losses.append(loss.item())
    return losses
