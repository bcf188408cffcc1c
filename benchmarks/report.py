"""Rows of figures, and what a group comes to."""

import math
from collections.abc import Iterable

from benchmarks.measure import Row
from benchmarks.peers import MAGTAPE

WIDTH = 56


def header() -> str:
    """Return the table's head."""
    return (
        f"{'benchmark':<{WIDTH}}{'threads':>8}{'magtape':>11}{'min':>11}{'peer':>11}{'min':>11}"
        f"{'ratio':>8}{'of min':>8}{'rate':>11}{'1st call':>10}  best PyTorch"
    )


def row_text(row: Row) -> str:
    """Return a row: times are medians and minima; the rate is magtape's; ratios are the peer's time over magtape's."""
    head = f"{row.name:<{WIDTH}}{row.threads:>8}"
    if row.refused:
        return f"{head}  REFUSED: {row.refused}"
    ours, best = MAGTAPE.name, row.best
    cells = [duration(row.median[ours]), duration(row.minimum[ours])]
    cells += [duration(row.median[best]), duration(row.minimum[best])] if best else ["", ""]
    ratios = [row.ratio(), row.ratio(figure="minimum")]
    text = head + "".join(f"{cell:>11}" for cell in cells) + "".join(f"{number(ratio):>8}" for ratio in ratios)
    text += f"{rate(row):>11}{duration(row.first[ours]):>10}  {best}"
    return text + (f", jax {number(row.ratio('jax'))}" if "jax" in row.median else "")


def number(ratio: float | None) -> str:
    """Return a ratio, or nothing."""
    return "" if ratio is None else f"{ratio:.2f}"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}" if seconds < 1000 * size else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def rate(row: Row) -> str:
    """Return arithmetic per second, where the case states its arithmetic."""
    return f"{row.flops / row.median[MAGTAPE.name] / 1e9:.0f} GF/s" if row.flops else ""


def geometric_mean(numbers: Iterable[float]) -> float:
    """Return exp(mean(log x))."""
    logarithms = [math.log(each) for each in numbers]
    return math.exp(sum(logarithms) / len(logarithms))


def summary(title: str, rows: list[Row], other: str = "") -> str:
    """Return the geometric mean and the least of the ratios of rows; empty where there is none."""
    ratios = {row.name: ratio for row in rows if (ratio := row.ratio(other)) is not None}
    if not ratios:
        return ""
    worst = min(ratios, key=ratios.__getitem__)
    refused = sum(bool(row.refused) for row in rows)
    return (
        f"{title}{' against jax' if other else ''}: geometric mean {geometric_mean(ratios.values()):.2f}, "
        f"minimum {ratios[worst]:.2f} ({worst}), of {len(ratios)}" + (f"; {refused} REFUSED" if refused else "")
    )
