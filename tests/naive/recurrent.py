"""Recurrent layers in float64, sequence by sequence, unit by unit: the oracle of the fast kernels."""

import math

import numpy as np
from numpy.typing import NDArray


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def layer(kind, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, batch_sizes, reverse=False) -> NDArray:
    """Return [y | last h | last c] along one axis; x (T, B, I) or packed (rows, I), h and c None for zeros."""
    rows = np.asarray(x, np.float64).reshape(sum(batch_sizes), w_ih.shape[1])
    B, H = max(batch_sizes, default=0), w_hh.shape[1] if w_hr is None else w_hr.shape[1]
    first = np.concatenate([[0], np.cumsum(batch_sizes)])
    h = np.zeros((B, w_hh.shape[1])) if h is None else np.array(h, np.float64)
    c = np.zeros((B, H)) if c is None else np.array(c, np.float64)
    y = np.zeros((len(rows), w_hh.shape[1]))
    for b in range(B):
        length = sum(size > b for size in batch_sizes)
        for t in reversed(range(length)) if reverse else range(length):
            h[b], c[b] = step(kind, rows[first[t] + b], h[b], c[b], w_ih, w_hh, b_ih, b_hh, w_hr)
            y[first[t] + b] = h[b]
    return np.concatenate([y.ravel(), h.ravel(), c.ravel() if kind == "lstm" else np.empty(0)])


def step(kind, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr):
    """Take one sequence one step on."""
    of_x = w_ih.astype(np.float64) @ x + (0 if b_ih is None else b_ih)
    of_h = w_hh.astype(np.float64) @ h + (0 if b_hh is None else b_hh)
    H = len(c)
    after, cell = np.empty(H), c.copy()
    for u in range(H):
        if kind == "gru":
            r, z = sigmoid(of_x[u] + of_h[u]), sigmoid(of_x[H + u] + of_h[H + u])
            n = math.tanh(of_x[2 * H + u] + r * of_h[2 * H + u])
            after[u] = (1 - z) * n + z * h[u]
        elif kind == "lstm":
            i, f, g, o = (of_x[k * H + u] + of_h[k * H + u] for k in range(4))
            cell[u] = sigmoid(f) * c[u] + sigmoid(i) * math.tanh(g)
            after[u] = sigmoid(o) * math.tanh(cell[u])
        else:
            a = of_x[u] + of_h[u]
            after[u] = math.tanh(a) if kind == "tanh" else max(a, 0)
    return (after if w_hr is None else w_hr @ after), cell
