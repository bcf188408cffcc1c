"""Vector code that sums rows: LLVM leaves the elements beyond a row's last whole block of vectors scalar.

Each row has a vector of partial sums of its own; those of as many rows as a vector has lanes are then added
across, all at once.  The sum of (2048, 1024): 0.10 ms where NumPy takes 0.33 ms (Zen 5, AVX-512, one thread).
"""

import functools

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import Emitter
from ops.kernels.native import INT
from ops.kernels.simd import _leaf, _sum_lanes

ABREAST = 4
"""Partial sums of a row, side by side: one alone would wait for each addition."""


@functools.cache
def row_sums(dtype: DTypeLike) -> int:
    """Return a leaf: out[r] = sum over i < n_columns of x[r, i], r < n_rows.

    Arguments, 5: x, row_step (bytes), n_rows, n_columns, out.
    """
    return _leaf("row_sums", 5, dtype, _emit_row_sums)


def _emit_row_sums(e: Emitter) -> None:
    x, row_step, n_rows, n_columns, out = e.arguments
    b = e.builder
    vectors = b.sdiv(n_columns, INT(e.lanes))
    tail = e.mask(b.sub(n_columns, e.multiply(vectors, e.lanes)))
    groups = b.sdiv(vectors, INT(ABREAST))
    singles = b.sub(vectors, e.multiply(groups, ABREAST))
    left, row, target = e.variable(n_rows), e.variable(x), e.variable(out)
    with e.repeat(b.sdiv(e.add(n_rows, e.lanes - 1), INT(e.lanes))):
        totals = [e.variable(e.zero) for _ in range(e.lanes)]
        for q, total in enumerate(totals):
            with e.when(e.get(left), ">", q):
                _sum_row(e, total, e.get(row), groups, singles, tail)
                e.set(row, b.add(e.get(row), row_step))
        e.store(_sum_lanes(e, [e.get(total) for total in totals]), e.get(target), e.mask(e.get(left)))
        e.advance(left, -e.lanes)
        e.advance(target, e.vector_size)


def _sum_row(e: Emitter, total: ir.Value, row: ir.Value, groups: ir.Value, singles: ir.Value, tail: ir.Value) -> None:
    """total = the sum of `groups` of ABREAST vectors, `singles` more, and the lanes `tail` of a last one."""
    parts, at, b = [e.variable(e.zero) for _ in range(ABREAST)], e.variable(row), e.builder
    with e.repeat(groups):
        for i, part in enumerate(parts):
            e.set(part, b.fadd(e.get(part), e.load(e.add(e.get(at), i * e.vector_size))))
        e.advance(at, ABREAST * e.vector_size)
    with e.repeat(singles):
        e.set(parts[0], b.fadd(e.get(parts[0]), e.load(e.get(at))))
        e.advance(at, e.vector_size)
    pairs = b.fadd(e.get(parts[0]), e.get(parts[1])), b.fadd(e.get(parts[2]), e.get(parts[3]))
    e.set(total, b.fadd(b.fadd(*pairs), e.load(e.get(at), tail)))
