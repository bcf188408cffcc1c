"""Arithmetic, elementary functions, activations and comparisons against PyTorch in float64."""

import math

import numpy as np
import pytest

import ops  # noqa: F401  # binds the operators
from autograd import tape
from autograd.dtypes import FROM_NUMPY
from autograd.elementwise import SMALL, elementwise
from autograd.primitive import primitive
from autograd.tensor import Tensor
from ops import activation, arithmetic, comparison, elementary

torch = pytest.importorskip("torch")
F = torch.nn.functional

inf, nan = math.inf, math.nan
REAL, POSITIVE, UNIT, ABOVE_ONE, PROBABILITY = (-3, 3), (0.1, 4), (-0.95, 0.95), (1.1, 4), (0.05, 0.95)


def draw(seed, shape, domain):
    return np.asarray(np.random.default_rng(seed).uniform(*domain, shape))


def close(ours, theirs, tolerance=1e-10):
    """Same shape, type and values, NaN where PyTorch has NaN and only there."""
    theirs = theirs.numpy(force=True)
    assert ours.array.shape == theirs.shape
    assert ours.array.dtype == theirs.dtype
    np.testing.assert_allclose(ours.array, theirs, rtol=tolerance, atol=tolerance, equal_nan=True)


def leaves(arrays):
    """Return a Tensor of ours and one of PyTorch's for each array; numbers stay numbers."""
    ours, theirs = [], []
    for array in arrays:
        if isinstance(array, np.ndarray):
            wanted = array.dtype.kind == "f"
            ours.append(Tensor(array.copy(order="K"), requires_grad=wanted))
            theirs.append(torch.tensor(np.ascontiguousarray(array).reshape(array.shape), requires_grad=wanted))
        else:
            ours.append(array)
            theirs.append(array)
    return ours, theirs


def check(function, reference, *arrays, orders=2, tolerance=1e-10):
    """Compare values and the gradients of a random projection, again and again, up to the given order.

    From the second order on the gradients include those in the weights of the first projection.
    """
    ours, theirs = leaves(arrays)
    y, expected = function(*ours), reference(*theirs)
    close(y, expected, tolerance)
    ours = [x for x in ours if isinstance(x, Tensor) and x.requires_grad]
    theirs = [x for x in theirs if isinstance(x, torch.Tensor) and x.requires_grad]
    outputs, targets = [y], [expected]
    for order in range(orders):
        total, target = Tensor(np.zeros(())), torch.zeros(())
        weights = [draw((order, i), a.shape, REAL) for i, a in enumerate(outputs)]
        our_weights, their_weights = leaves(weights)
        for a, b, v, w in zip(outputs, targets, our_weights, their_weights, strict=True):
            total, target = total + (a * v).sum(), target + (b * w).sum()
        outputs = tape.grad(total, ours, create_graph=True, materialize_grads=True)
        targets = torch.autograd.grad(target, theirs, create_graph=True, materialize_grads=True)
        for a, b in zip(outputs, targets, strict=True):
            close(a, b, tolerance)
        if order == 0:
            ours, theirs = [*ours, *our_weights], [*theirs, *their_weights]


UNARY = {
    "neg": (arithmetic.neg, torch.neg, REAL),
    "abs": (arithmetic.abs, torch.abs, REAL),
    "sign": (arithmetic.sign, torch.sign, REAL),
    "square": (elementary.square, torch.square, REAL),
    "sqrt": (elementary.sqrt, torch.sqrt, POSITIVE),
    "rsqrt": (elementary.rsqrt, torch.rsqrt, POSITIVE),
    "reciprocal": (elementary.reciprocal, torch.reciprocal, POSITIVE),
    "exp": (elementary.exp, torch.exp, REAL),
    "expm1": (elementary.expm1, torch.expm1, REAL),
    "exp2": (elementary.exp2, torch.exp2, REAL),
    "log": (elementary.log, torch.log, POSITIVE),
    "log1p": (elementary.log1p, torch.log1p, POSITIVE),
    "log2": (elementary.log2, torch.log2, POSITIVE),
    "log10": (elementary.log10, torch.log10, POSITIVE),
    "sin": (elementary.sin, torch.sin, REAL),
    "cos": (elementary.cos, torch.cos, REAL),
    "tan": (elementary.tan, torch.tan, (-1.2, 1.2)),
    "asin": (elementary.asin, torch.asin, UNIT),
    "acos": (elementary.acos, torch.acos, UNIT),
    "atan": (elementary.atan, torch.atan, REAL),
    "sinh": (elementary.sinh, torch.sinh, REAL),
    "cosh": (elementary.cosh, torch.cosh, REAL),
    "tanh": (elementary.tanh, torch.tanh, REAL),
    "asinh": (elementary.asinh, torch.asinh, REAL),
    "acosh": (elementary.acosh, torch.acosh, ABOVE_ONE),
    "atanh": (elementary.atanh, torch.atanh, UNIT),
    "sigmoid": (elementary.sigmoid, torch.sigmoid, REAL),
    "logit": (elementary.logit, torch.logit, PROBABILITY),
    "logit 0.1": (lambda x: elementary.logit(x, 0.1), lambda x: torch.logit(x, 0.1), PROBABILITY),
    "erf": (elementary.erf, torch.erf, REAL),
    "erfc": (elementary.erfc, torch.erfc, REAL),
    "floor": (elementary.floor, torch.floor, REAL),
    "ceil": (elementary.ceil, torch.ceil, REAL),
    "trunc": (elementary.trunc, torch.trunc, REAL),
    "round": (elementary.round, torch.round, REAL),
    "round to 0.01": (lambda x: elementary.round(x, decimals=2), lambda x: torch.round(x, decimals=2), REAL),
    "frac": (elementary.frac, torch.frac, REAL),
    "deg2rad": (elementary.deg2rad, torch.deg2rad, REAL),
    "rad2deg": (elementary.rad2deg, torch.rad2deg, REAL),
    "sinc": (elementary.sinc, torch.sinc, (0.3, 3)),
    "nan_to_num": (comparison.nan_to_num, torch.nan_to_num, REAL),
    "relu": (activation.relu, F.relu, REAL),
    "leaky_relu": (lambda x: activation.leaky_relu(x, 0.2), lambda x: F.leaky_relu(x, 0.2), REAL),
    "relu6": (activation.relu6, F.relu6, (-3, 9)),
    "hardtanh": (lambda x: activation.hardtanh(x, -2, 1.5), lambda x: F.hardtanh(x, -2, 1.5), REAL),
    "hardsigmoid": (activation.hardsigmoid, lambda x: F.relu6(x + 3) / 6, (-5, 5)),  # PyTorch's 1/6 is a float32
    "hardswish": (activation.hardswish, lambda x: x * (F.relu6(x + 3) / 6), (-5, 5)),
    "hardshrink": (activation.hardshrink, F.hardshrink, REAL),
    "softshrink": (activation.softshrink, F.softshrink, REAL),
    "tanhshrink": (activation.tanhshrink, F.tanhshrink, REAL),
    "threshold": (lambda x: activation.threshold(x, 0.3, 7.0), lambda x: F.threshold(x, 0.3, 7.0), REAL),
    "elu": (lambda x: activation.elu(x, 1.3), lambda x: F.elu(x, 1.3), REAL),
    "selu": (activation.selu, F.selu, REAL),
    "celu": (lambda x: activation.celu(x, 0.7), lambda x: 0.7 * F.elu(x / 0.7), REAL),  # PyTorch's 1/0.7 is a float32
    "gelu": (activation.gelu, F.gelu, REAL),
    "gelu tanh": (lambda x: activation.gelu(x, approximate="tanh"), lambda x: F.gelu(x, approximate="tanh"), REAL),
    "silu": (activation.silu, F.silu, REAL),
    "mish": (activation.mish, F.mish, REAL),
    "softplus": (activation.softplus, F.softplus, REAL),
    "softplus 2, 1": (lambda x: activation.softplus(x, 2, 1), lambda x: F.softplus(x, 2, 1), REAL),
    "logsigmoid": (activation.logsigmoid, F.logsigmoid, REAL),
    "softsign": (activation.softsign, F.softsign, REAL),
    "rrelu": (activation.rrelu, F.rrelu, REAL),
    "clamp": (lambda x: comparison.clamp(x, -1, 1.5), lambda x: torch.clamp(x, -1, 1.5), REAL),
    "clamp_min": (lambda x: comparison.clamp_min(x, 0.5), lambda x: torch.clamp_min(x, 0.5), REAL),
    "clamp_max": (lambda x: comparison.clamp_max(x, 0.5), lambda x: torch.clamp_max(x, 0.5), REAL),
    "x ** 0": (lambda x: x**0, lambda x: x**0, REAL),
    "x ** 1": (lambda x: x**1, lambda x: x**1, REAL),
    "x ** 2": (lambda x: x**2, lambda x: x**2, REAL),
    "x ** 3": (lambda x: x**3, lambda x: x**3, REAL),
    "x ** -1": (lambda x: x**-1, lambda x: x**-1, POSITIVE),
    "x ** -0.5": (lambda x: x**-0.5, lambda x: x**-0.5, POSITIVE),
    "x ** 0.3": (lambda x: x**0.3, lambda x: x**0.3, POSITIVE),
    "2 ** x": (lambda x: 2**x, lambda x: 2**x, REAL),
    "1 - x": (lambda x: 1 - x, lambda x: 1 - x, REAL),
    "1 / x": (lambda x: 1 / x, lambda x: 1 / x, POSITIVE),
}

BINARY = {
    "add": (arithmetic.add, torch.add, REAL, REAL),
    "add alpha": (lambda x, y: arithmetic.add(x, y, alpha=2.5), lambda x, y: torch.add(x, y, alpha=2.5), REAL, REAL),
    "sub": (arithmetic.sub, torch.sub, REAL, REAL),
    "sub alpha": (lambda x, y: arithmetic.sub(x, y, alpha=2.5), lambda x, y: torch.sub(x, y, alpha=2.5), REAL, REAL),
    "rsub": (lambda x, y: arithmetic.rsub(x, y, alpha=3), lambda x, y: torch.rsub(x, y, alpha=3), REAL, REAL),
    "mul": (arithmetic.mul, torch.mul, REAL, REAL),
    "div": (arithmetic.div, torch.div, REAL, POSITIVE),
    "div floor": (
        lambda x, y: arithmetic.div(x, y, rounding_mode="floor"),
        lambda x, y: torch.div(x, y, rounding_mode="floor"), REAL, POSITIVE,
    ),
    "div trunc": (
        lambda x, y: arithmetic.div(x, y, rounding_mode="trunc"),
        lambda x, y: torch.div(x, y, rounding_mode="trunc"), REAL, POSITIVE,
    ),
    "remainder": (arithmetic.remainder, torch.remainder, REAL, POSITIVE),
    "fmod": (arithmetic.fmod, torch.fmod, REAL, POSITIVE),
    "pow": (arithmetic.pow, torch.pow, POSITIVE, REAL),
    "hypot": (arithmetic.hypot, torch.hypot, REAL, REAL),
    "copysign": (arithmetic.copysign, torch.copysign, REAL, REAL),
    "atan2": (elementary.atan2, torch.atan2, REAL, REAL),
    "logaddexp": (elementary.logaddexp, torch.logaddexp, REAL, REAL),
    "logaddexp2": (elementary.logaddexp2, torch.logaddexp2, REAL, REAL),
    "xlogy": (elementary.xlogy, torch.xlogy, REAL, POSITIVE),
    "maximum": (comparison.maximum, torch.maximum, REAL, REAL),
    "minimum": (comparison.minimum, torch.minimum, REAL, REAL),
    "fmax": (comparison.fmax, torch.fmax, REAL, REAL),
    "fmin": (comparison.fmin, torch.fmin, REAL, REAL),
    "clamp by tensor": (lambda x, y: comparison.clamp(x, y, Tensor(np.array(2.0))), lambda x, y: x.clamp(y, torch.tensor(2.0)), REAL, UNIT),
    "clamp_max": (comparison.clamp_max, torch.clamp_max, REAL, REAL),
}  # fmt: skip

TERNARY = {
    "lerp": (arithmetic.lerp, torch.lerp),
    "addcmul": (lambda *x: arithmetic.addcmul(*x, value=0.7), lambda *x: torch.addcmul(*x, value=0.7)),
    "addcdiv": (lambda *x: arithmetic.addcdiv(*x, value=0.7), lambda *x: torch.addcdiv(*x, value=0.7)),
    "clamp": (comparison.clamp, lambda x, low, high: torch.minimum(torch.maximum(x, low), high)),
}

COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]
BITWISE = ["bitwise_and", "bitwise_or", "bitwise_xor"]


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize("shape", [(), (7,), (3, 0), (2, 3, 4)])
def test_unary(name, shape):
    function, reference, domain = UNARY[name]
    check(function, reference, draw(1, shape, domain), orders=3)


@pytest.mark.parametrize("name", UNARY)
def test_unary_of_a_strided_input(name):
    function, reference, domain = UNARY[name]
    x = draw(2, (5, 8), domain).T[::2]
    assert not x.flags.c_contiguous
    check(function, reference, x)


@pytest.mark.parametrize("name", UNARY)
def test_unary_of_a_large_input(name):
    function, reference, domain = UNARY[name]
    check(function, reference, draw(3, (51, 100), domain))


@pytest.mark.parametrize("name", UNARY)
@pytest.mark.parametrize(("dtype", "size"), [(np.float32, 5), (np.float32, 5000), (np.float16, 9)])
def test_unary_keeps_the_floating_type(name, dtype, size):
    function, reference, domain = UNARY[name]
    x = draw(4, size, domain).astype(dtype)
    tolerance = 4e-6 if dtype is np.float32 else 8e-3
    check(function, reference, x, orders=1, tolerance=tolerance)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize(
    "shapes", [((), ()), ((4,), (4,)), ((2, 1, 3), (4, 1)), ((0, 3), (1, 3)), ((5,), ()), ((), (5,))]
)
def test_binary(name, shapes):
    function, reference, left, right = BINARY[name]
    check(function, reference, draw(5, shapes[0], left), draw(6, shapes[1], right), orders=3)


@pytest.mark.parametrize("name", BINARY)
def test_binary_of_strided_inputs(name):
    function, reference, left, right = BINARY[name]
    check(function, reference, draw(5, (4, 6), left)[::2, ::-1].T, draw(6, (6, 2), right))


@pytest.mark.parametrize("name", TERNARY)
@pytest.mark.parametrize("shapes", [((), (), ()), ((4,), (4,), (4,)), ((2, 1, 3), (4, 1), (3,))])
def test_ternary(name, shapes):
    function, reference = TERNARY[name]
    arrays = [
        draw(i, shape, domain) for i, (shape, domain) in enumerate(zip(shapes, (REAL, REAL, POSITIVE), strict=True))
    ]
    check(function, reference, *arrays)


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtypes", [(np.float64, np.float64), (np.int64, np.float32), (np.bool_, np.uint8)])
def test_comparisons(name, dtypes):
    x, y = draw(7, (4, 5), (0, 3)).astype(dtypes[0]), draw(8, (5,), (0, 3)).astype(dtypes[1])
    function, reference = getattr(comparison, name), getattr(torch, name)
    close(function(Tensor(x), Tensor(y)), reference(torch.tensor(x), torch.tensor(y)))
    if x.dtype == y.dtype:
        x.flat[0] = nan
        close(function(Tensor(x), Tensor(x)), reference(torch.tensor(x), torch.tensor(x)))


@pytest.mark.parametrize("name", BITWISE)
@pytest.mark.parametrize("dtypes", [(np.int64, np.int32), (np.bool_, np.bool_), (np.bool_, np.uint8)])
def test_bitwise(name, dtypes):
    x, y = draw(7, (4, 5), (0, 30)).astype(dtypes[0]), draw(8, (5,), (0, 30)).astype(dtypes[1])
    close(getattr(comparison, name)(Tensor(x), Tensor(y)), getattr(torch, name)(torch.tensor(x), torch.tensor(y)))
    close(comparison.bitwise_not(Tensor(x)), torch.bitwise_not(torch.tensor(x)))
    close(comparison.logical_not(Tensor(x)), torch.logical_not(torch.tensor(x)))


def test_integer_functions():
    x, y = draw(7, (4, 5), (-40, 40)).astype(np.int64), draw(8, (5,), (1, 6)).astype(np.int64)
    for name in ("gcd", "lcm", "bitwise_left_shift", "bitwise_right_shift"):
        close(getattr(comparison, name)(Tensor(x), Tensor(y)), getattr(torch, name)(torch.tensor(x), torch.tensor(y)))


SPECIAL = np.array([inf, -inf, nan, 0.0, -0.0, 1.0, -1.0, 800.0, -800.0, 1e-300, 3.0, -3.0, 6.0, 0.5, -0.5])


@pytest.mark.parametrize("name", UNARY)
def test_special_values(name):
    function, reference, _ = UNARY[name]
    close(function(Tensor(SPECIAL.copy())), reference(torch.tensor(SPECIAL)))


@pytest.mark.parametrize("name", sorted(set(UNARY) - {"logit"}))  # at −0, where PyTorch's sign is another
def test_gradients_at_special_values(name):
    function, reference, _ = UNARY[name]
    special = SPECIAL[~np.isnan(SPECIAL)]  # what PyTorch gives at NaN depends on the position in the array
    x, expected = Tensor(special, requires_grad=True), torch.tensor(special, requires_grad=True)
    (grad,) = tape.grad(function(x).sum(), x)
    reference(expected).sum().backward()
    inside = ~np.isnan(function(Tensor(special)).array)  # outside of its domain a function has no gradient
    close(Tensor(grad.array[inside]), expected.grad[torch.tensor(inside)])


PAIRS = [(a, b) for a in (0.0, 1.0, -2.0, 2.5, inf, -inf, nan) for b in (0.0, 1.0, 2.0, -1.0, 0.5, inf, nan)]


@pytest.mark.parametrize("name", BINARY)
def test_special_pairs(name):
    function, reference, *_ = BINARY[name]
    x, y = np.array(PAIRS).T.copy()
    close(function(Tensor(x), Tensor(y)), reference(torch.tensor(x), torch.tensor(y)))


@pytest.mark.parametrize(
    ("base", "exponent"), [(0.0, 0.0), (0.0, 2.0), (0.0, 1.0), (0.0, -1.0), (-2.0, 3.0), (2.0, 0.0)]
)
@pytest.mark.parametrize("shape", [(), (2,)])
def test_gradients_of_pow_at_special_points(base, exponent, shape):
    x, e = np.full(shape, base), np.full(shape, exponent)
    ours, theirs = leaves((x, e))
    grads = tape.grad(arithmetic.power(*ours).sum(), ours)
    expected = torch.autograd.grad(torch.pow(*theirs).sum(), theirs)
    for a, b in zip(grads, expected, strict=True):
        close(a, b)


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0, 3.0])
def test_powers_have_every_derivative_at_zero(exponent):
    x = Tensor(np.zeros(3), requires_grad=True)
    y = x**exponent
    for order in range(1, 4):
        y = tape.grad(y.sum(), x, create_graph=True, materialize_grads=True)[0] if y.requires_grad else x * 0
        falling = math.prod(exponent - k for k in range(order))
        np.testing.assert_array_equal(y.array, falling * 0.0 ** max(exponent - order, 0))


def test_gradients_of_xlogy_at_zero():
    check(elementary.xlogy, torch.xlogy, np.array([0.0, 0.0, 0.0]), np.array([0.5, 1.0, 3.0]))


def test_mixed_derivative_of_pow_at_exponent_zero():
    x, e = Tensor(np.array(2.0), requires_grad=True), Tensor(np.array(0.0), requires_grad=True)
    (slope,) = tape.grad(arithmetic.power(x, e), x, create_graph=True)
    (mixed,) = tape.grad(slope, e)
    assert slope.item() == 0
    assert mixed.item() == 0.5  # d/de (e x^(e-1)) = x^(e-1) (1 + e log x)


# -- types -------------------------------------------------------------------------------------------------------------

TYPES = [np.bool_, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64]
OPERATORS = {
    "+": lambda x, y: x + y, "-": lambda x, y: x - y, "*": lambda x, y: x * y, "/": lambda x, y: x / y,
    "//": lambda x, y: x // y, "%": lambda x, y: x % y, "**": lambda x, y: x**y,
    "maximum": None, "fmod": None, "where": None, "atan2": None,
}  # fmt: skip


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("left", TYPES)
@pytest.mark.parametrize("right", [*TYPES, 2, 2.5])
def test_type_promotion(name, left, right):
    def apply(module, condition, x, y):
        if OPERATORS[name] is not None:
            return OPERATORS[name](x, y)
        if name == "where":
            return module["where"](condition, x, y)
        return module[name](x, y)

    x = np.array([1, 3, 2]).astype(left)
    y = np.array([2, 1, 2]).astype(right) if isinstance(right, type) else right
    if not isinstance(right, type) and name in ("maximum", "fmod", "atan2"):
        y = np.asarray(y)
    module = {
        n: getattr(comparison, n, None) or getattr(arithmetic, n, None) or getattr(elementary, n)
        for n in ("maximum", "fmod", "where", "atan2")
    }
    reference = {n: getattr(torch, n) for n in module}
    as_torch = torch.tensor(y) if isinstance(y, np.ndarray) else y
    try:
        expected = apply(reference, torch.tensor([True, False, True]), torch.tensor(x), as_torch)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            apply(
                module, Tensor(np.array([True, False, True])), Tensor(x), Tensor(y) if isinstance(y, np.ndarray) else y
            )
        return
    ours = apply(
        module, Tensor(np.array([True, False, True])), Tensor(x), Tensor(y) if isinstance(y, np.ndarray) else y
    )
    close(ours, expected, 2e-3 if ours.array.dtype == np.float16 else 1e-6)


@pytest.mark.parametrize("name", ["exp", "sqrt", "sin", "sigmoid", "erf", "log", "reciprocal", "tanh"])
def test_integers_become_floating(name):
    close(getattr(elementary, name)(Tensor(np.array([1, 2, 3]))), getattr(torch, name)(torch.tensor([1, 2, 3])), 1e-6)


@pytest.mark.parametrize("mode", ["floor", "trunc"])
def test_integer_division_rounds_as_asked(mode):
    x, y = np.array([7, -7, 7, -7, 6, 0]), np.array([2, 2, -2, -2, -3, -5])
    close(
        arithmetic.div(Tensor(x), Tensor(y), rounding_mode=mode),
        torch.div(torch.tensor(x), torch.tensor(y), rounding_mode=mode),
    )


@pytest.mark.parametrize("name", ["remainder", "fmod", "floor_divide"])
def test_signs_of_integer_remainders(name):
    x, y = np.array([7, -7, 7, -7, 6, 0]), np.array([2, 2, -2, -2, -3, -5])
    close(getattr(arithmetic, name)(Tensor(x), Tensor(y)), getattr(torch, name)(torch.tensor(x), torch.tensor(y)))


def test_float_power_is_computed_in_float64():
    close(arithmetic.float_power(Tensor(np.array([2, 3])), -1), torch.float_power(torch.tensor([2, 3]), -1))


# -- choices -----------------------------------------------------------------------------------------------------------


def test_where_passes_nothing_to_the_other_branch():
    x = Tensor(np.array([0.0, 4.0]), requires_grad=True)
    y = comparison.where(x > 0, elementary.sqrt(comparison.where(x > 0, x, 1.0)), 0.0)
    (grad,) = tape.grad(y.sum(), x)
    np.testing.assert_array_equal(grad.array, [0, 0.25])


def test_where_of_a_condition_alone_gives_indices():
    condition = np.array([[True, False], [True, True]])
    rows, columns = comparison.where(Tensor(condition))
    expected = torch.where(torch.tensor(condition))
    close(rows, expected[0])
    close(columns, expected[1])


def test_masked_fill():
    mask = draw(1, (4, 3), REAL) > 0
    check(
        lambda x: comparison.masked_fill(x, Tensor(mask), 7.5),
        lambda x: x.masked_fill(torch.tensor(mask), 7.5), draw(2, (3,), REAL),
    )  # fmt: skip
    check(
        lambda x, v: comparison.masked_fill(x, Tensor(mask), v),
        lambda x, v: x.masked_fill(torch.tensor(mask), v), draw(2, (4, 3), REAL), draw(3, (), REAL),
    )  # fmt: skip


def test_ties_of_maximum_share_the_gradient():
    for function, reference in ((comparison.maximum, torch.maximum), (comparison.minimum, torch.minimum)):
        check(function, reference, np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))


def test_gradient_passes_at_the_bounds_of_clamp():
    check(lambda x: comparison.clamp(x, -1, 2), lambda x: torch.clamp(x, -1, 2), np.array([-1.0, 2.0, 0.0, 3.0]))


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose(equal_nan):
    values = np.array([1.0, 1.0 + 1e-6, 1.1, inf, -inf, nan, 0.0, 1e-9])
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    close(
        comparison.isclose(Tensor(x), Tensor(y), equal_nan=equal_nan),
        torch.isclose(torch.tensor(x), torch.tensor(y), equal_nan=equal_nan),
    )
    assert not comparison.allclose(Tensor(x), Tensor(y))
    assert comparison.allclose(Tensor(x[:1]), Tensor(x[:1]))


def test_isclose_with_an_infinite_tolerance():
    x, y = np.array([1.0, inf, inf, nan]), np.array([5.0, 3.0, inf, 1.0])
    close(comparison.isclose(Tensor(x), Tensor(y), atol=inf), torch.isclose(torch.tensor(x), torch.tensor(y), atol=inf))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64"])
def test_isin_of_a_number_compares_in_the_type_of_the_tensor(dtype):
    x = np.array([0.1, 0.2, 1.0]).astype(dtype)
    for number in (0.1, 1, 1.5):
        close(comparison.isin(Tensor(x), number), torch.isin(torch.tensor(x), number))
        close(comparison.isin(number, Tensor(x)), torch.isin(number, torch.tensor(x)))


def test_heaviside_of_nan_is_zero():
    x, values = np.array([nan, -1.0, 0.0, 2.0]), np.array(0.5)
    close(comparison.heaviside(Tensor(x), Tensor(values)), torch.heaviside(torch.tensor(x), torch.tensor(values)))


def test_equal():
    x = Tensor(np.array([1.0, 2.0]))
    assert comparison.equal(x, Tensor(np.array([1.0, 2.0])))
    assert not comparison.equal(x, Tensor(np.array([1.0, nan])))
    assert not comparison.equal(x, Tensor(np.array([1.0])))


def test_equality_with_what_is_no_tensor():
    x = Tensor(np.array([1.0, 2.0]))
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711
    assert (x == "a") is False


def test_prelu():
    for weights, shape in (((1,), (2, 3, 4)), ((3,), (2, 3, 4)), ((3,), (5, 3)), ((1,), (4,)), ((), (2, 3))):
        check(activation.prelu, F.prelu, draw(1, shape, REAL), draw(2, weights, REAL))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_glu(dim):
    check(lambda x: activation.glu(x, dim), lambda x: F.glu(x, dim), draw(1, (4, 6, 2), REAL), orders=3)


def test_rrelu_draws_slopes_in_range():
    x = Tensor(np.full(10000, -1.0))
    y = -activation.rrelu(x, 0.2, 0.4, training=True).array
    assert y.min() >= 0.2
    assert y.max() <= 0.4
    assert abs(y.mean() - 0.3) < 0.01


def test_log_sigmoid_and_softplus_in_the_tails():
    x = np.array([-700.0, -50.0, 50.0, 700.0])
    exact = [-700.0, -50.0 - math.log1p(math.exp(-50)), -math.log1p(math.exp(-50)), -math.exp(-700)]
    np.testing.assert_allclose(activation.logsigmoid(Tensor(x)).array, exact, rtol=1e-14)


def test_inputs_are_left_alone():
    for function, _, domain in UNARY.values():
        x = draw(9, (3, 4), domain)
        x.flags.writeable = False
        assert not np.shares_memory(function(Tensor(x)).array, x)


# -- errors ------------------------------------------------------------------------------------------------------------

INTEGERS, TRUTH, REALS = Tensor(np.array([1, 2])), Tensor(np.array([True, False])), Tensor(np.array([1.0, 2.0]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: REALS + Tensor(np.ones(3)), RuntimeError, r"add: The size of tensor a \(2\) must match .* b \(3\) at"),
        (lambda: TRUTH - TRUTH, RuntimeError, "sub: Subtraction, the `-` operator, with two bool"),
        (lambda: -TRUTH, RuntimeError, "neg: a bool"),
        (lambda: INTEGERS // 0, RuntimeError, "ZeroDivisionError"),
        (lambda: INTEGERS % 0, RuntimeError, "ZeroDivisionError"),
        (lambda: arithmetic.fmod(INTEGERS, 0), RuntimeError, "ZeroDivisionError"),
        (lambda: arithmetic.div(INTEGERS, 0, rounding_mode="trunc"), RuntimeError, "ZeroDivisionError"),
        (lambda: arithmetic.div(REALS, REALS, rounding_mode="up"), RuntimeError, "rounding_mode"),
        (lambda: INTEGERS**-1, RuntimeError, "Integers to negative integer powers"),
        (lambda: arithmetic.add(INTEGERS, INTEGERS, alpha=0.5), RuntimeError, "alpha must not be a floating"),
        (lambda: arithmetic.addcdiv(INTEGERS, INTEGERS, INTEGERS), RuntimeError, "Integer division"),
        (lambda: REALS + "a", TypeError, "str"),
        (lambda: arithmetic.positive(TRUTH), RuntimeError, "bool"),
        (lambda: comparison.bitwise_and(REALS, REALS), NotImplementedError, "bitwise_and: not implemented for float64"),
        (lambda: comparison.clamp(REALS), RuntimeError, "At least one of"),
        (lambda: comparison.where(INTEGERS, 1.0, 2.0), RuntimeError, "boolean"),
        (lambda: comparison.masked_fill(REALS, INTEGERS, 0), RuntimeError, "boolean masks"),
        (lambda: comparison.masked_fill(REALS, TRUTH, REALS), RuntimeError, "0-dimensional"),
        (lambda: comparison.isclose(REALS, INTEGERS), RuntimeError, "did not match"),
        (lambda: activation.relu(TRUTH), RuntimeError, "Boolean"),
        (lambda: activation.silu(INTEGERS), NotImplementedError, "silu: not implemented for int64"),
        (lambda: activation.glu(Tensor(np.ones(3))), RuntimeError, "even"),
        (lambda: activation.glu(Tensor(np.array(1.0))), RuntimeError, "scalars"),
        (lambda: activation.gelu(REALS, approximate="erf"), RuntimeError, "approximate"),
        (lambda: activation.hardtanh(REALS, 1, -1), ValueError, "min_val"),
        (lambda: activation.softshrink(REALS, -1), RuntimeError, "greater or equal to 0"),
        (
            lambda: activation.rrelu(REALS, 0.5, 0.1),
            RuntimeError,
            "finite bounds, the lower one first, got 0.5 and 0.1",
        ),
        (lambda: activation.rrelu(REALS, 0.5, inf, training=True), RuntimeError, "finite bounds"),
        (lambda: activation.rrelu(INTEGERS, training=True), NotImplementedError, "rrelu: not implemented for int64"),
        (lambda: comparison.isin(1, 2), TypeError, "must be a Tensor"),
        (
            lambda: activation.prelu(Tensor(np.ones((2, 3))), Tensor(np.ones(2))),
            RuntimeError,
            "prelu: .* expect|prelu: Mis",
        ),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_every_type_has_a_name():
    assert {np.dtype(t) for t in TYPES} <= set(FROM_NUMPY)


@pytest.mark.parametrize("bounds", [(-0.5, 0.5), (None, 0.3), (-0.2, None), (0.5, -0.5), (math.nan, 1.0)])
def test_clamp_of_many_elements_is_pytorchs(bounds):
    x = np.random.default_rng(0).standard_normal(5000).astype(np.float32)
    x[3:6] = np.nan, np.inf, -np.inf
    ours, theirs = Tensor(x.copy(), requires_grad=True), torch.from_numpy(x.copy()).requires_grad_(True)
    y, expected = comparison.clamp(ours, *bounds), torch.clamp(theirs, *bounds)
    y.sum().backward()
    expected.sum().backward()
    np.testing.assert_array_equal(y.detach().numpy(), expected.detach().numpy())
    np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())


@pytest.mark.parametrize(
    ("x", "y", "large"),
    [
        ((4,), (4,), False),
        ((SMALL,), (SMALL,), False),
        ((64, 1), (32,), False),
        ((65, 1), (32,), True),
        ((32,), (65, 1), True),
        ((), (SMALL + 1,), True),
    ],
)
def test_the_size_of_the_result_chooses_between_numpy_and_the_kernel(x, y, large):
    def kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.full(np.broadcast_shapes(a.shape, b.shape), -1.0)

    op = primitive(elementwise(kernel, small=np.add))
    for output in (op(np.ones(x), np.ones(y)), op(Tensor(np.ones(x)), Tensor(np.ones(y))).array):
        assert (output == (-1.0 if large else 2.0)).all()
