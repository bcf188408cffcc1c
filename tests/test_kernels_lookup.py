"""Gather and scatter kernels against the obvious loop."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.kernels import lookup
from ops.kernels.threads import least_threads

MOVES = {
    "take": lambda x, y, a, r, n, b: y.__setitem__((a, n, b), x[a, r, b]),
    "put": lambda x, y, a, r, n, b: y.__setitem__((a, r, b), x[a, n, b]),
    "add": lambda x, y, a, r, n, b: y.__setitem__((a, r, b), y[a, r, b] + x[a, n, b]),
}


@pytest.mark.parametrize("real", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", MOVES)
@given(
    sizes=st.tuples(st.integers(0, 4), st.integers(1, 5), st.integers(0, 6), st.sampled_from([1, 2, 40, 70])),
    seed=st.integers(0, 99),
    strided=st.booleans(),
)
def test_moves(real, threads, name, sizes, seed, strided):
    outer, rows, count, inner = sizes
    rng = np.random.default_rng(seed)
    index = rng.integers(0, rows, (outer, count, inner)).astype(rng.choice([np.int32, np.int64]))
    taken, given_ = (outer, rows, inner), index.shape
    x = rng.standard_normal(taken if name == "take" else given_).astype(real)
    y = rng.standard_normal(given_ if name == "take" else taken).astype(real)
    if strided:
        x = np.repeat(x, 2, axis=1)[:, ::2]
    expected = y.copy()
    for a, n, b in np.ndindex(index.shape):
        MOVES[name](x, expected, a, index[a, n, b], n, b)
    with least_threads(threads):
        lookup.run(getattr(lookup, name), x, index, y)
    assert np.array_equal(y, expected)


def place_by_place(indices, sizes):
    """Return, for each position of indices of one shape, its number in an array of `sizes`."""
    joined = np.zeros(indices[0].shape, np.int64)
    for position in np.ndindex(joined.shape):
        for index, size in zip(indices, sizes, strict=True):
            joined[position] = joined[position] * size + index[position] % size
    return joined


@given(
    sizes=st.lists(st.integers(1, 5), min_size=2, max_size=4),
    shape=st.sampled_from([(), (0,), (1,), (7,), (3, 4), (2, 0), (40,)]),
    seed=st.integers(0, 99),
    strided=st.booleans(),
)
def test_join(sizes, shape, seed, strided):
    rng = np.random.default_rng(seed)
    indices = [rng.integers(-size, size, shape).astype(rng.choice([np.int32, np.int64])) for size in sizes]
    expected = place_by_place(indices, sizes)
    if strided:
        indices = [np.repeat(index[..., None], 2, -1)[..., 0] for index in indices]
    found = lookup.join(indices, sizes)
    assert found.dtype == np.int64
    assert np.array_equal(found, expected)


def test_join_broadcasts():
    rows, columns = np.array([[2], [-1], [0]]), np.array([1, -4, 3, 0])
    both = np.broadcast_arrays(rows, columns)
    assert np.array_equal(lookup.join((rows, columns), (3, 4)), place_by_place(both, (3, 4)))
    with pytest.raises(ValueError, match="broadcast"):
        lookup.join((np.zeros(3, np.int64), np.zeros(2, np.int64)), (3, 4))


@pytest.mark.parametrize("bad", [4, -5, np.iinfo(np.int64).min, np.iinfo(np.int64).max])
@pytest.mark.parametrize("which", [0, 1, 2])
def test_join_refuses_an_index_outside(bad, which):
    indices = [np.zeros(1001, np.int64) for _ in range(3)]
    indices[which][700] = bad
    with pytest.raises(IndexError, match="out of bounds"):
        lookup.join(indices, (4, 4, 4))


@given(st.lists(st.integers(-2, 6), max_size=40))
def test_any_outside(numbers):
    expected = any(not 0 <= n < 5 for n in numbers)
    assert lookup.any_outside(np.array(numbers, np.int64), 5) == expected


@pytest.mark.parametrize("bad", [-1, 5, np.iinfo(np.int64).min, np.iinfo(np.int64).max])
def test_any_outside_sees_one_among_many(bad):
    index = np.zeros(1001, np.int64)
    index[700] = bad
    assert lookup.any_outside(index, 5)
