"""The counter-based generator behind dropout."""

import numpy as np
import pytest

from ops.kernels import random
from ops.kernels.threads import least_threads

TYPES = (np.float32, np.float64)


def reference_bits(i: int, key: int) -> int:
    """Compute the 32 bits of counter i in Python integers."""

    def mix(h: int) -> int:
        h = (h ^ h >> 16) * 0x21F0AAAD % 2**32
        h = (h ^ h >> 15) * 0x735A2D97 % 2**32
        return h ^ h >> 15

    return mix((mix((i * 0x9E3779B9 + key % 2**32) % 2**32) + (key >> 32)) % 2**32)


@pytest.mark.parametrize("real", TYPES)
def test_mask_is_the_hash_of_counter_and_key(real):
    key, p = 0x0123456789ABCDEF, 0.3
    x = np.arange(1, 101, dtype=real)
    y, mask = random.dropout_forward(x, p, key)
    expected = [reference_bits(i, key) < round(0.7 * 2**32) for i in range(100)]
    assert mask.tolist() == expected
    np.testing.assert_allclose(y, np.where(expected, x / 0.7, 0), rtol=1e-6)
    assert (y.dtype, mask.dtype) == (real, np.bool_)


@pytest.mark.parametrize("shape", [(), (0,), (7,), (3, 5, 11), (70_001,)])
def test_threads_do_not_change_the_mask(shape):
    x = np.ones(shape, np.float32)
    y, mask = random.dropout_forward(x, 0.5, 1)
    assert y.shape == mask.shape == shape
    for threads in (1, 2, 3):
        with least_threads(threads):
            again, same = random.dropout_forward(x, 0.5, 1)
        assert np.array_equal(mask, same)
        assert np.array_equal(y, again)


@pytest.mark.parametrize("p", [0.01, 0.1, 0.5, 0.9])
def test_share_kept_and_independence(p):
    n = 1 << 20
    x = np.ones(n, np.float32)
    masks = [random.dropout_forward(x, p, key)[1] for key in (0, 1, 2**32, 12345)]
    sigma = np.sqrt(p * (1 - p) / n)
    for mask in masks:
        kept = mask - (1 - p)
        assert abs(kept.mean()) < 5 * sigma
        for lag in (1, 2, 16, 1024):  # neighbours are uncorrelated
            assert abs((kept[lag:] * kept[:-lag]).mean()) < 5 * p * (1 - p) / np.sqrt(n)
        rows = kept.reshape(1024, 1024)
        for axis in (0, 1):  # no row or column is favoured
            assert abs(rows.mean(axis)).max() < 6 * np.sqrt(p * (1 - p) / 1024)
    for a in range(4):
        for b in range(a):
            product = (masks[a] - (1 - p)) * (masks[b] - (1 - p))
            assert abs(product.mean()) < 5 * p * (1 - p) / np.sqrt(n)


def test_probability_zero_and_one():
    x = np.array([1, -2, np.inf], np.float32)
    y, mask = random.dropout_forward(x, 0.0, 3)
    assert mask.all()
    assert np.array_equal(y, x)
    with np.errstate(invalid="ignore"):
        y, mask = random.dropout_forward(x[:2], 1.0, 3)
    assert not mask.any()
    assert (y == 0).all()
    assert (random.dropout_backward(x[:2], mask, 1.0) == 0).all()


def test_dropped_nan_stays_as_in_pytorch():
    x = np.full(64, np.nan, np.float32)
    y, mask = random.dropout_forward(x, 0.5, 3)
    assert not mask.all()
    assert np.isnan(y).all()


@pytest.mark.parametrize("real", TYPES)
def test_backward_is_the_mask_times_the_scale(real):
    grad = np.linspace(-1, 1, 500).astype(real).reshape(5, 100)
    _, mask = random.dropout_forward(grad, 0.2, 9)
    np.testing.assert_allclose(random.dropout_backward(grad.T, mask.T, 0.2), (grad * mask).T / 0.8, rtol=1e-6)
