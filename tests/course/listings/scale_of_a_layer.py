"""004, slides 17 to 19 and 23: means and deviations through layers by the scale of their weights, and normalised."""

import autograd as torch
import nn.functional as F
from tests.programs.start import draw

input_size = 100
hidden_size = 100


def train():
    found = []
    for divisor in (1, input_size**0.5, (input_size / 2) ** 0.5):
        x = torch.from_numpy(draw(input_size))
        W1 = torch.from_numpy(draw(input_size, hidden_size)) / divisor
        z1 = x @ W1
        a1 = F.relu(z1)
        for each in (x, W1, z1, a1):
            found += [each.mean().item(), each.std().item()]

    a = torch.from_numpy(draw(32, input_size))
    for seed in (1, 2, 3):
        z = a @ torch.from_numpy(draw(input_size, hidden_size, seed=seed))
        mean = z.mean(0, keepdim=True)
        var = z.var(0, keepdim=True)
        z = (z - mean) / torch.sqrt(var + 1e-7)
        a = F.relu(z)
        found += [z.mean().item() + 1, z.std().item()]
    return found
