"""RAdam."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, check_betas
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class RAdam(KernelOptimizer):
    """p ← p − lr · m̂ while few squares were seen; then p ← p − lr · m̂ · √(1 − β₂ᵗ) / (√v + eps) · rₜ.

    m̂, v and d are Adam's. With R = 2 / (1 − β₂) − 1 and ρ = R − 2tβ₂ᵗ / (1 − β₂ᵗ), few means ρ ≤ 5, and
    rₜ = √((ρ − 4)(ρ − 2)R / ((R − 4)(R − 2)ρ)). `decoupled_weight_decay` decays p as AdamW does.

    Source: Liu et al., On the variance of the adaptive learning rate and beyond, 2020.
    """

    _kernel_options = ("lr", "betas", "eps", "weight_decay", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        flags = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        super().__init__(params, {**options, **flags, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        check_at_least_zero("RAdam", lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        check_betas("RAdam", group["betas"])

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("exp_avg", "exp_avg_sq"))

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.radam(table.parameters, decoupled=options.pop("decoupled_weight_decay"), **options)
