"""What the parts may import, what must have a test, and how long things may get."""

import ast
import importlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from autograd.primitive import Primitive
from tests.code_size import PARTS, size
from tests.op_table import ROWS, primitives, reached

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("autograd", "ops", "nn")

# Who may import what, beside the standard library: the most specific prefix decides.
ALLOWED = {
    "autograd": {"autograd", "numpy"},
    "autograd.__init__": {"autograd", "ops", "numpy"},
    "autograd.testing": {"autograd", "numpy", "hypothesis"},
    "ops": {"ops", "autograd", "numpy"},
    "ops.kernels": {"ops.kernels", "numpy", "numba", "llvmlite"},
    "nn": {"nn", "ops", "autograd", "numpy"},
}
# Optional libraries, imported where a function that needs one is called.
OPTIONAL = {
    "torch",
    "matplotlib",
    "PIL",
    "pooch",
    "requests",
    "rich",
    "tqdm",
    "mpi4py",
    "sklearn",
    "safetensors",
    "psutil",
    "ml_dtypes",
}

LINES, FUNCTION_LINES = 600, 50
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def modules() -> Iterator[tuple[str, Path]]:
    """Yield the dotted name and file of every module of the packages."""
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts), path


MODULES = dict(modules())
every_module = pytest.mark.parametrize("name", MODULES)


@cache
def tree_of(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


def imports(name: str) -> Iterator[tuple[str, bool]]:
    """Yield the full name of everything a module imports, and whether it does so when it is imported itself."""
    late = set()
    for node in ast.walk(tree_of(name)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            late.update(map(id, ast.walk(node)))
    for node in ast.walk(tree_of(name)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, id(node) not in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}: relative imports hide where an arrow points"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                is_module = any(full == each.removesuffix(".__init__") for each in MODULES)
                yield full if is_module else str(node.module), id(node) not in late


def within(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def is_standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


# -- arrows -------------------------------------------------------------------------------------------


@every_module
def test_imports_point_the_right_way(name: str) -> None:
    rule = max((prefix for prefix in ALLOWED if within(name, prefix)), key=len)
    for imported, at_top in imports(name):
        if is_standard(imported) or (not at_top and imported.partition(".")[0] in OPTIONAL):
            continue
        assert any(within(imported, prefix) for prefix in ALLOWED[rule]), f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in MODULES if within(name, "ops") and name != "ops.__init__"])
def test_ops_imports_files_of_the_engine_not_its_facade(name: str) -> None:
    assert "autograd" not in {imported for imported, _ in imports(name) if imported != "autograd.__init__"}


@every_module
def test_no_star_imports(name: str) -> None:
    stars = [
        node.lineno
        for node in ast.walk(tree_of(name))
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert not stars


def test_the_walk_sees_imports_of_all_kinds() -> None:
    """The tests above would pass, too, if they found nothing."""
    assert ("numba", True) in set(imports("ops.kernels.jit"))
    assert any(within(imported, "ops") for imported, _ in imports("autograd.__init__"))
    assert any(within(imported, "autograd") for imported, _ in imports("ops.arithmetic"))
    assert any(within(imported, "ops") for imported, _ in imports("nn.functional"))


# -- completeness -------------------------------------------------------------------------------------


@cache
def all_reached() -> frozenset[Primitive]:
    return frozenset(primitive for row in ROWS for primitive in reached(row))


def test_every_primitive_is_reached_by_a_row() -> None:
    missing = sorted(name for primitive, name in primitives().items() if primitive not in all_reached())
    assert not missing, f"no row of tests/op_table.py reaches {', '.join(missing)}"


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names)), {name for name in names if names.count(name) > 1}


@every_module
def test_public_names_exist(name: str) -> None:
    module = importlib.import_module(name.removesuffix(".__init__"))
    public = getattr(module, "__all__", ())
    assert len(public) == len(set(public))
    for each in public:
        assert hasattr(module, each), f"{name}.__all__ lists {each}"


# -- size ---------------------------------------------------------------------------------------------


@every_module
def test_files_are_short(name: str) -> None:
    lines = len(MODULES[name].read_text(encoding="utf-8").splitlines())
    assert lines <= LINES or name in LONG_FILES, f"{lines} lines"
    assert lines > LINES or name not in LONG_FILES, "no longer an exception"


def functions_longer_than_allowed(name: str) -> set[str]:
    return {
        f"{name}.{node.name}"
        for node in ast.walk(tree_of(name))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _length(node) > FUNCTION_LINES
    }


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return how many lines a function has, its docstring and the functions in it not counted."""
    lines = set(range(node.lineno, node.end_lineno + 1))  # type: ignore[operator]
    inner = [each for each in ast.walk(node) if isinstance(each, ast.FunctionDef) and each is not node]
    if ast.get_docstring(node) is not None:
        inner.append(node.body[0])  # type: ignore[arg-type]
    for each in inner:
        lines -= set(range(each.lineno, each.end_lineno + 1))  # type: ignore[operator]
    return len(lines)


@every_module
def test_functions_are_short(name: str) -> None:
    assert functions_longer_than_allowed(name) == {each for each in LONG_FUNCTIONS if each.startswith(f"{name}.")}


def test_the_table_of_sizes_is_true() -> None:
    """Within a tenth: it need not change with every line."""
    shown = [line for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines() if line[:3] == "| `"]
    for part in PARTS:
        (row,) = [line for line in shown if line.startswith(f"| `{part}/` |") and line.count("|") == 10]
        told = [float(cell.replace(",", "")) for cell in row.split("|")[2:-1]]
        assert told == pytest.approx(size(part), rel=0.1, abs=1), "python -m tests.code_size prints the table"


def test_functions_are_short_in_the_middle() -> None:
    assert all(size(part).median <= 8 and size(part).longest <= 60 for part in PARTS)
