"""The measuring process: one library in one variant. It answers requests, one JSON object a line, until its input ends.

Only one process works at a time, so that the libraries take turns without sharing a thread pool or a heap.
"""

import gc
import json
import os
import resource
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.case import Case, Work
from benchmarks.catalogue import find
from benchmarks.library import load

SAMPLE = 1e-3  # seconds: shorter steps are repeated within one sample
WARM_UP, LONG_WARM_UP = 0.02, 1.0  # seconds: the second is for three steps, where they take that long


class Measurements:
    """The case at hand, and the answers to requests about it."""

    def __init__(self, library_name: str, features: frozenset[str], threads: int) -> None:
        begin = time.perf_counter()
        self.build: Callable[[Case], Work]
        if library_name == "jax":
            from benchmarks.jax_nets import build

            self.build = build
        else:
            library = load(library_name, features, threads)
            self.build = lambda case: case.build(library)
        self.import_seconds = time.perf_counter() - begin
        self.work: Work | None = None
        self.calls = 1

    def prepare(self, case: str, results: str) -> dict[str, float]:
        """Build a case, take its first step and save the values to compare."""
        self.work, self.calls = None, 1
        gc.collect()
        self.work = self.build(find(case))
        begin = time.perf_counter()
        arrays = self.work.check()
        first = time.perf_counter() - begin
        np.savez(results, *arrays)
        return {"first": first}

    def warm_up(self) -> dict[str, float]:
        """Step until nothing new happens."""
        times, begin = [], time.perf_counter()
        while time.perf_counter() < begin + (WARM_UP if len(times) >= 3 else LONG_WARM_UP):
            times.append(self.sample())
        self.calls = max(1, round(SAMPLE / min(times)))
        return {"step": min(times)}

    def time(self, seconds: float) -> dict[str, list[float]]:
        """Time samples for so many seconds, at least one."""
        samples, stop = [self.sample()], time.perf_counter() + seconds
        while time.perf_counter() < stop:
            samples.append(self.sample())
        return {"samples": samples}

    def peak(self, steps: int) -> dict[str, int]:
        """Take so many steps and return the greatest amount of memory this process has had resident."""
        for _ in range(steps):
            self.work.step()
        return {"bytes": peak_resident()}

    def sample(self) -> float:
        """Return the seconds of a step."""
        step, calls = self.work.step, range(self.calls)
        begin = time.perf_counter()
        for _ in calls:
            step()
        return (time.perf_counter() - begin) / self.calls


def peak_resident() -> int:
    """Return the process's high-water mark in bytes; getrusage's can be that of the parent before exec."""
    try:
        status = Path("/proc/self/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def serve(library: str, features: str, threads: str) -> None:
    """Answer requests."""
    answers = os.fdopen(os.dup(1), "w")  # what a library prints must not get between the answers
    os.dup2(2, 1)

    def reply(answer: dict[str, Any]) -> None:
        print(json.dumps(answer), file=answers, flush=True)

    measurements = Measurements(library, frozenset(filter(None, features.split("+"))), int(threads))
    reply({"import": measurements.import_seconds})
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply(getattr(measurements, request.pop("do"))(**request))
        except Exception as error:
            traceback.print_exc()
            reply({"error": f"{type(error).__name__}: {error}".splitlines()[0]})


if __name__ == "__main__":
    serve(*sys.argv[1:])
