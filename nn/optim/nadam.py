"""NAdam."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, check_betas
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class NAdam(KernelOptimizer):
    """p ← p − lr · ((1 − μₜ) / (1 − Pₜ) · d + μₜ₊₁ / (1 − Pₜ₊₁) · m) / (√v̂ + eps): Adam with Nesterov's momentum.

    m, v̂ and d are Adam's; μₜ = β₁ · (1 − 0.96^(t · momentum_decay) / 2) and Pₜ = μ₁ ⋯ μₜ, `mu_product` in the state.
    `decoupled_weight_decay` decays p as AdamW does.

    Source: Dozat, Incorporating Nesterov momentum into Adam, 2016.
    """

    _scalar_names = ("step", "mu_product")
    _kernel_options = (
        *("lr", "betas", "eps", "weight_decay", "momentum_decay"),
        *("maximize", "decoupled_weight_decay"),
    )

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
        super().__init__(params, {**options, "momentum_decay": momentum_decay, **flags, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        names = ("lr", "eps", "weight_decay", "momentum_decay")
        check_at_least_zero("NAdam", **{name: group[name] for name in names})
        check_betas("NAdam", group["betas"])

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("exp_avg", "exp_avg_sq"), ("mu_product",), {"mu_product": 1.0})

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.nadam(table.parameters, decoupled=options.pop("decoupled_weight_decay"), **options)
