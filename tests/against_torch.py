"""Comparison of a function with PyTorch's: values, first and second gradients, in float64."""

from collections.abc import Callable
from typing import Any

import numpy as np

import ops  # noqa: F401  # binds the operators
from autograd.tape import grad
from autograd.tensor import Tensor

TOLERANCE = 1e-10


def draw(*shape: int, seed: int = 0) -> np.ndarray:
    """Return standard normal numbers; other shapes and seeds give others."""
    return np.random.default_rng((seed, *shape)).standard_normal(shape)


def distinct(*shape: int, seed: int = 0) -> np.ndarray:
    """Return numbers no two of which are equal, or nearly so: away from the ties of a maximum."""
    size = int(np.prod(shape))
    return np.random.default_rng((seed, *shape)).permutation(size).reshape(shape) / max(size, 1) * 4.0 - 1.9


def assert_close(ours: Any, theirs: Any, tolerance: float = TOLERANCE) -> None:
    """Assert same shape and type, and values within `tolerance`, NaN exactly where PyTorch has NaN."""
    expected = theirs.numpy(force=True)
    assert isinstance(ours, Tensor)
    assert ours.array.shape == expected.shape
    assert ours.array.dtype == expected.dtype
    np.testing.assert_allclose(ours.array, expected, rtol=tolerance, atol=tolerance, equal_nan=True)


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    *arrays: Any,
    order: int = 2,
    tolerance: float = TOLERANCE,
) -> None:
    """Compare two functions of the same arrays, and the gradients of both with respect to all floating ones.

    The first gradients are those of Σ u · y, once in an ordinary backward and once recorded; the second those
    of Σ v · (first gradients), with respect to the arrays and to u. All of u and v are random.
    """
    import torch

    x = [a if a is None else Tensor(a.copy(), requires_grad=a.dtype.kind == "f") for a in arrays]
    t = [a if a is None else torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    y, z = ours(*x), theirs(*t)
    assert_close(y, z, tolerance)
    u, s = _weights(y.array.shape, 1)
    x, t = ([p for p in each if p is not None and p.requires_grad] for each in (x, t))
    if order == 0:
        return
    expected = torch.autograd.grad(z, t, s, create_graph=True, allow_unused=True, materialize_grads=True)
    options = {"retain_graph": True, "allow_unused": True, "materialize_grads": True}
    for found in (grad(y, x, u, **options), grad(y, x, u, create_graph=True, **options)):
        for a, b in zip(found, expected, strict=True):
            assert_close(a, b, tolerance)
    if order == 1:
        return
    weights = [_weights(a.array.shape, 2 + i) for i, a in enumerate(found)]
    roots, v = _linked(found, [ours for ours, _ in weights], u)
    second = grad(roots, [*x, u], v, **options)
    roots, w = _linked(expected, [theirs for _, theirs in weights], s)
    expected = torch.autograd.grad(roots, [*t, s], w, allow_unused=True, materialize_grads=True)
    for a, b in zip(second, expected, strict=True):
        assert_close(a, b, tolerance)


def _linked(gradients: Any, weights: list[Any], u: Any) -> tuple[list[Any], list[Any]]:
    """Return the gradients that can be differentiated, with their weights; and one more, that is always 0."""
    pairs = [(a, v) for a, v in zip(gradients, weights, strict=True) if a.requires_grad]
    nothing = (u * 0).sum()
    roots, v = zip(*pairs, (nothing, nothing.detach()), strict=True)
    return list(roots), list(v)


def _weights(shape: tuple[int, ...], seed: int) -> tuple[Tensor, Any]:
    import torch

    array = draw(*shape, seed=seed)
    return Tensor(array.copy(), requires_grad=True), torch.tensor(array, requires_grad=True)
