"""Leaves for the linear transforms of fast convolution: Y = M X M^T with a small constant matrix M.

X and Y are matrices of vectors, so a leaf transforms as many channels at once as a vector has lanes.  Rows of
M that differ in signs only share their sums, and so do columns; a coefficient of 1 or -1 costs no product.
Measured on one core of a Zen 4: 36 to 64 ns for 16 channels of a 6 x 6 patch, about what its stores take.
Arguments follow the rules of `simd`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

import numpy as np
from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import Emitter
from ops.kernels.native import leaf

Matrix: TypeAlias = tuple[tuple[float, ...], ...]


def linear_transform(name: str, matrix: Matrix, dtype: DTypeLike, *, epilogue: bool = False) -> int:
    """Return a leaf that computes Y = M X M^T, `count` times.

    `name` stands for the matrix in the name of the leaf.  Arguments, 9 or 11 of them:
        source, source_row_stride, source_column_stride: X[i, j] is at source + i * row + j * column.
        destination, destination_row_stride, destination_column_stride: likewise Y[i, j].
        count, source_step, destination_step: the next X and Y are so many bytes further on.
        bias, relu (only with `epilogue`): the vector at `bias` is added to every Y[i, j]; then max(., 0) if
            relu; NaN passes through.
    """
    kind = "linear_transform_epilogue" if epilogue else "linear_transform"
    emit = partial(_emit_transform, matrix=matrix, epilogue=epilogue)
    return _leaf(f"{kind}_{name}", 11 if epilogue else 9, dtype, emit)


def clear(dtype: DTypeLike) -> int:
    """Return a leaf that sets `count` vectors to zero.  Arguments: destination, count."""
    return _leaf("clear", 2, dtype, _emit_clear)


def accumulate(dtype: DTypeLike) -> int:
    """Return a leaf that adds `count` vectors to others.  Arguments: source, destination, count."""
    return _leaf("accumulate", 3, dtype, _emit_accumulate)


def _leaf(kind: str, parameters: int, dtype: DTypeLike, emit: Callable[[Emitter], None]) -> int:
    def module(name: str) -> ir.Module:
        e = Emitter(name, parameters, dtype)
        emit(e)
        return e.finish()

    return leaf(f"{kind}_{np.dtype(dtype).name}", module)


def _emit_clear(e: Emitter) -> None:
    destination, count = e.arguments
    at = e.variable(destination)
    with e.repeat(count):
        e.store(e.zero, e.get(at))
        e.advance(at, e.vector_size)


def _emit_accumulate(e: Emitter) -> None:
    source, destination, count = e.arguments
    read, write = e.variable(source), e.variable(destination)
    with e.repeat(count):
        total = e.builder.fadd(e.load(e.get(write)), e.load(e.get(read)))
        e.store(total, e.get(write))
        e.advance(read, e.vector_size)
        e.advance(write, e.vector_size)


def _emit_transform(e: Emitter, matrix: Matrix, epilogue: bool) -> None:
    source, source_row, source_column, destination, row, column, count, source_step, step = e.arguments[:9]
    read, write = e.variable(source), e.variable(destination)
    bias = e.load(e.arguments[9]) if epilogue else None
    low = e.relu_bound(e.arguments[10]) if epilogue else None
    size = len(matrix[0])
    with e.repeat(count):
        columns = []
        for j in range(size):
            top = e.add(e.get(read), e.multiply(source_column, j))
            x = [e.load(e.add(top, e.multiply(source_row, i))) for i in range(size)]
            columns.append(_product(e, matrix, x))
        for i, half in enumerate(zip(*columns, strict=True)):
            at = e.add(e.get(write), e.multiply(row, i))
            for y in _product(e, matrix, half):
                if low:
                    y = e.at_least(e.builder.fadd(y, bias), low)
                e.store(y, at)
                at = e.add(at, column)
        e.advance(read, source_step)
        e.advance(write, step)


def _product(e: Emitter, matrix: Matrix, x: Sequence[ir.Value]) -> list[ir.Value]:
    """Return M x."""
    matrix, x = _fold_columns(e, matrix, x)
    y: dict[int, ir.Value] = {}
    for i, row in enumerate(matrix):
        for other in range(i + 1, len(matrix)):
            split = _split(row, matrix[other])
            if split and i not in y and other not in y:
                same, opposite = (_combination(e, part, x) for part in split)
                y[i], y[other] = e.builder.fadd(same, opposite), e.builder.fsub(same, opposite)
        if i not in y:
            y[i] = _combination(e, row, x)
    return [y[i] for i in range(len(matrix))]


def _fold_columns(e: Emitter, matrix: Matrix, x: Sequence[ir.Value]) -> tuple[Matrix, list[ir.Value]]:
    """Replace pairs of columns that differ in signs only: a x + b y = (a, b equal: a (x + y), else a (x - y))."""
    columns, values = list(zip(*matrix, strict=True)), list(x)
    folded: set[int] = set()
    for j in range(len(x)):
        for other in range(j + 1, len(x)):
            split = _split(columns[j], columns[other])
            if split and not folded & {j, other}:
                folded |= {j, other}
                columns[j], columns[other] = split
                a, b = values[j], values[other]
                values[j], values[other] = e.builder.fadd(a, b), e.builder.fsub(a, b)
    return tuple(zip(*columns, strict=True)), values


def _split(a: Sequence[float], b: Sequence[float]) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return s and d with a = s + d and b = s - d if every entry is in one of them and both are not zero."""
    if [abs(p) for p in a] != [abs(q) for q in b]:
        return None
    same = tuple(p if p == q else 0.0 for p, q in zip(a, b, strict=True))
    opposite = tuple(p if p != q else 0.0 for p, q in zip(a, b, strict=True))
    return (same, opposite) if any(same) and any(opposite) else None


def _combination(e: Emitter, coefficients: Sequence[float], x: Sequence[ir.Value]) -> ir.Value:
    """Return the sum of coefficient times value, those without a product first."""
    terms = sorted(((c, v) for c, v in zip(coefficients, x, strict=True) if c), key=lambda term: abs(term[0]) != 1)
    terms.sort(key=lambda term: term[0] != 1)
    (first, total), *rest = terms
    if first != 1:
        total = e.builder.fmul(total, _constant(e, first))
    for c, value in rest:
        if c == 1:
            total = e.builder.fadd(total, value)
        elif c == -1:
            total = e.builder.fsub(total, value)
        else:
            total = e.multiply_add(value, _constant(e, c), total)
    return total


def _constant(e: Emitter, value: float) -> ir.Constant:
    number = float(np.float32(value)) if e.size == 4 else float(value)
    return ir.Constant(e.vector, [number] * e.lanes)
