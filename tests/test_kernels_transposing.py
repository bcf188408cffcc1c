"""Copies in C order against NumPy's, for every order of axes."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as torch
from ops.kernels import transposing


@pytest.fixture(autouse=True)
def _no_array_is_small(monkeypatch):
    monkeypatch.setattr(transposing, "SMALL", 0)


@given(
    shape=st.lists(st.integers(0, 40), min_size=1, max_size=4),
    seed=st.integers(0, 2**32 - 1),
    dtype=st.sampled_from([np.float32, np.float64, np.int32]),
    data=st.data(),
)
def test_equals_numpy(shape, seed, dtype, data):
    order = data.draw(st.permutations(range(len(shape))))
    step = data.draw(st.sampled_from([1, 2, -1]))
    values = np.random.default_rng(seed).integers(-99, 99, shape).astype(dtype)
    x = values.transpose(order)[..., ::step]
    copy = transposing.c_order(x)
    np.testing.assert_array_equal(copy, x)
    assert copy.flags.carray
    assert not np.may_share_memory(copy, values)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_and_their_edges(threads, dtype, monkeypatch):
    monkeypatch.setattr(transposing, "GRAIN", 1)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for B, M, N in itertools.product((1, 3), (8, 16, 37), (9, 32, 45)):
            values = np.random.default_rng(0).standard_normal((B, N, M)).astype(dtype)
            x = values.swapaxes(1, 2)
            assert transposing.stack_of_transposed(x) == (B, M, N, M * N * x.itemsize * (B > 1), M * x.itemsize)
            np.testing.assert_array_equal(transposing.c_order(x), x)
    finally:
        torch.set_num_threads(before)


def test_read_only_and_strided_memory():
    values = np.random.default_rng(0).standard_normal((3, 20, 64)).astype(np.float32)
    values.setflags(write=False)
    for x in (values[:, ::2].swapaxes(1, 2), np.broadcast_to(values[:, :1], (3, 9, 64)).swapaxes(1, 2)):
        assert transposing.stack_of_transposed(x) is not None
        np.testing.assert_array_equal(transposing.c_order(x), x)


def test_axes_that_do_not_merge_are_left_to_numpy():
    x = np.zeros((8, 12, 197, 64), np.float32).transpose(0, 2, 1, 3)
    assert transposing.stack_of_transposed(x) is None
    assert transposing.stack_of_transposed(np.zeros((5, 4), np.float32)) is None


def test_reshape_stays_a_view_where_it_can():
    x = torch.zeros(64, 16, 128).transpose(1, 2)
    assert x.reshape(64, 2, 64, 16)._view is not None
    copied = x.reshape(64 * 128, 16)
    assert copied._view is None
    assert not np.may_share_memory(copied.array, x.array)
