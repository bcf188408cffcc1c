"""A primitive: a forward on arrays beside its vector-Jacobian product.

    @primitive
    def mul(x, y):
        return np.multiply(x, y)

    mul.vjp(
        x=lambda grad, y: grad * y,
        y=lambda grad, x: grad * x,
    )

Called with arrays a primitive computes; called with Tensors it also records. A vjp is written with primitives and
operators alone, so it runs on arrays in an ordinary backward and on Tensors under `create_graph=True`.

The names of a vjp's parameters say what backward keeps, and nothing else is kept: an input's name for its value,
`<input>_shape` or `<input>_dtype` for that alone, `output`, `residual` (whatever else the forward returned), or a
keyword parameter of the forward. Summing a broadcast gradient down and casting it is the tape's work, not the vjp's.

What `vmap` needs to know stands there too; see `autograd.batching`.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy import asarray, ndarray  # by name: looked up on every call

from autograd import batching, dtypes
from autograd.elementwise import SMALL, explained, silent, silently
from autograd.grad_mode import is_recording
from autograd.plan import Plan, Rule
from autograd.recorded import (
    DTYPE,
    FIRST_INPUT,
    INPUT,
    NOTHING,
    OUTPUT,
    PARAMETER,
    RESIDUAL,
    SECOND_INPUT,
    SHAPE,
    THE_OUTPUT,
    record,
)
from autograd.tensor import Tensor, computed
from autograd.tracing import watch, watchers

Promotion = Literal["common", "float", "signed"]

FIRST, SECOND, BOTH = 1, 2, 3  # which inputs require gradients
NO_PARAMETERS: dict[str, Any] = {}
ARRAYS = (Tensor, np.ndarray, np.generic)
ANY = (*ARRAYS, int, float)


class _Plans(dict[int, Plan]):
    """The plans of a primitive, made when first needed: bit i of the key says that input i requires gradients.

    Of a variadic primitive the highest bit ends the list of inputs.
    """

    def __init__(self, owner: "Primitive") -> None:
        self.owner = owner

    def __missing__(self, wanted: int) -> Plan:
        plan = self[wanted] = Plan(self.owner, wanted)
        return plan


class Primitive:
    """What is known of a primitive: its forward, its rules, and how its inputs are brought to one type."""

    def __init__(self, forward: Callable[..., Any], promotion: Promotion | None, residual: bool) -> None:
        self.forward = forward
        self.promotion = promotion
        self.residual = residual
        self.elementwise = getattr(forward, "elementwise", False)
        self.small = getattr(forward, "small", forward)  # what computes it up to SMALL elements
        self.name = forward.__name__.rstrip("_")
        self.family = forward.__module__
        signature = inspect.signature(forward).parameters.values()
        self.inputs = [p.name for p in signature if p.kind is p.POSITIONAL_OR_KEYWORD]
        # The others, such as a bias, may be left out: they are None.
        self.required = sum(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in signature)
        self.variadic = next((p.name for p in signature if p.kind is p.VAR_POSITIONAL), "")
        self.parameters = {p.name: p.default for p in signature if p.kind is p.KEYWORD_ONLY}
        self.rules: dict[str, Rule] = {}
        self.joint: Rule | None = None
        self.plans = _Plans(self)
        self.batching: Callable[..., Any] | None = None  # the rule by which `vmap` calls it
        self.call: Callable[..., Any] = forward  # the function it is called as

    def vjp(self, **rules: Callable[..., Any]) -> None:
        """Declare one rule per differentiable input: `input=lambda grad, <what it needs>: gradient`."""
        for name, function in rules.items():
            if name not in self.inputs:
                raise TypeError(f"{self.name}: vjp names {name!r}, but the inputs are {self.inputs}")
            self.rules[name] = self._rule(function, skip=1)

    def joint_vjp(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Declare one function `(grad, wanted, ...)` that returns the gradients of all inputs (None: not wanted)."""
        self.joint = self._rule(function, skip=2)
        return function

    def vmap(self, **changes: Callable[[Any, int], Any]) -> None:
        """Declare that under vmap it computes on all samples at once, with parameters changed: `dim=next_dim`.

        A change is given the parameter and the size of the batch, which is the first dimension of all inputs.
        """
        for name in changes:
            if name not in self.parameters:
                raise TypeError(f"{self.name}: vmap names {name!r}, but the parameters are {list(self.parameters)}")
        self.batching = batching.by_parameters(changes)

    def joint_vmap(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Declare one function `(batch, *values, **parameters)` that computes all samples; see `batching.Batch`."""
        self.batching = batching.by_function(function)
        return function

    def _rule(self, function: Callable[..., Any], skip: int) -> Rule:
        names = tuple(inspect.signature(function).parameters)[skip:]
        for name in names:
            self.entry(name)
        return Rule(function, names)

    def entry(self, name: str) -> tuple[int, Any]:
        """Say what a vjp's parameter stands for."""
        if name in self.inputs or name == self.variadic:
            return INPUT, self._position(name)
        base, _, suffix = name.rpartition("_")
        if base and (base in self.inputs or base == self.variadic) and suffix in ("shape", "dtype"):
            return SHAPE if suffix == "shape" else DTYPE, self._position(base)
        if name == "output":
            return OUTPUT, None
        if name == "residual" and self.residual:
            return RESIDUAL, None
        if name in self.parameters:
            return PARAMETER, name
        raise TypeError(f"{self.name}: a vjp asks for {name!r}, which is neither an input nor a parameter")

    def _position(self, name: str) -> int | slice:
        return slice(len(self.inputs), None) if name == self.variadic else self.inputs.index(name)

    def input_names(self, count: int) -> list[str]:
        """Return the name of each of `count` inputs."""
        return self.inputs + [self.variadic] * (count - len(self.inputs))

    def names_of(self, position: Any) -> str:
        """Return the name of the input, or inputs, at `position`."""
        return self.variadic if isinstance(position, slice) else self.inputs[position]


def _place(
    primitive: Primitive, inputs: Sequence[Any], parameters: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Move inputs given by keyword to their places."""
    rest = dict(parameters)
    placed = list(inputs)
    for name in primitive.inputs[len(inputs) :]:
        placed.append(rest.pop(name, None))
    if not rest.keys().isdisjoint(primitive.inputs):
        raise TypeError(f"{primitive.name}: got multiple values for {sorted(rest.keys() & set(primitive.inputs))}")
    return tuple(placed), rest


def _refuse_others(primitive: Primitive, inputs: Sequence[Any], accepted: tuple[type, ...]) -> None:
    """Raise TypeError for an input that is neither a tensor nor of the `accepted` types."""
    names = primitive.input_names(len(inputs))
    for position, (name, x) in enumerate(zip(names, inputs, strict=True)):
        left_out = x is None and primitive.required <= position
        if not (left_out or isinstance(x, accepted)) or (type(x) in (int, float) and type(x) not in accepted):
            raise TypeError(f"{primitive.name}: argument {name!r} must be a Tensor, not {type(x).__name__}")


def _general(primitive: Primitive) -> Callable[..., Any]:
    """Return the function a primitive is called as: any number of inputs, keyword parameters."""
    forward, promotion, has_residual = primitive.forward, primitive.promotion, primitive.residual
    names, required, elementwise = primitive.inputs, primitive.required, primitive.elementwise
    plans, variadic = primitive.plans, primitive.variadic != ""

    def call(*inputs: Any, **parameters: Any) -> Any:
        if parameters and not parameters.keys().isdisjoint(names):
            inputs, parameters = _place(primitive, inputs, parameters)
        if required <= len(inputs) < len(names):
            inputs += (None,) * (len(names) - len(inputs))
        tensors, others, wanted, bit = False, False, 0, 1
        for x in inputs:
            if isinstance(x, Tensor):
                tensors = True
                if x._view is not None and x._view.refresh(x):
                    return batching.run(primitive, inputs, parameters)
                if x._node is not None:
                    wanted |= bit
            else:
                others = True
            bit <<= 1
        if not tensors:
            if inputs and type(inputs[0]) is not ndarray:
                numbers_too = any(isinstance(x, ARRAYS) for x in inputs)
                _refuse_others(primitive, inputs, ANY if numbers_too else ARRAYS)
            output = forward(*inputs, **parameters)
            return output[0] if has_residual else output
        if others and elementwise and promotion is None:  # of a list NumPy would make an array
            _refuse_others(primitive, inputs, ANY)
        try:
            if promotion is not None:
                inputs = _promote(primitive, inputs, promotion)
            arrays = [x.array if isinstance(x, Tensor) else x for x in inputs]
            output = silently(forward, *arrays, **parameters) if elementwise else forward(*arrays, **parameters)
        except (TypeError, ValueError, AttributeError) as error:
            _refuse_others(primitive, inputs, ARRAYS if promotion is None else ANY)
            if not elementwise:
                raise
            raise explained(primitive.name, error, arrays) from None
        residual = None
        if has_residual:
            output, residual = output
        if type(output) is not ndarray:
            output = asarray(output)
        if watchers:
            watch(primitive, inputs, parameters, output)
        if wanted and output.dtype.kind == "f" and is_recording():
            plan = plans[wanted | bit if variadic else wanted]
            if plan.indices:
                saved, sources = plan.save(inputs, parameters, output, residual)
                return record(plan, [inputs[i]._node for i in plan.indices], output, saved, sources)
        return computed(output, None)

    return call


def _unary(primitive: Primitive) -> Callable[..., Any]:
    """Return `_general` written out for one floating input and no parameters."""
    forward, plans, general = primitive.forward, primitive.plans, _general(primitive)
    elementwise, small = primitive.elementwise, primitive.small

    def call(input: Any) -> Any:
        saved: Any
        sources: Any
        if not isinstance(input, Tensor):
            return forward(input) if type(input) is ndarray else general(input)
        if input._view is not None and input._view.refresh(input):
            return general(input)
        x, node = input.array, input._node
        if x.dtype.kind != "f":
            return general(input)
        try:
            output = silent()(small if x.size <= SMALL else forward, x) if elementwise else forward(x)
        except (TypeError, RuntimeError):
            return general(input)  # which explains it, or finds a context that is free
        if type(output) is not ndarray:
            output = asarray(output)
        if watchers:
            watch(primitive, (input,), NO_PARAMETERS, output)
        if node is None or not is_recording():
            return computed(output, None)
        plan = plans[FIRST]
        if plan.keeps == THE_OUTPUT:
            saved, sources = output, None
        elif plan.keeps == FIRST_INPUT:
            saved, sources = x, input
        elif plan.keeps == NOTHING:
            saved = sources = ()
        elif plan.indices:
            saved, sources = plan.save((input,), NO_PARAMETERS, output, None)
        else:
            return computed(output, None)
        return record(plan, (node,), output, saved, sources)

    return call


def _parametrized(primitive: Primitive) -> Callable[..., Any]:
    """Return `_general` written out for one tensor, of any type, and keyword parameters: what makes views."""
    forward, plans, general = primitive.forward, primitive.plans, _general(primitive)

    def call(*inputs: Any, **parameters: Any) -> Any:
        if len(inputs) != 1 or not isinstance(input := inputs[0], Tensor):
            return general(*inputs, **parameters)
        if input._view is not None and input._view.refresh(input):
            return general(input, **parameters)
        output = forward(input.array, **parameters)
        if type(output) is not ndarray:
            output = asarray(output)
        if watchers:
            watch(primitive, inputs, parameters, output)
        node = input._node
        if node is None or output.dtype.kind != "f" or not is_recording() or not (plan := plans[FIRST]).indices:
            return computed(output, None)
        saved, sources = plan.save(inputs, parameters, output, None)
        return record(plan, (node,), output, saved, sources)

    return call


def _binary(primitive: Primitive) -> Callable[..., Any]:
    """Return `_general` written out for two tensors of one type, or one and a number, and no parameters."""
    forward, plans, general = primitive.forward, primitive.plans, _general(primitive)
    makes_float, promotes = primitive.promotion == "float", primitive.promotion is not None
    elementwise, small = primitive.elementwise, primitive.small

    def call(input: Any, other: Any) -> Any:
        parents: Sequence[Any]
        saved: Any
        sources: Any
        if not isinstance(input, Tensor):
            arrays = type(input) is ndarray and type(other) is ndarray
            return forward(input, other) if arrays else general(input, other)
        if input._view is not None and input._view.refresh(input):
            return general(input, other)
        x, x_node, y_node = input.array, input._node, None
        if isinstance(other, Tensor):
            if other._view is not None and other._view.refresh(other):
                return general(input, other)
            y, y_node, source = other.array, other._node, other
            if x.dtype is not y.dtype or (makes_float and x.dtype.kind != "f"):
                return general(input, other)
        elif promotes and type(other) is float and x.dtype.kind == "f":
            y, source = asarray(other, x.dtype), None
        else:
            return general(input, other)
        try:
            few = x.size * y.size <= SMALL  # and so is the result, however they broadcast
            output = silent()(small if few else forward, x, y) if elementwise else forward(x, y)
        except (TypeError, ValueError, RuntimeError):
            return general(input, other)  # which explains it, or finds a context that is free
        if type(output) is not ndarray:
            output = asarray(output)
        if watchers:
            watch(primitive, (input, other), NO_PARAMETERS, output)
        if (x_node is None and y_node is None) or not is_recording():
            return computed(output, None)
        if y_node is None:
            plan, parents = plans[FIRST], (x_node,)
        elif x_node is None:
            plan, parents = plans[SECOND], (y_node,)
        else:
            plan, parents = plans[BOTH], (x_node, y_node)
        if (keeps := plan.keeps) == SECOND_INPUT:
            saved, sources = y, source
        elif keeps == NOTHING:
            saved = sources = ()
        elif keeps == FIRST_INPUT:
            saved, sources = x, input
        elif plan.indices:
            parents = [(x_node, y_node)[i] for i in plan.indices]
            saved, sources = plan.save((input, y if source is None else other), NO_PARAMETERS, output, None)
        else:
            return computed(output, None)
        return record(plan, parents, output, saved, sources)

    return call


def _form_of(primitive: Primitive) -> Callable[[Primitive], Callable[..., Any]]:
    """Return the shortest of the forms above that serves the primitive."""
    count = len(primitive.inputs)
    if primitive.variadic or primitive.residual:
        return _general
    if not primitive.parameters:
        return {1: _unary, 2: _binary}.get(count, _general)
    plain = count == 1 and primitive.promotion is None and not primitive.elementwise
    return _parametrized if plain else _general


def primitive(
    forward: Callable[..., Any] | None = None, *, promotion: Promotion | None = None, residual: bool = False
) -> Any:
    """Make a primitive of a forward on arrays: a function that also has `vjp` and `joint_vjp`.

    Args:
        promotion: "common" brings inputs to PyTorch's common type, "float" also makes integers floating, "signed"
            refuses truth values.
        residual: the forward returns (output, residual); the residual goes to the vjp alone.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        definition = Primitive(function, promotion, residual)
        call: Any = functools.wraps(function)(_form_of(definition)(definition))
        definition.call = call
        call.primitive, call.vjp, call.joint_vjp = definition, definition.vjp, definition.joint_vjp
        call.vmap, call.joint_vmap = definition.vmap, definition.joint_vmap
        return call

    return decorate if forward is None else decorate(forward)


def _promote(primitive: Primitive, inputs: Sequence[Any], promotion: Promotion) -> tuple[Any, ...]:
    """Give all inputs the type the result is computed in."""
    if any(x is None for x in inputs[: primitive.required]):
        raise TypeError(f"{primitive.name}: expected tensors or numbers, got None")
    arrays = [x.array if isinstance(x, Tensor) else x for x in inputs if x is not None]
    target = dtypes.result_dtype(arrays)
    if promotion == "float" and target.kind != "f":
        target = dtypes.default_float()
    if promotion == "signed":
        _refuse_bools(primitive.name, arrays)
    return tuple([x if x is None else _to_dtype(x, target) for x in inputs])


def _refuse_bools(name: str, operands: Sequence[Any]) -> None:
    bools = [np.asarray(x).dtype.kind == "b" for x in operands]
    if any(bools):
        what = "two bool tensors" if all(bools) else "a bool tensor"
        raise RuntimeError(
            f"{name}: Subtraction, the `-` operator, with {what} is not supported. To invert a mask, use the `~` or "
            "`logical_not()` operator, for a difference the `^` or `logical_xor()` operator."
        )


def _to_dtype(x: Any, target: np.dtype) -> Any:
    if isinstance(x, Tensor):
        return x if x.array.dtype == target else cast(x, dtype=target)
    return np.asarray(x).astype(target) if type(x) is int else np.asarray(x, dtype=target)  # integers wrap around


@primitive
def cast(x: np.ndarray, *, dtype: np.dtype) -> np.ndarray:
    """Convert to another element type."""
    return x.astype(dtype)


cast.vjp(x=lambda grad, x_dtype: cast(grad, dtype=x_dtype))
cast.vmap()


@primitive
def zeros_of(x: np.ndarray) -> np.ndarray:
    """yᵢ = 0: the derivative of a step function, where it has one."""
    return np.zeros_like(x)


zeros_of.vmap()
