"""Kernels between pages that cannot be touched: python -m tests.guarded [after|before] [group].

Every array a kernel is given or allocates ends where a forbidden page begins (`after`), or begins where one ends
(`before`). A read or write outside ends the process; the last line printed names the case. Results are compared with
those of ordinary arrays.
"""

import ctypes
import faulthandler
import itertools
import math
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ops.kernels import adaptive_pool as adaptive
from ops.kernels import (
    attention,
    attention_rows,
    choices,
    conv,
    elementwise,
    extremes,
    gemm,
    gemm_plan,
    lookup,
    norm,
    pool,
    random,
    recurrent,
    recurrent_plan,
    reduction,
    row_norm,
    rows,
    scan,
    scratch,
    softmax,
    softmax_columns,
    transposing,
)
from ops.kernels.threads import least_threads, set_num_threads

PAGE = mmap.PAGESIZE
FORBIDDEN = 0  # PROT_NONE
ALLOCATORS = {"empty": np.empty, "zeros": np.zeros, "ones": np.ones}
FLOATS = (np.float32, np.float64)

_libc = ctypes.CDLL(None, use_errno=True)


def guarded(shape: Any, dtype: Any, side: str) -> np.ndarray:
    """Return zeros that touch a forbidden page."""
    dtype = np.dtype(dtype)
    count = math.prod(shape) if isinstance(shape, tuple) else int(shape)
    pages = max(1, -(-count * dtype.itemsize // PAGE))
    memory = mmap.mmap(-1, (pages + 2) * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (0, pages + 1):
        if _libc.mprotect(ctypes.c_void_p(start + page * PAGE), ctypes.c_size_t(PAGE), FORBIDDEN):
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = PAGE if side == "before" else (pages + 1) * PAGE - count * dtype.itemsize
    return np.frombuffer(memory, dtype, count, offset).reshape(shape)


@contextmanager
def guarding(side: str) -> Iterator[None]:
    """Let NumPy allocate between forbidden pages."""

    def allocator(value: int) -> Callable[..., np.ndarray]:
        def allocate(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
            if order != "C" or np.dtype(dtype).hasobject:
                return ALLOCATORS["empty"](shape, dtype, order)
            array = guarded(shape, dtype, side)
            if value:
                array.fill(value)
            return array

        return allocate

    scratch.release()
    try:
        np.empty, np.zeros, np.ones = allocator(0), allocator(0), allocator(1)
        yield
    finally:
        np.empty, np.zeros, np.ones = ALLOCATORS["empty"], ALLOCATORS["zeros"], ALLOCATORS["ones"]
        scratch.release()


def check(name: str, function: Callable[..., Any], *arrays: np.ndarray | None, side: str, **options: Any) -> Any:
    """Call with ordinary arrays, then with guarded ones, and compare all results; return the first."""
    print(name, [None if a is None else a.shape for a in arrays], options, flush=True)
    expected = function(*arrays, **options)
    with guarding(side):
        moved = []
        for a in arrays:
            if a is None:
                moved.append(None)
                continue
            transposed = a.ndim > 1 and not a.flags.c_contiguous
            source = a.swapaxes(-1, -2) if transposed else a
            copy = guarded(source.shape, a.dtype, side)
            copy[...] = source
            moved.append(copy.swapaxes(-1, -2) if transposed else copy)
        results = function(*moved, **options)
        for one, other in zip(_leaves(expected), _leaves(results), strict=True):
            np.testing.assert_array_equal(one, other)
    return expected


def _leaves(result: Any) -> Iterator[np.ndarray]:
    if isinstance(result, tuple):
        for each in result:
            yield from _leaves(each)
    elif result is not None:
        yield np.asarray(result)


def values(*shape: int, dtype: Any) -> np.ndarray:
    """Return normal numbers that depend on the shape alone."""
    return np.random.default_rng(shape).standard_normal(shape).astype(dtype)


# -- the cases -----------------------------------------------------------------------------------------------


def products(side: str) -> None:
    """Matrix products of every kind, at sizes around the tiles'."""
    gemm_plan.NUMPY_PRODUCT = gemm_plan.NUMPY_VECTOR = 0
    sizes = [(1, 5, 3), (1, 100, 300), (7, 33, 17), (13, 1, 40), (12, 32, 64), (25, 47, 129), (130, 70, 515)]
    for dtype, (M, N, K) in itertools.product(FLOATS, sizes):
        a, b = values(M, K, dtype=dtype), values(K, N, dtype=dtype)
        at, bt = values(K, M, dtype=dtype).T, values(N, K, dtype=dtype).T
        for x, y in ((a, b), (a, bt), (at, b), (at, bt)):
            check("matmul", gemm.matmul, x, y, side=side)
        bias = values(N, dtype=dtype)
        check("linear", lambda a, w, c: gemm.linear(a, w, c, relu=True), a, values(N, K, dtype=dtype), bias, side=side)
        stack, other = values(3, M, K, dtype=dtype), values(3, K, N, dtype=dtype)
        check("batched_matmul", gemm.batched_matmul, stack, other, side=side)
        check("c_order", transposing.c_order, values(3, K, M + 40, dtype=dtype).swapaxes(1, 2), side=side)


CONVOLUTIONS = [  # x, w, stride, padding, dilation, groups
    ((1, 1, 5, 5), (1, 1, 3, 3), 1, 1, 1, 1),
    ((2, 3, 9, 11), (5, 3, 3, 3), 1, 1, 1, 1),
    ((17, 4, 7, 6), (6, 4, 3, 3), 1, 0, 1, 1),
    ((3, 16, 13, 13), (17, 16, 3, 3), 1, 1, 1, 1),
    ((9, 20, 8, 8), (24, 20, 3, 3), 1, 1, 1, 1),
    ((2, 3, 23, 21), (8, 3, 7, 7), 2, 3, 1, 1),
    ((2, 8, 10, 9), (12, 8, 1, 1), 1, 0, 1, 1),
    ((2, 8, 10, 9), (12, 8, 1, 1), 2, 0, 1, 1),
    ((3, 6, 14, 14), (16, 6, 5, 5), 1, 2, 1, 1),
    ((2, 4, 12, 12), (6, 2, 3, 3), 1, 2, 2, 2),
    ((2, 12, 15, 15), (12, 1, 3, 3), 1, 1, 1, 12),
    ((1, 35, 7, 7), (35, 1, 3, 3), 2, 1, 1, 35),
    ((8, 32, 14, 14), (32, 1, 3, 3), 1, 1, 1, 32),
]


def convolutions(side: str) -> None:
    """Every strategy that supports a shape, in every direction."""
    for dtype, (x_shape, w_shape, stride, padding, dilation, groups) in itertools.product(FLOATS, CONVOLUTIONS):
        options: dict[str, Any] = {
            "stride": (stride,) * 2, "padding": (padding,) * 2, "dilation": (dilation,) * 2, "groups": groups,
        }  # fmt: skip
        x, w, bias = values(*x_shape, dtype=dtype), values(*w_shape, dtype=dtype), values(w_shape[0], dtype=dtype)
        y = conv.conv2d_forward(x, w, bias, **options)
        calls = {
            "forward": (conv.conv2d_forward, (x, w, bias), options),
            "grad_input": (conv.conv2d_grad_input, (y, w), {**options, "input_shape": x_shape}),
            "grad_weight": (conv.conv2d_grad_weight, (y, x), {**options, "weight_shape": w_shape}),
        }
        for direction, (function, arrays, keywords) in calls.items():
            for strategy in supported(function, arrays, keywords):
                check(f"{direction} {strategy}", function, *arrays, side=side, strategy=strategy, **keywords)


def supported(function: Callable[..., Any], arrays: Any, keywords: dict[str, Any]) -> list[str]:
    """Return the strategies that support a shape: the refusal of an unknown one names them."""
    try:
        function(*arrays, strategy="?", **keywords)
    except ValueError as error:
        names = str(error).partition(";")[2].removesuffix("would").split(",")
        return [name.strip() for name in names]
    raise AssertionError("an unknown strategy was accepted")


def windows(side: str) -> None:
    """Pooling of every kind."""
    sizes = [((2, 2), (2, 2), (0, 0)), ((3, 3), (2, 2), (1, 1)), ((3, 2), (1, 3), (1, 0)), ((5, 5), (5, 5), (0, 0))]
    for dtype, shape, (kernel, stride, padding) in itertools.product(
        FLOATS, [(3, 7, 9), (2, 16, 34), (5, 5, 5), (5, 6, 8)], sizes
    ):
        x = values(*shape, dtype=dtype)
        out = tuple((n + 2 * p - k) // s + 1 for n, p, k, s in zip(shape[1:], padding, kernel, stride, strict=True))
        maximum: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding, "dilation": (1, 1)}
        _, index = check("max_pool2d", pool.max_pool2d_forward, x, side=side, out_size=out, **maximum)
        grad = values(shape[0], *out, dtype=dtype)
        check("max_pool2d_backward", pool.max_pool2d_backward, grad, index, side=side, in_size=shape[1:], **maximum)
        average: dict[str, Any] = {"kernel": kernel, "stride": stride, "padding": padding}
        check("avg_pool2d", pool.avg_pool2d_forward, x, side=side, out_size=out, **average)
        check("avg_pool2d_backward", pool.avg_pool2d_backward, grad, side=side, in_size=shape[1:], **average)
        for bins in ((1, 1), (3, 2)):
            check("adaptive_avg", adaptive.adaptive_avg_pool2d_forward, x, side=side, out_size=bins)
            slopes = values(shape[0], *bins, dtype=dtype)
            check("adaptive_avg_backward", adaptive.adaptive_avg_pool2d_backward, slopes, side=side, in_size=shape[1:])
            check("adaptive_max", adaptive.adaptive_max_pool2d_forward, x, side=side, out_size=bins)


def rows_and_elements(side: str) -> None:
    """Normalisation, softmax, activations, dropout, sums, lookups."""
    for dtype, (n, d) in itertools.product(FLOATS, [(1, 1), (3, 17), (16, 64), (5, 1000), (33, 10)]):
        x, grad, w, b = values(n, d, dtype=dtype), values(n, d + 0, dtype=dtype), *values(2, d, dtype=dtype)
        y = check("softmax", softmax.softmax_forward, x, side=side)
        check("softmax_backward", softmax.softmax_backward, grad, y, side=side)
        check("log_softmax", softmax.log_softmax_forward, x, side=side)
        target = np.arange(n) % d
        losses = check("cross_entropy", softmax.cross_entropy_forward, x, target, side=side)
        check("cross_entropy_backward", softmax.cross_entropy_backward, losses[0], x, target, losses[2], side=side)
        for columns in (3, 17, 530):
            logits, slopes = (
                values(2, min(d, 17), columns, dtype=dtype),
                values(2, min(d, 17), columns + 0, dtype=dtype),
            )
            for name in ("softmax", "log_softmax"):
                y = check(f"{name} columns", getattr(softmax_columns, f"{name}_forward"), logits, side=side)
                check(f"{name}_backward columns", getattr(softmax_columns, f"{name}_backward"), slopes, y, side=side)
            labels = np.arange(2 * columns) % min(d, 17)
            losses = check("cross_entropy columns", softmax_columns.cross_entropy_forward, logits, labels, side=side)
            arrays = losses[0], logits, labels, losses[2]
            check("cross_entropy_backward columns", softmax_columns.cross_entropy_backward, *arrays, side=side)
        normal = check("layer_norm", row_norm.layer_norm_forward, x, w, b, side=side, eps=1e-5)
        check("layer_norm_backward", row_norm.layer_norm_backward, grad, x, w, *normal[1:], side=side)
        for shape in ((n, d, 1), (n, 3, d), (n, 2, 25)):
            image, gain = values(*shape, dtype=dtype), values(shape[1], dtype=dtype)
            batch = check("batch_norm", norm.batch_norm_forward, image, gain, gain, side=side, eps=1e-5)
            mean, invstd = [each for each in batch if each.shape == (shape[1],)][:2]
            check("batch_norm_apply", norm.batch_norm_apply, image, gain, gain, mean, invstd, side=side)
            arrays = values(*shape, dtype=dtype), image, gain, mean, invstd
            check("batch_norm_backward", norm.batch_norm_backward, *arrays, side=side, training=True)
        for function in ("exp", "tanh", "sigmoid", "erf", "relu", "silu", "gelu", "gelu_tanh"):
            check(function, getattr(elementwise, function), x, side=side)
        for function in ("tanh_grad", "sigmoid_grad", "relu_grad", "gelu_grad", "gelu_tanh_grad"):
            check(function, getattr(elementwise, function), grad, x, side=side)
        check("dropout", lambda x: random.dropout_forward(x, 0.3, 7), x, side=side)
        for dims in ((0,), (1,), (0, 1)):
            check("sum_over", reduction.sum_over, x, side=side, dims=dims)
            check("sum_squares_over", reduction.sum_squares_over, x, side=side, dims=dims)
        check("sum_squared_differences", reduction.sum_squared_differences, x, grad, side=side)
        for largest in (True, False):
            check("extremes", extremes.extremes, x, side=side, largest=largest)
        for in_three in ((n, d, 1), (1, n, d)):
            check("running_sums", scan.running_sums, values(*in_three, dtype=dtype), side=side, reverse=True)
        check("where", choices.where, x > 0, x, grad, side=side)
        check("where number", lambda c, x: choices.where(c, x, 0.0), x > 0, x, side=side)
        index = np.arange(2 * n * d).reshape(2, n, d) % n
        check("gather", gathered, values(2, n, d, dtype=dtype), index, side=side)
        check("add_rows", added, grad, np.arange(n)[::-1].copy(), x, side=side)


def gathered(x: np.ndarray, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take what an index names, and add it back."""
    y, total = np.empty(index.shape, x.dtype), np.zeros(x.shape, x.dtype)
    lookup.run(lookup.take, x, index, y)
    lookup.run(lookup.add, y, index, total)
    return y, total


def added(target: np.ndarray, index: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Add rows to a copy of the target."""
    total = np.empty(target.shape, target.dtype)
    total[...] = target
    rows.add_rows(total, index, source)
    return total


def attentions(side: str) -> None:
    """Attention by tiles at sizes around the tiles', with every kind of mask, forward and back."""
    sizes = [(1, 1, 1, 1), (3, 5, 2, 3), (16, 12, 16, 32), (17, 13, 33, 15), (140, 130, 8, 40), (130, 260, 20, 17)]
    for dtype, (L, S, E, D) in itertools.product(FLOATS, sizes):
        q, k, v, grad = (values(2, *size, dtype=dtype) for size in ((L, E), (S, E), (S, D), (L, D)))
        for mask in (None, values(2, L, S, dtype=dtype), values(1, S, dtype=dtype)):
            for causal, dropout in ((False, None), (True, attention.Dropout(0.3, 9))):
                options = attention.Options(0.5, causal, dropout)
                check("attention", attended, q, k, v, grad, mask, side=side, choice=options)
        few, options = q[:, :7].copy(), attention.Options(0.5)
        for mask in (None, values(1, S, dtype=dtype)):
            check("few queries", attention_rows.attention_of_few, few, k, v, mask, side=side, options=options)


def attended(q: Any, k: Any, v: Any, grad: Any, mask: Any, choice: attention.Options) -> tuple[np.ndarray, ...]:
    """Attend, and differentiate."""
    forward = attention.attention_forward(q, k, v, mask, choice)
    weights = attention.attention_weights(q, k, mask, choice, average=True)
    return forward.output, weights, *attention.attention_backward(grad, q, k, v, mask, forward, choice)


def sequences(side: str) -> None:
    """Recurrent layers of every kind, with tails of every kind."""
    for dtype, kind, (steps, inputs, units, outputs) in itertools.product(FLOATS, recurrent_plan.GATES, SEQUENCES):
        outputs = outputs if kind == "lstm" else 0
        gates, P, B = recurrent_plan.GATES[kind] * units, outputs or units, steps[0]
        h, c = values(B, P, dtype=dtype), values(B, units, dtype=dtype) if kind == "lstm" else None
        weights = values(gates, inputs, dtype=dtype), values(gates, P, dtype=dtype)
        biases = values(2, gates, dtype=dtype)
        w_hr = values(outputs, units, dtype=dtype) if outputs else None
        arrays = values(sum(steps), inputs, dtype=dtype), h, c, *weights, biases[0], biases[1], w_hr
        for reverse in (False, True):
            check(f"recurrent {kind}", there_and_back, *arrays, side=side, kind=kind, steps=steps, reverse=reverse)


SEQUENCES = [  # rows per step, inputs, units, outputs of a projection
    ((1,), 1, 1, 0),
    ((5, 5, 2), 3, 17, 0),
    ((13, 12, 12, 1), 33, 40, 9),
    ((3, 3), 16, 32, 16),
    ((16,) * 9, 15, 49, 0),  # as many rows as are collected before weights' gradients are added to
]


def there_and_back(x: Any, h: Any, c: Any, *weights: Any, kind: str, steps: Any, reverse: bool) -> Any:
    """Return outputs and all gradients."""
    flat, kept = recurrent.forward(kind, x, h, c, *weights, steps, reverse)
    w_ih, w_hh, _, _, w_hr = weights
    return flat, *recurrent.backward(kind, flat, kept, w_ih, w_hh, w_hr, steps, reverse, (True, True, True))


GROUPS = {
    "products": products,
    "convolutions": convolutions,
    "windows": windows,
    "rows": rows_and_elements,
    "sequences": sequences,
    "attentions": attentions,
}


def main() -> None:
    """Run a group of cases on one side, on one thread and on two."""
    faulthandler.enable()
    side, group = sys.argv[1:]
    conv.GRAIN = 1  # split whatever can be split
    for threads in (1, 2):
        set_num_threads(threads)
        with least_threads(threads):
            GROUPS[group](side)
    print("all inside")


if __name__ == "__main__":
    main()
