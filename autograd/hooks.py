"""Hooks: functions called with a gradient on its way, or after it was stored."""

import itertools
import weakref
from collections.abc import Callable
from typing import Any

_next_key = itertools.count().__next__


class HookTable(dict[int, Any]):
    """Hooks in the order they were registered; weakly referenced by their handles."""

    __slots__ = ("__weakref__",)

    def add(self, hook: Any) -> "RemovableHandle":
        """Register `hook` last."""
        handle = RemovableHandle(self)
        while handle.id in self:  # a table that was unpickled has the keys of another process
            handle = RemovableHandle(self)
        self[handle.id] = hook
        return handle


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away, as does leaving a `with` block."""

    def __init__(self, table: HookTable) -> None:
        self.id = _next_key()
        self._table = weakref.ref(table)

    def remove(self) -> None:
        """Take the hook away; doing so twice is harmless."""
        table = self._table()
        if table is not None:
            table.pop(self.id, None)

    def __enter__(self) -> "RemovableHandle":
        return self

    def __exit__(self, *error: object) -> None:
        self.remove()

    def __getstate__(self) -> tuple[int, HookTable | None]:
        return self.id, self._table()

    def __setstate__(self, state: tuple[int, HookTable | None]) -> None:
        self.id, table = state  # the copy of a handle belongs to the copy of its table
        self._table = weakref.ref(HookTable() if table is None else table)


class Hooks:
    """The hooks of one node, or of one leaf tensor."""

    __slots__ = ("_after", "_before", "_retain")

    def __init__(self) -> None:
        self._before = HookTable()
        self._after = HookTable()
        self._retain: Any = None

    def add(self, hook: Callable[[Any], Any]) -> RemovableHandle:
        """Call `hook(grad)` when the gradient is complete; what it returns, unless None, replaces it."""
        return self._before.add(hook)

    def add_after_accumulate(self, hook: Callable[[Any], None]) -> RemovableHandle:
        """Call `hook(leaf)` when the gradient has been added to `leaf.grad`."""
        return self._after.add(hook)

    def retain(self, tensor: Any) -> None:
        """Store the gradient in `tensor.grad`, or (None) no longer; held weakly, for its node holds these hooks."""
        self._retain = None if tensor is None else weakref.ref(tensor)

    @property
    def retains(self) -> bool:
        return self._retain is not None

    def __call__(self, grad: Any) -> Any:
        for hook in list(self._before.values()):
            result = hook(grad)
            if result is None:
                continue
            if not isinstance(result, type(grad)):
                raise TypeError(f"hook: expected a Tensor or None, got {type(result).__name__}")
            if result.shape != grad.shape or result.dtype is not grad.dtype:
                wanted = f"{grad.dtype} of shape {tuple(grad.shape)}"
                raise RuntimeError(f"hook: expected {wanted}, got {result.dtype} of shape {tuple(result.shape)}")
            grad = result
        tensor = self._retain() if self._retain is not None else None
        if tensor is not None:
            tensor._grad = grad.clone() if tensor._grad is None else tensor._grad + grad
        return grad

    def after_accumulate(self, leaf: Any) -> None:
        """Run the hooks that want the leaf once its gradient is stored."""
        for hook in list(self._after.values()):
            hook(leaf)
