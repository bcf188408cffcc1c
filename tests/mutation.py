"""Do the tests notice wrong gradients? Mutate a vjp rule in memory, run the rows that reach it, expect a failure.

    python -m tests.mutation                    # ten primitives
    python -m tests.mutation mul conv2d exp     # those that rows of these names, or these primitives, reach
    python -m tests.mutation --all              # every primitive that has a gradient
    python -m tests.mutation --second mul       # leave first derivatives right, make second ones wrong

Every gradient a rule returns is scaled by 1.001, one rule at a time. Exit status 1 if a mutant survives.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import settings

from autograd.primitive import Primitive
from autograd.recorded import Rule
from autograd.tensor import Tensor
from tests.op_table import ROWS, primitives, reached
from tests.row import Row
from tests.test_ops import test_first_derivatives, test_second_derivatives

FACTOR = 1.001
DEFAULT = [
    "arithmetic.mul",
    "arithmetic.power",
    "elementary.exp",
    "elementary.tanh",
    "reduction.summed",
    "softmax.normalized_log",
    "linear.matmul",
    "conv.convolution",
    "pool.max_pooled",
    "norm.layer_normalized",
]


def _scaled(gradient: Any, only_second: bool) -> Any:
    if isinstance(gradient, (tuple, list)):
        return type(gradient)(_scaled(each, only_second) for each in gradient)
    if gradient is None:
        return None
    if only_second:  # the same value, but another derivative
        return (
            gradient + (FACTOR - 1) * (gradient - gradient.detach())
            if isinstance(gradient, Tensor)
            else gradient
        )
    return gradient * FACTOR


def mutants(primitive: Primitive, only_second: bool = False) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield, per rule of a primitive, its name and a function that puts the mutated rule in place."""

    def mutated(rule: Rule) -> Rule:
        return Rule(lambda *args: _scaled(rule.function(*args), only_second), rule.names)

    for name, rule in list(primitive.rules.items()):
        yield name, lambda name=name, rule=rule: primitive.rules.update({name: mutated(rule)})
    if primitive.joint is not None:
        rule = primitive.joint
        yield "joint", lambda: setattr(primitive, "joint", mutated(rule))


@contextmanager
def _restored(primitive: Primitive) -> Iterator[None]:
    """Put the rules back at the end; plans made from them are dropped before and after."""
    rules, joint = dict(primitive.rules), primitive.joint
    primitive.plans.clear()
    try:
        yield
    finally:
        primitive.rules, primitive.joint = rules, joint
        primitive.plans.clear()


def killer(
    primitive: Primitive, mutate: Callable[[], None], rows: list[Row], only_second: bool = False
) -> str:
    """Return the name of the first test that fails on a mutant, and passes without it; "" if there is none."""
    tests = [test_second_derivatives] if only_second else [test_first_derivatives, test_second_derivatives]
    for row in rows:
        for order, test in enumerate(tests, start=1 + only_second):
            if row.order < order:
                continue
            with _restored(primitive):
                mutate()
                killed = _fails(test, row)
            if killed and not _fails(test, row):
                return f"{test.__name__}[{row.name}]"
    return ""


def _fails(test: Callable[[Row], None], row: Row) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            test(row)
    except Exception:  # whatever it is: the test notices
        return True
    return False


def _selected(names: list[str]) -> dict[Primitive, str]:
    known = primitives()
    chosen: dict[Primitive, str] = {}
    for name in names:
        found = {p: n for p, n in known.items() if name in (n, n.partition(".")[2], p.name)}
        for row in ROWS:
            if row.name == name and not found:
                found = {p: known[p] for p in reached(row) if p in known and p.differentiable}
        if not found:
            sys.exit(f"tests.mutation: no primitive or row is called {name!r}")
        chosen |= found
    return chosen


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", default=DEFAULT, help="primitives, or rows that reach them")
    parser.add_argument("--second", action="store_true", help="mutate second derivatives only")
    parser.add_argument("--all", action="store_true", help="mutate every primitive that has a gradient")
    arguments = parser.parse_args()
    if arguments.all:
        arguments.names = [name for primitive, name in primitives().items() if primitive.differentiable]
    settings.register_profile("mutation", derandomize=True, deadline=None, max_examples=10, database=None)
    settings.load_profile("mutation")
    survivors = 0
    rows_of: dict[Primitive, list[Row]] = {}
    for row in ROWS:
        for primitive in reached(row):
            rows_of.setdefault(primitive, []).append(row)
    for primitive, name in _selected(arguments.names).items():
        rows = sorted(rows_of.get(primitive, []), key=lambda row: row.primitive is not primitive)
        for rule, mutate in mutants(primitive, arguments.second):
            test = killer(primitive, mutate, rows, arguments.second)
            survivors += not test
            print(f"{name}, rule {rule}: {'killed by ' + test if test else 'SURVIVED'}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
