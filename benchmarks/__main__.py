"""python -m benchmarks: run benchmarks and print medians and ratios."""

import argparse
import itertools
import os
import sys

from benchmarks import report
from benchmarks.catalogue import select
from benchmarks.measure import Plan, Row, measure
from benchmarks.peers import DEFAULT, choose

DESCRIPTION = """\
Time magtape and its peers: the same program on each, every variant in fresh processes, by turns. Results are compared
before any timing. Ratio: the best PyTorch variant's median / magtape's; above 1, magtape is faster.
"""
EXAMPLES = """\
examples:
  python -m benchmarks kernels/conv3x3/              every case whose name begins so, then their geometric mean
  python -m benchmarks models/train --threads 2      training steps on two threads
  python -m benchmarks models --variants all         also torch.compile, kept heap, JAX
  python -m benchmarks --list kernels/pool           names alone
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="benchmarks, or the beginnings of their names (default: all)"
    )
    parser.add_argument("--list", action="store_true", help="name the benchmarks and run nothing")
    parser.add_argument("--threads", type=int, nargs="+", default=[1], metavar="N", help="thread counts (default: 1)")
    parser.add_argument(
        "--variants", nargs="+", default=list(DEFAULT), metavar="V", help="ways of using PyTorch, and jax"
    )
    parser.add_argument("--rounds", type=int, default=1, help="fresh processes per variant and benchmark (default: 1)")
    parser.add_argument("--seconds", type=float, default=0.5, help="timing per variant and benchmark (default: 0.5)")
    parser.add_argument(
        "--jax-python", default=sys.executable, metavar="PATH", help="a Python that has JAX (default: this one)"
    )
    return parser.parse_args(arguments)


def check_threads(threads: list[int]) -> None:
    """Stop where a thread count cannot be had."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for count in threads:
        if not 1 <= count <= usable:
            raise SystemExit(
                f"benchmarks: --threads {count}: expected 1 to {usable}, the processors this process may use"
            )


def main() -> int:
    """Run what was asked for and print the table."""
    options = parse_arguments()
    check_threads(options.threads)
    cases = select(options.names)
    if options.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    variants, reasons = choose(options.variants, options.jax_python)
    print(*reasons, report.header(), sep="\n", flush=True)
    rows: list[Row] = []
    for threads in options.threads:
        plan = Plan(threads, options.rounds, seconds=options.seconds, jax_python=options.jax_python)
        for group, members in itertools.groupby(cases, key=lambda case: case.group):
            of_group = []
            for row in measure(list(members), variants, plan):
                print(report.row_text(row), flush=True)
                of_group.append(row)
            print(report.summary(f"{group}, {threads} threads", of_group), flush=True)
            rows += of_group
    return int(any(row.refused for row in rows))


if __name__ == "__main__":
    sys.exit(main())
