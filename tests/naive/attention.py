"""Attention query by query in float64: the oracle of the fast kernels."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Row = tuple[tuple[int, ...], int, NDArray, NDArray]


def rows(q: NDArray, k: NDArray, mask: Any, scale: float, causal: bool) -> Iterator[Row]:
    """Yield (n, l, weights of query l of matrix n, their Jacobian by the scores); no weights where no key is seen."""
    for n in np.ndindex(q.shape[:-2]):
        for i in range(q.shape[-2]):
            x = scale * k[n] @ q[n][i] + (0 if mask is None else mask[n][i])
            if causal:
                x[i + 1 :] = -np.inf
            e = np.zeros(len(x)) if np.isneginf(x).all() else np.exp(x - x.max())
            p = e / max(e.sum(), 1)
            yield n, i, p, np.diag(p) - np.outer(p, p)


def attention(q: NDArray, k: NDArray, v: NDArray, mask: Any, scale: float, causal: bool, factors: Any) -> NDArray:
    """o[l] = sum_s p[l, s] factors[l, s] v[s]; all arrays have the same leading axes."""
    o = np.zeros((*q.shape[:-1], v.shape[-1]))
    for n, i, p, _ in rows(q, k, mask, scale, causal):
        o[n][i] = (p * factors[n][i]) @ v[n]
    return o


def attention_grad(
    grad: NDArray, q: NDArray, k: NDArray, v: NDArray, mask: Any, scale: float, causal: bool, factors: Any
) -> tuple[NDArray, NDArray, NDArray]:
    """Return dq, dk, dv."""
    dq, dk, dv = (np.zeros(x.shape) for x in (q, k, v))
    for n, i, p, jacobian in rows(q, k, mask, scale, causal):
        dv[n] += np.outer(p * factors[n][i], grad[n][i])
        dx = jacobian @ (factors[n][i] * (v[n] @ grad[n][i]))
        dq[n][i] = scale * dx @ k[n]
        dk[n] += scale * np.outer(dx, q[n][i])
    return dq, dk, dv
