"""DataLoader: samples in batches."""

import warnings
from collections.abc import Callable, Iterable
from typing import Any

from autograd.random import Generator, resolve
from nn.data.collate import default_collate, default_convert
from nn.data.dataset import IterableDataset
from nn.data.fetching import Recipe
from nn.data.iterator import LoaderIterator
from nn.data.loader_arguments import check_arguments, check_state, context_of
from nn.data.pools import Caller, Pool, Threads
from nn.data.position import Position, restore_samplers, sampler_states
from nn.data.sampler import BatchSampler, RandomSampler, SequentialSampler

FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class DataLoader:
    """Iterate over a dataset in batches.

    A `TensorDataset` (or a `Subset` of one) is sliced: one gather per tensor and batch; so are images in memory that no
    transform changes. Of other datasets the samples are collected, by `__getitems__` where the dataset has it, and
    stacked by `collate_fn`.

    Workers. `workers="processes"` have a copy of the dataset each, as PyTorch's: Python code runs in parallel, and
    `random` and `numpy.random` are the worker's own. What they are given must be picklable, and a script must start
    them below `if __name__ == "__main__":`. `workers="threads"` start at once and copy nothing, but only code that lets
    go of the GIL runs in parallel, and the dataset must stand being used by several threads: where two of them seek in
    one file and read from it, one may get the other's bytes, without an error. So they are not the default. Batches
    that Python code parsed took 16.4 ms without workers, 15.9 with two threads and 8.1 with two processes; images that
    NumPy normalised 11.4, 8.2 and 8.9 ms.

    Random numbers. An epoch has one seed, drawn from `generator` when the epoch begins; its order follows from it, and
    so do the numbers that a dataset draws from this library, for which each batch has a stream of its own. Of a dataset
    that is indexed they are the same for any number and kind of workers. In worker processes `random` and
    `numpy.random` are started from the same stream at each batch; elsewhere they are the program's.

    Resuming. `state_dict()` is the position behind the last batch that was yielded, in a form that `autograd.save`
    takes; a loader that loads it goes on with exactly the batches that would have come. The orders of later epochs
    follow from `generator`, whose state is part of it; without one, from the default generator: save
    `autograd.get_rng_state()`, too.

    Args:
        batch_size: samples in a batch; None: samples are yielded as they are, converted by `collate_fn`.
        shuffle: draw a new order at each epoch.
        sampler: an iterable of indices, in place of `shuffle`.
        batch_sampler: an iterable of lists of indices, in place of `batch_size`, `shuffle`, `sampler` and `drop_last`.
        num_workers: how many workers fetch batches ahead; 0: batches are fetched where they are asked for.
        collate_fn: makes a batch of a list of samples; default `default_collate`, or `default_convert` of one sample.
        pin_memory: as in PyTorch on a CPU, warns that there is no device to pin memory for.
        drop_last: leave out a last batch that is not full.
        timeout: seconds to wait for a worker's batch; 0: no limit.
        worker_init_fn: called in each worker with its number.
        multiprocessing_context: start method of worker processes, or a context; default "forkserver".
        generator: where epochs' seeds are drawn from; default: the library's own.
        prefetch_factor: batches each worker may be ahead, default 2; they bound the memory used.
        persistent_workers: keep the workers, and their copies of the dataset, from epoch to epoch.
        in_order: yield batches in the sampler's order; if not, as they come.
        workers: "processes" or "threads".
        batch_transform: called with each batch before it is yielded, where it was fetched: with images and labels if
            these are its entries. A transform of `nn.data.transforms` draws anew for each image.
    """

    _ready = False

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[Any], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        in_order: bool = True,
        workers: str = "processes",
        batch_transform: Callable[..., Any] | None = None,
    ) -> None:
        check_arguments(locals())
        self.multiprocessing_context = context_of(multiprocessing_context, num_workers, workers)
        self.dataset = dataset
        self.num_workers, self.workers = num_workers, workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.timeout, self.worker_init_fn, self.in_order = timeout, worker_init_fn, in_order
        self.pin_memory, self.generator = pin_memory, generator
        self.batch_transform = batch_transform
        self._iterable = isinstance(dataset, IterableDataset)
        if sampler is None and not self._iterable:
            sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None and not self._iterable:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)  # type: ignore[arg-type]  # it was just made
        self.batch_size, self.drop_last = batch_size, drop_last
        self.sampler, self.batch_sampler = sampler, batch_sampler
        self._batched = batch_size is not None or batch_sampler is not None
        self.collate_fn = collate_fn or (default_collate if self._batched else default_convert)
        self._position: Position | None = None
        self._resumes = False
        self._pool: Pool | None = None
        self._ready = True

    def __setattr__(self, name: str, value: Any) -> None:
        if self._ready and name in FIXED:
            raise ValueError(f"{name} attribute should not be set after {type(self).__name__} is initialized")
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if not self._iterable:
            return len(self._index_sampler)
        count = len(self.dataset)
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __iter__(self) -> LoaderIterator:
        if self.pin_memory:
            warnings.warn(
                "'pin_memory' argument is set as true but no accelerator is found, then device pinned memory won't be "
                "used.",
                stacklevel=2,
            )
        position = self._next_position()
        iterator = LoaderIterator(
            self._workers_for_epoch(),
            position,
            None if self._iterable else self._index_sampler,
            timeout=self.timeout,
            in_order=self.in_order,
            close_pool=not self.persistent_workers,
        )
        self._position, self._resumes = position, False
        return iterator

    def _next_position(self) -> Position:
        """Return where the next iterator starts: where a loaded state says, else at a new epoch's beginning."""
        if self._resumes and self._position is not None:
            position = Position.from_state(self._position.state_dict())  # the state may be resumed from again
            restore_samplers(self._samplers(), position.samplers)
            return position
        return Position(resolve(self.generator).key(), sampler_states(self._samplers()))

    def _samplers(self) -> list[Any]:
        """Return the samplers that may have a state."""
        if self._iterable:
            return []
        return [self.sampler, self.batch_sampler, getattr(self.batch_sampler, "sampler", None)]

    def _workers_for_epoch(self) -> Pool:
        if not self.persistent_workers:
            return self._new_pool()
        if self._pool is None or self._pool.closed:
            self._pool = self._new_pool()
        return self._pool

    def _new_pool(self) -> Pool:
        recipe = Recipe(
            self.dataset,
            self.collate_fn,
            self._batched,
            self._iterable,
            self.batch_size,
            self.drop_last,
            self.worker_init_fn,
            self.batch_transform,
        )
        if not self.num_workers:
            return Caller(recipe)
        if self.workers == "threads":
            return Threads(recipe, self.num_workers, self.prefetch_factor or 1)
        from nn.data.processes import Processes, default_context  # here: multiprocessing is slow to import

        context = self.multiprocessing_context or default_context()
        return Processes(recipe, self.num_workers, self.prefetch_factor or 1, context)

    def state_dict(self) -> dict[str, Any]:
        """Return the position behind the last batch yielded by the newest iterator, and the generator's state."""
        position = None if self._position is None or self._position.finished else self._position.state_dict()
        generator = None if self.generator is None else self.generator.get_state()
        return {
            "position": position,
            "generator": generator,
            "batch_size": self.batch_size,
            "num_workers": self.num_workers,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Let the next iterator go on from a position that `state_dict` returned.

        Raises:
            ValueError: the state is another kind of loader's.
        """
        check_state(self, state_dict)
        position = state_dict["position"]
        self._position = None if position is None else Position.from_state(position)
        self._resumes = True
        if self.generator is not None and state_dict["generator"] is not None:
            self.generator.set_state(state_dict["generator"])
