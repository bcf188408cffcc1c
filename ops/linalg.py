"""The namespace `autograd.linalg`: norms and products of vectors and matrices."""

import math
from typing import Any

from ops.arithmetic import abs
from ops.contraction import matrix_power, multi_dot
from ops.dims import array_of, wrap_dim, wrap_dims
from ops.linear import matmul
from ops.rearranging import roll
from ops.reduction import amax, amin, vector_norm
from ops.reduction import sum as sum_over
from ops.refusing import refuse_others
from ops.shape import broadcast_tensors
from ops.slicing import diagonal as pick_diagonal

__all__ = [
    "cross",
    "diagonal",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "multi_dot",
    "norm",
    "vecdot",
    "vector_norm",
]


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """z = Σᵢ xᵢ yᵢ along `dim`; the other dimensions broadcast."""
    return sum_over(x * y, dim)


def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """zᵢ = xᵢ₊₁ yᵢ₊₂ − xᵢ₊₂ yᵢ₊₁, i modulo 3, along `dim`; the other dimensions broadcast."""
    if input.ndim != other.ndim:
        raise RuntimeError(
            f"linalg.cross: inputs must have the same number of dimensions, got {input.ndim} and {other.ndim}"
        )
    axis = wrap_dim("linalg.cross", dim, input.ndim)
    if input.shape[axis] != 3 or other.shape[axis] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[axis]} and {other.shape[axis]}"
        )
    x, y = broadcast_tensors(input, other)
    return roll(x, -1, axis) * roll(y, -2, axis) - roll(x, -2, axis) * roll(y, -1, axis)


def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return a diagonal of every matrix over dims `dim1` and `dim2`, as the last dimension."""
    return pick_diagonal(A, offset, dim1, dim2)


def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False) -> Any:
    """Return a norm of every matrix over two dims.

    ord "fro" is √(Σ |aᵢⱼ|²), ±∞ the largest or smallest Σⱼ |aᵢⱼ|, ±1 the largest or smallest Σᵢ |aᵢⱼ|.
    """
    if A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions, got {A.ndim}")
    if array_of(A).dtype.kind != "f":
        raise RuntimeError(f"linalg.matrix_norm: Expected a floating point tensor as input. Got {A.dtype}")
    dims = wrap_dims("linalg.matrix_norm", dim, A.ndim)
    if len(dims) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    if ord == "fro":
        return vector_norm(A, 2, dims, keepdim)
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: expected ord to be 'fro', ±1 or ±∞, got {ord!r}")
    summed, compared = dims if ord in (1, -1) else dims[::-1]
    sums = sum_over(abs(A), summed, keepdim=True)
    extreme = (amax if ord > 0 else amin)(sums, compared, keepdim=True)
    return extreme if keepdim else extreme.squeeze(dims)


def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False) -> Any:
    """Return a vector norm over `dim`, or a matrix norm where `dim` is a pair; by default √(Σ |aᵢ|²) over all."""
    if isinstance(dim, (tuple, list)) and len(dim) > 2:
        raise RuntimeError(f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {dim}")
    pair = isinstance(dim, (tuple, list)) and len(dim) == 2
    if ord is None:
        return vector_norm(A, 2, dim, keepdim)
    if dim is None and A.ndim == 2:
        dim, pair = (0, 1), True
    if not pair and (isinstance(ord, str) or (dim is None and A.ndim != 1)):
        raise RuntimeError(f"linalg.norm: ord {ord!r} without dim needs a vector or a matrix, got {A.ndim} dimensions")
    return matrix_norm(A, ord, dim, keepdim) if pair else vector_norm(A, ord, dim, keepdim)


refuse_others(globals(), __all__)
