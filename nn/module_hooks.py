"""Hooks of a Module: functions called before and after its forward, and when gradients pass through it."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from autograd.function import Function
from autograd.hooks import HookTable, RemovableHandle
from autograd.tensor import Tensor
from nn.module_errors import locate


class Hook(NamedTuple):
    """A function and how it wants to be called."""

    function: Callable[..., Any]
    with_kwargs: bool = False
    always_call: bool = False


def add(table: HookTable, hook: Any, prepend: bool) -> RemovableHandle:
    """Register a hook last, or first."""
    earlier = dict(table) if prepend else {}
    for key in earlier:
        del table[key]
    handle = table.add(hook)
    table.update(earlier)
    return handle


class ModuleHooks:
    """The hooks of one module, and a call of its forward that runs them."""

    def __init__(self) -> None:
        self.forward_pre = HookTable()
        self.forward = HookTable()
        self.backward_pre = HookTable()
        self.backward = HookTable()

    def call(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the module's forward between its hooks."""
        called: set[int] = set()
        try:
            args, kwargs = self._before(module, args, kwargs)
            boundary = _Boundary(module, self) if self.backward_pre or self.backward else None
            if boundary is not None:
                args = boundary.enter(args)
            result = module.forward(*args, **kwargs)
            for key, hook in list(self.forward.items()):
                called.add(key)
                new = _after(hook, module, args, kwargs, result)
                if new is not None:
                    result = new
        except Exception:
            self._after_failure(module, args, kwargs, called)
            raise
        return result if boundary is None else boundary.leave(result)

    def _before(
        self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for hook in list(self.forward_pre.values()):
            if hook.with_kwargs:
                new = hook.function(module, args, kwargs)
                if new is not None:
                    if not (isinstance(new, tuple) and len(new) == 2):
                        raise RuntimeError(
                            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {new}."
                        )
                    args, kwargs = new
            else:
                new = hook.function(module, args)
                if new is not None:
                    args = new if isinstance(new, tuple) else (new,)
        return args, kwargs

    def _after_failure(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]) -> None:
        """Run the hooks that are to be called whatever happens, and were not."""
        for key, hook in list(self.forward.items()):
            if hook.always_call and key not in called:
                try:
                    _after(hook, module, args, kwargs, None)
                except Exception as error:
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced "
                        f"as another error was raised in forward: {error}",
                        stacklevel=4,
                    )


def _after(hook: Hook, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
    if hook.with_kwargs:
        return hook.function(module, args, kwargs, result)
    return hook.function(module, args, result)


class _Gate(Function):
    """The identity; `on_grads` sees the gradients that come back, and what it returns goes on.

    `fill`: gradients that nothing depends on come as zeros, not as None.
    """

    @staticmethod
    def forward(ctx: Any, on_grads: Callable[..., Any], fill: bool, *tensors: Tensor) -> Any:
        ctx.on_grads = on_grads
        ctx.set_materialize_grads(fill)
        ctx.mark_non_differentiable(*[x for x in tensors if not x.requires_grad])
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, None, *ctx.on_grads(grads))


class _Boundary:
    """What gradients cross on their way into and out of one call of a module."""

    def __init__(self, module: Any, hooks: ModuleHooks) -> None:
        self.module = module
        self.hooks = hooks
        self.count = 0  # positional arguments of the call
        self.gated = False  # whether any of them requires a gradient
        self.grad_output: tuple[Any, ...] | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments, gated."""
        self.count = len(args)
        tensors = [x for x in args if isinstance(x, Tensor)]
        self.gated = any(x.requires_grad for x in tensors)
        return _gate(args, self._on_grad_input, fill=True) if self.gated else args

    def leave(self, result: Any) -> Any:
        """Return the result, gated."""
        if isinstance(result, tuple):
            return _gate(result, self._on_grad_output, fill=False)
        return _gate((result,), self._on_grad_output, fill=False)[0]

    def _on_grad_output(self, is_tensor: Sequence[bool], grads: tuple[Any, ...]) -> Sequence[Any]:
        grad_output = _spread(is_tensor, grads)
        for hook in list(self.hooks.backward_pre.values()):
            new = self._called(hook, grad_output)
            grad_output = _replaced(grad_output, new, "backward pre hook")
        self.grad_output = grad_output
        if not self.gated:
            self._run((None,) * self.count)
        return _pick(is_tensor, grad_output)

    def _on_grad_input(self, is_tensor: Sequence[bool], grads: tuple[Any, ...]) -> Sequence[Any]:
        if self.grad_output is None:  # a higher derivative, which came here past the output
            return grads
        return _pick(is_tensor, self._run(_spread(is_tensor, grads)))

    def _run(self, grad_input: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in list(self.hooks.backward.values()):
            new = self._called(hook, grad_input, self.grad_output)
            if self.gated:
                grad_input = _replaced(grad_input, new, "backward hook")
            elif new is not None and not (isinstance(new, tuple) and all(grad is None for grad in new)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or "
                    "None for all gradients."
                )
        self.grad_output = None
        return grad_input

    def _called(self, hook: Callable[..., Any], *grads: Any) -> Any:
        """Call a hook; an error in it names the module, which no traceback of backward does."""
        try:
            return hook(self.module, *grads)
        except Exception as error:
            locate(error, self.module)
            raise


def _gate(values: tuple[Any, ...], on_grads: Callable[..., Any], *, fill: bool) -> tuple[Any, ...]:
    """Send the tensors among `values` through one gate."""
    is_tensor = [isinstance(x, Tensor) for x in values]
    tensors = [x for x in values if isinstance(x, Tensor)]
    if not any(x.requires_grad for x in tensors):
        return values
    gated = iter(_Gate.apply(lambda grads: on_grads(is_tensor, grads), fill, *tensors))
    return tuple(next(gated) if isinstance(x, Tensor) else x for x in values)


def _spread(is_tensor: Sequence[bool], grads: Sequence[Any]) -> tuple[Any, ...]:
    """Put a gradient at the place of each tensor, and None elsewhere."""
    each = iter(grads)
    return tuple(next(each) if tensor else None for tensor in is_tensor)


def _pick(is_tensor: Sequence[bool], grads: Sequence[Any]) -> list[Any]:
    return [grad for tensor, grad in zip(is_tensor, grads, strict=True) if tensor]


def _replaced(grads: tuple[Any, ...], new: Any, what: str) -> tuple[Any, ...]:
    """Return what a hook wants the gradients to be."""
    if new is None:
        return grads
    new = new if isinstance(new, tuple) else (new,)
    if len(new) != len(grads):
        raise RuntimeError(f"{what} returned {len(new)} values, but expected {len(grads)} values")
    return new
