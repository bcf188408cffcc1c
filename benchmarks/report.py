"""Rows of figures as text, and what groups of them come to."""

import math
from collections.abc import Iterable

from benchmarks.peers import MAGTAPE
from benchmarks.row import Row

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
    cells = [
        quantity(figures[name], row.unit) for name in (ours, best) if name for figures in (row.median, row.minimum)
    ]
    cells += [""] * (4 - len(cells)) + [rate(row)]
    ratios = [number(row.ratio(figure=figure)) for figure in ("median", "minimum")]
    text = head + "".join(f"{cell:>11}" for cell in cells[:4]) + "".join(f"{ratio:>8}" for ratio in ratios)
    text += f"{cells[4]:>11}{quantity(row.first[ours]):>10}  {best}"
    return text + (f", jax {number(row.ratio('jax'))}" if "jax" in row.median else "")


def counted(threads: int) -> str:
    """Return "1 thread", "2 threads"."""
    return f"{threads} thread{'' if threads == 1 else 's'}"


def number(ratio: float | None) -> str:
    """Return a ratio, or nothing."""
    return "" if ratio is None else f"{ratio:.2f}"


def quantity(figure: float, unit: str = "s") -> str:
    """Return seconds or bytes in the unit that suits them."""
    scales = {"s": (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)), "B": (("MB", 1e6),)}[unit]
    name, size = next((scale for scale in scales if figure >= scale[1]), scales[-1])
    return f"{figure / size:.3g} {name}" if figure < 999.5 * size else f"{figure / size:.0f} {name}"


def rate(row: Row) -> str:
    """Return arithmetic per second, where the case states its arithmetic."""
    return f"{row.flops / row.median[MAGTAPE.name] / 1e9:.0f} GF/s" if row.flops else ""


def geometric_mean(numbers: Iterable[float]) -> float:
    """Return exp(mean(log x))."""
    logarithms = [math.log(each) for each in numbers]
    return math.exp(sum(logarithms) / len(logarithms))


def summaries(title: str, rows: list[Row]) -> list[str]:
    """Return what a group comes to against PyTorch and against JAX, and how its cost grows."""
    lines = [summary(title, rows), summary(title, rows, "jax")]
    if title.startswith("scaling/") and not title.startswith("scaling/threads"):
        lines.append(growth(title, rows))
    return [line for line in lines if line]


def summary(title: str, rows: list[Row], other: str = "") -> str:
    """Return the geometric mean and the least of the ratios of rows; empty where there is none."""
    ratios = {row.name: ratio for row in rows if (ratio := row.ratio(other)) is not None}
    if not ratios:
        return ""
    worst = min(ratios, key=ratios.__getitem__)
    refused = sum(bool(row.refused) for row in rows)
    return (
        f"{title}{' against JAX' if other else ''}: geometric mean {geometric_mean(ratios.values()):.2f}, "
        f"minimum {ratios[worst]:.2f} ({worst}), of {len(ratios)}" + (f"; {refused} REFUSED" if refused else "")
    )


def growth(title: str, rows: list[Row]) -> str:
    """Return magtape's time per unit of size at each size, relative to the least; level means linear growth."""
    costs = {row.name.split("/")[-1]: row.median[MAGTAPE.name] for row in rows if not row.refused}
    least = min(costs.values(), default=1.0)
    return f"{title}, cost per unit: " + ", ".join(f"{size}: {cost / least:.2f}" for size, cost in costs.items())


def speed_ups(rows: list[Row]) -> list[str]:
    """Return, for each group measured at several thread counts, how much faster more threads are than the fewest."""
    lines = []
    for group in dict.fromkeys(row.group for row in rows):
        times = {
            (row.name, row.threads): row for row in rows if row.group == group and row.unit == "s" and not row.refused
        }
        fewest, *more = sorted({threads for _, threads in times}) or [0]
        for count in more:
            pairs = [(row, times[name, count]) for (name, threads), row in times.items()
                     if threads == fewest and (name, count) in times]  # fmt: skip
            if not pairs:
                continue
            ours = geometric_mean(few.median[MAGTAPE.name] / many.median[MAGTAPE.name] for few, many in pairs)
            line = f"{group}, {counted(count)} against {fewest}: magtape {ours:.2f} times as fast"
            if all(few.best for few, _ in pairs):
                theirs = geometric_mean(few.median[few.best] / many.median[many.best] for few, many in pairs)
                line += f", PyTorch {theirs:.2f}"
            lines.append(line)
    return lines
