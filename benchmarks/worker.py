"""One measurement: one case, one library, in this fresh process. Prints a line of JSON and saves the step's result."""

import json
import sys
import time

import numpy as np

from benchmarks.cases import CASES, STARTUP
from benchmarks.library import load


def measure(case_name: str, library_name: str, threads: int, seconds: float, results: str) -> dict[str, float]:
    """Import, build, call once, then time calls for about `seconds`; return all times in seconds."""
    begin = time.perf_counter()
    library = load(library_name, threads)
    imported = time.perf_counter()
    case = next(case for case in [*CASES, STARTUP] if case.name == case_name)
    step = case.build(library)
    built = time.perf_counter()
    first = [np.array(array) for array in step()]
    called = time.perf_counter()
    np.savez(results, *first)
    for _ in range(3):
        step()
    times = []
    stop = time.perf_counter() + (0 if case is STARTUP else seconds)
    while not times or time.perf_counter() < stop:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    median = imported - begin if case is STARTUP else float(np.median(times))
    return {"median": median / case.per_call, "import": imported - begin, "first call": called - built}


if __name__ == "__main__":
    name, which, count, budget, path = sys.argv[1:]
    print(json.dumps(measure(name, which, int(count), float(budget), path)))
