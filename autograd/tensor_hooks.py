"""Hooks as tensors offer them: on a gradient, on a stored gradient, and to keep an inner one."""

from collections.abc import Callable

from autograd.hooks import RemovableHandle
from autograd.tensor import Tensor


def _require_gradient(tensor: Tensor, what: str) -> None:
    if not tensor.requires_grad:
        raise RuntimeError(f"cannot {what} on a tensor that doesn't require gradient")


def register_hook(self: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook(grad)` when the gradient of this tensor is complete; what it returns, unless None, replaces it."""
    _require_gradient(self, "register a hook")
    return self._node.ensure_hooks().add(hook)


def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], None]) -> RemovableHandle:
    """Call `hook(leaf)` after a backward has added to `leaf.grad`."""
    _require_gradient(self, "register a hook")
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return self._node.ensure_hooks().add_after_accumulate(hook)


def retain_grad(self: Tensor) -> None:
    """Keep the gradient of this inner tensor in `grad` too, as leaves do."""
    _require_gradient(self, "retain_grad()")
    if not self.is_leaf:
        self._node.ensure_hooks().retain(self)


def retains_grad(self: Tensor) -> bool:
    """Return whether `retain_grad` was called on this inner tensor."""
    node = self.grad_fn
    return node is not None and node.hooks is not None and node.hooks.retains
