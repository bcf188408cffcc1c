"""Reductions: what makes one number of many, over all dimensions or some.

`dim` is an int, a tuple or None for all; the primitives take the tuple of dimensions, counted from the front.
"""

import builtins
import functools
import math
from typing import Any, NamedTuple

import numpy as np

from autograd import tape
from autograd.batching import next_dim
from autograd.dtypes import as_numpy, promote_types
from autograd.elementwise import SMALL, silently
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from autograd.views import forgotten
from ops.arithmetic import abs, minus, power, sign, sub
from ops.batched import along_dim
from ops.comparison import FLOATS, eq, isnan, logical_or, maximum, minimum, ne, where
from ops.dims import array_of, wrap_dim, wrap_dims
from ops.elementary import exp, zeros_of
from ops.lazy_kernels import extremes
from ops.lazy_kernels import reduction as kernels
from ops.scan import accumulated, product_before
from ops.scattering import gathered
from ops.shape import clone, expanded, ravel, squeeze

Sizes = tuple[int, ...]

LEAST_ROW = 16
"""Elements of a row from which its extremes are found sooner by a kernel."""


def reduced_dims(name: str, dim: Any, ndim: int, keepdim: Any = False) -> Sizes:
    """Return the dimensions a reduction runs over; None and () mean all."""
    if keepdim is not False and keepdim is not True:
        raise TypeError(f"{name}: expected keepdim to be a bool, got {type(keepdim).__name__}")
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return tuple(range(ndim))
    dims = wrap_dims(name, dim, ndim)
    return dims if ndim else ()


def spread(x: Any, shape: Sizes, dim: Sizes, keepdim: bool) -> Any:
    """Repeat the result of a reduction over the elements it came from: the adjoint of a sum."""
    if not keepdim:
        x = x.reshape(tuple([1 if i in dim else n for i, n in enumerate(shape)]))
    if isinstance(x, Tensor) or math.prod(shape) > SMALL:
        return expanded(np.asarray(x) if isinstance(x, np.generic) else x, shape=tuple(shape))
    y = np.empty(shape, x.dtype)  # for few elements quicker than a view
    y[...] = x
    return y


def accumulator(dtype: np.dtype) -> np.dtype:
    """Return the type sums are formed in: float32 for float16, which would overflow early."""
    return np.dtype(np.float32) if dtype == np.float16 else dtype


def fold(ufunc: Any, x: np.ndarray, dim: Sizes, keepdim: bool = False, dtype: np.dtype | None = None) -> Any:
    """Return x₁ ∘ x₂ ∘ ... over `dim` for a ufunc ∘."""
    return ufunc.reduce(x, dim, dtype, None, keepdim)


def total(x: np.ndarray, dim: Sizes, keepdim: bool) -> np.ndarray:
    """Return Σ xᵢ over `dim`: of many elements by a kernel, of few by NumPy."""
    if x.size <= SMALL or x.dtype.itemsize == 2 or x.dtype.kind != "f" or not dim:
        return fold(np.add, x, dim, keepdim, accumulator(x.dtype))
    return kernels.sum_over(x, dim).reshape(reduced_shape(x.shape, dim, keepdim))


@functools.lru_cache(maxsize=4096)
def reduced_shape(shape: Sizes, dim: Sizes, keepdim: bool) -> Sizes:
    """Return the shape of a reduction over `dim`."""
    kept = [1 if i in dim else n for i, n in enumerate(shape)]
    return tuple(kept if keepdim else [n for i, n in enumerate(shape) if i not in dim])


tape.reduce_sum = lambda grad, axes: total(grad, axes, False)  # the gradient of a broadcast, such as a bias


# -- sums and means ----------------------------------------------------------------------------------------------------


@primitive
def summed(x: np.ndarray, *, dim: Sizes, keepdim: bool) -> np.ndarray:
    """y = Σ xᵢ over `dim`."""
    y = silently(total, x, dim, keepdim)
    return y if x.dtype.itemsize > 2 else silently(y.astype, x.dtype)


summed.vjp(x=lambda grad, x_shape, dim, keepdim: spread(grad, x_shape, dim, keepdim))
summed.primitive.name = "sum"
summed.vmap(dim=next_dim)


def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return Σ inputᵢ over `dim`; integers and truth values add up to int64."""
    x = accumulated(input, dtype)
    return summed(x, dim=reduced_dims("sum", dim, x.ndim, keepdim), keepdim=keepdim)


def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return Σ inputᵢ over `dim`, counting NaN as 0."""
    return sum(where(isnan(input), 0, input), dim, keepdim, dtype=dtype)


@primitive
def averaged(x: np.ndarray, *, dim: Sizes, keepdim: bool) -> np.ndarray:
    """y = Σ xᵢ / n over the n elements of `dim`."""
    y = silently(_average, x, dim, keepdim)
    return y if x.dtype.itemsize > 2 else silently(y.astype, x.dtype)


def _average(x: np.ndarray, dim: Sizes, keepdim: bool) -> np.ndarray:
    return total(x, dim, keepdim) / count(x.shape, dim)


def count(shape: Sizes, dim: Sizes) -> int:
    """Return how many elements a reduction over `dim` makes one of."""
    return math.prod([shape[i] for i in dim])


def _averaged_vjp(grad: Any, x_shape: Sizes, dim: Sizes, keepdim: bool) -> Any:
    """dxᵢ = dy / n, as a product: float16 holds no n beyond 65504."""
    return spread(grad * (1 / (count(x_shape, dim) or 1)), x_shape, dim, keepdim)


averaged.vjp(x=_averaged_vjp)
averaged.primitive.name = "mean"
averaged.vmap(dim=next_dim)


def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return Σ inputᵢ / n over the n elements of `dim`."""
    x = input if dtype is None else accumulated(input, dtype)
    array = array_of(x, "mean")
    dims = reduced_dims("mean", dim, array.ndim, keepdim)
    if array.dtype.kind != "f":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex "
            f"dtype, got {x.dtype}"
        )
    return averaged(x, dim=dims, keepdim=keepdim)


def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the mean over `dim` of the elements that are not NaN."""
    return nansum(input, dim, keepdim, dtype=dtype) / sum(eq(input, input), dim, keepdim)


def count_nonzero(input: Tensor, dim: Any = None) -> Tensor:
    """Return how many elements of `dim` are not 0."""
    return sum(ne(input, 0), dim)


# -- variance ----------------------------------------------------------------------------------------------------------


def _scatter(x: np.ndarray, dim: Sizes, keepdim: bool, freedom: float) -> np.ndarray:
    """Return Σ (xᵢ − x̄)² / freedom."""
    wide = x.astype(accumulator(x.dtype), copy=False)
    deviation = np.asarray(minus(wide, total(wide, dim, True) / count(x.shape, dim)))
    squares = total(np.square(deviation, out=deviation), dim, keepdim)
    return squares / wide.dtype.type(freedom)


def _freedom(shape: Sizes, dim: Sizes, correction: float) -> float:
    return builtins.max(count(shape, dim) - correction, 0)


@primitive
def variance(x: np.ndarray, *, dim: Sizes, keepdim: bool, correction: float) -> np.ndarray:
    """y = Σ (xᵢ − x̄)² / (n − correction), in two passes; ∂y/∂xᵢ = 2 (xᵢ − x̄) / (n − correction)."""
    y = silently(_scatter, x, dim, keepdim, _freedom(x.shape, dim, correction))
    return y.astype(x.dtype, copy=False)


@primitive
def deviation(x: np.ndarray, *, dim: Sizes, keepdim: bool, correction: float) -> np.ndarray:
    """y = √(Σ (xᵢ − x̄)² / (n − correction)); ∂y/∂xᵢ = (xᵢ − x̄) / (y (n − correction)), and 0 where y = 0."""
    y = silently(_scatter, x, dim, keepdim, _freedom(x.shape, dim, correction))
    return np.sqrt(y).astype(x.dtype, copy=False)


def _variance_vjp(grad: Any, x: Any, dim: Sizes, keepdim: bool, correction: float) -> Any:
    freedom = _freedom(x.shape, dim, correction)
    slope = spread(grad * (2 / freedom if freedom else math.inf), x.shape, dim, keepdim)
    return slope * (x - averaged(x, dim=dim, keepdim=True))


def _deviation_vjp(grad: Any, x: Any, output: Any, dim: Sizes, keepdim: bool, correction: float) -> Any:
    return _variance_vjp(grad / (2 * where(eq(output, 0), 1.0, output)), x, dim, keepdim, correction)


variance.vjp(x=_variance_vjp)
deviation.vjp(x=_deviation_vjp)
variance.primitive.name, deviation.primitive.name = "var", "std"
variance.vmap(dim=next_dim)
deviation.vmap(dim=next_dim)


def _spread_of(primitive: Any, input: Any, dim: Any, unbiased: Any, keepdim: bool, correction: Any) -> Any:
    """Call `variance` or `deviation` for PyTorch's two signatures, correction=1 and unbiased=True."""
    if isinstance(dim, bool):  # var(input, unbiased)
        dim, unbiased = None, dim
    if not (unbiased is None or isinstance(unbiased, bool)) or (unbiased is not None and correction is not None):
        raise TypeError("var and std take either unbiased, a bool, or correction, not both")
    if (input.array if isinstance(input, Tensor) else input).dtype.kind != "f":
        raise RuntimeError(f"std and var only support floating point and complex dtypes, got {input.dtype}")
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return primitive(input, dim=reduced_dims("var", dim, input.ndim, keepdim), keepdim=keepdim, correction=correction)


def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Return Σ (xᵢ − x̄)² / (n − correction) over the n elements of `dim`; correction is 1 unless given."""
    return _spread_of(variance, input, dim, unbiased, keepdim, correction)


def std(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> Any:
    """Return the square root of `var`; the sub-gradient where it is 0 is 0."""
    return _spread_of(deviation, input, dim, unbiased, keepdim, correction)


def var_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """Return `var` and `mean`."""
    value = _spread_of(variance, input, dim, unbiased, keepdim, correction)
    return value, mean(input, None if isinstance(dim, bool) else dim, keepdim)


def std_mean(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: float | None = None,
) -> tuple[Any, Any]:
    """Return `std` and `mean`."""
    value = _spread_of(deviation, input, dim, unbiased, keepdim, correction)
    return value, mean(input, None if isinstance(dim, bool) else dim, keepdim)


# -- products ----------------------------------------------------------------------------------------------------------


@primitive
def product(x: np.ndarray, *, dim: int, keepdim: bool) -> np.ndarray:
    """y = Π xᵢ over one dimension; ∂y/∂xᵢ = Π_{j<i} xⱼ · Π_{j>i} xⱼ, exact at zeros."""
    return silently(fold, np.multiply, x, (dim,), keepdim, x.dtype)


def _product_vjp(grad: Any, x: Any, dim: int, keepdim: bool) -> Any:
    others = product_before(x, dim=dim) * product_before(x, dim=dim, reverse=True)
    return spread(grad, x.shape, (dim,), keepdim) * others


product.vjp(x=_product_vjp)
product.primitive.name = "prod"
product.vmap(dim=next_dim)


def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return Π inputᵢ over one dimension or all; integers and truth values multiply to int64."""
    x = accumulated(input, dtype)
    if dim is None:
        return product(ravel(x), dim=0, keepdim=False)
    dim = wrap_dim("prod", dim, x.ndim)
    return product(x, dim=dim, keepdim=keepdim) if x.ndim else clone(x)


# -- extremes ----------------------------------------------------------------------------------------------------------


@primitive
def largest(x: np.ndarray, *, dim: Sizes, keepdim: bool) -> np.ndarray:
    """y = max xᵢ over `dim`, NaN if any is; equal ones (and all NaN) share the gradient evenly."""
    return _extreme(np.maximum, x, dim, keepdim)


@primitive
def smallest(x: np.ndarray, *, dim: Sizes, keepdim: bool) -> np.ndarray:
    """y = min xᵢ over `dim`, NaN if any is; equal ones (and all NaN) share the gradient evenly."""
    return _extreme(np.minimum, x, dim, keepdim)


def _extreme(ufunc: Any, x: np.ndarray, dim: Sizes, keepdim: bool) -> np.ndarray:
    """Fold by maximum or minimum: many floats over the last dimensions by a kernel."""
    kept = x.ndim - len(dim)
    if x.size <= SMALL or x.dtype not in FLOATS or not dim or dim != tuple(range(kept, x.ndim)):
        return fold(ufunc, x, dim, keepdim)
    size = count(x.shape, dim)
    if size < LEAST_ROW:
        return fold(ufunc, x, dim, keepdim)
    y = extremes.extremes(x.reshape(x.size // size, size), largest=ufunc is np.maximum)
    return y.reshape(reduced_shape(x.shape, dim, keepdim))


def _extreme_vjp(grad: Any, x: Any, output: Any, dim: Sizes, keepdim: bool) -> Any:
    found = logical_or(eq(x, spread(output, x.shape, dim, keepdim)), isnan(x))
    shares = summed(accumulated(found, grad.dtype), dim=dim, keepdim=True)
    return where(found, spread(grad, x.shape, dim, keepdim) / shares, 0.0)


largest.vjp(x=_extreme_vjp)
smallest.vjp(x=_extreme_vjp)
largest.primitive.name, smallest.primitive.name = "amax", "amin"
largest.vmap(dim=next_dim)
smallest.vmap(dim=next_dim)


def _nonempty_dims(name: str, dim: Any, shape: Sizes, error: type[Exception] = RuntimeError) -> Sizes:
    """Return `reduced_dims`, none of which may be empty: an extreme of nothing has no value."""
    if (dim is None or dim in ((), [])) and 0 in shape:
        raise error(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction "
            "dim with the 'dim' argument."
        )
    dims = reduced_dims(name, dim, len(shape))
    for i in dims:
        if shape[i] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {i} to have non-zero size.")
    return dims


def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the largest element over `dim`; equal ones share the gradient evenly."""
    return largest(input, dim=_nonempty_dims("amax", dim, input.shape), keepdim=keepdim)


def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the smallest element over `dim`; equal ones share the gradient evenly."""
    return smallest(input, dim=_nonempty_dims("amin", dim, input.shape), keepdim=keepdim)


class Extremes(NamedTuple):
    """The smallest and the largest element."""

    min: Any
    max: Any


def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False) -> Extremes:
    """Return the smallest and the largest element over one dimension or all."""
    dims = _nonempty_dims("aminmax", dim, input.shape)
    return Extremes(smallest(input, dim=dims, keepdim=keepdim), largest(input, dim=dims, keepdim=keepdim))


class Extremum(NamedTuple):
    """Elements and the indices they came from."""

    values: Any
    indices: Tensor


def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the largest element; with `dim`, also its index; with `other`, the larger of two: `maximum`.

    With `dim` the gradient goes to the element at the index, the first of equal ones; without, they share it.
    """
    if isinstance(dim, Tensor) or other is not None:
        return maximum(input, dim if other is None else other)
    if dim is None:
        return largest(input, dim=_nonempty_dims("max", None, input.shape), keepdim=False)
    return _at(argmax, "max", input, dim, keepdim)


def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the smallest element; with `dim`, also its index; with `other`, the smaller of two: `minimum`.

    With `dim` the gradient goes to the element at the index, the first of equal ones; without, they share it.
    """
    if isinstance(dim, Tensor) or other is not None:
        return minimum(input, dim if other is None else other)
    if dim is None:
        return smallest(input, dim=_nonempty_dims("min", None, input.shape), keepdim=False)
    return _at(argmin, "min", input, dim, keepdim)


def _at(find: Any, name: str, input: Tensor, dim: int, keepdim: bool) -> Extremum:
    """Return the elements at the indices that `find` finds along one dimension."""
    dim = wrap_dim(name, dim, input.ndim)
    _nonempty_dims(name, dim, input.shape)
    if not input.ndim:
        return Extremum(clone(input), Tensor(np.zeros((), np.int64)))
    numbers = input if input.array.dtype.kind != "b" else cast(input, dtype=np.dtype(np.uint8))
    indices = find(numbers, dim, True)
    values = gathered(input, indices, dim=dim)
    return Extremum(values, indices) if keepdim else Extremum(squeeze(values, dim), squeeze(indices, dim))


def _position(of_largest: bool, x: np.ndarray, dim: int | None) -> np.ndarray:
    return (np.argmax if of_largest else np.argmin)(x, axis=dim, keepdims=True)


@along_dim
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the largest element along `dim`, or in the flattened input; the first if tied."""
    return _index_of("argmax", input, dim, keepdim)


@along_dim
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Return the index of the smallest element along `dim`, or in the flattened input; the first if tied."""
    return _index_of("argmin", input, dim, keepdim)


def _index_of(name: str, input: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if input.array.dtype.kind == "b":
        raise RuntimeError(f"{name}(): does not support bool input")
    if isinstance(dim, tuple):  # all dimensions of the samples of a vmap
        index = _index_of(name, input.flatten(1), 1, keepdim=False)
        return index.reshape((-1, *[1] * len(dim))) if keepdim else index
    _nonempty_dims(name, dim, input.shape, IndexError)
    if dim is not None:
        dim = wrap_dim(name, dim, input.ndim) if input.ndim else None
    index = _position(name == "argmax", input.array, dim)
    return Tensor(index if keepdim else index.reshape(()) if dim is None else index.squeeze(dim))


# -- truth -------------------------------------------------------------------------------------------------------------


@along_dim
def all(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether all elements over `dim` are true, i.e. not 0; as uint8 of uint8, else as bool."""
    return _truth(np.logical_and, "all", input, dim, keepdim)


@along_dim
def any(input: Tensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    """Return whether any element over `dim` is true, i.e. not 0; as uint8 of uint8, else as bool."""
    return _truth(np.logical_or, "any", input, dim, keepdim)


def _truth(ufunc: np.ufunc, name: str, input: Tensor, dim: Any, keepdim: bool) -> Tensor:
    x = input.array
    dims = () if dim in ((), []) else reduced_dims(name, dim, x.ndim, keepdim)  # of these alone, () means none
    result = np.asarray(fold(ufunc, x != 0, dims, keepdim))
    return Tensor(result.astype(np.uint8) if x.dtype == np.uint8 else result)


# -- norms -------------------------------------------------------------------------------------------------------------


@primitive
def p_norm(x: np.ndarray, *, ord: float, dim: Sizes, keepdim: bool) -> np.ndarray:
    """y = (Σ |xᵢ|^p)^(1/p); with u = x / y, ∂y/∂xᵢ = sign(uᵢ) |uᵢ|^(p−1), and 0 where xᵢ = 0 or y = 0."""
    return np.asarray(silently(_p_norm, x, ord, dim, keepdim)).astype(x.dtype, copy=False)


def _p_norm(x: np.ndarray, ord: float, dim: Sizes, keepdim: bool) -> np.ndarray:
    wide = x.astype(accumulator(x.dtype), copy=False)
    if ord == 2 and x.size > SMALL and dim:
        squares = kernels.sum_squares_over(wide, dim).reshape(reduced_shape(x.shape, dim, keepdim))
        return np.sqrt(squares)
    if ord == 2:
        return np.sqrt(fold(np.add, np.square(wide), dim, keepdim))
    return fold(np.add, np.abs(wide) ** ord, dim, keepdim) ** (1 / ord)


def _p_norm_vjp(grad: Any, x: Any, output: Any, ord: float, dim: Sizes, keepdim: bool) -> Any:
    unit = x / spread(where(eq(output, 0), 1.0, output), x.shape, dim, keepdim)
    grad = spread(grad, x.shape, dim, keepdim)
    if ord == 2:
        return grad * unit
    magnitude = where(eq(unit, 0), 1.0, abs(unit))
    return grad * (sign(unit) * power(magnitude, ord - 1))


p_norm.vjp(x=_p_norm_vjp)
p_norm.primitive.name = "norm"
p_norm.vmap(dim=next_dim)


def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return (Σ |xᵢ|^ord)^(1/ord) over `dim`: linalg.vector_norm.

    ord = ∞ gives the largest |xᵢ|, −∞ the smallest, 0 the number of xᵢ ≠ 0. The sub-gradient at 0 is 0.
    """
    dims = reduced_dims("linalg.vector_norm", dim, x.ndim, keepdim)
    if (x.array if isinstance(x, Tensor) else x).dtype.kind != "f":
        raise RuntimeError(f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {x.dtype}")
    if dtype is not None and promote_types(x.dtype, dtype).dtype != as_numpy(dtype):
        raise RuntimeError(
            f"linalg.vector_norm: the dtype of the input ({x.dtype}) should be convertible without narrowing to the "
            f"specified dtype ({dtype})"
        )
    x = x if dtype is None else accumulated(x, dtype)
    if ord == 0:
        return sum(forgotten(x, where(eq(x, 0), zeros_of(x), zeros_of(x) + 1)), dims, keepdim)
    if ord == 1:
        return summed(abs(x), dim=dims, keepdim=keepdim)
    if (ord < 0 or math.isinf(ord)) and builtins.any(x.shape[i] == 0 for i in dims):
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does "
            "not have an identity"
        )
    if not math.isinf(ord):
        return p_norm(x, ord=float(ord), dim=dims, keepdim=keepdim)
    return (largest if ord > 0 else smallest)(abs(x), dim=dims, keepdim=keepdim)


def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the p-norm of the elements over `dim`, see `vector_norm`; "fro" is p = 2."""
    if isinstance(p, str):
        if p != "fro":
            raise RuntimeError(f"norm: p must be a number or 'fro', got {p!r}")
        p = 2
    return vector_norm(input, 2 if p is None else p, dim, keepdim, dtype=dtype)


def dist(input: Any, other: Any, p: float = 2) -> Any:
    """Return the p-norm of input − other."""
    return vector_norm(sub(input, other), p)


@primitive(promotion="float")
def log_of_sum(x: np.ndarray, *, dim: Sizes, keepdim: bool) -> np.ndarray:
    """y = log Σ e^xᵢ = m + log Σ e^(xᵢ − m), m = max xᵢ; ∂y/∂xᵢ = e^(xᵢ − y), and 0 where y = −∞."""
    return np.asarray(silently(_log_of_sum, x, dim, keepdim)).astype(x.dtype, copy=False)


def _log_of_sum(x: np.ndarray, dim: Sizes, keepdim: bool) -> np.ndarray:
    if not count(x.shape, dim):
        return np.log(fold(np.add, x, dim, keepdim))  # log 0
    top = fold(np.maximum, x, dim, True)
    top = np.where(np.isinf(top), 0, top)
    y = top + np.log(fold(np.add, np.exp(x - top), dim, True, accumulator(x.dtype)))
    return y if keepdim else y.reshape([n for i, n in enumerate(x.shape) if i not in dim])


def _log_of_sum_vjp(grad: Any, x: Any, output: Any, dim: Sizes, keepdim: bool) -> Any:
    finite = where(eq(output, -math.inf), 0.0, output)
    return spread(grad, x.shape, dim, keepdim) * exp(x - spread(finite, x.shape, dim, keepdim))


log_of_sum.vjp(x=_log_of_sum_vjp)
log_of_sum.primitive.name = "logsumexp"
log_of_sum.vmap(dim=next_dim)


def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return log Σ e^inputᵢ over `dim`, without overflow."""
    return log_of_sum(input, dim=reduced_dims("logsumexp", dim, input.ndim, keepdim), keepdim=keepdim)
