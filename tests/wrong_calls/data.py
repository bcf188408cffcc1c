"""Wrong calls of datasets, samplers and loaders, and of recurrent layers and optimisers beside the usual ones."""

from tests.wrong_calls.row import Wrong


def numbers(t, nn, count=4):
    return nn.data.TensorDataset(t.zeros(count))


ROWS = [
    Wrong("Size mismatch", "[2, 3]", "", lambda t, F, nn: nn.data.TensorDataset(t.zeros(2), t.zeros(3))),
    Wrong("DataLoader", "", "batch_size", lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), batch_size=0)),
    Wrong("DataLoader", "-1", "batch_size", lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), batch_size=-1)),
    Wrong("DataLoader", "-1", "num_workers", lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), num_workers=-1)),
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
    Wrong(
        "DataLoader",
        "drop_last",
        "batch_size",
        lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), batch_size=None, drop_last=True),
    ),
    Wrong("DataLoader", "-1", "timeout", lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), timeout=-1)),
    Wrong(
        "DataLoader",
        "prefetch_factor",
        "num_workers",
        lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), prefetch_factor=2),
    ),
    Wrong(
        "persistent_workers",
        "",
        "num_workers",
        lambda t, F, nn: nn.data.DataLoader(numbers(t, nn), persistent_workers=True),
    ),
    Wrong("RandomSampler", "0", "num_samples", lambda t, F, nn: nn.data.RandomSampler(numbers(t, nn), num_samples=0)),
    Wrong(
        "RandomSampler", "replacement", "bool", lambda t, F, nn: nn.data.RandomSampler(numbers(t, nn), replacement=1)
    ),
    Wrong("WeightedRandomSampler", "0", "num_samples", lambda t, F, nn: nn.data.WeightedRandomSampler([1.0], 0)),
    Wrong("BatchSampler", "0", "batch_size", lambda t, F, nn: nn.data.BatchSampler([1], 0, False)),
    Wrong("BatchSampler", "1", "bool", lambda t, F, nn: nn.data.BatchSampler([1], 2, 1)),
    Wrong("lengths", "[1, 2]", "4", lambda t, F, nn: nn.data.random_split(numbers(t, nn), [1, 2])),
    Wrong("datasets", "empty", "", lambda t, F, nn: nn.data.ConcatDataset([])),
    Wrong("index", "4", "", lambda t, F, nn: numbers(t, nn)[4]),
    Wrong("collate", "object", "", lambda t, F, nn: next(iter(nn.data.DataLoader([object()])))),
    Wrong(
        "stack", "[2]", "[3]", lambda t, F, nn: next(iter(nn.data.DataLoader([t.zeros(2), t.zeros(3)], batch_size=2)))
    ),
    # recurrent layers, optimisers
    Wrong("num_heads", "10 and 3", "divisible", lambda t, F, nn: nn.MultiheadAttention(10, 3)),
    Wrong("hidden_size", "", "greater than zero", lambda t, F, nn: nn.LSTM(3, 0)),
    Wrong("LSTM", "4", "3", lambda t, F, nn: nn.LSTM(3, 2)(t.zeros(1, 1, 4))),
    Wrong("LSTM", "4D", "2D or 3D", lambda t, F, nn: nn.LSTM(3, 2)(t.zeros(1, 1, 1, 3))),
    Wrong("GRU", "4", "3", lambda t, F, nn: nn.GRU(3, 2)(t.zeros(1, 1, 4))),
    Wrong("GRU", "[1, 1, 5]", "(1, 1, 2)", lambda t, F, nn: nn.GRU(3, 2)(t.zeros(1, 1, 3), t.zeros(1, 1, 5))),
    Wrong("nonlinearity", "'cos'", "'tanh'", lambda t, F, nn: nn.RNN(3, 2, nonlinearity="cos")),
    Wrong("dropout", "", "[0, 1]", lambda t, F, nn: nn.RNN(3, 2, dropout=1.5)),
    Wrong("LSTMCell", "4", "3", lambda t, F, nn: nn.LSTMCell(3, 2)(t.zeros(1, 4))),
    Wrong(
        "pack_padded_sequence",
        "lengths",
        "decreasing",
        lambda t, F, nn: nn.utils.rnn.pack_padded_sequence(t.zeros(3, 2, 1), t.tensor([1, 2])),
    ),
    Wrong(
        "pack_padded_sequence",
        "<= 0",
        "greater than 0",
        lambda t, F, nn: nn.utils.rnn.pack_padded_sequence(t.zeros(3, 2, 1), t.tensor([1, 0])),
    ),
    Wrong("NAdam", "-1", "0", lambda t, F, nn: nn.optim.NAdam([nn.Parameter(t.ones(1))], lr=-1)),
    Wrong(
        "LBFGS",
        "parameter groups",
        "",
        lambda t, F, nn: nn.optim.LBFGS([{"params": [nn.Parameter(t.ones(1))]}, {"params": [nn.Parameter(t.ones(1))]}]),
    ),
    Wrong("Adadelta", "1.5", "", lambda t, F, nn: nn.optim.Adadelta([nn.Parameter(t.ones(1))], rho=1.5)),
    Wrong("Rprop", "(1.5, 2.0)", "(0, 1)", lambda t, F, nn: nn.optim.Rprop([nn.Parameter(t.ones(1))], etas=(1.5, 2.0))),
]
