"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from nn.optim.optimizer import Optimizer, check_at_least_zero
from nn.optim.table import Table
from ops.lazy_kernels import optim


class SGD(Optimizer):
    """d = g + weight_decay · p;  b ← momentum · b + (1 − dampening) · d;  p ← p − lr · b.

    The first b is d. With `nesterov`, p ← p − lr · (d + momentum · b). `maximize` steps along −g.

    Source: Sutskever et al., On the importance of initialization and momentum, 2013 (in PyTorch's form).
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening, "weight_decay": weight_decay}
        super().__init__(params, {**options, "nesterov": nesterov, "maximize": maximize})

    def _check_options(self, group: dict[str, Any]) -> None:
        check_at_least_zero("SGD", lr=group["lr"], momentum=group["momentum"], weight_decay=group["weight_decay"])
        if group["nesterov"] and (group["momentum"] <= 0 or group["dampening"] != 0):
            raise ValueError("SGD: Nesterov momentum requires a momentum and zero dampening")

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("momentum_buffer",) if group["momentum"] else ()

    def _kernel(self, table: Table, group: dict[str, Any]) -> None:
        names = ("lr", "momentum", "dampening", "weight_decay", "nesterov", "maximize")
        optim.sgd(table.parameters, **{name: group[name] for name in names})
