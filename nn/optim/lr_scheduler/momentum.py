"""Momentum that runs against the rate: SGD's `momentum`, or the first of Adam's `betas`."""

from typing import Any

from nn.optim.lr_scheduler.scheduler import per_group
from nn.optim.optimizer import Optimizer


def start_momentum(
    optimizer: Optimizer, base_momentum: Any, max_momentum: Any, anew: bool
) -> tuple[bool, list[float], list[float]]:
    """Return whether momentum means betas[0], and each group's lowest and highest; `anew`, set it to the highest."""
    if "momentum" not in optimizer.defaults and "betas" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")
    use_beta1 = "betas" in optimizer.defaults
    lowest = per_group("base_momentum", optimizer, base_momentum)
    highest = per_group("max_momentum", optimizer, max_momentum)
    if anew:
        for low, high, group in zip(lowest, highest, optimizer.param_groups, strict=True):
            set_momentum(group, use_beta1, high)
            group["max_momentum"], group["base_momentum"] = high, low
    return use_beta1, lowest, highest


def set_momentum(group: dict[str, Any], use_beta1: bool, value: float) -> None:
    """Set a group's momentum."""
    if use_beta1:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value
