"""Parts of the tape that keep nothing: backward computes their saved values again.

A segment goes over the nodes that a function's call has put on the tape and lets go of what they saved. They stay where
they are, with their parents and hooks. The first of them that backward comes to calls the function again, recorded; the
nodes of that call are the same ones in the same order, and each old node asks its fresh one for the gradients it hands
on. So gradients are those of the plain tape bit for bit; hooks, `grad` and higher derivatives are as ever.

Source: Griewank & Walther, Algorithm 799: revolve, ACM TOMS 26 (2000); Chen et al., Training deep nets with sublinear
memory cost, 2016.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

from autograd.function import FunctionNode
from autograd.grad_mode import enable_grad
from autograd.node import Leaf, Node, positions
from autograd.recorded import NOTHING, Recorded
from autograd.saved import freed, overwritten
from autograd.tensor import Tensor


class CheckpointError(RuntimeError):
    """The second call of a function was not like the first."""


class Segment:
    """A function's call on the tape, which is repeated when backward needs what it saved.

    Args:
        again: calls the function as it was called at first, and returns its outputs.
        inputs: tensors it is given, which must not have been written to since.
        compare: whether shapes and types must be equal, too, not only the number of nodes.
    """

    def __init__(self, again: Callable[[], Any], inputs: Iterable[Tensor], compare: bool) -> None:
        self.again: Callable[[], Any] | None = again
        self.compare = compare
        self.inputs = [(x, _current_version(x)) for x in inputs]
        self.start = next(positions)
        self.kinds: list[Any] = []
        self.fresh: list[Node | None] = []
        self.left = 0  # nodes that backward may still come to

    def run(self, call: Callable[[], Any]) -> Any:
        """Call the function for the first time; return its outputs, whose nodes have saved nothing."""
        outputs = call()
        nodes = nodes_since(self.start, outputs)
        self.kinds = [_kind(node) for node in nodes]
        for index, node in enumerate(nodes):
            if _forget(node, Ticket(self, index)):
                self.left += 1
        return outputs

    def node(self, index: int, name: str, retain_graph: bool) -> Node:
        """Return a fresh node in the place of node `index`."""
        if not self.fresh or self.fresh[index] is None:
            self._run_again(name)
        node = self.fresh[index]
        assert node is not None
        self.fresh[index] = None  # so that memory is freed as backward goes on
        if not retain_graph:
            self.left -= 1
            if not self.left:
                self.again, self.inputs, self.fresh = None, [], []
        return node

    def _run_again(self, name: str) -> None:
        assert self.again is not None
        for position, (x, version) in enumerate(self.inputs):
            if x._version != version:
                again = f"{name} is computed again from input {position} of checkpoint, of shape {tuple(x.shape)}"
                raise overwritten(again, x._writes, version)
        start = next(positions)
        with enable_grad():
            nodes = nodes_since(start, self.again())
        self._check([_kind(node) for node in nodes])
        self.fresh = list(nodes)

    def _check(self, kinds: list[Any]) -> None:
        if len(kinds) != len(self.kinds):
            raise CheckpointError(
                "checkpoint: the function did not do the same when it was called again in backward: it recorded "
                f"{len(self.kinds)} ops at first and now {len(kinds)}"
            )
        for first, again in zip(self.kinds, kinds, strict=True):
            if self.compare and first != again:
                raise CheckpointError(
                    "checkpoint: the function did not do the same when it was called again in backward: it recorded "
                    f"{' '.join(map(str, first))} at first and now {' '.join(map(str, again))}"
                )


class Ticket(NamedTuple):
    """Where a node's saved values come from again."""

    segment: Segment
    number: int

    def copy(self, copied: Callable[[Any], Any]) -> "Ticket":
        """Return itself: a copied graph repeats the same call."""
        return self


def _current_version(x: Tensor) -> int:
    if x._view is not None:
        x._view.refresh(x)  # now, as the function would record it at its first call alone
    return x._version


def _kind(node: Node) -> tuple[Any, ...]:
    return node.name(), node.shape, node.dtype


def tensors_in(value: Any) -> Iterable[Tensor]:
    """Yield the tensors in nested tuples, lists and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


def nodes_since(start: int, outputs: Any) -> list[Node]:
    """Return the nodes behind a position of the tape that lead to the outputs, earliest first."""
    stack = [x._node for x in tensors_in(outputs) if x.requires_grad and x._node.sequence > start]
    seen = set(stack)
    while stack:
        for parent in stack.pop().parents:
            if parent.sequence > start and parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return sorted(seen, key=lambda node: node.sequence)


# -- nodes that have saved nothing ------------------------------------------------------------------------------------


def _forget(node: Node, ticket: Ticket) -> bool:
    """Let go of what a node has saved; return whether it needs it again."""
    if isinstance(node, Recorded) and node.plan.keeps != NOTHING:
        node.__class__ = ForgottenCall
        node.saved, node.sources, node.output_writes = ticket, None, None
        return True
    if isinstance(node, FunctionNode):
        node.__class__ = ForgottenFunction
        node.ctx = ticket  # type: ignore[assignment]  # all that asks for a context is overridden
        return True
    return False


class ForgottenCall(Recorded):
    """A primitive's call whose saved values come from a segment."""

    __slots__ = ()

    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        if self.saved is None:
            raise freed(self.plan.primitive.name)
        segment, number = self.saved
        node = segment.node(number, self.plan.primitive.name, retain_graph)
        if not retain_graph:
            self.saved = None
        if isinstance(node, Recorded) and not isinstance(node, ForgottenCall):
            self._check_leaves(node, segment.start)
        return node.pull(grad, recording, retain_graph)

    def _check_leaves(self, node: Recorded, start: int) -> None:
        """Refuse leaves that were there at the first call and written to since."""
        for (_, key), _, source in node._kept():
            for x in source if type(source) is tuple else (source,):
                was_there = isinstance(x, Tensor) and type(x._node) is Leaf and x._node.sequence <= start
                if was_there and x._writes is not None and x._writes.sequence > self.sequence:
                    self._refuse_overwritten(f"its input {self.plan.primitive.names_of(key)}", x.shape, x._writes)

    def _kept(self) -> Iterable[tuple[tuple[int, Any], Any, Any]]:
        return ()

    def share_output(self, writes: Any, index: int = 0) -> None:
        """Nothing: a later write to the output does not reach what is computed again."""


class ForgottenFunction(FunctionNode):
    """A custom function's call whose context comes from a segment."""

    __slots__ = ()

    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        if self.ctx is None:
            raise freed(self.name())
        segment, number = cast(Ticket, self.ctx)
        node = segment.node(number, self.name(), retain_graph)
        if not retain_graph:
            self.ctx = None  # type: ignore[assignment]
        return node.pull(grad, recording, retain_graph)

    def share_output(self, writes: Any, index: int = 0) -> None:
        """Nothing: a later write to an output does not reach what is computed again."""
