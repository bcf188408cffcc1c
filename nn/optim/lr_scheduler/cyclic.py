"""Rates that go up and down again and again.

Source: Smith, Cyclical learning rates for training neural networks, 2017.
"""

import math
from collections.abc import Callable
from typing import Any

from nn.optim.lr_scheduler.momentum import set_momentum, start_momentum
from nn.optim.lr_scheduler.scheduler import LRScheduler, Rate, check_optimizer, function_state, per_group, set_option
from nn.optim.optimizer import Optimizer

SCALES: dict[str, tuple[str, Callable[[float, float], float]]] = {
    "triangular": ("cycle", lambda _gamma, _cycle: 1.0),
    "triangular2": ("cycle", lambda _gamma, cycle: 1 / 2.0 ** (cycle - 1)),
    "exp_range": ("iterations", lambda gamma, iteration: gamma**iteration),
}
"""By mode: what the height of a cycle depends on, and how."""


class CyclicLR(LRScheduler):
    """lr = base_lr + (max_lr − base_lr) · h · scale, h going up to 1 in `step_size_up` steps, down in `step_size_down`.

    `mode` says how the cycles' height changes: "triangular" keeps it, "triangular2" halves it with each cycle,
    "exp_range" multiplies it by `gamma` with each step. `scale_fn`, a function of the cycle (`scale_mode` "cycle") or
    of the step ("iterations"), takes the place of `mode`. With `cycle_momentum`, momentum (or betas[0]) runs the other
    way, from `max_momentum` to `base_momentum`.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        base_lr: float | list[float],
        max_lr: float | list[float],
        step_size_up: int = 2000,
        step_size_down: int | None = None,
        mode: str = "triangular",
        gamma: float = 1.0,
        scale_fn: Callable[[float], float] | None = None,
        scale_mode: str = "cycle",
        cycle_momentum: bool = True,
        base_momentum: float = 0.8,
        max_momentum: float = 0.9,
        last_epoch: int = -1,
    ) -> None:
        check_optimizer(optimizer)
        if mode not in SCALES and scale_fn is None:
            raise ValueError(f"CyclicLR: mode is invalid and scale_fn is None, got {mode!r}, expected {list(SCALES)}")
        base_lrs = per_group("base_lr", optimizer, base_lr)
        self.max_lrs = per_group("max_lr", optimizer, max_lr)
        down = step_size_up if step_size_down is None else step_size_down
        self.total_size = float(step_size_up) + float(down)
        self.step_ratio = step_size_up / self.total_size
        self.mode = mode
        self.gamma = gamma
        self._scale_fn_custom = scale_fn
        self.scale_mode = scale_mode if scale_fn is not None else SCALES[mode][0]
        self.cycle_momentum = cycle_momentum
        if cycle_momentum:
            self.use_beta1, self.base_momentums, self.max_momentums = start_momentum(
                optimizer, base_momentum, max_momentum, last_epoch == -1
            )
        if last_epoch == -1:
            for lr, group in zip(base_lrs, optimizer.param_groups, strict=True):
                set_option(group, "lr", lr)
        super().__init__(optimizer, last_epoch)
        self.base_lrs = base_lrs

    def scale_fn(self, x: float) -> float:
        """Return by what the height of cycle x, or at step x, is multiplied."""
        if self._scale_fn_custom is not None:
            return self._scale_fn_custom(x)
        return SCALES[self.mode][1](self.gamma, x)

    def _rates(self) -> list[Rate]:
        cycle = math.floor(1 + self.last_epoch / self.total_size)
        x = 1.0 + self.last_epoch / self.total_size - cycle
        height = x / self.step_ratio if x <= self.step_ratio else (x - 1) / (self.step_ratio - 1)
        height *= self.scale_fn(cycle if self.scale_mode == "cycle" else self.last_epoch)
        if self.cycle_momentum:
            for low, high, group in zip(
                self.base_momentums, self.max_momentums, self.optimizer.param_groups, strict=True
            ):
                set_momentum(group, self.use_beta1, high - (high - low) * height)
        return [low + (high - low) * height for low, high in zip(self.base_lrs, self.max_lrs, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "_scale_fn_custom": function_state(self._scale_fn_custom)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict({**state_dict, "_scale_fn_custom": self._scale_fn_custom})
        if state_dict["_scale_fn_custom"] is not None:
            vars(self._scale_fn_custom).update(state_dict["_scale_fn_custom"])
