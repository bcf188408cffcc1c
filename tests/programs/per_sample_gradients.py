"""Private training: the gradient of each sample by vmap, clipped, summed (Abadi et al. 2016)."""

import autograd as torch
import nn
import nn.functional as F
from autograd.func import functional_call, grad_and_value, vmap
from tests.programs.start import draw, draw_classes, start_alike


def train():
    model = start_alike(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)))
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    x, y = torch.from_numpy(draw(12, 1, 6, 6)), torch.from_numpy(draw_classes(3, 12))

    def loss_of(parameters, sample, label):
        scores = functional_call(model, parameters, (sample.unsqueeze(0),))
        return F.cross_entropy(scores, label.unsqueeze(0))

    per_sample = vmap(grad_and_value(loss_of), in_dims=(None, 0, 0))
    losses = []
    for _ in range(15):
        gradients, values = per_sample(parameters, x, y)
        norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients.values()]).norm(dim=0)
        scale = (1.0 / (norms + 1e-6)).clamp(max=1.0)
        for name, g in gradients.items():
            clipped = g * scale.reshape(-1, *[1] * (g.dim() - 1))
            parameters[name] = parameters[name] - 0.3 * clipped.mean(0)
        losses += [values.mean().item(), norms.max().item()]
    return losses
