"""Adamax."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, check_betas
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class Adamax(KernelOptimizer):
    """m ← β₁m + (1 − β₁)d;  u ← max(β₂u, |d| + eps);  p ← p − lr / (1 − β₁ᵗ) · m / u;  d = g + weight_decay · p.

    Source: Kingma & Ba, Adam, 2015, section 7.1.
    """

    _kernel_options = ("lr", "betas", "eps", "weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        how = {"foreach": foreach, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**options, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Adamax", lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        check_betas("Adamax", group["betas"])

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("exp_avg", "exp_inf"))

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.adamax(table.parameters, **options)
