"""Optimizer: what all optimisers share. A subclass names its options, its states and the kernel that steps."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from autograd.grad_mode import enable_grad, no_grad
from autograd.hooks import HookTable, RemovableHandle
from autograd.tensor import Tensor
from autograd.views import mark_written
from nn.optim.table import Table


class Optimizer:
    """Base of all optimisers.

    Args:
        params: parameters, (name, parameter) pairs, or dicts {"params": ..., option: value} that make groups.
        defaults: the options of groups that do not set them.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got a Tensor"
            )
        self.defaults = defaults
        self.state: defaultdict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._tables: dict[int, list[Table]] = {}  # by group: what the kernels work on, made at the first step
        self._before_step = HookTable()
        self._after_step = HookTable()
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        group = dict(param_group)
        params = group["params"]
        group["params"] = [params] if isinstance(params, Tensor) else [_without_name(p) for p in params]
        seen = {id(p) for other in self.param_groups for p in other["params"]}
        for param in group["params"]:
            self._check_parameter(param)
            if id(param) in seen:
                raise ValueError("some parameters appear in more than one parameter group, or twice in one")
            seen.add(id(param))
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self._check_options(group)
        self.param_groups.append(group)

    @staticmethod
    def _check_parameter(param: Any) -> None:
        if not isinstance(param, Tensor):
            raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {type(param).__name__}")
        if not param.is_leaf:
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_options(self, group: dict[str, Any]) -> None:
        """Raise ValueError for an option out of range."""

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        """Return the names of the states a parameter of the group has, in the kernel's order."""
        raise NotImplementedError(f"{type(self).__name__} must define _state_names")

    def _kernel(self, table: Table, group: dict[str, Any]) -> None:
        """Step every parameter of the table that has a gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define _kernel")

    def _tables_of(self, number: int, group: dict[str, Any]) -> list[Table]:
        """Return the tables of a group, one for each element type among its parameters."""
        names = self._state_names(group)
        tables = self._tables.get(number, [])
        count = sum(len(table.params) for table in tables)
        if count != len(group["params"]) or any(table.states != names for table in tables):
            kinds = dict.fromkeys(p.array.dtype for p in group["params"])
            members = [[p for p in group["params"] if p.array.dtype == kind] for kind in kinds]
            tables = self._tables[number] = [Table(params, names, self.state, group) for params in members]
        return tables

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what `closure`, which computes the loss anew, returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for hook in list(self._before_step.values()):
            hook(self, (closure,), {})
        with no_grad():
            for number, group in enumerate(self.param_groups):
                if any(p._grad is not None for p in group["params"]):
                    for table in self._tables_of(number, group):
                        self._step(table, group)
        for hook in list(self._after_step.values()):
            hook(self, (closure,), {})
        return loss

    def _step(self, table: Table, group: dict[str, Any]) -> None:
        stepped = table.take_gradients()
        self._kernel(table, group)
        table.write_back()
        for param in stepped:
            mark_written(param, f"{type(self).__name__}.step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or fill them with zeros."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param._grad = None
                elif param._grad is not None:
                    param._grad = Tensor(np.zeros_like(param.array))

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step."""
        return self._before_step.add(hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return self._after_step.add(hook)

    # -- saving -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return {"state": {number of the parameter: its state}, "param_groups": options and parameter numbers}."""
        number = {id(p): i for i, p in enumerate(self._all_params())}
        groups = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": [number[id(p)] for p in group["params"]]}
            for group in self.param_groups
        ]
        state = {number[id(p)]: dict(s) for p, s in self.state.items() if s["step"].array > 0}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state saved by `state_dict`; state tensors are copied in their parameter's type."""
        saved = state_dict["param_groups"]
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has {len(saved)} parameter groups, the optimizer has {len(self.param_groups)}"
            )
        for i, (group, other) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(group["params"]) != len(other["params"]):
                raise ValueError(
                    f"loaded state dict's parameter group {i} has {len(other['params'])} parameters, "
                    f"the optimizer's has {len(group['params'])}"
                )
        numbers = [n for group in saved for n in group["params"]]
        by_number = dict(zip(numbers, self._all_params(), strict=True))
        state = {
            by_number[n]: {name: _copied(value, by_number[n], name) for name, value in entry.items()}
            for n, entry in state_dict["state"].items()
        }
        for group, other in zip(self.param_groups, saved, strict=True):
            group.update({k: v for k, v in other.items() if k != "params"})
        self.state = defaultdict(dict, state)
        self._tables = {}

    def _all_params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_tables": {}}  # they hold addresses, which no copy shares

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines.extend(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")
        return "\n".join([*lines, ")"])


def _without_name(param: Any) -> Any:
    return param[1] if isinstance(param, tuple) and len(param) == 2 else param


def _copied(value: Any, param: Tensor, name: str) -> Any:
    if not isinstance(value, Tensor):
        return value
    if name != "step" and value.array.shape != param.array.shape:
        raise ValueError(f"state {name!r} has shape {tuple(value.shape)}, its parameter {tuple(param.shape)}")
    dtype = value.array.dtype if name == "step" else param.array.dtype
    return Tensor(value.array.astype(dtype))


def check_at_least_zero(optimizer: str, **options: Any) -> None:
    """Raise ValueError naming the option that is negative (or NaN)."""
    for name, value in options.items():
        if not value >= 0.0:
            raise ValueError(f"{optimizer}: {name} must be at least 0, got {value}")


def check_decay_rate(optimizer: str, **options: Any) -> None:
    """Raise ValueError naming the option that is not in [0, 1)."""
    for name, value in options.items():
        if not 0.0 <= value < 1.0:
            raise ValueError(f"{optimizer}: {name} must be in [0, 1), got {value}")
