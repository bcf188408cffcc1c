"""Dropout: what is left out, how often, the same in backward; and what is refused."""

import numpy as np
import pytest

from autograd.random import manual_seed
from autograd.tape import grad
from autograd.tensor import Tensor
from ops import dropout as module
from ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout

EVERY = [dropout, dropout1d, dropout2d, dropout3d, alpha_dropout, feature_alpha_dropout]
SHAPES = {dropout1d: (4, 3, 5), dropout2d: (4, 3, 5, 6), dropout3d: (2, 3, 2, 3, 4)}
every_dropout = pytest.mark.parametrize("function", EVERY, ids=lambda f: f.__name__)


def sample(function, dtype=np.float64):
    x = np.random.default_rng(0).standard_normal(SHAPES.get(function, (30, 40))).astype(dtype)
    return Tensor(x, requires_grad=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_elements_are_dropped_with_probability_p_and_the_rest_scaled(p, dtype):
    manual_seed(0)
    x = Tensor(np.full((300, 400), 3, dtype))
    y = dropout(x, p).array
    assert y.dtype == dtype
    kept = y != 0
    np.testing.assert_allclose(y[kept], 3 / (1 - p), rtol=1e-6)
    assert abs(kept.mean() - (1 - p)) < 5 * np.sqrt(p * (1 - p) / kept.size)
    assert (x.array == 3).all()


def test_masks_are_independent_of_each_other_and_along_both_axes():
    manual_seed(1)
    a, b = (dropout(Tensor(np.ones((400, 500)))).array != 0 for _ in range(2))
    for x, y in ((a, b), (a[:, 1:], a[:, :-1]), (a[1:], a[:-1])):
        assert abs(np.corrcoef(x.ravel(), y.ravel())[0, 1]) < 0.02


@every_dropout
def test_the_seed_names_the_mask(function):
    results = []
    for seed in (7, 7, 8):
        manual_seed(seed)
        results.append(function(sample(function), 0.5, training=True).array)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


@every_dropout
def test_backward_uses_the_same_mask_to_any_order(function):
    x = sample(function)
    y = function(x, 0.4, training=True)
    u = Tensor(np.random.default_rng(1).standard_normal(x.shape), requires_grad=True)
    (plain,) = grad(y, x, u, retain_graph=True)
    (dx,) = grad(y, x, u, create_graph=True)
    np.testing.assert_array_equal(dx.array, plain.array)
    slope = _slope(function, x, y)
    np.testing.assert_allclose(dx.array, u.array * slope, rtol=1e-12)
    v = np.random.default_rng(2).standard_normal(x.shape)
    np.testing.assert_allclose(grad(dx, u, Tensor(v))[0].array, v * slope, rtol=1e-12)


def _slope(function, x, y):
    """Return dy/dx, read off the values: dropped elements do not depend on x."""
    if "alpha" not in function.__name__:
        return y.array / x.array
    p = 0.4
    a = 1 / np.sqrt((1 - p) * (1 + p * module.ALPHA**2))
    return np.where(np.isclose(y.array, -a * module.ALPHA * (1 - p), rtol=1e-12, atol=0), 0, a)


@pytest.mark.parametrize("function", [dropout1d, dropout2d, dropout3d])
def test_whole_channels_are_dropped(function):
    manual_seed(0)
    shape = SHAPES[function]
    x = Tensor(np.ones((50, 8, *shape[2:])))
    y = function(x, 0.3).array.reshape(50, 8, -1)
    assert (y == y[:, :, :1]).all()
    channels = y[:, :, 0]
    np.testing.assert_allclose(channels[channels != 0], 1 / 0.7, rtol=1e-12)
    assert 0.2 < (channels == 0).mean() < 0.4


@pytest.mark.parametrize(("function", "shape"), [(dropout1d, (64, 5)), (dropout3d, (64, 2, 3, 4))])
def test_an_input_without_a_batch_has_its_channels_first(function, shape):
    manual_seed(0)
    y = function(Tensor(np.ones(shape)), 0.5).array.reshape(shape[0], -1)
    assert (y == y[:, :1]).all()
    assert 0.2 < (y[:, 0] == 0).mean() < 0.8


def test_dropout2d_takes_three_dimensions_for_channels_of_a_sequence():
    manual_seed(0)
    with pytest.warns(UserWarning, match="input is interpreted as shape"):
        y = dropout2d(Tensor(np.ones((20, 30, 5))), 0.5).array
    assert (y == y[:, :, :1]).all()
    assert (y[:, :, 0] == 0).any(axis=1).all(), "not whole images"
    with pytest.warns(UserWarning, match="5-D input to dropout2d"):
        dropout2d(Tensor(np.ones((2, 3, 1, 1, 1))))
    with pytest.warns(UserWarning, match="3-D input to dropout3d"):
        dropout3d(Tensor(np.ones((2, 3, 1))))


def test_alpha_dropout_keeps_mean_and_variance():
    manual_seed(0)
    x = np.random.default_rng(0).standard_normal((1000, 1000))
    y = alpha_dropout(Tensor(x), 0.3, training=True).array
    assert abs(y.mean()) < 0.01
    assert abs(y.var() - 1) < 0.01
    a = 1 / np.sqrt(0.7 * (1 + 0.3 * module.ALPHA**2))
    dropped = np.isclose(y, -0.7 * a * module.ALPHA)
    assert abs(dropped.mean() - 0.3) < 0.003
    np.testing.assert_allclose(y[~dropped], a * x[~dropped] + 0.3 * a * module.ALPHA, rtol=1e-9, atol=1e-12)


def test_feature_alpha_dropout_drops_whole_channels():
    manual_seed(0)
    y = feature_alpha_dropout(Tensor(np.ones((20, 30, 5))), 0.5, training=True).array
    assert (y == y[:, :, :1]).all()
    assert len(np.unique(y)) == 2


@every_dropout
def test_nothing_happens_outside_training_or_for_p_0_or_for_nothing(function):
    x = sample(function)
    assert function(x, 0.5, training=False) is x
    assert function(x, 0.0, training=True) is x
    empty = Tensor(np.ones((0, *x.shape[1:])))
    assert function(empty, 0.5, training=True) is empty


@every_dropout
def test_p_1_leaves_nothing(function):
    x = sample(function)
    y = function(x, 1.0, training=True)
    assert (y.array == 0).all()
    u = Tensor(np.ones(x.shape), requires_grad=True)
    (dx,) = grad(y, x, u, create_graph=True)
    assert (dx.array == 0).all()
    assert (grad(dx, u, Tensor(np.ones(x.shape)))[0].array == 0).all()


@every_dropout
def test_in_place_writes_to_the_input(function):
    x = Tensor(sample(function).array)
    memory = x.array
    manual_seed(3)
    expected = function(x, 0.5, training=True).array
    manual_seed(3)
    assert function(x, 0.5, training=True, inplace=True) is x
    assert x.array is memory
    np.testing.assert_array_equal(memory, expected)


def test_in_place_gradients_go_through_the_mask():
    leaf = sample(dropout)
    x = leaf * 2
    values = x.array.copy()
    y = dropout(x, 0.5, inplace=True)
    (dx,) = grad(y, leaf, Tensor(np.ones(leaf.shape)))
    np.testing.assert_allclose(dx.array, 2 * y.array / values, rtol=1e-12)


@every_dropout
@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_refuses_what_is_no_probability(function, p):
    with pytest.raises(ValueError, match=f"{function.__name__}: dropout probability has to be between 0 and 1"):
        function(sample(function), p, training=False)


@every_dropout
def test_refuses_integers_and_arrays(function):
    x = np.ones(SHAPES.get(function, (3, 4)), np.int64)
    assert function(integers := Tensor(x), 0.5, training=False) is integers
    with pytest.raises(RuntimeError, match=r"floating-point input, got autograd\.int64"):
        function(Tensor(x), 0.5, training=True)
    with pytest.raises(TypeError, match="input must be a Tensor, not ndarray"):
        function(x, 0.5)


def test_refuses_other_ranks():
    with pytest.raises(RuntimeError, match="dropout1d: Expected 2D or 3D input, but received a 4D input"):
        dropout1d(Tensor(np.ones((2, 2, 2, 2))))
    with pytest.raises(RuntimeError, match="at least 2 dimensions"):
        feature_alpha_dropout(Tensor(np.ones(3)), training=True)
