"""python -m benchmarks: run benchmarks and print medians and ratios."""

import argparse
import itertools
import math
import sys
from pathlib import Path

from benchmarks import report, roofline, store
from benchmarks.case import Case
from benchmarks.catalogue import select
from benchmarks.machine import busy, usable_cores
from benchmarks.measure import measure
from benchmarks.peers import DEFAULT, MAGTAPE, Variant, choose
from benchmarks.row import Plan, Row

DESCRIPTION = """\
Time magtape and its peers: the same program on each, every variant in fresh processes, by turns. Results are compared
before any timing, and a benchmark whose results differ is refused. Ratio: the median of the best PyTorch variant over
magtape's; above 1, magtape is faster. A group ends with the geometric mean and the least of its ratios.

suites:
  kernels    each kernel on the shapes of LeNet, AlexNet, VGG, ResNet, MobileNet, Mixer, LSTM, ViT
  models     training steps and inference of whole nets
  func       gradients of each sample, Jacobians and Hessians
  data       epochs of a data loader, with and without worker processes, per batch
  overhead   what the tape costs per op, in chains of 10^3 to 10^6 tiny ops
  memory     peak resident memory of the training steps, whose results `models` compares
  startup    import; process start to the end of the first step, warm and cold; compile time per kernel
  scaling    cost per sample, unit of width and layer; products and convolutions over --threads
commands:
  table FILE           print a stored run as Markdown
  roofline [NAME ...]  each kernel's share of the measured peak or bandwidth, and a plot
"""
EXAMPLES = """\
variants: eager, channels_last (images and model), fused, foreach (optimisers), compiled (torch.compile), malloc (freed
memory stays mapped), joined by + as in channels_last+fused; jax; all. A variant takes part where it makes a difference.

examples:
  python -m benchmarks kernels/conv3x3/                    every case whose name begins so
  python -m benchmarks models/train --threads 1 2          training steps, then the speed-up of two threads
  python -m benchmarks models --variants all --save run.json
  python -m benchmarks models/train --threads 2 --busy 1   the same beside a program that takes a core
  python -m benchmarks table run.json
  python -m benchmarks --list kernels/pool                 names alone
"""


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = parser.add_argument
    option("names", nargs="*", metavar="NAME", help="benchmarks, or the beginnings of their names (default: all)")
    option("--list", action="store_true", help="name the benchmarks and run nothing")
    option("--threads", type=int, nargs="+", default=[1], metavar="N", help="thread counts (default: 1)")
    option("--variants", nargs="+", default=list(DEFAULT), metavar="V", help=f"peers (default: {' '.join(DEFAULT)})")
    option("--rounds", type=int, default=1, metavar="N", help="fresh processes per variant and benchmark (default: 1)")
    option("--seconds", type=float, default=0.5, metavar="S", help="timing per variant and benchmark (default: 0.5)")
    option("--busy", type=int, default=0, metavar="N", help="cores that other programs keep busy (default: 0)")
    option(
        "--save", type=Path, metavar="FILE", help="store the run as JSON; rows of an existing FILE stay or are renewed"
    )
    option(
        "--plot", type=Path, default=Path("roofline.png"), metavar="FILE", help="of roofline (default: roofline.png)"
    )
    option("--jax-python", default=sys.executable, metavar="PATH", help="a Python that has JAX (default: this one)")
    return parser.parse_args(arguments)


TAKEN = {
    "table": {"names"},
    "roofline": {"names", "list", "threads", "rounds", "seconds", "plot"},
    "comparison": {"names", "list", "threads", "variants", "rounds", "seconds", "busy", "save", "jax_python"},
}
"""The options that make a difference to each command."""


def command_of(options: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the command and the names it is given."""
    if options.names and options.names[0] in ("table", "roofline"):
        return options.names[0], options.names[1:]
    return "comparison", options.names


def check(options: argparse.Namespace, command: str) -> None:
    """Stop where an option cannot be met."""
    usual = vars(parse_arguments([]))
    for name in sorted(name for name, value in vars(options).items() if value != usual[name]):
        if name not in TAKEN[command]:
            raise SystemExit(f"benchmarks: --{name.replace('_', '-')} makes no difference to a {command}")
    usable = usable_cores()
    for count in options.threads:
        if not 1 <= count <= usable:
            raise SystemExit(
                f"benchmarks: --threads {count}: expected 1 to {usable}, the processors this process may use"
            )
    if options.rounds < 1:
        raise SystemExit(f"benchmarks: --rounds {options.rounds}: expected at least 1")
    if options.busy < 0:
        raise SystemExit(f"benchmarks: --busy {options.busy}: expected 0 or more")
    if options.save and options.save.exists():
        store.load(options.save)  # refuses what is no stored run before anything is measured
    if options.busy and options.save:
        raise SystemExit("benchmarks: --save keeps runs on an idle machine; leave out --busy")
    if not (options.seconds > 0 and math.isfinite(options.seconds)):
        raise SystemExit(f"benchmarks: --seconds {options.seconds}: expected a positive number")


def plan(options: argparse.Namespace, threads: int) -> Plan:
    """Return how to measure with so many threads."""
    return Plan(threads, options.rounds, seconds=options.seconds, jax_python=options.jax_python)


def compare(cases: list[Case], variants: list[Variant], options: argparse.Namespace) -> list[Row]:
    """Measure all cases against all variants; print and store rows as they come."""
    rows: list[Row] = []
    print(report.header(), flush=True)
    for threads in options.threads:
        for group, members in itertools.groupby(cases, key=lambda case: case.group):
            of_group = []
            for row in measure(list(members), variants, plan(options, threads)):
                print(report.row_text(row), flush=True)
                of_group.append(row)
            print(*report.summaries(f"{group}, {report.counted(threads)}", of_group), sep="\n", flush=True)
            rows += of_group
            if options.save:
                store.save(options.save, rows)
    for line in report.speed_ups(rows):
        print(line)
    return rows


def show_roofline(cases: list[Case], options: argparse.Namespace) -> list[Row]:
    """Measure magtape's kernels and print their shares of the roof; plot those of the first thread count."""
    rows: list[Row] = []
    print(roofline.HEADER)
    for threads in options.threads:
        roof = roofline.Roof(threads)
        print(roof.describe(), flush=True)
        of_threads = []
        for _, members in itertools.groupby(cases, key=lambda case: case.group):
            for row in measure(list(members), [MAGTAPE], plan(options, threads)):
                print(report.row_text(row) if row.refused else roof.text(row), flush=True)
                of_threads += [] if row.refused else [row]
        if threads == options.threads[0]:
            print(roofline.plot(of_threads, roof, options.plot))
        rows += of_threads
    return rows


def main() -> int:
    """Run what was asked for; return 1 where a benchmark was refused."""
    options = parse_arguments()
    command, names = command_of(options)
    check(options, command)
    if command == "table":
        if len(names) != 1:
            raise SystemExit("benchmarks: table expects one stored run, as in: python -m benchmarks table run.json")
        print(store.table(Path(names[0])))
        return 0
    if command == "roofline":
        cases = [case for case in select(names or ["kernels"]) if case.traffic]
        if not cases:
            raise SystemExit(f"benchmarks: no kernel that begins with {' or '.join(names)} states its traffic")
    else:
        cases = select(names)
    if options.list:
        print(*(case.name for case in cases), sep="\n")
        return 0
    if command == "roofline":
        rows = show_roofline(cases, options)
    else:
        variants, reasons = choose(options.variants, options.jax_python)
        for reason in reasons:
            print(reason)
        with busy(options.busy):
            rows = compare(cases, variants, options)
    return int(any(row.refused for row in rows))


if __name__ == "__main__":
    sys.exit(main())
