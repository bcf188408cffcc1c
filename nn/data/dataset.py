"""Datasets: maps from indices to samples, and iterables of samples."""

import math
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Generic, TypeVar

import numpy as np

from autograd.random import Generator, resolve
from autograd.tensor import Tensor

T_co = TypeVar("T_co", covariant=True)


class Dataset(Generic[T_co]):
    """A map from indices to samples; subclasses define `__getitem__`, and `__len__` where it is known.

    A subclass may define `__getitems__(indices)`, which returns the samples of a whole batch as a list.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: "Dataset[Any]") -> "ConcatDataset":
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """A stream of samples; subclasses define `__iter__`.

    With several workers each iterates over a copy of its own: `get_worker_info()` tells it which part is its share.
    Where the dataset or its iterator has `state_dict()` and `load_state_dict()`, a loader that resumes uses them;
    otherwise it skips what was yielded before.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__")

    def __add__(self, other: Dataset[Any]) -> "ChainDataset":  # type: ignore[override]  # as in PyTorch
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Samples that are rows of tensors: item i is `(tensors[0][i], tensors[1][i], ...)`."""

    def __init__(self, *tensors: Tensor) -> None:
        if not tensors:
            raise ValueError("TensorDataset: expected at least one tensor")
        sizes = [len(tensor) for tensor in tensors]
        if len(set(sizes)) > 1:
            raise AssertionError(f"Size mismatch between tensors: their first sizes are {sizes}")
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def batch(self, indices: np.ndarray) -> list[Tensor]:
        """Return the samples at `indices`, gathered with one NumPy call per tensor."""
        return [Tensor(tensor.array.take(indices, axis=0)) for tensor in self.tensors]

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Several datasets side by side: item i is the tuple, or for named datasets the dict, of their items i."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) == bool(kwargs):
            given = "both" if args else "none"
            raise ValueError(f"StackDataset: expected datasets either by position or by name, got {given}")
        self.datasets: Any = args or kwargs
        sizes = [len(dataset) for dataset in self._all()]
        if len(set(sizes)) > 1:
            raise ValueError(f"Size mismatch between datasets: their lengths are {sizes}")

    def _all(self) -> list[Any]:
        return list(self.datasets.values() if isinstance(self.datasets, dict) else self.datasets)

    def _together(self, items: Iterable[Any]) -> Any:
        if isinstance(self.datasets, dict):
            return dict(zip(self.datasets, items, strict=True))
        return tuple(items)

    def __getitem__(self, index: Any) -> Any:
        return self._together(dataset[index] for dataset in self._all())

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        columns = [samples(dataset, indices) for dataset in self._all()]
        for column in columns:
            if len(column) != len(indices):
                raise ValueError(
                    f"StackDataset: a dataset's __getitems__ returned {len(column)} samples, expected {len(indices)}"
                )
        return [self._together(items) for items in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return len(self._all()[0])


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            raise NotImplementedError(f"{kind.__name__} overrides __getitem__ but not __getitems__, which loaders call")

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getitems__(self, indices: Sequence[int]) -> list[Any]:
        return samples(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset[T_co]):
    """Several datasets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(dataset, IterableDataset) for dataset in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(len(dataset) for dataset in self.datasets))

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if index < -size:
            raise ValueError(f"ConcatDataset: absolute value of index {index} should not exceed dataset length {size}")
        if index >= size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        index %= size
        which = bisect_right(self.cumulative_sizes, index)
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


class ChainDataset(IterableDataset[T_co]):
    """Several iterable datasets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _checked(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError(f"ChainDataset only supports IterableDataset, got {type(dataset).__name__}")
            yield dataset

    def __iter__(self) -> Iterator[Any]:
        for dataset in self._checked():
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self._checked())


def samples(dataset: Any, indices: Sequence[int]) -> list[Any]:
    """Return the samples at `indices`, by `__getitems__` where the dataset has it."""
    together = getattr(dataset, "__getitems__", None)
    return together(indices) if together else [dataset[index] for index in indices]


def random_split(
    dataset: Any, lengths: Sequence[int] | Sequence[float], generator: Generator | None = None
) -> list[Subset[Any]]:
    """Split at random into parts of the given lengths, or fractions that sum to 1.

    A remainder that fractions leave goes one sample each to the first parts, as in PyTorch.
    """
    total = len(dataset)
    counts = _counts(total, list(lengths))
    if sum(counts) != total:
        raise ValueError(f"Sum of input lengths does not equal the length of the input dataset: {counts} and {total}")
    if not all(isinstance(n, (int, np.integer)) for n in counts):
        raise TypeError(f"random_split: expected whole lengths, or fractions that sum to 1, got {counts}")
    order = resolve(generator).numpy.permutation(total).tolist()
    ends = list(accumulate(counts))
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]


def _counts(total: int, sizes: list[Any]) -> list[Any]:
    """Return how many of `total` samples each part gets, for lengths or for fractions that sum to 1."""
    if not math.isclose(sum(sizes), 1):
        return sizes
    for i, n in enumerate(sizes):
        if not 0 <= n <= 1:
            raise ValueError(f"random_split: Fraction at index {i} is not between 0 and 1: {n}")
    counts = [math.floor(total * n) for n in sizes]
    for i in range(total - sum(counts)):
        counts[i % len(counts)] += 1
    for i, count in enumerate(counts):
        if count == 0:
            warnings.warn(f"Length of split at index {i} is 0. This might result in an empty dataset.", stacklevel=3)
    return counts
