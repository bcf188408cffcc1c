"""Softmax and its logarithm along a dimension."""

import math
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.batching import next_dim
from autograd.primitive import cast, primitive
from ops.arithmetic import neg
from ops.dims import array_of, wrap_dim
from ops.elementary import exp
from ops.fused import fused
from ops.lazy_kernels import softmax as kernels
from ops.lazy_kernels import softmax_columns as column_kernels
from ops.reduction import summed


def _along(dim: int, name: str, *arrays: np.ndarray) -> np.ndarray:
    """Run the kernel of a name on rows along the last dimension, on columns along any other."""
    shape = arrays[0].shape
    if not arrays[0].size:
        return np.empty_like(arrays[0])
    if not shape:
        return fused(getattr(kernels, name), *[x.reshape(1, 1) for x in arrays]).reshape(())
    inner = math.prod(shape[dim + 1 :])
    if inner == 1:
        return fused(getattr(kernels, name), *[x.reshape(-1, shape[dim]) for x in arrays]).reshape(shape)
    in_three = (math.prod(shape[:dim]), shape[dim], inner)
    return fused(getattr(column_kernels, name), *[x.reshape(in_three) for x in arrays]).reshape(shape)


@primitive
def normalized_exp(x: np.ndarray, *, dim: int) -> np.ndarray:
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ."""
    return _along(dim, "softmax_forward", x)


@primitive
def softmax_grad(grad: np.ndarray, y: np.ndarray, *, dim: int) -> np.ndarray:
    """The gradient through y = softmax(x): yᵢ (gᵢ − Σⱼ gⱼ yⱼ)."""
    return _along(dim, "softmax_backward", grad, y)


def _total(x: Any, dim: int) -> Any:
    return summed(x, dim=(dim,) if x.ndim else (), keepdim=True)


def _softmax_grad_y(g: Any, grad: Any, y: Any, dim: int) -> Any:
    """hᵢ = gᵢ' (gᵢ − Σⱼ gⱼ yⱼ) − gᵢ Σⱼ gⱼ' yⱼ, with g' the gradient that arrives."""
    return g * (grad - _total(grad * y, dim)) - grad * _total(g * y, dim)


normalized_exp.vjp(x=lambda grad, output, dim: softmax_grad(grad, output, dim=dim))
softmax_grad.vjp(
    grad=lambda g, y, dim: softmax_grad(g, y, dim=dim),
    y=_softmax_grad_y,
)
normalized_exp.primitive.name = "softmax"
normalized_exp.vmap(dim=next_dim)
softmax_grad.vmap(dim=next_dim)


@primitive
def normalized_log(x: np.ndarray, *, dim: int) -> np.ndarray:
    """yᵢ = xᵢ − log Σⱼ e^xⱼ."""
    return _along(dim, "log_softmax_forward", x)


@primitive
def log_softmax_grad(grad: np.ndarray, y: np.ndarray, *, dim: int) -> np.ndarray:
    """The gradient through y = log_softmax(x): gᵢ − e^yᵢ Σⱼ gⱼ."""
    return _along(dim, "log_softmax_backward", grad, y)


normalized_log.vjp(x=lambda grad, output, dim: log_softmax_grad(grad, output, dim=dim))
log_softmax_grad.vjp(
    grad=lambda g, y, dim: g - _total(g * exp(y), dim),
    y=lambda g, grad, y, dim: -g * exp(y) * _total(grad, dim),
)
normalized_log.primitive.name = "log_softmax"
normalized_log.vmap(dim=next_dim)
log_softmax_grad.vmap(dim=next_dim)


def _floating(name: str, input: Any, dtype: Any) -> Any:
    if dtype is not None:
        input = cast(input, dtype=dtypes.as_numpy(dtype))
    if array_of(input, name).dtype.kind != "f":
        raise NotImplementedError(f"{name}: not implemented for {input.dtype}, expected floating-point")
    return input


def softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return e^inputᵢ / Σⱼ e^inputⱼ along `dim`."""
    return normalized_exp(_floating("softmax", input, dtype), dim=wrap_dim("softmax", dim, input.ndim))


def log_softmax(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return inputᵢ − log Σⱼ e^inputⱼ along `dim`, without overflow."""
    return normalized_log(_floating("log_softmax", input, dtype), dim=wrap_dim("log_softmax", dim, input.ndim))


def softmin(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return softmax(−input)."""
    return softmax(neg(input), dim, dtype=dtype)
