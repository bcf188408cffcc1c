"""Command line: compile every kernel ahead (`warmup`), or describe the set-up (`doctor`)."""

import argparse
import ctypes.util
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llvmlite
import llvmlite.binding as llvm
import numba
import numpy as np
from numba.core import config as numba_config

from ops.kernels import (
    adaptive_pool,
    arithmetic,
    attention,
    attention_rows,
    choices,
    elementwise,
    extremes,
    largest,
    lbfgs,
    lists,
    lookup,
    norm,
    optim,
    pool,
    product_cases,
    random,
    recurrent,
    reduction,
    row_norm,
    scan,
    simd,
    softmax,
    softmax_columns,
    transposing,
)
from ops.kernels.cache import KernelCache
from ops.kernels.jit import cache_directory, compile_notice, get_num_threads
from ops.kernels.threads import least_threads, start_pool

config: Any = numba_config  # numba has some types, not all

MODULES = (
    *(product_cases, elementwise, arithmetic, choices, softmax, softmax_columns, norm, row_norm),
    *(pool, adaptive_pool, random, reduction, extremes, scan, lookup, optim, lbfgs, lists, transposing),
    *(recurrent, largest, attention, attention_rows),
)


def cases(only: str) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield the names that contain `only`, each with the call that compiles it."""
    for module in MODULES:
        yield from ((name, call) for name, call in module.warmup_cases() if only in name)


def warmup(only: str, jobs: int, share: int) -> int:
    """Compile the kernels whose name contains `only`, or every jobs-th of them; return an exit status."""
    if cache_directory() is None:
        print("warmup: no cache folder can be used, so nothing would outlive this process", file=sys.stderr)
        return 1
    if jobs > 1 and share < 0:
        return run_shares(only, jobs)
    started = time.perf_counter()
    for i, (name, call) in enumerate(cases(only)):
        if share >= 0 and i % jobs != share:
            continue
        begun = time.perf_counter()
        for threads in (1, 2):  # the serial kernel, then the parallel one
            with least_threads(threads):
                call()
        print(f"{time.perf_counter() - begun:6.2f} s  {name}", flush=True)
    seconds = time.perf_counter() - started
    print(f"{KernelCache.misses} compiled, {KernelCache.hits} found in {cache_directory()}, {seconds:.1f} s")
    return 0


def run_shares(only: str, jobs: int) -> int:
    """Compile in several processes, each taking every jobs-th kernel."""
    command = [sys.executable, "-m", "ops.kernels", "warmup", "--only", only, "--jobs", str(jobs), "--share"]
    children = [subprocess.Popen([*command, str(share)]) for share in range(jobs)]
    return max(child.wait() for child in children)


def doctor() -> int:
    """Print versions, threads, vector unit, cache and BLAS, then what is known to go wrong with them."""
    layer, folder = start_pool(), cache_directory()
    features, known = llvm.get_host_cpu_features(), ("avx2", "fma", "avx512f", "avx512vl", "neon", "sve")
    shown = " ".join(name for name in known if features.get(name))
    loaded, made, seconds = KernelCache.hits, KernelCache.misses, compile_notice.total
    rows = {
        "python": f"{platform.python_version()} on {platform.system()} {platform.machine()}",
        "numba": f"{numba.__version__}, llvmlite {llvmlite.__version__}, NumPy {np.__version__}",
        "jit": "off (NUMBA_DISABLE_JIT)" if config.DISABLE_JIT else "on",
        "threads": f"{get_num_threads()} of a pool of {config.NUMBA_NUM_THREADS}, layer {layer}",
        "processor": f"{config.CPU_NAME or llvm.get_host_cpu_name()}, {os.cpu_count()} cores",
        "vectors": f"{8 * simd.vector_bytes()} bits; {shown}",
        "cache": "none, kernels live in memory" if folder is None else describe_cache(folder),
        "this process": f"{loaded} kernels loaded, {made} compiled in {seconds:.1f} s",
        "BLAS": blas(),
    }
    for name, value in rows.items():
        print(f"{name:13} {value}")
    for warning in traps(layer, folder):
        print(f"warning       {warning}")
    return 0


def describe_cache(folder: Path) -> str:
    """Name the cache folder with the number and size of its entries."""
    sizes = [entry.stat().st_size for entry in os.scandir(folder) if entry.is_file()]
    access = "" if os.access(folder, os.W_OK) else ", read-only"
    return f"{folder}, {len(sizes)} kernels, {sum(sizes) / 1e6:.1f} MB{access}"


def blas() -> str:
    """Name the linear algebra library NumPy was built with."""
    built: Any = np.show_config(mode="dicts")
    found = built.get("Build Dependencies", {}).get("blas", {})
    return f"{found.get('name', 'unknown')} {found.get('version', '')} (NumPy's own, not used by these kernels)"


def traps(layer: str, folder: Path | None) -> Iterator[str]:
    """Yield what is known to cost speed or correctness with this set-up."""
    if config.DISABLE_JIT:
        yield "NUMBA_DISABLE_JIT is set: every kernel runs as plain Python, thousands of times slower"
    if layer == "workqueue":
        yield "threading layer workqueue: Python threads enter parallel kernels one at a time"
        if sys.platform == "linux" and ctypes.util.find_library("gomp") is None:
            yield "libgomp is missing; with it (package libgomp1) the omp layer would be used"
    if layer == "omp" and sys.platform == "linux":
        yield "after fork() a child runs every kernel on one thread: start workers by spawn or forkserver"
        yield "importing PyTorch too: numba's first parallel kernel resets torch.get_num_threads()"
    if folder is None:
        yield "no writable cache folder: every process compiles again; set MAGTAPE_CACHE_DIR"
    if len_affinity() < config.NUMBA_NUM_THREADS:
        yield f"NUMBA_NUM_THREADS exceeds the {len_affinity()} processors this process may use"
    if config.BOUNDSCHECK:
        yield "NUMBA_BOUNDSCHECK is set: loops are not vectorised"


def len_affinity() -> int:
    """Return how many processors this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m ops.kernels", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    warm = commands.add_parser("warmup", help="compile every kernel now and keep it on disk")
    warm.add_argument("--list", action="store_true", help="name the kernels and compile nothing")
    warm.add_argument("--only", default="", metavar="TEXT", help="only kernels whose name contains TEXT")
    warm.add_argument("--jobs", type=int, default=1, metavar="N", help="compile in N processes (default 1)")
    warm.add_argument("--share", type=int, default=-1, help=argparse.SUPPRESS)
    commands.add_parser("doctor", help="describe versions, threads, vector unit and cache, with known traps")
    options = parser.parse_args(arguments)
    if options.command == "doctor":
        return doctor()
    if options.jobs < 1:
        parser.error(f"--jobs: expected a positive number, got {options.jobs}")
    if options.list:
        print(*(name for name, _ in cases(options.only)), sep="\n")
        return 0
    return warmup(options.only, options.jobs, options.share)


if __name__ == "__main__":
    sys.exit(main())
