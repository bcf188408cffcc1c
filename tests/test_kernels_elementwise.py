"""Elementwise kernels against NumPy in double (or wider) precision, the C library and PyTorch."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ops.kernels import arithmetic
from ops.kernels import elementwise as kernels
from ops.kernels.threads import least_threads, threads_for

vector_erf = np.vectorize(math.erf, otypes=[np.float64])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def phi(x):
    return np.exp(-x * x / 2) / math.sqrt(2 * math.pi)


def Phi(x):
    return (1 + vector_erf(x / math.sqrt(2))) / 2


def gelu_tanh(x):
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def derivative(f: Callable) -> Callable:
    """Differentiate by a central difference of fourth order in double precision, to about 1e-11."""

    def slope(x, h=1e-3):
        return (8 * (f(x + h) - f(x - h)) - (f(x + 2 * h) - f(x - 2 * h))) / (12 * h)

    return slope


# name: (reference, parameters, whether the error is relative to the result or to the argument)
UNARY = {
    "exp": (np.exp, (), "relative"),
    "expm1": (np.expm1, (), "relative"),
    "tanh": (np.tanh, (), "relative"),
    "sigmoid": (sigmoid, (), "relative"),
    "erf": (vector_erf, (), "relative"),
    "relu": (lambda x: np.maximum(x, 0), (), "relative"),
    "sign": (np.sign, (), "relative"),
    "clamp": (lambda x: np.clip(x, -0.5, 1.5), (-0.5, 1.5), "relative"),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.25 * x), (0.25,), "relative"),
    "elu": (lambda x: 1.5 * np.where(x > 0, x, 0.5 * np.expm1(0.75 * x)), (0.5, 1.5, 0.75), "relative"),
    "softplus": (lambda x: np.where(2 * x > 20, x, np.log1p(np.exp(2 * x)) / 2), (2.0, 20.0), "relative"),
    "silu": (lambda x: x * sigmoid(x), (), "relative"),
    "gelu": (lambda x: x * Phi(x), (), "argument"),
    "gelu_tanh": (gelu_tanh, (), "argument"),
}
BINARY = {
    "tanh_grad": (lambda g, y: g * (1 - y**2), ()),
    "sigmoid_grad": (lambda g, y: g * y * (1 - y), ()),
    "relu_grad": (lambda g, y: np.where(y > 0, g, 0), ()),
    "leaky_relu_grad": (lambda g, x: np.where(x > 0, g, 0.25 * g), (0.25,)),
    "elu_grad": (lambda g, x: g * 1.5 * np.where(x > 0, 1, 0.375 * np.exp(0.75 * x)), (0.5, 1.5, 0.75)),
    "softplus_grad": (lambda g, x: np.where(2 * x > 20, g, g * sigmoid(2 * x)), (2.0, 20.0)),
    "silu_grad": (lambda g, x: g * derivative(UNARY["silu"][0])(x), ()),
    "gelu_grad": (lambda g, x: g * (Phi(x) + x * phi(x)), ()),
    "gelu_tanh_grad": (lambda g, x: g * derivative(gelu_tanh)(x), ()),
    "scaled_difference": (lambda x, y: 0.5 * (x - y), (0.5,)),
    "logit_loss": (lambda x, t: (1 - t) * x + np.log1p(np.exp(-x)), ()),
    "logit_error": (lambda x, t: sigmoid(x) - t, ()),
}
TYPES = (np.float32, np.float64)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=9) | st.just((1037,))


def test_every_kernel_has_a_reference():
    assert {f.__name__ for f in kernels.UNARY} == set(UNARY)
    assert {f.__name__ for f in kernels.BINARY} == set(BINARY)


def grid(real: type) -> np.ndarray:
    """Numbers of every size, dense where the functions bend."""
    tiny = np.logspace(-30, 0, 2000)
    return np.concatenate([np.linspace(-86, 86, 40001), np.linspace(-2, 2, 20001), tiny, -tiny]).astype(real)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("real", TYPES)
def test_unary_error_is_a_few_units_in_the_last_place(name, real):
    reference, parameters, kind = UNARY[name]
    x = grid(real)
    y = getattr(kernels, name)(x, *parameters)
    with np.errstate(all="ignore"):
        expected = reference(x.astype(np.longdouble if name == "exp" else np.float64))
    unit = np.finfo(real).eps
    size = np.abs(expected)
    if kind == "argument":  # 1 + erf cancels in the left tail
        size = np.maximum(size, np.abs(x))
    # the reference's own error is up to a unit in double precision
    assert np.all(np.abs(y - expected) <= 3 * unit * size + np.finfo(real).tiny)
    assert y.dtype == real


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("real", TYPES)
def test_binary_matches_reference(name, real):
    reference, parameters = BINARY[name]
    x = grid(real)
    if name.startswith(("tanh", "sigmoid", "logit")):
        x = x[np.abs(x) <= 1]
    g = np.resize(np.array([1, -2, 0.5], real), x.shape)
    expected = reference(g.astype(np.float64), x.astype(np.float64))
    error = np.abs(getattr(kernels, name)(g, x, *parameters) - expected)
    derivative_error = 3e-11 if name in ("silu_grad", "gelu_tanh_grad") else 0
    x_size = np.maximum(1, np.abs(np.clip(x, -10, 10)))
    assert np.all(error <= 8 * np.finfo(real).eps * x_size * np.abs(g) + 100 * derivative_error)


@pytest.mark.parametrize("real", TYPES)
def test_exp_at_the_edges(real):
    info = np.finfo(real)
    top, bottom = math.log(float(info.max)), math.log(float(info.tiny))
    x = np.array([top * 0.99999, top * 1.0001, bottom * 0.99, bottom * 1.01, np.inf, -np.inf, np.nan, 0, -0.0], real)
    y = kernels.exp(x)
    assert np.isfinite(y[0])
    assert y[1] == np.inf
    assert y[2] > 0
    assert np.array_equal(y[3:], np.array([0, np.inf, 0, np.nan, 1, 1], real), equal_nan=True)


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("real", TYPES)
def test_special_values_match_pytorch(torch, name, real):
    F = torch.nn.functional
    functions = {"elu": F.elu, "leaky_relu": F.leaky_relu, "softplus": F.softplus, "silu": F.silu, "gelu": F.gelu}
    functions |= {"clamp": lambda t: torch.clamp(t, -0.5, 1.5)}
    functions["gelu_tanh"] = lambda t: F.gelu(t, approximate="tanh")
    function = functions.get(name) or getattr(torch, name)
    infinities = () if name == "gelu" else (np.inf, -np.inf)  # PyTorch's float32 gelu(inf) is NaN
    x = np.array([np.nan, 0.0, 1000, -1000, *infinities], real)
    parameters = kernels.UNARY[getattr(kernels, name)]
    expected = function(torch.from_numpy(x)).numpy()
    y = getattr(kernels, name)(x, *parameters)
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(real).eps, equal_nan=True)


@pytest.mark.parametrize("real", TYPES)
def test_logit_loss_of_any_logit(torch, real):
    x, t = grid(real), np.resize(np.array([0, 0.25, 1], real), grid(real).shape)
    wide = x.astype(np.float64)
    loss, error = (1 - t) * wide + np.logaddexp(0, -wide), sigmoid(wide) - t
    scale = np.maximum(np.abs(wide), 1)
    assert (np.abs(kernels.logit_loss(x, t) - loss) <= 4 * np.finfo(real).eps * scale).all()
    assert (np.abs(kernels.logit_error(x, t) - error) <= 4 * np.finfo(real).eps).all()
    x, t = (
        np.repeat(np.array([np.nan, np.inf, -np.inf, 1000, -1000, 0], real), 2),
        np.resize(np.array([0, 1], real), 12),
    )
    parts = torch.from_numpy(x).requires_grad_(True), torch.from_numpy(t)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(*parts, reduction="none")
    expected.sum().backward()
    np.testing.assert_allclose(kernels.logit_loss(x, t), expected.detach().numpy(), rtol=1e-6, equal_nan=True)
    np.testing.assert_allclose(kernels.logit_error(x, t), parts[0].grad.numpy(), rtol=1e-6, equal_nan=True)


def test_nan_reaches_the_gradient():
    g, y = np.array([1, np.nan, 1], np.float32), np.array([np.nan, 1, -1], np.float32)
    assert np.array_equal(kernels.relu_grad(g, y), np.array([1, np.nan, 0], np.float32), equal_nan=True)


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("real", TYPES)
@given(shape=SHAPES, seed=st.integers(0, 9))
def test_any_shape_layout_and_number_of_threads(threads, real, shape, seed):
    rng = np.random.default_rng(seed)
    x = np.asarray(rng.standard_normal(shape), real)
    expected, gradient = kernels.tanh(x), kernels.silu_grad(x, x)
    layouts = [x, x.copy("F"), np.repeat(x[..., None], 2, -1)[..., 0]]
    with least_threads(threads):
        for layout in layouts:
            layout.flags.writeable = False
            assert np.array_equal(kernels.tanh(layout), expected)
            assert np.array_equal(kernels.silu_grad(layout, x), gradient)
    assert expected.shape == shape


def test_large_arrays_are_split_without_changing_a_bit():
    x = np.random.default_rng(0).standard_normal(200_003).astype(np.float32)
    parts = np.concatenate([kernels.gelu(part) for part in np.split(x, [64, 10_001, 77_777])])
    assert np.array_equal(kernels.gelu(x), parts)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize(
    ("name", "ufunc"), [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide)]
)
def test_arithmetic_is_numpys_to_the_bit(real, name, ufunc):
    x, y = np.random.default_rng(0).standard_normal((2, 400, 333)).astype(real)
    x[0, :4], y[0, :4] = [np.nan, np.inf, 1, 0], [1, -np.inf, 0, 0]
    with np.errstate(all="ignore"):
        expected = ufunc(x, y)
        function = getattr(arithmetic, name)
        maker = getattr(arithmetic, f"{name}_numbers")
        for threads in (1, 2):
            with least_threads(threads):
                assert np.array_equal(kernels.binary(maker, x, y), expected, equal_nan=True)
        assert np.array_equal(function(x, y), expected, equal_nan=True)
        assert np.array_equal(function(x, y[0]), ufunc(x, y[0]), equal_nan=True)


def test_large_equal_shapes_are_split():
    x = np.zeros(arithmetic.THRESHOLD + 1, np.float32)
    assert arithmetic.pays(x, x) == (threads_for(10**9) > 1)
    assert not arithmetic.pays(x[:-1], x[:-1])


def test_errors_name_the_function():
    with pytest.raises(TypeError, match="exp: expected float32 or float64, got int64"):
        kernels.exp(np.arange(3))
    with pytest.raises(ValueError, match=r"relu_grad: float32 \(3,\) does not match float32 \(4,\)"):
        kernels.relu_grad(np.zeros(3, np.float32), np.zeros(4, np.float32))


WIDE = (1, 64, 65, 130)


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div"])
@pytest.mark.parametrize("threads", [1, 2])
@given(data=st.data())
def test_broadcast_arithmetic_is_numpys_to_the_bit(real, name, threads, data):
    shape = data.draw(st.lists(st.sampled_from(WIDE[:3] + (2, 3)), min_size=1, max_size=3), "shape")
    shape.append(data.draw(st.sampled_from(WIDE), "width"))
    shapes = []
    for which in "xy":
        kept = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)), which)
        start = data.draw(st.integers(0, kept.index(True)) if True in kept else st.just(0))
        shapes.append([n if keep else 1 for n, keep in zip(shape, kept, strict=True)][start:])
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    x, y = (rng.choice([0, 1, -2.5, np.inf, np.nan, 0.1], each).astype(real) for each in shapes)
    maker, ufunc = getattr(arithmetic, f"{name}_numbers"), {"div": np.divide, "sub": np.subtract, "mul": np.multiply}
    with least_threads(threads), pytest.MonkeyPatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(arithmetic, "BROADCAST_THRESHOLD", 0)
        patch.setattr(arithmetic, "LEAST_WIDTH", 2)
        z = arithmetic.broadcast(maker, x, y)
        expected = ufunc.get(name, np.add)(x, y)
    if z is not None:
        assert np.array_equal(z, expected, equal_nan=True)
        assert z.shape == expected.shape
        assert not np.shares_memory(z, x)


@pytest.mark.parametrize(("name", "left", "right"), arithmetic.FORMS)
def test_each_form_has_a_loop(name, left, right):
    assert arithmetic.broadcast(arithmetic.add_numbers, np.ones(left), np.ones(right)) is not None


def test_shapes_that_do_not_broadcast_are_left_to_numpy():
    assert arithmetic.broadcast(arithmetic.add_numbers, np.ones((200, 64)), np.ones(65)) is None
