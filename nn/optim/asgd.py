"""Averaged stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, plain
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class ASGD(KernelOptimizer):
    """p ← (1 − lambd · η) · p − η · d;  ax ← ax + μ · (p − ax);  d = g + weight_decay · p.

    Then η = lr / (1 + lambd · lr · t)^alpha (lr at first) and μ = 1 / max(1, t − t0). The average `ax` is in the state.

    Source: Polyak & Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """

    _scalar_names = ("step", "eta", "mu")
    _kernel_options = ("lr", "lambd", "alpha", "t0", "weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        options = {"lr": lr, "lambd": lambd, "alpha": alpha, "t0": t0, "weight_decay": weight_decay}
        how = {"foreach": foreach, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**options, "maximize": maximize, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        check_at_least_zero("ASGD", lr=group["lr"], weight_decay=group["weight_decay"])

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("ax",), ("eta", "mu"), {"eta": plain(group["lr"]), "mu": 1.0})

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.asgd(table.parameters, **options)
