"""Running sums and products along a dimension."""

import functools
import math
from typing import Any, NamedTuple

import numpy as np

from autograd import dtypes
from autograd.batching import next_dim
from autograd.elementwise import SMALL, silently
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from autograd.views import in_place
from ops.arithmetic import mul
from ops.batched import along_dim
from ops.comparison import FLOATS
from ops.dims import wrap_dim
from ops.joining import cat
from ops.lazy_kernels import scan as kernels
from ops.scattering import gathered
from ops.shape import clone
from ops.slicing import narrow


def _shifted(x: np.ndarray, dim: int, reverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return an array to fill, shaped as x with `dim` first, and x itself in that order."""
    moved = np.moveaxis(x, dim, 0)
    return np.empty(moved.shape, x.dtype), moved[::-1] if reverse else moved


def _restored(y: np.ndarray, dim: int, reverse: bool) -> np.ndarray:
    return np.moveaxis(y[::-1] if reverse else y, 0, dim)


def _in_float32(scan: Any, *arrays: np.ndarray, **parameters: Any) -> np.ndarray:
    """Run a scan of float16 in float32: it would stand still where a term is below half a unit of the sum."""
    y = scan(*[x.astype(np.float32) for x in arrays], **parameters)
    return silently(y.astype, np.float16)


@primitive
def summed_up(x: np.ndarray, *, dim: int, reverse: bool = False) -> np.ndarray:
    """yᵢ = Σ_{j≤i} xⱼ, or Σ_{j≥i} xⱼ if `reverse`."""
    if x.dtype == np.float16:
        return _in_float32(summed_up, x, dim=dim, reverse=reverse)
    if x.size > SMALL and x.dtype in FLOATS:
        shape = math.prod(x.shape[:dim]), x.shape[dim], math.prod(x.shape[dim + 1 :])
        return kernels.running_sums(x.reshape(shape), reverse=reverse).reshape(x.shape)
    if reverse:
        return np.flip(np.add.accumulate(np.flip(x, dim), dim, x.dtype), dim)
    return np.add.accumulate(x, dim, x.dtype)


summed_up.vjp(x=lambda grad, dim, reverse: summed_up(grad, dim=dim, reverse=not reverse))
summed_up.primitive.name = "cumsum"
summed_up.vmap(dim=next_dim)


@primitive
def product_before(x: np.ndarray, *, dim: int, reverse: bool = False) -> np.ndarray:
    """yᵢ = Π_{j<i} xⱼ, or Π_{j>i} xⱼ if `reverse`; the empty product is 1.

    With g the gradient, ∂/∂xₘ = yₘ Σ_{i>m} gᵢ Π_{m<j<i} xⱼ: no division, so zeros do no harm.
    """
    if x.dtype == np.float16:
        return _in_float32(product_before, x, dim=dim, reverse=reverse)
    y, before = _shifted(x, dim, reverse)
    if len(y):
        y[0] = 1
        np.multiply.accumulate(before[:-1], 0, out=y[1:])
    return _restored(y, dim, reverse)


@primitive
def recurrence(b: np.ndarray, a: np.ndarray, *, dim: int, reverse: bool = False) -> np.ndarray:
    """hᵢ = bᵢ₋₁ + aᵢ₋₁ hᵢ₋₁ with h₀ = 0, or hᵢ = bᵢ₊₁ + aᵢ₊₁ hᵢ₊₁ with h = 0 at the end if `reverse`.

    Its gradient in b is the same recurrence run the other way, μ, and its gradient in a is μ h.
    """
    if b.dtype == np.float16:
        return _in_float32(recurrence, b, a, dim=dim, reverse=reverse)
    h, terms = _shifted(b, dim, reverse)
    factors = _shifted(a, dim, reverse)[1]
    h[:1] = 0
    for i in range(1, len(h)):
        h[i] = terms[i - 1] + factors[i - 1] * h[i - 1]
    return _restored(h, dim, reverse)


product_before.vjp(
    x=lambda grad, x, output, dim, reverse: output * recurrence(grad, x, dim=dim, reverse=not reverse),
)
recurrence.vjp(
    b=lambda grad, a, dim, reverse: recurrence(grad, a, dim=dim, reverse=not reverse),
    a=lambda grad, a, output, dim, reverse: recurrence(grad, a, dim=dim, reverse=not reverse) * output,
)
product_before.vmap(dim=next_dim)
recurrence.vmap(dim=next_dim)


def accumulated(input: Any, dtype: Any) -> Any:
    """Return `input` as the type it is summed in: `dtype`, or int64 for integers and truth values."""
    given = input.array.dtype if isinstance(input, Tensor) else input.dtype
    target = dtypes.as_numpy(dtype) if dtype is not None else np.dtype(np.int64) if given.kind != "f" else given
    return input if given == target else cast(input, dtype=target)


def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return yᵢ = Σ_{j≤i} inputⱼ along `dim`."""
    dim = wrap_dim("cumsum", dim, input.ndim)
    x = accumulated(input, dtype)
    return summed_up(x, dim=dim) if x.ndim else clone(x)


def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return yᵢ = Π_{j≤i} inputⱼ along `dim`."""
    dim = wrap_dim("cumprod", dim, input.ndim)
    x = accumulated(input, dtype)
    return mul(product_before(x, dim=dim), x) if x.ndim else clone(x)


def _keeping_type(name: str, function: Any) -> Any:
    """Return the in-place form of a scan, which cannot change the tensor's type."""
    scan_ = in_place(function, name)

    @functools.wraps(function)
    def method(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
        wrap_dim(name, dim, input.ndim)
        if dtype is not None and dtypes.as_numpy(dtype) != input.array.dtype:
            raise RuntimeError(f"{name}: the tensor is {input.dtype}, its result in place cannot be {dtype}")
        return scan_(input, dim, dtype=input.array.dtype)

    method.__name__ = name
    return method


cumsum_, cumprod_ = _keeping_type("cumsum_", cumsum), _keeping_type("cumprod_", cumprod)


class Running(NamedTuple):
    """The extremes so far and where they were."""

    values: Any
    indices: Tensor


@along_dim
def cummax(input: Tensor, dim: int) -> Running:
    """Return the largest element so far along `dim` and where it was, the latest of equal ones; NaN wins."""
    return _running("cummax", np.maximum, input, dim)


@along_dim
def cummin(input: Tensor, dim: int) -> Running:
    """Return the smallest element so far along `dim` and where it was, the latest of equal ones; NaN wins."""
    return _running("cummin", np.minimum, input, dim)


def _running(name: str, ufunc: Any, input: Tensor, dim: int) -> Running:
    dim = wrap_dim(name, dim, input.ndim)
    x = input.array
    if not x.ndim:
        return Running(clone(input), Tensor(np.zeros((), np.int64)))
    found = (x == ufunc.accumulate(x, dim)) | (x != x)
    places = np.arange(x.shape[dim]).reshape([-1 if i == dim else 1 for i in range(x.ndim)])
    indices = np.maximum.accumulate(np.where(found, places, 0), dim)
    return Running(gathered(input, indices, dim=dim), Tensor(indices))


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return yᵢ = xᵢ₊₁ − xᵢ along `dim`, n times over, x being `input` between `prepend` and `append`."""
    if not input.ndim:
        raise RuntimeError("diff: expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"diff: order must be non-negative but got {n}")
    dim = wrap_dim("diff", dim, input.ndim)
    x = cat([part for part in (prepend, input, append) if part is not None], dim)
    for _ in range(min(n, x.shape[dim])):
        length = max(x.shape[dim] - 1, 0)
        after, before = narrow(x, dim, min(1, x.shape[dim]), length), narrow(x, dim, 0, length)
        x = after ^ before if x.dtype == dtypes.bool_ else after - before
    return x
