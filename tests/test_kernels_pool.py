"""Pooling kernels against the loops of tests/naive/pool.py and against PyTorch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import adaptive_pool, pool
from ops.kernels.threads import least_threads
from tests.naive import pool as naive

TYPES = (np.float32, np.float64)


@st.composite
def geometries(draw, dilated=True):
    """Draw (planes, in_size, kernel, stride, padding, dilation, out_size) that PyTorch would accept."""
    kernel, stride, padding, dilation, in_size, out_size = [], [], [], [], [], []
    for _ in range(2):
        k, s = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        p, d = draw(st.integers(0, k // 2)), draw(st.integers(1, 3 if dilated else 1))
        extent = d * (k - 1) + 1
        size = draw(st.integers(max(extent - 2 * p, p * d, 1), extent + 12))
        ceil_mode = draw(st.booleans())
        out = (size + 2 * p - extent + (s - 1 if ceil_mode else 0)) // s + 1
        if (out - 1) * s >= size + p:
            out -= 1
        for numbers, value in zip(
            (kernel, stride, padding, dilation, in_size, out_size), (k, s, p, d, size, out), strict=True
        ):
            numbers.append(value)
    return (draw(st.integers(1, 3)), *map(tuple, (in_size, kernel, stride, padding, dilation, out_size)))


def integers(rng, shape, real):
    """Draw small integers: many ties, exact sums."""
    return rng.integers(-3, 4, shape).astype(real)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("special", [False, True])
@given(geometry=geometries(), seed=st.integers(0, 99))
def test_max_pool(real, threads, special, geometry, seed):
    planes, in_size, kernel, stride, padding, dilation, out_size = geometry
    rng = np.random.default_rng(seed)
    x = integers(rng, (planes, *in_size), real)
    if special:
        x = rng.choice([np.nan, np.inf, -np.inf, 1], x.shape).astype(real)
    windows = [naive.window(oh, ow, in_size, kernel, stride, padding, dilation) for oh, ow in np.ndindex(out_size)]
    if not all(windows):  # a dilated window may miss the image
        return
    expected, where = naive.max_pool2d(x, kernel, stride, padding, dilation, out_size)
    with least_threads(threads):
        y, index = pool.max_pool2d_forward(x, kernel, stride, padding, dilation, out_size)
        grad = integers(rng, y.shape, real)
        dx = pool.max_pool2d_backward(grad, index, kernel, stride, padding, dilation, in_size)
    flat = pool.flat_index(index, kernel, stride, padding, dilation, in_size)
    assert index.dtype == np.uint8
    assert np.array_equal(y, expected, equal_nan=special)
    assert np.array_equal(flat, where)
    assert np.array_equal(dx, naive.scatter(grad, where, in_size))


@pytest.mark.parametrize("real", TYPES)
@given(height=st.integers(2, 40), width=st.integers(2, 70), seed=st.integers(0, 99))
def test_the_2x2_loops_agree_with_the_general_ones(real, height, width, seed):
    rng = np.random.default_rng(seed)
    x = rng.choice([np.nan, -np.inf, 0, 1, 2], (2, height, width)).astype(real)
    square, none, one, out = (2, 2), (0, 0), (1, 1), (height // 2, width // 2)
    expected, where = naive.max_pool2d(x, square, square, none, one, out)
    y, index = pool.max_pool2d_forward(x, square, square, none, one, out)
    assert np.array_equal(y, expected, equal_nan=True)
    assert np.array_equal(pool.flat_index(index, square, square, none, one, (height, width)), where)
    grad = integers(rng, y.shape, real)
    dx = pool.max_pool2d_backward(grad, index, square, square, none, one, (height, width))
    assert np.array_equal(dx, naive.scatter(grad, where, (height, width)))


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    planes=st.integers(1, 9),
    outputs=st.tuples(st.integers(1, 5), st.sampled_from([1, 2, 4, 8])),
    seed=st.integers(0, 99),
)
def test_2x2_windows_in_short_rows(real, threads, planes, outputs, seed):
    rng, square, none, one = np.random.default_rng(seed), (2, 2), (0, 0), (1, 1)
    size = 2 * outputs[0], 2 * outputs[1]
    x = rng.choice([np.nan, -np.inf, 0, 1, 2], (planes, *size)).astype(real)
    grad = rng.choice([np.nan, -np.inf, 0, 1, 2], (planes, *outputs)).astype(real)
    x.flags.writeable = grad.flags.writeable = False
    best, best_at = naive.max_pool2d(x, square, square, none, one, outputs)
    means, spread = integers(rng, x.shape, real), integers(rng, grad.shape, real)
    blocks = means.reshape(planes, outputs[0], 2, outputs[1], 2)
    with least_threads(threads):
        assert np.array_equal(pool.avg_pool2d_forward(means, square, square, none, outputs), blocks.mean((2, 4)))
        shares = pool.avg_pool2d_backward(spread, square, square, none, size, divisor_override=2)
        assert np.array_equal(shares, spread.repeat(2, 1).repeat(2, 2) / 2)
        y, index = pool.max_pool2d_forward(x, square, square, none, one, outputs)
        dx = pool.max_pool2d_backward(grad, index, square, square, none, one, size)
    where = pool.flat_index(index, square, square, none, one, size)
    np.testing.assert_array_equal(y, best)
    assert np.array_equal(where, best_at)
    expected = np.zeros((planes, size[0] * size[1]), real)
    for plane in range(planes):
        expected[plane, where[plane].ravel()] = grad[plane].ravel()
    np.testing.assert_array_equal(dx.reshape(planes, -1), expected)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    geometry=geometries(dilated=False),
    seed=st.integers(0, 99),
    include=st.booleans(),
    divisor=st.none() | st.integers(1, 9),
)
def test_avg_pool(real, threads, geometry, seed, include, divisor):
    planes, in_size, kernel, stride, padding, _, out_size = geometry
    x = integers(np.random.default_rng(seed), (planes, *in_size), real)
    windows = list(naive.average_windows(in_size, out_size, kernel, stride, padding, include, divisor))
    options = {"count_include_pad": include, "divisor_override": divisor}
    with least_threads(threads):
        y = pool.avg_pool2d_forward(x, kernel, stride, padding, out_size, **options)
        grad = integers(np.random.default_rng(seed), y.shape, real)
        dx = pool.avg_pool2d_backward(grad, kernel, stride, padding, in_size, **options)
    unit = 20 * np.finfo(real).eps
    np.testing.assert_allclose(y, naive.average(x, out_size, windows), rtol=unit, atol=unit)
    np.testing.assert_allclose(dx, naive.average_grad(grad, in_size, windows), rtol=unit, atol=4 * unit)
    assert y.dtype == dx.dtype == real


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(
    in_size=st.tuples(*[st.integers(1, 9)] * 2), out_size=st.tuples(*[st.integers(1, 9)] * 2), seed=st.integers(0, 9)
)
def test_adaptive_pool(real, threads, in_size, out_size, seed):
    rng = np.random.default_rng(seed)
    x, grad = integers(rng, (2, *in_size), real), integers(rng, (2, *out_size), real)
    bins = list(naive.bins(in_size, out_size))
    with least_threads(threads):
        y = adaptive_pool.adaptive_avg_pool2d_forward(x, out_size)
        dx = adaptive_pool.adaptive_avg_pool2d_backward(grad, in_size)
        largest, index = adaptive_pool.adaptive_max_pool2d_forward(x, out_size)
        spread = adaptive_pool.adaptive_max_pool2d_backward(grad, index, in_size)
    unit = 20 * np.finfo(real).eps
    np.testing.assert_allclose(y, naive.average(x, out_size, bins), rtol=unit, atol=unit)
    np.testing.assert_allclose(dx, naive.average_grad(grad, in_size, bins), rtol=unit, atol=9 * unit)
    for oh, ow, inside, _ in bins:
        for p in range(2):
            h, w = naive.first_maximum(x[p], inside)
            assert (largest[p, oh, ow], index[p, oh, ow]) == (x[p, h, w], h * in_size[1] + w)
    assert np.array_equal(spread, naive.scatter(grad, index, in_size))


def test_adaptive_max_lets_nan_win():
    x = np.array([[[1, np.nan, 3, np.nan]]])
    y, index = adaptive_pool.adaptive_max_pool2d_forward(x, (1, 2))
    assert np.isnan(y).all()
    assert index.tolist() == [[[1, 3]]]


@pytest.mark.parametrize("shape", [(0, 3, 6, 6), (2, 0, 6, 6)])
def test_empty_batches_and_channels(shape):
    x = np.zeros(shape, np.float32)
    square = (2, 2)
    y, index = pool.max_pool2d_forward(x, square, square, (0, 0), (1, 1), (3, 3))
    assert y.shape == index.shape == (*shape[:2], 3, 3)
    assert pool.max_pool2d_backward(y, index, square, square, (0, 0), (1, 1), (6, 6)).shape == shape
    assert (
        pool.avg_pool2d_backward(
            pool.avg_pool2d_forward(x, (3, 3), square, (1, 1), (3, 3)), (3, 3), square, (1, 1), (6, 6)
        ).shape
        == shape
    )
    assert (
        adaptive_pool.adaptive_avg_pool2d_backward(adaptive_pool.adaptive_avg_pool2d_forward(x, (1, 1)), (6, 6)).shape
        == shape
    )
    assert adaptive_pool.adaptive_max_pool2d_forward(x, square)[0].shape == (*shape[:2], 2, 2)


def test_windows_above_256_taps_use_a_wider_index(torch):
    x = np.random.default_rng(0).standard_normal((2, 40, 41))
    geometry = (17, 17), (3, 3), (8, 8), (1, 1)
    expected, where = torch.nn.functional.max_pool2d(torch.from_numpy(x), 17, 3, 8, return_indices=True)
    y, index = pool.max_pool2d_forward(x, *geometry, tuple(expected.shape[1:]))
    assert index.dtype == np.int32
    assert np.array_equal(y, expected.numpy())
    assert np.array_equal(pool.flat_index(index, *geometry, (40, 41)), where.numpy())


@pytest.mark.parametrize("real", TYPES)
@given(geometry=geometries(), seed=st.integers(0, 99))
def test_max_pool_of_nan_and_ties_matches_pytorch(torch_once, real, geometry, seed):
    _, in_size, kernel, stride, padding, dilation, out_size = geometry
    floor = [
        (n + 2 * p - d * (k - 1) - 1) // s + 1
        for n, k, s, p, d in zip(in_size, kernel, stride, padding, dilation, strict=True)
    ]
    x = np.random.default_rng(seed).choice([np.nan, -np.inf, 0, 1], (1, 2, *in_size)).astype(real)
    pooled = torch_once.nn.functional.max_pool2d(
        torch_once.from_numpy(x),
        kernel,
        stride,
        padding,
        dilation,
        ceil_mode=tuple(floor) != out_size,
        return_indices=True,
    )
    expected, where = (t.numpy() for t in pooled)
    y, index = pool.max_pool2d_forward(x, kernel, stride, padding, dilation, expected.shape[2:])
    assert np.array_equal(y, expected, equal_nan=True)
    assert np.array_equal(pool.flat_index(index, kernel, stride, padding, dilation, in_size), where)


@pytest.fixture(scope="module")
def torch_once():
    return pytest.importorskip("torch")


def test_other_types_are_refused():
    with pytest.raises(TypeError, match="max_pool2d: expected float32 or float64, got int64"):
        pool.max_pool2d_forward(np.zeros((1, 4, 4), np.int64), (2, 2), (2, 2), (0, 0), (1, 1), (2, 2))
