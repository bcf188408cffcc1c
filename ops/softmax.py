"""Softmax and its logarithm along a dimension."""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.elementwise import quiet
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from ops.arithmetic import neg
from ops.dims import wrap_dim
from ops.elementary import exp
from ops.fused import fused
from ops.lazy_kernels import softmax as kernels
from ops.reduction import summed

Formula = Callable[..., np.ndarray]


def _by_rows(kernel: Any, formula: Formula, dim: int, *arrays: np.ndarray) -> np.ndarray:
    """Run the kernel on rows along the last dimension, and NumPy's formula along any other."""
    shape = arrays[0].shape
    if dim == len(shape) - 1 and arrays[0].size:
        return fused(kernel, *[x.reshape(-1, shape[-1]) for x in arrays]).reshape(shape)
    if not shape:
        return fused(kernel, *[x.reshape(1, 1) for x in arrays]).reshape(())
    return quiet.run(formula, dim, *arrays) if arrays[0].size else np.empty_like(arrays[0])


def _softmax(dim: int, x: np.ndarray) -> np.ndarray:
    e = np.exp(x - np.maximum.reduce(x, dim, keepdims=True))
    return e / np.add.reduce(e, dim, keepdims=True)


def _softmax_grad(dim: int, grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    return y * (grad - np.add.reduce(grad * y, dim, keepdims=True))


def _log_softmax(dim: int, x: np.ndarray) -> np.ndarray:
    x = x - np.maximum.reduce(x, dim, keepdims=True)
    return x - np.log(np.add.reduce(np.exp(x), dim, keepdims=True))


def _log_softmax_grad(dim: int, grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    return grad - np.exp(y) * np.add.reduce(grad, dim, keepdims=True)


@primitive
def normalized_exp(x: np.ndarray, *, dim: int) -> np.ndarray:
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ."""
    return _by_rows(kernels.softmax_forward, _softmax, dim, x)


@primitive
def softmax_grad(grad: np.ndarray, y: np.ndarray, *, dim: int) -> np.ndarray:
    """The gradient through y = softmax(x): yᵢ (gᵢ − Σⱼ gⱼ yⱼ)."""
    return _by_rows(kernels.softmax_backward, _softmax_grad, dim, grad, y)


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


@primitive
def normalized_log(x: np.ndarray, *, dim: int) -> np.ndarray:
    """yᵢ = xᵢ − log Σⱼ e^xⱼ."""
    return _by_rows(kernels.log_softmax_forward, _log_softmax, dim, x)


@primitive
def log_softmax_grad(grad: np.ndarray, y: np.ndarray, *, dim: int) -> np.ndarray:
    """The gradient through y = log_softmax(x): gᵢ − e^yᵢ Σⱼ gⱼ."""
    return _by_rows(kernels.log_softmax_backward, _log_softmax_grad, dim, grad, y)


normalized_log.vjp(x=lambda grad, output, dim: log_softmax_grad(grad, output, dim=dim))
log_softmax_grad.vjp(
    grad=lambda g, y, dim: g - _total(g * exp(y), dim),
    y=lambda g, grad, y, dim: -g * exp(y) * _total(grad, dim),
)
normalized_log.primitive.name = "log_softmax"


def _floating(name: str, input: Any, dtype: Any) -> Any:
    if dtype is not None:
        input = cast(input, dtype=dtypes.as_numpy(dtype))
    if (input.array if isinstance(input, Tensor) else input).dtype.kind != "f":
        raise NotImplementedError(f"{name}: not implemented for {input.dtype}")
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
