"""One pass over a loader: tasks are handed out ahead of the batches that are asked for."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import count, islice
from typing import Any

from autograd.random import drawing_from
from nn.data.fetching import Epoch, Reply, Streams, Task
from nn.data.pools import Pool
from nn.data.position import Position


class LoaderIterator:
    """The batches of an epoch from a position on, which it moves.

    Each worker owes at most `pool.prefetch` batches, those that have arrived included. In order, workers are asked by
    turns; out of order, whoever is first is heard first and gets the next task. Tasks are handed out where a batch is
    taken and nowhere else, so an order does not depend on who is fast.

    Args:
        indices: of each batch, from the epoch's start; None for an iterable dataset.
    """

    def __init__(
        self,
        pool: Pool,
        position: Position,
        indices: Iterable[Any] | None,
        *,
        timeout: float,
        in_order: bool,
        close_pool: bool,
    ) -> None:
        self._pool, self._position, self._close_pool = pool, position, close_pool
        self._timeout, self._in_order = timeout, in_order
        self._turns = deque(range(pool.workers))  # the workers that have not ended, the next one first
        self._numbered: Iterator[tuple[int, Any]] | None = None
        if indices is None:
            epochs = self._begin_shares()
        else:
            self._turns.rotate(-position.yielded)
            self._stream = Streams(position.seed)(0)
            self._numbered = self._not_yielded(indices)
            epochs = {worker: Epoch(position.seed) for worker in self._turns}
        self._epoch = pool.begin(epochs)

    def _begin_shares(self) -> dict[int, Epoch]:
        """Return how each worker starts its share of an iterable dataset."""
        position = self._position
        if position.shares:
            self._turns = deque(position.turns)
        else:
            position.shares = [(0, None)] * self._pool.workers
            position.turns = list(self._turns)
        self._handed = [yielded for yielded, _ in position.shares]
        return {worker: Epoch(position.seed, *position.shares[worker]) for worker in self._turns}

    def _not_yielded(self, indices: Iterable[Any]) -> Iterator[tuple[int, Any]]:
        """Return the numbered indices of the batches that are left."""
        yielded, ahead = self._position.yielded, frozenset(self._position.ahead)
        with drawing_from(self._stream):
            numbered = islice(zip(count(), indices), yielded, None)  # one of them has no end
        return (each for each in numbered if each[0] not in ahead)

    def __iter__(self) -> "LoaderIterator":
        return self

    def __next__(self) -> Any:
        self._check_pool()
        self._hand_out()
        while self._pool.owed:
            worker, reply = self._pool.receive(self._timeout, self._in_order)
            if reply.ended:
                if worker in self._turns:
                    self._turns.remove(worker)
                self._hand_out()
                continue
            if self._pool.prefetch:
                self._hand_out()
            self._note(worker, reply)
            if reply.error is not None:
                raise reply.error
            return reply.data
        self._finish()
        raise StopIteration

    def _check_pool(self) -> None:
        if self._position.finished:
            raise StopIteration
        if self._pool.closed:
            raise RuntimeError("DataLoader: the workers of this iterator are gone")
        if self._pool.epoch != self._epoch:
            raise RuntimeError("DataLoader: with persistent_workers, a newer iterator has taken this one's workers")

    def _hand_out(self) -> None:
        """Give out tasks until every worker owes what it may."""
        owed = self._pool.owed
        while len(owed) < max(self._pool.prefetch, 1) * len(self._turns):
            worker = self._turns[0] if self._in_order else min(self._turns, key=owed.count)
            task = self._next_task(worker)
            if task is None:
                return
            self._pool.put(worker, task)
            self._turns.rotate(-1)

    def _next_task(self, worker: int) -> Task | None:
        if self._numbered is None:
            self._handed[worker] += 1
            return Task(self._handed[worker] - 1, None)
        with drawing_from(self._stream):
            numbered = next(self._numbered, None)
        return None if numbered is None else Task(*numbered)

    def _note(self, worker: int, reply: Reply) -> None:
        """Move the position behind a reply."""
        if self._numbered is not None:
            self._position.note(reply.number)
        elif reply.error is None:
            self._position.shares[worker] = (reply.number + 1, reply.state)
            waiting = dict.fromkeys([*self._pool.owed, *self._turns])
            self._position.turns = [each for each in waiting if each in self._turns]

    def _finish(self) -> None:
        self._position.finished = True
        if self._close_pool:
            self._pool.close()
