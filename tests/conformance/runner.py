"""One call in both libraries, and all that is compared of it.

Compared are the exception's type, or the result: its structure and field names, types, shapes, values, whether it
requires gradients, whose memory it shares and how it lies there; the arguments afterwards; and the gradients of
every floating argument.
"""

import copy
import inspect
import operator
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

import autograd
import nn.functional
from autograd.tensor import Tensor
from tests.conformance.call import Arr, Call, DType, mapped
from tests.conformance.differences import is_deliberate
from tests.conformance.draw import Draw

TOLERANCES = {"float64": (1e-10, 1e-10), "float32": (1.3e-6, 1e-5), "float16": (1e-3, 1e-5)}
"""rtol and atol: for float32 and float16 those of PyTorch's own tests."""


@dataclass(frozen=True)
class Row:
    """A name, and how calls of it are drawn.

    Args:
        draw: returns arguments by name, in the order of PyTorch's signature.
        keyword: those that must come by keyword.
        splat: the one that a method, and with `splat_function` also the function, takes as f(2, 3).
        forms: "function", "method" and "in-place"; by default those that PyTorch has.
        values: whether values are comparable: they are not if they are random.
        names: further names that mean the same.
    """

    name: str
    draw: Callable[[Draw], dict[str, Any]]
    keyword: tuple[str, ...] = ()
    splat: str = ""
    splat_function: bool = False
    always_splat: bool = False
    forms: tuple[str, ...] = ()
    values: bool = True
    names: tuple[str, ...] = ()
    samples: float = 1.0
    label: str = ""
    by_position: bool = False  # the overloads of PyTorch's name their arguments differently
    tolerance: tuple[float, float] | None = None
    function: Callable[..., Any] | None = None  # of tensors of either library, instead of the name

    @property
    def operator(self) -> bool:
        """Whether it is called as an operator."""
        return self.name.startswith("__")

    @property
    def id(self) -> str:
        """What the tests call it."""
        return self.name + (f" ({self.label})" if self.label else "")

    def call(self, d: Draw, form: str) -> Call:
        """Draw arguments, and which of them come by position."""
        arguments = self.draw(d)
        allowed = [name for name in arguments if name not in self.keyword]
        least, most = min(1, len(allowed)), self._by_position(arguments, form, len(allowed))
        positional = most if self.by_position or d.chance(0.5) else d.integer(min(least, most), most)
        if most == len(allowed) < len(arguments) and d.chance(0.03):
            positional = len(arguments)  # a keyword-only argument by position: both must refuse
        if self.operator or "attribute" in self.forms:
            positional = len(arguments)
        names = list(arguments)[:positional]
        spread = (form == "method" or self.splat_function) and bool(names) and names[-1] == self.splat
        return Call(arguments, positional, spread and (self.always_splat or d.chance(0.5)))

    def _by_position(self, arguments: dict[str, Any], form: str, most: int) -> int:
        """Return how many arguments may come by position: up to the first that is left out."""
        if self.function or self.operator or "attribute" in self.forms:
            return most
        order = list(inspect.signature(OURS.find(self.name, form)).parameters)
        for i, name in enumerate(list(arguments)[:most]):
            if i and name in order and order.index(name) != i:
                return i
        return most


def _reflected(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, other: function(other, x)


def _getter(name: str) -> Callable[..., Any]:
    return lambda x: getattr(x, name)


_BINARY = ("matmul", "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "and_", "or_", "xor", "lshift", "rshift")
OPERATORS = {
    "__getitem__": operator.getitem,
    **{f"__{name}__": getattr(operator, name) for name in ("eq", "ne", "lt", "le", "gt", "ge", "neg", "pos", "abs")},
    "__invert__": operator.invert,
    **{f"__{name.strip('_')}__": getattr(operator, name) for name in _BINARY},
    **{f"__r{name.strip('_')}__": _reflected(getattr(operator, name)) for name in _BINARY},
    **{f"__i{name.strip('_')}__": getattr(operator, f"i{name.strip('_')}") for name in _BINARY},
}
"""What a name of an operator is called as: through Python, which also tries the other operand's."""


class Library:
    """One of the two libraries: where its names are, and how its tensors are made and looked into."""

    def __init__(self, root: Any, functional: Any, tensor: Any, array: Callable[[Any], np.ndarray]) -> None:
        self.root, self.functional, self.tensor, self.array = root, functional, tensor, array

    def find(self, name: str, form: str) -> Any:
        """Return what a form of a name is called as, or None."""
        home, _, last = name.rpartition(".")
        if form.endswith("operator") and name in OPERATORS:
            return OPERATORS[name]
        if form == "attribute":
            return _getter(name) if hasattr(self.tensor, name) else None
        if form == "in-place":
            last += "_"
        place = {"": self.tensor, "F": self.functional, "linalg": self.root.linalg}[home]
        return getattr(self.root if form == "function" and not home else place, last, None)

    def make(self, value: Arr | DType) -> Any:
        """Return a tensor, or an element type."""
        if isinstance(value, DType):
            return getattr(self.root, value.name)
        x = self.root.from_numpy(value.copy())
        return x.requires_grad_() if value.requires_grad else x


OURS = Library(autograd, nn.functional, Tensor, lambda x: x.array)


def theirs(torch: Any) -> Library:
    """Return PyTorch as a library."""
    return Library(torch, torch.nn.functional, torch.Tensor, lambda x: x.detach().numpy())


@dataclass
class Outcome:
    """What became of a call."""

    error: Exception | None = None
    result: Any = None
    inputs: list[Any] = field(default_factory=list)
    grads: list[Any] = field(default_factory=list)


def tensors(value: Any, kind: Any) -> Iterator[Any]:
    """Yield the tensors in nested tuples and lists."""
    if isinstance(value, kind):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors(each, kind)


def run(library: Library, row: Row, form: str, call: Call) -> Outcome:
    """Call it, and differentiate what comes out."""
    function = row.function or library.find(row.name, form)
    leaves: list[Any] = []
    args, kwargs = mapped(lambda x: _noted(library.make(x), leaves), call.split())
    if form in IN_PLACE and leaves and leaves[0].requires_grad:
        args[0] = leaves[0].clone()
    outcome = Outcome(inputs=[*leaves, *args[:1]] if form in IN_PLACE else leaves)
    try:
        outcome.result = function(*args, **kwargs)
    except Exception as error:  # whatever it is, it is compared
        outcome.error = error
        return outcome
    outputs = [y for y in tensors(outcome.result, library.tensor) if y.requires_grad]
    wanted = [x for x in leaves if getattr(x, "requires_grad", False)]
    if outputs and wanted:
        seeds = [library.root.from_numpy(_seed(library.array(y))) for y in outputs]
        try:
            outcome.grads = list(library.root.autograd.grad(outputs, wanted, seeds, allow_unused=True))
        except RuntimeError as error:
            outcome.error = error
        outcome.grads = [
            library.root.zeros_like(x) if g is None else g for x, g in zip(wanted, outcome.grads, strict=False)
        ]
    return outcome


def _noted(value: Any, leaves: list[Any]) -> Any:
    if not type(value).__name__.endswith("dtype"):
        leaves.append(value)
    return value


def _seed(array: np.ndarray) -> np.ndarray:
    return np.cos(np.arange(array.size, dtype=np.float64)).reshape(array.shape).astype(array.dtype)


IN_PLACE = ("in-place", "in-place operator")


class Check(NamedTuple):
    """How results are compared."""

    other: Library
    tolerance: tuple[float, float]
    values: bool


class Difference(AssertionError):
    """What differs between the libraries."""


def compare(row: Row, form: str, call: Call, other: Library) -> None:
    """Run a call in both libraries; raise Difference where they differ and are not meant to."""
    try:
        _compare(row, form, call, other)
    except Difference as difference:
        if not is_deliberate(f"{row.name} {form}", str(difference)):
            raise


def _compare(row: Row, form: str, call: Call, other: Library) -> None:
    check = Check(other, _tolerance(row, call), row.values)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        a, b = (run(library, row, form, copy.copy(call)) for library in (OURS, other))
        _same_errors(a.error, b.error)
        if a.error is None:
            _same(a.result, b.result, check, "result")
            _same_memory(a, b, other)
            for i, (x, y) in enumerate(zip(a.inputs, b.inputs, strict=True)):
                _same(x, y, check, f"argument {i} afterwards")
            for i, (x, y) in enumerate(zip(a.grads, b.grads, strict=True)):
                _same(x, y, check, f"gradient {i}", requires_grad=False)


def _same_errors(a: Exception | None, b: Exception | None) -> None:
    if type(a) is not type(b):
        ours, them = (f"{type(e).__name__}: {str(e)[:160]}" if e else "a result" for e in (a, b))
        raise Difference(f"ours {ours!r}, PyTorch's {them!r}")


def _same(a: Any, b: Any, check: Check, what: str, requires_grad: bool = True) -> None:
    if isinstance(b, check.other.tensor):
        if not isinstance(a, Tensor):
            raise Difference(f"{what}: {type(a).__name__} instead of a tensor")
        _same_tensors(a, b, check, what)
        if requires_grad and a.requires_grad != b.requires_grad:
            raise Difference(f"{what}: requires_grad is {a.requires_grad}, PyTorch's {b.requires_grad}")
    elif isinstance(b, (tuple, list)) and not isinstance(b, check.other.root.Size):
        if isinstance(a, tuple) is not isinstance(b, tuple) or len(a) != len(b):
            raise Difference(f"{what}: {type(a).__name__} of {len(a)}, PyTorch's {type(b).__name__} of {len(b)}")
        missing = [name for name in getattr(a, "_fields", ()) if not hasattr(b, name)]
        if missing:
            raise Difference(f"{what}: no fields {missing} in PyTorch's")
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            _same(x, y, check, f"{what}[{i}]", requires_grad)
    elif isinstance(a, Tensor) or (a != b and not (a != a and b != b)):
        raise Difference(f"{what}: {a!r}, PyTorch's {b!r}")


def _tolerance(row: Row, call: Call) -> tuple[float, float]:
    """Return rtol and atol: those of the narrowest floating type among the arguments."""
    types: set[str] = {"float64"}
    mapped(lambda x: types.add(str(x.array.dtype) if isinstance(x, Arr) else x.name), call.arguments)
    return row.tolerance or max(TOLERANCES[name] for name in types if name in TOLERANCES)


def _same_tensors(a: Any, b: Any, check: Check, what: str) -> None:
    array, expected = a.array, b.detach().numpy()
    if array.dtype != expected.dtype or array.shape != expected.shape:
        raise Difference(f"{what}: {array.dtype} {array.shape}, PyTorch's {expected.dtype} {expected.shape}")
    if not check.values:
        return
    rtol, atol = max(check.tolerance, TOLERANCES.get(str(array.dtype), (0.0, 0.0)))
    if not np.allclose(array, expected, rtol, atol, equal_nan=True):
        raise Difference(f"{what}: {array.tolist()!r:.300}, PyTorch's {expected.tolist()!r:.300}")


def _same_memory(a: Outcome, b: Outcome, other: Library) -> None:
    """Compare which arguments each result shares memory with, and, where it does, its strides."""
    pairs = zip(tensors(a.result, Tensor), tensors(b.result, other.tensor), strict=True)
    for y, z in pairs:
        if not y.numel():
            continue
        for i, (x, t) in enumerate(zip(a.inputs, b.inputs, strict=True)):
            shared = bool(x.numel()) and np.may_share_memory(y.array, x.array)
            expected = z.untyped_storage().data_ptr() == t.untyped_storage().data_ptr()
            if shared != expected:
                raise Difference(f"shares memory with argument {i}: {shared}, PyTorch's: {expected}")
            if shared and _strides(y) != _strides(z):
                raise Difference(f"strides of the view: {y.stride()}, PyTorch's {z.stride()}")


def _strides(x: Any) -> list[int]:
    return [s for s, n in zip(x.stride(), x.shape, strict=True) if n > 1]
