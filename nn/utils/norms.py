"""What the two ways of normalising weights, by parametrization and by hook, compute."""

from typing import Any

import numpy as np

from autograd import mv
from autograd.grad_mode import no_grad
from autograd.random import default_generator
from autograd.tensor import Tensor
from autograd.views import write
from nn.conv import _ConvTranspose
from nn.functional import normalize


def norm_except_dim(v: Tensor, dim: int) -> Tensor:
    """Return ‖v‖ over all dimensions but `dim`, which are kept with size 1; over all, without any, if dim is −1."""
    if dim == -1:
        return (v * v).sum().sqrt()
    if not 0 <= dim < max(v.ndim, 1):
        raise IndexError(f"weight_norm: dim {dim} is out of range for a weight of {v.ndim} dimensions")
    others = [d for d in range(v.ndim) if d != dim]
    return (v * v).sum(others, keepdim=True).sqrt() if others else v.abs()


def rescaled(v: Tensor, g: Tensor, dim: int) -> Tensor:
    """Return g · v / ‖v‖ (Salimans & Kingma, Weight normalization, 2016, equation 2)."""
    return v * (g / norm_except_dim(v, dim))


def as_matrix(weight: Tensor, dim: int) -> Tensor:
    """Return the weight as (size of `dim`, all others)."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.reshape(weight.shape[0], -1)


def output_dim(module: Any, dim: int | None) -> int:
    """Return the dimension of a layer's weight that belongs to its outputs."""
    if dim is not None:
        return dim
    return 1 if isinstance(module, _ConvTranspose) else 0


def random_unit(size: int, weight: Tensor, eps: float) -> Tensor:
    """Return a random vector of length 1 of the weight's type."""
    values = default_generator.numpy.standard_normal(size).astype(weight.array.dtype)
    return normalize(Tensor(values), dim=0, eps=eps)


@no_grad()
def iterate(matrix: Tensor, left: Tensor, right: Tensor, eps: float, times: int) -> None:
    """Power iteration, in place: left ← W·right / ‖W·right‖, then right ← Wᵀ·left / ‖Wᵀ·left‖.

    They approach the singular vectors of W's largest singular value σ = leftᵀ·W·right.
    """
    for _ in range(times):
        write(left, normalize(mv(matrix, right), dim=0, eps=eps).array, "spectral_norm")
        write(right, normalize(mv(matrix.T, left), dim=0, eps=eps).array, "spectral_norm")


def over_largest_singular_value(weight: Tensor, matrix: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Return weight / σ, σ = uᵀ·W·v with constant u and v (Miyato et al., Spectral normalization, 2018, equation 8)."""
    u, v = (Tensor(np.array(each.array)) for each in (u, v))
    return weight / (u * mv(matrix, v)).sum()
