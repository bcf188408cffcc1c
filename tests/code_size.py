"""How large the packages are: python -m tests.code_size prints the table of CONTRIBUTING.md.

A primitive has its own derivative rules or kernel; a composition is a public function of `ops` made of them. A function's
lines include its docstring and the functions in it.
"""

import ast
import importlib
import inspect
import statistics
from pathlib import Path
from typing import NamedTuple

from autograd.primitive import Primitive

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("autograd", "ops", "ops/kernels", "nn")
HEADER = "| part | files | lines | functions | median length | longest | primitives | with a gradient | compositions |"


class Size(NamedTuple):
    """What a part of the code counts."""

    files: int
    lines: int
    functions: int
    median: float
    longest: int
    primitives: int
    differentiable: int
    compositions: int


def files_of(part: str) -> list[Path]:
    """Return the files of a part, those of the parts inside it left out."""
    inner = [ROOT / other for other in PARTS if other.startswith(f"{part}/")]
    return [f for f in sorted((ROOT / part).rglob("*.py")) if not any(f.is_relative_to(folder) for folder in inner)]


def size(part: str) -> Size:
    """Measure a part."""
    files = files_of(part)
    texts = [f.read_text(encoding="utf-8") for f in files]
    nodes = [node for text in texts for node in ast.walk(ast.parse(text))]
    lengths = [
        node.end_lineno - node.lineno + 1  # type: ignore[operator]
        for node in nodes
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    kinds = [kind for f in files for kind in _kinds(f)] if part in ("autograd", "ops") else []
    return Size(
        len(files),
        sum(text.count("\n") for text in texts),
        len(lengths),
        statistics.median(lengths),
        max(lengths),
        kinds.count("primitive") + kinds.count("differentiable"),
        kinds.count("differentiable"),
        kinds.count("composition"),
    )


def _kinds(path: Path) -> list[str]:
    """Say of each public function a module defines what it is, and of each primitive."""
    module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    found = []
    for name, value in vars(module).items():
        definition = getattr(value, "primitive", None)
        if isinstance(definition, Primitive):
            if value.__module__ == module.__name__:
                found.append("differentiable" if definition.rules or definition.joint else "primitive")
        elif inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_"):
            found += ["composition"] if module.__name__.startswith("ops") else []
    return found


def table() -> str:
    """Return the sizes of all parts as a Markdown table."""
    rows = [HEADER, "|---|" + "---:|" * len(Size._fields)]
    for part in PARTS:
        cells = [f"{value:,g}" if isinstance(value, float) else f"{value:,}" for value in size(part)]
        rows.append(f"| `{part}/` | {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    print(table())
