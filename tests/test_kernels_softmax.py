"""Softmax and cross-entropy kernels against tests/naive/softmax.py and PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import softmax as kernels
from ops.kernels.threads import least_threads
from tests.naive import softmax as naive

TYPES = (np.float32, np.float64)
ROWS, CLASSES = st.integers(1, 5), st.sampled_from([1, 2, 10, 33, 130])


def close(actual, expected, real, factor=1.0):
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(
        actual, expected, rtol=16 * np.finfo(real).eps, atol=16 * factor * scale * np.finfo(real).eps
    )
    assert actual.dtype == real


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(rows=ROWS, classes=CLASSES, seed=st.integers(0, 99))
def test_softmax_and_log_softmax(real, threads, rows, classes, seed):
    rng = np.random.default_rng(seed)
    x, grad = 5 * rng.standard_normal((2, rows, classes)).astype(real)
    with least_threads(threads):
        y, log_y = kernels.softmax_forward(x), kernels.log_softmax_forward(x)
        dx, log_dx = kernels.softmax_backward(grad, y), kernels.log_softmax_backward(grad, log_y)
    close(log_y, naive.log_softmax(x), real)
    close(y, np.exp(naive.log_softmax(x)), real)
    close(dx, naive.softmax_grad(grad, x), real)
    close(log_dx, naive.log_softmax_grad(grad, x), real, factor=classes)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    rows=ROWS,
    classes=CLASSES,
    seed=st.integers(0, 99),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    ignore=st.sampled_from([-100, 0]),
)
def test_cross_entropy(real, threads, rows, classes, seed, weighted, smoothing, ignore):
    rng = np.random.default_rng(seed)
    x, target = 3 * rng.standard_normal((rows, classes)).astype(real), rng.integers(0, classes, rows)
    target[rng.random(rows) < 0.3] = ignore
    weight = rng.random(classes).astype(real) if weighted else None
    used = np.ones(classes) if weight is None else weight.astype(float)
    scale = rng.standard_normal(rows).astype(real)
    options = {"ignore_index": ignore, "label_smoothing": smoothing}
    expected, mass = naive.cross_entropy(x, target, used, ignore, smoothing)
    with least_threads(threads):
        result = kernels.cross_entropy_forward(x, target, weight, **options)
        dx = kernels.cross_entropy_backward(scale, x, target, result.log_sum, weight, **options)
    close(result.loss, expected, real)
    assert np.array_equal(result.row_weight, np.where(target == ignore, 0, used[np.maximum(target, 0)]).astype(real))
    close(result.log_sum, x[:, 0] - naive.log_softmax(x)[:, 0], real)
    close(dx, naive.log_softmax_grad(-mass * scale[:, None], x), real, factor=4)


SPECIAL = [
    [-np.inf, -np.inf, -np.inf],
    [np.inf, 1, 2],
    [np.nan, 1, 2],
    [-np.nan, 1, 2],
    [-np.inf, 0, 1],
    [1e30, -1e30, 0],
    [0.0, -0.0, 0.0],
    [np.inf, -np.inf, np.nan],
]


@pytest.mark.parametrize("real", TYPES)
def test_special_rows_match_pytorch(torch, real):
    x = np.array(SPECIAL, real)
    t = torch.from_numpy(x)
    for ours, theirs in (
        (kernels.softmax_forward(x), torch.softmax(t, 1)),
        (kernels.log_softmax_forward(x), torch.log_softmax(t, 1)),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6, equal_nan=True)
        assert np.isnan(ours[:4]).all()
        assert not np.isnan(ours[4:7]).any()


@pytest.mark.parametrize("real", TYPES)
def test_the_row_maximum_orders_all_floats(real):
    values = np.array([-np.inf, np.finfo(real).min, -1, -np.finfo(real).smallest_subnormal, 0, 1e-30, 1, np.inf], real)
    largest = kernels.largest_of(real)
    for i in range(len(values)):
        for j in range(len(values)):
            assert largest(np.array([values[i], values[j]] * 20, real)) == values[max(i, j)]


def test_targets_out_of_bounds_raise():
    x = np.zeros((3, 4), np.float32)
    for bad in (4, -1):
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds for 4 classes"):
            kernels.cross_entropy_forward(x, np.array([0, bad, 1]))
    with pytest.raises(ValueError, match="does not match target"):
        kernels.cross_entropy_forward(x, np.array([0, 1]))


def test_empty_batch():
    x = np.zeros((0, 4), np.float32)
    assert kernels.softmax_forward(x).shape == (0, 4)
    result = kernels.cross_entropy_forward(x, np.zeros(0, np.int64))
    assert result.loss.shape == (0,)
    assert kernels.cross_entropy_backward(result.loss, x, np.zeros(0, np.int64), result.log_sum).shape == (0, 4)


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((37, 1000)).astype(np.float32), rng.integers(0, 1000, 37)
    results = []
    for threads in (1, 2, 3, 1):
        with least_threads(threads):
            results.append(kernels.cross_entropy_forward(x, target))
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], result, strict=True))
