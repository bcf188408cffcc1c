"""Softmax, log-softmax and cross-entropy over the middle axis of (A, D, B), forward and backward.

Neighbouring columns b lie side by side in memory, so they are the lanes of vectors: a block of columns keeps its
maxima and sums in the first-level cache while the D rows go by, and nothing is transposed.  Blocks are so narrow
that their rows stay in the second-level cache from one pass to the next.  Fewer than `LEAST` columns are
transposed to rows, see `softmax`, which also says what becomes of infinities and NaN.

Cross-entropy of (8, 21, 64, 64), one thread (Zen 5): 0.27 ms forward and 0.23 ms backward, where transposing
took 2.5 and 1.5 ms.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import softmax as rows
from ops.kernels import softmax_column_loops as loops
from ops.kernels.arrays import dense, flat
from ops.kernels.jit import split, threads_for
from ops.kernels.scalar import Function
from ops.kernels.transposing import c_order

Array = np.ndarray[Any, Any]

LEAST = 16
"""Columns below which the loops do not fill vectors."""

BLOCK = 65536
"""Elements of a block, as far as it is wider than `LEAST_WIDTH`: a quarter of a second-level cache of 1 MB."""

LEAST_WIDTH = 64
"""Columns of a block where the rows are so many that it does not fit anyway."""


class Kernels(NamedTuple):
    """The compiled loops for one element type, each called as loop(threads, items, blocks, *arrays)."""

    softmax: Function
    log_softmax: Function
    softmax_backward: Function
    log_softmax_backward: Function
    cross_entropy: Function
    cross_entropy_backward: Function


@functools.cache
def kernels(dtype: np.dtype[Any]) -> Kernels:
    """Make the loops for float32 or float64."""
    if dtype not in (np.float32, np.float64):
        raise TypeError(f"softmax: expected float32 or float64, got {dtype}")
    real = dtype.type
    of_losses = loops.cross_entropy_loop(real), loops.cross_entropy_gradient(real)
    return Kernels(*map(split, (*loops.forward_loops(real), *loops.backward_loops(real), *of_losses)))


def run(loop: Function, shape: tuple[int, ...], *arguments: Any) -> None:
    """Run a loop over all blocks of columns of arrays (A, D, B)."""
    outer, size, columns = shape
    width = min(max(BLOCK // size, LEAST_WIDTH), loops.WIDTH)
    threads = threads_for(outer * size * columns, rows.GRAIN)
    blocks = max(-(-columns // width), min(-(-threads // outer), columns))
    loop(min(threads, outer * blocks), outer * blocks, blocks, *arguments)


def few_columns(x: Array) -> bool:
    """Return whether x (A, D, B) is computed row by row: the columns are too few for the loops, or none at all."""
    return x.shape[2] < LEAST or x.size == 0


def as_rows(x: Array) -> Array:
    """Return x (A, D, B) as (A B, D)."""
    outer, size, columns = x.shape
    return c_order(x.swapaxes(1, 2)).reshape(outer * columns, size)


def from_rows(x: Array, shape: tuple[int, ...]) -> Array:
    """Return rows (A B, D) as (A, D, B)."""
    outer, size, columns = shape
    return c_order(x.reshape(outer, columns, size).swapaxes(1, 2))


def apply(name: str, *arrays: Array) -> Array:
    """Run a softmax or its gradient on arrays (A, D, B)."""
    shape, dtype = arrays[0].shape, arrays[0].dtype
    if few_columns(arrays[0]):
        on_rows = getattr(rows, name if name.endswith("backward") else f"{name}_forward")
        return from_rows(on_rows(*map(as_rows, arrays)), shape)
    y = np.empty(shape, dtype)
    run(getattr(kernels(dtype), name), shape, *map(dense, arrays), y)
    return y


def softmax_forward(x: Array) -> Array:
    """Return y[a, i, b] = exp(x[a, i, b]) / sum_j exp(x[a, j, b])."""
    return apply("softmax", x)


def log_softmax_forward(x: Array) -> Array:
    """Return y[a, i, b] = x[a, i, b] - log sum_j exp(x[a, j, b])."""
    return apply("log_softmax", x)


def softmax_backward(grad: Array, y: Array) -> Array:
    """Return dx = y (grad - sum_j grad[a, j, b] y[a, j, b]), y = softmax(x)."""
    return apply("softmax_backward", grad, y)


def log_softmax_backward(grad: Array, y: Array) -> Array:
    """Return dx = grad - exp(y) sum_j grad[a, j, b], y = log_softmax(x)."""
    return apply("log_softmax_backward", grad, y)


def cross_entropy_forward(
    x: Array,
    target: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> rows.CrossEntropy:
    """Return the loss of each column of x (A, D, B) against class target[a, b]: see `softmax.cross_entropy_forward`.

    All results are (A B,).
    """
    outer, classes, columns = x.shape
    if few_columns(x):
        options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
        return rows.cross_entropy_forward(as_rows(x), target.reshape(-1), weight, **options)
    dtype = x.dtype
    target = rows.checked_classes(target.reshape(-1), classes, ignore_index)
    result = rows.CrossEntropy(*[np.empty(outer * columns, dtype) for _ in range(3)])
    run(
        kernels(dtype).cross_entropy,
        x.shape,
        dense(x),
        target.reshape(outer, columns),
        rows.class_weights(weight, classes, dtype),
        ignore_index,
        dtype.type(label_smoothing),
        *[each.reshape(outer, columns) for each in (result.loss, result.log_sum, result.row_weight)],
    )
    return result


def cross_entropy_backward(
    scale: Array,
    x: Array,
    target: Array,
    log_sum: Array,
    weight: Array | None = None,
    *,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
) -> Array:
    """Return dx (A, D, B) for the gradient scale (A B,) of each column's loss: see `softmax.cross_entropy_backward`."""
    outer, classes, columns = x.shape
    if few_columns(x):
        options: dict[str, Any] = {"ignore_index": ignore_index, "label_smoothing": label_smoothing}
        dx = rows.cross_entropy_backward(scale, as_rows(x), target.reshape(-1), log_sum, weight, **options)
        return from_rows(dx, x.shape)
    dx, dtype = np.empty(x.shape, x.dtype), x.dtype
    run(
        kernels(dtype).cross_entropy_backward,
        x.shape,
        flat(scale).reshape(outer, columns),
        dense(x),
        rows.class_numbers(target.reshape(-1)).reshape(outer, columns),
        rows.class_weights(weight, classes, dtype),
        ignore_index,
        dtype.type(label_smoothing),
        flat(log_sum).reshape(outer, columns),
        dx,
    )
    return dx


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    target = np.zeros(LEAST, np.int64)
    for dtype in ("float32", "float64"):
        x, ones = np.ones((1, 2, LEAST), dtype), np.ones(LEAST, dtype)
        yield f"softmax_columns.softmax {dtype}", functools.partial(softmax_forward, x)
        yield f"softmax_columns.log_softmax {dtype}", functools.partial(log_softmax_forward, x)
        yield f"softmax_columns.softmax_backward {dtype}", functools.partial(softmax_backward, x, x)
        yield f"softmax_columns.log_softmax_backward {dtype}", functools.partial(log_softmax_backward, x, x)
        yield f"softmax_columns.cross_entropy {dtype}", functools.partial(cross_entropy_forward, x, target)
        backward = functools.partial(cross_entropy_backward, ones, x, target, ones)
        yield f"softmax_columns.cross_entropy_backward {dtype}", backward
