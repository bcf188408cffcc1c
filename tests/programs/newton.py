"""Newton's method for a logistic regression, with Jacobian and Hessian from autograd.functional."""

import autograd as torch
import nn.functional as F
from autograd.functional import hessian, hvp, jacobian, vjp
from tests.programs.start import draw


def conjugate_gradient(product, b, steps=6):
    x, r = torch.zeros_like(b), b.clone()
    p = r.clone()
    for _ in range(steps):
        q = product(p)
        alpha = r.dot(r) / p.dot(q)
        x = x + alpha * p
        following = r - alpha * q
        p = following + following.dot(following) / r.dot(r) * p
        r = following
    return x


def train():
    x = torch.from_numpy(draw(40, 4))
    y = (x[:, 0] - 0.5 * x[:, 1] + 0.3 * torch.from_numpy(draw(40)) > 0).to(x.dtype)

    def loss(w):
        return F.binary_cross_entropy_with_logits(x @ w, y) + 0.01 * w.dot(w)

    w = torch.zeros(4)
    losses = []
    for _ in range(4):
        gradient = vjp(loss, w)[1]
        step = conjugate_gradient(lambda v: hvp(loss, w, v)[1], gradient)  # noqa: B023  # used before w changes
        w = w - step
        losses += [loss(w).item(), gradient.norm().item()]
    slopes = jacobian(lambda w: torch.sigmoid(x[:3] @ w), w)
    return losses + hessian(loss, w).flatten().tolist() + slopes.flatten().tolist()
