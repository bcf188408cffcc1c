"""Optimisers whose step is one kernel call for a whole group: a subclass names options, states and the kernel."""

from collections.abc import Callable, Iterable
from operator import is_
from typing import Any

from autograd.grad_mode import enable_grad
from autograd.tensor import Tensor
from autograd.views import mark_written
from nn.optim.optimizer import Optimizer
from nn.optim.options import check_implementation, plain
from nn.optim.table import Layout, Table


class KernelOptimizer(Optimizer):
    """Base of the optimisers that treat every element by the same formula."""

    _kernel_options: tuple[str, ...] = ()  # what of a group the kernel takes, by its names

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        self._tables: dict[int, list[Table]] = {}  # by group: what the kernels work on, made at the first step
        super().__init__(params, defaults)

    def _check_implementation(self, group: dict[str, Any]) -> None:
        check_implementation(type(self).__name__, group)

    def _check_options(self, group: dict[str, Any]) -> None:
        self._check_implementation(group)
        self._check_range(group)

    def _check_range(self, group: dict[str, Any]) -> None:
        """Raise ValueError for a number out of range."""
        raise NotImplementedError(f"{type(self).__name__} must define _check_range")

    def _layout(self, group: dict[str, Any]) -> Layout:
        """Say what is kept for each parameter of the group."""
        raise NotImplementedError(f"{type(self).__name__} must define _layout")

    def _kernel(self, table: Table, **options: Any) -> None:
        """Step every parameter of the table that has a gradient."""
        raise NotImplementedError(f"{type(self).__name__} must define _kernel")

    def _tables_of(self, number: int, group: dict[str, Any]) -> list[Table]:
        """Return the tables of a group, one for each element type among its parameters."""
        layout, params, tables = self._layout(group), group["params"], self._tables.get(number, [])
        known = [param for table in tables for param in table.params]
        if len(tables) > 1:
            place = {id(param): i for i, param in enumerate(params)}
            known.sort(key=lambda param: place.get(id(param), 0))
        if (
            len(known) == len(params)
            and all(map(is_, known, params))
            and all(table.is_current(layout, self.state) for table in tables)
        ):
            return tables
        kinds = dict.fromkeys(p.array.dtype for p in params)
        members = [[p for p in params if p.array.dtype == kind] for kind in kinds]
        tables = self._tables[number] = [Table(type(self).__name__, each, layout, self.state) for each in members]
        return tables

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; return what `closure`, which computes the loss anew, returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        for number, group in enumerate(self.param_groups):
            if any(p._grad is not None for p in group["params"]):
                for table in self._tables_of(number, group):
                    self._step(table, group)
        return loss

    def _step(self, table: Table, group: dict[str, Any]) -> None:
        name = f"{type(self).__name__}.step"
        stepped = table.take_gradients(self._layout(group), self.state)
        self._kernel(table, **{each: plain(group[each]) for each in self._kernel_options})
        table.write_back(name)
        for param in stepped:
            mark_written(param, name)

    def _taken_over(self, value: Any, param: Tensor, name: str = "") -> Any:
        """Return a copy of a saved state, which must have the parameter's shape."""
        if isinstance(value, Tensor) and name not in self._scalar_names and value.array.shape != param.array.shape:
            raise ValueError(
                f"{type(self).__name__}: saved state {name!r} has shape {tuple(value.shape)}, "
                f"its parameter {tuple(param.shape)}"
            )
        return super()._taken_over(value, param, name)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_tables": {}}  # they hold addresses, which no copy shares

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._tables = {}
