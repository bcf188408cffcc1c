"""Vector code over the columns of a matrix, several rows at a time: sums about a pivot, and normalisation.

The lanes run along a row.  Sums are kept in memory, in the first-level cache; LLVM would test so many arrays for
overlap that it leaves such loops scalar.  Rows `abreast` share what is loaded and stored for a column: four are added
in 9 µs where single ones take 11 (128 x 500 in the cache, Zen 4, one thread).  A matrix that comes from beyond the
level-2 cache is fetched ahead in the order of addresses alone: the gradient of batch norm of (4096, 512) takes 1.0 ms
row by row, 1.6 by four and two rows.

Addresses and the pitch, the distance of rows, count bytes; everything else counts elements.
"""

import functools
from collections.abc import Callable

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import Emitter, vector_leaf
from ops.kernels.native import INT


@functools.cache
def column_sums(dtype: DTypeLike, *, products: bool, abreast: int) -> int:
    """Return a leaf: with d = x[r, i] - pivot[i], s[i] += sum_r d and q[i] += sum_r d^2.

    With `products`, s[i] += sum_r grad[r, i] and q[i] += sum_r grad[r, i] d.
    Arguments, 8: x, grad (not read without products), pitch, rows, columns, pivot, s, q.
    """
    emit = functools.partial(_emit_sums, products=products, abreast=abreast)
    return vector_leaf("column_products" if products else "column_moments", 8, dtype, emit, abreast)


def _emit_sums(e: Emitter, products: bool, abreast: int) -> None:
    x, grad, pitch, rows, columns, pivot, s, q = e.arguments
    b = e.builder

    def block(row: ir.Value, grad_row: ir.Value, at: ir.Value, mask: ir.Value | None, count: int) -> None:
        middle, first, second = e.load(e.add(pivot, at), mask), [], []
        for i in range(count):
            shift = e.add(at, e.multiply(pitch, i))
            d = b.fsub(e.load(e.add(row, shift), mask), middle)
            g = e.load(e.add(grad_row, shift), mask) if products else d
            first.append(g)
            second.append(b.fmul(g, d))
        for target, terms in (s, first), (q, second):
            total = e.load(e.add(target, at), mask)
            e.store(b.fadd(total, _paired(e, terms)), e.add(target, at), mask)

    _for_rows(e, rows, columns, pitch, (x, grad), abreast, block)


def _paired(e: Emitter, terms: list[ir.Value]) -> ir.Value:
    """Add vectors in pairs."""
    while len(terms) > 1:
        terms = [e.builder.fadd(*terms[i : i + 2]) for i in range(0, len(terms), 2)]
    return terms[0]


@functools.cache
def column_map(dtype: DTypeLike, *, gradient: bool, abreast: int) -> int:
    """Return a leaf: y[r, i] = (x[r, i] - mean[i]) slope[i] + shift[i].

    With `gradient`, y[r, i] = (x[r, i] - mean[i]) slope[i] + (grad[r, i] gain[i] + shift[i]).
    Arguments, 8: x, grad (not read without gradient), y, pitch, rows, columns, table, table_pitch; rows of the table
    are mean, slope, shift, gain.
    """
    emit = functools.partial(_emit_map, gradient=gradient, abreast=abreast)
    return vector_leaf("column_gradient" if gradient else "column_affine", 8, dtype, emit, abreast)


def _emit_map(e: Emitter, gradient: bool, abreast: int) -> None:
    x, grad, y, pitch, rows, columns, table, table_pitch = e.arguments
    b = e.builder

    def block(
        row: ir.Value, grad_row: ir.Value, out: ir.Value, at: ir.Value, mask: ir.Value | None, count: int
    ) -> None:
        places = [e.add(e.add(table, e.multiply(table_pitch, i)), at) for i in range(4 if gradient else 3)]
        mean, slope, shift, *gain = [e.load(place, mask) for place in places]
        for i in range(count):
            step = e.add(at, e.multiply(pitch, i))
            rest = shift
            if gradient:
                rest = e.multiply_add(e.load(e.add(grad_row, step), mask), gain[0], shift)
            value = e.multiply_add(b.fsub(e.load(e.add(row, step), mask), mean), slope, rest)
            e.store(value, e.add(out, step), mask)

    _for_rows(e, rows, columns, pitch, (x, grad, y), abreast, block)


def _for_rows(
    e: Emitter,
    rows: ir.Value,
    columns: ir.Value,
    pitch: ir.Value,
    arrays: tuple[ir.Value, ...],
    abreast: int,
    block: Callable[..., None],
) -> None:
    """Emit block(*addresses, displacement, mask, count) for all columns of `abreast` rows, then of single ones."""
    b = e.builder
    vectors = b.sdiv(columns, INT(e.lanes))
    left = b.sub(columns, e.multiply(vectors, e.lanes))
    tail, places, at = e.mask(left), [e.variable(array) for array in arrays], e.variable(INT(0))

    def all_columns(count: int) -> None:
        addresses = [e.get(place) for place in places]
        e.set(at, INT(0))
        with e.repeat(vectors):
            block(*addresses, e.get(at), None, count)
            e.advance(at, e.vector_size)
        with e.when(left, ">", 0):
            block(*addresses, e.get(at), tail, count)
        for place in places:
            e.advance(place, e.multiply(pitch, count))

    groups = b.sdiv(rows, INT(abreast))
    with e.repeat(groups):
        all_columns(abreast)
    with e.repeat(b.sub(rows, e.multiply(groups, abreast))):
        all_columns(1)
