"""How many threads a kernel uses, and which of the threading layers' traps apply.

A parallel kernel takes the number of chunks as an argument and cuts its work in that many pieces; what it
computes depends on the number of chunks alone, never on the threads that happen to run them.
"""

import contextlib
import ctypes
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numba
from numba.core import config
from numba.core.registry import CPUDispatcher

SPINS = 3000
"""Rounds, of about 30 ns, in which an idle thread of GNU OpenMP looks for work before it sleeps.

Its own default is a hundred times longer: where other programs want the cores, threads that wait spend the time the
working ones need.  Two-thread steps of an MLP beside three busy programs on two cores took 14.5 ms with it and take 5.8
(PyTorch's 13.9); on an idle machine both take 1.3 ms, and with 300 rounds 1.8 ms.
"""

_threads: int = config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]  # numba has some types
_least = 1
_forked = False
_pool_ready = False
_parallel_kernels: weakref.WeakSet[Any] = weakref.WeakSet()
_entry_lock = threading.RLock()


def load_openmp() -> None:
    """Load GNU OpenMP, which reads its settings while it is loaded; those of the user stand."""
    if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)
        with contextlib.suppress(OSError):  # there is none: numba has other threading layers
            ctypes.CDLL("libgomp.so.1")
        del os.environ["GOMP_SPINCOUNT"]


load_openmp()


def get_num_threads() -> int:
    """Return into how many chunks large work is split."""
    return _threads


def set_num_threads(n: int) -> None:
    """Split large work into n chunks from now on, in every Python thread.

    More chunks than the pool has threads is allowed; the pool's size is fixed at start-up
    (NUMBA_NUM_THREADS).
    """
    global _threads
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"set_num_threads: expected an int, got {type(n).__name__}")
    if n < 1:
        raise RuntimeError(f"set_num_threads: expected a positive number, got {n}")
    _threads = n


def threads_for(size: int, grain: int = 32768) -> int:
    """Return how many chunks to split `size` elements of work into: none smaller than `grain`, at least one.

    Always 1 in a process forked after the thread pool had started: the pool's threads did not survive the
    fork, and GNU OpenMP ends such a child at its first parallel region.
    """
    if size < 2 * grain or _threads == 1 or _forked:
        return _least
    if not _pool_ready:
        start_pool()
    return min(_threads, size // grain)


@contextlib.contextmanager
def least_threads(n: int) -> Iterator[None]:
    """Split even the smallest work into n chunks: to compile parallel kernels ahead, and to test them."""
    global _least
    if n > 1:
        start_pool()
    _least = n
    try:
        yield
    finally:
        _least = 1


def start_pool() -> str:
    """Start numba's threads and return the name of the threading layer."""
    global _pool_ready
    numba.get_num_threads()  # starts the pool as a side effect
    layer: str = numba.threading_layer()
    if layer == "workqueue" and not _pool_ready:
        for dispatcher in _parallel_kernels:
            dispatcher.__class__ = OneAtATime
    _pool_ready = True
    return layer


def pool_started() -> bool:
    """Return whether numba has started its threads in this process."""
    try:
        numba.threading_layer()
    except ValueError:
        return False
    return True


class OneAtATime(CPUDispatcher):
    """A parallel kernel under the `workqueue` layer, which ends the process if two threads enter it."""

    def __call__(self, *args: object) -> Any:
        """Wait for the thread inside, if any."""
        with _entry_lock:
            return CPUDispatcher.__call__(self, *args)


def register_parallel(dispatcher: Any) -> None:
    """Note a kernel that starts parallel regions, to be guarded if the threading layer asks for it."""
    _parallel_kernels.add(dispatcher)
    if _pool_ready and numba.threading_layer() == "workqueue":
        dispatcher.__class__ = OneAtATime


def _after_fork() -> None:
    global _forked, _least, _entry_lock
    _entry_lock = threading.RLock()  # its holder, if any, stayed in the parent
    _forked = _forked or pool_started()
    _least = 1


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
