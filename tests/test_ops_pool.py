"""Pooling against PyTorch, and what it refuses."""

import itertools

import numpy as np
import pytest

from autograd.tape import grad
from autograd.tensor import Tensor
from ops import pool
from tests.against_torch import assert_close, compare, distinct, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional

MAX2D = [
    ((2, 3, 6, 6), {"kernel_size": 2}),
    ((2, 3, 7, 5), {"kernel_size": 2}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 7, 8), {"kernel_size": (3, 2), "stride": (1, 3), "padding": (1, 0)}),
    ((2, 3, 7, 8), {"kernel_size": 2, "stride": 1}),
    ((2, 3, 9, 8), {"kernel_size": 3, "dilation": 2, "padding": 1}),
    ((2, 3, 9, 8), {"kernel_size": [2, 3], "dilation": [3, 2], "stride": [1, 2]}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True}),
    ((1, 1, 5, 5), {"kernel_size": 2, "stride": 4, "ceil_mode": True}),
    ((1, 1, 1, 1), {"kernel_size": 1}),
    ((3, 4, 5), {"kernel_size": 2}),
    ((0, 3, 4, 4), {"kernel_size": 2}),
    ((1, 2, 20, 20), {"kernel_size": 17}),
]
MAX1D = [
    ((2, 3, 8), {"kernel_size": 2}),
    ((2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1, "dilation": 2}),
    ((2, 3, 9), {"kernel_size": (4,), "stride": (3,), "ceil_mode": True}),
    ((3, 9), {"kernel_size": 2}),
    ((0, 3, 8), {"kernel_size": 2}),
]
MAX3D = [
    ((2, 2, 4, 4, 5), {"kernel_size": 2}),
    ((1, 2, 6, 5, 5), {"kernel_size": (3, 2, 2), "stride": (1, 2, 1), "padding": 1, "dilation": (2, 1, 1)}),
    ((2, 5, 5, 5), {"kernel_size": 3, "stride": 2, "ceil_mode": True}),
]
AVG2D = [
    ((2, 3, 6, 6), {"kernel_size": 2}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 7, 8), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    ((2, 3, 7, 8), {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 0), "ceil_mode": True}),
    (
        (2, 3, 8, 9),
        {"kernel_size": 3, "stride": 3, "padding": 1, "ceil_mode": True, "count_include_pad": False},
    ),
    ((2, 3, 6, 6), {"kernel_size": 2, "divisor_override": 3}),
    ((2, 3, 7, 6), {"kernel_size": 3, "stride": 1, "divisor_override": -2}),
    ((3, 6, 6), {"kernel_size": 2}),
    ((0, 3, 4, 4), {"kernel_size": 2}),
]
AVG1D = [
    ((2, 3, 8), {"kernel_size": 2}),
    ((2, 3, 9), {"kernel_size": 3, "stride": 2, "padding": 1}),
    ((2, 3, 9), {"kernel_size": 4, "stride": 3, "padding": 2, "ceil_mode": True, "count_include_pad": False}),
    ((3, 9), {"kernel_size": 2}),
]
AVG3D = [
    ((2, 2, 4, 4, 5), {"kernel_size": 2}),
    ((1, 2, 6, 5, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ((1, 2, 6, 5, 5), {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    ((2, 5, 5, 5), {"kernel_size": (3, 2, 1), "divisor_override": 5}),
]
ADAPTIVE = [
    ("1d", (2, 3, 8), 4),
    ("1d", (2, 3, 7), 3),
    ("1d", (2, 3, 3), (7,)),
    ("1d", (3, 7), 2),
    ("2d", (2, 3, 6, 6), 3),
    ("2d", (2, 3, 7, 5), (3, 2)),
    ("2d", (2, 3, 7, 5), (None, 2)),
    ("2d", (2, 3, 7, 5), 1),
    ("2d", (2, 3, 2, 3), 5),
    ("2d", (3, 7, 5), 2),
    ("2d", (0, 3, 7, 5), 2),
    ("3d", (2, 2, 4, 5, 6), 2),
    ("3d", (1, 2, 5, 4, 7), (2, None, 3)),
    ("3d", (2, 5, 4, 7), 1),
]
MAXIMA = [
    *[(pool.max_pool1d, *case) for case in MAX1D],
    *[(pool.max_pool2d, *case) for case in MAX2D],
    *[(pool.max_pool3d, *case) for case in MAX3D],
]
AVERAGES = [
    *[(pool.avg_pool1d, *case) for case in AVG1D],
    *[(pool.avg_pool2d, *case) for case in AVG2D],
    *[(pool.avg_pool3d, *case) for case in AVG3D],
]


@pytest.mark.parametrize(("function", "shape", "options"), MAXIMA + AVERAGES)
def test_values_and_gradients_are_pytorchs(function, shape, options):
    x = distinct(*shape)
    theirs = getattr(F, function.__name__)
    compare(lambda x: function(x, **options), lambda x: theirs(x, **options), x)


@pytest.mark.parametrize(("function", "shape", "options"), MAXIMA)
@pytest.mark.parametrize("make", [distinct, lambda *shape: np.round(draw(*shape))], ids=["distinct", "ties"])
def test_indices_are_pytorchs(function, shape, options, make):
    x = make(*shape)
    y, indices = function(Tensor(x), **options, return_indices=True)
    expected, positions = getattr(F, function.__name__)(torch.tensor(x), **options, return_indices=True)
    assert_close(y, expected)
    assert_close(indices, positions)


@pytest.mark.parametrize("kind", ["max", "avg"])
@pytest.mark.parametrize(("dims", "shape", "size"), ADAPTIVE)
def test_adaptive_values_and_gradients_are_pytorchs(kind, dims, shape, size):
    ours, theirs = (getattr(module, f"adaptive_{kind}_pool{dims}") for module in (pool, F))
    compare(lambda x: ours(x, size), lambda x: theirs(x, size), distinct(*shape))


@pytest.mark.parametrize(("dims", "shape", "size"), ADAPTIVE)
def test_adaptive_indices_are_pytorchs(dims, shape, size):
    x = np.round(draw(*shape))
    y, indices = getattr(pool, f"adaptive_max_pool{dims}")(Tensor(x), size, return_indices=True)
    expected, positions = getattr(F, f"adaptive_max_pool{dims}")(torch.tensor(x), size, return_indices=True)
    assert_close(y, expected)
    assert_close(indices, positions)


@pytest.mark.parametrize("size", [0, (0, 2), (2, 0)])
def test_adaptive_average_of_no_bins_is_empty(size):
    x = draw(2, 3, 4, 4)
    compare(lambda x: pool.adaptive_avg_pool2d(x, size), lambda x: F.adaptive_avg_pool2d(x, size), x, order=0)
    leaf = Tensor(x, requires_grad=True)
    y = pool.adaptive_avg_pool2d(leaf, size)
    assert (grad(y, leaf, Tensor(np.ones(y.shape)))[0].array == 0).all()


@pytest.mark.parametrize(("function", "shape", "options"), MAXIMA)
def test_of_equal_maxima_the_first_gets_the_gradient(function, shape, options):
    x = np.round(draw(*shape))
    compare(lambda x: function(x, **options), lambda x: getattr(F, function.__name__)(x, **options), x)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("options", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}])
def test_nan_and_infinities_pass_as_in_pytorch(special, options):
    for count in range(1, 4):
        for places in itertools.combinations(range(4), count):
            x = draw(1, 1, 4, 4)
            x.reshape(-1)[[place * 5 for place in places]] = special
            x[0, 0, 2:, 2:] = special
            y, indices = pool.max_pool2d(Tensor(x), **options, return_indices=True)
            expected, positions = F.max_pool2d(torch.tensor(x), **options, return_indices=True)
            assert_close(y, expected)
            assert_close(indices, positions)


@pytest.mark.parametrize("axis", [0, 1])
def test_a_window_in_the_padding_alone_is_minus_infinity_without_a_gradient(axis):
    shape, size, padding = ((1, 3), (2, 1), (1, 0)) if axis == 0 else ((3, 1), (1, 2), (0, 1))
    x = Tensor(np.ones((1, 1, *shape)), requires_grad=True)
    y = pool.max_pool2d(x, size, dilation=2, padding=padding)
    assert (y.array == -np.inf).all()
    u = Tensor(np.ones(y.shape), requires_grad=True)
    (dx,) = grad(y, [x], u, create_graph=True)
    assert (dx.array == 0).all()
    assert (grad(dx, [u], Tensor(np.ones(dx.shape)))[0].array == 0).all()


@pytest.mark.parametrize(
    ("dims", "shape", "options"),
    [
        ("1d", (2, 3, 8), {"kernel_size": 2}),
        ("1d", (3, 9), {"kernel_size": 3, "stride": 2, "output_size": (9,)}),
        ("2d", (2, 3, 6, 6), {"kernel_size": 2}),
        ("2d", (2, 3, 7, 7), {"kernel_size": 2, "output_size": (2, 3, 7, 7)}),
        ("2d", (3, 8, 8), {"kernel_size": 2, "stride": 2, "padding": 1}),
    ],
)
def test_unpooling_is_pytorchs(dims, shape, options):
    pooling = {name: value for name, value in options.items() if name != "output_size"}
    maxima, indices = getattr(F, f"max_pool{dims}")(torch.tensor(distinct(*shape)), **pooling, return_indices=True)
    ours, theirs = (getattr(module, f"max_unpool{dims}") for module in (pool, F))
    compare(
        lambda x: ours(x, Tensor(indices.numpy()), **options),
        lambda x: theirs(x, indices, **options),
        maxima.numpy(),
    )


X = (2, 3, 5, 5)
ERRORS = [
    (
        "max_pool2d",
        X,
        (2,),
        {"padding": 2},
        RuntimeError,
        "at most half of effective kernel size, but got pad=2",
    ),
    ("max_pool2d", X, (2,), {"padding": -1}, RuntimeError, "pad must be non-negative"),
    ("max_pool2d", X, (0,), {}, RuntimeError, "kernel size should be greater than zero"),
    ("max_pool2d", X, (6,), {}, RuntimeError, "Output size is too small"),
    ("max_pool2d", X, (2, 0), {}, RuntimeError, "stride should be greater than zero"),
    ("max_pool2d", X, (2,), {"dilation": 0}, RuntimeError, "dilation should be greater than zero"),
    ("max_pool2d", X, ((2, 2, 2),), {}, RuntimeError, "tuple of 2 values, one per spatial axis"),
    ("max_pool2d", X, (2.0,), {}, TypeError, "kernel_size must be an int"),
    ("max_pool2d", (5, 5), (2,), {}, RuntimeError, "Expected 3D or 4D"),
    ("max_pool2d", (2, 0, 5, 5), (2,), {}, RuntimeError, "optional 0 dim batch"),
    ("max_pool1d", (5,), (2,), {}, RuntimeError, "Expected 2D or 3D"),
    ("max_pool1d", (2, 3, 5), (2,), {"padding": 2}, RuntimeError, "at most half"),
    ("avg_pool2d", X, (2,), {"divisor_override": 0}, RuntimeError, "divisor must be not zero"),
    ("avg_pool2d", X, (6,), {}, RuntimeError, "too small"),
    ("avg_pool1d", (5,), (2,), {}, RuntimeError, "2D or 3D"),
    ("adaptive_avg_pool2d", X, (-1,), {}, RuntimeError, "greater than or equal to 0"),
    ("adaptive_avg_pool2d", X, ((1, 2, 3),), {}, RuntimeError, "output_size must be 2"),
    ("adaptive_max_pool2d", (2, 3, 0, 5), (1,), {}, RuntimeError, "optional 0 dim batch"),
]


@pytest.mark.parametrize(("name", "shape", "args", "options", "error", "message"), ERRORS)
def test_refuses(name, shape, args, options, error, message):
    with pytest.raises(error, match=message) as raised:
        getattr(pool, name)(Tensor(draw(*shape)), *args, **options)
    assert name in str(raised.value)
    with pytest.raises(error):
        getattr(F, name)(torch.tensor(draw(*shape)), *args, **options)


def test_refuses_other_types():
    with pytest.raises(NotImplementedError, match="expected float32 or float64, got int64"):
        pool.max_pool2d(Tensor(np.zeros(X, np.int64)), 2)
    with pytest.raises(TypeError, match="input must be a Tensor, not ndarray"):
        pool.avg_pool2d(draw(*X), 2)


def test_refuses_positions_outside_the_plane():
    x, indices = Tensor(draw(1, 1, 2, 2)), np.array([[[[0, 5], [2, 16]]]])
    with pytest.raises(RuntimeError, match=r"indices must be in \[0, 16\)"):
        pool.max_unpool2d(x, Tensor(indices), 2)
    with pytest.raises(RuntimeError, match=r"type int64 but got: autograd\.int32"):
        pool.max_unpool2d(x, Tensor(indices.astype(np.int32)), 2)
    with pytest.raises(RuntimeError, match="same as that of the input"):
        pool.max_unpool2d(x, Tensor(indices[0]), 2)
    with pytest.raises(ValueError, match="within a stride"):
        pool.max_unpool2d(x, Tensor(indices), 2, output_size=(9, 4))


@pytest.mark.parametrize("name", ["max_pool2d", "avg_pool2d"])
def test_float32_stays_float32(name):
    x = draw(2, 3, 6, 6).astype(np.float32)
    y = getattr(pool, name)(Tensor(x), 2)
    assert y.array.dtype == np.float32
    np.testing.assert_allclose(y.array, getattr(F, name)(torch.tensor(x), 2).numpy(), rtol=1e-6)
