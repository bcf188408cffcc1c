"""Normalisation in float64, statistics first: the oracle of the fast kernels.

`x` is (N, C, P); `owner` has its shape broadcast and names the set of elements each element is normalised with.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Result(NamedTuple):
    y: NDArray
    mean: NDArray
    var: NDArray


def owners(shape: tuple[int, int, int], kind: str, groups: int = 1) -> NDArray:
    """Number the set every element belongs to: its channel, its group of channels in its image, or its row."""
    n, c, _ = np.indices(shape)
    if kind == "batch":
        return c
    return n * groups + c * groups // shape[1]


def forward(x: NDArray, owner: NDArray, weight: NDArray, bias: NDArray, eps: float) -> Result:
    """y = (x - mean) / sqrt(var + eps) weight + bias with the mean and biased variance of the element's set."""
    x = x.astype(np.float64)
    sets = range(owner.max() + 1)
    mean = np.array([x[owner == s].mean() for s in sets])
    var = np.array([((x[owner == s] - mean[s]) ** 2).mean() for s in sets])
    return Result((x - mean[owner]) / np.sqrt(var[owner] + eps) * weight + bias, mean, var)


def backward(grad: NDArray, x: NDArray, owner: NDArray, weight: NDArray, eps: float) -> tuple[NDArray, NDArray]:
    """Return dx through the chain of mean and variance, and the summands grad h of the weight's gradient.

    h = (x - mean) s, s = 1 / sqrt(var + eps); dh = grad weight; ds = sum dh (x - mean); dvar = -ds s^3 / 2;
    dmean = -s sum dh; dx = s dh + 2 dvar (x - mean) / M + dmean / M.
    """
    grad, x = grad.astype(np.float64), x.astype(np.float64)
    dx, h, dh = np.empty(x.shape), np.empty(x.shape), grad * weight
    for s in range(owner.max() + 1):
        own = owner == s
        centred = x[own] - x[own].mean()
        scale = 1 / np.sqrt((centred**2).mean() + eps)
        dvar = -(dh[own] * centred).sum() * scale**3 / 2
        dx[own] = scale * dh[own] + (2 * dvar * centred - scale * dh[own].sum()) / own.sum()
        h[own] = centred * scale
    return dx, grad * h
