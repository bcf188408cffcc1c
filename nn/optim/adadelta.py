"""Adadelta."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, number
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class Adadelta(KernelOptimizer):
    """v ← ρv + (1 − ρ)d²;  u = d · √(a + eps) / √(v + eps);  a ← ρa + (1 − ρ)u²;  p ← p − lr · u.

    d = g + weight_decay · p.

    Source: Zeiler, ADADELTA: an adaptive learning rate method, 2012.
    """

    _kernel_options = ("lr", "rho", "eps", "weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        how = {"foreach": foreach, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**options, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Adadelta", **{name: group[name] for name in ("lr", "eps", "weight_decay")})
        if not 0.0 <= number("Adadelta", "rho", group["rho"]) <= 1.0:
            raise ValueError(f"Adadelta: rho must be in [0, 1], got {group['rho']}")

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("square_avg", "acc_delta"))

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.adadelta(table.parameters, **options)
