"""Vector code of recurrent cells: the gates of one step, and their gradients, for several sequences at once.

A row holds the numbers of one sequence, the lanes run along its H units, and the gates of a row lie side by side, H
numbers each.  All that a step does to a unit happens in registers, between one load and one store of each number;
LLVM leaves such loops scalar, for it would have to test a dozen arrays for overlap.  The functions exp, sigmoid and
tanh are those of `scalar`, term by term.

Below, g are the gates before their nonlinearity (they are overwritten with what comes out of it), h and c the states
before the step, h' and c' those after it:
    rnn    h' = tanh(g) or max(g, 0)
    lstm   i, f, o = sigmoid(g), j = tanh(g);  c' = f c + i j,  h' = o tanh(c')   (order i, f, j, o)
    gru    r, z = sigmoid(g), n = tanh(g + r m);  h' = n + z (h - n)              (order r, z, n; m = W h + b)
Sources: Elman 1990; Hochreiter and Schmidhuber 1997, with the forget gates of Gers et al. 2000; Cho et al. 2014.
"""

import functools
from collections.abc import Callable, Sequence

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import Emitter, vector_leaf
from ops.kernels.native import INT
from ops.kernels.recurrent_functions import Functions

Step = Callable[..., None]

GATES = {"tanh": 1, "relu": 1, "lstm": 4, "gru": 3}


@functools.cache
def cell_forward(kind: str, dtype: DTypeLike) -> int:
    """Return a leaf that takes rows of a cell one step on.

    Arguments, 8:
        rows, columns: sequences and units H; numbers of a row follow each other, rows too unless a pitch is given.
        gates: (rows, gates H), overwritten with the gates' values.
        kept: lstm: (rows, H), receives c; gru: holds m.
        before, before_pitch: h (gru), its rows so many bytes apart.
        after: receives h'.
        c: (rows, H), lstm: c, overwritten with c'.
    """
    return vector_leaf(f"cell_forward_{kind}", 8, dtype, FORWARD[kind])


@functools.cache
def cell_backward(kind: str, dtype: DTypeLike) -> int:
    """Return a leaf that takes gradients of rows of a cell one step back.

    Arguments, 11:
        rows, columns, gates, kept, before, before_pitch: as `cell_forward` left them.
        dh: (rows, H), the gradient of h'; gru: overwritten with z dh, the part of h's that passes the gates by.
        dc: (rows, H), lstm: the gradient of c', overwritten with that of c.
        dgates: receives the gradient of g.
        dhidden: gru: receives that of W h + b, which differs from dgates in the last gate.
        dpitch: bytes from row to row of both.
    """
    return vector_leaf(f"cell_backward_{kind}", 11, dtype, BACKWARD[kind])


# ---- forward ----


def _emit_rnn(e: Emitter, activation: str) -> None:
    rows, columns, gates, _, _, _, after, _ = e.arguments
    function = Functions(e)

    def step(g: Row, out: Row) -> None:
        value = function.tanh(g.load()) if activation == "tanh" else function.relu(g.load())
        g.store(value)
        out.store(value)

    _for_units(e, rows, columns, [(gates, 1), (after, 1)], step)


def _emit_lstm(e: Emitter) -> None:
    rows, columns, gates, kept, _, _, after, c = e.arguments
    function, b = Functions(e), e.builder

    def step(g: Row, kept: Row, out: Row, cell: Row) -> None:
        i, f = (function.sigmoid(g.load(gate)) for gate in (0, 1))
        j = function.tanh(g.load(2))
        o = function.sigmoid(g.load(3))
        before = cell.load()
        after = e.multiply_add(i, j, b.fmul(f, before))
        for gate, value in enumerate((i, f, j, o)):
            g.store(value, gate)
        kept.store(before)
        cell.store(after)
        out.store(b.fmul(o, function.tanh(after)))

    _for_units(e, rows, columns, [(gates, 4), (kept, 1), (after, 1), (c, 1)], step)


def _emit_gru(e: Emitter) -> None:
    rows, columns, gates, kept, before, before_pitch, after, _ = e.arguments
    function, b = Functions(e), e.builder

    def step(g: Row, hidden: Row, before: Row, out: Row) -> None:
        r, z = (function.sigmoid(g.load(gate)) for gate in (0, 1))
        n = function.tanh(e.multiply_add(r, hidden.load(), g.load(2)))
        for gate, value in enumerate((r, z, n)):
            g.store(value, gate)
        out.store(e.multiply_add(z, b.fsub(before.load(), n), n))

    _for_units(e, rows, columns, [(gates, 3), (kept, 1), (before, before_pitch), (after, 1)], step)


# ---- backward ----


def _emit_rnn_backward(e: Emitter, activation: str) -> None:
    rows, columns, gates, _, _, _, dh, _, dgates, _, dpitch = e.arguments
    function, b = Functions(e), e.builder

    def step(g: Row, dh: Row, dg: Row) -> None:
        h, grad = g.load(), dh.load()
        if activation == "tanh":
            dg.store(b.fmul(grad, function.one_minus_square(h)))
        else:
            dg.store(b.select(b.fcmp_ordered("<=", h, e.zero), e.zero, grad))

    _for_units(e, rows, columns, [(gates, 1), (dh, 1), (dgates, dpitch)], step)


def _emit_lstm_backward(e: Emitter) -> None:
    rows, columns, gates, kept, _, _, dh, dc, dgates, _, dpitch = e.arguments
    function, b = Functions(e), e.builder

    def step(g: Row, kept: Row, dh: Row, dc: Row, dg: Row) -> None:
        i, f, j, o = (g.load(gate) for gate in range(4))
        before, grad = kept.load(), dh.load()
        t = function.tanh(e.multiply_add(i, j, b.fmul(f, before)))
        of_cell = e.multiply_add(b.fmul(grad, o), function.one_minus_square(t), dc.load())
        dg.store(b.fmul(b.fmul(of_cell, j), function.sigmoid_slope(i)), 0)
        dg.store(b.fmul(b.fmul(of_cell, before), function.sigmoid_slope(f)), 1)
        dg.store(b.fmul(b.fmul(of_cell, i), function.one_minus_square(j)), 2)
        dg.store(b.fmul(b.fmul(grad, t), function.sigmoid_slope(o)), 3)
        dc.store(b.fmul(of_cell, f))

    _for_units(e, rows, columns, [(gates, 4), (kept, 1), (dh, 1), (dc, 1), (dgates, dpitch)], step)


def _emit_gru_backward(e: Emitter) -> None:
    rows, columns, gates, kept, before, before_pitch, dh, _, dgates, dhidden, dpitch = e.arguments
    function, b = Functions(e), e.builder

    def step(g: Row, hidden: Row, before: Row, dh: Row, dg: Row, dm: Row) -> None:
        r, z, n = (g.load(gate) for gate in range(3))
        grad = dh.load()
        passed = b.fmul(grad, z)
        dn = b.fmul(b.fsub(grad, passed), function.one_minus_square(n))
        dr = b.fmul(b.fmul(dn, hidden.load()), function.sigmoid_slope(r))
        dz = b.fmul(b.fmul(grad, b.fsub(before.load(), n)), function.sigmoid_slope(z))
        for gate, (of_gate, of_hidden) in enumerate(((dr, dr), (dz, dz), (dn, b.fmul(dn, r)))):
            dg.store(of_gate, gate)
            dm.store(of_hidden, gate)
        dh.store(passed)

    places = [(gates, 3), (kept, 1), (before, before_pitch), (dh, 1), (dgates, dpitch), (dhidden, dpitch)]
    _for_units(e, rows, columns, places, step)


FORWARD: dict[str, Callable[[Emitter], None]] = {
    "tanh": functools.partial(_emit_rnn, activation="tanh"),
    "relu": functools.partial(_emit_rnn, activation="relu"),
    "lstm": _emit_lstm,
    "gru": _emit_gru,
}
BACKWARD: dict[str, Callable[[Emitter], None]] = {
    "tanh": functools.partial(_emit_rnn_backward, activation="tanh"),
    "relu": functools.partial(_emit_rnn_backward, activation="relu"),
    "lstm": _emit_lstm_backward,
    "gru": _emit_gru_backward,
}


# ---- rows ----


@functools.cache
def copy_rows(dtype: DTypeLike) -> int:
    """Return a leaf: target[r, i] = source[r, i].

    Arguments, 6: source, its pitch in bytes, target, its pitch, rows, columns.
    """
    return vector_leaf("recurrent_copy_rows", 6, dtype, _emit_copy)


@functools.cache
def add_rows(dtype: DTypeLike) -> int:
    """Return a leaf: target[r, i] += source[r, i], with the arguments of `copy_rows`."""
    return vector_leaf("recurrent_add_rows", 6, dtype, _emit_add)


def _emit_copy(e: Emitter) -> None:
    source, source_pitch, target, target_pitch, rows, columns = e.arguments
    places = [(source, source_pitch), (target, target_pitch)]
    _for_units(e, rows, columns, places, lambda read, write: write.store(read.load()))


def _emit_add(e: Emitter) -> None:
    source, source_pitch, target, target_pitch, rows, columns = e.arguments
    places = [(source, source_pitch), (target, target_pitch)]
    _for_units(e, rows, columns, places, lambda read, total: total.store(e.builder.fadd(total.load(), read.load())))


class Row:
    """A vector's place in a row of one array; gate k lies k times H numbers further on."""

    def __init__(self, e: Emitter, address: ir.Value, gate: ir.Value, mask: ir.Value | None) -> None:
        self.e, self.address, self.gate, self.mask = e, address, gate, mask

    def _of(self, k: int) -> ir.Value:
        return self.e.add(self.address, self.e.multiply(self.gate, k)) if k else self.address

    def load(self, gate: int = 0) -> ir.Value:
        """Read the vector of a gate."""
        return self.e.load(self._of(gate), self.mask)

    def store(self, value: ir.Value, gate: int = 0) -> None:
        """Write the vector of a gate."""
        self.e.store(value, self._of(gate), self.mask)


def _for_units(
    e: Emitter, rows: ir.Value, columns: ir.Value, places: Sequence[tuple[ir.Value, ir.Value | int]], step: Step
) -> None:
    """Emit step(*rows of the places) for every vector of every row; a place is an address and a pitch.

    A pitch that is an int counts H numbers, else bytes.
    """
    b = e.builder
    gate = e.multiply(columns, e.size)
    vectors = b.sdiv(columns, INT(e.lanes))
    left = b.sub(columns, e.multiply(vectors, e.lanes))
    tail = e.mask(left)
    starts = [e.variable(address) for address, _ in places]
    pitches = [e.multiply(gate, pitch) if isinstance(pitch, int) else pitch for _, pitch in places]
    at = e.variable(INT(0))

    def visit(mask: ir.Value | None) -> None:
        step(*[Row(e, e.add(e.get(start), e.get(at)), gate, mask) for start in starts])

    with e.repeat(rows):
        e.set(at, INT(0))
        with e.repeat(vectors):
            visit(None)
            e.advance(at, e.vector_size)
        with e.when(left, ">", 0):
            visit(tail)
        for start, pitch in zip(starts, pitches, strict=True):
            e.advance(start, pitch)
