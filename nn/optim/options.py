"""The options of optimisers: what they may be, and what the kernels get."""

from typing import Any

import numpy as np

from autograd.tensor import Tensor


def number(optimizer: str, name: str, value: Any) -> float:
    """Return an option as a float; it may be a tensor of one element."""
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ValueError(f"{optimizer}: {name} must be 1-element if it is a tensor, got {tuple(value.shape)}")
        return float(value)
    if not isinstance(value, (int, float, np.number)):
        raise TypeError(f"{optimizer}: {name} must be a number, got {type(value).__name__}")
    return float(value)


def pair(optimizer: str, name: str, values: Any) -> tuple[float, float]:
    """Return an option of two numbers as floats."""
    if not isinstance(values, (tuple, list)) or len(values) != 2:
        raise ValueError(f"{optimizer}: {name} must be two numbers, got {values!r}")
    return number(optimizer, f"{name}[0]", values[0]), number(optimizer, f"{name}[1]", values[1])


def plain(value: Any) -> Any:
    """Return an option without tensors: a number for a tensor of one element."""
    if isinstance(value, Tensor):
        return float(value)
    return tuple(map(plain, value)) if isinstance(value, (tuple, list)) else value


def check_at_least_zero(optimizer: str, **options: Any) -> None:
    """Raise ValueError naming the option that is negative (or NaN)."""
    for name, value in options.items():
        if not number(optimizer, name, value) >= 0.0:
            raise ValueError(f"{optimizer}: {name} must be at least 0, got {value}")


def check_betas(optimizer: str, betas: Any) -> None:
    """Raise ValueError naming the decay rate that is not in [0, 1)."""
    for i, value in enumerate(pair(optimizer, "betas", betas)):
        if not 0.0 <= value < 1.0:
            raise ValueError(f"{optimizer}: betas[{i}] must be in [0, 1), got {value}")


def check_implementation(optimizer: str, options: dict[str, Any]) -> None:
    """Raise for a choice of implementation that would change what a step does.

    `foreach` and `fused` only ask for the speed of one pass over all parameters, which every step here has.
    """
    if options.get("fused") and options.get("differentiable"):
        raise RuntimeError(f"{optimizer}: `fused` does not support `differentiable`")
    if options.get("fused") and options.get("foreach"):
        raise RuntimeError(f"{optimizer}: `fused` and `foreach` cannot be `True` together")
    if options.get("capturable"):
        raise AssertionError(f"{optimizer}: capturable=True is for parameters on other devices than the cpu")
    if options.get("differentiable"):
        raise NotImplementedError(
            f"{optimizer}: differentiable=True is not supported: a step is not recorded. "
            "Write an update to be differentiated with operators: p = p - lr * grad"
        )
