"""Stored runs: rows with their machine, as JSON, and the README's table from them."""

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.peers import MAGTAPE
from benchmarks.report import counted, geometric_mean, number, quantity
from benchmarks.row import Row, restored

ENTIRE = ("kernels", "scaling")  # suites of which the table shows what groups come to, not each row

COMPILE = "startup/compile"


def save(path: Path, rows: list[Row]) -> None:
    """Store rows; a file that exists keeps its other rows, so that a long run can be made in parts."""
    kept = {(row.name, row.threads): row for row in (load(path)[1] if path.exists() else [])}
    kept |= {(row.name, row.threads): row for row in rows}
    content = {"machine": machine.describe(), "rows": [row.stored() for row in kept.values()]}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")


def load(path: Path) -> tuple[dict[str, Any], list[Row]]:
    """Return a stored run's machine and rows."""
    try:
        content = json.loads(path.read_text())
        return content["machine"], [restored(row) for row in content["rows"]]
    except OSError as error:
        raise SystemExit(f"benchmarks: cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise SystemExit(f"benchmarks: {path} is not a stored run; --save writes one") from None


def table(path: Path) -> str:
    """Return a stored run as Markdown."""
    described, rows = load(path)
    counts = sorted({row.threads for row in rows})
    columns = ["benchmark", "magtape", "best PyTorch", "variant"]
    columns += [f"ratio, {counted(count)}" for count in counts] + ["JAX"]
    lines = [", ".join(f"{name} {value}" for name, value in described.items()) + ".", ""]
    lines += [markdown(columns), "|---|" + "---:|" * 2 + "---|" + "---:|" * (len(counts) + 1)]
    rows = compile_total(rows)
    rows.sort(key=lambda row: (row.suite, row.group))
    for suite, of_suite in groupby(rows, key=lambda row: row.suite):
        if suite in ENTIRE:
            lines += [
                group_line(group, list(members), counts)
                for group, members in groupby(of_suite, key=lambda row: row.group)
            ]
        else:
            lines += case_lines(list(of_suite), counts)
    return "\n".join(lines)


def compile_total(rows: list[Row]) -> list[Row]:
    """Return rows with one in the place of those of single kernels' compilation: their sum."""
    compiled = [row for row in rows if row.group == COMPILE]
    if not compiled:
        return rows
    total = {MAGTAPE.name: sum(row.median[MAGTAPE.name] for row in compiled)}
    name = f"{COMPILE}, all {len(compiled)}"
    return [row for row in rows if row.group != COMPILE] + [Row(name, compiled[0].threads, total, total, total)]


def markdown(cells: list[str]) -> str:
    """Return a line of a table."""
    return f"| {' | '.join(cells)} |"


def group_line(group: str, rows: list[Row], counts: list[int]) -> str:
    """Return a group's geometric mean and least ratio for each number of threads."""
    cells = [f"{group} ({len({row.name for row in rows})} cases)", "", "", ""]
    for count in counts:
        ratios = [ratio for row in rows if row.threads == count and (ratio := row.ratio()) is not None]
        cells.append(f"{geometric_mean(ratios):.2f} (≥ {min(ratios):.2f})" if ratios else "")
    return markdown([*cells, ""])


def case_lines(rows: list[Row], counts: list[int]) -> list[str]:
    """Return a line for each case: times with the fewest threads, ratios with each number."""
    lines = []
    for name in dict.fromkeys(row.name for row in rows):
        by_count = {row.threads: row for row in rows if row.name == name and not row.refused}
        if not by_count:
            continue
        first = by_count[min(by_count)]
        cells = [name, quantity(first.median[MAGTAPE.name], first.unit)]
        cells += [quantity(first.median[first.best], first.unit), first.best] if first.best else ["", ""]
        cells += [number(by_count[count].ratio()) if count in by_count else "" for count in counts]
        lines.append(markdown([*cells, number(first.ratio("jax"))]))
    return lines
