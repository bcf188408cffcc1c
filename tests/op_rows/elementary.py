"""Rows of ops.elementary."""

import math
from collections.abc import Callable

import numpy as np

from autograd.testing import Domain, positive, reals
from ops import elementary as e
from tests.row import Row, Samples
from tests.samples import choice, one, pair, with_parameters

BETWEEN_INTEGERS = reals(-2.8047, 2.6)
PROBABILITY = reals(0.0625, 0.9375)
INSIDE = reals(-0.9, 0.9)


def plain(function: Callable[..., float]) -> Callable[..., np.ndarray]:
    """Return a function of one float applied to every element, one after another."""
    return np.vectorize(function, otypes=[np.float64])


def _unary(function: Callable[..., float], reference: Callable[..., float], domain: Domain | None = None) -> Row:
    return Row(function, one(domain), plain(reference))


def _between_integers() -> Samples:
    return one(BETWEEN_INTEGERS, away_from=[-2, -1, 0, 1, 2])


ROWS = [
    Row(e.zeros_of, one(), np.zeros_like, torch="zeros_like", linear=True),
    _unary(e.square, lambda x: x * x),
    _unary(e.sqrt, math.sqrt, positive()),
    _unary(e.rsqrt, lambda x: 1 / math.sqrt(x), positive()),
    _unary(e.reciprocal, lambda x: 1 / x, positive()),
    _unary(e.exp, math.exp),
    _unary(e.expm1, math.expm1),
    _unary(e.exp2, lambda x: 2.0**x),
    _unary(e.log, math.log, positive()),
    _unary(e.log1p, math.log1p, reals(-0.75, 3)),
    _unary(e.log2, math.log2, positive()),
    _unary(e.log10, math.log10, positive()),
    _unary(e.sin, math.sin),
    _unary(e.cos, math.cos),
    _unary(e.tan, math.tan, reals(-1.25, 1.25)),
    _unary(e.asin, math.asin, INSIDE),
    _unary(e.acos, math.acos, INSIDE),
    _unary(e.atan, math.atan),
    Row(e.atan2, pair(None, positive()), plain(math.atan2)),
    _unary(e.sinh, math.sinh),
    _unary(e.cosh, math.cosh),
    _unary(e.asinh, math.asinh),
    _unary(e.acosh, math.acosh, reals(1.25, 4)),
    _unary(e.atanh, math.atanh, INSIDE),
    _unary(e.tanh, math.tanh),
    Row(e.tanh_grad, pair(None, INSIDE), lambda g, y: g * (1 - y * y), torch=None),
    _unary(e.sigmoid, lambda x: 1 / (1 + math.exp(-x))),
    Row(e.sigmoid_grad, pair(None, PROBABILITY), lambda g, y: g * y * (1 - y), torch=None),
    Row(
        e.logit,
        with_parameters(one(PROBABILITY), eps=choice(None, 0.03125)),
        lambda p, eps: plain(lambda q: math.log(q / (1 - q)))(p),
    ),
    _unary(e.erf, math.erf),
    _unary(e.erfc, math.erfc),
    Row(e.floor, _between_integers(), plain(math.floor)),
    Row(e.ceil, _between_integers(), plain(math.ceil)),
    Row(e.trunc, _between_integers(), plain(math.trunc)),
    Row(
        e.round,
        one(BETWEEN_INTEGERS, away_from=[-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]),
        plain(round),
    ),
    Row(
        e.round,
        with_parameters(one(reals(-2.8017, 2.6), away_from=np.arange(-2.85, 2.7, 0.1), margin=1e-4), decimals=1),
        lambda x, decimals: plain(lambda value: round(value, decimals))(x),
        name="round to decimals",
        torch="round",
    ),
    Row(e.frac, _between_integers(), plain(lambda x: math.fmod(x, 1.0))),
    Row(e.deg2rad, one(), plain(math.radians), linear=True),
    Row(e.rad2deg, one(), plain(math.degrees), linear=True),
    Row(e.xlogy, pair(None, positive()), plain(lambda x, y: x * math.log(y))),
    Row(
        e.sinc,
        one(away_from=[0.0]),
        plain(lambda x: math.sin(math.pi * x) / (math.pi * x)),
    ),
    Row(e.logaddexp, pair(), plain(lambda x, y: math.log(math.exp(x) + math.exp(y)))),
    Row(e.logaddexp2, pair(), plain(lambda x, y: math.log2(2**x + 2**y))),
]
