"""Vector code of depthwise convolutions: one filter slides over one plane, which is read where it lies.

Every element of the source is loaded once per row tap.  Column taps are told apart by their sums instead: the
sum over the row taps of one column tap is a vector that lies some lanes beside the outputs it belongs to, and two
neighbouring sums are shifted into place.  (The gradient of the weight shifts the vector of gradients.)

Vectors are visited in the order of a sweep.  An entry describes one, in int64 numbers:
    its displacement in the source;
    a displacement in the target and a mask, as bits, per piece that is stored there (two interleaved, one, or the
        halves of one that holds two rows);
    a mask per (row tap, load): what of it lies in the plane, the rest counts as zero;
    a mask per column tap: what of its shifted sum (or gradient) counts.  Only the gradient of the weight, and a
        plane that is swept as one row (`flat`), look at these;
    the distance of the second load from the first, where two rows are `paired`.
A sweep is a head, a block that is repeated at a fixed distance, and a tail.  Entries of the block have the same
load masks for all row taps; in a flat sweep their loads and stores are whole.  Before the entries stand int64[8]:
the lengths of head, block and tail, the repetitions, what a repetition adds to the source and to the target; and how
far ahead to fetch the source and the target, in bytes, 0 for not at all.

A short sweep can be written out: known entries become part of the code, which has neither loops nor masks to load.

Counts and addresses are as in `simd`.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import LINE, Emitter, registers, vector_leaf
from ops.kernels.native import INT

__all__ = [
    "SWEEP_NUMBERS",
    "Columns",
    "Entries",
    "depthwise_rows",
    "depthwise_weights",
    "spread_columns",
    "strided_columns",
]

SWEEP_NUMBERS = 8

Entry: TypeAlias = ir.Value | tuple[int, ...]
"""The address of an entry, or the numbers of one that is known."""

Entries: TypeAlias = tuple[tuple[int, ...], ...]


class Columns(NamedTuple):
    """How the taps of one filter row are taken from a vector of the source."""

    taps: int
    """Their number."""
    first: int
    """Where the load begins, in elements from where a target that reads without padding would begin."""
    loads: int
    """Vectors loaded: one, or two that are parted into their even and odd lanes."""
    outputs: tuple[tuple[tuple[int, int, int], ...], ...]
    """Per target vector (one, or two that are interleaved): (tap, even or odd lanes, lanes to shift by)."""
    flat: bool
    paired: bool = False
    """Whether a vector holds two rows of targets, half a vector each; then a second load is the second row's."""

    @property
    def pieces(self) -> int:
        """Pieces of the target that are stored."""
        return 2 if self.paired else len(self.outputs)

    @property
    def masked_loads(self) -> int:
        """Loads of a row tap."""
        return 2 if self.paired else self.loads

    @property
    def reach(self) -> int:
        """The largest shift."""
        return max(shift for reads in self.outputs for _, _, shift in reads)

    def entry_numbers(self, row_taps: int) -> int:
        """Return the length of an entry."""
        return 1 + 2 * self.pieces + row_taps * self.masked_loads + self.taps + self.paired


def strided_columns(taps: int, stride: int, dilation: int, *, flat: bool, paired: bool = False) -> Columns:
    """Return the columns of the pass from input to output, at stride 1 or 2."""
    reads = tuple((s, s * dilation % stride, s * dilation // stride) for s in range(taps))
    return Columns(taps, 0, stride, (reads,), flat, paired)


def spread_columns(taps: int, padding: int, dilation: int) -> Columns:
    """Return the columns of the pass back to the input at stride 2: even and odd targets read different taps."""
    shifts = [
        [(s, (b + padding - s * dilation) // 2) for s in range(taps) if (b + padding - s * dilation) % 2 == 0]
        for b in (0, 1)
    ]
    first = min(shift for pairs in shifts for _, shift in pairs)
    outputs = tuple(tuple((s, 0, shift - first) for s, shift in pairs) for pairs in shifts)
    return Columns(taps, first, 1, outputs, False)


def depthwise_rows(row_taps: int, columns: Columns, dtype: DTypeLike, known: Entries | None) -> int:
    """Return a leaf that slides a filter over each of several planes, vectors from right to left.

    y[q, p] = init[q] + sum_{r, s} w[q, r, s] x[q, (p, r, s)], then max(., 0) if relu.

    Arguments, 14 of them:
        planes: their number; operands of plane q start q * x_plane, q * w_plane, q * y_plane further on.
        x, x_plane, x_row: address; distance of planes and of the rows that consecutive row taps read.
        w, w_plane, w_row, w_step: distance of planes, of row taps and of the taps in a row.
        y, y_plane: the target.
        mode, bias: init is 2 = bias[q], otherwise zero.
        relu: 0 or 1; NaN passes through.
        sweep: address of the sweep.
    """
    return _leaf("depthwise_rows", 14, row_taps, columns, dtype, known, _emit_rows)


def depthwise_weights(row_taps: int, columns: Columns, dtype: DTypeLike, known: Entries | None) -> int:
    """Return a leaf that correlates planes with gradients, vectors from left to right.

    sums[q, r, s, l] = (start ? sums[q, r, s, l] : 0) + sum over the vectors v of grad[q, v, l] x[q, (v, l, r, s)].

    Arguments: planes, x, x_plane, x_row, grad, grad_plane, start, sums, sweep.
    """
    return _leaf("depthwise_weights", 9, row_taps, columns, dtype, known, _emit_weights)


def _leaf(
    kind: str,
    parameters: int,
    row_taps: int,
    columns: Columns,
    dtype: DTypeLike,
    known: Entries | None,
    emit: Callable[["_Sweep"], None],
) -> int:
    reads = [(len(pairs), *(n for tap in pairs for n in tap)) for pairs in columns.outputs]
    numbers = (
        row_taps,
        columns.taps,
        columns.loads,
        columns.flat + 2 * columns.paired,
        *(n for pairs in reads for n in pairs),
        *(() if known is None else (_digest(known),)),
    )
    return vector_leaf(kind, parameters, dtype, lambda e: emit(_Sweep(e, row_taps, columns, known)), *numbers)


def _digest(entries: Entries) -> int:
    """A number that tells sweeps apart."""
    return int.from_bytes(hashlib.sha256(repr(entries).encode()).digest()[:8], "big")


class _Sweep:
    """Emits the loops over the entries of a sweep and what depends on the layout of an entry."""

    def __init__(self, e: Emitter, row_taps: int, columns: Columns, known: Entries | None) -> None:
        self.e, self.row_taps, self.columns, self.known = e, row_taps, columns, known
        self.load_masks = 1 + 2 * columns.pieces
        self.tap_masks = self.load_masks + row_taps * columns.masked_loads

    def run(self, sweep: ir.Value, source: ir.Value, target: ir.Value, body: Callable[..., None]) -> None:
        """Emit body(entry, source, target, whether in the block) for all entries."""
        for known in self.known or ():
            body(known, source, target, False)
        if self.known is not None:
            return
        e, length = self.e, 8 * self.columns.entry_numbers(self.row_taps)
        head, block, tail, repeats, source_step, target_step = (e.load_integer(sweep, i) for i in range(6))
        x, y, entry = e.variable(source), e.variable(target), e.variable(e.add(sweep, 8 * SWEEP_NUMBERS))

        def visit(count: ir.Value, inner: bool) -> None:
            with e.repeat(count):
                body(e.get(entry), e.get(x), e.get(y), inner)
                e.advance(entry, length)

        visit(head, False)
        first = e.get(entry)
        with e.repeat(repeats):
            e.set(entry, first)
            visit(block, True)
            e.advance(x, source_step)
            e.advance(y, target_step)
        e.set(x, source)
        e.set(y, target)
        visit(tail, False)

    def number(self, entry: Entry, index: int) -> ir.Value:
        """A number of an entry."""
        return INT(entry[index]) if isinstance(entry, tuple) else self.e.load_integer(entry, index)

    def mask(self, entry: Entry, index: int) -> ir.Value | None:
        """A number of an entry as a mask, None for one known to hold all lanes."""
        whole = isinstance(entry, tuple) and entry[index] == (1 << self.e.lanes) - 1
        return None if whole else self.e.bit_mask(self.number(entry, index))

    def rows(
        self, entry: Entry, source: ir.Value, x_row: ir.Value, ahead: ir.Value, inner: bool
    ) -> list[list[ir.Value]]:
        """The source under every row tap: one vector, or its even and its odd lanes."""
        e, c = self.e, self.columns
        result, row = [], e.add(source, self.number(entry, 0))
        masks: list[ir.Value | None] = [None] * c.masked_loads
        self.fetch_rows(row, x_row, ahead)
        second = self.number(entry, c.entry_numbers(self.row_taps) - 1) if c.paired else INT(e.vector_size)
        for r in range(self.row_taps):
            if not inner or (r == 0 and not c.flat):
                first = self.load_masks + r * c.masked_loads
                masks = [self.mask(entry, first + i) for i in range(c.masked_loads)]
            vectors = [e.load(at, mask) for at, mask in zip((row, e.add(row, second)), masks, strict=False)]
            if c.paired and c.loads == 1:
                vectors = [
                    e.shuffle(vectors[0], vectors[1], [*range(e.lanes // 2), *range(3 * e.lanes // 2, 2 * e.lanes)])
                ]
            if c.loads == 2:
                vectors = [e.shuffle(vectors[0], vectors[1], range(phase, 2 * e.lanes, 2)) for phase in (0, 1)]
            result.append(vectors)
            row = e.add(row, x_row)
        return result

    def fetch_distances(self, sweep: ir.Value) -> tuple[ir.Value, ir.Value]:
        """How far ahead to fetch the source and the target."""
        return self.e.load_integer(sweep, 6), self.e.load_integer(sweep, 7)

    def fetch_rows(self, address: ir.Value, x_row: ir.Value, ahead: ir.Value) -> None:
        """Fetch what is new to the first row tap, at stride 2 that of two rows, as it will be read some planes on."""
        e, c, row = self.e, self.columns, address
        for _ in range(c.loads * (2 if c.paired else 1)):
            self.fetch(row, ahead, 1 if c.paired else c.loads)
            row = e.add(row, x_row)

    def fetch(self, address: ir.Value, ahead: ir.Value, vectors: int = 1, *, write: bool = False) -> None:
        """Fetch vectors at a distance."""
        with self.e.when(ahead, "!=", 0):
            later = self.e.add(address, ahead)
            for at in range(0, vectors * self.e.vector_size, LINE):
                self.e.prefetch(self.e.add(later, at), write=write, level=1 if write else 2)

    def shifted(self, low: ir.Value, high: ir.Value, by: int) -> ir.Value:
        """Lanes by, by + 1, ... of two neighbouring vectors."""
        return self.e.shuffle(low, high, range(by, by + self.e.lanes)) if by else low

    def pieces(self, entry: Entry, target: ir.Value, inner: bool) -> list[tuple[ir.Value, ir.Value | None]]:
        """The (address, mask) of all pieces of the target."""
        whole = inner and self.columns.flat
        return [
            (self.e.add(target, self.number(entry, i)), None if whole else self.mask(entry, i + 1))
            for i in range(1, 1 + 2 * self.columns.pieces, 2)
        ]


def _emit_rows(sweep: _Sweep) -> None:
    e, c, row_taps = sweep.e, sweep.columns, range(sweep.row_taps)
    planes, x, x_plane, x_row, w, w_plane, w_row, w_step, y, y_plane, mode, bias, relu, table = e.arguments
    x_at, w_at, y_at, bias_at = e.variable(x), e.variable(w), e.variable(y), e.variable(bias)
    x_ahead, y_ahead = sweep.fetch_distances(table)
    low, start = e.relu_bound(relu), e.variable(e.zero)
    used = sorted({s for reads in c.outputs for s, _, _ in reads})
    in_registers = sweep.row_taps * (len(used) + 1) <= registers() - 4
    sums = [sorted({shift for _, _, shift in reads}) for reads in c.outputs]
    right = {(b, shift): e.variable(e.zero) for b, shifts in enumerate(sums) for shift in shifts if shift}

    def weights() -> dict[tuple[int, int], ir.Value]:
        at = _multiples(e, e.get(w_at), w_row, sweep.row_taps)
        return {(r, s): e.load_broadcast(e.add(at[r], e.builder.mul(w_step, INT(s)))) for r in row_taps for s in used}

    with e.repeat(planes):
        kept = {key: e.variable(value) for key, value in weights().items()} if in_registers else {}
        with e.when(mode, "==", 2):
            e.set(start, e.load_broadcast(e.get(bias_at)))

        def vector(entry: Entry, source: ir.Value, target: ir.Value, inner: bool) -> None:
            now = {key: e.get(slot) for key, slot in kept.items()} if in_registers else weights()
            operands, outputs = sweep.rows(entry, source, x_row, x_ahead, inner), []
            for b, reads in enumerate(c.outputs):
                output = e.get(start)
                for shift in sums[b]:
                    taps, total = [tap for tap in reads if tap[2] == shift], e.zero
                    for r in row_taps:
                        for s, phase, _ in taps:
                            total = e.multiply_add(operands[r][phase], now[r, s], total)
                    value = sweep.shifted(total, e.get(right[b, shift]), shift) if shift else total
                    if shift:
                        e.set(right[b, shift], total)
                    added = e.builder.fadd(output, value)
                    mask = sweep.mask(entry, sweep.tap_masks + taps[0][0]) if c.flat else None
                    output = added if mask is None else e.builder.select(mask, added, output)
                outputs.append(e.at_least(output, low))
            results = outputs * c.pieces if len(outputs) == 1 else e.interleaved(*outputs)
            for value, (address, mask) in zip(results, sweep.pieces(entry, target, inner), strict=True):
                sweep.fetch(address, y_ahead, write=True)
                e.store(value, address, mask)

        sweep.run(table, e.get(x_at), e.get(y_at), vector)
        for slot, step in ((x_at, x_plane), (w_at, w_plane), (y_at, y_plane), (bias_at, INT(e.size))):
            e.advance(slot, step)


def _emit_weights(sweep: _Sweep) -> None:
    e, (reads,) = sweep.e, sweep.columns.outputs
    planes, x, x_plane, x_row, grad, grad_plane, start, sums, table = e.arguments
    x_at, grad_at, sums_at, left = e.variable(x), e.variable(grad), e.variable(sums), e.variable(e.zero)
    x_ahead, grad_ahead = sweep.fetch_distances(table)
    totals = [e.variable(e.zero) for _ in range(sweep.row_taps * len(reads))]
    with e.repeat(planes):
        for q, slot in enumerate(totals):
            e.set(slot, e.zero)
            with e.when(start, "!=", 0):
                e.set(slot, e.load(e.add(e.get(sums_at), q * e.vector_size)))

        def vector(entry: Entry, source: ir.Value, target: ir.Value, inner: bool) -> None:
            pieces = []
            for address, mask in sweep.pieces(entry, target, inner):
                sweep.fetch(address, grad_ahead)
                pieces.append(e.load(address, mask))
            gradient, before = functools.reduce(e.builder.fadd, pieces), e.get(left)
            e.set(left, gradient)
            operands = sweep.rows(entry, source, x_row, x_ahead, inner)
            for s, phase, shift in reads:
                mask = sweep.mask(entry, sweep.tap_masks + s)
                moved = sweep.shifted(before, gradient, e.lanes - shift) if shift else gradient
                for r, row in enumerate(operands):
                    slot = totals[r * len(reads) + s]
                    total = e.multiply_add(row[phase], moved, e.get(slot))
                    e.set(slot, total if mask is None else e.builder.select(mask, total, e.get(slot)))

        sweep.run(table, e.get(x_at), e.get(grad_at), vector)
        for q, slot in enumerate(totals):
            e.store(e.get(slot), e.add(e.get(sums_at), q * e.vector_size))
        for slot, step in ((x_at, x_plane), (grad_at, grad_plane), (sums_at, INT(len(totals) * e.vector_size))):
            e.advance(slot, step)


def _multiples(e: Emitter, first: ir.Value, step: ir.Value, count: int) -> list[ir.Value]:
    """first, first + step, ..."""
    values = [first]
    for _ in range(1, count):
        values.append(e.add(values[-1], step))
    return values[:count]
