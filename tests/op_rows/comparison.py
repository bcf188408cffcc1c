"""Rows of ops.comparison."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from autograd.testing import arrays, broadcastable_shapes, integers, reals
from ops import comparison as c
from tests.row import Error, Row, Sample, Samples
from tests.samples import SMALL, built, choice, many, one, pair, with_parameters

TIED = integers(-1, 1)  # few numbers, so that many are equal
APART = reals(-2.9961, 3.0)  # a grid between that of reals(): never equal to an element of it
FURTHER = reals(-2.9922, 3.0)
BITS = integers(0, 13)
SPECIAL = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, 1.5, -2.5])


def _compared(function: Callable[..., Any], reference: Callable[..., Any]) -> Row:
    errors = (Error(RuntimeError, function.__name__, (np.zeros(2), np.zeros(3))),)
    return Row(function, pair(TIED, TIED), reference, order=0, errors=errors)


def _classified(function: Callable[..., Any], reference: Callable[..., Any]) -> Row:
    samples = one(TIED)
    return Row(function, samples._replace(edges=(*samples.edges, Sample((SPECIAL,)))), reference, order=0)


def _logical(function: Callable[..., Any], reference: Callable[..., Any]) -> Row:
    return Row(function, pair(TIED, TIED), reference, order=0)


def _of_bits(function: Callable[..., Any], reference: Callable[..., Any], right: Any = BITS) -> Row:
    samples = pair(BITS, right, dtype=np.int64)
    errors = (Error((RuntimeError, NotImplementedError), function.__name__, (np.ones(2), np.ones(2))),)
    return Row(function, samples, reference, order=0, errors=errors)


def _condition_and_two(draw: DrawFn) -> Sample:
    first, second, third = draw(broadcastable_shapes(3, **SMALL))
    return Sample((draw(arrays(first, dtype=bool)), draw(arrays(second)), draw(arrays(third))))


def _filled(draw: DrawFn) -> Sample:
    shape, mask = draw(broadcastable_shapes(2, **SMALL))
    return Sample((draw(arrays(shape)), draw(arrays(mask, dtype=bool)), -1.5))


EDGE_OF_WHERE = (
    Sample((np.array(True), np.array(1.0), np.array(2.0))),
    Sample((np.zeros((0, 3), bool), np.zeros(3), np.zeros((1, 1)))),
)

ROWS = [
    _compared(c.eq, lambda x, y: x == y),
    _compared(c.ne, lambda x, y: x != y),
    _compared(c.lt, lambda x, y: x < y),
    _compared(c.le, lambda x, y: x <= y),
    _compared(c.gt, lambda x, y: x > y),
    _compared(c.ge, lambda x, y: x >= y),
    _classified(c.isnan, lambda x: x != x),
    _classified(c.isinf, lambda x: np.abs(x) == np.inf),
    _classified(c.isfinite, lambda x: np.abs(x) < np.inf),
    _classified(c.isposinf, lambda x: x == np.inf),
    _classified(c.isneginf, lambda x: x == -np.inf),
    _classified(c.isreal, lambda x: np.ones(x.shape, bool)),
    _classified(c.signbit, np.signbit),
    Row(
        c.isclose,
        with_parameters(pair(TIED, TIED), rtol=choice(1e-5, 1.0), atol=choice(1e-8, 1.0)),
        lambda x, y, rtol, atol: np.abs(x - y) <= atol + rtol * np.abs(y),
        order=0,
        through=(c.close,),
    ),
    Row(
        c.isin,
        with_parameters(pair(TIED, integers(0, 3)), invert=choice(False, True)),
        lambda x, y, invert: np.array([(v in y.ravel()) != invert for v in x.ravel()], bool).reshape(x.shape),
        order=0,
        through=(c.is_member,),
    ),
    Row(c.logical_not, one(TIED), lambda x: x == 0, order=0),
    _logical(c.logical_and, lambda x, y: (x != 0) & (y != 0)),
    _logical(c.logical_or, lambda x, y: (x != 0) | (y != 0)),
    _logical(c.logical_xor, lambda x, y: (x != 0) != (y != 0)),
    Row(c.bitwise_not, one(BITS, dtype=np.int64), lambda x: -x - 1, order=0),
    _of_bits(c.bitwise_and, np.vectorize(lambda x, y: x & y, otypes=[np.int64])),
    _of_bits(c.bitwise_or, np.vectorize(lambda x, y: x | y, otypes=[np.int64])),
    _of_bits(c.bitwise_xor, np.vectorize(lambda x, y: x ^ y, otypes=[np.int64])),
    _of_bits(c.bitwise_left_shift, lambda x, y: x * 2**y, integers(0, 5)),
    _of_bits(c.bitwise_right_shift, lambda x, y: x // 2**y, integers(0, 5)),
    _of_bits(c.gcd, np.vectorize(lambda x, y: math.gcd(x, y), otypes=[np.int64])),
    _of_bits(c.lcm, np.vectorize(lambda x, y: math.lcm(x, y), otypes=[np.int64])),
    Row(
        c.where,
        built(_condition_and_two, EDGE_OF_WHERE),
        lambda condition, x, y: condition * x + ~condition * y,
        linear=True,
    ),
    Row(
        c.masked_fill,
        built(_filled),
        lambda x, mask, value: np.where(mask, value, x),
        linear=True,
    ),
    Row(c.maximum, pair(None, APART), lambda x, y: np.where(x > y, x, y)),
    Row(c.minimum, pair(None, APART), lambda x, y: np.where(x < y, x, y)),
    Row(c.fmax, pair(None, APART), lambda x, y: np.where(x > y, x, y)),
    Row(c.fmin, pair(None, APART), lambda x, y: np.where(x < y, x, y)),
    Row(
        c.clamp,
        with_parameters(one(away_from=[-1, 1.5]), min=choice(-1, None), max=choice(1.5)),
        lambda x, min, max: np.clip(x, min, max),
        name="clamp to numbers",
        torch="clamp",
        errors=(Error(RuntimeError, "clamp", (np.zeros(2),)),),
    ),
    Row(
        c.clamp,
        many(None, APART, FURTHER),
        lambda x, low, high: np.minimum(np.maximum(x, low), high),
        torch=lambda x, low, high: x.maximum(low).minimum(high),
    ),
    Row(c.clamp_min, pair(None, APART), np.maximum),
    Row(c.clamp_max, pair(None, APART), np.minimum),
    Row(c.heaviside, pair(TIED, None), lambda x, v: np.where(x == 0, v, x > 0), order=0),
    Row(
        c.nan_to_num,
        with_parameters(one(), nan=choice(0.0, 2.0), posinf=choice(None, 9.0)),
        lambda x, nan, posinf: x,
    ),
    Row(
        c.nan_to_num,
        with_parameters(Samples(st.just(Sample((SPECIAL,)))), nan=4.0, neginf=-8.0),
        lambda x, nan, neginf: np.array([nan, np.finfo(np.float64).max, neginf, 0.0, 0.0, 1.5, -2.5]),
        name="nan_to_num of infinities",
        torch="nan_to_num",
        order=0,
        keeps_float32=None,
    ),
]
