"""The roofline: each kernel's share of what the machine can do with its arithmetic and its traffic.

A kernel of f operations on t bytes takes at least max(f / peak, t / bandwidth) seconds. The peak is measured with the
library's own micro-kernel on operands in the first cache, the bandwidth with a copy that touches as many bytes.
Source: Williams, Waterman, Patterson, Roofline: an insightful visual performance model, 2009.
"""

import functools
from pathlib import Path

import numpy as np

from benchmarks.machine import copy_bandwidth, multiply_add_peak
from benchmarks.peers import MAGTAPE
from benchmarks.report import counted
from benchmarks.row import Row

LARGE = 1 << 29  # bytes: beyond every cache


class Roof:
    """The machine's limits for one number of threads."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.bandwidth = functools.cache(lambda size: copy_bandwidth(size, threads))

    @functools.cached_property
    def peaks(self) -> dict[str, float]:
        """Flops per second by element type."""
        return {np.dtype(each).name: multiply_add_peak(each, self.threads) for each in (np.float32, np.float64)}

    def seconds(self, row: Row) -> float:
        """Return the least time of a row's work."""
        peak = self.peaks["float64" if "float64" in row.name else "float32"]
        size = min(LARGE, 1 << max(15, int(row.traffic).bit_length()))
        return max(row.flops / peak, row.traffic / self.bandwidth(size))

    def share(self, row: Row) -> float:
        """Return the least time over the measured one; above 1 where an algorithm needs fewer operations (Winograd)."""
        return self.seconds(row) / row.median[MAGTAPE.name]

    def text(self, row: Row) -> str:
        """Return a line: operations per byte, rates, share of the roof."""
        seconds = row.median[MAGTAPE.name]
        intensity = f"{row.flops / row.traffic:>9.1f}" if row.flops else f"{'':>9}"
        rates = f"{row.flops / seconds / 1e9:>9.1f}{row.traffic / seconds / 1e9:>9.1f}"
        return f"{row.name:<56}{row.threads:>8}{intensity}{rates}{100 * self.share(row):>8.0f} %"

    def describe(self) -> str:
        """Return the limits in a sentence."""
        peaks = ", ".join(f"{name} {peak / 1e9:.0f} GF/s" for name, peak in self.peaks.items())
        return (
            f"{counted(self.threads)}: peak {peaks}; copies of {LARGE >> 20} MB {self.bandwidth(LARGE) / 1e9:.1f} GB/s"
        )


HEADER = f"{'benchmark':<56}{'threads':>8}{'flop/B':>9}{'GF/s':>9}{'GB/s':>9}{'share':>10}"


def plot(rows: list[Row], roof: Roof, path: Path) -> str:
    """Draw rates over operations per byte below the roof; return a sentence that says where, or what is missing."""
    try:
        import matplotlib.pyplot as plt
    except ImportError:
        return "no plot: matplotlib is missing; pip install 'magtape[examples]'"
    figure, (rates, shares) = plt.subplots(1, 2, figsize=(14, 6))
    peak, bandwidth = roof.peaks["float32"] / 1e9, roof.bandwidth(LARGE) / 1e9
    intensities = np.logspace(-1, 4, 200)
    rates.loglog(intensities, np.minimum(peak, bandwidth * intensities), "k-", label="memory, float32 peak")
    groups = list(dict.fromkeys(row.group for row in rows))
    for height, group in enumerate(groups):
        members = [row for row in rows if row.group == group]
        shares.plot([100 * roof.share(row) for row in members], [height] * len(members), ".")
        if counted_flops := [row for row in members if row.flops]:
            achieved = [row.flops / row.median[MAGTAPE.name] / 1e9 for row in counted_flops]
            rates.loglog([row.flops / row.traffic for row in counted_flops], achieved, ".", label=group)
    rates.set(xlabel="operations per byte", ylabel="10⁹ operations per second", title=counted(roof.threads))
    rates.legend(fontsize="small")
    shares.set(xlabel="% of the roof", yticks=range(len(groups)), yticklabels=groups, title="share, per kernel")
    shares.axvline(100, color="k")
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return f"plot written to {path}"
