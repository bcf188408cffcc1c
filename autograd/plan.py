"""What a call of a primitive saves and which rules run: decided once per choice of the inputs that want gradients."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from autograd.recorded import (
    FIRST_INPUT,
    INPUT,
    NOTHING,
    OUTPUT,
    PARAMETER,
    RESIDUAL,
    SECOND_INPUT,
    SEVERAL,
    SHAPE,
    THE_OUTPUT,
)
from autograd.tensor import Tensor

if TYPE_CHECKING:
    from autograd.primitive import Primitive


class Rule(NamedTuple):
    """A vjp function and the names of what it is given after the gradient."""

    function: Callable[..., Any]
    names: tuple[str, ...]

    @property
    def on_arrays(self) -> Callable[..., Any]:
        """The function as an ordinary backward calls it: a rule that is a primitive is its forward."""
        return self.function.primitive.forward if hasattr(self.function, "primitive") else self.function

    @property
    def on_small(self) -> Callable[..., Any]:
        """The same for up to SMALL elements."""
        return self.function.primitive.small if hasattr(self.function, "primitive") else self.function


class Plan:
    """What a call saves and which rules run, for one choice of the inputs whose gradients are wanted."""

    __slots__ = (
        "entries",
        "indices",
        "joint",
        "keeps",
        "keeps_one",
        "no_sources",
        "on_arrays",
        "on_small",
        "primitive",
        "rule",
        "rules",
        "wanted",
    )

    def __init__(self, primitive: "Primitive", mask: int) -> None:
        self.primitive = primitive
        count = mask.bit_length() - 1 if primitive.variadic else len(primitive.inputs)
        self.wanted = wanted = tuple(bool(mask >> i & 1) for i in range(count))
        self.joint = primitive.joint is not None
        rules = [primitive.joint or primitive.rules.get(name) for name in primitive.input_names(len(wanted))]
        chosen = {i: rule for i, rule in enumerate(rules) if wanted[i] and rule is not None}
        self.indices = list(chosen)
        distinct = list(dict.fromkeys(chosen.values()))
        names = list(dict.fromkeys(name for rule in distinct for name in rule.names))
        self.entries = [primitive.entry(name) for name in names]
        self.no_sources = (None,) * len(names)
        self.rules = [(rule.function, [names.index(name) for name in rule.names]) for rule in distinct]
        alone = len(distinct) == 1 and not self.joint
        self.rule: Any = distinct[0].function if alone else None
        self.on_arrays: Any = distinct[0].on_arrays if alone else None
        self.on_small: Any = distinct[0].on_small if alone else None
        self.keeps = self._keeps() if alone and len(chosen) == sum(wanted) else SEVERAL
        self.keeps_one = self.keeps not in (NOTHING, SEVERAL)

    def _keeps(self) -> int:
        """Return what the only rule needs. Most need nothing or one array, and are then saved without `save`."""
        if len(self.entries) > 1:
            return SEVERAL
        if not self.entries:
            return NOTHING
        kind, key = self.entries[0]
        if kind == OUTPUT:
            return THE_OUTPUT
        if kind == INPUT and type(key) is int:
            return SECOND_INPUT if key else FIRST_INPUT
        return SEVERAL

    def save(
        self, inputs: Sequence[Any], parameters: dict[str, Any], output: np.ndarray, residual: Any
    ) -> tuple[Any, Any]:
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
        return (saved[0], sources[0]) if self.keeps_one else (saved, sources)

    def save_light(self, x: np.ndarray, parameters: dict[str, Any]) -> tuple[list[Any], tuple[None, ...]]:
        """Return the same for one array x and rules that ask for its shape and for given parameters alone."""
        return [x.shape if kind == SHAPE else parameters[key] for kind, key in self.entries], self.no_sources

    def apply(self, grad: Any, values: Sequence[Any]) -> Sequence[Any]:
        """Run the rules; return the gradients of the wanted inputs."""
        if self.rule is not None:
            return (self.rule(grad, *values),)
        if self.joint:
            grads = self.rules[0][0](grad, self.wanted, *values)
            return [grads[i] for i in self.indices]
        return [rule(grad, *[values[i] for i in positions]) for rule, positions in self.rules]


def _attribute(value: Any, name: str) -> Any:
    """Return the shape or dtype of an input, or a list of them for a variadic one."""
    if isinstance(value, tuple):
        return [_attribute(x, name) for x in value]
    return getattr(value.array if isinstance(value, Tensor) else np.asarray(value), name)
