"""Clipping of gradients, by their common norm or one by one."""

import warnings
from collections.abc import Callable, Generator, Iterable

import numpy as np

from autograd import dtypes
from autograd.tensor import Tensor
from autograd.views import mark_written, write
from ops.lazy_kernels import lists
from ops.reduction import vector_norm

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
"""The types of gradients that the kernels take."""


def _listed(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def _changed(grads: list[Tensor], kernel: Callable[..., None], *numbers: float, by: str) -> list[Tensor]:
    """Change all gradients that the kernels take, in one call for each type; return the others."""
    groups = {kind: [g for g in grads if g.array.dtype == kind and g.array.flags.carray] for kind in FLOATS}
    for group in groups.values():
        kernel([grad.array for grad in group], *numbers)
        for grad in group:
            mark_written(grad, by)
    return [grad for grad in grads if grad.array.dtype not in FLOATS or not grad.array.flags.carray]


def _norm(array: np.ndarray, norm_type: float) -> np.ndarray:
    """Return (Σᵢ |xᵢ|^p)^(1/p), in float32 at least."""
    x = array.ravel()
    if x.itemsize < 4:
        x = x.astype(np.float32)
    if norm_type == 2 and x.size:  # np.linalg.norm would wake the threads of BLAS, which then spin beside ours
        return vector_norm(x, norm_type)
    return np.asarray(np.linalg.norm(x, norm_type))


def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the p-norm of all tensors together, as if they were one vector: the p-norm of their p-norms.

    Args:
        tensors: any tensors, usually gradients.
        norm_type: p; infinity gives the largest magnitude.
        error_if_nonfinite: raise RuntimeError where the norm is infinite or not a number.
        foreach: how PyTorch computes it; here all tensors are always treated alike.
    """
    p = float(norm_type)
    arrays = [x.array for x in _listed(tensors)]
    if not arrays:
        return Tensor(np.zeros((), dtypes.default_float()))
    kind = np.result_type(*{array.dtype for array in arrays})
    total = _norm(np.stack([_norm(array, p) for array in arrays]), p).astype(kind)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"clip_grad_norm_: The total norm of order {p} for gradients from `parameters` is non-finite ({total}), "
            "so it cannot be clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return Tensor(total)


def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients in place by min(1, max_norm / (total_norm + 1e-6))."""
    scale = min(float(max_norm) / (float(total_norm) + 1e-6), 1.0)
    if scale == 1.0:
        return
    with np.errstate(invalid="ignore"):  # 0 · ∞ where the norm is infinite
        for grad in _changed(_grads(parameters), lists.scale, scale, by="clip_grads_with_norm_"):
            write(grad, grad.array * grad.array.dtype.type(scale), "clip_grads_with_norm_")


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients in place so that their total norm is at most `max_norm`; return what it was."""
    generator = isinstance(parameters, Generator)
    parameters = _listed(parameters)
    if generator and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total_norm = get_total_norm(_grads(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total_norm)
    return total_norm


def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients in place to [-clip_value, clip_value]."""
    limits = -float(clip_value), float(clip_value)
    for grad in _changed(_grads(parameters), lists.clamp, *limits, by="clip_grad_value_"):
        write(grad, np.clip(grad.array, *limits), "clip_grad_value_")
