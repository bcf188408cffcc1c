"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class SGD(KernelOptimizer):
    """d = g + weight_decay · p;  b ← momentum · b + (1 − dampening) · d;  p ← p − lr · b.

    The first b is d. With `nesterov`, p ← p − lr · (d + momentum · b). `maximize` steps along −g.

    Source: Sutskever et al., On the importance of initialization and momentum, 2013 (in PyTorch's form).
    """

    _kernel_options = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float | Tensor = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        how = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        check_at_least_zero("SGD", lr=group["lr"], momentum=group["momentum"], weight_decay=group["weight_decay"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError(
                "SGD: Nesterov momentum requires a momentum and zero dampening, "
                f"got momentum={group['momentum']}, dampening={group['dampening']}"
            )

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("momentum_buffer",) if group["momentum"] else (), counts=False)

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.sgd(table.parameters, **options)
