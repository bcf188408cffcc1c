"""Adagrad."""

from collections.abc import Iterable
from typing import Any

from nn.optim.optimizer import Optimizer, check_at_least_zero
from nn.optim.table import Table
from ops.lazy_kernels import optim


class Adagrad(Optimizer):
    """s ← s + d²;  p ← p − lr / (1 + (t − 1) · lr_decay) · d / (√s + eps);  d = g + weight_decay · p.

    s starts at `initial_accumulator_value`.

    Source: Duchi, Hazan & Singer, Adaptive subgradient methods, 2011.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        start = {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        super().__init__(params, {**options, **start})

    def _check_options(self, group: dict[str, Any]) -> None:
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        check_at_least_zero("Adagrad", **{name: group[name] for name in names})

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("sum",)

    def _kernel(self, table: Table, group: dict[str, Any]) -> None:
        names = ("lr", "lr_decay", "weight_decay", "eps", "maximize")
        optim.adagrad(table.parameters, **{name: group[name] for name in names})
