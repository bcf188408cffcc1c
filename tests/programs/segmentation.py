"""A small U-Net labels every pixel: skips, interpolation, Dice loss (Ronneberger et al. 2015)."""

import autograd as torch
import nn
import nn.functional as F
from nn import optim
from tests.programs.start import draw, start_alike


def double_conv(in_channels, out_channels):
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=2, dilation=2),
        nn.Hardswish(),
    )


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down1, self.down2 = double_conv(1, 6), double_conv(6, 8)
        self.up = double_conv(14, 6)
        self.out = nn.Conv2d(6, 3, 1)

    def forward(self, x):
        first = self.down1(x)
        second = self.down2(F.max_pool2d(first, 2))
        grown = F.interpolate(second, scale_factor=2, mode="bilinear", align_corners=False)
        return self.out(self.up(torch.cat([first, grown], dim=1)))


def dice_loss(probabilities, target):
    overlap = (probabilities * target).sum(dim=(0, 2, 3))
    return 1 - ((2 * overlap + 1) / (probabilities.sum((0, 2, 3)) + target.sum((0, 2, 3)) + 1)).mean()


def train():
    images = torch.from_numpy(draw(4, 1, 12, 12))
    smooth = F.avg_pool2d(images, 3, stride=1, padding=1)
    labels = ((smooth > -0.2).long() + (smooth > 0.2).long()).squeeze(1)
    target = F.one_hot(labels, 3).permute(0, 3, 1, 2)
    model = start_alike(UNet())
    optimizer = optim.Adam(model.parameters(), lr=1e-2)
    scheduler = optim.lr_scheduler.MultiStepLR(optimizer, milestones=[4, 8])
    losses = []
    for _ in range(10):
        scores = model(images)
        loss = F.cross_entropy(scores, labels, weight=torch.tensor([0.5, 1.0, 2.0])) + dice_loss(
            scores.softmax(1), target
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses
