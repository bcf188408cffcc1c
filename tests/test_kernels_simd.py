"""The leaves, called directly, against NumPy; every operand lies between canaries."""

import ctypes
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ops.kernels import native, simd

DTYPES = [np.float32, np.float64]
GAP = 64


def call(leaf: int, *arguments: Any) -> None:
    """Call a leaf; arrays stand for their addresses."""
    integers = [x.ctypes.data if isinstance(x, np.ndarray) else int(x) for x in arguments]
    ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * len(integers))(leaf)(*integers)


class Canaried:
    """An array inside a buffer of NaN, so that what leaks in shows and what leaks out is found."""

    def __init__(self, values: np.ndarray) -> None:
        self.buffer = np.full(values.size + 2 * GAP, np.nan, values.dtype)
        self.array = self.buffer[GAP : GAP + values.size].reshape(values.shape)
        self.array[...] = values

    def untouched_around(self) -> bool:
        end = GAP + self.array.size
        return bool(np.isnan(self.buffer[:GAP]).all() and np.isnan(self.buffer[end:]).all())


def random(seed: int, *shape: int, dtype: type) -> np.ndarray:
    return Canaried(np.random.default_rng([seed, *shape]).standard_normal(shape).astype(dtype)).array


def tile(dtype: type) -> tuple[int, int, int]:
    """Rows and vectors of the tile under test, and the elements of a vector."""
    return (12 if simd.registers() == 32 else 6), 2, simd.lanes(dtype)


@pytest.mark.parametrize("prefetch", ["", "ac", "abc", "rc", "n", "cnn"])
@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=150)
def test_outer_product(prefetch: str, dtype: type, data: st.DataObject) -> None:
    rows, vectors, lanes = tile(dtype)
    size = np.dtype(dtype).itemsize
    m, n = data.draw(st.integers(1, rows), "rows"), data.draw(st.integers(1, vectors * lanes), "columns")
    segments, steps = data.draw(st.integers(0, 3), "segments"), data.draw(st.integers(0, 5), "steps")
    mode, relu = data.draw(st.integers(0, 3), "mode"), data.draw(st.booleans(), "relu")
    edge = data.draw(st.sampled_from([0, 1, 2] if n == vectors * lanes else [1, 2]), "edge")
    transposed = data.draw(st.booleans(), "transposed")
    a = random(0, segments, *((steps, m) if transposed else (m, steps)), dtype=dtype)
    b = random(1, segments, steps, n if edge == 2 else vectors * lanes, dtype=dtype)
    c = Canaried(random(2, m, n, dtype=dtype))
    bias = random(3, m if mode == 2 else n, dtype=dtype)
    initial = [np.zeros((m, n)), c.array.copy(), bias[:, None], bias[None]][mode]
    products = (a.swapaxes(1, 2) if transposed else a).astype(np.float64) @ b[:, :, :n]
    expected = initial + products.sum(axis=0)

    offsets = np.array([[s * a[0].nbytes, s * b[0].nbytes] for s in range(segments)], np.int64)
    shift = np.arange(vectors) * lanes
    table = np.array([shift * size, shift * size, np.clip(n - shift, 0, lanes)], np.int64)
    a_row, a_step = (size, m * size) if transposed else (steps * size, size)
    fetched = (a, 8, 24, 100, 40) if "n" in prefetch else ()  # rows of 40 bytes, 100 apart, that soon leave the array
    call(
        simd.outer_product(rows, vectors, dtype, prefetch=prefetch), a, a_row, a_step, b, b.shape[2] * size, offsets,
        segments, steps, table, edge, c.array, n * size, mode, bias, relu, m, *fetched,
    )  # fmt: skip

    expected = np.maximum(expected, 0) if relu else expected
    np.testing.assert_allclose(c.array, expected, rtol=0, atol=100 * np.finfo(dtype).eps, equal_nan=False)
    assert c.untouched_around()


def test_outer_product_skips_vectors_without_a_lane() -> None:
    rows, vectors, lanes = tile(np.float32)
    a, b = random(0, rows, 3, dtype=np.float32), random(1, 3, lanes, dtype=np.float32)
    c = Canaried(np.zeros((rows, lanes), np.float32))
    table = np.array([[0, 1 << 40], [0, 1 << 40], [lanes, 0]], np.int64)  # the second vector is nowhere
    segment = np.zeros((1, 2), np.int64)
    leaf = simd.outer_product(rows, vectors, np.float32)
    call(leaf, a, 12, 4, b, 4 * lanes, segment, 1, 3, table, 2, c.array, 4 * lanes, 0, c.array, 0, rows)
    np.testing.assert_allclose(c.array, a @ b, rtol=0, atol=1e-5)
    assert c.untouched_around()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -0.0])
def test_relu_keeps_nan_and_infinity(value: float) -> None:
    rows, vectors, lanes = tile(np.float32)
    c = np.full((rows, vectors * lanes), value, np.float32)
    expected = np.maximum(c, 0)
    shift = np.arange(vectors) * lanes * 4
    table, segment = np.array([shift, shift, [lanes] * vectors], np.int64), np.zeros((1, 2), np.int64)
    leaf = simd.outer_product(rows, vectors, np.float32)
    call(leaf, c, 0, 0, c, 0, segment, 0, 0, table, 0, c, c.strides[0], 1, c, 1, rows)
    np.testing.assert_array_equal(c, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=100)
def test_dot_tile_and_dot_store(dtype: type, data: st.DataObject) -> None:
    rows, columns = (4, 6) if simd.registers() == 32 else (2, 4)
    lanes, size = simd.lanes(dtype), np.dtype(dtype).itemsize
    m, n = data.draw(st.integers(1, rows), "rows"), data.draw(st.integers(0, columns), "columns")
    runs, length = data.draw(st.integers(0, 3), "runs"), data.draw(st.integers(0, 3 * lanes), "length")
    mode, relu = data.draw(st.integers(0, 3), "mode"), data.draw(st.booleans(), "relu")
    start = data.draw(st.booleans(), "start")
    a, b = random(0, m, runs, length, dtype=dtype), random(1, columns, runs, length, dtype=dtype)
    sums = Canaried(random(2, rows, columns, lanes, dtype=dtype))
    c, bias = Canaried(random(3, m, n, dtype=dtype)), random(4, m if mode == 2 else n, dtype=dtype)
    initial = [np.zeros((m, n)), c.array.copy(), bias[:, None], bias[None]][mode]
    totals = np.einsum("irl,jrl->ij", a, b, dtype=np.float64) + start * sums.array.sum(axis=2)[:m]

    row, run = runs * length * size, length * size
    table = np.arange(columns) * row
    tile_leaf, store_leaf = simd.dot_tile(rows, columns, dtype), simd.dot_store(rows, columns, dtype)
    call(tile_leaf, a, row, m, b, table, runs, run, run, length // lanes, length % lanes, start, sums.array)
    call(store_leaf, sums.array, c.array, n * size, m, n, mode, bias, relu)

    expected = initial + totals[:, :n]
    expected = np.maximum(expected, 0) if relu else expected
    np.testing.assert_allclose(c.array, expected, rtol=0, atol=300 * np.finfo(dtype).eps, equal_nan=False)
    assert c.untouched_around()
    assert sums.untouched_around()


@pytest.mark.parametrize("dtype", DTYPES)
@given(count=st.integers(0, 50))
def test_lane_sums(dtype: type, count: int) -> None:
    sums = random(0, count, simd.lanes(dtype), dtype=dtype)
    out = Canaried(np.zeros(count, dtype))
    call(simd.lane_sums(dtype), sums, count, out.array)
    np.testing.assert_allclose(out.array, sums.sum(axis=1), rtol=0, atol=100 * np.finfo(dtype).eps)
    assert out.untouched_around()


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
@settings(max_examples=100)
def test_transpose(dtype: type, data: st.DataObject) -> None:
    lanes = simd.lanes(dtype)
    count = st.one_of(st.just(lanes), st.integers(0, lanes))
    n_rows, n_columns, n_store = data.draw(count), data.draw(count), data.draw(count)
    source = random(0, n_rows, n_columns, dtype=dtype)
    destination = Canaried(np.ones((n_columns, n_store), dtype))
    size = np.dtype(dtype).itemsize
    call(
        simd.transpose(dtype),
        source,
        n_columns * size,
        n_rows,
        n_columns,
        destination.array,
        n_store * size,
        n_store,
    )
    expected = np.zeros((n_columns, n_store), dtype)
    shared = min(n_rows, n_store)
    expected[:, :shared] = source.T[:, :shared]
    np.testing.assert_array_equal(destination.array, expected)
    assert destination.untouched_around()


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
@given(n_rows=st.integers(0, 5), data=st.data())
def test_copy_panel(prefetch: bool, dtype: type, n_rows: int, data: st.DataObject) -> None:
    width, size = 2 * simd.lanes(dtype), np.dtype(dtype).itemsize
    n_columns = data.draw(st.integers(0, width))
    source = random(0, n_rows, n_columns, dtype=dtype)
    destination = Canaried(np.ones((n_rows, width), dtype))
    call(
        simd.copy_panel(2, dtype, prefetch=prefetch),
        source,
        n_columns * size,
        destination.array,
        width * size,
        n_rows,
        n_columns,
    )
    expected = np.zeros((n_rows, width), dtype)
    expected[:, :n_columns] = source
    np.testing.assert_array_equal(destination.array, expected)
    assert destination.untouched_around()


def test_a_leaf_is_made_once() -> None:
    assert simd.transpose(np.float32) == simd.transpose("f4") == native._addresses["transpose_float32_0"]


def test_a_vector_fits_the_machine() -> None:
    assert simd.vector_bytes() in (16, 32, 64)
    assert simd.lanes(np.float32) == 2 * simd.lanes(np.float64)
