"""Functions of functions, as `torch.func` has them: derivatives and `vmap`, which compose.

`vjp` is all the derivatives are made of. It gives the function fresh tensors in place of its arguments, and walks the
tape back from the outputs to those. Under vmap the fresh tensors have a value of their own for every sample, also where
all samples share the argument; so a gradient is one per sample. Forward mode is two reverse passes: the vjp is linear
in the cotangent u, and the vjp of u ↦ Jᵀu is v ↦ J v.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd import batching, tape
from autograd.batching import BatchedTensor, Level, active, all_batched, all_spread_out, running, spread_out
from autograd.grad_mode import enable_grad, is_recording
from autograd.node import Leaf
from autograd.pytree import flatten, tree_map, unflatten
from autograd.stateless import functional_call, stack_module_state
from autograd.tensor import Tensor
from autograd.views import detach
from autograd.vmapping import RANDOMNESS, vmap

__all__ = [
    "functional_call",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "stack_module_state",
    "value_and_grad",
    "vjp",
    "vmap",
]


class _Call:
    """A function called on fresh tensors, ready to be differentiated with respect to them."""

    def __init__(self, name: str, function: Callable[..., Any], primals: Sequence[Any], has_aux: bool = False) -> None:
        self.levels = active()  # the vmaps around the call
        given, self.structure = flatten(tuple(primals))
        self.inputs = [_fresh(all_spread_out(_tensor(x), self.levels)) for x in given]
        with enable_grad():
            result = function(*unflatten([all_batched(x, self.levels) for x in self.inputs], self.structure))
            self.aux: Any = None
            if has_aux:
                if not (isinstance(result, tuple) and len(result) == 2):
                    raise RuntimeError(
                        f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
                    )
                result, self.aux = result[0], tree_map(self.shown, result[1])
            self.result = result
            self.outputs, self.output_structure = flatten(result)
            for y in self.outputs:
                if not isinstance(y, Tensor):
                    raise RuntimeError(f"{name}: expected f to return only tensors, got unsupported type {type(y)}")
            self.ends = [all_spread_out(y, self.levels) for y in self.outputs]  # the outputs as the tape has them

    def shown(self, y: Any) -> Any:
        """Return an output as the caller sees it: of the fresh tensors he knows nothing."""
        return y if not isinstance(y, Tensor) or not y.requires_grad or self.outside([y]) else detach(y)

    def value(self) -> Any:
        """Return what the function returned."""
        return unflatten([self.shown(y) for y in self.outputs], self.output_structure)

    def outside(self, tensors: Sequence[Any]) -> bool:
        """Return whether tensors depend on anything that requires gradients beside the fresh tensors."""
        mine = {x._node for x in self.inputs}
        seen = {y._node for y in tensors if y.requires_grad}
        stack = list(seen)
        while stack:
            node = stack.pop()
            if type(node) is Leaf:
                if node not in mine:
                    return True
            elif node in mine:
                return True  # an input that has a history
            for parent in node.parents:
                if parent not in seen:
                    seen.add(parent)
                    stack.append(parent)
        return False

    def pull(self, cotangents: Sequence[Any], create_graph: bool | None = None) -> list[Any]:
        """Return Jᵀ u for cotangents u of the outputs: a gradient per input, zeros where nothing depends on it."""
        ends = [
            (y, all_spread_out(u, self.levels)) for y, u in zip(self.ends, cotangents, strict=True) if y.requires_grad
        ]
        outputs, seeds = [y for y, _ in ends], [u for _, u in ends]
        if create_graph is None:
            create_graph = is_recording() and (any(u.requires_grad for u in seeds) or self.outside(outputs))
        found: Sequence[Any] = (None,) * len(self.inputs)
        if outputs and self.inputs:
            found = tape.grad(outputs, self.inputs, seeds, True, create_graph, allow_unused=True)
        filled = [_zeros(x) if g is None else g for x, g in zip(self.inputs, found, strict=True)]
        return [all_batched(g, self.levels) for g in filled]


def _tensor(x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise ValueError(f"Thing passed to transform API must be Tensor, got {type(x)}")
    if x.array.dtype.kind != "f":
        raise RuntimeError(f"only Tensors of floating point dtype can require gradients, got {x.dtype}")
    return x


def _fresh(x: Tensor) -> Tensor:
    """Return a tensor of the same elements, at which a walk of the tape can stop."""
    if x.requires_grad and is_recording():
        return x.expand(x.shape)
    return Tensor(x.array, requires_grad=True)


def _zeros(x: Tensor) -> Tensor:
    return Tensor(np.zeros(x.array.shape, x.array.dtype))


# -- reverse mode ----------------------------------------------------------------------------------------------------


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return func(*primals) and the function u ↦ Jᵀ u, a tuple of as many gradients as there are primals.

    Primals and outputs may nest tensors in tuples, lists and dicts; u is nested as the outputs. With `has_aux`,
    `func` returns (outputs, aux), and aux, which has no part in J, comes third.
    """
    call = _Call("vjp(f, *primals)", func, primals, has_aux)

    def pull(*cotangents: Any) -> Any:
        given, structure = flatten(cotangents[0] if len(cotangents) == 1 else cotangents)
        if structure != call.output_structure:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of outputs to the "
                f"function: got {len(given)} tensors for {len(call.outputs)} outputs, or nested otherwise"
            )
        return unflatten(call.pull(given), call.structure)

    return (call.value(), pull, call.aux) if has_aux else (call.value(), pull)


def grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that computes the gradient of `func`, which returns one number, in argument `argnums`.

    A tuple of argnums gives a tuple of gradients. With `has_aux`, `func` returns (number, aux), and so does the
    gradient.
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        grads, value = both(*args, **kwargs)
        return (grads, value[1]) if has_aux else grads

    return gradient


def grad_and_value(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that computes (gradient, value), or (gradient, (value, aux)); see `grad`."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        partial, primals = _chosen(func, argnums, args, kwargs)
        call = _Call("grad_and_value(f)(*args)", partial, primals, has_aux)
        if not isinstance(call.result, Tensor):
            raise RuntimeError(
                f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(call.result)}"
            )
        if call.result.ndim:
            raise RuntimeError(
                "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor with "
                f"{call.result.ndim} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
            )
        one = Tensor(np.ones((), call.result.array.dtype))
        grads = unflatten(call.pull([one]), call.structure)
        value = call.value()
        return grads if isinstance(argnums, tuple) else grads[0], (value, call.aux) if has_aux else value

    return both


def value_and_grad(func: Callable[..., Any], argnums: Any = 0, has_aux: bool = False) -> Callable[..., Any]:
    """Return the function that computes (value, gradient), or ((value, aux), gradient); see `grad`."""
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def reversed_(*args: Any, **kwargs: Any) -> Any:
        return both(*args, **kwargs)[::-1]

    return reversed_


def _chosen(
    func: Callable[..., Any], argnums: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], list[Any]]:
    """Return `func` as a function of the arguments numbered by `argnums`, and those arguments."""
    numbers = argnums if isinstance(argnums, tuple) else (argnums,)
    if not numbers:
        raise RuntimeError("argnums must be non-empty")
    if not all(isinstance(i, int) for i in numbers):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {argnums!r}")
    for i in numbers:
        if not -len(args) <= i < len(args):
            raise RuntimeError(f"Got argnum={i}, but only {len(args)} positional inputs")
    places = [i % len(args) for i in numbers]
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")

    def partial(*primals: Any) -> Any:
        given = list(args)
        for i, primal in zip(places, primals, strict=True):
            given[i] = primal
        return func(*given, **kwargs)

    return partial, [args[i] for i in places]


# -- forward mode ----------------------------------------------------------------------------------------------------


class _Pushed:
    """A call ready to be differentiated forwards: the vjp u ↦ Jᵀ u, recorded at cotangents u of its outputs."""

    def __init__(self, call: _Call) -> None:
        self.call = call
        with enable_grad():
            self.seeds = [Tensor(np.zeros(y.array.shape, y.array.dtype), y.array.dtype.kind == "f") for y in call.ends]
            given = [all_batched(u, call.levels) for u in self.seeds]
            self.images = [all_spread_out(g, call.levels) for g in call.pull(given, create_graph=True)]

    def push(self, tangents: Sequence[Any]) -> list[Any]:
        """Return J v for tangents v of the inputs: a tangent per output."""
        call = self.call
        ends = [
            (g, all_spread_out(v, call.levels)) for g, v in zip(self.images, tangents, strict=True) if g.requires_grad
        ]
        images, seeds = [g for g, _ in ends], [v for _, v in ends]
        wanted = [u for u in self.seeds if u.requires_grad]
        found: Any = iter((None,) * len(wanted))
        if images and wanted:
            create = is_recording() and (any(v.requires_grad for v in seeds) or call.outside(call.ends))
            found = iter(tape.grad(images, wanted, seeds, True, create, allow_unused=True))
        pushed = [next(found) if u.requires_grad else None for u in self.seeds]
        filled = [_zeros(u) if t is None else t for u, t in zip(self.seeds, pushed, strict=True)]
        return [all_batched(t, call.levels) for t in filled]


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> Any:
    """Return func(*primals) and J v, v the tangents, one for each primal; and aux with `has_aux`.

    `strict` refuses outputs that do not depend on the primals, whose tangents would be zeros.
    """
    name = "jvp(f, primals, tangents)"
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{name}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    given, structure = flatten(primals)
    directions, direction_structure = flatten(tangents)
    if structure != direction_structure:
        raise RuntimeError(f"{name}: Expected primals and tangents to have the same python structure.")
    if not given:
        raise RuntimeError(f"{name}: Expected primals to contain at least one Tensor.")
    for x, v in zip(given, directions, strict=True):
        if _tensor(x).shape != _tensor(v).shape:
            raise RuntimeError(
                "Trying to set a forward gradient that has a different size than that of the original Tensor, this "
                f"is not supported. Tensor is of size {list(x.shape)} while the given forward gradient is of size "
                f"{list(v.shape)}."
            )
    call = _Call(name, func, primals, has_aux)
    if strict and not all(y.requires_grad for y in call.ends):
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the inputs. This is not "
            "allowed with strict=True."
        )
    pushed = unflatten(_Pushed(call).push(directions), call.output_structure)
    return (call.value(), pushed, call.aux) if has_aux else (call.value(), pushed)


# -- Jacobians -------------------------------------------------------------------------------------------------------


def unit_rows(tensors: Sequence[Any], apply: Callable[[list[Any]], list[Any]], chunk_size: int | None) -> list[Any]:
    """Return `apply` of every unit vector of the space of `tensors`, stacked: one array of rows per result."""
    sizes = [x.numel() for x in tensors]
    total, starts = sum(sizes), np.cumsum([0, *sizes])
    if not total:
        return [each[None][:0] for each in apply([_zeros(x) for x in tensors])]
    parts = []
    for first in range(0, total, chunk_size or total):
        level = Level(min(first + (chunk_size or total), total) - first, "error")
        units = []
        for x, start in zip(tensors, starts, strict=False):
            block = np.eye(level.size, x.numel(), first - start, x.array.dtype)
            units.append(BatchedTensor(Tensor(block.reshape(level.size, *x.shape)), level))
        with running((*active(), level)):
            parts.append([spread_out(result, level) for result in apply(units)])
    return [batching.join(rows, 0) if len(rows) > 1 else rows[0] for rows in zip(*parts, strict=True)]


def _check_chunk_size(name: str, chunk_size: int | None) -> None:
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"{name}: `chunk_size` should be greater than 0.")


def jacrev(
    func: Callable[..., Any],
    argnums: Any = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return the function that computes the Jacobian of `func` in argument `argnums`, row by row: vmap of vjp.

    J[out][arg] has the shape of the output, then that of the argument; it is nested as the outputs, and in each as
    the arguments. `chunk_size` rows are computed at once.
    """
    _check_chunk_size("jacrev", chunk_size)

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        partial, primals = _chosen(func, argnums, args, kwargs)
        call = _Call("vjp(f, *primals)", partial, primals, has_aux)
        for y in call.outputs:
            if y.array.dtype.kind != "f":
                raise RuntimeError(
                    f"vjp(f, ...): All outputs of f must be floating-point, got Tensor with dtype {y.dtype}"
                )
        rows = unit_rows(call.outputs, call.pull, chunk_size)
        sizes = [y.numel() for y in call.outputs]
        blocks = [each.split(sizes) for each in rows]  # [arg][out]
        given = flatten(tuple(primals))[0]
        results = []
        for i, y in enumerate(call.outputs):
            of_args = [b[i].reshape((*y.shape, *x.shape)) for b, x in zip(blocks, given, strict=True)]
            tree = unflatten(of_args, call.structure)
            results.append(tree if isinstance(argnums, tuple) else tree[0])
        result = unflatten(results, call.output_structure)
        return (result, call.aux) if has_aux else result

    return jacobian


def jacfwd(
    func: Callable[..., Any],
    argnums: Any = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return the function that computes the Jacobian of `func` in argument `argnums`, column by column: vmap of jvp.

    Its result is `jacrev`'s. The function itself is called once, outside of the vmap; `randomness` is checked alone.
    """
    _check_chunk_size("jacfwd", chunk_size)
    if randomness not in RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        partial, primals = _chosen(func, argnums, args, kwargs)
        call = _Call("jvp(f, primals, tangents)", partial, primals, has_aux)
        given = flatten(tuple(primals))[0]
        columns = unit_rows(given, _Pushed(call).push, chunk_size)
        sizes = [x.numel() for x in given]
        results = []
        for y, all_columns in zip(call.outputs, columns, strict=True):
            of_args = [
                block.movedim(0, -1).reshape((*y.shape, *x.shape))
                for block, x in zip(all_columns.split(sizes), given, strict=True)
            ]
            tree = unflatten(of_args, call.structure)
            results.append(tree if isinstance(argnums, tuple) else tree[0])
        result = unflatten(results, call.output_structure)
        return (result, call.aux) if has_aux else result

    return jacobian


def hessian(func: Callable[..., Any], argnums: Any = 0) -> Callable[..., Any]:
    """Return the function that computes the second derivatives of `func` in argument `argnums`, nested as `jacrev`'s.

    Reverse mode twice: forward mode here is two reverse passes itself, so jacfwd of jacrev would take a third.
    """
    return jacrev(jacrev(func, argnums), argnums)
