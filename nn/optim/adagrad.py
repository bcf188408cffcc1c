"""Adagrad."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class Adagrad(KernelOptimizer):
    """s ← s + d²;  p ← p − lr / (1 + (t − 1) · lr_decay) · d / (√s + eps);  d = g + weight_decay · p.

    s starts at `initial_accumulator_value`; it is there before the first step.

    Source: Duchi, Hazan & Singer, Adaptive subgradient methods, 2011.
    """

    _kernel_options = ("lr", "lr_decay", "weight_decay", "eps", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        options = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay, "eps": eps}
        start = {"initial_accumulator_value": initial_accumulator_value, "maximize": maximize}
        how = {"foreach": foreach, "differentiable": differentiable, "fused": fused}
        super().__init__(params, {**options, **start, **how})
        counter = np.float64 if dtypes.default_float() == np.float64 else np.float32
        for param in self._all_params():
            total = np.full_like(param.array, initial_accumulator_value, order="C")
            self.state[param] = {"step": Tensor(np.zeros((), counter)), "sum": Tensor(total)}

    def _check_range(self, group: dict[str, Any]) -> None:
        names = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
        check_at_least_zero("Adagrad", **{name: group[name] for name in names})

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("sum",), starts={"sum": self.defaults["initial_accumulator_value"]})

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.adagrad(table.parameters, **options)
