"""Rows of ops.arithmetic."""

import numpy as np

from autograd.testing import integers, positive, reals
from ops import arithmetic as a
from tests.row import Error, Row
from tests.samples import choice, many, one, pair, with_parameters

NEAR_ZERO = [0.0]
FRACTIONS = reals(-2.8047, 2.6)  # no whole numbers, nor quotients of two of them by OFFSET that are
OFFSET = reals(0.7031, 2.9)
APART = reals(-2.9961, 3.0)  # a grid between that of reals(): never equal to an element of it
VECTORS = (np.zeros(2), np.zeros(3))


def _mismatch(name: str) -> tuple[Error, ...]:
    return (Error(RuntimeError, rf"{name}.*\(2,\).*\(3,\)|size of tensor", VECTORS),)


def _floats_power(x: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    return np.exp(exponent * np.log(x))


ROWS = [
    Row(a.plus, pair(), np.add, name="add", linear=True, errors=_mismatch("add")),
    Row(a.minus, pair(), np.subtract, name="sub", linear=True, errors=_mismatch("sub")),
    Row(a.mul, pair(), np.multiply, linear=True, errors=_mismatch("mul")),
    Row(a.true_divide, pair(None, positive()), np.divide, name="div", errors=_mismatch("div")),
    Row(
        a.add,
        with_parameters(pair(), alpha=choice(1, 2, -0.5)),
        lambda x, y, alpha: x + alpha * y,
        name="add with alpha",
        torch="add",
        linear=True,
    ),
    Row(
        a.sub,
        with_parameters(pair(), alpha=choice(1, 2, -0.5)),
        lambda x, y, alpha: x - alpha * y,
        name="sub with alpha",
        torch="sub",
        linear=True,
    ),
    Row(
        a.rsub,
        with_parameters(pair(), alpha=choice(1, 2)),
        lambda x, y, alpha: y - alpha * x,
        linear=True,
    ),
    Row(
        a.div,
        with_parameters(pair(FRACTIONS, OFFSET), rounding_mode=choice("floor", "trunc")),
        lambda x, y, rounding_mode: getattr(np, rounding_mode)(x / y),
        name="div with rounding_mode",
        torch="div",
        errors=(Error(RuntimeError, "rounding_mode", VECTORS[:1] * 2, {"rounding_mode": "up"}),),
    ),
    Row(a.rdiv, pair(positive()), lambda x, y: y / x, torch=lambda x, y: y / x),
    Row(a.floor_divide, pair(FRACTIONS, OFFSET), lambda x, y: np.floor(x / y), torch=None),
    Row(a.trunc_divide, pair(FRACTIONS, OFFSET), lambda x, y: np.trunc(x / y), torch=None),
    Row(a.remainder, pair(FRACTIONS, OFFSET), lambda x, y: x - y * np.floor(x / y)),
    Row(a.fmod, pair(FRACTIONS, OFFSET), lambda x, y: x - y * np.trunc(x / y)),
    Row(a.rfloordiv, pair(OFFSET, FRACTIONS), lambda x, y: np.floor(y / x), torch=None),
    Row(a.rremainder, pair(OFFSET, FRACTIONS), lambda x, y: np.mod(y, x), torch=lambda x, y: y % x),
    Row(
        a.power,
        pair(positive(), reals(-2, 2)),
        _floats_power,
        name="pow",
        errors=_mismatch("pow"),
    ),
    Row(
        lambda x, exponent: a.pow(x, exponent),
        with_parameters(one(positive()), exponent=choice(2, 0.5, -1, -0.5, 3, 0)),
        lambda x, exponent: x**exponent,
        name="pow by a number",
        torch="pow",
    ),
    Row(a.rpow, pair(reals(-2, 2), positive()), lambda x, y: y**x, torch=lambda x, y: y**x),
    Row(
        a.float_power,
        pair(positive(), reals(-2, 2)),
        lambda x, y: x**y,
        keeps_float32=False,
    ),
    Row(a.neg, one(), lambda x: -x, linear=True),
    Row(a.abs, one(away_from=NEAR_ZERO), np.abs),
    Row(a.sign, one(away_from=NEAR_ZERO), np.sign),
    Row(a.copysign, pair(positive(), APART), np.copysign),
    Row(a.positive, one(), lambda x: x, linear=True),
    Row(
        a.lerp,
        many(None, None, None),
        lambda x, end, weight: x + weight * (end - x),
        torch=lambda x, end, weight: x + weight * (end - x),
    ),
    Row(
        a.addcmul,
        with_parameters(many(None, None, None), value=choice(1, -0.5)),
        lambda x, y, z, value: x + value * y * z,
        linear=True,
    ),
    Row(
        a.addcdiv,
        with_parameters(many(None, None, positive()), value=choice(1, -0.5)),
        lambda x, y, z, value: x + value * y / z,
    ),
    Row(a.hypot, pair(positive(), APART), np.hypot),
    Row(
        a.floor_divide,
        pair(integers(-7, 7), integers(1, 4), dtype=np.int64),
        lambda x, y: x // y,
        name="floor_divide of integers",
        torch="floor_divide",
        order=0,
        errors=(Error(RuntimeError, "ZeroDivisionError", (np.arange(3), np.zeros(3, np.int64))),),
    ),
    Row(
        a.remainder,
        pair(integers(-7, 7), integers(1, 4), dtype=np.int64),
        lambda x, y: x - y * (x // y),
        name="remainder of integers",
        torch="remainder",
        order=0,
    ),
]
