"""Hooks: activations are recorded, an output is changed, gradients are clipped as they arrive."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


def train():
    model = start_alike(nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 3)))
    activations, seen = {}, []

    def keep(name):
        def hook(module, args, output):
            activations[name] = output.detach().abs().mean().item()

        return hook

    handles = [model[i].register_forward_hook(keep(f"linear{i}")) for i in (0, 2, 4)]
    model[1].register_forward_hook(lambda module, args, output: output * 0.5)
    model[2].register_forward_pre_hook(lambda module, args: (args[0] + 0.01,))
    model[2].register_full_backward_hook(lambda module, grad_in, grad_out: seen.append(grad_out[0].norm().item()))
    for parameter in model.parameters():
        parameter.register_hook(lambda grad: grad.clamp(-0.05, 0.05))

    optimizer = optim.SGD(model.parameters(), lr=0.5)
    x, y = torch.from_numpy(draw(32, 10)), torch.from_numpy(draw_classes(3, 32))
    losses = []
    for step in range(15):
        hidden = model[0](x)
        hidden.retain_grad()
        loss = nn.functional.cross_entropy(model(x), y) + 1e-2 * hidden.square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), hidden.grad.norm().item(), *activations.values(), seen[-1]]
        if step == 10:
            for handle in handles:
                handle.remove()
            activations.clear()
    return losses
