"""Adam and AdamW."""

from collections.abc import Iterable
from typing import Any

from nn.optim.optimizer import Optimizer, check_at_least_zero, check_decay_rate
from nn.optim.table import Table
from ops.lazy_kernels import optim


class Adam(Optimizer):
    """m ← β₁m + (1 − β₁)d;  v ← β₂v + (1 − β₂)d²;  p ← p − lr · m̂ / (√v̂ + eps).

    d = g + weight_decay · p, m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ). `amsgrad` puts the largest v so far in v's place;
    `decoupled_weight_decay` makes it AdamW.

    Source: Kingma & Ba, Adam, 2015; Reddi et al., On the convergence of Adam and beyond, 2018.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        options = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        flags = {"maximize": maximize, "decoupled_weight_decay": decoupled_weight_decay}
        super().__init__(params, {**options, **flags})

    def _check_options(self, group: dict[str, Any]) -> None:
        name = type(self).__name__
        check_at_least_zero(name, lr=group["lr"], eps=group["eps"], weight_decay=group["weight_decay"])
        beta1, beta2 = group["betas"]
        check_decay_rate(name, **{"betas[0]": beta1, "betas[1]": beta2})

    def _state_names(self, group: dict[str, Any]) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if group["amsgrad"] else ())

    def _kernel(self, table: Table, group: dict[str, Any]) -> None:
        options = {name: group[name] for name in ("lr", "betas", "eps", "weight_decay", "amsgrad", "maximize")}
        optim.adam(table.parameters, decoupled=group["decoupled_weight_decay"], **options)


class AdamW(Adam):
    """Adam with decoupled weight decay: p ← (1 − lr · weight_decay) · p first, and d = g.

    Source: Loshchilov & Hutter, Decoupled weight decay regularization, 2019.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True)
