"""Vector code of pooling: one row of outputs, or of input gradients, at a time, whatever its width.

Rows of a pooled image are short and rarely a multiple of a vector, and neighbouring windows are a stride apart.
LLVM turns loops over such rows into scalar code for most of their elements; here the lanes beyond a row's end,
and those in the padding, are masked off, and strides are taken apart by shuffles.  (4, 96, 55, 55) by 3 x 3
windows at stride 2: maxima 0.36 ms where loops took 3.0 ms, their gradient 0.35 ms instead of 0.59 ms (Zen 5,
AVX-512, one thread).

Addresses, steps of rows and displacements count bytes, everything else counts elements.
"""

import functools
from collections.abc import Callable, Iterator
from functools import partial, reduce
from typing import NamedTuple

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import INT32, Emitter, vector_leaf
from ops.kernels.native import INT

INT8 = ir.IntType(8)
LARGEST = 16
"""Columns of a window, their dilation and stride, up to which these leaves, which are written out, are for."""


class Shape(NamedTuple):
    """What is fixed about a row of windows: tap s of window i is column i stride + s dilation - padding."""

    taps: int
    stride: int
    dilation: int
    offset: int = 0
    """Added to the columns, to begin where the padding is no multiple of the stride."""

    def place(self, s: int) -> tuple[int, int]:
        """Return the shift and the phase of tap s: i stride + s dilation - offset = (i + shift) stride + phase."""
        return divmod(s * self.dilation - self.offset, self.stride)

    @property
    def shifts(self) -> list[int]:
        """The distinct shifts."""
        return list(dict.fromkeys(self.place(s)[0] for s in range(self.taps)))


@functools.cache
def max_row(shape: Shape, dtype: DTypeLike, *, wide_index: bool) -> int:
    """Return a leaf for the maxima of one row of windows, and the tap each came from.

    y[i] = max over r < rows, s < taps of x[r, i stride + s dilation - padding], columns inside [0, width);
    index[i] = tap + r taps + s of the maximum, of int32 (`wide_index`) or uint8.  NaN wins over numbers, the
    first of equals wins, and where all are -inf the tap is first[i] + tap.

    Arguments, 10: x, row_step, rows, padding, width, first (address of int32 per output), tap, y, index, outputs.
    """
    emit = partial(_emit_max_row, shape=shape, wide_index=wide_index)
    return vector_leaf("max_row_wide" if wide_index else "max_row", 10, dtype, emit, *shape)


def _emit_max_row(e: Emitter, shape: Shape, wide_index: bool) -> None:
    x, row_step, rows, padding, width, first, tap, y, index, outputs = e.arguments
    b, element = e.builder, INT32 if wide_index else INT8

    def block(done: ir.Value, column: ir.Value, masked: bool) -> None:
        exists = e.mask(b.sub(outputs, done))
        best = e.variable(_filled(e, float("-inf")))
        start = _load_integers(e, e.add(first, e.multiply(done, 4)), exists, INT32)
        where = e.variable(b.add(start, _broadcast_integer(e, tap)))
        row, number = e.variable(x), e.variable(tap)
        reader = _Reader(e, shape, column, width if masked else None, float("-inf"))
        with e.repeat(rows):  # the best of a row first: one after another they would wait for each other
            of_row = [
                (value, _broadcast_integer(e, e.add(e.get(number), s)))
                for s, value in enumerate(reader.taps(e.get(row)))
            ]
            winner = reduce(partial(_larger, e), of_row)
            value, tap_of = _larger(e, (e.get(best), e.get(where)), winner)
            e.set(best, value)
            e.set(where, tap_of)
            e.advance(row, row_step)
            e.advance(number, shape.taps)
        e.store(e.get(best), e.add(y, e.multiply(done, e.size)), exists)
        _store_integers(e, e.get(where), e.add(index, e.multiply(done, element.width // 8)), exists, element)

    _each_block(e, shape, outputs, padding, width, block)


@functools.cache
def sum_row(shape: Shape, dtype: DTypeLike) -> int:
    """Return a leaf for the averages of one row of windows.

    y[i] = sum over r < rows, s < taps of x[r, i stride + s dilation - padding] / divisor[i], columns inside
    [0, width).

    Arguments, 8: x, row_step, rows, padding, width, divisor (address of one element per output), y, outputs.
    """
    return vector_leaf("sum_row", 8, dtype, partial(_emit_sum_row, shape=shape), *shape)


def _emit_sum_row(e: Emitter, shape: Shape) -> None:
    x, row_step, rows, padding, width, divisor, y, outputs = e.arguments

    def block(done: ir.Value, column: ir.Value, masked: bool) -> None:
        exists = e.mask(e.builder.sub(outputs, done))
        total, row = e.variable(e.zero), e.variable(x)
        reader = _Reader(e, shape, column, width if masked else None, 0.0)
        with e.repeat(rows):
            e.set(total, e.builder.fadd(e.get(total), reduce(e.builder.fadd, reader.taps(e.get(row)))))
            e.advance(row, row_step)
        offset = e.multiply(done, e.size)
        count = e.load(e.add(divisor, offset), exists)
        e.store(e.builder.fdiv(e.get(total), count), e.add(y, offset), exists)

    _each_block(e, shape, outputs, padding, width, block)


def _each_block(
    e: Emitter,
    shape: Shape,
    outputs: ir.Value,
    padding: ir.Value,
    width: ir.Value,
    block: Callable[[ir.Value, ir.Value, bool], None],
) -> None:
    """Emit block(first output, its first column, masked) for every vector of outputs; most lie inside the row."""
    done, column = e.variable(INT(0)), e.variable(e.builder.neg(padding))
    reach = (shape.shifts[-1] + e.lanes) * shape.stride
    with e.repeat(e.builder.sdiv(e.add(outputs, e.lanes - 1), INT(e.lanes))):
        at = e.get(column)
        fits = e.builder.icmp_signed("<=", e.add(at, reach), width)
        inside = e.builder.and_(fits, e.compare(at, ">=", 0))
        emit = partial(block, e.get(done), at)
        e.choose(inside, partial(emit, False), partial(emit, True))
        e.advance(done, e.lanes)
        e.advance(column, e.lanes * shape.stride)


class _Reader:
    """Reads the taps of one vector of windows from row after row; the masks are those of all rows."""

    def __init__(self, e: Emitter, shape: Shape, column: ir.Value, width: ir.Value | None, other: float) -> None:
        """`width` None: all columns exist, also those between the taps; else those that do not read as `other`."""
        self.e, self.shape, self.other = e, shape, _filled(e, other)
        self.columns = {
            shift: [e.add(column, shift * shape.stride + q * e.lanes) for q in range(shape.stride)]
            for shift in shape.shifts
        }
        self.masks = {
            shift: [None if width is None else _within(e, each, width) for each in columns]
            for shift, columns in self.columns.items()
        }

    def taps(self, row: ir.Value) -> Iterator[ir.Value]:
        """Yield the vector of every tap."""
        e, loaded = self.e, {}
        for s in range(self.shape.taps):
            shift, phase = self.shape.place(s)
            if shift not in loaded:
                places = zip(self.columns[shift], self.masks[shift], strict=True)
                loaded[shift] = [self._load(e.add(row, e.multiply(column, e.size)), mask) for column, mask in places]
            yield _every(e, loaded[shift], phase)

    def _load(self, address: ir.Value, mask: ir.Value | None) -> ir.Value:
        value = self.e.load(address, mask)
        return value if mask is None else self.e.builder.select(mask, value, self.other)


@functools.cache
def spread_row(shape: Shape, dtype: DTypeLike, *, chosen: bool) -> int:
    """Return a leaf for one row of the gradient of pooling: what each input receives from the windows it is in.

    dx[w] = sum over rows (n, tap) and i, s with w = i stride + s dilation - padding of g[n, i], or, if `chosen`,
    of g[n, i] where k[n, i] (uint8) = tap + s.  Every dx[w] is written.  shape.offset is padding % stride.

    Arguments, 8: rows (address of int64[n_rows, 2]: n and tap), n_rows, g, k, outputs (the size of a row), dx,
    width, padding.
    """
    emit = partial(_emit_spread_row, shape=shape, chosen=chosen)
    return vector_leaf("spread_row_chosen" if chosen else "spread_row", 8, dtype, emit, *shape)


def _emit_spread_row(e: Emitter, shape: Shape, chosen: bool) -> None:
    """A slot holds one column of every phase: column = slot stride + phase + offset - padding."""
    rows, n_rows, g, k, outputs, dx, width, padding = e.arguments
    b, stride = e.builder, shape.stride
    first = b.sdiv(padding, INT(stride))
    slot, column = e.variable(first), e.variable(INT(0))
    with e.repeat(b.sdiv(e.add(width, stride * e.lanes - 1), INT(stride * e.lanes))):
        at = {shift: e.add(e.get(slot), -shift) for shift in shape.shifts}
        inside = {shift: _within(e, place, outputs) for shift, place in at.items()}
        sums = [e.variable(e.zero) for _ in range(stride)]
        row = e.variable(rows)
        with e.repeat(n_rows):
            n, tap = b.mul(e.load_integer(e.get(row), 0), outputs), e.load_integer(e.get(row), 1)
            places = {shift: b.add(n, place) for shift, place in at.items()}
            values = {
                shift: e.load(e.add(g, e.multiply(place, e.size)), inside[shift]) for shift, place in places.items()
            }
            if chosen:
                winners = {
                    shift: _load_integers(e, e.add(k, place), inside[shift], INT8) for shift, place in places.items()
                }
            for s in range(shape.taps):
                shift, phase = shape.place(s)
                more = b.fadd(e.get(sums[phase]), values[shift])
                if chosen:
                    hit = b.icmp_signed("==", winners[shift], _broadcast_integer(e, e.add(tap, s)))
                    more = b.select(hit, more, e.get(sums[phase]))
                e.set(sums[phase], more)
            e.advance(row, 16)
        for q, vector in enumerate(_interleaved(e, [e.get(each) for each in sums])):
            to = e.add(e.get(column), q * e.lanes)
            e.store(vector, e.add(dx, e.multiply(to, e.size)), _within(e, to, width))
        e.advance(slot, e.lanes)
        e.advance(column, e.lanes * stride)


@functools.cache
def max_2x2(outputs: int, dtype: DTypeLike) -> int:
    """Return a leaf for the maxima of windows 2 x 2 side by side, of as many rows as there are.

    y[m, i] = max over r, s < 2 of x[m, r, 2 i + s], k[m, i] (uint8) = 2 r + s of the maximum, for rows m of `outputs`
    windows i, which must divide the lanes of a vector: rows so short fill no vector alone.  NaN wins over numbers,
    the first of equals wins.

    Arguments, 4: x, windows (of all rows), y, k.
    """
    return vector_leaf("max_2x2", 4, dtype, partial(_emit_max_2x2, outputs=outputs), outputs)


def _emit_max_2x2(e: Emitter, outputs: int) -> None:
    x, windows, y, k = e.arguments
    done = e.variable(INT(0))
    with e.repeat(e.builder.sdiv(e.add(windows, e.lanes - 1), INT(e.lanes))):
        left = e.builder.sub(windows, e.get(done))
        taps = [
            (value, _broadcast_integer(e, INT(tap)))
            for tap, value in enumerate(_taps_2x2(e, x, e.get(done), left, outputs))
        ]
        best, winner = reduce(partial(_larger, e), taps)
        e.store(best, e.add(y, e.multiply(e.get(done), e.size)), e.mask(left))
        _store_integers(e, winner, e.add(k, e.get(done)), e.mask(left), INT8)
        e.advance(done, e.lanes)


@functools.cache
def average_2x2(outputs: int, dtype: DTypeLike) -> int:
    """Return a leaf for the means of the same windows: y[m, i] = scale times the sum of x[m, r, 2 i + s].

    Arguments, 4: x, windows (of all rows), y, scale (address of one element).
    """
    return vector_leaf("average_2x2", 4, dtype, partial(_emit_average_2x2, outputs=outputs), outputs)


def _emit_average_2x2(e: Emitter, outputs: int) -> None:
    x, windows, y, scale = e.arguments
    b, done, factor = e.builder, e.variable(INT(0)), e.load_broadcast(scale)
    with e.repeat(b.sdiv(e.add(windows, e.lanes - 1), INT(e.lanes))):
        left = b.sub(windows, e.get(done))
        first, second, third, fourth = _taps_2x2(e, x, e.get(done), left, outputs)
        total = b.fadd(b.fadd(first, second), b.fadd(third, fourth))
        e.store(b.fmul(total, factor), e.add(y, e.multiply(e.get(done), e.size)), e.mask(left))
        e.advance(done, e.lanes)


def _taps_2x2(e: Emitter, x: ir.Value, done: ir.Value, left: ir.Value, outputs: int) -> Iterator[ir.Value]:
    """Yield x[m, r, 2 i + s] for r, s < 2 and the windows from number `done` on, of which `left` exist."""
    at, elements = e.add(x, e.multiply(done, 4 * e.size)), e.multiply(left, 4)
    block = [e.load(e.add(at, q * e.vector_size), e.mask(e.add(elements, -q * e.lanes))) for q in range(4)]
    for r, s in ((0, 0), (0, 1), (1, 0), (1, 1)):
        first = 2 * outputs * r + s
        yield _picked(e, block, [lane // outputs * 4 * outputs + lane % outputs * 2 + first for lane in range(e.lanes)])


@functools.cache
def spread_2x2(outputs: int, dtype: DTypeLike, *, chosen: bool) -> int:
    """Return a leaf for the gradient of the maxima, or means, of windows 2 x 2 side by side, of all their rows.

    dx[m, r, 2 i + s] = g[m, i] where k[m, i] (uint8) = 2 r + s, else 0, for rows m of `outputs` windows i, which must
    divide the lanes of a vector: rows so short fill no vector alone.  Not `chosen`: dx[m, r, 2 i + s] = scale g[m, i].

    Arguments, 4: g, k or scale (address of one element), windows (of all rows), dx.
    """
    emit = partial(_emit_spread_2x2, outputs=outputs, chosen=chosen)
    return vector_leaf("spread_2x2_chosen" if chosen else "spread_2x2", 4, dtype, emit, outputs)


def _emit_spread_2x2(e: Emitter, outputs: int, chosen: bool) -> None:
    g, k, windows, dx = e.arguments
    done = e.variable(INT(0))
    factor = None if chosen else e.load_broadcast(k)
    with e.repeat(e.builder.sdiv(e.add(windows, e.lanes - 1), INT(e.lanes))):
        left = e.builder.sub(windows, e.get(done))
        exists = e.mask(left)
        gradients = e.load(e.add(g, e.multiply(e.get(done), e.size)), exists)
        winners = _load_integers(e, e.add(k, e.get(done)), exists, INT8) if chosen else None
        for q in range(4):
            row_of, place = zip(*(divmod(q * e.lanes + lane, 4 * outputs) for lane in range(e.lanes)), strict=True)
            taps = [2 * (p // (2 * outputs)) + p % 2 for p in place]
            window = [m * outputs + p % (2 * outputs) // 2 for m, p in zip(row_of, place, strict=True)]
            value = e.shuffle(gradients, gradients, window)
            if winners is not None:
                tap = ir.Constant(ir.VectorType(INT32, e.lanes), taps)
                hit = e.builder.icmp_signed("==", e.shuffle(winners, winners, window), tap)
                value = e.builder.select(hit, value, e.zero)
            else:
                value = e.builder.fmul(value, factor)
            to = e.add(e.multiply(e.get(done), 4), q * e.lanes)
            e.store(value, e.add(dx, e.multiply(to, e.size)), e.mask(e.add(e.multiply(left, 4), -q * e.lanes)))
        e.advance(done, e.lanes)


# ---- parts ----


def _larger(e: Emitter, best: tuple[ir.Value, ir.Value], other: tuple[ir.Value, ir.Value]) -> tuple[ir.Value, ir.Value]:
    """Let `other`, values and numbers, challenge `best`: it wins where it is larger or NaN."""
    value = other[0]
    larger = e.builder.fcmp_ordered(">", value, best[0])
    wins = e.builder.or_(larger, e.builder.fcmp_unordered("uno", value, value))
    return e.builder.select(wins, value, best[0]), e.builder.select(wins, other[1], best[1])


def _filled(e: Emitter, value: float) -> ir.Constant:
    return ir.Constant(e.vector, [value] * e.lanes)


def _broadcast_integer(e: Emitter, value: ir.Value) -> ir.Value:
    return e.broadcast(e.builder.trunc(value, INT32))


def _within(e: Emitter, first: ir.Value, width: ir.Value) -> ir.Value:
    """The lanes l with 0 <= first + l < width."""
    lane = ir.Constant(ir.VectorType(INT32, e.lanes), list(range(e.lanes)))
    column = e.builder.add(_broadcast_integer(e, first), lane)
    return e.builder.icmp_unsigned("<", column, _broadcast_integer(e, width))


def _every(e: Emitter, vectors: list[ir.Value], first: int) -> ir.Value:
    """Lane l: element first + l n of n vectors side by side."""
    return _picked(e, vectors, [first + lane * len(vectors) for lane in range(e.lanes)])


def _picked(e: Emitter, vectors: list[ir.Value], pick: list[int]) -> ir.Value:
    """Lane l: element pick[l] of vectors side by side."""
    result = vectors[0]
    for q, vector in enumerate(vectors):
        of_vector = [p - q * e.lanes for p in pick]
        chosen = [p + e.lanes if 0 <= p < e.lanes else lane for lane, p in enumerate(of_vector)]
        result = e.shuffle(result, vector, chosen)
    return result


def _interleaved(e: Emitter, phases: list[ir.Value]) -> list[ir.Value]:
    """Vector q, lane l: lane p // n of phase p % n, for p = q lanes + l and n phases."""
    n, result = len(phases), []
    for q in range(n):
        place = [divmod(q * e.lanes + lane, n) for lane in range(e.lanes)]
        vector = e.shuffle(phases[0], phases[0], [slot for slot, _ in place])
        for b in range(1, n):
            pick = [slot + e.lanes if phase == b else lane for lane, (slot, phase) in enumerate(place)]
            vector = e.shuffle(vector, phases[b], pick)
        result.append(vector)
    return result


def _load_integers(e: Emitter, address: ir.Value, mask: ir.Value, element: ir.IntType) -> ir.Value:
    """Read a vector of unsigned integers as int32; lanes outside the mask are 0 and not touched."""
    vector = ir.VectorType(element, e.lanes)
    nothing = ir.Constant(vector, [0] * e.lanes)
    arguments = [e.builder.inttoptr(address, vector.as_pointer()), INT32(element.width // 8), mask, nothing]
    value = e.builder.call(_masked(e, "load", vector, vector, arguments), arguments)
    return value if element is INT32 else e.builder.zext(value, ir.VectorType(INT32, e.lanes))


def _store_integers(e: Emitter, value: ir.Value, address: ir.Value, mask: ir.Value, element: ir.IntType) -> None:
    """Write the lanes inside the mask of a vector of int32, shortened to `element`."""
    vector = ir.VectorType(element, e.lanes)
    short = value if element is INT32 else e.builder.trunc(value, vector)
    arguments = [short, e.builder.inttoptr(address, vector.as_pointer()), INT32(element.width // 8), mask]
    e.builder.call(_masked(e, "store", vector, ir.VoidType(), arguments), arguments)


def _masked(e: Emitter, kind: str, vector: ir.VectorType, result: ir.Type, arguments: list[ir.Value]) -> ir.Function:
    name = f"llvm.masked.{kind}.v{vector.count}i{vector.element.width}.p0"
    declared = e.module.globals.get(name)
    if declared is None:
        declared = ir.Function(e.module, ir.FunctionType(result, [a.type for a in arguments]), name)
    return declared
