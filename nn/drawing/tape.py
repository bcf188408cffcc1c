"""The graph of a tape: the ops behind a tensor, and what each keeps for backward."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from autograd.function import FunctionNode
from autograd.node import Leaf, OutputOf, behind
from autograd.node import Node as TapeNode
from autograd.recomputation import Ticket
from autograd.recorded import INPUT, OUTPUT, Recorded
from autograd.tensor import Tensor
from nn.drawing.graph import Graph, Node, refuse_above, shown
from nn.drawing.labels import op_name


def graph_of_tape(tensor: Tensor, names: Any, limit: int) -> Graph:
    """Return the graph of the ops that made a tensor; leaves are called by `names`, pairs of name and tensor."""
    if tensor.grad_fn is None:
        raise RuntimeError("draw: the tensor has no history: it is a leaf, or was made from what requires no gradients")
    called = {id(value._node): name for name, value in _pairs(names) if value._node is not None}
    graph = Graph(f"the tape of a tensor of shape {shown(tensor.shape)}")
    drawn: dict[TapeNode, Node] = {}
    for node in sorted(behind([tensor.grad_fn]), key=lambda node: node.sequence):
        if isinstance(node, OutputOf):  # drawn as the node whose output it is
            drawn[node] = drawn[node.parents[0]]
            continue
        shown_as = _leaf(node, called) if isinstance(node, Leaf) else _op(node)
        drawn[node] = graph.add(shown_as, [drawn[parent] for parent in node.parents])
    last = Node("output", "output", "", shown(tensor.shape), "the tensor that is drawn")
    graph.add(last, [drawn[tensor.grad_fn]])
    refuse_above(limit, len(graph.nodes), "draw the loss of a smaller model or of fewer steps, or raise the limit")
    return graph


def _pairs(names: Any) -> Iterable[tuple[str, Tensor]]:
    if names is None:
        return []
    pairs = list(names.items() if isinstance(names, dict) else names)
    for pair in pairs:
        if not (isinstance(pair, tuple) and len(pair) == 2 and isinstance(pair[1], Tensor)):
            raise TypeError("draw: names must be pairs of a name and a tensor, as model.named_parameters() gives them")
    return pairs


def _leaf(node: Leaf, called: dict[int, str]) -> Node:
    tensor = node.tensor()
    name = called.get(id(node), "")
    kind = "freed tensor" if tensor is None else type(tensor).__name__
    note = f"{name or 'a leaf'}: {kind} of shape {shown(node.shape)}, requires grad"
    return Node("parameter" if name or kind == "Parameter" else "input", name or kind, "leaf", shown(node.shape), note)


def _op(node: TapeNode) -> Node:
    saved = list(_saved(node))
    name = op_name(node.plan.primitive) if isinstance(node, Recorded) else node.name()
    detail = "saves " + ", ".join(name for name, _ in saved) if saved else ""
    kept = "; ".join(f"{name} {shape}" for name, shape in saved)
    lines = [f"{node.name()} → {shown(node.shape)}", f"keeps for backward: {kept or 'nothing'}"]
    return Node("tape", name, detail, shown(node.shape), "\n".join(lines))


def _saved(node: TapeNode) -> Iterator[tuple[str, str]]:
    """Yield names and shapes of the arrays a node keeps for backward."""
    kept = _kept_by_function(node.ctx) if isinstance(node, FunctionNode) else getattr(node, "saved", ())
    if kept is None:
        yield "nothing more: freed by a backward", ""
    elif isinstance(node, FunctionNode):
        for x in kept:
            value = x.array if x.tensor is None else x.tensor
            yield "tensor", "" if value is None else shown(value.shape)
    elif isinstance(node, Recorded):
        for (kind, key), value, _ in node._kept():
            name = node.plan.primitive.names_of(key) if kind == INPUT else "output" if kind == OUTPUT else "residual"
            arrays = [x for x in (value if isinstance(value, (list, tuple)) else [value]) if isinstance(x, np.ndarray)]
            for x in arrays:
                yield name, shown(x.shape)


def _kept_by_function(ctx: Any) -> Any:
    """Return what the context of a custom function keeps, None where it was freed, nothing where it is made again."""
    return () if isinstance(ctx, Ticket) else None if ctx is None else ctx._saved
