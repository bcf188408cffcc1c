"""Distances and directions of vectors."""

from typing import Any

from autograd.tensor import Tensor
from ops.comparison import clamp_min
from ops.reduction import norm, sum
from ops.shape import broadcast_tensors, check_broadcast


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x₁ · x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along `dim`."""
    check_broadcast("cosine_similarity", x1.shape, x2.shape)
    x1, x2 = broadcast_tensors(x1, x2)
    return sum(_direction(x1, dim, eps) * _direction(x2, dim, eps), dim=dim)


def _direction(x: Any, dim: int, eps: float) -> Any:
    """x / max(‖x‖, eps); the gradient is that of x / ‖x‖ also where eps is larger, as in PyTorch."""
    length = norm(x, 2.0, dim, keepdim=True)
    excess = clamp_min(length, eps) - length
    return x / (length + (excess.detach() if isinstance(excess, Tensor) else excess))


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """‖x₁ − x₂ + eps‖_p along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """x / max(‖x‖_p, eps) along `dim`."""
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)
