"""A vision transformer: patches by a strided convolution, a class token (Dosovitskiy et al. 2021)."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


class ViT(nn.Module):
    def __init__(self, width=16, classes=4):
        super().__init__()
        self.conv_proj = nn.Conv2d(3, width, kernel_size=4, stride=4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embedding = nn.Parameter(torch.from_numpy(0.02 * draw(1, 17, width)))
        self.ln_1 = nn.LayerNorm(width)
        self.self_attention = nn.MultiheadAttention(width, 2, batch_first=True)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 32), nn.GELU(), nn.Linear(32, width))
        self.head = nn.Linear(width, classes)

    def forward(self, images):
        x = self.conv_proj(images).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(x.shape[0], -1, -1), x], dim=1) + self.pos_embedding
        y = self.ln_1(x)
        y, weights = self.self_attention(y, y, y)
        x = x + y
        x = x + self.mlp(self.ln_2(x))
        return self.head(x[:, 0]), weights


def train():
    model = start_alike(ViT())
    optimizer = optim.AdamW(model.parameters(), lr=2e-3, amsgrad=True)
    scheduler = optim.lr_scheduler.OneCycleLR(optimizer, max_lr=4e-3, total_steps=14)
    x, y = torch.from_numpy(draw(8, 3, 16, 16)), torch.from_numpy(draw_classes(4, 8))
    losses = []
    for _ in range(14):
        optimizer.zero_grad()
        scores, weights = model(x)
        entropy = -(weights * (weights + 1e-9).log()).sum(-1).mean()
        loss = nn.functional.cross_entropy(scores, y) + 0.01 * entropy
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses += [loss.item(), entropy.item()]
    return losses
