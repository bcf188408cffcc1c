"""Activation functions: those with a kernel are primitives, as are their gradients; the rest is composed."""

import math
from typing import Any

import numpy as np

from autograd.elementwise import SMALL
from autograd.primitive import primitive
from autograd.random import Generator, default_generator
from autograd.tensor import Tensor
from ops.arithmetic import abs, neg
from ops.batched import drawn
from ops.comparison import clamp, ge, gt, le, logical_or, where
from ops.dims import wrap_dim
from ops.elementary import exp, sigmoid, tanh, zeros_of
from ops.fused import fused
from ops.lazy_kernels import elementwise as kernels
from ops.slicing import chunk

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
GELU_SLOPE, GELU_CUBE = 0.7978845608028654, 0.044715  # √(2/π), and the coefficient of x³
NORMAL_DENSITY = 0.3989422804014327  # of the normal distribution at 0: 1/√(2π)

# -- piecewise linear --------------------------------------------------------------------------------------------------


@primitive
def relu(x: np.ndarray) -> np.ndarray:
    """yᵢ = max(xᵢ, 0); the sub-gradient at 0 is 0."""
    if x.dtype.kind == "b":
        raise RuntimeError("relu: Boolean inputs not supported for relu")
    return np.maximum(x, 0) if x.size <= SMALL or x.dtype.kind != "f" else fused(kernels.relu, x)


@primitive
def relu_grad(grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient through y = relu(x): gᵢ where yᵢ > 0, else 0."""
    return fused(kernels.relu_grad, grad, y)


relu.vjp(x=lambda grad, output: relu_grad(grad, output))
relu_grad.vjp(grad=lambda g, y: relu_grad(g, y), y=lambda g: zeros_of(g))
relu.vmap()
relu_grad.vmap()


@primitive
def leaky_relu_forward(x: np.ndarray, *, negative_slope: float) -> np.ndarray:
    """yᵢ = xᵢ where xᵢ > 0, else slope · xᵢ; the sub-gradient at 0 is the slope."""
    return fused(kernels.leaky_relu, x, slope=negative_slope)


@primitive
def leaky_relu_grad(grad: np.ndarray, x: np.ndarray, *, negative_slope: float) -> np.ndarray:
    """The gradient through leaky_relu(x): gᵢ where xᵢ > 0, else slope · gᵢ."""
    return fused(kernels.leaky_relu_grad, grad, x, slope=negative_slope)


leaky_relu_forward.vjp(x=lambda grad, x, negative_slope: leaky_relu_grad(grad, x, negative_slope=negative_slope))
leaky_relu_grad.vjp(
    grad=lambda g, x, negative_slope: leaky_relu_grad(g, x, negative_slope=negative_slope),
    x=lambda g: zeros_of(g),
)
leaky_relu_forward.primitive.name = "leaky_relu"
leaky_relu_forward.vmap()
leaky_relu_grad.vmap()


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    """Return max(input, 0) + negative_slope · min(input, 0)."""
    return leaky_relu_forward(input, negative_slope=negative_slope)


def prelu(input: Any, weight: Any) -> Any:
    """Return max(input, 0) + weight · min(input, 0), with one weight or one per channel (dimension 1).

    He et al. 2015, Delving Deep into Rectifiers.
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.array.size not in (1, channels):
        raise RuntimeError(
            f"prelu: Mismatch of parameter numbers and input channel size: weight has shape "
            f"{list(weight.shape)}, expected one element or {channels}"
        )
    if weight.ndim == 1:
        weight = weight.reshape((1, -1) + (1,) * (input.ndim - 2) if input.ndim > 1 else (1,) * input.ndim)
    positive = gt(input, 0)
    return where(positive, input, weight * where(positive, 0.0, input))


def rrelu(
    input: Any,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    *,
    generator: Generator | None = None,
) -> Any:
    """Return leaky_relu with slopes from U(lower, upper) in training, else their mean (Xu et al. 2015)."""
    if not -math.inf < lower <= upper < math.inf:
        raise RuntimeError(f"rrelu: expected finite bounds, the lower one first, got {lower} and {upper}")
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    source, dtype = (generator or default_generator).numpy, input.array.dtype
    if dtype.kind != "f":
        raise NotImplementedError(f"rrelu: not implemented for {dtype}")
    slope = drawn(lambda shape: Tensor(np.asarray(source.uniform(lower, upper, shape), dtype)), input.shape)
    return where(gt(input, 0), input, input * slope)


@primitive
def hardtanh_forward(x: np.ndarray, *, low: float, high: float) -> np.ndarray:
    """yᵢ = min(max(xᵢ, low), high); the sub-gradient at both ends is 0."""
    return np.minimum(np.maximum(x, x.dtype.type(low)), x.dtype.type(high))


hardtanh_forward.vjp(
    x=lambda grad, x, low, high: where(logical_or(le(x, low), ge(x, high)), 0.0, grad),
)
hardtanh_forward.primitive.name = "hardtanh"
hardtanh_forward.vmap()


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return input limited to [min_val, max_val]; unlike `clamp` no gradient passes at the limits."""
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return hardtanh_forward(input, low=min_val, high=max_val)


def relu6(input: Any) -> Any:
    """Return min(max(input, 0), 6)."""
    return hardtanh_forward(input, low=0.0, high=6.0)


def hardsigmoid(input: Any) -> Any:
    """Return min(max(input + 3, 0), 6) / 6."""
    return relu6(input + 3) / 6


def hardswish(input: Any) -> Any:
    """Return input · min(max(input + 3, 0), 6) / 6 (Howard et al. 2019)."""
    return input * hardsigmoid(input)


def threshold(input: Any, threshold: float, value: float) -> Any:
    """Return input where it is above the threshold, else value."""
    return where(le(input, threshold), value, input)


def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return input where |input| > lambd, else 0."""
    return where(le(abs(input), lambd), 0.0, input)


def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return input moved towards 0 by lambd, or 0 where it is nearer than that."""
    if lambd < 0:
        raise RuntimeError(f"softshrink: lambda must be greater or equal to 0, but found to be {lambd}")
    return input - clamp(input, -lambd, lambd)


# -- exponential -------------------------------------------------------------------------------------------------------


@primitive
def elu_forward(x: np.ndarray, *, alpha: float, scale: float, input_scale: float) -> np.ndarray:
    """yᵢ = s xᵢ where xᵢ > 0, else s α (e^(c xᵢ) − 1), for scale s and input_scale c."""
    return fused(kernels.elu, x, alpha=alpha, scale=scale, input_scale=input_scale)


@primitive
def elu_grad(grad: np.ndarray, x: np.ndarray, *, alpha: float, scale: float, input_scale: float) -> np.ndarray:
    """The gradient through elu(x): s gᵢ where xᵢ > 0, else s α c gᵢ e^(c xᵢ)."""
    return fused(kernels.elu_grad, grad, x, alpha=alpha, scale=scale, input_scale=input_scale)


def _elu_grad(grad: Any, x: Any, alpha: float, scale: float, input_scale: float) -> Any:
    return elu_grad(grad, x, alpha=alpha, scale=scale, input_scale=input_scale)


elu_forward.vjp(x=_elu_grad)
elu_grad.vjp(
    grad=_elu_grad,
    x=lambda g, grad, x, alpha, scale, input_scale: where(
        gt(x, 0), 0.0, input_scale * _elu_grad(g * grad, x, alpha, scale, input_scale)
    ),
)
elu_forward.primitive.name = "elu"
elu_forward.vmap()
elu_grad.vmap()


def elu(input: Any, alpha: float = 1.0) -> Any:
    """Return input where it is positive, else alpha · (e^input − 1) (Clevert et al. 2016)."""
    return elu_forward(input, alpha=alpha, scale=1.0, input_scale=1.0)


def selu(input: Any) -> Any:
    """Return elu scaled so that mean 0 and variance 1 are a fixed point (Klambauer et al. 2017)."""
    return elu_forward(input, alpha=SELU_ALPHA, scale=SELU_SCALE, input_scale=1.0)


def celu(input: Any, alpha: float = 1.0) -> Any:
    """Return input where it is positive, else alpha · (e^(input / alpha) − 1) (Barron 2017)."""
    if alpha == 0:
        raise RuntimeError("celu: ZeroDivisionError: alpha cannot be 0")
    return elu_forward(input, alpha=alpha, scale=1.0, input_scale=1 / alpha)


@primitive
def softplus_forward(x: np.ndarray, *, beta: float, threshold: float) -> np.ndarray:
    """yᵢ = log(1 + e^(β xᵢ)) / β, or xᵢ itself where β xᵢ > threshold."""
    return fused(kernels.softplus, x, beta=beta, threshold=threshold)


@primitive
def softplus_grad(grad: np.ndarray, x: np.ndarray, *, beta: float, threshold: float) -> np.ndarray:
    """The gradient through softplus(x): gᵢ σ(β xᵢ), or gᵢ itself where β xᵢ > threshold."""
    return fused(kernels.softplus_grad, grad, x, beta=beta, threshold=threshold)


def _softplus_curvature(g: Any, grad: Any, x: Any, beta: float, threshold: float) -> Any:
    y = sigmoid(beta * x)
    return where(gt(beta * x, threshold), 0.0, g * grad * (beta * (y * (1 - y))))


softplus_forward.vjp(x=lambda grad, x, beta, threshold: softplus_grad(grad, x, beta=beta, threshold=threshold))
softplus_grad.vjp(
    grad=lambda g, x, beta, threshold: softplus_grad(g, x, beta=beta, threshold=threshold),
    x=_softplus_curvature,
)
softplus_forward.primitive.name = "softplus"
softplus_forward.vmap()
softplus_grad.vmap()


def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + e^(beta · input)) / beta, or input itself where beta · input > threshold."""
    return softplus_forward(input, beta=beta, threshold=threshold)


def logsigmoid(input: Any) -> Any:
    """Return log(1 / (1 + e^−input)), computed as −softplus(−input) so that nothing overflows."""
    return neg(softplus_forward(neg(input), beta=1.0, threshold=np.inf))


def mish(input: Any) -> Any:
    """Return input · tanh(softplus(input)) (Misra 2019)."""
    return input * tanh(softplus(input))


@primitive
def silu(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ σ(xᵢ), also called swish."""
    return fused(kernels.silu, x)


@primitive
def silu_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient through silu(x): gᵢ s (1 + xᵢ (1 − s)), s = σ(xᵢ)."""
    return fused(kernels.silu_grad, grad, x)


def _silu_curvature(g: Any, grad: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * grad * (s * (1 - s) * (2 + x * (1 - 2 * s)))


silu.vjp(x=lambda grad, x: silu_grad(grad, x))
silu_grad.vjp(grad=lambda g, x: silu_grad(g, x), x=_silu_curvature)
silu.vmap()
silu_grad.vmap()


@primitive
def gelu_forward(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ Φ(xᵢ), Φ the distribution function of the normal distribution."""
    return fused(kernels.gelu, x)


@primitive
def gelu_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient through gelu(x): gᵢ (Φ(xᵢ) + xᵢ φ(xᵢ)), φ the normal density."""
    return fused(kernels.gelu_grad, grad, x)


gelu_forward.vjp(x=lambda grad, x: gelu_grad(grad, x))
gelu_grad.vjp(
    grad=lambda g, x: gelu_grad(g, x),
    x=lambda g, grad, x: g * grad * (NORMAL_DENSITY * exp(-0.5 * (x * x)) * (2 - x * x)),
)
gelu_forward.vmap()
gelu_grad.vmap()
gelu_forward.primitive.name = "gelu"


@primitive
def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """yᵢ = xᵢ (1 + tanh uᵢ) / 2 with uᵢ = √(2/π) (xᵢ + 0.044715 xᵢ³)."""
    return fused(kernels.gelu_tanh, x)


@primitive
def gelu_tanh_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The gradient through gelu_tanh(x): gᵢ ((1 + tanh uᵢ) / 2 + xᵢ (1 − tanh² uᵢ) uᵢ′ / 2)."""
    return fused(kernels.gelu_tanh_grad, grad, x)


def _gelu_tanh_curvature(g: Any, grad: Any, x: Any) -> Any:
    """g · grad · y″, with t = tanh u: y″ = t′ + x t″ / 2, t′ = (1 − t²) u′, t″ = (1 − t²) u″ − 2 t t′ u′."""
    t = tanh(GELU_SLOPE * (x + GELU_CUBE * (x * x * x)))
    slope = GELU_SLOPE * (1 + 3 * GELU_CUBE * (x * x))
    first = (1 - t * t) * slope
    second = (1 - t * t) * (6 * GELU_SLOPE * GELU_CUBE * x) - 2 * t * first * slope
    return g * grad * (first + 0.5 * x * second)


gelu_tanh.vjp(x=lambda grad, x: gelu_tanh_grad(grad, x))
gelu_tanh_grad.vjp(grad=lambda g, x: gelu_tanh_grad(g, x), x=_gelu_tanh_curvature)
gelu_tanh.vmap()
gelu_tanh_grad.vmap()


def gelu(input: Any, *, approximate: str = "none") -> Any:
    """Return input · Φ(input), or with approximate="tanh" a formula near it (Hendrycks and Gimpel 2016)."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"gelu: approximate argument must be either none or tanh, got {approximate!r}")
    return gelu_forward(input) if approximate == "none" else gelu_tanh(input)


def glu(input: Any, dim: int = -1) -> Any:
    """Return a · σ(b), a and b the halves of the input along `dim` (Dauphin et al. 2017)."""
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    size = input.shape[wrap_dim("glu", dim, input.ndim)]
    if size % 2:
        raise RuntimeError(f"glu: Halving dimension must be even, but dimension {dim} is size {size}")
    a, b = chunk(input, 2, dim)
    return a * sigmoid(b)


def softsign(input: Any) -> Any:
    """Return input / (1 + |input|)."""
    return input / (1 + abs(input))


def tanhshrink(input: Any) -> Any:
    """Return input − tanh(input)."""
    return input - tanh(input)
