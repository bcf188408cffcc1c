"""004, slide 56: Conv1d of width 1 is Linear; weights set through `.data`, also to another shape."""

import autograd as torch
import nn
from tests.programs.start import draw


def train():
    channels, patches = 5, 9
    weight = torch.from_numpy(draw(channels, channels))
    bias = torch.from_numpy(draw(channels))
    x = torch.from_numpy(draw(channels, patches))
    linear = nn.Linear(channels, channels)
    conv = nn.Conv1d(channels, channels, kernel_size=1)
    assert tuple(conv.weight.shape) == (*linear.weight.shape, 1)
    conv.weight.data = weight.unsqueeze(-1)
    linear.weight.data = weight
    conv.bias.data = bias
    linear.bias.data = bias
    linear_results = linear(x.T).T  # `linear(x).T` on the slide, whose shapes do not fit
    conv_results = conv(x)
    assert torch.allclose(linear_results, conv_results)
    return conv_results.flatten().tolist()
