"""Activations and their derivatives as functions of one number; `elementwise` loops over them.

Each maker takes the element type and returns the compiled function.  Constants are bound to that type outside
the function: a bare 0.5 in it would compute float32 in double.  Derivatives take the incoming gradient g
first.
"""

import math

from ops.kernels.jit import kernel
from ops.kernels.scalar import Function, elementary

SQRT_HALF = math.sqrt(0.5)
GELU_SLOPE, GELU_CUBE = math.sqrt(2 / math.pi), 0.044715


def exp(real: type) -> Function:
    """e^x."""
    return elementary(real).exp


def expm1(real: type) -> Function:
    """e^x - 1."""
    return elementary(real).expm1


def tanh(real: type) -> Function:
    """tanh(x)."""
    return elementary(real).tanh


def sigmoid(real: type) -> Function:
    """1 / (1 + e^-x)."""
    return elementary(real).sigmoid


def erf(real: type) -> Function:
    """erf(x)."""
    return elementary(real).erf


def tanh_grad(real: type) -> Function:
    """g (1 - y^2), y = tanh(x)."""
    one = real(1)

    @kernel(inline=True)
    def tanh_grad(g, y):
        return g * (one - y * y)

    return tanh_grad


def sigmoid_grad(real: type) -> Function:
    """g y (1 - y), y = sigmoid(x)."""
    one = real(1)

    @kernel(inline=True)
    def sigmoid_grad(g, y):
        return g * (y * (one - y))

    return sigmoid_grad


def relu(real: type) -> Function:
    """max(x, 0)."""
    zero = real(0)

    @kernel(inline=True)
    def relu(x):
        return zero if x <= zero else x  # NaN is not <= 0 and passes

    return relu


def relu_grad(real: type) -> Function:
    """g where y > 0."""
    zero = real(0)

    @kernel(inline=True)
    def relu_grad(g, y):
        return zero if y <= zero else g

    return relu_grad


def sign(real: type) -> Function:
    """-1, 0 or 1 as x < 0, = 0 or NaN, > 0."""
    zero, one = real(0), real(1)

    @kernel(inline=True)
    def sign(x):
        return (one if x > zero else zero) - (one if x < zero else zero)

    return sign


def clamp(_real: type) -> Function:
    """min(max(x, low), high); NaN stays NaN."""

    @kernel(inline=True)
    def clamp(x, low, high):
        x = low if x < low else x
        return high if x > high else x

    return clamp


def scaled_difference(_real: type) -> Function:
    """scale (x - y)."""

    @kernel(inline=True)
    def scaled_difference(x, y, scale):
        return (x - y) * scale

    return scaled_difference


def logit_loss(real: type) -> Function:
    """(1 - t) x + log(1 + e^-x), the logarithm as max(-x, 0) + log(1 + e^-|x|)."""
    zero, one, elementary_ = real(0), real(1), elementary(real)
    exp, log1p_unit = elementary_.exp, elementary_.log1p_unit

    @kernel(inline=True)
    def logit_loss(x, t):
        return (one - t) * x + ((-x if x < zero else zero) + log1p_unit(exp(-abs(x))))

    return logit_loss


def logit_error(real: type) -> Function:
    """1 / (1 + e^-x) - t."""
    sigmoid = elementary(real).sigmoid

    @kernel(inline=True)
    def logit_error(x, t):
        return sigmoid(x) - t

    return logit_error


def leaky_relu(real: type) -> Function:
    """x, or slope x where x <= 0."""
    zero = real(0)

    @kernel(inline=True)
    def leaky_relu(x, slope):
        return x if x > zero else x * slope

    return leaky_relu


def leaky_relu_grad(real: type) -> Function:
    """g, or slope g where x <= 0."""
    zero = real(0)

    @kernel(inline=True)
    def leaky_relu_grad(g, x, slope):
        return g if x > zero else g * slope

    return leaky_relu_grad


def elu(real: type) -> Function:
    """scale x, or scale alpha (e^(input_scale x) - 1) where x <= 0."""
    zero, expm1 = real(0), elementary(real).expm1

    @kernel(inline=True)
    def elu(x, alpha, scale, input_scale):
        negative = alpha * expm1(input_scale * x)
        return scale * (x if x > zero else negative)

    return elu


def elu_grad(real: type) -> Function:
    """g scale, or g scale alpha input_scale e^(input_scale x) where x <= 0."""
    zero, exp = real(0), elementary(real).exp

    @kernel(inline=True)
    def elu_grad(g, x, alpha, scale, input_scale):
        negative = g * scale * alpha * input_scale * exp(input_scale * x)
        return g * scale if x > zero else negative

    return elu_grad


def softplus(real: type) -> Function:
    """log(1 + e^(beta x)) / beta = (max(t, 0) + log(1 + e^-|t|)) / beta, t = beta x."""
    zero, elementary_ = real(0), elementary(real)
    exp, log1p_unit = elementary_.exp, elementary_.log1p_unit

    @kernel(inline=True)
    def softplus(x, beta, threshold):
        t = beta * x
        curved = ((t if t > zero else zero) + log1p_unit(exp(-abs(t)))) / beta
        return x if t > threshold else curved

    return softplus


def softplus_grad(real: type) -> Function:
    """g sigmoid(beta x)."""
    sigmoid = elementary(real).sigmoid

    @kernel(inline=True)
    def softplus_grad(g, x, beta, threshold):
        t = beta * x
        curved = g * sigmoid(t)
        return g if t > threshold else curved

    return softplus_grad


def silu(real: type) -> Function:
    """x / (1 + e^-x)."""
    one, exp = real(1), elementary(real).exp

    @kernel(inline=True)
    def silu(x):
        return x / (one + exp(-x))

    return silu


def silu_grad(real: type) -> Function:
    """g s (1 + x (1 - s)), s = sigmoid(x)."""
    one, sigmoid = real(1), elementary(real).sigmoid

    @kernel(inline=True)
    def silu_grad(g, x):
        s = sigmoid(x)
        return g * s * (one + x * (one - s))

    return silu_grad


def gelu(real: type) -> Function:
    """x (1 + erf(x / sqrt 2)) / 2."""
    half, one, scale, erf = real(0.5), real(1), real(SQRT_HALF), elementary(real).erf

    @kernel(inline=True)
    def gelu(x):
        return half * x * (one + erf(x * scale))

    return gelu


def gelu_grad(real: type) -> Function:
    """g (Phi(x) + x phi(x)), the normal distribution function and density."""
    half, one, scale = real(0.5), real(1), real(SQRT_HALF)
    density = real(1 / math.sqrt(2 * math.pi))
    exp, erf = elementary(real).exp, elementary(real).erf

    @kernel(inline=True)
    def gelu_grad(g, x):
        return g * (half * (one + erf(x * scale)) + x * density * exp(-half * x * x))

    return gelu_grad


def gelu_tanh(real: type) -> Function:
    """x (1 + tanh(u)) / 2, u = sqrt(2 / pi) (x + 0.044715 x^3)."""
    half, one, slope, cube = real(0.5), real(1), real(GELU_SLOPE), real(GELU_CUBE)
    tanh = elementary(real).tanh

    @kernel(inline=True)
    def gelu_tanh(x):
        return half * x * (one + tanh(slope * (x + cube * x * x * x)))

    return gelu_tanh


def gelu_tanh_grad(real: type) -> Function:
    """g ((1 + t) + x (1 - t^2) u') / 2, t = tanh(u)."""
    half, one, three = real(0.5), real(1), real(3)
    slope, cube = real(GELU_SLOPE), real(GELU_CUBE)
    tanh = elementary(real).tanh

    @kernel(inline=True)
    def gelu_tanh_grad(g, x):
        s = x * x
        t = tanh(slope * (x + cube * x * s))
        return g * half * ((one + t) + x * (one - t * t) * slope * (one + three * cube * s))

    return gelu_tanh_grad
