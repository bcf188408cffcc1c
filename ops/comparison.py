"""Comparisons, logic and choices: what tells elements apart, and what picks one of two."""

import math
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.elementwise import SMALL, elementwise
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from ops.dims import named
from ops.lazy_kernels import choices
from ops.lazy_kernels import elementwise as kernels

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))

# -- comparisons -------------------------------------------------------------------------------------------------------


@primitive(promotion="common")
@elementwise
def eq(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ is yᵢ."""
    return np.equal(x, y)


@primitive(promotion="common")
@elementwise
def ne(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ is not yᵢ."""
    return np.not_equal(x, y)


@primitive(promotion="common")
@elementwise
def lt(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ < yᵢ."""
    return np.less(x, y)


@primitive(promotion="common")
@elementwise
def le(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ ≤ yᵢ."""
    return np.less_equal(x, y)


@primitive(promotion="common")
@elementwise
def gt(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ > yᵢ."""
    return np.greater(x, y)


@primitive(promotion="common")
@elementwise
def ge(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ ≥ yᵢ."""
    return np.greater_equal(x, y)


def equal_operator(input: Any, other: Any) -> Any:
    """The operator ==; what is no tensor or number equals nothing, so that `tensor == None` is False."""
    return eq(input, other) if _comparable(other) else NotImplemented


def not_equal_operator(input: Any, other: Any) -> Any:
    """The operator !=."""
    return ne(input, other) if _comparable(other) else NotImplemented


def _comparable(x: Any) -> bool:
    return isinstance(x, (Tensor, int, float, np.ndarray, np.generic))


greater, greater_equal, less, less_equal, not_equal = gt, ge, lt, le, ne


@primitive
def isnan(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ is not a number."""
    return np.isnan(x)


@primitive
def isinf(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ is ∞ or −∞."""
    return np.isinf(x)


@primitive
def isfinite(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ is neither infinite nor NaN."""
    return np.isfinite(x)


@primitive
def isposinf(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ is ∞."""
    return np.equal(x, math.inf)


@primitive
def isneginf(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ is −∞."""
    return np.equal(x, -math.inf)


@primitive
def isreal(x: np.ndarray) -> np.ndarray:
    """yᵢ = true: there are no complex tensors here."""
    return np.ones(x.shape, bool)


@primitive
def signbit(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ is negative, −0 included."""
    return np.signbit(x) if x.dtype.kind == "f" else x < 0


for _question in (isnan, isinf, isfinite, isposinf, isneginf, isreal, signbit):
    _question.vmap()


@primitive(promotion="common")
@elementwise
def close(x: np.ndarray, y: np.ndarray, *, rtol: float, atol: float, equal_nan: bool) -> np.ndarray:
    """zᵢ = |xᵢ − yᵢ| ≤ atol + rtol |yᵢ|, or xᵢ = yᵢ."""
    near = np.equal(x, y)
    if x.dtype.kind == "f":
        distance = np.abs(x - y)
        near |= np.isfinite(distance) & (distance <= atol + rtol * np.abs(y))
        if equal_nan:
            near |= np.isnan(x) & np.isnan(y)
    elif x.dtype.kind != "b":
        near |= np.abs(x.astype(np.float64) - y) <= atol + rtol * np.abs(y.astype(np.float64))
    return near


def isclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """Return, elementwise, |input − other| ≤ atol + rtol · |other|."""
    if input.dtype != other.dtype:
        raise RuntimeError(f"isclose: {input.dtype} did not match {other.dtype}")
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"isclose: rtol and atol must not be negative, got {rtol} and {atol}")
    return close(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


def allclose(input: Any, other: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Return whether all elements are close, see `isclose`."""
    return bool(isclose(input, other, rtol, atol, equal_nan).array.all())


def equal(input: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same shape and elements."""
    return input.shape == other.shape and bool(eq(input, other).array.all())


@primitive
def is_member(x: np.ndarray, y: np.ndarray, *, assume_unique: bool, invert: bool) -> np.ndarray:
    """zᵢ = xᵢ is one of y."""
    return np.isin(x, y, assume_unique=assume_unique, invert=invert)


def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return which elements are among `test_elements`; `assume_unique` says that neither repeats any."""
    if not isinstance(elements, Tensor) and not isinstance(test_elements, Tensor):
        raise TypeError("isin: elements or test_elements must be a Tensor")
    x, y = _as_common(elements, test_elements)
    return is_member(x, y, assume_unique=assume_unique, invert=invert)


# -- logic -------------------------------------------------------------------------------------------------------------


@primitive
def logical_not(x: np.ndarray) -> np.ndarray:
    """yᵢ = not xᵢ."""
    return np.logical_not(x)


logical_not.vmap()


@primitive
@elementwise
def logical_and(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ and yᵢ."""
    return np.logical_and(x, y)


@primitive
@elementwise
def logical_or(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ or yᵢ."""
    return np.logical_or(x, y)


@primitive
@elementwise
def logical_xor(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = either xᵢ or yᵢ."""
    return np.logical_xor(x, y)


def _check_integers(name: str, x: np.ndarray) -> None:
    if x.dtype.kind == "f":
        raise NotImplementedError(f"{name}: not implemented for {x.dtype}, expected integers or bool")


@primitive
@elementwise
def bitwise_not(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ with every bit flipped; of truth values, not xᵢ."""
    _check_integers("bitwise_not", x)
    return np.invert(x)


def invert_operator(input: Tensor) -> Any:
    """The operator ~."""
    if input.array.dtype.kind == "f":
        raise TypeError(f"~: only implemented for integer and bool tensors, got {input.dtype}")
    return bitwise_not(input)


@primitive(promotion="common")
@elementwise
def bitwise_and(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the bits that both have."""
    _check_integers("bitwise_and", x)
    return np.bitwise_and(x, y)


@primitive(promotion="common")
@elementwise
def bitwise_or(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the bits that either has."""
    _check_integers("bitwise_or", x)
    return np.bitwise_or(x, y)


@primitive(promotion="common")
@elementwise
def bitwise_xor(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the bits that one of both has."""
    _check_integers("bitwise_xor", x)
    return np.bitwise_xor(x, y)


def _check_shift(name: str, x: np.ndarray) -> None:
    if x.dtype.kind in "fb":
        raise NotImplementedError(f"{name}: not implemented for {x.dtype}, expected integers")


@primitive(promotion="common")
@elementwise
def bitwise_left_shift(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ 2^yᵢ, bits beyond the type dropped."""
    _check_shift("bitwise_left_shift", x)
    return np.left_shift(x, y)


@primitive(promotion="common")
@elementwise
def bitwise_right_shift(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = ⌊xᵢ / 2^yᵢ⌋."""
    _check_shift("bitwise_right_shift", x)
    return np.right_shift(x, y)


@primitive(promotion="common")
@elementwise
def gcd(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the greatest common divisor of two integers."""
    _check_integers("gcd", x)
    return np.gcd(x, y)


@primitive(promotion="common")
@elementwise
def lcm(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the least common multiple of two integers."""
    _check_integers("lcm", x)
    return np.lcm(x, y)


# -- choices -----------------------------------------------------------------------------------------------------------


@primitive
@elementwise
def chosen(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ where condition i holds, else yᵢ."""
    z = choices.where(condition, x, y) if condition.size > SMALL else None
    return np.where(condition, x, y) if z is None else z


chosen.vjp(
    x=lambda grad, condition: chosen(condition, grad, 0),
    y=lambda grad, condition: chosen(condition, 0, grad),
)
chosen.primitive.name = "where"


def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return `input` where the condition holds and `other` elsewhere.

    Of a condition alone, return the indices where it holds, one tensor per dimension. The gradient goes to
    the chosen element alone, so ∞ or NaN in the other does no harm.
    """
    if not isinstance(condition, Tensor):
        return chosen(condition, *_as_common(input, other))
    if input is None and other is None:
        return tuple(Tensor(index) for index in np.nonzero(np.atleast_1d(condition.array)))
    if condition.array.dtype == np.uint8:
        condition = Tensor(condition.array.astype(bool))
    if condition.array.dtype.kind != "b":
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype {condition.dtype}"
        )
    return chosen(condition, *_as_common(input, other))


def _as_common(x: Any, y: Any) -> tuple[Any, Any]:
    """Bring tensors to their common type; arrays and numbers among themselves are left to NumPy."""
    tensors = isinstance(x, Tensor) or isinstance(y, Tensor)
    if not tensors and (hasattr(x, "dtype") or hasattr(y, "dtype")):
        return x, y
    target = dtypes.result_dtype([each.array if isinstance(each, Tensor) else each for each in (x, y)])
    return _as_type(x, target), _as_type(y, target)


def _as_type(x: Any, target: np.dtype) -> Any:
    if isinstance(x, Tensor):
        return x if x.array.dtype == target else cast(x, dtype=target)
    return np.asarray(x).astype(target) if type(x) is int else np.asarray(x, target)  # integers wrap around


def as_filling(name: str, value: Any, target: np.dtype) -> Any:
    """Return a number, or a 0-d tensor, as an element of a tensor that is filled with it."""
    if isinstance(value, Tensor) and ((value.requires_grad and target.kind == "f") or value.array.dtype == target):
        return _as_type(value, target)
    value = value.item() if isinstance(value, Tensor) else value
    if target.kind == "b":
        return np.asarray(value, target)
    least, most = held_by(target, whole=type(value) is int)
    infinite = target.kind == "f" and not math.isfinite(value)
    if not (least <= value <= most or infinite):
        raise RuntimeError(f"{name}: value {value} cannot be converted to type {target} without overflow")
    return np.asarray(value).astype(target)


def held_by(target: np.dtype, *, whole: bool) -> tuple[Any, Any]:
    """Return the least and the greatest number that may be written into a type; a `whole` -1 wraps around to 255."""
    limits: Any = np.iinfo(target) if target.kind in "iu" else np.finfo(target)
    return -limits.max if target.kind == "u" and whole else limits.min, limits.max


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return `input` with `value`, a number or a 0-d tensor, where the mask holds."""
    if mask.array.dtype.kind != "b":
        raise RuntimeError(f"masked_fill only supports boolean masks, but got mask with dtype {mask.dtype}")
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            f"masked_fill only supports a 0-dimensional value tensor, got one of shape {tuple(value.shape)}"
        )
    try:
        return chosen(mask, as_filling("masked_fill", value, input.array.dtype), input)
    except RuntimeError as error:
        raise named(error, "masked_fill") from None


@primitive(promotion="common")
@elementwise
def maximum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the larger of xᵢ and yᵢ, NaN when either is; at a tie each gets half of the gradient."""
    return np.maximum(x, y)


@primitive(promotion="common")
@elementwise
def minimum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the smaller of xᵢ and yᵢ, NaN when either is; at a tie each gets half of the gradient."""
    return np.minimum(x, y)


@primitive(promotion="common")
@elementwise
def fmax(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the larger of xᵢ and yᵢ, the other when one is NaN; at a tie x gets the gradient."""
    return np.fmax(x, y)


@primitive(promotion="common")
@elementwise
def fmin(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = the smaller of xᵢ and yᵢ, the other when one is NaN; at a tie x gets the gradient."""
    return np.fmin(x, y)


def _share(grad: Any, loses: Any, ties: Any) -> Any:
    return where(loses, 0.0, where(ties, 0.5 * grad, grad))


maximum.vjp(
    x=lambda grad, x, y: _share(grad, lt(x, y), eq(x, y)),
    y=lambda grad, x, y: _share(grad, gt(x, y), eq(x, y)),
)
minimum.vjp(
    x=lambda grad, x, y: _share(grad, gt(x, y), eq(x, y)),
    y=lambda grad, x, y: _share(grad, lt(x, y), eq(x, y)),
)
fmax.vjp(
    x=lambda grad, x, y: where(logical_or(ge(x, y), isnan(y)), grad, 0.0),
    y=lambda grad, x, y: where(logical_or(ge(x, y), isnan(y)), 0.0, grad),
)
fmin.vjp(
    x=lambda grad, x, y: where(logical_or(le(x, y), isnan(y)), grad, 0.0),
    y=lambda grad, x, y: where(logical_or(le(x, y), isnan(y)), 0.0, grad),
)


@primitive(promotion="common")
@elementwise
def clamped(x: np.ndarray, low: np.ndarray | None = None, high: np.ndarray | None = None) -> np.ndarray:
    """yᵢ = min(max(xᵢ, lᵢ), hᵢ). The gradient goes to xᵢ where lᵢ ≤ xᵢ ≤ hᵢ, else to the bound."""
    if x.size > SMALL and _are_numbers(x, low, high):
        least, most = -math.inf if low is None else low, math.inf if high is None else high
        return kernels.clamp(x, least, most)  # type: ignore[arg-type]  # arrays of one number
    y = x if low is None else np.maximum(x, low)
    return y if high is None else np.minimum(y, high)


def _are_numbers(x: np.ndarray, *bounds: np.ndarray | None) -> bool:
    """Return whether the bounds of a clamp are numbers of the type of x, a float with kernels, and none is NaN."""
    given = [bound for bound in bounds if bound is not None]
    return x.dtype in FLOATS and all(b.ndim == 0 and b.dtype == x.dtype and b == b for b in given)


def _within(x: Any, low: Any, high: Any) -> Any:
    if high is None:
        return ge(x, low)
    return le(x, high) if low is None else logical_and(ge(x, low), le(x, high))


def _below(x: Any, low: Any, high: Any) -> Any:
    return lt(x, low) if high is None else logical_and(lt(x, low), lt(low, high))


def _above(x: Any, low: Any, high: Any) -> Any:
    return gt(x, high) if low is None else logical_or(gt(x, high), gt(low, high))


clamped.vjp(
    x=lambda grad, x, low, high: where(_within(x, low, high), grad, 0.0),
    low=lambda grad, x, low, high: where(_below(x, low, high), grad, 0.0),
    high=lambda grad, x, low, high: where(_above(x, low, high), grad, 0.0),
)
clamped.primitive.name = "clamp"


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Return `input` limited to [min, max], each a number, a tensor or None; where min > max, max."""
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    if min is not None and max is not None and isinstance(min, Tensor) != isinstance(max, Tensor):
        min, max = _number(min), _number(max)
    return clamped(input, min, max)


def _number(bound: Any) -> Any:
    """Return a bound whose other one is a number: a 0-d tensor counts as one."""
    if isinstance(bound, Tensor) and (bound.ndim or bound.requires_grad):
        raise TypeError("clamp: expected min and max to be both tensors or both numbers, got one of each")
    return bound.item() if isinstance(bound, Tensor) else bound


def clamp_min(input: Any, min: Any) -> Any:
    """Return `input`, at least `min`."""
    return clamped(input, min, None)


def clamp_max(input: Any, max: Any) -> Any:
    """Return `input`, at most `max`."""
    return clamped(input, None, max)


clip = clamp


@primitive(promotion="common")
@elementwise
def heaviside(x: np.ndarray, values: np.ndarray) -> np.ndarray:
    """yᵢ = 1 where xᵢ > 0, valuesᵢ where xᵢ = 0, else 0, also where xᵢ is NaN."""
    return np.where(x == 0, values, x > 0).astype(x.dtype, copy=False)


@primitive
def replaced(x: np.ndarray, *, nan: float, posinf: float | None, neginf: float | None) -> np.ndarray:
    """yᵢ = xᵢ where finite, else the number given for NaN, ∞ or −∞."""
    return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)


replaced.vjp(x=lambda grad, x: where(isfinite(x), grad, 0.0))
replaced.vmap()


def nan_to_num(input: Any, nan: float | None = 0.0, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Return `input` with NaN, ∞ and −∞ replaced; the infinities by the type's limits unless given."""
    return replaced(input, nan=nan or 0.0, posinf=posinf, neginf=neginf)
