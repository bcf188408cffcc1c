"""RMSprop."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class RMSprop(KernelOptimizer):
    """v ← αv + (1 − α)d²;  u = d / (√v + eps);  b ← momentum · b + u;  p ← p − lr · b.

    d = g + weight_decay · p. `centered` puts v − m² in v's place, m being the moving average of d.

    Source: Tieleman & Hinton, lecture 6.5, 2012; Graves, Generating sequences, 2013, for the centred form.
    """

    _kernel_options = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        how = {"foreach": foreach, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        names = ("lr", "eps", "momentum", "weight_decay", "alpha")
        check_at_least_zero("RMSprop", **{name: group[name] for name in names})

    def _layout(self, group: dict[str, Any]) -> Layout:
        optional = (("centered", "grad_avg"), ("momentum", "momentum_buffer"))
        return Layout(("square_avg", *(state for option, state in optional if group[option])))

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.rmsprop(table.parameters, **options)
