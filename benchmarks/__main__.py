"""python -m benchmarks: run benchmarks and print medians and ratios."""

import argparse
import json
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.cases import CASES, STARTUP, Case
from benchmarks.library import available, environment


def parse_arguments() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Time magtape and, where installed, PyTorch: the same program, each in fresh processes, by turns. "
        "Results are compared before any timing. Ratio: PyTorch's median / magtape's; above 1, magtape is faster.",
        epilog="benchmarks: " + ", ".join(case.name for case in [*CASES, STARTUP]),
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="benchmarks, or the beginnings of their names (default: all)"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="thread counts (default: 1 2)")
    parser.add_argument("--rounds", type=int, default=5, help="processes per library and benchmark (default: 5)")
    parser.add_argument("--seconds", type=float, default=0.5, help="timing in each process (default: 0.5)")
    return parser.parse_args()


def choose(names: list[str]) -> list[Case]:
    """Return the cases whose names begin with one of `names`."""
    every = [*CASES, STARTUP]
    for name in names:
        if not any(case.name.startswith(name) for case in every):
            raise SystemExit(f"no benchmark {name!r}; there are {', '.join(case.name for case in every)}")
    return [case for case in every if not names or any(case.name.startswith(name) for name in names)]


def run_once(case: Case, library: str, threads: int, seconds: float, results: Path) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, "-m", "benchmarks.worker", case.name, library, str(threads), str(seconds), str(results)]
    done = subprocess.run(command, env=environment(threads), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{case.name} on {library} failed:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def compare(case: Case, folder: Path, libraries: list[str]) -> None:
    """Stop unless the libraries computed the same."""
    archives = [np.load(folder / f"{library}.npz") for library in libraries]
    for other in archives[1:]:
        for key in other.files:
            np.testing.assert_allclose(archives[0][key], other[key], rtol=2e-3, atol=2e-3, err_msg=case.name)


def run(case: Case, threads: int, options: argparse.Namespace, libraries: list[str]) -> str:
    """Measure one case and return its row."""
    figures: dict[str, list[dict[str, float]]] = {library: [] for library in libraries}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for round_number in range(options.rounds):
            for library in libraries:
                figures[library].append(run_once(case, library, threads, options.seconds, folder / f"{library}.npz"))
            if round_number == 0:
                compare(case, folder, libraries)
    medians = [statistics.median(each["median"] for each in figures[library]) for library in libraries]
    cells = [f"{case.name:<24}{threads:>8}"]
    cells += [f"{1e6 * median:>12.1f}" for median in medians]
    cells.append(f"{medians[1] / medians[0]:>8.2f}" if len(medians) > 1 else f"{'':>8}")
    cells += [f"{figures[library][0]['first call']:>12.2f}" for library in libraries]
    return "".join(cells)


def main() -> None:
    """Run what was asked for and print the table."""
    options = parse_arguments()
    libraries = available()
    print(
        f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}, {', '.join(libraries)}"
    )
    if "pytorch" not in libraries:
        print("PyTorch is not installed, so there is nothing to compare with: pip install 'magtape[peers]'")
    head = [f"{'benchmark':<24}{'threads':>8}"] + [f"{library + ' µs':>12}" for library in libraries]
    print("".join([*head, f"{'ratio':>8}", *(f"{'1st call s':>12}" for _ in libraries)]))
    for case in choose(options.names):
        for threads in [1] if case is STARTUP else options.threads:
            print(run(case, threads, options, libraries), flush=True)


if __name__ == "__main__":
    main()
