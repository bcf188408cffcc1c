"""Datasets: anything with a length and items."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from autograd.random import Generator, resolve
from autograd.tensor import Tensor


class Dataset:
    """A map from indices to samples; subclasses define `__getitem__` and `__len__`."""

    def __getitem__(self, index: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__")

    def __add__(self, other: "Dataset") -> "ConcatDataset":
        return ConcatDataset([self, other])


class TensorDataset(Dataset):
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

    def batch(self, indices: np.ndarray) -> tuple[Tensor, ...]:
        """Return the samples at `indices`, gathered with one NumPy call per tensor."""
        return tuple(Tensor(tensor.array.take(indices, axis=0)) for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class Subset(Dataset):
    """The samples of `dataset` at `indices`."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __len__(self) -> int:
        return len(self.indices)


class ConcatDataset(Dataset):
    """Several datasets, one after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        self.cumulative_sizes = np.cumsum([len(d) for d in self.datasets]).tolist()

    def __getitem__(self, index: int) -> Any:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"ConcatDataset: index {index} is out of range for {size} samples")
        index %= size
        which = int(np.searchsorted(self.cumulative_sizes, index, side="right"))
        return self.datasets[which][index - (self.cumulative_sizes[which - 1] if which else 0)]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]


def random_split(
    dataset: Any, lengths: Sequence[int] | Sequence[float], generator: Generator | None = None
) -> list[Subset]:
    """Split at random into parts of the given lengths, or fractions that sum to 1.

    A remainder that fractions leave goes one sample each to the first parts, as in PyTorch.
    """
    total = len(dataset)
    sizes = list(lengths)
    if any(isinstance(n, float) for n in sizes) and np.isclose(sum(sizes), 1) and sum(sizes) <= 1 + 1e-9:
        if any(not 0 <= n <= 1 for n in sizes):
            raise ValueError(f"random_split: fractions must lie in [0, 1], got {sizes}")
        counts = [int(np.floor(total * n)) for n in sizes]
        for i in range(total - sum(counts)):
            counts[i % len(counts)] += 1
    else:
        counts = [int(n) for n in sizes]
    if sum(counts) != total:
        raise ValueError(f"Sum of input lengths does not equal the length of the input dataset: {counts} and {total}")
    order = resolve(generator).numpy.permutation(total).tolist()
    ends = np.cumsum(counts).tolist()
    return [Subset(dataset, order[end - count : end]) for end, count in zip(ends, counts, strict=True)]
