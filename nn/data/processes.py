"""A pool of worker processes.

They are forked from a server that runs nothing else (`forkserver`, unless the loader is given another start method): a
copy of a process whose kernels have started threads would find those threads, and the locks they held, gone.
A worker ends when its connection does, so it outlives neither the pool nor a caller that was killed.
"""

import os
import pickle
import signal
import weakref
from multiprocessing import get_context, reduction
from multiprocessing.connection import Connection, wait
from typing import Any

from nn.data.fetching import Epoch, Recipe, Reply, Task
from nn.data.pools import PATIENCE, Pool, timed_out
from nn.data.slots import Receiver, Sender
from nn.data.workers import PROCESS, Worker
from ops.lazy_kernels import set_num_threads

PRELOADED = ["nn.data.processes", "ops.kernels.threads"]
"""What the server imports once for all workers; the last brings numba, and starts no thread."""

LOST = (EOFError, ConnectionError)


def default_context() -> Any:
    """Return the context of workers that are forked from a server."""
    context = get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)  # no effect on a server that runs already
    return context


class Processes(Pool):
    """Worker processes, each with its own copy of the dataset; batches come back through shared memory."""

    def __init__(self, recipe: Recipe, workers: int, prefetch: int, context: Any) -> None:
        super().__init__(workers, prefetch)
        self._forked = context.get_start_method() == "fork"
        pickled = None if self._forked else _pickled(recipe)
        self._processes: list[Any] = []
        self._connections: list[Connection] = []
        self._finalizer = weakref.finalize(self, _stop, self._processes, self._connections, os.getpid())
        try:
            for number in range(workers):
                self._start(context, number, prefetch, recipe if self._forked else None)
            for number in range(workers if pickled else 0):
                self._send_bytes(number, pickled)
        except BaseException:
            self.close()
            raise
        self._receivers = [Receiver(connection) for connection in self._connections]
        self._heard: set[int] = set()

    def _start(self, context: Any, number: int, prefetch: int, recipe: Recipe | None) -> None:
        ours, theirs = context.Pipe()
        self._connections.append(ours)
        inherited = tuple(self._connections) if self._forked else ()
        arguments = (theirs, inherited, number, self.workers, prefetch, recipe)
        process = context.Process(target=_main, args=arguments, name=f"DataLoader worker {number}", daemon=True)
        process.start()
        theirs.close()
        self._processes.append(process)

    def close(self) -> None:
        self._finalizer()

    @property
    def closed(self) -> bool:
        return not self._finalizer.alive

    def _send(self, worker: int, message: Epoch | Task) -> None:
        self._send_bytes(worker, pickle.dumps(message))

    def _send_bytes(self, worker: int, message: Any) -> None:
        try:
            self._connections[worker].send_bytes(message)
        except LOST:
            raise self._death(worker) from None

    def _receive(self, workers: list[int], timeout: float | None) -> tuple[int, Reply]:
        ends: dict[Any, int] = {self._connections[worker]: worker for worker in workers}
        ends |= {self._processes[worker].sentinel: worker for worker in workers}
        ready = wait(ends, timeout)
        if not ready:
            assert timeout is not None
            raise timed_out(timeout)
        worker = ends[ready[0]]
        try:
            if ready[0] is not self._connections[worker] and not self._connections[worker].poll():
                raise EOFError
            reply = self._receivers[worker].receive()
        except LOST:
            raise self._death(worker) from None
        except BaseException:  # half a reply was read, or one that cannot be made here: what follows it is another's
            self.close()
            raise
        self._heard.add(worker)
        return worker, reply

    def _death(self, worker: int) -> RuntimeError:
        """Close the pool; return the error that tells how a worker ended."""
        process = self._processes[worker]
        process.join(PATIENCE)
        who, code = f"DataLoader worker process {worker} (pid {process.pid})", process.exitcode
        started = self._forked or worker in getattr(self, "_heard", ())
        self.close()
        if code is not None and code < 0:
            return RuntimeError(f"{who} was killed by {signal.Signals(-code).name}")
        hint = (
            "" if started else "; a script that starts worker processes must do so below `if __name__ == '__main__':`"
        )
        return RuntimeError(f"{who} exited unexpectedly with exit code {code}{hint}")


def _pickled(recipe: Recipe) -> bytes:
    """Return the recipe's bytes; an error says which part of it cannot be sent."""
    try:
        return bytes(reduction.ForkingPickler.dumps(recipe))
    except Exception as error:
        wrong = [name for name, part in vars(recipe).items() if not _picklable(part)]
        raise pickle.PicklingError(
            f"DataLoader: {' and '.join(wrong)} cannot be sent to worker processes: {error}; define it at the top "
            "level of a module, or choose workers='threads', which need no copies"
        ) from error


def _unpickled(recipe: bytes) -> Recipe:
    try:
        return pickle.loads(recipe)
    except Exception as error:
        error.add_note(
            "DataLoader: what was sent to a worker process could not be made there; define what it uses in a module "
            "that it can import, or choose workers='threads', which need no copies"
        )
        raise


def _picklable(value: Any) -> bool:
    try:
        reduction.ForkingPickler.dumps(value)
    except Exception:
        return False
    return True


def _stop(processes: list[Any], connections: list[Connection], owner: int) -> None:
    """Hang up, and wait for the workers' ends; those who do not hear are ended."""
    if os.getpid() != owner:  # a copy of the caller, forked by somebody else
        return
    for connection in connections:
        connection.close()
    for process in processes:
        process.join(PATIENCE)
        for end in (process.terminate, process.kill):
            if process.is_alive():
                end()
                process.join(PATIENCE)


def _main(
    connection: Connection,
    inherited: tuple[Connection, ...],
    number: int,
    count: int,
    prefetch: int,
    recipe: Recipe | None,
) -> None:
    """Run a worker until its caller hangs up; the caller's ends, `inherited` by a fork, keep it from hearing that."""
    for end in inherited:
        end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the caller's, who then hangs up
    set_num_threads(1)
    try:
        pickled = connection.recv_bytes() if recipe is None else b""
        worker = Worker(lambda: recipe or _unpickled(pickled), number, count, PROCESS)
        sender = Sender(connection, prefetch)
        while True:
            message = pickle.loads(connection.recv_bytes())
            if isinstance(message, Epoch):
                worker.begin(message)
            else:
                _reply(sender, worker.fetch(message))
    except LOST:
        return


def _reply(sender: Sender, reply: Reply) -> None:
    """Send a reply, or the error that it cannot be sent."""
    if reply.error is not None:
        reply = reply._replace(error=_portable(reply.error))
    try:
        sender.send(reply)
    except LOST:
        raise
    except Exception as error:
        wrong = pickle.PicklingError(f"DataLoader: a batch cannot be sent from a worker process: {error}")
        sender.send(Reply(reply.number, error=wrong))


def _portable(error: BaseException) -> BaseException:
    """Return the error if its copy is like it, else a RuntimeError with its text and notes."""
    try:
        if isinstance(pickle.loads(pickle.dumps(error)), type(error)):
            return error
    except Exception:
        pass
    stand_in = RuntimeError(f"{type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", ()):
        stand_in.add_note(note)
    return stand_in
