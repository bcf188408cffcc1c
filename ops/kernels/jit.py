"""How kernels are compiled: the one place that decides fast-math flags, error model, caching and threads."""

import os
import sys
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast, overload

import numba
import numpy as np
from numba import prange
from numba.core import event

from ops.kernels.cache import KernelCache, cache_directory, identify
from ops.kernels.threads import get_num_threads, register_parallel, set_num_threads, threads_for

__all__ = [
    "cache_directory",
    "get_num_threads",
    "kernel",
    "prange",
    "set_num_threads",
    "split",
    "threads_for",
]

P = ParamSpec("P")
R = TypeVar("R")

FAST_MATH = {"contract", "reassoc", "nsz", "arcp"}
"""Liberties of the optimiser.  Never `nnan` or `ninf`: they let it delete tests for NaN and infinity."""
EXACT_MATH = {"contract", "nsz"}
"""The same without regrouping sums and without turning x / y into x * (1 / y)."""


@overload
def kernel(function: Callable[P, R], /) -> Callable[P, R]: ...
@overload
def kernel(
    *, parallel: bool = False, inline: bool = False, reassociate: bool = True
) -> Callable[[Callable[P, R]], Callable[P, R]]: ...
def kernel(
    function: Callable[..., Any] | None = None,
    /,
    *,
    parallel: bool = False,
    inline: bool = False,
    reassociate: bool = True,
) -> Callable[..., Any]:
    """Compile a function at its first call, once per signature and machine.

    Division follows NumPy (no ZeroDivisionError: its branch would stop vectorisation) and the GIL is
    released.  A kernel may call kernels of any file of this package and close over them, over numbers,
    strings and dtypes. `inline` forces it into its callers, whose loops could not become vector code around a
    call. `reassociate=False` keeps the order of operations as written, for code whose roundings cancel by
    design. With NUMBA_DISABLE_JIT=1 kernels run as plain Python, overflowing as silently as compiled code
    does.
    """
    options = {
        "fastmath": set(FAST_MATH if reassociate else EXACT_MATH),
        "parallel": parallel,
        "forceinline": inline,
    }
    if function is None:
        return lambda f: _compile_later(f, options)
    return _compile_later(function, options)


def _compile_later(function: Callable[P, R], options: dict[str, Any]) -> Callable[P, R]:
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy", **options)(function)
    if dispatcher is function:  # NUMBA_DISABLE_JIT
        return np.errstate(all="ignore")(function)
    identity = identify(function, (*sorted(options["fastmath"]), options["parallel"], options["forceinline"]))
    if identity is not None:
        dispatcher._set_uuid(f"magtape-{identity}")  # else a random one, and kernels closing over it never hit
        dispatcher._cache = KernelCache(f"{function.__module__.rpartition('.')[2]}.{function.__name__}", identity)
    if options["parallel"]:
        register_parallel(dispatcher)
    return cast("Callable[P, R]", dispatcher)


def split(part: Callable[..., None]) -> Callable[..., None]:
    """Make launch(threads, count, *arguments) from part(start, stop, *arguments).

    It cuts range(count) into as many pieces as there are threads and runs `part` on each.  One thread runs `part`
    itself: work too small to be divided neither starts a parallel region nor compiles one.
    """

    @kernel(parallel=True)
    def run(threads: int, count: int, *arguments: Any) -> None:
        for t in prange(threads):
            part(count * t // threads, count * (t + 1) // threads, *arguments)

    def launch(threads: int, count: int, *arguments: Any) -> None:
        if threads == 1:
            part(0, count, *arguments)
        else:
            run(threads, count, *arguments)

    return launch


class CompileNotice(event.Listener):
    """Tell the user once when compiling takes longer than a second, and why."""

    patience = 1.0

    def __init__(self) -> None:
        self.total = 0.0
        self._depth = 0  # a kernel's callees compile inside it; numba's global lock keeps threads apart
        self._started = 0.0
        self._told = not (os.environ.get("MAGTAPE_VERBOSE") == "1" or (sys.stderr and sys.stderr.isatty()))

    def on_start(self, event: Any) -> None:
        if not isinstance(event.data["dispatcher"]._cache, KernelCache):
            return
        if self._depth == 0:
            self._started = time.perf_counter()
        self._depth += 1
        self._tell_if_long(self.total + time.perf_counter() - self._started)

    def on_end(self, event: Any) -> None:
        if not isinstance(event.data["dispatcher"]._cache, KernelCache):
            return
        self._depth -= 1
        elapsed = time.perf_counter() - self._started
        if self._depth == 0:
            self.total += elapsed
            elapsed = 0.0
        self._tell_if_long(self.total + elapsed)

    def _tell_if_long(self, seconds: float) -> None:
        if self._told or seconds < self.patience:
            return
        self._told = True
        folder = cache_directory()
        where = "in memory, no cache folder can be used" if folder is None else f"once per machine, kept in {folder}"
        sys.stderr.write(f"magtape: compiling kernels ({where}) ...\n")
        sys.stderr.flush()


compile_notice = CompileNotice()
event.register("numba:compile", compile_notice)
