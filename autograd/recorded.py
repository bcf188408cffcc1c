"""What a recorded call keeps, and how its rules run backwards."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from autograd.node import Node, next_sequence
from autograd.tensor import Tensor

if TYPE_CHECKING:
    from autograd.primitive import Primitive

INPUT, SHAPE, DTYPE, OUTPUT, RESIDUAL, PARAMETER = range(6)


class Rule(NamedTuple):
    """A vjp function and the names of what it is given after the gradient."""

    function: Callable[..., Any]
    names: tuple[str, ...]


class Plan:
    """What a call saves and which rules run, for one choice of the inputs whose gradients are wanted."""

    __slots__ = ("entries", "incomplete", "indices", "joint", "only", "primitive", "rules", "single", "wanted")

    def __init__(self, primitive: "Primitive", mask: int) -> None:
        self.primitive = primitive
        count = mask.bit_length() - 1 if primitive.variadic else len(primitive.inputs)
        self.wanted = wanted = tuple(bool(mask >> i & 1) for i in range(count))
        self.joint = primitive.joint is not None
        rules = [primitive.joint or primitive.rules.get(name) for name in primitive.input_names(len(wanted))]
        chosen = {i: rule for i, rule in enumerate(rules) if wanted[i] and rule is not None}
        self.indices = list(chosen)
        self.incomplete = len(chosen) < sum(wanted)  # an input that requires gradients has no rule
        distinct = list(dict.fromkeys(chosen.values()))
        names = list(dict.fromkeys(name for rule in distinct for name in rule.names))
        self.entries = [primitive.entry(name) for name in names]
        self.rules = [(rule.function, [names.index(name) for name in rule.names]) for rule in distinct]
        self.single = None if self.joint or len(distinct) != 1 else distinct[0].function
        # What most elementwise ops save, so that their calls need not go through `save`: nothing, or one thing.
        self.only: tuple[Any, ...] | None = None
        if len(self.entries) <= 1:
            self.only = self.entries[0] if self.entries else ()

    def save(
        self, inputs: Sequence[Any], parameters: dict[str, Any], output: np.ndarray, residual: Any
    ) -> tuple[list[Any], list[Any]]:
        """Return what the rules ask for, in the order of `entries`, and which of it came from which Tensor."""
        saved: list[Any] = []
        sources: list[Any] = []
        for kind, key in self.entries:
            source: Any = None
            if kind == INPUT:
                value = inputs[key]
                if isinstance(value, Tensor):
                    source = value
                    value = value.array
                elif type(value) is tuple:  # the inputs of a variadic primitive
                    source = value
                    value = [x.array if isinstance(x, Tensor) else x for x in value]
            elif kind == OUTPUT:
                value = output
            elif kind == PARAMETER:
                value = parameters[key] if key in parameters else self.primitive.parameters[key]
            elif kind == RESIDUAL:
                value = residual
            else:
                value = _attribute(inputs[key], "shape" if kind == SHAPE else "dtype")
            saved.append(value)
            sources.append(source)
        return saved, sources

    def apply(self, grad: Any, values: Sequence[Any]) -> Sequence[Any]:
        """Run the rules; return the gradients of the wanted inputs."""
        if self.joint:
            grads = self.rules[0][0](grad, self.wanted, *values)
            return [grads[i] for i in self.indices]
        return [rule(grad, *[values[i] for i in positions]) for rule, positions in self.rules]


class Recorded(Node):
    """A call of a primitive, with what its vjp needs."""

    __slots__ = ("output_writes", "plan", "saved", "sources")

    def __init__(
        self, plan: Plan, parents: Sequence[Node], output: np.ndarray, saved: Sequence[Any], sources: Sequence[Any]
    ) -> None:
        # Written out: this runs once per recorded op, and calling Node.__init__ would cost as much again.
        self.parents = parents
        self.shape = output.shape
        self.dtype = output.dtype
        self.hooks = None
        self.sequence = next_sequence()
        self.plan = plan
        self.saved: Any = saved
        self.sources = sources  # the Tensors whose arrays were saved, None for what came from no Tensor
        self.output_writes: Any = None

    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        saved = self.saved
        if saved is None:
            self._refuse_freed()
        for source in self.sources:
            if source is not None and (type(source) is tuple or source._writes is not None):
                self._check_versions()
        if self.output_writes is not None and self.output_writes.sequence > self.sequence:
            self._check_output()
        if recording:
            saved = self._as_tensors()
        if not retain_graph and saved:
            self.saved, self.sources = None, ()
        plan = self.plan
        if plan.single is not None:
            return (plan.single(grad, *saved),)
        return plan.apply(grad, saved)

    def _as_tensors(self) -> list[Any]:
        """Return the saved values as Tensors that lead back to their own history."""
        values: list[Any] = []
        for (kind, _), value, source in zip(self.plan.entries, self.saved, self.sources, strict=True):
            if source is not None:
                value = list(source) if type(source) is tuple else source
            elif kind == OUTPUT:
                value = Tensor(value)
                value._node = self
            elif kind == INPUT and type(value) is np.ndarray:
                value = Tensor(value)
            values.append(value)
        return values

    def _check_versions(self) -> None:
        for (_, key), source in zip(self.plan.entries, self.sources, strict=True):
            for x in source if type(source) is tuple else (source,):
                if isinstance(x, Tensor) and x._writes is not None and x._writes.sequence > self.sequence:
                    self._refuse_overwritten(f"its input {self.plan.primitive.names_of(key)}", x.shape, x._writes)

    def _check_output(self) -> None:
        for (kind, _), value in zip(self.plan.entries, self.saved, strict=True):
            if kind == OUTPUT:
                self._refuse_overwritten("its output", value.shape, self.output_writes)

    def _refuse_freed(self) -> None:
        raise RuntimeError(
            f"{self.plan.primitive.name}: Trying to backward through the graph a second time: its saved values were "
            "freed by the first backward. Specify retain_graph=True there if you need to backward again."
        )

    def _refuse_overwritten(self, what: str, shape: Sequence[int], writes: Any) -> None:
        raise RuntimeError(
            "one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"{self.plan.primitive.name} saved {what} of shape {tuple(shape)}, which {writes.by} has written to since; "
            f"it is at version {writes.count}, expected version {writes.version_at(self.sequence)}"
        )

    def share_output(self, writes: Any, index: int = 0) -> None:
        self.output_writes = writes

    def clone(self, parents: Sequence[Node], copied: Callable[[Any], Any]) -> Self:
        node = super().clone(parents, copied)
        node.plan, node.output_writes = self.plan, None
        node.saved, node.sources = copied(self.saved), copied(self.sources)
        return node

    def name(self) -> str:
        return "".join(word.capitalize() for word in self.plan.primitive.name.split("_")) + "Backward"


def _attribute(value: Any, name: str) -> Any:
    """Return the shape or dtype of an input, or a list of them for a variadic one."""
    if isinstance(value, tuple):
        return [_attribute(x, name) for x in value]
    return getattr(value.array if isinstance(value, Tensor) else np.asarray(value), name)
