"""A data set of one's own, split, sampled with weights, collated and loaded by workers."""

import autograd as torch
import nn
from nn import optim
from nn.data import BatchSampler, ConcatDataset, DataLoader, Dataset, SequentialSampler, Subset, TensorDataset
from tests.programs.start import draw, start_alike


class Points(Dataset):
    def __init__(self, count, transform=None):
        self.x = draw(count, 2)
        self.transform = transform

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        point = self.x[index] if self.transform is None else self.transform(self.x[index])
        return {"point": point, "inside": float((point**2).sum() < 1.5), "index": index}


def collate(samples):
    x = torch.stack([torch.from_numpy(s["point"]) for s in samples])
    return x, torch.tensor([s["inside"] for s in samples]).unsqueeze(1)


def train():
    data = ConcatDataset([Points(30), Points(23, transform=lambda x: 0.5 * x)])
    training, validation = Subset(data, range(0, len(data), 2)), Subset(data, range(1, len(data), 2))
    loader = DataLoader(training, batch_size=8, collate_fn=collate, drop_last=True)
    sampler = BatchSampler(SequentialSampler(validation), batch_size=10, drop_last=False)
    model = start_alike(nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1)))
    optimizer = optim.SGD(model.parameters(), lr=0.3)
    criterion = nn.BCEWithLogitsLoss()
    losses = []
    for _ in range(5):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            for batch in DataLoader(validation, batch_sampler=sampler):
                scores = model(batch["point"])
                losses.append(criterion(scores, batch["inside"].unsqueeze(1)).item() + batch["index"].sum().item())
    pairs = TensorDataset(torch.arange(10), torch.arange(10) ** 2)
    return losses + [float((a * b).sum()) for a, b in DataLoader(pairs, batch_size=4)]
