"""DataLoader: samples in batches."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from autograd.random import Generator, resolve
from autograd.tensor import Tensor
from nn.data.dataset import Subset, TensorDataset


class DataLoader:
    """Iterate over a dataset in batches.

    A `TensorDataset` (or a `Subset` of one) is sliced: one gather per tensor and batch. Of other datasets the samples
    are collected one by one and stacked by `collate_fn`.

    Args:
        shuffle: draw a new order at each epoch, from `generator` (default: the library's own).
        sampler: an iterable of indices, in place of `shuffle`.
        batch_sampler: an iterable of lists of indices, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        drop_last: leave out a last batch that is not full.
    """

    def __init__(
        self,
        dataset: Any,
        batch_size: int = 1,
        shuffle: bool = False,
        sampler: Iterable[int] | None = None,
        batch_sampler: Iterable[Sequence[int]] | None = None,
        *,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        drop_last: bool = False,
        generator: Generator | None = None,
    ) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"DataLoader: batch_size should be a positive integer value, but got {batch_size!r}")
        if shuffle and sampler is not None:
            raise ValueError("DataLoader: sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None and (batch_size != 1 or shuffle or sampler is not None or drop_last):
            raise ValueError(
                "DataLoader: batch_sampler option is mutually exclusive with batch_size, shuffle, sampler and drop_last"
            )
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.collate_fn = collate_fn
        self.drop_last = drop_last
        self.generator = generator

    def __len__(self) -> int:
        if self.batch_sampler is not None:
            return len(self.batch_sampler)  # type: ignore[arg-type]  # as PyTorch: the sampler's own error if it has none
        count = len(self.dataset if self.sampler is None else self.sampler)  # type: ignore[arg-type]
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        fetch = self._fetcher()
        for indices in self._batches():
            yield fetch(indices)

    def _batches(self) -> Iterator[Sequence[int] | np.ndarray]:
        if self.batch_sampler is not None:
            yield from self.batch_sampler
            return
        if self.sampler is not None:
            order = np.fromiter(self.sampler, dtype=np.intp)
        elif self.shuffle:
            order = resolve(self.generator).numpy.permutation(len(self.dataset))
        else:
            order = np.arange(len(self.dataset))
        end = len(order) - len(order) % self.batch_size if self.drop_last else len(order)
        for start in range(0, end, self.batch_size):
            yield order[start : min(start + self.batch_size, end)]

    def _fetcher(self) -> Callable[[Any], Any]:
        """Return the function from indices to a batch."""
        dataset, chosen = self.dataset, None
        while isinstance(dataset, Subset):
            indices = np.asarray(dataset.indices, dtype=np.intp)
            chosen = indices if chosen is None else indices[chosen]
            dataset = dataset.dataset
        if self.collate_fn is None and type(dataset) is TensorDataset:
            if chosen is None:
                return lambda indices: list(dataset.batch(np.asarray(indices)))
            return lambda indices: list(dataset.batch(chosen[np.asarray(indices)]))
        collate = self.collate_fn or default_collate
        return lambda indices: collate([self.dataset[int(i)] for i in indices])


def default_collate(samples: list[Any]) -> Any:
    """Stack samples along a new first axis: tensors, arrays and numbers; tuples, lists and dicts of them per entry."""
    first = samples[0]
    if isinstance(first, Tensor):
        return Tensor(np.stack([sample.array for sample in samples]))
    if isinstance(first, (np.ndarray, np.generic)):
        return Tensor(np.stack(samples))
    if isinstance(first, float):
        return Tensor(np.array(samples, dtype=np.float64))
    if isinstance(first, (bool, int)):
        return Tensor(np.array(samples))
    if isinstance(first, (str, bytes)):
        return samples
    if isinstance(first, Mapping):
        return {key: default_collate([sample[key] for sample in samples]) for key in first}
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*(default_collate(list(each)) for each in zip(*samples, strict=True)))
    if isinstance(first, (tuple, list)):
        sizes = {len(sample) for sample in samples}
        if len(sizes) > 1:
            raise RuntimeError("each element in list of batch should be of equal size")
        return [default_collate(list(each)) for each in zip(*samples, strict=True)]
    raise TypeError(
        f"default_collate: batch must contain tensors, arrays, numbers, dicts or lists; found {type(first)}"
    )
