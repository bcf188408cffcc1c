"""Measures of whole processes: peak resident memory, import, first step warm and cold, compilation."""

import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from benchmarks.case import Case
from benchmarks.peers import MAGTAPE, Peer, Variant
from benchmarks.row import Plan, Row

STEPS = 5  # training steps after which memory has grown to its peak
WARM = ("import", "warm")  # kinds that find bytecode and kernels as an earlier process has left them


def measure_processes(case: Case, variants: list[Variant], plan: Plan) -> Iterator[Row]:
    """Yield the rows of a case that measures processes, each figure the median over the plan's rounds."""
    if case.kind == "compile":
        yield from compile_times(plan)
        return
    row = Row(case.name, plan.threads, unit="B" if case.kind == "memory" else "s")
    try:
        figures = take_figures(case, [each for each in variants if each.concerns(case)], plan, row)
        row.median = {name: statistics.median(each) for name, each in figures.items()}
        row.minimum = {name: min(each) for name, each in figures.items()}
    except ChildProcessError as error:
        row.refused = str(error)
    yield row


def take_figures(case: Case, variants: list[Variant], plan: Plan, row: Row) -> dict[str, list[float]]:
    """Return the figures of each variant: one of a fresh process for each of the plan's rounds."""
    if case.kind in WARM:
        for variant in variants:
            measure_once(case, variant, plan, Row(case.name, plan.threads))
    figures: dict[str, list[float]] = {variant.name: [] for variant in variants}
    for _ in range(plan.rounds):
        for variant in variants:
            figures[variant.name].append(measure_once(case, variant, plan, row))
    return figures


def measure_once(case: Case, variant: Variant, plan: Plan, row: Row) -> float:
    """Return the figure of one fresh process."""
    with tempfile.TemporaryDirectory(prefix="benchmark-kernels-") as empty:
        begin = time.perf_counter()
        with Peer(
            variant, plan.threads, plan.jax_python, {"MAGTAPE_CACHE_DIR": empty} if case.kind == "cold" else {}
        ) as peer:
            if case.kind == "import":
                row.first.setdefault(variant.name, peer.import_seconds)
                return peer.import_seconds
            answer = peer.ask("prepare", case=case.name, results=str(peer.results))
            seconds = time.perf_counter() - begin
            row.first.setdefault(variant.name, answer["first"])
            return peer.ask("peak", steps=STEPS)["bytes"] if case.kind == "memory" else seconds


def compile_times(plan: Plan) -> Iterator[Row]:
    """Yield a row for each kernel: what `warmup` takes to compile it into an empty cache, slowest first."""
    with tempfile.TemporaryDirectory(prefix="benchmark-kernels-") as empty:
        environment = {**os.environ, "MAGTAPE_CACHE_DIR": empty}
        command = [sys.executable, "-m", "ops.kernels", "warmup"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found = re.findall(r"^ *([\d.]+) s  (.+)$", done.stdout, re.MULTILINE)
    for seconds, kernel in sorted(found, key=lambda each: -float(each[0])):
        figure = {MAGTAPE.name: float(seconds)}
        yield Row(f"startup/compile/{kernel}", plan.threads, figure, figure, figure)
