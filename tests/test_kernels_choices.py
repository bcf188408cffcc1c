"""Choices of elements and their extremes and running sums, against NumPy in the same or in double precision."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import choices, extremes, scan
from ops.kernels.row_leaves import row_extremes
from ops.kernels.threads import least_threads
from tests.test_kernels_simd import call

TYPES = (np.float32, np.float64)
THREADS = (1, 2)
SPECIAL = np.array([0, -0.0, 1, -2.5, np.inf, -np.inf, np.nan, 3e30])


def laid_out(x, form):
    """Return an equal array: dense, with a stride, or one that must not be written."""
    if form == "strided":
        return np.repeat(x[..., None], 2, -1)[..., 0]
    x = x.copy()
    x.flags.writeable = form != "read-only"
    return x


FORMS = st.sampled_from(["dense", "strided", "read-only"])


# -- where -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("numbers", ["none", "first", "second"])
@given(shape=st.sampled_from([(1,), (7,), (3, 5), (130,), (2, 65)]), form=FORMS, seed=st.integers(0, 99))
def test_where_is_numpys_to_the_bit(real, threads, numbers, shape, form, seed):
    rng = np.random.default_rng(seed)
    condition = rng.random(shape) < 0.5
    x, y = (laid_out(rng.choice(SPECIAL, shape).astype(real), form) for _ in range(2))
    if numbers == "first":
        x = x.flat[0:1].reshape(()) if seed % 2 else 1.5
    if numbers == "second":
        y = y.flat[0:1].reshape(()) if seed % 2 else 0
    with least_threads(threads):
        z = choices.where(laid_out(condition, form), x, y)
    expected = np.where(condition, x, y)
    assert z.dtype == real
    assert z.tobytes() == expected.astype(real).tobytes()
    assert not any(np.shares_memory(z, each) for each in (x, y) if isinstance(each, np.ndarray))


def test_where_leaves_other_forms_to_numpy():
    x, condition = np.ones((3, 4), np.float32), np.ones((3, 4), bool)
    assert choices.where(condition, x, np.ones(4, np.float32)) is None
    assert choices.where(condition, x, x.astype(np.float64)) is None
    assert choices.where(condition, x, np.float64(1)) is None
    assert choices.where(condition[0], x, x) is None
    assert choices.where(x, x, x) is None
    assert choices.where(condition, x.astype(int), 0) is None
    assert choices.where(condition, 0, 1) is None


# -- extremes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("largest", [True, False])
@given(
    rows=st.integers(0, 5),
    columns=st.sampled_from([1, 2, 15, 16, 17, 63, 64, 65, 130]),
    form=FORMS,
    nans=st.booleans(),
    seed=st.integers(0, 99),
)
def test_extremes(real, threads, largest, rows, columns, form, nans, seed):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((rows, columns)).astype(real)
    x[rng.random(x.shape) < 0.1] = rng.choice([np.inf, -np.inf])
    if nans:
        x[rng.random(x.shape) < 0.02] = np.nan
        x[rng.random(x.shape) < 0.02] = -np.nan
    with least_threads(threads):
        y = extremes.extremes(laid_out(x, form), largest=largest)
    np.testing.assert_array_equal(y, (np.max if largest else np.min)(x, axis=1))
    assert y.dtype == real


@pytest.mark.parametrize("value", [np.nan, 9.0])
@pytest.mark.parametrize("place", [0, 65_535, 65_536, 200_000])
def test_extremes_of_long_rows(value, place):
    x = np.random.default_rng(0).uniform(-1, 1, (2, 200_001)).astype(np.float32)
    x[1, place] = value
    for threads in THREADS:
        with least_threads(threads):
            np.testing.assert_array_equal(extremes.extremes(x, largest=True), x.max(1))
            np.testing.assert_array_equal(extremes.extremes(-x, largest=False), -x.max(1))


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("largest", [True, False])
@given(rows=st.integers(1, 4), columns=st.integers(1, 70), seed=st.integers(0, 99))
def test_row_extremes_reads_and_writes_its_own_rows_only(real, largest, rows, columns, seed):
    around = np.full((rows + 2, columns + 2), np.nan, real)
    around[1:-1, 1:-1] = np.random.default_rng(seed).integers(-9, 9, (rows, columns))
    inside, out = around[1:-1, 1:-1], np.full(rows + 2, 7, real)
    start = around.ctypes.data + around.strides[0] + around.strides[1]
    leaf = row_extremes(np.dtype(real), largest=largest)
    call(leaf, start, around.strides[0], rows, columns, out.ctypes.data + out.itemsize)
    assert out[0] == out[-1] == 7
    np.testing.assert_array_equal(out[1:-1], inside.max(1) if largest else inside.min(1))


def test_extremes_of_nothing_are_refused():
    with pytest.raises(TypeError, match="at least one column"):
        extremes.extremes(np.ones((3, 0)), largest=True)
    with pytest.raises(TypeError, match="got int64"):
        extremes.extremes(np.ones((3, 2), np.int64), largest=True)


# -- running sums ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("real", TYPES)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("reverse", [True, False])
@given(
    outer=st.integers(1, 9),
    size=st.sampled_from([1, 2, 7, 40]),
    columns=st.sampled_from([1, 1, 2, 17, 300]),
    form=FORMS,
    seed=st.integers(0, 99),
)
def test_running_sums(real, threads, reverse, outer, size, columns, form, seed):
    x = np.random.default_rng(seed).standard_normal((outer, size, columns)).astype(real)
    with least_threads(threads):
        y = scan.running_sums(laid_out(x, form), reverse=reverse)
    order = slice(None, None, -1 if reverse else 1)
    expected = np.cumsum(x[:, order].astype(np.longdouble), axis=1)[:, order]
    weight = np.cumsum(np.abs(x[:, order]), axis=1)[:, order]
    units = 0.5 if real is np.float32 else size
    assert (np.abs(y - expected) <= 1.01 * units * np.finfo(real).eps * weight).all()
    assert y.dtype == real


@pytest.mark.parametrize("columns", [1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_infinity_reach_the_sums_after_them_alone(columns, value):
    x = np.ones((5, 6, columns), np.float32)
    x[1, 3, 0] = x[4, 3, 0] = value
    np.testing.assert_array_equal(scan.running_sums(x), np.cumsum(x, 1))
    np.testing.assert_array_equal(scan.running_sums(x, reverse=True), np.cumsum(x[:, ::-1], 1)[:, ::-1])


def test_running_sums_of_nothing():
    assert scan.running_sums(np.ones((2, 0, 3), np.float32)).shape == (2, 0, 3)
    with pytest.raises(TypeError, match="running_sums: expected float32 or float64, got int64"):
        scan.running_sums(np.ones((2, 1, 3), np.int64))
