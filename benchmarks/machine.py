"""The machine: its description, the peak of its multiply-adds, and the bandwidth of its caches and memory."""

import ctypes
import datetime
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("magtape", "numpy", "numba", "torch", "jax")
TILES = ((12, 2), (14, 2), (8, 3), (6, 4), (6, 2), (4, 3))  # register tiles: rows, vectors
STEPS = 256  # of the sum, so that a tile's operands stay in the first cache
SECONDS = 0.05


def describe() -> dict[str, Any]:
    """Return what a reader needs to know of the machine and the software."""
    from ops.kernels import simd

    return {
        "date": datetime.date.today().isoformat(),
        "processor": processor(),
        "cores": usable_cores(),
        "vector bits": 8 * simd.vector_bytes(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version for name in PACKAGES if (version := installed(name))},
    }


def usable_cores() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor() -> str:
    """Return the processor's name, with family and model where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    facts = dict(map(str.strip, line.split(":", 1)) for line in lines if ":" in line)
    name = facts.get("model name") or platform.processor()
    return f"{name} (family {facts['cpu family']}, model {facts['model']})" if "cpu family" in facts else name


def installed(package: str) -> str:
    """Return a package's version, empty where it is missing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def multiply_add_peak(dtype: Any = np.float32, threads: int = 1) -> float:
    """Return the flops per second of the library's own micro-kernel on operands in the first cache."""
    from ops.kernels import simd

    lanes = simd.lanes(dtype)
    fitting = [tile for tile in TILES if tile[0] * tile[1] + tile[1] + 1 <= simd.registers()]
    return max(tile_peak(rows, vectors, lanes, dtype, threads) for rows, vectors in fitting)


def tile_peak(rows: int, vectors: int, lanes: int, dtype: Any, threads: int) -> float:
    """Return the flops per second of one register tile."""
    from ops.kernels import simd

    size, width, repetitions = np.dtype(dtype).itemsize, vectors * lanes, 200
    a, b = np.ones((STEPS, rows), dtype), np.ones((STEPS, width), dtype)
    segments = np.zeros((repetitions, 2), np.int64)
    table = np.array([[j * lanes * size for j in range(vectors)]] * 2 + [[lanes] * vectors], np.int64)
    leaf = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 16)(simd.outer_product(rows, vectors, dtype))

    def run(_thread: int) -> None:
        c = np.empty((rows, width), dtype)
        leaf(a.ctypes.data, size, rows * size, b.ctypes.data, width * size, segments.ctypes.data, repetitions, STEPS,
             table.ctypes.data, 0, c.ctypes.data, width * size, 0, 0, 0, rows)  # fmt: skip

    return 2 * threads * repetitions * STEPS * rows * width / fastest(run, threads)


def copy_bandwidth(size: int, threads: int = 1) -> float:
    """Return the bytes per second, read and written, of a copy that touches `size` bytes in all."""
    source = np.ones(max(1, size // 2 // threads), np.uint8)
    pairs = [(source.copy(), np.ones_like(source)) for _ in range(threads)]
    repetitions = max(1, (1 << 24) // size)

    def run(thread: int) -> None:
        source, target = pairs[thread]
        for _ in range(repetitions):
            np.copyto(target, source)

    return repetitions * 2 * source.size * threads / fastest(run, threads)


def fastest(run: Callable[[int], None], threads: int) -> float:
    """Return the least time of all threads running at once."""
    with ThreadPoolExecutor(threads) as pool:
        times, stop = [], time.perf_counter() + SECONDS
        while len(times) < 3 or time.perf_counter() < stop:
            begin = time.perf_counter()
            if threads == 1:
                run(0)
            else:
                list(pool.map(run, range(threads)))
            times.append(time.perf_counter() - begin)
    return min(times)


@contextmanager
def busy(processes: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Keep as many cores busy with programs that have nothing to do with ours."""
    programs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(processes)]
    try:
        yield programs
    finally:
        for program in programs:
            program.kill()
            program.wait()
