"""Derivatives of a function of a tensor, or of a tuple of tensors, as `torch.autograd.functional` has them.

Everywhere, `create_graph` makes the results differentiable themselves, and `strict` refuses outputs that do not depend
on an input, for which the result would be zeros. `autograd.func` has the same as functions that compose.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import batching, tape
from autograd.func import unit_rows
from autograd.grad_mode import enable_grad
from autograd.tensor import Tensor
from autograd.views import detach

Tensors = tuple[Tensor, ...]


def _as_tensors(name: str, what: str, value: Any) -> Tensors:
    """Return a tensor, or a tuple of tensors, as a tuple."""
    given = value if isinstance(value, tuple) else (value,)
    for x in given:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the given {what} has "
                f"type {type(x)}."
            )
    return given


def _prepared(name: str, inputs: Any, create_graph: bool) -> Tensors:
    """Return tensors to differentiate with respect to, with the inputs' history where a graph is created."""
    return tuple(
        x.expand(x.shape) if create_graph and x.requires_grad else Tensor(detach(x).array).requires_grad_()
        for x in _as_tensors(name, "inputs", inputs)
    )


def _evaluated(name: str, func: Callable[..., Any], inputs: Tensors, strict: bool) -> tuple[Tensors, bool]:
    """Return the outputs, and whether they come as a tuple."""
    result = func(*inputs)
    outputs = _as_tensors(name, "outputs of the user-provided function", result)
    if strict:
        _check_dependent(outputs, "Output {} of the user-provided function does not require gradients.")
    return outputs, isinstance(result, tuple)


def _check_dependent(tensors: Sequence[Any], message: str) -> None:
    for i, x in enumerate(tensors):
        if x is None or not x.requires_grad:
            raise RuntimeError(message.format(i) + " This is not allowed in strict mode.")


def _vectors(v: Any, like: Tensors, what: str) -> Tensors:
    """Return the vector given, one tensor for each of `like`; 1 for a single element."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if the {what} is a single Tensor with a single element.")
        return (Tensor(np.ones(like[0].array.shape, like[0].array.dtype)),)
    given = _as_tensors("v", "v", v)
    if len(given) != len(like):
        expected = "a single Tensor" if len(like) == 1 else f"{len(like)} Tensors"
        raise RuntimeError(f"The given v should contain {expected}.")
    for i, (each, x) in enumerate(zip(given, like, strict=True)):
        if each.shape != x.shape:
            raise RuntimeError(
                f"v has invalid size: should be {list(x.shape)} but got {list(each.shape)} (Entry {i} in v)."
            )
    return given


def _gradients(outputs: Tensors, inputs: Tensors, seeds: Sequence[Any], create_graph: bool) -> list[Any]:
    """Return Σ seeds · ∂outputs/∂input per input, None where they do not depend on it."""
    pairs = [(y, u) for y, u in zip(outputs, seeds, strict=True) if y.requires_grad]
    if not pairs or not inputs:
        return [None] * len(inputs)
    ys, us = zip(*pairs, strict=True)
    return list(tape.grad(ys, inputs, us, True, create_graph, allow_unused=True))


def _filled(grads: Sequence[Any], inputs: Tensors, strict: bool = False) -> list[Any]:
    """Put zeros where there is no gradient."""
    if strict and any(g is None for g in grads):
        i = next(i for i, g in enumerate(grads) if g is None)
        raise RuntimeError(
            f"The output of the user-provided function is independent of input {i}. This is not allowed in strict mode."
        )
    return [Tensor(np.zeros_like(x.array)) if g is None else g for g, x in zip(grads, inputs, strict=True)]


def _shown(tensors: Sequence[Any], as_tuple: bool, create_graph: bool) -> Any:
    result = tuple(tensors if create_graph else [detach(x) for x in tensors])
    return result if as_tuple else result[0]


# -- products with a vector ------------------------------------------------------------------------------------------


def vjp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func(*inputs) and vᵀ J, a gradient per input; v has the shape of the outputs."""
    with enable_grad():
        xs = _prepared("vjp", inputs, create_graph)
        outputs, many = _evaluated("vjp", func, xs, strict)
        seeds = _vectors(v, outputs, "user-provided function returns a single Tensor: its output")
        grads = _filled(_gradients(outputs, xs, seeds, create_graph), xs, strict)
    return _shown(outputs, many, create_graph), _shown(grads, isinstance(inputs, tuple), create_graph)


def jvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func(*inputs) and J v, a tangent per output; v has the shape of the inputs."""
    with enable_grad():
        xs = _prepared("jvp", inputs, create_graph)
        tangents = _vectors(v, xs, "input to the user-provided function")
        outputs, many = _evaluated("jvp", func, xs, strict)
        results = _pushed(outputs, xs)(tangents, create_graph)
        if strict and create_graph:
            _check_dependent(
                results, "The jacobian of output {} of the user-provided function is independent of the inputs."
            )
    return _shown(outputs, many, create_graph), _shown(results, many, create_graph)


def _pushed(outputs: Tensors, inputs: Tensors) -> Callable[..., list[Any]]:
    """Return the function v ↦ J v: Jᵀ u is linear in u, and its vjp there is J."""
    seeds = tuple(Tensor(np.zeros(y.array.shape, y.array.dtype), y.array.dtype.kind == "f") for y in outputs)
    images = _gradients(outputs, inputs, seeds, create_graph=True)

    def push(tangents: Sequence[Any], create_graph: bool = False) -> list[Any]:
        pairs = [(g, t) for g, t in zip(images, tangents, strict=True) if g is not None]
        wanted = tuple(u for u in seeds if u.requires_grad)
        found = iter(_gradients(tuple(g for g, _ in pairs), wanted, [t for _, t in pairs], create_graph))
        return _filled([next(found) if u.requires_grad else None for u in seeds], seeds)

    return push


# -- matrices --------------------------------------------------------------------------------------------------------


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return J[out][in], each of the output's shape, then the input's; nested in tuples as outputs and inputs are.

    Args:
        vectorize: compute all rows at once by vmap, not one after the other.
        strategy: "reverse-mode" by rows, or with `vectorize` "forward-mode" by columns.
    """
    _check_strategy(strategy, create_graph, strict, vectorize)
    with enable_grad():
        xs = _prepared("jacobian", inputs, create_graph)
        outputs, many = _evaluated("jacobian", func, xs, strict)
        if strategy == "forward-mode":
            columns = unit_rows(xs, _pushed(outputs, xs), None)
            blocks = [_turned(column, xs, y) for column, y in zip(columns, outputs, strict=True)]
        else:
            blocks = [_rows(y, xs, create_graph, strict, vectorize) for y in outputs]
    tuples = [_shown(block, isinstance(inputs, tuple), create_graph) for block in blocks]
    return tuple(tuples) if many else tuples[0]


def _check_strategy(strategy: str, create_graph: bool, strict: bool, vectorize: bool) -> None:
    assert strategy in ("forward-mode", "reverse-mode"), (
        f'Expected strategy to be either "forward-mode" or "reverse-mode", got {strategy!r}. A function with more '
        "outputs than inputs is faster in forward mode."
    )
    if strategy == "forward-mode" and create_graph:
        raise NotImplementedError(
            'jacobian: `create_graph=True` and `strategy="forward-mode"` are not supported together'
        )
    if strategy == "forward-mode" and not vectorize:
        raise NotImplementedError("jacobian: forward mode is only implemented for `vectorize=True`")
    if strict and vectorize:
        raise RuntimeError(
            "jacobian: `strict=True` and `vectorize=True` are not supported together. Please either set `strict=False` "
            "or `vectorize=False`."
        )


def _rows(y: Tensor, xs: Tensors, create_graph: bool, strict: bool, vectorize: bool) -> list[Any]:
    """Return ∂y/∂x for every x."""

    def gradients(seeds: Sequence[Any]) -> list[Any]:
        grads = _gradients((y,), xs, seeds, create_graph)
        if strict and create_graph:
            _check_dependent(grads, "The jacobian of the user-provided function is independent of input {}.")
        return _filled(grads, xs, strict)

    if vectorize:
        rows = unit_rows((y,), gradients, None)
        return [each.reshape((*y.shape, *x.shape)) for each, x in zip(rows, xs, strict=True)]
    units = np.eye(y.numel(), dtype=y.array.dtype).reshape(-1, *y.shape)
    single = [gradients([Tensor(unit)]) for unit in units]
    if not single:
        return [Tensor(np.zeros((*y.shape, *x.shape), x.array.dtype)) for x in xs]
    columns = [batching.join([grads[i][None] for grads in single], 0) for i in range(len(xs))]
    return [column.reshape((*y.shape, *x.shape)) for column, x in zip(columns, xs, strict=True)]


def _turned(column: Any, xs: Tensors, y: Tensor) -> list[Any]:
    """Return the columns of ∂y/∂x of all x as one matrix for each."""
    parts = column.split([x.numel() for x in xs])
    return [part.movedim(0, -1).reshape((*y.shape, *x.shape)) for part, x in zip(parts, xs, strict=True)]


def _single(name: str, func: Callable[..., Any]) -> Callable[..., Tensor]:
    """Return the function, checked to return one number."""

    def checked(*inputs: Any) -> Tensor:
        result = func(*inputs)
        outputs = _as_tensors(name, "outputs of the user-provided function", result)
        if len(outputs) != 1 or isinstance(result, tuple):
            raise RuntimeError(f"The function given to {name} should return a single Tensor")
        if outputs[0].numel() != 1:
            raise RuntimeError(f"The Tensor returned by the function given to {name} should contain a single element")
        return outputs[0].squeeze()

    return checked


_LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    "independent of the input."
)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return H[in][in], the second derivatives of a function that returns one number: the Jacobian of its gradient."""
    number = _single("hessian", func)

    def gradient(*xs: Any) -> Any:
        jac = jacobian(number, xs, create_graph=True)
        if strict:
            _check_dependent(jac, _LINEAR)
        return jac

    result = jacobian(
        gradient, _as_tensors("hessian", "inputs", inputs), create_graph, strict, vectorize, outer_jacobian_strategy
    )
    return result if isinstance(inputs, tuple) else result[0][0]


def vhp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func(*inputs), one number, and vᵀ H for its second derivatives H; v has the shape of the inputs."""
    return _vhp("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Callable[..., Any], inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return func(*inputs), one number, and H v, computed as vᵀ H: H is symmetric."""
    return _vhp("hvp", func, inputs, v, create_graph, strict)


def _vhp(name: str, func: Callable[..., Any], inputs: Any, v: Any, create_graph: bool, strict: bool) -> tuple[Any, Any]:
    values: list[Any] = []

    def number(*xs: Any) -> Tensor:
        values.append(func(*xs))
        return _single(name, lambda: values[0])()

    with enable_grad():
        xs = _prepared(name, inputs, create_graph)
        vectors = _vectors(v, xs, "input to the user-provided function")
        outputs, _ = _evaluated(name, number, xs, strict)
        one = (Tensor(np.ones((), outputs[0].array.dtype)),)
        slopes = _filled(_gradients(outputs, xs, one, create_graph=True), xs, strict)
        if strict:
            _check_dependent(slopes, _LINEAR)
        products = _filled(_gradients(tuple(slopes), xs, vectors, create_graph), xs, strict)
    return _shown(values, False, create_graph), _shown(products, isinstance(inputs, tuple), create_graph)
