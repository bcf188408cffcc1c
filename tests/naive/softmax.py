"""Softmax and cross-entropy row by row in float64: the oracle of the fast kernels."""

import math

import numpy as np
from numpy.typing import NDArray


def log_softmax(x: NDArray) -> NDArray:
    """l[r, i] = x[r, i] - log sum_j exp(x[r, j])."""
    rows = [[v - max(row) - math.log(sum(math.exp(u - max(row)) for u in row)) for v in row] for row in x.tolist()]
    return np.array(rows).reshape(x.shape)


def softmax_grad(grad: NDArray, x: NDArray) -> NDArray:
    """dx[r, i] = sum_j grad[r, j] dp_j / dx_i, dp_j / dx_i = p_j ([i = j] - p_i)."""
    dx = np.zeros(x.shape)
    for r, p in enumerate(np.exp(log_softmax(x))):
        jacobian = np.diag(p) - np.outer(p, p)
        dx[r] = grad[r] @ jacobian
    return dx


def log_softmax_grad(grad: NDArray, x: NDArray) -> NDArray:
    """dx[r, i] = sum_j grad[r, j] dl_j / dx_i, dl_j / dx_i = [i = j] - p_i."""
    dx = np.zeros(x.shape)
    for r, p in enumerate(np.exp(log_softmax(x))):
        dx[r] = grad[r] @ (np.eye(len(p)) - p)
    return dx


def cross_entropy(
    x: NDArray, target: NDArray, weight: NDArray, ignore_index: int, smoothing: float
) -> tuple[NDArray, NDArray]:
    """Return each row's loss -sum_i q[i] w[i] l[i] and the q w, q = (1 - e) [i = t] + e / D."""
    mass = np.zeros(x.shape)
    for r, t in enumerate(target):
        if t != ignore_index:
            mass[r] = smoothing / x.shape[1] * weight
            mass[r, t] += (1 - smoothing) * weight[t]
    return -(mass * log_softmax(x)).sum(axis=1), mass
