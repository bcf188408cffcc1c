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


def measure_processes(case: Case, variants: list[Variant], plan: Plan) -> Iterator[Row]:
    """Yield the rows of a case that measures processes, each figure the median over the plan's rounds."""
    if case.kind == "compile":
        yield from compile_times(plan)
        return
    row = Row(case.name, plan.threads, unit="B" if case.kind == "memory" else "s")
    figures: dict[str, list[float]] = {}
    for _ in range(plan.rounds):
        for variant in filter(lambda variant: variant.concerns(case), variants):
            figure, row.refused = measure_once(case, variant, plan, row)
            if row.refused:
                yield row
                return
            figures.setdefault(variant.name, []).append(figure)
    row.median = {name: statistics.median(each) for name, each in figures.items()}
    row.minimum = {name: min(each) for name, each in figures.items()}
    yield row


def measure_once(case: Case, variant: Variant, plan: Plan, row: Row) -> tuple[float, str]:
    """Return the figure of one fresh process, and why it is refused, if it is."""
    with tempfile.TemporaryDirectory(prefix="benchmark-kernels-") as empty:
        begin = time.perf_counter()
        with Peer(
            variant, plan.threads, plan.jax_python, {"MAGTAPE_CACHE_DIR": empty} if case.kind == "cold" else {}
        ) as peer:
            if case.kind == "import":
                row.first.setdefault(variant.name, peer.import_seconds)
                return peer.import_seconds, ""
            answer = peer.ask("prepare", case=case.name, results=str(peer.results))
            seconds = time.perf_counter() - begin
            if "error" in answer:
                return 0.0, f"{variant.name}: {answer['error']}"
            row.first.setdefault(variant.name, answer["first"])
            return (peer.ask("peak", steps=STEPS)["bytes"] if case.kind == "memory" else seconds), ""


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
