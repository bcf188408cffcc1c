"""Resilient backpropagation."""

from collections.abc import Iterable
from typing import Any

from autograd.tensor import Tensor
from nn.optim.kernel_optimizer import KernelOptimizer
from nn.optim.options import check_at_least_zero, pair, plain
from nn.optim.table import Layout, Table
from ops.lazy_kernels import optim


class Rprop(KernelOptimizer):
    """p ← p − s · sign(g), where s, at first lr, grows while the sign of g stays and shrinks when it changes.

    s ← s · etas[1] or s · etas[0], within `step_sizes`. Where the sign changes, the element rests for one step.

    Source: Riedmiller & Braun, A direct adaptive method for faster backpropagation learning, 1993.
    """

    _kernel_options = ("etas", "step_sizes", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        how = {"foreach": foreach, "differentiable": differentiable, "capturable": capturable}
        super().__init__(params, {"lr": lr, "etas": etas, "step_sizes": step_sizes, "maximize": maximize, **how})

    def _check_range(self, group: dict[str, Any]) -> None:
        check_at_least_zero("Rprop", lr=group["lr"])
        shrink, grow = pair("Rprop", "etas", group["etas"])
        if not 0.0 < shrink < 1.0 < grow:
            raise ValueError(f"Rprop: etas must be one number in (0, 1) and one above 1, got {group['etas']}")
        pair("Rprop", "step_sizes", group["step_sizes"])

    def _layout(self, group: dict[str, Any]) -> Layout:
        return Layout(("prev", "step_size"), starts={"step_size": plain(group["lr"])})

    def _kernel(self, table: Table, **options: Any) -> None:
        optim.rprop(table.parameters, **options)
