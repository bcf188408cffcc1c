"""Adam and AdamW."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, check_betas
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class Adam(KernelOptimizer):
    """m ← β₁m + (1 − β₁)d;  v ← β₂v + (1 − β₂)d²;  p ← p − lr · m̂ / (√v̂ + eps).

    d = g + weight_decay · p, m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ). `amsgrad` puts the largest v so far in v's place;
    `decoupled_weight_decay` makes it AdamW.

    Source: Kingma & Ba, Adam, 2015; Reddi et al., On the convergence of Adam and beyond, 2018.
    """

    _kernel_options = ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize", "decoupled_weight_decay")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        flags = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, **flags, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        check_at_least_zero(name, lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        check_betas(name, group["betas"])

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if group["amsgrad"] else ()))

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.adam(table.parameters, decoupled=options.pop("decoupled_weight_decay"), **options)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − lr · weight_decay) · p first, and d = g.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization, 2019.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        how = {"foreach": foreach, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        flags: dict[str, Any] = {**how, "maximize": maximize, "decoupled_weight_decay": True}
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, **flags)
