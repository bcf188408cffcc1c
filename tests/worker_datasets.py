"""Data sets for loaders with workers: in a module of their own, which worker processes import quickly."""

import os
import random
import signal
import sys
import time

import numpy as np

import autograd as torch
from nn.data import Dataset, IterableDataset, get_worker_info


class Numbered(Dataset):
    """Sample i: an array of i, i as a number, and what the dataset draws."""

    def __init__(self, count, width=3, seconds=0.0):
        self.count, self.width, self.seconds = count, width, seconds

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if self.seconds:
            time.sleep(self.seconds)
        return {"x": np.full(self.width, index, np.float32), "index": index, "drawn": torch.rand(2)}


class Pairs(Dataset):
    """Sample i: two zeros, and i."""

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return torch.zeros(2), index


def draw_and_add(values, others):
    """Transform a batch: add to each of the values what is drawn for it."""
    return values + torch.rand(len(values), *[1] * (values.ndim - 1)), others


class GlobalDraws(Dataset):
    """Sample i: what Python and NumPy draw."""

    def __len__(self):
        return 12

    def __getitem__(self, index):
        return random.random(), np.random.rand()


class Who(Dataset):
    """Sample i: the worker that fetched it, its process, and how many threads kernels may use there."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        info = get_worker_info()
        return info.id, info.num_workers, os.getpid(), torch.get_num_threads(), info.seed - torch.initial_seed()


class Share(IterableDataset):
    """0, 1, …, each from the worker whose share it is, beside what is drawn for it; uneven shares."""

    def __init__(self, count, every=1):
        self.count, self.every = count, every

    def __iter__(self):
        info = get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        for index in range(self.count):
            if index // self.every % workers == worker:
                yield index, torch.rand(1)


class Lengths(IterableDataset):
    """Worker w has so many samples as the w-th length says."""

    def __init__(self, *lengths):
        self.lengths = lengths

    def __iter__(self):
        info = get_worker_info()
        worker = info.id if info else 0
        return iter([10 * worker + i for i in range(self.lengths[worker])])


class Shuffled(IterableDataset):
    """0, 1, … in an order that is drawn as they are read: from this library's numbers, or Python's and NumPy's as well."""

    def __init__(self, count, everything=False):
        self.count, self.everything = count, everything

    def __iter__(self):
        left = list(range(self.count))
        while left:
            drawn = int(torch.randint(0, 1000, (1,)))
            if self.everything:
                drawn += random.randrange(1000) + np.random.randint(1000)
            yield left.pop(drawn % len(left))


class Stateful(IterableDataset):
    """Counts, and remembers where it is; counts what it reads again after a resume."""

    def __init__(self, count):
        self.count, self.at, self.read = count, 0, 0

    def __iter__(self):
        info = get_worker_info()
        while self.at < self.count:
            self.at += 1
            self.read += 1
            yield self.at * 10 + (info.id if info else 0), self.read

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


class Range(IterableDataset):
    """The numbers of a range that `worker_init_fn` sets, as PyTorch's documentation does."""

    start, stop = 0, 12

    def __iter__(self):
        return iter(range(self.start, self.stop))


def draw_in_init(worker):
    get_worker_info().dataset.count = (random.random(), np.random.rand(), float(torch.rand(())))


class FromInit(Numbered):
    """Samples are what the init function drew."""

    def __init__(self):
        super().__init__(None)

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return self.count


def split_range(worker):
    info = get_worker_info()
    size = 12 // info.num_workers
    info.dataset.start, info.dataset.stop = worker * size, (worker + 1) * size


def uneven_range(worker):
    info = get_worker_info()
    info.dataset.start, info.dataset.stop = (0, 7) if worker == 0 else (10, 12)


class SlowFirst(Dataset):
    """The first of eight samples waits for the seventh, which a worker gets when three batches were received."""

    def __init__(self, folder):
        self.folder = folder

    def __len__(self):
        return 8

    def __getitem__(self, index):
        (self.folder / str(index)).touch()
        end = time.monotonic() + 60
        while index == 0 and not (self.folder / "6").exists() and time.monotonic() < end:
            time.sleep(0.01)
        return index


class NamedError(Exception):
    """An error that cannot be made from its message alone, as copies are."""

    def __init__(self, name, number):
        super().__init__(f"{name} has {number}")


class Failing(Dataset):
    """Raises at sample 5, in the way asked for."""

    def __init__(self, how, count=8):
        self.how, self.count = how, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index != 5:
            return index
        if self.how == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.how == "exit":
            os._exit(3)
        if self.how == "named":
            raise NamedError("sample", 5)
        if self.how == "hang":
            time.sleep(60)
        raise {"key": KeyError, "os": FileNotFoundError, "stop": StopIteration}[self.how](2, "no sample five")


def failing_init(worker):
    raise OSError(f"worker {worker} has no disk")


class NoBatch(Dataset):
    """Samples whose batch cannot be pickled."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return index


def unpicklable(samples):
    return lambda: samples


class OnlyThere:
    """Can be sent by a worker, but not received."""

    def __reduce__(self):
        return sys.modules["tests.worker_datasets"].there, (os.getpid(),)


def there(process):
    if os.getpid() != process:
        raise ValueError("no such thing here")


def not_for_the_caller(samples):
    return OnlyThere() if 1 in samples else samples


class NotHere(Dataset):
    """Can be sent, but not received."""

    def __len__(self):
        return 1

    def __reduce__(self):
        return sys.modules["tests.worker_datasets"].refuse, ()


def refuse():
    raise ImportError("no such module in a worker")


class Marked(Dataset):
    """Writes down which samples were fetched."""

    def __init__(self, folder, seconds=0.0):
        self.folder, self.seconds = folder, seconds

    def __len__(self):
        return 1000

    def __getitem__(self, index):
        (self.folder / str(index)).touch()
        time.sleep(self.seconds)
        return np.zeros(1000)


def plain(batch):
    """Return a batch as nested lists of numbers."""
    if isinstance(batch, dict):
        return {key: plain(value) for key, value in batch.items()}
    if isinstance(batch, (list, tuple)):
        return [plain(each) for each in batch]
    return batch.tolist() if isinstance(batch, torch.Tensor) else batch
