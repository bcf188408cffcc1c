"""Whether this library's `data` and PyTorch's do the same."""

import warnings

import pytest

import autograd
import nn.data as ours

torch = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'")
theirs = torch.utils.data


def plain(value):
    if isinstance(value, (autograd.Tensor, torch.Tensor)):
        return [str(value.dtype).rpartition(".")[2], tuple(value.shape), value.tolist()]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(*map(plain, value)) if hasattr(value, "_fields") else type(value)(map(plain, value))
    return value


def outcome(function):
    """Return what a function returns, or the type of what it raises."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return plain(function()), [(each.category, str(each.message)) for each in caught]
    except Exception as error:
        return type(error)


def agree(function):
    """Assert that both libraries give the same: `function` is called with (data module, tensor function)."""
    expected = outcome(lambda: function(theirs, torch.tensor))
    assert outcome(lambda: function(ours, autograd.tensor)) == expected
    return expected


class TheirCount(theirs.IterableDataset):
    def __iter__(self):
        return iter(range(3))

    def __len__(self):
        return 3


class OurCount(ours.IterableDataset):
    __iter__, __len__ = TheirCount.__iter__, TheirCount.__len__


def count_of(data):
    return (TheirCount if data is theirs else OurCount)()


class Restarting:
    """Iterates over itself from 1 to `count`; begins again whenever `iter` is called, and when it is asked once more."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        self.at = 0
        return self

    def __next__(self):
        self.at = (self.at + 1) % (self.count + 1)
        if self.at == 0:
            raise StopIteration
        return self.at
