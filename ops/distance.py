"""Distances and directions of vectors."""

from typing import Any

from ops.comparison import clamp_min
from ops.reduction import norm, sum


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """x₁ · x₂ / (max(‖x₁‖, eps) max(‖x₂‖, eps)) along `dim`."""
    return sum(normalize(x1, 2.0, dim, eps) * normalize(x2, 2.0, dim, eps), dim=dim)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """‖x₁ − x₂ + eps‖_p along the last axis."""
    return norm(x1 - x2 + eps, p, -1, keepdim=keepdim)


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Any:
    """x / max(‖x‖_p, eps) along `dim`."""
    return input / clamp_min(norm(input, p, dim, keepdim=True), eps)
