"""RMSprop."""

from collections.abc import Iterable
from typing import Any

from nn.optim.optimizer import Optimizer, check_at_least_zero
from nn.optim.table import Table
from ops.lazy_kernels import optim


class RMSprop(Optimizer):
    """v ← αv + (1 − α)d²;  u = d / (√v + eps);  b ← momentum · b + u;  p ← p − lr · b.

    d = g + weight_decay · p. `centered` puts v − m² in v's place, m being the moving average of d.

    Source: Tieleman & Hinton, lecture 6.5, 2012; Graves, Generating sequences, 2013, for the centred form.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, {**options, "centered": centered, "maximize": maximize})

    def _check_options(self, group: dict[str, Any]) -> None:
        names = ("lr", "eps", "momentum", "weight_decay", "alpha")
        check_at_least_zero("RMSprop", **{name: group[name] for name in names})

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        optional = (("centered", "grad_avg"), ("momentum", "momentum_buffer"))
        return ("square_avg", *(state for option, state in optional if group[option]))

    def _kernel(self, table: Table, group: dict[str, Any]) -> None:
        names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
        optim.rmsprop(table.parameters, **{name: group[name] for name in names})
