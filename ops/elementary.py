"""Elementary functions of each element.

Large arrays take a fused kernel for exp, expm1, tanh and sigmoid; NumPy's own loops are quicker on small ones.
"""

import math
from typing import Any

import numpy as np

from autograd.elementwise import SMALL, elementwise
from autograd.primitive import primitive, zeros_of
from ops.comparison import clamped, eq, isposinf, le, logical_and, logical_or, ne, where
from ops.fused import fused
from ops.lazy_kernels import elementwise as kernels

LN2, LN10 = math.log(2), math.log(10)
TWO_OVER_ROOT_PI = 2 / math.sqrt(math.pi)


# -- powers ------------------------------------------------------------------------------------------------------------


@primitive
@elementwise
def square(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ²."""
    return np.square(x, dtype=np.int64 if x.dtype.kind == "b" else None)


square.vjp(x=lambda grad, x: grad * (2 * x))


@primitive(promotion="float")
@elementwise
def sqrt(x: np.ndarray) -> np.ndarray:
    """yᵢ = √xᵢ."""
    return np.sqrt(x)


sqrt.vjp(x=lambda grad, output: grad / (2 * output))


@primitive(promotion="float")
@elementwise
def rsqrt(x: np.ndarray) -> np.ndarray:
    """yᵢ = 1 / √xᵢ."""
    return 1 / np.sqrt(x)


rsqrt.vjp(x=lambda grad, output: grad * (-0.5 * (output * output * output)))


@primitive(promotion="float")
@elementwise
def reciprocal(x: np.ndarray) -> np.ndarray:
    """yᵢ = 1 / xᵢ."""
    return np.reciprocal(x)


reciprocal.vjp(x=lambda grad, output: -grad * (output * output))


# -- exponentials and logarithms ---------------------------------------------------------------------------------------


@primitive(promotion="float")
@elementwise(small=np.exp)
def exp(x: np.ndarray) -> np.ndarray:
    """yᵢ = e^xᵢ."""
    return fused(kernels.exp, x)


@primitive(promotion="float")
@elementwise(small=np.expm1)
def expm1(x: np.ndarray) -> np.ndarray:
    """yᵢ = e^xᵢ − 1, exact also near 0."""
    return fused(kernels.expm1, x)


@primitive(promotion="float")
@elementwise
def exp2(x: np.ndarray) -> np.ndarray:
    """yᵢ = 2^xᵢ."""
    return np.exp2(x)


@primitive(promotion="float")
@elementwise
def log(x: np.ndarray) -> np.ndarray:
    """yᵢ = log xᵢ, the natural logarithm."""
    return np.log(x)


@primitive(promotion="float")
@elementwise
def log1p(x: np.ndarray) -> np.ndarray:
    """yᵢ = log(1 + xᵢ), exact also near 0."""
    return np.log1p(x)


@primitive(promotion="float")
@elementwise
def log2(x: np.ndarray) -> np.ndarray:
    """yᵢ = log₂ xᵢ."""
    return np.log2(x)


@primitive(promotion="float")
@elementwise
def log10(x: np.ndarray) -> np.ndarray:
    """yᵢ = log₁₀ xᵢ."""
    return np.log10(x)


exp.vjp(x=lambda grad, output: grad * output)
expm1.vjp(x=lambda grad, output: grad * (output + 1))
exp2.vjp(x=lambda grad, output: grad * (LN2 * output))
log.vjp(x=lambda grad, x: grad / x)
log1p.vjp(x=lambda grad, x: grad / (1 + x))
log2.vjp(x=lambda grad, x: grad / (LN2 * x))
log10.vjp(x=lambda grad, x: grad / (LN10 * x))


# -- trigonometric and hyperbolic --------------------------------------------------------------------------------------


@primitive(promotion="float")
@elementwise
def sin(x: np.ndarray) -> np.ndarray:
    """yᵢ = sin xᵢ."""
    return np.sin(x)


@primitive(promotion="float")
@elementwise
def cos(x: np.ndarray) -> np.ndarray:
    """yᵢ = cos xᵢ."""
    return np.cos(x)


@primitive(promotion="float")
@elementwise
def tan(x: np.ndarray) -> np.ndarray:
    """yᵢ = tan xᵢ."""
    return np.tan(x)


@primitive(promotion="float")
@elementwise
def asin(x: np.ndarray) -> np.ndarray:
    """yᵢ = arcsin xᵢ, NaN outside [−1, 1]."""
    return np.arcsin(x)


@primitive(promotion="float")
@elementwise
def acos(x: np.ndarray) -> np.ndarray:
    """yᵢ = arccos xᵢ, NaN outside [−1, 1]."""
    return np.arccos(x)


@primitive(promotion="float")
@elementwise
def atan(x: np.ndarray) -> np.ndarray:
    """yᵢ = arctan xᵢ."""
    return np.arctan(x)


@primitive(promotion="float")
@elementwise
def atan2(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """φᵢ = the angle of the point (xᵢ, yᵢ), in [−π, π]."""
    return np.arctan2(y, x)


@primitive(promotion="float")
@elementwise
def sinh(x: np.ndarray) -> np.ndarray:
    """yᵢ = (e^xᵢ − e^−xᵢ) / 2."""
    return np.sinh(x)


@primitive(promotion="float")
@elementwise
def cosh(x: np.ndarray) -> np.ndarray:
    """yᵢ = (e^xᵢ + e^−xᵢ) / 2."""
    return np.cosh(x)


@primitive(promotion="float")
@elementwise
def asinh(x: np.ndarray) -> np.ndarray:
    """yᵢ = log(xᵢ + √(xᵢ² + 1))."""
    return np.arcsinh(x)


@primitive(promotion="float")
@elementwise
def acosh(x: np.ndarray) -> np.ndarray:
    """yᵢ = log(xᵢ + √(xᵢ² − 1)), NaN below 1."""
    return np.arccosh(x)


@primitive(promotion="float")
@elementwise
def atanh(x: np.ndarray) -> np.ndarray:
    """yᵢ = log((1 + xᵢ) / (1 − xᵢ)) / 2, NaN outside [−1, 1]."""
    return np.arctanh(x)


def _squared_distance(y: Any, x: Any) -> Any:
    """Return x² + y², or 1 at the origin, where the angle has no derivative and 0 stands for it."""
    squares = x * x + y * y
    return where(eq(squares, 0), 1.0, squares)


sin.vjp(x=lambda grad, x: grad * cos(x))
cos.vjp(x=lambda grad, x: -grad * sin(x))
tan.vjp(x=lambda grad, output: grad * (1 + output * output))
asin.vjp(x=lambda grad, x: grad / sqrt((1 - x) * (1 + x)))
acos.vjp(x=lambda grad, x: -grad / sqrt((1 - x) * (1 + x)))
atan.vjp(x=lambda grad, x: grad / (1 + x * x))
atan2.vjp(
    y=lambda grad, y, x: grad * (x / _squared_distance(y, x)),
    x=lambda grad, y, x: -grad * (y / _squared_distance(y, x)),
)
sinh.vjp(x=lambda grad, x: grad * cosh(x))
cosh.vjp(x=lambda grad, x: grad * sinh(x))
asinh.vjp(x=lambda grad, x: grad / sqrt(x * x + 1))
acosh.vjp(x=lambda grad, x: grad / sqrt((x - 1) * (x + 1)))
atanh.vjp(x=lambda grad, x: grad / ((1 - x) * (1 + x)))

arcsin, arccos, arctan, arctan2, arcsinh, arccosh, arctanh = asin, acos, atan, atan2, asinh, acosh, atanh


# -- sigmoids ----------------------------------------------------------------------------------------------------------


@primitive(promotion="float")
@elementwise(small=np.tanh)
def tanh(x: np.ndarray) -> np.ndarray:
    """yᵢ = (e^xᵢ − e^−xᵢ) / (e^xᵢ + e^−xᵢ)."""
    return fused(kernels.tanh, x)


@primitive
def tanh_grad(grad: np.ndarray, output: np.ndarray) -> np.ndarray:
    """The gradient through y = tanh(x): gᵢ (1 − yᵢ²)."""
    if output.size > SMALL:
        return fused(kernels.tanh_grad, grad, output)
    loss = grad * output
    loss *= output
    return grad - loss


tanh.vjp(x=tanh_grad)
tanh_grad.vjp(
    grad=lambda g, output: tanh_grad(g, output),
    output=lambda g, grad, output: g * grad * (-2 * output),
)
tanh_grad.vmap()


@primitive(promotion="float")
@elementwise
def sigmoid(x: np.ndarray) -> np.ndarray:
    """yᵢ = 1 / (1 + e^−xᵢ)."""
    return 1 / (1 + np.exp(-x)) if x.size <= SMALL else fused(kernels.sigmoid, x)


@primitive
def sigmoid_grad(grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient through y = sigmoid(x): gᵢ yᵢ (1 − yᵢ)."""
    return grad * (y * (1 - y)) if y.size <= SMALL else fused(kernels.sigmoid_grad, grad, y)


sigmoid.vjp(x=lambda grad, output: sigmoid_grad(grad, output))
sigmoid_grad.vjp(
    grad=lambda g, y: sigmoid_grad(g, y),
    y=lambda g, grad, y: g * grad * (1 - 2 * y),
)
sigmoid_grad.vmap()

expit = sigmoid


def logit(input: Any, eps: float | None = None) -> Any:
    """Return log(p / (1 − p)), the inverse of sigmoid; p = input, limited to [eps, 1 − eps] if given."""
    p = input if eps is None else clamped(input, eps, 1 - eps)
    return log(p) - log1p(-p)


@primitive(promotion="float")
def erf(x: np.ndarray) -> np.ndarray:
    """yᵢ = 2/√π ∫₀^xᵢ e^(−t²) dt."""
    return fused(kernels.erf, x)


@primitive(promotion="float")
def erfc(x: np.ndarray) -> np.ndarray:
    """yᵢ = 1 − erf xᵢ, exact also where erf xᵢ is nearly 1."""
    y = np.fromiter(map(math.erfc, np.ravel(x).tolist()), np.float64, np.size(x))
    return y.reshape(np.shape(x)).astype(x.dtype)


erf.vjp(x=lambda grad, x: grad * (TWO_OVER_ROOT_PI * exp(-(x * x))))
erfc.vjp(x=lambda grad, x: grad * (-TWO_OVER_ROOT_PI * exp(-(x * x))))
erf.vmap()
erfc.vmap()


# -- rounding ----------------------------------------------------------------------------------------------------------


@primitive
def floor(x: np.ndarray) -> np.ndarray:
    """yᵢ = ⌊xᵢ⌋. Its derivative is 0 between the steps."""
    return np.floor(x)


@primitive
def ceil(x: np.ndarray) -> np.ndarray:
    """yᵢ = ⌈xᵢ⌉. Its derivative is 0 between the steps."""
    return np.ceil(x)


@primitive
def trunc(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ without its fraction. Its derivative is 0 between the steps."""
    return np.trunc(x)


@primitive
def rounded(x: np.ndarray, *, decimals: int) -> np.ndarray:
    """yᵢ = the multiple of 10^−decimals nearest to xᵢ, halves to even. Its derivative is 0 between steps."""
    if decimals and x.dtype == np.float16:
        return np.round(x.astype(np.float32), decimals).astype(x.dtype)
    return np.round(x, decimals)


for _step in (floor, ceil, trunc, rounded):
    _step.vjp(x=lambda grad: zeros_of(grad))
    _step.vmap()
rounded.primitive.name = "round"


def round(input: Any, *, decimals: int = 0) -> Any:
    """Return the nearest integers, or multiples of 10^−decimals; halves go to the even neighbour."""
    return rounded(input, decimals=decimals)


def frac(input: Any) -> Any:
    """Return input − trunc(input)."""
    return input - trunc(input)


fix = trunc


# -- compositions ------------------------------------------------------------------------------------------------------


def deg2rad(input: Any) -> Any:
    """Return degrees as radians."""
    return input * (math.pi / 180)


def rad2deg(input: Any) -> Any:
    """Return radians as degrees."""
    return input * (180 / math.pi)


def xlogy(input: Any, other: Any) -> Any:
    """Return input · log(other), 0 where input is 0 (unless other is NaN)."""
    absent = logical_and(eq(input, 0), logical_or(le(other, 0), isposinf(other)))  # 0 · ∞
    return where(absent, 0.0, input * log(where(absent, 1.0, other)))


def sinc(input: Any) -> Any:
    """Return sin(πx) / (πx), 1 at 0."""
    x = math.pi * where(ne(input, 0), input, 1.0)
    return where(ne(input, 0), sin(x) / x, 1.0)


@primitive(promotion="float")
@elementwise
def logaddexp(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """zᵢ = log(e^xᵢ + e^yᵢ)."""
    return np.logaddexp(x, y)


logaddexp.vjp(
    x=lambda grad, x, y: grad * sigmoid(x - y),
    y=lambda grad, x, y: grad * sigmoid(y - x),
)


def logaddexp2(input: Any, other: Any) -> Any:
    """Return log₂(2^input + 2^other)."""
    return logaddexp(input * LN2, other * LN2) / LN2
