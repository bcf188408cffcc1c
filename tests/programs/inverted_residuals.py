"""MobileNet-v2's block: expand, depthwise, project; RMSprop with an exponential schedule."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


def conv_bn_relu(in_channels, out_channels, kernel_size, stride=1, groups=1):
    padding = (kernel_size - 1) // 2
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    def __init__(self, inp, oup, stride, expand_ratio):
        super().__init__()
        hidden = inp * expand_ratio
        self.use_res_connect = stride == 1 and inp == oup
        self.conv = nn.Sequential(
            conv_bn_relu(inp, hidden, 1),
            conv_bn_relu(hidden, hidden, 3, stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, bias=False),
            nn.BatchNorm2d(oup),
        )

    def forward(self, x):
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


def train():
    features = nn.Sequential(conv_bn_relu(3, 8, 3, 2), InvertedResidual(8, 8, 1, 3), InvertedResidual(8, 12, 2, 3))
    model = nn.ModuleDict({"features": features, "classifier": nn.Linear(12, 4)})
    start_alike(model)
    optimizer = optim.RMSprop(model.parameters(), lr=1e-3, momentum=0.9, alpha=0.9, eps=1e-3)
    scheduler = optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.9)
    x, y = torch.from_numpy(draw(8, 3, 16, 16)), torch.from_numpy(draw_classes(4, 8))
    losses = []
    for _ in range(12):
        optimizer.zero_grad(set_to_none=True)
        scores = model["classifier"](model["features"](x).mean([2, 3]))
        loss = nn.CrossEntropyLoss()(scores, y)
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
