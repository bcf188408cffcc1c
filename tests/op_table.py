"""The table of primitives: one row per function of tensors, a file per family.

A new primitive needs a row here; `test_architecture.py` fails as long as no row reaches it. What is tested of
every row stands in `test_ops.py`.
"""

import importlib
import pkgutil
from collections.abc import Iterator

from hypothesis import given, settings

import ops
from autograd.grad_mode import enable_grad
from autograd.node import Node
from autograd.primitive import Primitive
from autograd.recorded import Recorded
from autograd.tape import grad
from autograd.tensor import Tensor
from tests.op_rows import (
    activation,
    arithmetic,
    comparison,
    elementary,
    indexing,
    learning,
    linear,
    recurrent,
    reduction,
    shape,
    windows,
)
from tests.row import Row, Sample, as_tensors, call, flat, is_large

_FAMILIES = (
    arithmetic,
    elementary,
    comparison,
    activation,
    reduction,
    shape,
    indexing,
    linear,
    windows,
    learning,
    recurrent,
)
ROWS: list[Row] = [row for family in _FAMILIES for row in family.ROWS]


def primitives() -> dict[Primitive, str]:
    """Return every primitive defined in `ops`, with the name it has there."""
    found: dict[Primitive, str] = {}
    for module in pkgutil.iter_modules(ops.__path__):
        if module.ispkg:
            continue
        members = vars(importlib.import_module(f"ops.{module.name}")).values()
        for member in members:
            definition = getattr(member, "primitive", None)
            if isinstance(definition, Primitive) and definition.forward.__module__ == f"ops.{module.name}":
                found.setdefault(definition, f"{module.name}.{member.__name__}")
    return found


def reached(row: Row, examples: int = 3) -> set[Primitive]:
    """Return the primitives a row exercises: its own, those it names, those on the tapes of derivatives."""
    found = {row.primitive} | {function.primitive for function in row.through}

    def check(sample: Sample) -> None:
        inputs = as_tensors(sample)
        leaves = [x for x in flat(inputs) if x.requires_grad]
        outputs = [y for y in call(row, inputs, sample) if y.requires_grad]
        found.update(_on_tape(outputs))
        for _ in range(row.order):
            if not outputs or not leaves:
                return
            seeds = [Tensor(y.array + 0.5, requires_grad=True) for y in outputs]
            grads = grad(outputs, leaves, seeds, create_graph=True, allow_unused=True)
            leaves, outputs = leaves + seeds, [g for g in grads if g is not None and g.requires_grad]
            found.update(_on_tape(outputs))

    @settings(max_examples=examples, database=None, derandomize=True, deadline=None)
    @given(row.samples.drawn)
    def at_drawn(sample: Sample) -> None:
        check(sample)

    with enable_grad():
        for edge in row.samples.edges:
            if not is_large(edge):  # the same primitives, in more time
                check(edge)
        at_drawn()
    return {primitive for primitive in found if primitive is not None}


def _on_tape(tensors: list[Tensor]) -> Iterator[Primitive]:
    """Yield the primitives of all nodes from which tensors came."""
    stack: list[Node] = [x._node for x in tensors]
    seen = set(stack)
    while stack:
        node = stack.pop()
        if isinstance(node, Recorded):
            yield node.plan.primitive
        fresh = [parent for parent in node.parents if parent not in seen]
        seen.update(fresh)
        stack += fresh
