"""Products and sums of long vectors for L-BFGS, each in one pass.

Vectors are walked in blocks that the threads divide; the sums of the blocks are added in order, so that a dot product
does not depend on the number of threads.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.parameters import BLOCK, GRAIN

Vector = np.ndarray[Any, Any]


@kernel
def dot_part(start, stop, x, y, sums):
    """Sum x y over each block."""
    for block in range(start, stop):
        a, b = x[block * BLOCK : (block + 1) * BLOCK], y[block * BLOCK : (block + 1) * BLOCK]
        total = x.dtype.type(0)
        for j in range(a.size):
            total += a[j] * b[j]
        sums[block] = total


@kernel
def add_and_dot_part(start, stop, y, keep, gain, x, z, sums):
    """Set y to keep y + gain x and sum y z over each block."""
    keep, gain = x.dtype.type(keep), x.dtype.type(gain)
    for block in range(start, stop):
        a, b = x[block * BLOCK : (block + 1) * BLOCK], y[block * BLOCK : (block + 1) * BLOCK]
        c = z[block * BLOCK : (block + 1) * BLOCK]
        total = x.dtype.type(0)
        for j in range(b.size):
            value = keep * b[j] + gain * a[j]
            b[j] = value
            total += value * c[j]
        sums[block] = total


run_dot = split(dot_part)
run_add_and_dot = split(add_and_dot_part)


def dot(x: Vector, y: Vector) -> float:
    """Return the sum of x_i y_i."""
    sums = np.empty(-(-x.size // BLOCK))
    run_dot(threads_for(x.size, GRAIN), sums.size, x, y, sums)
    return float(sums.sum())


def add_and_dot(y: Vector, keep: float, gain: float, x: Vector, z: Vector) -> float:
    """Set y to keep y + gain x; return its dot product with z."""
    sums = np.empty(-(-x.size // BLOCK))
    run_add_and_dot(threads_for(x.size, GRAIN), sums.size, y, float(keep), float(gain), x, z, sums)
    return float(sums.sum())


def direction(
    grad: Vector, changes: Sequence[Vector], steps: Sequence[Vector], inverses: Sequence[float], scale: float
) -> Vector:
    """Return -H grad, H the approximation of the inverse Hessian (Nocedal 1980, the two-loop recursion).

    Args:
        grad: the gradient g.
        changes: the last changes of the gradient, y_i, oldest first.
        steps: the steps s_i that caused them.
        inverses: 1 / (y_i . s_i).
        scale: H before any of them is taken into account, times the identity.
    """
    q = -grad
    count = len(steps)
    if not count:
        return q * q.dtype.type(scale)
    alphas = [0.0] * count
    product = dot(steps[-1], q)
    for i in range(count - 1, -1, -1):  # q -= alpha_i y_i, alpha_i = (s_i . q) / (y_i . s_i)
        alphas[i] = product * inverses[i]
        product = add_and_dot(q, 1.0, -alphas[i], changes[i], steps[i - 1] if i else changes[0])
    product *= scale
    for i in range(count):  # r += (alpha_i - beta_i) s_i, beta_i = (y_i . r) / (y_i . s_i); r = scale q at first
        gain = alphas[i] - product * inverses[i]
        product = add_and_dot(q, 1.0 if i else scale, gain, steps[i], changes[min(i + 1, count - 1)])
    return q


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        ones = [np.ones(8, dtype) for _ in range(2)]
        yield f"lbfgs.direction {dtype}", functools.partial(direction, ones[0], ones, ones, [1.0, 1.0], 1.0)
