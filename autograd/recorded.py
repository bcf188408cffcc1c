"""What a recorded call keeps, and how its rules run backwards."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from autograd.elementwise import SMALL
from autograd.node import Node, positions
from autograd.saved import freed, overwritten
from autograd.tensor import Tensor, computed, new
from autograd.tracing import Trace, trace_of, tracers

if TYPE_CHECKING:
    from autograd.plan import Plan

INPUT, SHAPE, DTYPE, OUTPUT, RESIDUAL, PARAMETER = range(6)  # what a name in a rule stands for
NOTHING, FIRST_INPUT, SECOND_INPUT, THE_OUTPUT, SEVERAL = range(5)  # what a plan keeps


class Recorded(Node):
    """A call of a primitive, with what its vjp needs; `record` makes it."""

    __slots__ = ("output_writes", "plan", "saved", "sources")

    plan: "Plan"
    saved: Any  # the values in the order of `plan.entries`, or, where the plan keeps one, that one; None once freed
    sources: Any  # for each the Tensor whose array it is, None for what came from no Tensor
    output_writes: Any

    # One class for all: the interpreter's caches in the walk serve one class well, and several badly.
    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        plan, saved, source = self.plan, self.saved, self.sources
        rule = plan.rule if recording else plan.on_small if grad.size <= SMALL else plan.on_arrays
        if plan.keeps == NOTHING:
            return (rule(grad),)
        if saved is None:
            raise freed(self.plan.primitive.name)
        if self.output_writes is not None:
            self._check_output()
        if plan.keeps == SEVERAL:
            return self._pull_several(grad, recording, retain_graph)
        if source is not None and source._writes is not None:
            self._check_versions()
        if recording:
            saved = self._as_tensors()[0]
        if not retain_graph:
            self.saved = self.sources = None
        return (rule(grad, saved),)

    def _pull_several(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        plan, saved = self.plan, self.saved
        for source in self.sources:
            if source is not None and (type(source) is tuple or source._writes is not None):
                self._check_versions()
        if recording:
            saved = self._as_tensors()
        if not retain_graph and saved:
            self.saved = self.sources = None
        return plan.apply(grad, saved)

    def _kept(self) -> Iterable[tuple[tuple[int, Any], Any, Any]]:
        """Return the entry, the value and the source of everything saved."""
        if self.plan.keeps_one:
            return [(self.plan.entries[0], self.saved, self.sources)]
        return zip(self.plan.entries, self.saved, self.sources, strict=True)

    def _as_tensors(self) -> list[Any]:
        """Return the saved values as Tensors that lead back to their own history."""
        self._check_detached()
        values: list[Any] = []
        for (kind, _), value, source in self._kept():
            if source is not None:
                many = type(source) is tuple
                value = list(map(_as_saved, source, value)) if many else _as_saved(source, value)
            elif kind == OUTPUT:
                value = computed(value, self)
            elif kind == INPUT and type(value) is np.ndarray:
                value = Tensor(value)
            values.append(value)
        return values

    def _check_versions(self) -> None:
        for (_, key), _, source in self._kept():
            for x in source if type(source) is tuple else (source,):
                if isinstance(x, Tensor) and x._writes is not None and x._writes.sequence > self.sequence:
                    self._refuse_overwritten(f"its input {self.plan.primitive.names_of(key)}", x.shape, x._writes)

    def _check_detached(self) -> None:
        """Refuse inputs that were cut off since from the history that their derivatives lead to."""
        parents = dict(zip(self.plan.indices, self.parents, strict=True))
        for (kind, key), _, source in self._kept():
            parent = parents.get(key) if kind == INPUT and type(key) is int else None
            if isinstance(parent, Recorded) and isinstance(source, Tensor) and source._node is None:
                raise RuntimeError(
                    f"{self.plan.primitive.name}: its input {self.plan.primitive.names_of(key)} has been detached "
                    "in-place, by detach_(), since it was saved. Use detach() instead."
                )

    def _check_output(self) -> None:
        if self.output_writes.sequence > self.sequence:
            for (kind, _), value, _ in self._kept():
                if kind == OUTPUT:
                    self._refuse_overwritten("its output", value.shape, self.output_writes)

    def _refuse_overwritten(self, what: str, shape: Sequence[int], writes: Any) -> None:
        saved = f"{self.plan.primitive.name} saved {what} of shape {tuple(shape)}"
        raise overwritten(saved, writes, writes.version_at(self.sequence), trace_of(self))

    def saves(self, tensor: Tensor) -> bool:
        """Return whether the tensor's array was saved."""
        return any(source is tensor for _, _, source in self._kept())

    def exchange(self, tensor: Tensor, other: Tensor) -> None:
        """Save another tensor in the place of one saved before."""
        if self.plan.keeps_one:
            self.saved, self.sources = other.array, other
            return
        kept = list(self._kept())
        self.saved = [other.array if source is tensor else value for _, value, source in kept]
        self.sources = [other if source is tensor else source for _, _, source in kept]

    def share_output(self, writes: Any, index: int = 0) -> None:
        self.output_writes = writes

    def clone(self, parents: Sequence[Node], copied: Callable[[Any], Any]) -> Self:
        node = super().clone(parents, copied)
        node.plan, node.output_writes = self.plan, None
        node.saved, node.sources = copied(self.saved), copied(self.sources)
        return node

    def name(self) -> str:
        return "".join(word.capitalize() for word in self.plan.primitive.name.split("_")) + "Backward"


def _as_saved(source: Any, array: Any) -> Any:
    """Return the tensor an array was saved from, or a twin of it if that was given other data since (`x.data = y`)."""
    same = not isinstance(source, Tensor) or source.array is array
    return source if same else computed(array, source._node)


def record(plan: "Plan", parents: Sequence[Node], output: np.ndarray, saved: Any, sources: Any) -> Tensor:
    """Return the result of a call as a Tensor with its node. It runs once per op, so both are built in one frame."""
    node = Recorded()
    node.parents = parents
    shape, behind = output.shape, parents[0].shape
    node.shape = behind if behind == shape else shape  # one tuple along a chain: less for the garbage collector
    node.dtype = output.dtype
    node.sequence = next(positions)
    node.plan = plan
    node.saved = saved
    node.sources = sources
    node.hooks = node.output_writes = None
    if tracers:
        node.trace = Trace.here()
    tensor = new(Tensor)
    tensor.array = output
    tensor._node = node
    tensor._grad = tensor._view = tensor._writes = None
    return tensor
