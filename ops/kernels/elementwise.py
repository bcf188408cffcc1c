"""Functions of each element: activations, their gradients and arithmetic of equal shapes, each in one pass.

Every public function takes arrays of one shape and one dtype (float32 or float64) and returns a new array of
that shape.  Work above `GRAIN` elements per thread is split; where it is cut does not change a bit of the
result.  The formulas are in `activations`.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ops.kernels import activations
from ops.kernels.arrays import flat
from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.scalar import Function

Array = np.ndarray[Any, Any]
Maker = Callable[[type], Function]

GRAIN = 16384
"""Elements per thread below which a second thread costs more than it saves."""


def unary_loop(maker: Maker, real: type) -> Function:
    """Compile y[i] = function(x[i], *parameters)."""
    function = maker(real)

    @kernel
    def part(start, stop, x, y, *parameters):
        x, y = x[start:stop], y[start:stop]
        for i in range(y.size):
            y[i] = function(x[i], *parameters)

    return split(part)


def binary_loop(maker: Maker, real: type) -> Function:
    """Compile z[i] = function(x[i], y[i], *parameters)."""
    function = maker(real)

    @kernel
    def part(start, stop, x, y, z, *parameters):
        x, y, z = x[start:stop], y[start:stop], z[start:stop]
        for i in range(z.size):
            z[i] = function(x[i], y[i], *parameters)

    return split(part)


@functools.cache
def compiled(loop: Callable[[Maker, type], Function], maker: Maker, dtype: np.dtype[Any]) -> Function:
    """Return the loop over a function for one element type."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"{maker.__name__}: expected float32 or float64, got {dtype}")
    return loop(maker, dtype.type)


def unary(maker: Maker, x: Array, *parameters: float) -> Array:
    """Return function(x[i], *parameters) for every i."""
    dtype = x.dtype
    loop = compiled(unary_loop, maker, dtype)
    y = np.empty(x.shape, dtype)
    if parameters:
        parameters = tuple(map(dtype.type, parameters))
    size = y.size
    loop(threads_for(size, GRAIN), size, flat(x), y.ravel(), *parameters)
    return y


def binary(maker: Maker, x: Array, y: Array, *parameters: float) -> Array:
    """Return function(x[i], y[i], *parameters) for every i; x and y have one shape and dtype."""
    dtype = x.dtype
    if x.shape != y.shape or dtype != y.dtype:
        raise ValueError(f"{maker.__name__}: {dtype} {x.shape} does not match {y.dtype} {y.shape}")
    loop = compiled(binary_loop, maker, dtype)
    z = np.empty(x.shape, dtype)
    if parameters:
        parameters = tuple(map(dtype.type, parameters))
    size = z.size
    loop(threads_for(size, GRAIN), size, flat(x), flat(y), z.ravel(), *parameters)
    return z


def exp(x: Array) -> Array:
    """Return e^x."""
    return unary(activations.exp, x)


def expm1(x: Array) -> Array:
    """Return e^x - 1, exact also near zero."""
    return unary(activations.expm1, x)


def tanh(x: Array) -> Array:
    """Return the hyperbolic tangent."""
    return unary(activations.tanh, x)


def tanh_grad(grad: Array, y: Array) -> Array:
    """Return grad (1 - y^2), y = tanh(x)."""
    return binary(activations.tanh_grad, grad, y)


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + e^-x)."""
    return unary(activations.sigmoid, x)


def sigmoid_grad(grad: Array, y: Array) -> Array:
    """Return grad y (1 - y), y = sigmoid(x)."""
    return binary(activations.sigmoid_grad, grad, y)


def erf(x: Array) -> Array:
    """Return the error function, 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
    return unary(activations.erf, x)


def relu(x: Array) -> Array:
    """Return max(x, 0); NaN stays NaN."""
    return unary(activations.relu, x)


def relu_grad(grad: Array, y: Array) -> Array:
    """Return grad where y > 0, else 0; y is the result of relu or its argument."""
    return binary(activations.relu_grad, grad, y)


def sign(x: Array) -> Array:
    """Return -1, 0 or 1 as x < 0, = 0 or NaN, > 0."""
    return unary(activations.sign, x)


def clamp(x: Array, low: float, high: float) -> Array:
    """Return min(max(x, low), high); NaN stays NaN."""
    return unary(activations.clamp, x, low, high)


def scaled_difference(x: Array, y: Array, scale: float) -> Array:
    """Return scale (x - y)."""
    return binary(activations.scaled_difference, x, y, scale)


def logit_loss(x: Array, t: Array) -> Array:
    """Return (1 - t) x + log(1 + e^-x) without overflow: -t log s - (1 - t) log(1 - s), s = sigmoid(x)."""
    return binary(activations.logit_loss, x, t)


def logit_error(x: Array, t: Array) -> Array:
    """Return sigmoid(x) - t, the derivative of logit_loss in x."""
    return binary(activations.logit_error, x, t)


def leaky_relu(x: Array, slope: float) -> Array:
    """Return x where x > 0, else slope x."""
    return unary(activations.leaky_relu, x, slope)


def leaky_relu_grad(grad: Array, x: Array, slope: float) -> Array:
    """Return grad where x > 0, else slope grad."""
    return binary(activations.leaky_relu_grad, grad, x, slope)


def elu(x: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    """Return scale x where x > 0, else scale alpha (e^(input_scale x) - 1): ELU, SELU and CELU."""
    return unary(activations.elu, x, alpha, scale, input_scale)


def elu_grad(grad: Array, x: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Array:
    """Return grad times the derivative of elu at x, which at 0 is that of the exponential branch."""
    return binary(activations.elu_grad, grad, x, alpha, scale, input_scale)


def softplus(x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return log(1 + e^(beta x)) / beta, or x itself where beta x > threshold."""
    return unary(activations.softplus, x, beta, threshold)


def softplus_grad(grad: Array, x: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """Return grad sigmoid(beta x), or grad itself where beta x > threshold."""
    return binary(activations.softplus_grad, grad, x, beta, threshold)


def silu(x: Array) -> Array:
    """Return x sigmoid(x)."""
    return unary(activations.silu, x)


def silu_grad(grad: Array, x: Array) -> Array:
    """Return grad s (1 + x (1 - s)), s = sigmoid(x)."""
    return binary(activations.silu_grad, grad, x)


def gelu(x: Array) -> Array:
    """Return x Phi(x) with the normal distribution function Phi (Hendrycks and Gimpel 2016)."""
    return unary(activations.gelu, x)


def gelu_grad(grad: Array, x: Array) -> Array:
    """Return grad (Phi(x) + x phi(x)) with the normal density phi."""
    return binary(activations.gelu_grad, grad, x)


def gelu_tanh(x: Array) -> Array:
    """Return x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    return unary(activations.gelu_tanh, x)


def gelu_tanh_grad(grad: Array, x: Array) -> Array:
    """Return grad times the derivative of gelu_tanh at x."""
    return binary(activations.gelu_tanh_grad, grad, x)


UNARY: dict[Callable[..., Array], tuple[float, ...]] = {
    exp: (),
    expm1: (),
    tanh: (),
    sigmoid: (),
    erf: (),
    relu: (),
    sign: (),
    clamp: (-0.5, 1.5),
    leaky_relu: (0.01,),
    elu: (),
    softplus: (),
    silu: (),
    gelu: (),
    gelu_tanh: (),
}
BINARY: dict[Callable[..., Array], tuple[float, ...]] = {
    tanh_grad: (),
    sigmoid_grad: (),
    relu_grad: (),
    leaky_relu_grad: (0.01,),
    elu_grad: (),
    softplus_grad: (),
    silu_grad: (),
    gelu_grad: (),
    gelu_tanh_grad: (),
    scaled_difference: (0.5,),
    logit_loss: (),
    logit_error: (),
}


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for real in (np.float32, np.float64):
        x = np.ones(1, real)
        for table, arrays in ((UNARY, (x,)), (BINARY, (x, x))):
            for function, parameters in table.items():
                yield (
                    f"elementwise.{function.__name__} {x.dtype}",
                    functools.partial(function, *arrays, *parameters),
                )
