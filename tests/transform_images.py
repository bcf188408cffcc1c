"""What tests of transforms share: drawn images, and how results are compared."""

import math

import numpy as np

MANY = 4000  # draws, where their distribution is looked at


def draw(*shape, seed=0, dtype=np.float64):
    values = np.random.default_rng((seed, *shape)).random(shape)
    return (values * 256).astype(np.uint8) if dtype == np.uint8 else values.astype(dtype)


def one(value):
    return np.array([value])


def assert_close(found, expected, tolerance=1e-10):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def assert_share(found, expected, count=MANY):
    """Assert a share of `count` draws within five standard deviations."""
    assert abs(found - expected) <= 5 * math.sqrt(expected * (1 - expected) / count)
