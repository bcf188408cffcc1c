"""Fetching: a task becomes a batch. The same code runs in the caller, in worker threads and in worker processes.

Random numbers: each batch draws from a stream of its own. Stream k is PCG64 from the epoch's seed, advanced by k 2⁶⁴
numbers. So what a dataset draws depends on the epoch and the batch alone: not on how many workers there are or of which
kind, nor on whether the epoch was resumed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from autograd.random import Generator, drawing_from
from nn.data.collate import default_collate
from nn.data.dataset import Subset, TensorDataset, samples
from nn.data.datasets.images import ImageDataset


@dataclass(frozen=True)
class Recipe:
    """How batches are made, as it is sent to workers.

    Args:
        batched: whether a task is a list of samples, which are collated, or one sample.
        iterable: whether the dataset is iterated rather than indexed.
        batch_size, drop_last: for iterables; other batches are put together by a sampler.
        batch_transform: what a batch is changed by at the end, or None.
    """

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batched: bool
    iterable: bool
    batch_size: int | None
    drop_last: bool
    worker_init_fn: Callable[[int], Any] | None
    batch_transform: Callable[..., Any] | None = None

    def finish(self, batch: Any) -> Any:
        """Return the batch transformed; the entries of a tuple or list are the transform's arguments."""
        if self.batch_transform is None:
            return batch
        if type(batch) not in (tuple, list):
            return self.batch_transform(batch)
        result = self.batch_transform(*batch)
        return type(batch)(result) if type(result) in (tuple, list) else result


class Epoch(NamedTuple):
    """Starts an epoch: its seed, and for an iterable that resumes the batches it has yielded and its state then."""

    seed: int
    yielded: int = 0
    state: Any = None


class Task(NamedTuple):
    """A batch to fetch: its number in the epoch, and the index or indices, None for an iterable's next."""

    number: int
    indices: Any


class Reply(NamedTuple):
    """What became of a task: a batch and perhaps the iterable's state behind it, its end, or an error."""

    number: int
    data: Any = None
    state: Any = None
    ended: bool = False
    error: BaseException | None = None


class Streams:
    """The random numbers of an epoch, as separate streams."""

    def __init__(self, seed: int) -> None:
        self._generator = Generator().manual_seed(seed)
        self._start = self._generator.numpy.bit_generator.state

    def __call__(self, k: int) -> Generator:
        """Return a generator at the start of stream k; it is the same object each time."""
        bits = self._generator.numpy.bit_generator
        bits.state = self._start
        bits.advance(k << 64)  # type: ignore[attr-defined]  # PCG64 has it
        return self._generator


class MapSource:
    """Batches of a dataset that is indexed.

    A dataset of tensors or of images in memory, or a `Subset` of one, that is collated by default is sliced: one gather
    per tensor and batch.
    """

    def __init__(self, recipe: Recipe, seed_globals: Callable[[int], None]) -> None:
        self._recipe = recipe
        self._seed_globals = seed_globals
        self._sliced = _slicer(recipe)

    def begin(self, epoch: Epoch) -> None:
        """Start an epoch."""
        self._streams = Streams(epoch.seed)

    def __call__(self, task: Task) -> Reply:
        """Fetch the batch of a task."""
        recipe = self._recipe
        if self._sliced is not None and recipe.batch_transform is None:
            return Reply(task.number, self._sliced(task.indices))
        stream = self._streams(task.number + 1)  # stream 0 is the sampler's
        self._seed_globals(stream.key())
        with drawing_from(stream):
            return Reply(task.number, recipe.finish(self._collated(task.indices)))

    def _collated(self, indices: Any) -> Any:
        if self._sliced is not None:
            return self._sliced(indices)
        dataset, collate = self._recipe.dataset, self._recipe.collate_fn
        return collate(samples(dataset, indices) if self._recipe.batched else dataset[indices])


def _slicer(recipe: Recipe) -> Callable[[Any], Any] | None:
    """Return a function from indices to a batch that is gathered at once, where the dataset allows it."""
    dataset = recipe.dataset
    subsets: list[Any] = []
    while type(dataset) is Subset:
        subsets.append(dataset.indices)
        dataset = dataset.dataset
    if recipe.collate_fn is not default_collate or not recipe.batched or not _is_sliceable(dataset):
        return None
    if not subsets:
        return lambda indices: dataset.batch(np.asarray(indices))
    chosen = np.asarray(subsets.pop(), dtype=np.intp)
    while subsets:
        chosen = chosen[np.asarray(subsets.pop(), dtype=np.intp)]
    return lambda indices: dataset.batch(chosen[np.asarray(indices)])


def _is_sliceable(dataset: Any) -> bool:
    if isinstance(dataset, ImageDataset):
        return dataset.sliceable
    return type(dataset) is TensorDataset and not any(tensor.requires_grad for tensor in dataset.tensors)


class IterableSource:
    """Batches of a dataset that is iterated; worker w of W draws for its batch j from stream 1 + (j + 1) W + w."""

    def __init__(self, recipe: Recipe, seed_globals: Callable[[int], None], worker: int, workers: int) -> None:
        self._recipe = recipe
        self._seed_globals = seed_globals
        self._worker, self._workers = worker, workers

    def begin(self, epoch: Epoch) -> None:
        """Start an epoch, or go on where it was."""
        self._streams = Streams(epoch.seed)
        self._ended = False
        with drawing_from(self._stream(-1)):
            self._iterator = iter(self._recipe.dataset)
            if epoch.state is not None:
                self._restore(epoch.state)
        if epoch.state is None:
            for number in range(epoch.yielded):
                with drawing_from(self._stream(number)):
                    self._next()

    def _stream(self, number: int) -> Generator:
        """Return the stream of a batch, behind the key that Python's and NumPy's random numbers are started from."""
        stream = self._streams(1 + (number + 1) * self._workers + self._worker)
        self._seed_globals(stream.key())
        return stream

    def _restore(self, state: Any) -> None:
        if hasattr(self._iterator, "load_state_dict"):
            self._iterator.load_state_dict(state)
        else:
            self._recipe.dataset.load_state_dict(state)
            self._iterator = iter(self._recipe.dataset)

    def _next(self) -> list[Any]:
        """Return the samples of the next batch; none at the end."""
        size = self._recipe.batch_size or 1
        batch: list[Any] = []
        while len(batch) < size and not self._ended:
            try:
                batch.append(next(self._iterator))  # not islice, which calls iter(): it may begin anew
            except StopIteration:
                self._ended = True
        return [] if self._ended and self._recipe.drop_last else batch

    def __call__(self, task: Task) -> Reply:
        """Fetch the next batch."""
        with drawing_from(self._stream(task.number)):
            batch = self._next()
            if not batch:
                return Reply(task.number, ended=True)
            data = self._recipe.finish(self._recipe.collate_fn(batch if self._recipe.batched else batch[0]))
        stateful = self._iterator if hasattr(self._iterator, "state_dict") else self._recipe.dataset
        return Reply(task.number, data, stateful.state_dict() if hasattr(stateful, "state_dict") else None)


Source = MapSource | IterableSource


def source(recipe: Recipe, seed_globals: Callable[[int], None], worker: int = 0, workers: int = 1) -> Source:
    """Return what fetches the batches of a recipe in one of several workers; `seed_globals` gets a key for each."""
    return IterableSource(recipe, seed_globals, worker, workers) if recipe.iterable else MapSource(recipe, seed_globals)
