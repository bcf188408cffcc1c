"""Arithmetic of elements: what the operators + - * / // % ** call, and its relatives.

`plus`, `minus`, `mul`, `true_divide`, `power` are the primitives the operators bind; `add`, `sub`, `div` and
`pow` are the public functions with PyTorch's further arguments.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.elementwise import SMALL, elementwise
from autograd.primitive import cast, primitive
from autograd.tensor import Tensor
from ops.comparison import FLOATS, eq, ge, gt, logical_and, logical_not, where
from ops.dims import named
from ops.elementary import log, zeros_of
from ops.lazy_kernels import arithmetic
from ops.lazy_kernels import elementwise as kernels

# -- the four operations -----------------------------------------------------------------------------------------------


@primitive(promotion="common")
@elementwise(small=np.add)
def plus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ + yᵢ."""
    return arithmetic.add(x, y)


plus.vjp(x=lambda grad: grad, y=lambda grad: grad)


@primitive(promotion="signed")
@elementwise(small=np.subtract)
def minus(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ − yᵢ."""
    return arithmetic.sub(x, y)


minus.vjp(x=lambda grad: grad, y=lambda grad: -grad)


@primitive(promotion="common")
@elementwise(small=np.multiply)
def mul(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ yᵢ."""
    return arithmetic.mul(x, y)


mul.vjp(x=mul, y=lambda grad, x: mul(grad, x))  # dx = grad · y


@primitive(promotion="float")
@elementwise(small=np.true_divide)
def true_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ / yᵢ."""
    return arithmetic.div(x, y)


true_divide.vjp(
    x=true_divide,  # dx = grad / y
    y=lambda grad, y, output: true_divide(-grad * output, y),
)

# What a node's name and errors call them.
plus.primitive.name, minus.primitive.name, true_divide.primitive.name = "add", "sub", "div"


def add(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Return input + alpha · other."""
    return plus(input, other if type(alpha) is int and alpha == 1 else _scaled("add", input, other, alpha))


def sub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Return input − alpha · other."""
    return minus(input, other if type(alpha) is int and alpha == 1 else _scaled("sub", input, other, alpha))


def rsub(input: Any, other: Any, *, alpha: float = 1) -> Any:
    """Return other − alpha · input."""
    return minus(other, input if type(alpha) is int and alpha == 1 else _scaled("rsub", other, input, alpha))


def _scaled(name: str, input: Any, other: Any, alpha: float) -> Any:
    given = [x.array if isinstance(x, Tensor) else x for x in (input, other)]
    kind = dtypes.result_dtype(given).kind
    if isinstance(alpha, float) and kind != "f":
        raise RuntimeError(
            f"{name}: For integral input tensors, argument alpha must not be a floating point number, got {alpha}"
        )
    if isinstance(alpha, bool) and kind != "b":
        raise RuntimeError(f"{name}: Boolean alpha only supported for Boolean results.")
    if name != "add" and any(dtypes.result_dtype([x]).kind == "b" for x in given):
        return other  # which `minus` refuses
    if isinstance(other, Tensor):
        return mul(cast(other, dtype=dtypes.result_dtype(given)), alpha)
    return other * alpha


def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return input / other; rounded towards zero ("trunc") or −∞ ("floor"), integers stay integers."""
    if rounding_mode is None:
        return true_divide(input, other)
    if rounding_mode == "floor":
        return floor_divide(input, other)
    if rounding_mode == "trunc":
        return trunc_divide(input, other)
    raise RuntimeError(f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'")


def rdiv(input: Any, other: Any) -> Any:
    """Return other / input."""
    return true_divide(other, input)


# -- division with a remainder -----------------------------------------------------------------------------------------


def _check_divisor(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if y.dtype.kind == "b":
        raise NotImplementedError(f"{name}: not implemented for bool")
    if y.dtype.kind != "f" and x.size and not y.all():
        raise RuntimeError(f"{name}: ZeroDivisionError")


@primitive(promotion="common")
@elementwise
def floor_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = ⌊xᵢ / yᵢ⌋. Its derivative is 0 between the steps."""
    _check_divisor("floor_divide", x, y)
    return np.floor_divide(x, y)


@primitive(promotion="common")
@elementwise
def trunc_divide(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ / yᵢ without its fraction. Its derivative is 0 between the steps."""
    _check_divisor("div", x, y)
    if np.result_type(x, y).kind == "f":
        return np.trunc(np.true_divide(x, y))
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x))


@primitive(promotion="common")
@elementwise
def remainder(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ − yᵢ ⌊xᵢ / yᵢ⌋, which has the sign of y."""
    _check_divisor("remainder", x, y)
    return np.remainder(x, y)


@primitive(promotion="common")
@elementwise
def fmod(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ − yᵢ trunc(xᵢ / yᵢ), which has the sign of x."""
    _check_divisor("fmod", x, y)
    return np.fmod(x, y)


for _step in (floor_divide, trunc_divide):
    _step.vjp(x=lambda grad: zeros_of(grad), y=lambda grad: zeros_of(grad))
remainder.vjp(x=lambda grad: grad, y=lambda grad, x, y: -grad * floor_divide(x, y))
fmod.vjp(x=lambda grad: grad, y=lambda grad, x, y: -grad * trunc_divide(x, y))


def rfloordiv(input: Any, other: Any) -> Any:
    """Return ⌊other / input⌋."""
    return floor_divide(other, input)


def rremainder(input: Any, other: Any) -> Any:
    """Return the remainder of other / input."""
    return remainder(other, input)


# -- powers ------------------------------------------------------------------------------------------------------------

SHORTCUTS: dict[float, Callable[[np.ndarray], np.ndarray]] = {
    2.0: np.square,
    0.5: np.sqrt,
    -1.0: np.reciprocal,
    -0.5: lambda x: 1 / np.sqrt(x),
}


@primitive(promotion="common")
@elementwise
def power(x: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ^eᵢ, with 0⁰ = 1.

    ∂y/∂x = e x^(e−1) and ∂y/∂e = y log x, both 0 at 0⁰ and the latter also at 0ᵉ, e > 0.
    """
    if x.dtype.kind == "f":
        shortcut = SHORTCUTS.get(float(exponent)) if np.ndim(exponent) == 0 else None
        return np.power(x, exponent) if shortcut is None else shortcut(x)
    if x.dtype.kind == "b":
        raise NotImplementedError("pow: not implemented for bool")
    negative = exponent < 0
    if not negative.any():
        return np.power(x, exponent)
    whole = np.where(np.abs(x) == 1, np.power(x, np.abs(exponent)), 0)  # 1 / x^|e| without its fraction
    return np.where(negative, whole, np.power(x, np.where(negative, 0, exponent))).astype(x.dtype)


def _slope_base(x: Any, exponent: Any) -> Any:
    """Return x with 1 for 0 and NaN where the exponent is 0: e x^(e−1) is then 0 · 1 instead of 0 · ∞."""
    if exponent.ndim == 0 and exponent.item() != 0:
        return x
    return where(logical_and(eq(exponent, 0), logical_not(gt(abs(x), 0))), 1.0, x)


def _log_base(x: Any, exponent: Any) -> Any:
    """Return x with 1 for 0 where the exponent is not negative: y log x is then 0 instead of 0 · ∞."""
    return where(logical_and(eq(x, 0), ge(exponent, 0)), 1.0, x)


power.vjp(
    x=lambda grad, x, exponent: grad * (exponent * power(_slope_base(x, exponent), exponent - 1)),
    exponent=lambda grad, x, exponent, output: (
        grad * where(logical_and(eq(x, 0), ge(exponent, 0)), 0.0, output * log(_log_base(x, exponent)))
    ),
)
power.primitive.name = "pow"


def pow(input: Any, exponent: Any) -> Any:
    """Return input^exponent; the exponent of integers may be negative where it is a tensor."""
    if type(exponent) is int and exponent < 0 and isinstance(input, Tensor) and input.array.dtype.kind != "f":
        raise RuntimeError("pow: Integers to negative integer powers are not allowed.")
    return power(input, exponent)


def rpow(input: Any, other: Any) -> Any:
    """Return other^input."""
    return power(other, input)


def float_power(input: Any, exponent: Any) -> Any:
    """Return input^exponent computed in float64."""
    return power(*[as_float64(x) for x in (input, exponent)])


def as_float64(x: Any) -> Any:
    """Return a tensor or number as float64."""
    if isinstance(x, Tensor):
        return x if x.array.dtype == np.float64 else cast(x, dtype=np.dtype(np.float64))
    return np.asarray(x, np.float64)


# -- sign --------------------------------------------------------------------------------------------------------------


@primitive
@elementwise(small=np.negative)
def neg(x: np.ndarray) -> np.ndarray:
    """yᵢ = −xᵢ."""
    return np.negative(x)


neg.vjp(x=lambda grad: -grad)


@primitive
@elementwise
def abs(x: np.ndarray) -> np.ndarray:
    """yᵢ = |xᵢ|; the sub-gradient at 0 is 0."""
    return np.abs(x)


abs.vjp(x=lambda grad, x: grad * sign(x))


@primitive
@elementwise
def sign(x: np.ndarray) -> np.ndarray:
    """yᵢ = −1, 0 or 1 as xᵢ < 0, = 0 (or NaN), > 0."""
    if x.size > SMALL and x.dtype in FLOATS:
        return kernels.sign(x)
    positive = x > 0
    return positive if x.dtype.kind == "b" else np.subtract(positive, x < 0, dtype=x.dtype)


sign.vjp(x=lambda grad: zeros_of(grad))


@primitive(promotion="float")
@elementwise
def copysign(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = |xᵢ| with the sign of yᵢ, that of −0 included; the sub-gradient at xᵢ = 0 is 0."""
    return np.copysign(x, y)


copysign.vjp(
    x=lambda grad, x, output: grad * (sign(x) * sign(output)),
    y=lambda grad: zeros_of(grad),
)


def positive(input: Tensor) -> Tensor:
    """Return the tensor itself: the operator +."""
    if input.array.dtype.kind == "b":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


# -- several at once ---------------------------------------------------------------------------------------------------


def lerp(input: Any, end: Any, weight: Any) -> Any:
    """Return input + weight · (end − input), all of one floating type."""
    for name, x in (("end", end), ("weight", weight)):
        if isinstance(x, Tensor) and x.array.dtype != input.array.dtype and (name == "end" or x.array.ndim):
            raise RuntimeError(f"lerp: expected dtype {input.dtype} for `{name}` but got dtype {x.dtype}")
    return interpolated(input, end, weight)


@primitive(promotion="common")
@elementwise
def interpolated(x: np.ndarray, end: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """zᵢ = xᵢ + wᵢ (eᵢ − xᵢ), from the end that is nearer: exactly eᵢ for wᵢ = 1."""
    step = end - x
    return np.where(np.abs(weight) < 0.5, x + weight * step, end - step * (1 - weight))


interpolated.primitive.name = "lerp"
interpolated.vjp(
    x=lambda grad, weight: grad * (1 - weight),
    end=lambda grad, weight: grad * weight,
    weight=lambda grad, x, end: grad * (end - x),
)


def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """Return input + value · tensor1 · tensor2."""
    input, tensor1, tensor2 = _of_one_type(input, tensor1, tensor2)
    try:
        return add(input, tensor1 * tensor2, alpha=value)
    except RuntimeError as error:
        raise named(error, "addcmul") from None


def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: float = 1) -> Any:
    """Return input + value · tensor1 / tensor2."""
    if dtypes.result_dtype([tensor1.array, tensor2.array]).kind != "f":
        raise RuntimeError(
            f"addcdiv: Integer division of {tensor1.dtype} by {tensor2.dtype} is not supported. Divide with "
            "div(rounding_mode=...), or make one of the tensors floating-point."
        )
    input, tensor1, tensor2 = _of_one_type(input, tensor1, tensor2)
    try:
        return add(input, tensor1 / tensor2, alpha=value)
    except RuntimeError as error:
        raise named(error, "addcdiv") from None


def _of_one_type(*operands: Tensor) -> list[Any]:
    target = dtypes.result_dtype([x.array for x in operands])
    return [x if x.array.dtype == target else cast(x, dtype=target) for x in operands]


@primitive(promotion="float")
@elementwise
def hypot(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = √(xᵢ² + yᵢ²) without overflow of the squares."""
    return np.hypot(x, y)


hypot.vjp(
    x=lambda grad, x, output: grad * true_divide(x, output),
    y=lambda grad, y, output: grad * true_divide(y, output),
)


multiply, subtract, divide, negative, absolute, sgn = mul, sub, div, neg, abs, sign
