"""Vector code of attention: the softmax of a tile of scores and its gradient, with the queries in the lanes.

A tile of scores is [keys][queries], rows `pitch` bytes apart: maxima and sums over the keys of a query are then taken
lane by lane, never across a vector.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import INT32, Emitter, vector_leaf
from ops.kernels.native import INT
from ops.kernels.random import GOLDEN, MIX1, MIX2, S15, S16
from ops.kernels.simd import sum_lanes

ABREAST = 4
"""Vectors worked on side by side: one alone would wait for each maximum, sum and exponential."""


# ---- pieces ----


def number(e: Emitter, value: float) -> ir.Value:
    """The vector whose lanes all hold a number."""
    return ir.Constant(e.vector, [float(value)] * e.lanes)


def exponential(e: Emitter, x: ir.Value) -> ir.Value:
    """e^x for x <= 0, or little more: 2^n e^r with n = round(x / log 2), |r| <= log(2) / 2, e^r by its Taylor series.

    0 below about -86 (float64: -707), NaN for NaN.  As `exponentials` in scalar.py, where the constants are explained.
    """
    single, b = e.size == 4, e.builder
    info = np.finfo(np.float32 if single else np.float64)
    high = 0.693359375 if single else float.fromhex("0x1.62e42feep-1")
    low = -2.12194440e-4 if single else 1.90821492927058770002e-10
    magic = number(e, 1.5 * 2**info.nmant)
    rounded = e.multiply_add(x, number(e, 1 / math.log(2)), magic)
    n = b.fsub(rounded, magic)
    r = e.multiply_add(n, number(e, -low), e.multiply_add(n, number(e, -high), x))
    y = number(e, 0)
    degree = 6 if single else 13
    for k in range(degree, -1, -1):
        term = number(e, 1 / math.factorial(k))
        y = e.multiply_add(y, r, term) if k < degree else term
    bits = ir.VectorType(ir.IntType(8 * e.size), e.lanes)
    biased = b.add(b.bitcast(rounded, bits), ir.Constant(bits, [1 - int(info.minexp)] * e.lanes))
    power = b.bitcast(b.shl(biased, ir.Constant(bits, [int(info.nmant)] * e.lanes)), e.vector)
    lost = b.fcmp_ordered("<", x, number(e, (int(info.minexp) + 2) * math.log(2)))
    return b.select(lost, e.zero, b.fmul(y, power))


def side_by_side(e: Emitter, n_vectors: ir.Value, emit: Callable[[ir.Value, int], None]) -> None:
    """Call emit(displacement, count) in loops over ABREAST vectors at a time, then over single ones."""
    groups = e.builder.sdiv(n_vectors, INT(ABREAST))
    at = e.variable(INT(0))
    for count, times in ((ABREAST, groups), (1, e.builder.sub(n_vectors, e.multiply(groups, ABREAST)))):
        with e.repeat(times):
            emit(e.get(at), count)
            e.advance(at, count * e.vector_size)


def down_the_rows(
    e: Emitter, first: ir.Value, pitch: ir.Value, n_rows: ir.Value, emit: Callable[[ir.Value], None]
) -> None:
    """Call emit(address) for every row of a tile."""
    at = e.variable(first)
    with e.repeat(n_rows):
        emit(e.get(at))
        e.advance(at, pitch)


def places(e: Emitter, address: ir.Value, count: int) -> list[ir.Value]:
    """The addresses of `count` vectors in a row."""
    return [e.add(address, i * e.vector_size) for i in range(count)]


# ---- softmax ----


@functools.cache
def online_softmax(dtype: DTypeLike) -> int:
    """Return a leaf that turns scores into weights, relative to the largest score met so far.

    top' = max(top, max_s x[s, l]),  rescale = exp(top - top'),  x[s, l] = exp(x[s, l] - top'),
    total' = total rescale + sum_s x[s, l]; a query that has seen no key but -inf counts top' as 0.

    Arguments, 8: x, pitch, n_rows, n_vectors, top, total, rescale (each n_vectors vectors), begin (1: nothing was met).
    """
    return vector_leaf("online_softmax", 8, dtype, _emit_online_softmax)


def _emit_online_softmax(e: Emitter) -> None:
    x, pitch, n_rows, n_vectors, top, total, rescale, begin = e.arguments
    b, lowest = e.builder, number(e, -math.inf)
    fresh = e.compare(begin, "!=", 0)

    def columns(shift: ir.Value, count: int) -> None:
        at = [places(e, e.add(address, shift), count) for address in (top, total, rescale)]
        before = [b.select(fresh, lowest, e.load(place)) for place in at[0]]
        tops = [e.variable(value) for value in before]

        def meet(row: ir.Value) -> None:
            for slot, place in zip(tops, places(e, row, count), strict=True):
                value = e.load(place)
                e.set(slot, b.select(b.fcmp_ordered(">", value, e.get(slot)), value, e.get(slot)))

        down_the_rows(e, e.add(x, shift), pitch, n_rows, meet)
        zeros = [finite(e, e.get(slot)) for slot in tops]
        scales = [exponential(e, b.fsub(old, zero)) for old, zero in zip(before, zeros, strict=True)]
        sums = [
            e.variable(b.fmul(scale, b.select(fresh, e.zero, e.load(place))))
            for scale, place in zip(scales, at[1], strict=True)
        ]

        def weigh(row: ir.Value) -> None:
            for slot, place, zero in zip(sums, places(e, row, count), zeros, strict=True):
                weight = exponential(e, b.fsub(e.load(place), zero))
                e.store(weight, place)
                e.set(slot, b.fadd(e.get(slot), weight))

        down_the_rows(e, e.add(x, shift), pitch, n_rows, weigh)
        for i in range(count):
            e.store(e.get(tops[i]), at[0][i])
            e.store(e.get(sums[i]), at[1][i])
            e.store(scales[i], at[2][i])

    side_by_side(e, n_vectors, columns)


def finite(e: Emitter, top: ir.Value) -> ir.Value:
    """0 for -inf, which stands for no key at all."""
    return e.builder.select(e.builder.fcmp_ordered("==", top, number(e, -math.inf)), e.zero, top)


@functools.cache
def softmax_factors(dtype: DTypeLike) -> int:
    """Return a leaf that prepares what weights are made with later, exp(x - top) factor, in place.

    top becomes 0 where no key was seen, total becomes the factor 1 / total, 0 where no key was seen.

    Arguments, 3: top, total, n_vectors.
    """
    return vector_leaf("softmax_factors", 3, dtype, _emit_softmax_factors)


def _emit_softmax_factors(e: Emitter) -> None:
    top, total, n_vectors = e.arguments
    b, at = e.builder, e.variable(INT(0))
    with e.repeat(n_vectors):
        highest, sums = (b.add(address, e.get(at)) for address in (top, total))
        value = e.load(sums)
        e.store(finite(e, e.load(highest)), highest)
        none = b.fcmp_ordered("==", value, e.zero)
        e.store(b.select(none, e.zero, b.fdiv(number(e, 1), value)), sums)
        e.advance(at, e.vector_size)


@functools.cache
def softmax_slope(dtype: DTypeLike) -> int:
    """Return a leaf that turns scores x into weights and slopes y of the weights into slopes of the unscaled scores.

    x[s, l] = p = exp(x[s, l] - top[l]) factor[l],  y[s, l] = p (y[s, l] - mean[l]) scale.

    Arguments, 9: x, y, pitch (of both), n_rows, n_vectors, top, factor, mean (n_vectors vectors each), scale (address).
    """
    return vector_leaf("softmax_slope", 9, dtype, _emit_softmax_slope)


def _emit_softmax_slope(e: Emitter) -> None:
    x, y, pitch, n_rows, n_vectors, top, factor, mean, scale = e.arguments
    b, beside, slope = e.builder, e.builder.sub(y, x), e.load_broadcast(scale)

    def columns(shift: ir.Value, count: int) -> None:
        tops, factors, means = (
            [e.load(place) for place in places(e, e.add(address, shift), count)] for address in (top, factor, mean)
        )

        def differentiate(row: ir.Value) -> None:
            for i, place in enumerate(places(e, row, count)):
                weight = b.fmul(exponential(e, b.fsub(e.load(place), tops[i])), factors[i])
                other = b.add(place, beside)
                e.store(weight, place)
                e.store(b.fmul(b.fmul(weight, slope), b.fsub(e.load(other), means[i])), other)

        down_the_rows(e, e.add(x, shift), pitch, n_rows, differentiate)

    side_by_side(e, n_vectors, columns)


@functools.cache
def hide_later(dtype: DTypeLike) -> int:
    """Return a leaf that gives scores of later keys -inf: x[r, l] for l < first + r.

    Arguments, 5: x, pitch, n_rows, n_vectors, first.
    """
    return vector_leaf("hide_later", 5, dtype, _emit_hide_later)


def _emit_hide_later(e: Emitter) -> None:
    x, pitch, n_rows, n_vectors, first = e.arguments
    hidden = e.variable(first)

    def hide(row: ir.Value) -> None:
        at, left = e.variable(row), e.variable(e.get(hidden))
        with e.repeat(n_vectors):
            e.store(number(e, -math.inf), e.get(at), e.mask(e.get(left)))
            e.advance(at, e.vector_size)
            e.advance(left, -e.lanes)
        e.advance(hidden, 1)

    down_the_rows(e, x, pitch, n_rows, hide)


@functools.cache
def add_columns(dtype: DTypeLike) -> int:
    """Return a leaf that adds tiles: y[s, l] = (begin ? 0 : y[s, l]) + x[s, l] factors[l] share.

    Arguments, 8: y, x, pitch (of both), n_rows, n_vectors, factors (n_vectors vectors), share (address), begin.
    """
    return vector_leaf("add_columns", 8, dtype, _emit_add_columns)


def _emit_add_columns(e: Emitter) -> None:
    y, x, pitch, n_rows, n_vectors, factors, share, begin = e.arguments
    b, beside = e.builder, e.builder.sub(x, y)
    fresh, part = e.compare(begin, "!=", 0), e.load_broadcast(share)

    def columns(shift: ir.Value, count: int) -> None:
        scales = [b.fmul(e.load(place), part) for place in places(e, e.add(factors, shift), count)]

        def add(row: ir.Value) -> None:
            for place, scale in zip(places(e, row, count), scales, strict=True):
                before = b.select(fresh, e.zero, e.load(place))
                e.store(e.multiply_add(e.load(b.add(place, beside)), scale, before), place)

        down_the_rows(e, e.add(y, shift), pitch, n_rows, add)

    side_by_side(e, n_vectors, columns)


# ---- dropout ----


@functools.cache
def drop(dtype: DTypeLike) -> int:
    """Return a leaf that drops elements of a tile: x[r, l] *= scale where the bits of its counter allow, else 0.

    The counter of x[r, l] is first + r + l * step; the bits are `random_bits` of it, as in dropout.

    Arguments, 8: x, pitch, n_rows, n_vectors, first, step, key (address of int64: low and high half, largest bits
    that keep), scale (address).
    """
    return vector_leaf("drop", 8, dtype, _emit_drop)


def _emit_drop(e: Emitter) -> None:
    """Counters are 64 bits in two halves: the lower ones of a row are added to `distances`, which may carry."""
    x, pitch, n_rows, n_vectors, first, step, key, scale = e.arguments
    b, factor = e.builder, e.load_broadcast(scale)
    words = ir.VectorType(INT32, e.lanes)
    low, high, limit = (e.broadcast(b.trunc(e.load_integer(key, i), INT32)) for i in range(3))
    lane, steps = ir.Constant(words, list(range(e.lanes))), e.broadcast(b.trunc(step, INT32))

    def columns(shift: ir.Value, count: int) -> None:
        lanes_before = [b.sdiv(e.add(shift, i * e.vector_size), INT(e.size)) for i in range(count)]
        distances = [b.mul(b.add(e.broadcast(b.trunc(n, INT32)), lane), steps) for n in lanes_before]
        counter = e.variable(first)

        def row(address: ir.Value) -> None:
            lower = e.broadcast(b.trunc(e.get(counter), INT32))
            upper = b.xor(high, e.broadcast(b.trunc(b.lshr(e.get(counter), INT(32)), INT32)))
            carried = b.xor(high, e.broadcast(b.trunc(e.add(b.lshr(e.get(counter), INT(32)), 1), INT32)))
            for place, distance in zip(places(e, address, count), distances, strict=True):
                counters = b.add(lower, distance)
                above = b.select(b.icmp_unsigned("<", counters, lower), carried, upper)
                keep = b.icmp_unsigned("<=", _random_bits(e, counters, low, above), limit)
                e.store(b.fmul(e.load(place), b.select(keep, factor, e.zero)), place)
            e.advance(counter, 1)

        down_the_rows(e, e.add(x, shift), pitch, n_rows, row)

    side_by_side(e, n_vectors, columns)


def _random_bits(e: Emitter, counter: ir.Value, low: ir.Value, high: ir.Value) -> ir.Value:
    """`random.random_bits`, on vectors."""
    b = e.builder

    def times(value: ir.Value, factor: np.uint32) -> ir.Value:
        return b.mul(value, ir.Constant(value.type, [int(factor)] * e.lanes))

    def fold(value: ir.Value, by: np.uint32) -> ir.Value:
        return b.xor(value, b.lshr(value, ir.Constant(value.type, [int(by)] * e.lanes)))

    def mix(value: ir.Value) -> ir.Value:
        return fold(times(fold(times(fold(value, S16), MIX1), S15), MIX2), S15)

    return mix(b.add(mix(b.add(times(counter, GOLDEN), low)), high))


# ---- rows ----


@functools.cache
def scale_rows(dtype: DTypeLike) -> int:
    """Return a leaf: x[r, i] *= factors[r], r < n_rows, i < n_columns.

    Arguments, 5: x, row_step, n_rows, n_columns, factors.
    """
    return vector_leaf("scale_rows", 5, dtype, _emit_scale_rows)


def _emit_scale_rows(e: Emitter) -> None:
    x, row_step, n_rows, n_columns, factors = e.arguments
    b, vectors = e.builder, e.builder.sdiv(n_columns, INT(e.lanes))
    left = b.sub(n_columns, e.multiply(vectors, e.lanes))
    place, tail = e.variable(factors), e.mask(left)

    def scale(row: ir.Value) -> None:
        at, factor = e.variable(row), e.load_broadcast(e.get(place))
        with e.repeat(vectors):
            e.store(b.fmul(e.load(e.get(at)), factor), e.get(at))
            e.advance(at, e.vector_size)
        with e.when(left, ">", 0):
            e.store(b.fmul(e.load(e.get(at), tail), factor), e.get(at), tail)
        e.advance(place, e.size)

    down_the_rows(e, x, row_step, n_rows, scale)


@functools.cache
def scale_vectors(dtype: DTypeLike) -> int:
    """Return a leaf that multiplies `n_vectors` vectors by a number.  Arguments, 3: x, n_vectors, number (address)."""
    return vector_leaf("scale_vectors", 3, dtype, _emit_scale_vectors)


def _emit_scale_vectors(e: Emitter) -> None:
    x, n_vectors, factor = e.arguments
    at, value = e.variable(x), e.load_broadcast(factor)
    with e.repeat(n_vectors):
        e.store(e.builder.fmul(e.load(e.get(at)), value), e.get(at))
        e.advance(at, e.vector_size)


@functools.cache
def row_dots(dtype: DTypeLike) -> int:
    """Return a leaf: out[r] = sum_i x[r, i] y[r, i], r < n_rows, i < n_columns.

    Arguments, 7: x, x_row, y, y_row, n_rows, n_columns, out.
    """
    return vector_leaf("row_dots", 7, dtype, _emit_row_dots)


def _emit_row_dots(e: Emitter) -> None:
    x, x_row, y, y_row, n_rows, n_columns, out = e.arguments
    b, vectors = e.builder, e.builder.sdiv(n_columns, INT(e.lanes))
    tail = e.mask(b.sub(n_columns, e.multiply(vectors, e.lanes)))
    left, x_at, y_at, target = map(e.variable, (n_rows, x, y, out))
    with e.repeat(b.sdiv(e.add(n_rows, e.lanes - 1), INT(e.lanes))):
        totals = [e.variable(e.zero) for _ in range(e.lanes)]
        for q, total in enumerate(totals):
            with e.when(e.get(left), ">", q):
                at = e.variable(e.get(x_at))
                beside = b.sub(e.get(y_at), e.get(x_at))

                def add(
                    mask: ir.Value | None, at: ir.Value = at, beside: ir.Value = beside, total: ir.Value = total
                ) -> None:
                    place = e.get(at)
                    e.set(total, e.multiply_add(e.load(place, mask), e.load(b.add(place, beside), mask), e.get(total)))

                with e.repeat(vectors):
                    add(None)
                    e.advance(at, e.vector_size)
                add(tail)
                e.advance(x_at, x_row)
                e.advance(y_at, y_row)
        e.store(sum_lanes(e, [e.get(total) for total in totals]), e.get(target), e.mask(e.get(left)))
        e.advance(left, -e.lanes)
        e.advance(target, e.vector_size)
