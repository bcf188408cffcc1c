"""What the table of primitives is made of: `Row`, the samples it is tested at, and how to call it there."""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from hypothesis.strategies import SearchStrategy

from autograd import Tensor
from autograd.primitive import Primitive


class Sample(NamedTuple):
    """Arguments of one call: arrays, lists of arrays, numbers or None by position, and keyword parameters."""

    inputs: tuple[Any, ...]
    parameters: dict[str, Any] = {}


class Samples(NamedTuple):
    """A strategy that draws samples, and samples to be tested always, such as 0-d and empty ones."""

    drawn: SearchStrategy[Sample]
    edges: tuple[Sample, ...] = ()


class Error(NamedTuple):
    """A call that must raise `type`, with a message that `match` is found in."""

    type: type[Exception]
    match: str
    inputs: tuple[Any, ...]
    parameters: dict[str, Any] = {}


@dataclass(frozen=True)
class Row:
    """One function of tensors, and what is known of it.

    Args:
        reference: the same on NumPy arrays; None where PyTorch is the only reference.
        torch: PyTorch's name for it, or a function of PyTorch tensors; by default `name`. None: it has none.
        name: what the tests call it; by default, the function's name.
        linear: it is linear in each of its inputs, so that central differences of any width are exact.
        order: how often it can be differentiated: 0 (its output is no float), 1 or 2.
        errors: calls that must fail.
        through: primitives without a gradient that it calls; those with one are found on the tape.
        doubles: whether the same tensor may be given for two inputs.
        keeps_float32: whether float32 inputs give a float32 result; None: their results are not comparable.
        rtol: how far float64 results may be from the reference; kernels that sum in another order need more.
    """

    function: Callable[..., Any]
    samples: Samples
    reference: Callable[..., Any] | None
    torch: Any = ""
    name: str = ""
    linear: bool = False
    order: int = 2
    errors: tuple[Error, ...] = ()
    through: tuple[Callable[..., Any], ...] = ()
    doubles: bool = True
    keeps_float32: bool | None = True
    rtol: float = 1e-12

    def __post_init__(self) -> None:
        if not self.name:
            object.__setattr__(self, "name", self.function.__name__)

    @property
    def primitive(self) -> Primitive | None:
        """The primitive the function is, if it is one."""
        return getattr(self.function, "primitive", None)

    def tolerances(self) -> dict[str, float]:
        """Return eps, atol, rtol that tell a gradient wrong by 0.1 % from a right one."""
        if self.linear:
            return {"eps": 1.0, "atol": 1e-9, "rtol": 1e-9}
        return {"eps": 1e-6, "atol": 1e-7, "rtol": 1e-5}


def mapped(function: Callable[[np.ndarray], Any], value: Any) -> Any:
    """Return `value` with every array in it replaced by what `function` makes of it."""
    if isinstance(value, np.ndarray):
        return function(value)
    if isinstance(value, list) and any(isinstance(x, np.ndarray) for x in value):
        return [mapped(function, x) for x in value]
    return value


def arrays_of(sample: Sample) -> Iterator[np.ndarray]:
    """Yield the arrays among the inputs."""
    for value in sample.inputs:
        yield from (x for x in (value if isinstance(value, list) else [value]) if isinstance(x, np.ndarray))


def is_large(sample: Sample) -> bool:
    """Return whether a whole Jacobian would take long."""
    return sum(array.size for array in arrays_of(sample)) > 200


def as_tensors(sample: Sample, requires_grad: bool = True) -> list[Any]:
    """Return the inputs with Tensors, on read-only memory, in place of arrays; floating ones require grad."""

    def tensor(array: np.ndarray) -> Tensor:
        array.flags.writeable = False
        return Tensor(array, requires_grad=requires_grad and array.dtype.kind == "f")

    return [mapped(tensor, value) for value in sample.inputs]


def flat(value: Any) -> list[Any]:
    """Return a function's outputs, or its inputs, as one list of Tensors; None and numbers are left out."""
    if isinstance(value, (list, tuple)):
        return [x for each in value for x in flat(each)]
    return [value] if isinstance(value, Tensor) else []


def call(row: Row, inputs: list[Any], sample: Sample) -> list[Any]:
    """Return all outputs of the row's function."""
    return flat(row.function(*inputs, **copy.copy(sample.parameters)))


def flattened(row: Row, inputs: list[Any], sample: Sample) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """Return the row's function as one of floating tensors alone, and those tensors."""
    floating = [x for x in flat(inputs) if x.is_floating_point()]

    def rebuilt(value: Any, replaced: Iterator[Any]) -> Any:
        if isinstance(value, list):
            return [rebuilt(x, replaced) for x in value]
        return next(replaced) if isinstance(value, Tensor) and value.is_floating_point() else value

    def function(*tensors: Any) -> tuple[Any, ...]:
        replaced = iter(tensors)
        return tuple(call(row, [rebuilt(value, replaced) for value in inputs], sample))

    return function, tuple(floating)
