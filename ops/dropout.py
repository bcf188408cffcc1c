"""Dropout: random elements, or whole channels, are left out in training (Srivastava et al. 2014).

The mask is a function of a key drawn once per call from the default generator; backward keeps it, a byte per
element.
"""

import math
import warnings
from typing import Any

import numpy as np

from autograd.batching import active
from autograd.primitive import primitive
from autograd.random import default_generator
from autograd.tensor import Tensor
from autograd.views import assign
from ops.batched import drawn
from ops.lazy_kernels import random

Array = np.ndarray[Any, Any]

ALPHA = 1.7580993408473766
"""λ α of SELU (Klambauer et al. 2017): minus this is what SELU tends to for large negative inputs."""


@primitive(residual=True)
def dropped(x: Any, *, p: float, key: int) -> tuple[Array, Array]:
    """y[i] = x[i] b[i] / (1 − p), b[i] = 0 with probability p and else 1, drawn from `key`."""
    return random.dropout_forward(x, p, key)


@primitive
def masked_scale(x: Any, mask: Any, *, p: float) -> Array:
    """y[i] = x[i] mask[i] / (1 − p): linear, and its own adjoint."""
    return random.dropout_backward(x, mask, p)


dropped.vjp(x=lambda grad, residual, p: masked_scale(grad, residual, p=p))
masked_scale.vjp(x=lambda grad, mask, p: masked_scale(grad, mask, p=p))
dropped.vmap()
masked_scale.vmap()


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero elements with probability p, scale the rest by 1 / (1 − p); outside training return the input."""
    if _drops_nothing("dropout", input, p, training):
        return input
    if active():
        y = input * _noise(input.shape, p, input.array.dtype)
    else:
        y = dropped(input, p=p, key=default_generator.key())
    return _put("dropout_", input, y) if inplace else y


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of input (N, C, L) or (C, L) with probability p."""
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d "
            "exists to provide channel-wise dropout on inputs with 1 spatial dimension, a channel "
            "dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _feature_dropout("dropout1d", input, p, training, inplace, unbatched=input.ndim == 2)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of input (N, C, H, W) with probability p (Tompson et al. 2015).

    As in PyTorch, an input of three dimensions is (N, C, L).
    """
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L). Please use dropout1d instead.",
            stacklevel=3,
        )
    elif input.ndim != 4:
        _warn_rank("dropout2d", 2, input.ndim)
    return _feature_dropout("dropout2d", input, p, training, inplace)


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Zero whole channels of input (N, C, D, H, W) or (C, D, H, W) with probability p."""
    if input.ndim not in (4, 5):
        _warn_rank("dropout3d", 3, input.ndim)
    return _feature_dropout("dropout3d", input, p, training, inplace, unbatched=input.ndim == 4)


def _warn_rank(name: str, dims: int, ndim: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated. Please use dropout instead. "
        f"Note that {name} exists to provide channel-wise dropout on inputs with {dims} spatial dimensions, "
        "a channel dimension, and an optional batch dimension.",
        stacklevel=4,
    )


def _feature_dropout(name: str, input: Any, p: float, training: bool, inplace: bool, *, unbatched: bool = False) -> Any:
    if _drops_nothing(name, input, p, training):
        return input
    y = input * _noise(_channel_shape(name, input, unbatched), p, input.array.dtype)
    return _put(f"{name}_", input, y) if inplace else y


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Set elements to SELU's −λα with probability p, then restore mean 0 and variance 1 (Klambauer et al.
    2017).
    """
    return _alpha_dropout("alpha_dropout", input, p, training, inplace)


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Apply alpha dropout to whole channels of input (N, C, ...)."""
    return _alpha_dropout("feature_alpha_dropout", input, p, training, inplace)


def _alpha_dropout(name: str, input: Any, p: float, training: bool, inplace: bool) -> Any:
    """y = a (x b − λα (1 − b)) + a λα p, a = ((1 − p) (1 + p (λα)²))^(−1/2), b the mask of ones and zeros."""
    if _drops_nothing(name, input, p, training):
        return input
    if p == 1:
        y = input * 0.0
    else:
        shape = input.array.shape if name == "alpha_dropout" else _channel_shape(name, input, False)
        kept = _noise(shape, p, input.array.dtype) * (1 - p)
        a = 1 / math.sqrt((1 - p) * (1 + p * ALPHA**2))
        y = input * (kept * a) + (kept - 1 + p) * (a * ALPHA)
    return _put(f"{name}_", input, y) if inplace else y


def _noise(shape: tuple[int, ...], p: float, dtype: np.dtype[Any]) -> Tensor:
    """Return 1 / (1 − p) with probability 1 − p, else 0."""
    key = default_generator.key()
    return drawn(lambda shape: Tensor(random.dropout_forward(np.ones(shape, dtype), p, key)[0]), shape)


def _channel_shape(name: str, input: Tensor, unbatched: bool) -> tuple[int, ...]:
    """Return a shape with one element per channel, that broadcasts with the input's."""
    shape = input.array.shape
    if len(shape) < 2:
        raise RuntimeError(f"{name}: Feature dropout requires at least 2 dimensions in the input, got {len(shape)}")
    kept = 1 if unbatched else 2
    return shape[:kept] + (1,) * (len(shape) - kept)


def _drops_nothing(name: str, input: Any, p: float, training: bool) -> bool:
    """Check the arguments; return whether the input stays as it is."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor, not {type(input).__name__}")
    if not 0 <= p <= 1:
        raise ValueError(f"{name}: dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0 or not input.array.size:
        return True
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: expected a floating-point input, got {input.dtype}")
    return False


def _put(name: str, input: Tensor, y: Tensor) -> Tensor:
    assign(input, y, name)
    return input
