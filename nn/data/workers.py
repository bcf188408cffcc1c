"""Workers: what they know of themselves, and what they do with the messages they receive.

Threads and processes run the same code; `threads` and `processes` carry the messages.
"""

import copy
import random
import traceback
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograd.random import Generator, drawing_from
from nn.data.fetching import Epoch, Recipe, Reply, Source, Task, source

PROCESS, THREAD = "multiprocessing", "thread"


@dataclass(frozen=True)
class WorkerInfo:
    """What a worker knows of itself.

    Attributes:
        id: its number, 0 to num_workers - 1.
        num_workers: how many there are.
        seed: its seed, the first epoch's plus its number.
        dataset: its own copy of the dataset; a shallow one in a thread.
        worker_method: "multiprocessing" or "thread".
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any
    worker_method: str = "multiprocessing"


_info: ContextVar[WorkerInfo | None] = ContextVar("_info", default=None)


def get_worker_info() -> WorkerInfo | None:
    """Return what the current worker knows of itself, or None outside workers."""
    return _info.get()


class Worker:
    """Answers messages: an epoch starts the source of batches, a task has a reply.

    What fails is a reply, too: an error with a note that names the worker and holds the traceback's text.

    Args:
        recipe: returns the recipe; called when the first epoch starts, so that its errors are replies.
        method: `PROCESS` or `THREAD`.
    """

    def __init__(self, recipe: Callable[[], Recipe], number: int, count: int, method: str) -> None:
        self._recipe = recipe
        self._number, self._count, self._method = number, count, method
        self._seed_globals = seed_globals if method == PROCESS else leave_globals
        self._source: Source | None = None
        self._failure: BaseException | None = None

    def begin(self, epoch: Epoch) -> None:
        """Start an epoch; an error is the reply to its first task."""
        self._failure = None
        try:
            self._begin(epoch)
        except BaseException as error:
            self._failure = self._named(error)

    def fetch(self, task: Task) -> Reply:
        """Return the reply to a task."""
        if self._failure is not None:
            failure, self._failure = self._failure, RuntimeError("DataLoader: this worker's epoch did not begin")
            return Reply(task.number, error=failure)
        assert self._source is not None
        try:
            return self._source(task)
        except BaseException as error:
            return Reply(task.number, error=self._named(error))

    def _begin(self, epoch: Epoch) -> None:
        if self._source is None:
            recipe = self._recipe()
            if self._method == THREAD:
                recipe = replace(recipe, dataset=copy.copy(recipe.dataset))
            self._initialise(recipe, (epoch.seed + self._number) % 2**64)
            self._source = source(recipe, self._seed_globals, self._number, self._count)
        self._source.begin(epoch)

    def _initialise(self, recipe: Recipe, seed: int) -> None:
        _info.set(WorkerInfo(self._number, self._count, seed, recipe.dataset, self._method))
        self._seed_globals(seed)
        with drawing_from(Generator().manual_seed(seed)):
            if recipe.worker_init_fn is not None:
                recipe.worker_init_fn(self._number)

    def _named(self, error: BaseException) -> BaseException:
        text = "".join(traceback.format_exception(error))
        kind = "process" if self._method == PROCESS else "thread"
        if isinstance(error, StopIteration):  # would end the caller's loop
            error = RuntimeError("StopIteration was raised by a dataset that is indexed")
        error.add_note(f"Caught {type(error).__name__} in DataLoader worker {kind} {self._number}.\nOriginal {text}")
        return error


def seed_globals(seed: int) -> None:
    """Start Python's and NumPy's global random numbers, in a process that is a worker's alone."""
    random.seed(seed)
    np.random.seed(seed % 2**32)


def leave_globals(seed: int) -> None:
    """Leave Python's and NumPy's global random numbers to the program whose process this is."""
