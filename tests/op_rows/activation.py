"""Rows of ops.activation. References are the textbook formulas, one element after another."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from autograd.testing import arrays, reals, shapes
from ops import activation as a
from tests.op_rows.elementary import plain
from tests.row import Error, Row, Sample
from tests.samples import alike, built, choice, one, with_parameters

SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946
UPSTREAM = reals(-2.0, 2.0)
APART = reals(-2.9961, 3.0)  # no zero


def _normal_cdf(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def _normal_density(x: float) -> float:
    return math.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _softplus(x: float, beta: float = 1.0, threshold: float = 20.0) -> float:
    return x if beta * x > threshold else math.log(1 + math.exp(beta * x)) / beta


def _gelu(x: float, approximate: str = "none") -> float:
    if approximate == "none":
        return x * _normal_cdf(x)
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


def _silu_slope(x: float) -> float:
    return _sigmoid(x) * (1 + x * (1 - _sigmoid(x)))


def _unary(
    function: Callable[..., Any],
    reference: Callable[..., float],
    kinks: tuple[float, ...] = (),
    **values: Any,
) -> Row:
    parameters = {name: choice(*each) for name, each in values.items()}
    return Row(
        function,
        with_parameters(one(reals(-6.5, 6.5), away_from=kinks), **parameters),
        lambda x, **given: plain(lambda element: reference(element, **given))(x),
    )


def _prelu(draw: DrawFn) -> Sample:
    x = draw(arrays(draw(shapes(2, 4, 1, 3)), away_from=[0.0]))
    return Sample((x, draw(arrays(draw(st.sampled_from([(1,), (x.shape[1],)]))))))


def _prelu_reference(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    slopes = weight.reshape(-1, *[1] * (x.ndim - 2))
    return np.where(x > 0, x, slopes * x)


def _glu(draw: DrawFn) -> Sample:
    shape = list(draw(shapes(1, 3, 1, 3)))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    shape[dim] *= 2
    return Sample((draw(arrays(tuple(shape))),), {"dim": dim})


def _glu_reference(x: np.ndarray, dim: int) -> np.ndarray:
    left, right = np.split(x, 2, axis=dim)
    return left / (1 + np.exp(-right))


ROWS = [
    _unary(a.relu, lambda x: max(x, 0.0), (0.0,)),
    Row(
        a.relu_grad,
        alike(UPSTREAM, APART),
        lambda g, y: g * (y > 0),
        torch=None,
    ),
    _unary(
        a.leaky_relu,
        lambda x, negative_slope: x if x > 0 else negative_slope * x,
        (0.0,),
        negative_slope=[0.01, 0.2],
    ),
    Row(
        a.prelu,
        built(_prelu),
        _prelu_reference,
        errors=(Error(RuntimeError, "prelu", (np.zeros((2, 3)), np.zeros(2))),),
    ),
    _unary(
        a.rrelu,
        lambda x, lower, upper: x if x > 0 else (lower + upper) / 2 * x,
        (0.0,),
        lower=[0.125],
        upper=[0.25],
    ),
    _unary(
        a.hardtanh,
        lambda x, min_val, max_val: min(max(x, min_val), max_val),
        (-1.0, 1.0, -2.0, 0.5),
        min_val=[-1.0, -2.0],
        max_val=[1.0, 0.5],
    ),
    _unary(a.relu6, lambda x: min(max(x, 0.0), 6.0), (0.0, 6.0)),
    Row(
        a.hardsigmoid,
        one(reals(-6.5, 6.5), away_from=[-3.0, 3.0]),
        plain(lambda x: min(max(x + 3, 0.0), 6.0) / 6),
        torch=lambda x: (x + 3).clamp(0, 6) / 6,  # its own has 1/6 in single precision in the gradient
    ),
    _unary(a.hardswish, lambda x: x * min(max(x + 3, 0.0), 6.0) / 6, (-3.0, 3.0)),
    _unary(
        a.threshold,
        lambda x, threshold, value: x if x > threshold else value,
        (0.5,),
        threshold=[0.5],
        value=[-1.0],
    ),
    _unary(a.hardshrink, lambda x, lambd: x if abs(x) > lambd else 0.0, (-0.5, 0.5, -1.0, 1.0), lambd=[0.5, 1.0]),
    _unary(
        a.softshrink,
        lambda x, lambd: math.copysign(max(abs(x) - lambd, 0.0), x),
        (-0.5, 0.5, -1.0, 1.0),
        lambd=[0.5, 1.0],
    ),
    _unary(a.elu, lambda x, alpha: x if x > 0 else alpha * (math.exp(x) - 1), (0.0,), alpha=[1.0, 0.5]),
    _unary(a.selu, lambda x: SELU_SCALE * (x if x > 0 else SELU_ALPHA * (math.exp(x) - 1)), (0.0,)),
    _unary(a.celu, lambda x, alpha: x if x > 0 else alpha * (math.exp(x / alpha) - 1), (0.0,), alpha=[1.0, 2.0]),
    _unary(a.softplus, _softplus, (5.0,), beta=[1.0, 2.0], threshold=[20.0, 10.0]),
    _unary(a.logsigmoid, lambda x: math.log(_sigmoid(x))),
    _unary(a.mish, lambda x: x * math.tanh(_softplus(x))),
    _unary(a.silu, lambda x: x * _sigmoid(x)),
    Row(a.silu_grad, alike(UPSTREAM, None), lambda g, x: g * plain(_silu_slope)(x), torch=None),
    _unary(a.gelu, _gelu, approximate=["none", "tanh"]),
    Row(
        a.gelu_grad,
        alike(UPSTREAM, None),
        lambda g, x: g * plain(lambda v: _normal_cdf(v) + v * _normal_density(v))(x),
        torch=None,
    ),
    Row(a.glu, built(_glu), _glu_reference, errors=(Error(RuntimeError, "glu", (np.zeros(3),)),)),
    _unary(a.softsign, lambda x: x / (1 + abs(x)), (0.0,)),
    _unary(a.tanhshrink, lambda x: x - math.tanh(x)),
]
