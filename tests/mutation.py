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
from dataclasses import dataclass
from typing import Any

import numpy as np
from hypothesis import settings

from autograd.plan import Rule
from autograd.primitive import Primitive
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


@dataclass
class Mutant:
    """One rule of a primitive, to be replaced by one that gives other gradients."""

    primitive: Primitive
    rule: str  # the input it is for, or "joint"
    only_second: bool = False
    ran: bool = False
    differed: bool = False  # whether a gradient ever was anything but zero

    def apply(self) -> None:
        """Put the mutated rule in place."""
        if self.rule == "joint":
            assert self.primitive.joint is not None
            self.primitive.joint = self._mutated(self.primitive.joint)
        else:
            self.primitive.rules[self.rule] = self._mutated(self.primitive.rules[self.rule])

    def _mutated(self, rule: Rule) -> Rule:
        def function(*arguments: Any) -> Any:
            self.ran = True
            return self._changed(rule.function(*arguments))

        return Rule(function, rule.names)

    def _changed(self, gradient: Any) -> Any:
        if isinstance(gradient, (tuple, list)):
            return [self._changed(each) for each in gradient]
        if gradient is None:
            return None
        array = gradient.array if isinstance(gradient, Tensor) else np.asarray(gradient)
        self.differed = self.differed or bool(array.any())
        if not self.only_second:
            return gradient * FACTOR
        if isinstance(gradient, Tensor):  # the same value, with another derivative
            return gradient + (FACTOR - 1) * (gradient - gradient.detach())
        return gradient


def mutants(primitive: Primitive, only_second: bool = False) -> list[Mutant]:
    """Return a mutant for each rule of a primitive."""
    rules = [*primitive.rules, *(["joint"] if primitive.joint is not None else [])]
    return [Mutant(primitive, rule, only_second) for rule in rules]


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


def killer(mutant: Mutant, rows: list[Row]) -> str:
    """Return the name of the first test that fails on a mutant, and passes without it; "" if there is none."""
    tests = {1: test_first_derivatives, 2: test_second_derivatives}
    for row in rows:
        for order in range(1 + mutant.only_second, row.order + 1):
            with _restored(mutant.primitive):
                mutant.apply()
                killed = _fails(tests[order], row)
            if killed and not _fails(tests[order], row):
                return f"{tests[order].__name__}[{row.name}]"
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
        for mutant in mutants(primitive, arguments.second):
            test = killer(mutant, rows)
            verdict = f"killed by {test}" if test else "SURVIVED"
            if mutant.ran and not mutant.differed:
                verdict = "no mutant: its gradients are all zero"
            survivors += verdict == "SURVIVED"
            print(f"{name}, rule {mutant.rule}: {verdict}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
