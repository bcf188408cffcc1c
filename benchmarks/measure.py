"""Measure cases: rounds of fresh processes, within a round bursts by turns, results compared before any timing."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack

import numpy as np

from benchmarks.case import Case
from benchmarks.peers import Peer, Variant
from benchmarks.process_measures import measure_processes
from benchmarks.row import Plan, Row

REST = 0.004  # seconds between bursts, in which the last process's threads stop spinning
NOISE = 1e-3  # an array so much smaller than the largest one compared is rounding: the gradient to a bias before a norm


def measure(cases: list[Case], variants: list[Variant], plan: Plan) -> Iterator[Row]:
    """Yield a row for each case. Kernels of a group share their processes, every other case has its own."""
    while cases:
        count = len(cases) if cases[0].suite == "kernels" else 1
        if cases[0].kind == "time":
            yield from measure_together(cases[:count], variants, plan)
        else:
            yield from measure_processes(cases[0], variants, plan)
        cases = cases[count:]


def measure_together(cases: list[Case], variants: list[Variant], plan: Plan) -> Iterator[Row]:
    """Measure cases one after the other, each by all variants it concerns."""
    rows = [Row(case.name, plan.threads, flops=case.flops, traffic=case.traffic) for case in cases]
    samples: list[dict[str, list[float]]] = [{} for _ in cases]
    concerned = [variant for variant in variants if any(variant.concerns(case) for case in cases)]
    for round_number in range(plan.rounds):
        with ExitStack() as stack:
            peers = [stack.enter_context(Peer(each, plan.threads, plan.jax_python)) for each in concerned]
            for case, row, times in zip(cases, rows, samples, strict=True):
                taking_part = [peer for peer in peers if peer.variant.concerns(case)]
                row.refused = row.refused or run_round(case, taking_part, plan, row, times)
                if round_number == plan.rounds - 1:
                    finish(row, times, case.operations)
                    yield row


def run_round(case: Case, peers: list[Peer], plan: Plan, row: Row, times: dict[str, list[float]]) -> str:
    """Compare, then take bursts by turns; return why the case is refused, if it is."""
    try:
        for peer in peers:
            answer = peer.ask("prepare", case=case.name, results=str(peer.results))
            row.first.setdefault(peer.variant.name, answer["first"])
        refusal = compare(case, peers)
        if not refusal:
            take_bursts(peers, plan, times)
    except ChildProcessError as error:
        return str(error)
    return refusal


def take_bursts(peers: list[Peer], plan: Plan, times: dict[str, list[float]]) -> None:
    """Let the peers time the case they have prepared, by turns."""
    slowest = max(peer.ask("warm_up")["step"] for peer in peers)
    bursts = plan.bursts if slowest < plan.seconds else min(plan.bursts, 3)
    for burst in range(bursts):
        for peer in peers if burst % 2 == 0 else reversed(peers):
            time.sleep(REST)
            answer = peer.ask("time", seconds=plan.seconds / bursts / plan.rounds)
            times.setdefault(peer.variant.name, []).extend(answer["samples"])


def compare(case: Case, peers: list[Peer]) -> str:
    """Return in what the first peer's results differ from another's by more than the tolerance, if they do."""
    ours, *others = [read(peer) for peer in peers]
    for peer, theirs in zip(peers[1:], others, strict=True):
        if [a.shape for a in ours] != [b.shape for b in theirs]:
            return f"shapes differ from {peer.variant.name}'s"
        floor = NOISE * max(map(root_mean_square, theirs))
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            error = difference(a, b, floor)
            if not error <= case.tolerance:
                return f"result {i} differs from {peer.variant.name}'s by {error:.1e} of its size"
    return ""


def difference(a: np.ndarray, b: np.ndarray, floor: float = 0.0) -> float:
    """Return rms(a − b) / max(rms(b), floor); a NaN in either is no agreement."""
    error = root_mean_square(a.astype(np.float64) - b)
    return error / (max(root_mean_square(b), floor) or 1.0)


def root_mean_square(a: np.ndarray) -> float:
    """Return √(mean a²), 0 for an empty array."""
    return float(np.sqrt(np.mean(np.square(a, dtype=np.float64)))) if a.size else 0.0


def read(peer: Peer) -> list[np.ndarray]:
    """Return the arrays a peer saved."""
    with np.load(peer.results) as archive:
        return [archive[key] for key in archive.files]


def finish(row: Row, times: dict[str, list[float]], operations: int) -> None:
    """State medians and minima."""
    if not row.refused:
        row.median = {name: statistics.median(each) / operations for name, each in times.items()}
        row.minimum = {name: min(each) / operations for name, each in times.items()}
