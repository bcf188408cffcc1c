"""Normalisation kernels against tests/naive/norm.py."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import column_norm, norm, row_norm
from ops.kernels.threads import least_threads
from tests.naive import norm as naive

TYPES = (np.float32, np.float64)
SHAPES = st.tuples(st.integers(1, 5), st.sampled_from([1, 2, 6, 70]), st.sampled_from([1, 2, 9, 35]))
SHAPES |= st.sampled_from([(33, 130, 1), (129, 37, 1), (300, 16, 1)])  # matrices of several groups of rows
EPS = 1e-3


def close(actual, expected, real, slack=1.0, size=1e-3):
    """Compare relative to the largest value, or to the size of the terms that cancel in it."""
    scale = np.abs(expected).max(initial=size)
    np.testing.assert_allclose(actual / scale, expected / scale, rtol=0, atol=60 * slack * np.finfo(real).eps)
    assert actual.dtype == real


def draw(seed, shape, real, offset=3.0):
    rng = np.random.default_rng(seed)
    x, grad = rng.standard_normal((2, *shape)).astype(real)
    weight, bias = rng.standard_normal((2, shape[1])).astype(real)
    return x + real(offset), grad, weight, bias


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(shape=SHAPES, seed=st.integers(0, 99), affine=st.booleans())
def test_batch_norm_training(real, threads, shape, seed, affine):
    x, grad, weight, bias = draw(seed, shape, real)
    owner = naive.owners(shape, "batch")
    w, b = (weight, bias) if affine else (None, None)
    column, shift = (weight[:, None], bias[:, None]) if affine else (1.0, 0.0)
    expected = naive.forward(x, owner, column, shift, EPS)
    with least_threads(threads):
        result = norm.batch_norm_forward(x, w, b, eps=EPS)
        dx, dweight, dbias = norm.batch_norm_backward(grad, x, w, result.mean, result.invstd, training=True)
    expected_dx, products = naive.backward(grad, x, owner, column, EPS)
    spread = 1 / np.sqrt(expected.var.min() + EPS)  # how much rounding of x is magnified
    close(result.mean, expected.mean, real)
    close(result.var, expected.var, real, slack=4)
    close(result.invstd, 1 / np.sqrt(expected.var + EPS), real, slack=1 + spread)
    close(result.y, expected.y, real, slack=1 + spread)
    close(dx, expected_dx, real, slack=spread, size=spread * np.abs(grad).max() * np.abs(column).max())
    close(dweight, products.sum((0, 2)), real, slack=8 * (1 + spread))
    close(dbias, grad.astype(float).sum((0, 2)), real)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(shape=SHAPES, seed=st.integers(0, 99))
def test_batch_norm_evaluation(real, threads, shape, seed):
    x, grad, weight, bias = draw(seed, shape, real)
    mean, invstd = np.random.default_rng(seed + 1).uniform(0.5, 2, (2, shape[1])).astype(real)
    with least_threads(threads):
        y = norm.batch_norm_apply(x, weight, bias, mean, invstd)
        dx, dweight, dbias = norm.batch_norm_backward(grad, x, weight, mean, invstd, training=False)
    h = (x.astype(float) - mean[:, None]) * invstd[:, None]
    close(y, h * weight[:, None] + bias[:, None], real)
    close(dx, grad.astype(float) * (weight * invstd)[:, None], real)
    close(dweight, (grad * h).sum((0, 2)), real, slack=4)
    close(dbias, grad.astype(float).sum((0, 2)), real)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_matrices_are_normalised_alike_row_by_row_and_in_parts(threads, monkeypatch):
    x, grad, weight, bias = draw(0, (500, 37, 1), np.float32)

    def results():
        y, mean, var, invstd = norm.batch_norm_forward(x, weight, bias, eps=EPS)
        return y, var, *norm.batch_norm_backward(grad, x, weight, mean, invstd, training=True)

    whole = results()
    with least_threads(threads):
        for one, other in zip(results(), whole, strict=True):
            np.testing.assert_array_equal(one, other)
        monkeypatch.setattr(column_norm, "STREAMED", 0)
        for one, other in zip(results(), whole, strict=True):
            close(one, other, np.float32)


@pytest.mark.parametrize("shape", [(2, 2, 400_000), (16, 3, 50), (500, 3, 1)])
def test_batch_norm_survives_a_large_offset_and_an_outlier_in_front(shape):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(np.float32)
    x += np.float32(1000)
    x[0, 0, 0] += 1000  # a pivot taken from this element alone would lose all digits
    owner = naive.owners(shape, "batch")
    expected = naive.forward(x, owner, 1.0, 0.0, 1e-5)
    result = norm.batch_norm_forward(x, None, None, eps=1e-5)
    np.testing.assert_allclose(result.var, expected.var, rtol=2e-4)
    np.testing.assert_allclose(result.y, expected.y, rtol=2e-4, atol=2e-4)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    rows=st.sampled_from([1, 3, 70]),
    size=st.sampled_from([1, 2, 9, 130]),
    seed=st.integers(0, 99),
    affine=st.booleans(),
)
def test_layer_norm(real, threads, rows, size, seed, affine):
    x, grad, _, _ = draw(seed, (rows, size), real)
    weight, bias = np.random.default_rng(seed + 1).standard_normal((2, size)).astype(real)
    w, b = (weight, bias) if affine else (None, None)
    row, shift = (weight[:, None], bias[:, None]) if affine else (1.0, 0.0)
    owner = naive.owners((rows, size, 1), "group")
    expected = naive.forward(x[..., None], owner, row, shift, EPS)
    with least_threads(threads):
        result = row_norm.layer_norm_forward(x, w, b, eps=EPS)
        dx, dweight, dbias = row_norm.layer_norm_backward(grad, x, w, result.mean, result.invstd)
    expected_dx, products = naive.backward(grad[..., None], x[..., None], owner, row, EPS)
    spread = 1 / np.sqrt(expected.var.min() + EPS)
    close(result.y, expected.y[..., 0], real, slack=1 + spread)
    close(result.mean, expected.mean, real)
    close(dx, expected_dx[..., 0], real, slack=spread, size=spread * np.abs(grad).max() * np.abs(row).max())
    close(dweight, products.sum((0, 2)), real, slack=8 * (1 + spread))
    close(dbias, grad.astype(float).sum(0), real)


@pytest.mark.parametrize("size", [9, 130])
def test_layer_norm_of_equal_numbers_near_the_largest(size):
    x = np.full((2, size), 3e36, np.float32)  # times 1 / sqrt(eps) it is infinite, the difference to the mean is not
    mean, invstd = x[:, 0].copy(), np.full(2, 1e-5**-0.5, np.float32)
    dx, dweight, dbias = row_norm.layer_norm_backward(np.ones_like(x), x, None, mean, invstd)
    np.testing.assert_array_equal(dx, 0)
    np.testing.assert_array_equal(dweight, 0)
    np.testing.assert_array_equal(dbias, 2)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    shape=st.tuples(st.integers(1, 4), st.sampled_from([6, 12]), st.sampled_from([1, 2, 9, 35])),
    groups=st.sampled_from([1, 2, 3, 6]),
    seed=st.integers(0, 99),
    affine=st.booleans(),
)
def test_group_norm(real, threads, shape, groups, seed, affine):
    x, grad, weight, bias = draw(seed, shape, real)
    w, b = (weight, bias) if affine else (None, None)
    column, shift = (weight[:, None], bias[:, None]) if affine else (1.0, 0.0)
    owner = naive.owners(shape, "group", groups)
    expected = naive.forward(x, owner, column, shift, EPS)
    with least_threads(threads):
        result = row_norm.group_norm_forward(x, groups, w, b, eps=EPS)
        dx, dweight, dbias = row_norm.group_norm_backward(grad, x, groups, w, result.mean, result.invstd)
    expected_dx, products = naive.backward(grad, x, owner, column, EPS)
    spread = 1 / np.sqrt(expected.var.min() + EPS)
    close(result.y, expected.y, real, slack=1 + spread)
    close(result.mean, expected.mean, real)
    close(dx, expected_dx, real, slack=spread, size=spread * np.abs(grad).max() * np.abs(column).max())
    close(dweight, products.sum((0, 2)), real, slack=8 * (1 + spread))
    close(dbias, grad.astype(float).sum((0, 2)), real)


def test_no_result_depends_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    x, grad = rng.standard_normal((2, 40, 130, 9)).astype(np.float32)
    weight = rng.standard_normal(130).astype(np.float32)
    results = []
    for threads in (1, 2, 3, 1):
        with least_threads(threads):
            b = norm.batch_norm_forward(x, weight, None, eps=EPS)
            m = norm.batch_norm_forward(x[:, :, :1].copy(), weight, None, eps=EPS)
            g = row_norm.group_norm_forward(x, 2, weight, None, eps=EPS)
            n = row_norm.layer_norm_forward(x[:, :, 0].copy(), weight, None, eps=EPS)
            results.append(
                (
                    *b,
                    *m,
                    *g,
                    *n,
                    *norm.batch_norm_backward(grad, x, weight, b.mean, b.invstd, training=True),
                    *row_norm.group_norm_backward(grad, x, 2, weight, g.mean, g.invstd),
                    *row_norm.layer_norm_backward(grad[:, :, 0].copy(), x[:, :, 0].copy(), weight, n.mean, n.invstd),
                )
            )
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], result, strict=True))


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 0, 4), (2, 3, 0)])
def test_empty(shape):
    x = np.zeros(shape, np.float32)
    result = norm.batch_norm_forward(x, None, None, eps=EPS)
    assert result.y.shape == shape
    dx, dweight, _ = norm.batch_norm_backward(x, x, None, result.mean, result.invstd, training=True)
    assert dx.shape == shape
    assert dweight.tolist() == [0] * shape[1]
    rows = np.zeros((0, 3), np.float32)
    first = row_norm.layer_norm_forward(rows, None, None, eps=EPS)
    gradients = row_norm.layer_norm_backward(rows, rows, None, first.mean, first.invstd)
    assert gradients.dx.shape == (0, 3)
    assert gradients.dweight.tolist() == [0, 0, 0]


def test_nan_stays_in_its_channel():
    x = np.ones((2, 3, 4), np.float32)
    x[0, 1, 2] = np.nan
    y = norm.batch_norm_forward(x, None, None, eps=EPS).y
    assert np.isnan(y[:, 1]).all()
    assert (y[:, [0, 2]] == 0).all()


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_stay_in_their_column(value):
    x, grad = np.random.default_rng(0).standard_normal((2, 70, 37, 1)).astype(np.float32)
    clean = norm.batch_norm_forward(x, None, None, eps=EPS)
    expected = norm.batch_norm_backward(grad, x, None, clean.mean, clean.invstd, training=True)
    x[33, 20] = value
    result = norm.batch_norm_forward(x, None, None, eps=EPS)
    gradients = norm.batch_norm_backward(grad, x, None, result.mean, result.invstd, training=True)
    others = np.arange(37) != 20
    for ours, theirs in (result.y, clean.y), (gradients.dx, expected.dx):
        assert np.isnan(ours[:, 20]).all()
        assert np.array_equal(ours[:, others], theirs[:, others])
