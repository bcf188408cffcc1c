"""A transformer with encoder and decoder learns to reverse, with warm-up; then it decodes greedily."""

import autograd as torch
import nn
from nn import optim
from tests.programs.start import draw, draw_classes, start_alike


class Reverser(nn.Module):
    def __init__(self, vocabulary=9, width=16):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.from_numpy(draw(8, width)))
        self.transformer = nn.Transformer(
            width, nhead=2, num_encoder_layers=1, num_decoder_layers=1, dim_feedforward=24, dropout=0.0, norm_first=True
        )
        self.head = nn.Linear(width, vocabulary)

    def embed(self, tokens):
        return self.embedding(tokens) + self.position[: tokens.size(0)].unsqueeze(1)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.size(0))
        return self.head(self.transformer(self.embed(source), self.embed(target), tgt_mask=mask))


def train():
    source = torch.from_numpy(draw_classes(8, 6, 10)) + 1
    target = torch.cat([torch.zeros(1, 10, dtype=torch.int64), source.flip(0)])
    model = start_alike(Reverser())
    optimizer = optim.Adam(model.parameters(), lr=3e-3, betas=(0.9, 0.98), eps=1e-9)
    scheduler = optim.lr_scheduler.LambdaLR(optimizer, lambda step: min((step + 1) ** -0.5, (step + 1) * 5**-1.5))
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        scores = model(source, target[:-1])
        loss = nn.functional.cross_entropy(scores.flatten(0, 1), target[1:].flatten())
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    model.eval()
    out = target[:1]
    with torch.no_grad():
        for _ in range(6):
            out = torch.cat([out, model(source, out)[-1:].argmax(-1)])
    return [*losses, (out[1:] == source.flip(0)).double().mean().item()]
