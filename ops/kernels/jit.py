"""What every file of kernels builds on: `kernel` compiles a function, `split` spreads its work over threads."""

import os
import sys
import time
from typing import Any

from numba import prange
from numba.core import event

from ops.kernels.cache import KernelCache, cache_directory
from ops.kernels.compiler import kernel
from ops.kernels.parallel import split
from ops.kernels.threads import get_num_threads, set_num_threads, threads_for

__all__ = [
    "cache_directory",
    "get_num_threads",
    "kernel",
    "prange",
    "set_num_threads",
    "split",
    "threads_for",
]


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
