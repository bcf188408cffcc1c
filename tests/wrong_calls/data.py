"""Wrong calls of datasets, samplers and loaders."""

from tests.wrong_calls.row import Wrong


def numbers(t, nn, count=4):
    return nn.data.TensorDataset(t.zeros(count))


ROWS = [
    Wrong("Size mismatch", "[2, 3]", "", lambda t, F, nn: nn.data.TensorDataset(t.zeros(2), t.zeros(3))),
    Wrong("DataLoader", "", "batch_size", lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), batch_size=0)),
    Wrong("DataLoader", "-1", "batch_size", lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), batch_size=-1)),
    Wrong(
        "DataLoader",
        "sampler",
        "shuffle",
        lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), shuffle=True, sampler=[0, 1]),
    ),
    Wrong(
        "DataLoader",
        "batch_sampler",
        "batch_size",
        lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), batch_size=2, batch_sampler=[[0]]),
    ),
    Wrong("lengths", "[1, 2]", "4", lambda t, F, nn: nn.data.random_split(numbers(t, nn), [1, 2])),
    Wrong("datasets", "empty", "", lambda t, F, nn: nn.data.ConcatDataset([])),
    Wrong("index", "4", "", lambda t, F, nn: numbers(t, nn)[4]),
    Wrong("collate", "object", "", lambda t, F, nn: next(iter(nn.data.DataLoader([object()])))),
]
