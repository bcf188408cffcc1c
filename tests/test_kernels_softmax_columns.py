"""Softmax and cross-entropy over a middle axis against the row by row references of tests/naive/softmax.py and PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import softmax_columns as kernels
from ops.kernels.jit import kernel
from ops.kernels.scalar import elementary
from ops.kernels.threads import least_threads
from tests.naive import softmax as naive
from tests.test_kernels_softmax import SPECIAL, close

TYPES = (np.float32, np.float64)
OUTER, CLASSES = st.integers(1, 3), st.sampled_from([1, 2, 3, 10, 33])
COLUMNS = st.sampled_from([1, 3, 15, 16, 17, 40, 130, 600])


def as_rows(x):
    return np.moveaxis(x, 1, 2).reshape(-1, x.shape[1])


def from_rows(rows, shape):
    return np.moveaxis(rows.reshape(shape[0], shape[2], shape[1]), 2, 1)


def laid_out(x, form):
    """Return an equal array, as it is, with its axes in another order in memory, or one that must not be written."""
    if form == "strided":
        return np.asfortranarray(x)
    x = x.copy()
    x.flags.writeable = form != "read-only"
    return x


FORMS = st.sampled_from(["dense", "strided", "read-only"])


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(outer=OUTER, classes=CLASSES, columns=COLUMNS, form=FORMS, seed=st.integers(0, 99))
def test_softmax_and_log_softmax(real, threads, outer, classes, columns, form, seed):
    rng, shape = np.random.default_rng(seed), (outer, classes, columns)
    x, grad = 5 * rng.standard_normal((2, *shape)).astype(real)
    given_x, given_grad = laid_out(x, form), laid_out(grad, form)
    with least_threads(threads):
        y, log_y = kernels.softmax_forward(given_x), kernels.log_softmax_forward(given_x)
        dx, log_dx = kernels.softmax_backward(given_grad, y), kernels.log_softmax_backward(given_grad, log_y)
    rows, grads = as_rows(x), as_rows(grad)
    close(log_y, from_rows(naive.log_softmax(rows), shape), real)
    close(y, from_rows(np.exp(naive.log_softmax(rows)), shape), real)
    close(dx, from_rows(naive.softmax_grad(grads, rows), shape), real)
    close(log_dx, from_rows(naive.log_softmax_grad(grads, rows), shape), real, factor=classes)
    assert np.array_equal(given_x, x)
    assert np.array_equal(given_grad, grad)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    outer=OUTER,
    classes=CLASSES,
    columns=COLUMNS,
    form=FORMS,
    seed=st.integers(0, 99),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]),
    ignore=st.sampled_from([-100, 0]),
)
def test_cross_entropy(real, threads, outer, classes, columns, form, seed, weighted, smoothing, ignore):
    rng, shape = np.random.default_rng(seed), (outer, classes, columns)
    x, target = 3 * rng.standard_normal(shape).astype(real), rng.integers(0, classes, outer * columns)
    target[rng.random(target.size) < 0.3] = ignore
    weight = rng.random(classes).astype(real) if weighted else None
    used = np.ones(classes) if weight is None else weight.astype(float)
    scale = rng.standard_normal(target.size).astype(real)
    options = {"ignore_index": ignore, "label_smoothing": smoothing}
    rows = as_rows(x)
    expected, mass = naive.cross_entropy(rows, target, used, ignore, smoothing)
    given_x = laid_out(x, form)
    with least_threads(threads):
        result = kernels.cross_entropy_forward(given_x, target, weight, **options)
        dx = kernels.cross_entropy_backward(scale, given_x, target, result.log_sum, weight, **options)
    close(result.loss, expected, real)
    assert np.array_equal(result.row_weight, np.where(target == ignore, 0, used[np.maximum(target, 0)]).astype(real))
    close(result.log_sum, rows[:, 0] - naive.log_softmax(rows)[:, 0], real)
    close(dx, from_rows(naive.log_softmax_grad(-mass * scale[:, None], rows), shape), real, factor=4)
    assert np.array_equal(given_x, x)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("repeats", [1, 5])
def test_special_columns_match_pytorch(torch, real, repeats):
    x = np.tile(np.array(SPECIAL, real).T, (2, 1, repeats))
    t = torch.from_numpy(x)
    for ours, theirs in (
        (kernels.softmax_forward(x), torch.softmax(t, 1)),
        (kernels.log_softmax_forward(x), torch.log_softmax(t, 1)),
    ):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-6, equal_nan=True)
    target = np.arange(2 * x.shape[2]) % 3
    target[4:6] = -100
    t.requires_grad_(True)
    losses = torch.nn.functional.cross_entropy(t, torch.from_numpy(target).reshape(2, -1), reduction="none")
    losses.sum().backward()
    result = kernels.cross_entropy_forward(x, target)
    np.testing.assert_allclose(result.loss, losses.detach().numpy().reshape(-1), rtol=1e-6, equal_nan=True)
    ours = kernels.cross_entropy_backward(np.ones_like(result.loss), x, target, result.log_sum)
    np.testing.assert_allclose(ours, t.grad.numpy(), rtol=1e-6, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("columns", [4, 40])
def test_ignored_columns_have_no_gradient_even_where_nan(columns):
    x = np.full((1, 3, columns), np.nan, np.float32)
    x[:, :, 1:] = 1
    target = np.full(columns, -100)
    target[1] = 2
    result = kernels.cross_entropy_forward(x, target, ignore_index=-100)
    dx = kernels.cross_entropy_backward(np.ones_like(result.loss), x, target, result.log_sum)
    assert not result.loss[target < 0].any()
    assert not dx[0][:, target < 0].any()
    assert dx[0, :, 1].any()


@pytest.mark.parametrize("columns", [4, 40])
def test_targets_out_of_bounds_raise(columns):
    x, target = np.zeros((2, 4, columns), np.float32), np.zeros(2 * columns, np.int64)
    for bad in (4, -1):
        target[5] = bad
        with pytest.raises(IndexError, match=f"Target {bad} is out of bounds for 4 classes"):
            kernels.cross_entropy_forward(x, target)


@pytest.mark.parametrize("shape", [(0, 4, 20), (2, 4, 0), (0, 4, 1)])
def test_empty_arrays(shape):
    x = np.zeros(shape, np.float32)
    assert kernels.softmax_forward(x).shape == shape
    result = kernels.cross_entropy_forward(x, np.zeros(0, np.int64))
    assert result.loss.shape == (0,)
    assert kernels.cross_entropy_backward(result.loss, x, np.zeros(0, np.int64), result.log_sum).shape == shape


def test_same_bits_for_any_number_of_threads():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((3, 21, 1000)).astype(np.float32), rng.integers(0, 21, 3000)
    results = []
    for threads in (1, 2, 5, 1):
        with least_threads(threads):
            results.append((*kernels.cross_entropy_forward(x, target), kernels.softmax_forward(x)))
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], result, strict=True))


@pytest.mark.parametrize("real", TYPES)
def test_log_from_one(real):
    log = elementary(real).log_from_one

    @kernel
    def loop(x, y):
        for i in range(x.size):
            y[i] = log(x[i])

    values = np.concatenate([1 + np.logspace(-9, 0, 500), np.linspace(1, 9, 5000), np.logspace(0, 30, 500)])
    x = np.append(values, np.nan).astype(real)
    y = np.empty_like(x)
    loop(x, y)
    exact = np.log(x.astype(np.longdouble))
    assert np.isnan(y[-1])
    assert np.nanmax(np.abs(y - exact) / np.maximum(exact, np.finfo(real).tiny)) < 3 * np.finfo(real).eps
