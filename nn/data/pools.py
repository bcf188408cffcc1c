"""Pools of workers in the caller's process: none at all, which fetches in the caller's thread, or threads."""

import threading
import time
import weakref
from collections import deque
from collections.abc import Mapping
from queue import Empty, SimpleQueue
from typing import Any

from nn.data.fetching import Epoch, Recipe, Reply, Task, source
from nn.data.workers import THREAD, Worker, leave_globals

PATIENCE = 5.0
"""Seconds a worker has to finish the sample it is at when its pool is closed; a process is ended then."""


class Pool:
    """Workers by number: messages go to one of them, and each answers its tasks in order.

    `owed` lists who owes replies, in the order in which tasks were handed out. `prefetch` is how many each may owe;
    0: a task is to be handed out only when its batch is asked for.
    """

    def __init__(self, workers: int, prefetch: int) -> None:
        self.workers, self.prefetch = workers, prefetch
        self.owed: deque[int] = deque()
        self.epoch = 0

    def begin(self, epochs: Mapping[int, Epoch]) -> int:
        """Drop what is still owed from an earlier epoch; start one in each of the workers named; return its number."""
        self.epoch += 1
        while self.owed:
            self.receive(0)
        for worker, epoch in epochs.items():
            self._send(worker, epoch)
        return self.epoch

    def put(self, worker: int, task: Task) -> None:
        """Hand a task out."""
        self._send(worker, task)
        self.owed.append(worker)

    def receive(self, timeout: float, in_order: bool = True) -> tuple[int, Reply]:
        """Wait for the first worker in line, or for any; return its number and reply.

        Raises:
            RuntimeError: a worker has died, or `timeout` seconds (0: no limit) have passed.
        """
        candidates = [self.owed[0]] if in_order else list(dict.fromkeys(self.owed))
        worker, reply = self._receive(candidates, timeout or None)
        self.owed.remove(worker)
        return worker, reply

    def close(self) -> None:
        """Leave no worker behind."""

    @property
    def closed(self) -> bool:
        """Whether the workers are gone."""
        return False

    def _send(self, worker: int, message: Epoch | Task) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _send")

    def _receive(self, workers: list[int], timeout: float | None) -> tuple[int, Reply]:
        raise NotImplementedError(f"{type(self).__name__} must define _receive")


def timed_out(timeout: float) -> RuntimeError:
    """Return the error of a worker that was waited for in vain."""
    return RuntimeError(f"DataLoader timed out after {timeout:g} seconds")


class Caller(Pool):
    """No workers: a batch is fetched when it is asked for, in the caller's thread."""

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(1, 0)
        self._source = source(recipe, leave_globals)
        self._tasks: deque[Task] = deque()

    def _send(self, worker: int, message: Epoch | Task) -> None:
        if isinstance(message, Epoch):
            self._tasks.clear()
            self._source.begin(message)
        else:
            self._tasks.append(message)

    def _receive(self, workers: list[int], timeout: float | None) -> tuple[int, Reply]:
        reply = self._fetch(self._tasks[0])
        self._tasks.popleft()  # not earlier: who interrupts it may ask again
        return 0, reply

    def _fetch(self, task: Task) -> Reply:
        try:
            return self._source(task)
        except StopIteration as error:
            wrong = RuntimeError("DataLoader: the dataset raised StopIteration when it was indexed")
            wrong.__cause__ = error
            return Reply(task.number, error=wrong)
        except Exception as error:
            return Reply(task.number, error=error)


class Threads(Pool):
    """Threads of this process: nothing is copied or pickled, and the dataset is shared by all of them."""

    def __init__(self, recipe: Recipe, workers: int, prefetch: int) -> None:
        super().__init__(workers, prefetch)
        self._inboxes: list[SimpleQueue[Any]] = [SimpleQueue() for _ in range(workers)]
        self._outbox: SimpleQueue[tuple[int, Reply]] = SimpleQueue()
        self._arrived: dict[int, deque[Reply]] = {worker: deque() for worker in range(workers)}
        closing = threading.Event()
        threads = []
        for number, inbox in enumerate(self._inboxes):
            worker = Worker(lambda: recipe, number, workers, THREAD)
            name = f"DataLoader worker {number}"
            arguments = (worker, number, inbox, self._outbox, closing)
            threads.append(threading.Thread(target=_serve, args=arguments, name=name, daemon=True))
        self._finalizer = weakref.finalize(self, _stop, threads, self._inboxes, closing)
        for thread in threads:
            thread.start()

    def close(self) -> None:
        self._finalizer()

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def _send(self, worker: int, message: Epoch | Task) -> None:
        self._inboxes[worker].put(message)

    def _receive(self, workers: list[int], timeout: float | None) -> tuple[int, Reply]:
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            for worker in workers:
                if self._arrived[worker]:
                    return worker, self._arrived[worker].popleft()
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                arrived, reply = self._outbox.get(timeout=left)
            except Empty:
                assert timeout is not None
                raise timed_out(timeout) from None
            self._arrived[arrived].append(reply)


def _serve(
    worker: Worker, number: int, inbox: "SimpleQueue[Any]", outbox: "SimpleQueue[Any]", closing: threading.Event
) -> None:
    """Answer messages until the pool is closed."""
    while (message := inbox.get()) is not None and not closing.is_set():
        if isinstance(message, Epoch):
            worker.begin(message)
        else:
            outbox.put((number, worker.fetch(message)))


def _stop(threads: list[threading.Thread], inboxes: "list[SimpleQueue[Any]]", closing: threading.Event) -> None:
    """Wake the threads and wait for their ends."""
    closing.set()
    for inbox in inboxes:
        inbox.put(None)
    for thread in threads:
        if thread.is_alive() and thread is not threading.current_thread():
            thread.join(PATIENCE)
