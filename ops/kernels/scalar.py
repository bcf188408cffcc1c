"""Elementary functions of one number, without branches and calls, so that loops over them become vector code.

`elementary(real)` makes the set for float32 or float64.  Each is its Taylor series after a range reduction,
or the rational function named beside it, and is exact to a few units in the last place
(tests/test_kernels_elementwise.py states the bounds and holds them against wider arithmetic).  Special values
follow C: exp(-inf) = 0, NaN stays NaN. The exception: exp gives 0 where the result would be below the
smallest normal number, about 1e-38 or 2e-308.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ops.kernels.jit import kernel

Function = Callable[..., Any]


class Elementary(NamedTuple):
    """Functions of one float32 or float64."""

    exp: Function
    expm1: Function
    log1p_unit: Function
    """log(1 + x) for 0 <= x <= 1."""
    log_from_one: Function
    """log x for finite x >= 1; NaN stays NaN."""
    tanh: Function
    sigmoid: Function
    erf: Function


@kernel(inline=True, reassociate=False)
def horner(x, coefficients):
    """Sum coefficients[k] x^(n-k), the highest power first."""
    y = coefficients[0]
    for k in range(1, len(coefficients)):
        y = y * x + coefficients[k]
    return y


def series(real: type, terms: list[float]) -> tuple[Any, ...]:
    """Order the terms of a power series for `horner`."""
    return tuple(real(term) for term in reversed(terms))


@functools.cache
def elementary(real: type) -> Elementary:
    """Make the elementary functions of a NumPy float type."""
    exp, expm1 = exponentials(real)
    one = real(1)

    @kernel(inline=True, reassociate=False)
    def sigmoid(x):
        return one / (one + exp(-x))

    tanh = hyperbolic_tangent(real, exp)
    erf = error_function_32() if real is np.float32 else error_function_64(exp)
    log1p_unit = logarithm_of_one_plus(real)
    return Elementary(exp, expm1, log1p_unit, logarithm_from_one(real, log1p_unit), tanh, sigmoid, erf)


def logarithm_of_one_plus(real: type) -> Function:
    """Make log(1 + x) for 0 <= x <= 1: log c + 2 atanh((1 + x - c) / (1 + x + c)), c = 1 or the root of 2."""
    one, two, zero, root = real(1), real(2), real(0), real(math.sqrt(2))
    root_minus_1, log_root = real(math.sqrt(2) - 1), real(math.log(2) / 2)
    terms = 6 if real is np.float32 else 12  # of a series in s^2 <= 0.03
    atanh = series(real, [1 / (2 * k + 1) for k in range(terms)])

    @kernel(inline=True, reassociate=False)
    def log1p_unit(x):
        small = x < root_minus_1
        s = (x if small else x - root_minus_1) / (x + one + (one if small else root))
        return (zero if small else log_root) + two * s * horner(s * s, atanh)

    return log1p_unit


def logarithm_from_one(real: type, log1p_unit: Function) -> Function:
    """Make log x for finite x >= 1: x = 2^n m with 1 <= m < 2, n log 2 + log m."""
    bits = np.int32 if real is np.float32 else np.int64
    info = np.finfo(real)
    mantissa, bias, mantissa_bits = bits(info.nmant), bits(1 - info.minexp), bits((1 << info.nmant) - 1)
    one, bits_of_one, log2 = real(1), bits((1 - info.minexp) << info.nmant), real(math.log(2))

    @kernel(inline=True, reassociate=False)
    def log_from_one(x):
        word = real(x).view(bits)
        n = real(bits(word >> mantissa) - bias)
        m = bits((word & mantissa_bits) | bits_of_one).view(real)
        return n * log2 + log1p_unit(m - one) if x == x else x

    return log_from_one


def exponentials(real: type) -> tuple[Function, Function]:
    """Make exp and expm1: x = n log 2 + r with |r| <= log(2) / 2, e^x = 2^n e^r, e^r by its Taylor series."""
    bits = np.int32 if real is np.float32 else np.int64
    info = np.finfo(real)
    log2e, half, two = real(1 / math.log(2)), real(0.5), real(2)
    # log 2 in two parts; n * high is exact (Cody and Waite 1980)
    high = real(0.693359375) if real is np.float32 else real(float.fromhex("0x1.62e42feep-1"))
    low = real(-2.12194440e-4) if real is np.float32 else real(1.90821492927058770002e-10)
    # Adding 1.5 2^mantissa rounds to an integer and leaves it in the lowest bits
    magic, mantissa, exponent_of_half = real(1.5 * 2**info.nmant), bits(info.nmant), bits(-info.minexp)
    overflow = real((info.maxexp + 0.4) * math.log(2))  # n = maxexp: 2 (2^(n-1) e^r) is infinite
    underflow = real(info.minexp * math.log(2))  # n = minexp: the bits of 2^(n-1) are those of 0
    all_lost = real(-(info.nmant + 4) * math.log(2))  # below it expm1 rounds to -1
    degree = 7 if real is np.float32 else 13
    e_to_r = series(real, [1 / math.factorial(k) for k in range(degree + 1)])
    e_to_r_minus_1 = series(real, [1 / math.factorial(k + 1) for k in range(degree)])

    @kernel(inline=True, reassociate=False)
    def reduce(x, lowest):
        """Return r and 2^(n-1); the half because 2^n itself may overflow.  NaN passes both selects."""
        x = lowest if x < lowest else x
        x = overflow if x > overflow else x
        rounded = real(x * log2e + magic)  # (numba views only what a cast made)
        n = rounded - magic
        half_scale = bits(bits(rounded.view(bits) + exponent_of_half) << mantissa).view(real)
        return (x - n * high) - n * low, half_scale

    @kernel(inline=True, reassociate=False)
    def exp(x):
        r, half_scale = reduce(x, underflow)
        return two * (horner(r, e_to_r) * half_scale)

    @kernel(inline=True, reassociate=False)
    def expm1(x):
        r, half_scale = reduce(x, all_lost)
        return two * (half_scale * (r * horner(r, e_to_r_minus_1)) + (half_scale - half))

    return exp, expm1


def hyperbolic_tangent(real: type, exp: Function) -> Function:
    """Make tanh: x + x^3 P(x^2) / Q(x^2) near zero (Cephes, Moshier 1992), 1 - 2 / (e^2|x| + 1) elsewhere."""
    p: tuple[float, ...]
    q: tuple[float, ...]
    if real is np.float32:
        p = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
        q = (1.0,)
    else:
        p = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
        q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
    numerator, denominator = tuple(map(real, p)), tuple(map(real, q))
    one, two, border = real(1), real(2), real(0.625)

    @kernel(inline=True, reassociate=False)
    def tanh(x):
        s = x * x
        near = x + x * s * (horner(s, numerator) / horner(s, denominator))
        far = one - two / (exp(two * abs(x)) + one)
        return near if abs(x) < border else np.copysign(far, x)

    return tanh


def error_function_64(exp: Function) -> Function:
    """Make erf for float64 (Cephes): x T(x^2) / U(x^2) below 1, 1 - exp(-x^2) P(x) / Q(x) above."""
    t = (9.60497373987051638749, 90.0260197203842689217, 2232.00534594684319226, 7003.32514112805075473)
    u = (1.0, 33.5617141647503099647, 521.357949780152679795, 4594.32382970980127987, 22629.0000613890934246)
    p_high = (2.46196981473530512524e-10, 0.564189564831068821977, 7.46321056442269912687, 48.6371970985681366614)
    p_low = (196.520832956077098242, 526.445194995477358631, 934.528527171957607540, 1027.55188689515710272)
    q_high = (1.0, 13.2281951154744992508, 86.7072140885989742329, 354.937778887819891062)
    q_low = (975.708501743205489753, 1823.90916687909736289, 2246.33760818710981792, 1656.66309194161350182)
    near_top, near_bottom = (*t, 55592.3013010394962768), (*u, 49267.3942608635921086)
    far_top = (*p_high, *p_low, 557.535335369399327526)
    far_bottom = (*q_high, *q_low, 557.535340817727675546)
    one, saturated = np.float64(1), np.float64(6)

    @kernel(inline=True, reassociate=False)
    def erf(x):
        s, a = x * x, abs(x)
        near = x * (horner(s, near_top) / horner(s, near_bottom))
        a = saturated if a > saturated else a  # erf(6) rounds to 1
        far = one - exp(-a * a) * (horner(a, far_top) / horner(a, far_bottom))
        return near if abs(x) < one else np.copysign(far, x)

    return erf


def error_function_32() -> Function:
    """Make erf for float32: x P(x^2) / Q(x^2), degrees 13 and 8, up to where erf rounds to 1 (Eigen 3.4).

    One division and no exponential; exact to 2.7 units in the last place.
    """
    p = (-2.72614225801306e-10, 2.77068142495902e-8, -2.10102402082508e-6, -5.69250639462346e-5)
    p_low = (-7.34990630326855e-4, -2.95459980854025e-3, -1.60960333262415e-2)
    q = (-1.45660718464996e-5, -2.13374055278905e-4, -1.68282697438203e-3, -7.37332916720468e-3, -1.42647390514189e-2)
    numerator, denominator = tuple(map(np.float32, (*p, *p_low))), tuple(map(np.float32, q))
    one, saturated = np.float32(1), np.float32(3.8325066)

    @kernel(inline=True, reassociate=False)
    def erf(x):
        x = saturated if x > saturated else x
        x = -saturated if x < -saturated else x
        s = x * x
        y = x * horner(s, numerator) / horner(s, denominator)
        y = one if (y > one) | (x >= saturated) else y
        return -one if (y < -one) | (x <= -saturated) else y

    return erf
