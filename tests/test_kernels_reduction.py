"""Sums over any axes against NumPy in double precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import reduction
from ops.kernels.row_leaves import TERMS, row_sums
from ops.kernels.threads import least_threads
from tests.test_kernels_simd import call

TYPES = (np.float32, np.float64)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(data=st.data())
def test_sum_over_any_axes(real, threads, data):
    shape = data.draw(st.lists(st.sampled_from([1, 2, 3, 5, 8, 17, 31]), min_size=1, max_size=4), "shape")
    dims = data.draw(st.sets(st.integers(0, len(shape) - 1)), "dims")
    x = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal(shape).astype(real)
    if data.draw(st.booleans(), "transposed"):
        x = x.T
    with least_threads(threads):
        y = reduction.sum_over(x, tuple(sorted(dims)))
    expected = x.sum(tuple(dims), dtype=np.longdouble, keepdims=True)
    scale = np.abs(x).sum(tuple(dims), keepdims=True)
    assert y.dtype == real
    assert y.shape == (expected.size,)
    assert (np.abs(y.reshape(expected.shape) - expected) <= 4 * np.finfo(real).eps * scale).all()
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((200_001,), (0,)),
        ((3, 70_001), (1,)),
        ((70_001, 3), (0,)),
        ((16_384, 10), (0,)),
        ((9_001, 300), (0,)),
        ((2, 5_000, 40), (1,)),
        ((5, 3, 1100), (0, 2)),
    ],
)
def test_long_sums_are_nearly_exact_and_independent_of_threads(real, shape, dims):
    x = np.random.default_rng(0).random(shape).astype(real)
    results = []
    for threads in (1, 2, 3):
        with least_threads(threads):
            results.append(reduction.sum_over(x, dims))
    expected = x.sum(dims, dtype=np.longdouble, keepdims=True)
    np.testing.assert_allclose(results[0], expected.reshape(-1).astype(np.float64), rtol=16 * np.finfo(real).eps)
    assert all(np.array_equal(results[0], other) for other in results[1:])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dims", [(0,), (1,), (0, 1)])
def test_nan_and_infinity_reach_their_sums_alone(value, dims):
    x = np.ones((37, 29), np.float32)
    x[20, 11] = value
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(reduction.sum_over(x, dims), x.sum(dims).reshape(-1))


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("terms", TERMS)
@given(rows=st.integers(1, 40), columns=st.integers(0, 70), seed=st.integers(0, 99))
def test_row_sums_reads_and_writes_its_own_rows_only(real, terms, rows, columns, seed):
    around = np.full((rows + 2, columns + 2), np.nan, real)
    around[1:-1, 1:-1] = np.random.default_rng(seed).integers(-9, 9, (rows, columns))
    inside, out = around[1:-1, 1:-1], np.full(rows + 2, 7, real)
    beside = around[::-1].copy()
    inset = around.strides[0] + around.strides[1]
    call(
        row_sums(real, terms),
        around.ctypes.data + inset,
        beside.ctypes.data + inset,
        around.strides[0],
        rows,
        columns,
        out.ctypes.data + out.itemsize,
    )
    assert out[0] == out[-1] == 7
    summed = {"plain": inside, "squares": inside**2, "differences": (inside - beside[1:-1, 1:-1]) ** 2}[terms]
    assert np.array_equal(out[1:-1], summed.sum(1))


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", [1, 2])
@given(data=st.data())
def test_sums_of_squares(real, threads, data):
    shape = data.draw(st.lists(st.sampled_from([1, 2, 3, 17, 70]), min_size=1, max_size=3), "shape")
    dims = tuple(sorted(data.draw(st.sets(st.integers(0, len(shape) - 1)), "dims")))
    x, y = np.random.default_rng(data.draw(st.integers(0, 99))).standard_normal((2, *shape)).astype(real)
    if data.draw(st.booleans(), "transposed"):
        x, y = x.T, y.T
    x.flags.writeable = False
    with least_threads(threads):
        squares, distance = reduction.sum_squares_over(x, dims), reduction.sum_squared_differences(x, y)
    exact = np.square(x, dtype=np.longdouble)
    np.testing.assert_allclose(
        squares, exact.sum(dims).reshape(-1) if dims else exact.reshape(-1), rtol=8 * np.finfo(real).eps
    )
    np.testing.assert_allclose(distance, [np.square((x - y).astype(np.longdouble)).sum()], rtol=8 * np.finfo(real).eps)
    assert squares.dtype == distance.dtype == real


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_long_sums_of_squares(value):
    x, y = np.random.default_rng(0).standard_normal((2, 3, 200_001)).astype(np.float32)
    exact = np.square(x, dtype=float)
    np.testing.assert_allclose(reduction.sum_squares_over(x, (1,)), exact.sum(1), rtol=2e-7)
    np.testing.assert_allclose(reduction.sum_squares_over(x, (0, 1)), [exact.sum()], rtol=2e-7)
    np.testing.assert_allclose(
        reduction.sum_squared_differences(x, y), [np.square(x - y, dtype=float).sum()], rtol=2e-7
    )
    x[1, 70_000] = value
    np.testing.assert_array_equal(np.isfinite(reduction.sum_squares_over(x, (1,))), [True, False, True])
    assert not np.isfinite(reduction.sum_squared_differences(x, y))
    with pytest.raises(ValueError, match=r"does not match float32 \(3, 2\)"):
        reduction.sum_squared_differences(x, y[:, :2])


def test_other_types_and_empty_arrays_are_refused():
    with pytest.raises(TypeError, match="sum: expected float32 or float64 and at least one element, got int64"):
        reduction.sum_over(np.ones(3, np.int64), (0,))
    with pytest.raises(TypeError, match="at least one element"):
        reduction.sum_over(np.ones((0, 3)), (0,))
