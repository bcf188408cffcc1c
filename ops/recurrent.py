"""Recurrent networks: layers over whole sequences, and single cells.

A layer goes over a sequence in one direction in a single primitive. Shapes: T steps, B sequences, I inputs, H units,
P = H outputs unless there is a projection, G gates: H (rnn), 4H (lstm: i, f, g, o) or 3H (gru: r, z, n).

    rnn    h' = tanh(a), or relu(a),                      a = W_ih x + b_ih + W_hh h + b_hh
    lstm   c' = σ(f) c + σ(i) tanh(g),  h' = σ(o) tanh(c') (times W_hr, if there is a projection)
    gru    h' = (1 − z) n + z h,  n = tanh(W_in x + b_in + r (W_hn h + b_hn))
"""

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd.batching import Batch, stacked
from autograd.primitive import primitive
from autograd.tape import grad as gradients
from autograd.tensor import Tensor
from autograd.views import view_primitive
from ops.activation import relu
from ops.dropout import dropout as dropped
from ops.elementary import sigmoid, tanh
from ops.joining import cat
from ops.lazy_kernels import recurrent as kernels
from ops.linear import KERNEL_TYPES, linear
from ops.padding import pad
from ops.shape import clone, movedim, reshape, transpose
from ops.slicing import chunk, narrow

Steps = tuple[int, ...]


class RecurrentWeights(NamedTuple):
    """The weights of one layer in one direction: (G, I), (G, P), (G,), (G,), (P, H)."""

    ih: Any
    hh: Any
    bias_ih: Any = None
    bias_hh: Any = None
    hr: Any = None


def sizes_of(weights: RecurrentWeights) -> tuple[int, int]:
    """Return P and H."""
    P = weights.hh.shape[1]
    return P, P if weights.hr is None else weights.hr.shape[1]


# -- one layer, one direction --------------------------------------------------------------------------------


@primitive(residual=True)
def recurrent_layer(
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    kind: str,
    steps: Steps,
    reverse: bool,
) -> Any:
    """Take sequences x (T, B, I), or packed (rows, I), through all steps, from h (B, P) and c (B, H), None for zeros.

    steps[t] sequences have a step t; `reverse` goes from the last step to the first. Returns all outputs, then the
    last h of each sequence and, of an lstm, the last c, one after the other along one axis.
    """
    return kernels.forward(kind, x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr, steps, reverse)


@recurrent_layer.joint_vjp
def _(
    grad: Any, wanted: Sequence[bool], x: Any, h: Any, c: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, w_hr: Any,
    residual: Any, kind: str, steps: Steps, reverse: bool,
) -> Sequence[Any]:  # fmt: skip
    if isinstance(grad, Tensor):
        inputs = (x, h, c, w_ih, w_hh, b_ih, b_hh, w_hr)
        return _recorded_gradients(grad, wanted, inputs, kind=kind, steps=steps, reverse=reverse)
    parts = (wanted[0], wanted[1] or wanted[2], any(wanted[3:]))
    found = kernels.backward(kind, grad, residual, w_ih, w_hh, w_hr, steps, reverse, parts, zero=h is None)
    return found.x.reshape(x.shape) if wanted[0] else None, *found[1:]


@recurrent_layer.joint_vmap
def _(batch: Batch, *values: Any, kind: str, steps: Steps, reverse: bool) -> Any:
    """Take all samples as one batch of sequences; those with weights of their own go one by one."""
    if any(batch.of[3:]):
        layer = functools.partial(recurrent_layer, kind=kind, steps=steps, reverse=reverse)
        return stacked(layer, batch, values)
    S, B, (P, H) = batch.size, steps[0], sizes_of(weights := RecurrentWeights(*values[3:]))
    x, h, c = [None if each is None else _side_by_side(each) for each in batch.everywhere(values[:3])]
    flat = recurrent_layer(x, h, c, *weights, kind=kind, steps=tuple([S * n for n in steps]), reverse=reverse)
    parts = [(sum(steps) + B, P), (B, H)] if kind == "lstm" else [(sum(steps) + B, P)]  # y and h, and c
    ends = np.cumsum([S * rows * size for rows, size in parts])
    found = [
        _apart(narrow(flat, 0, end - S * rows * size, S * rows * size), S, rows, size)
        for end, (rows, size) in zip(ends, parts, strict=True)
    ]
    return found[0] if len(found) == 1 else cat(found, 1)


def _side_by_side(x: Any) -> Any:
    """Return (S, ..., B, I) as (..., B · S, I): sequence b of all samples before b + 1, as sequences end in order."""
    x = movedim(x, 0, -2)
    return reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))


def _apart(x: Any, S: int, rows: int, size: int) -> Any:
    """Return what stands side by side as vectors: (rows · S · size,) -> (S, rows · size)."""
    return reshape(transpose(reshape(x, (rows, S, size)), 0, 1), (S, rows * size))


def _recorded_gradients(grad: Any, wanted: Sequence[bool], inputs: Sequence[Any], **parameters: Any) -> list[Any]:
    """Return the gradients of the loop of cells, which are recorded and have gradients themselves."""
    # Of copies: one input may depend on another, and what flows between them is not this layer's.
    copies = [clone(x) if w else x for x, w in zip(inputs, wanted, strict=True)]
    targets = [x for x, w in zip(copies, wanted, strict=True) if w]
    found = iter(
        gradients(loop_of_cells(*copies, **parameters), targets, grad, create_graph=True, materialize_grads=True)
    )
    return [next(found) if w else None for w in wanted]


def loop_of_cells(
    x: Any,
    h: Any,
    c: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any,
    b_hh: Any,
    w_hr: Any,
    *,
    kind: str,
    steps: Steps,
    reverse: bool,
) -> Any:
    """Compute `recurrent_layer` step by step."""
    weights = RecurrentWeights(w_ih, w_hh, b_ih, b_hh, w_hr)
    rows = reshape(x, (sum(steps), x.shape[-1]))
    outputs, units = sizes_of(weights)
    h = _zeros(x, steps[0], outputs) if h is None else h
    c = _zeros(x, steps[0], units) if c is None and kind == "lstm" else c
    ends = np.cumsum(steps)
    y: list[Any] = [None] * len(steps)
    for t in range(len(steps))[:: -1 if reverse else 1]:
        n = steps[t]
        going = (narrow(h, 0, 0, n), None if c is None else narrow(c, 0, 0, n))
        y[t], cell = CELLS[kind](narrow(rows, 0, ends[t] - n, n), *going, weights)
        h, c = _with_rest(y[t], h), None if c is None else _with_rest(cell, c)
    parts = [*y, h] if c is None else [*y, h, c]
    return cat([reshape(part, (-1,)) for part in parts])


def _zeros(x: Any, *shape: int) -> Any:
    return Tensor(np.zeros(shape, x.array.dtype))


def _with_rest(changed: Any, state: Any) -> Any:
    """Return a state of which the first rows have changed."""
    n, B = changed.shape[0], state.shape[0]
    return changed if n == B else cat([changed, narrow(state, 0, n, B - n)])


# -- one step ------------------------------------------------------------------------------------------------


def rnn_step(x: Any, h: Any, _: Any, w: RecurrentWeights, nonlinearity: Any = tanh) -> tuple[Any, Any]:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return nonlinearity(linear(x, w.ih, w.bias_ih) + linear(h, w.hh, w.bias_hh)), None


def lstm_step(x: Any, h: Any, c: Any, w: RecurrentWeights) -> tuple[Any, Any]:
    """c' = σ(f) c + σ(i) tanh(g), h' = σ(o) tanh(c') (Hochreiter and Schmidhuber 1997, Gers et al. 2000)."""
    i, f, g, o = chunk(linear(x, w.ih, w.bias_ih) + linear(h, w.hh, w.bias_hh), 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h if w.hr is None else linear(h, w.hr), c


def gru_step(x: Any, h: Any, _: Any, w: RecurrentWeights) -> tuple[Any, Any]:
    """h' = (1 − z) n + z h, n = tanh(x_n + r h_n) (Cho et al. 2014, with r applied after the product)."""
    xr, xz, xn = chunk(linear(x, w.ih, w.bias_ih), 3, 1)
    hr, hz, hn = chunk(linear(h, w.hh, w.bias_hh), 3, 1)
    n = tanh(xn + sigmoid(xr + hr) * hn)
    return n + sigmoid(xz + hz) * (h - n), None


CELLS: dict[str, Any] = {
    "tanh": rnn_step,
    "relu": lambda x, h, c, w: rnn_step(x, h, c, w, relu),
    "lstm": lstm_step,
    "gru": gru_step,
}

# -- outputs -------------------------------------------------------------------------------------------------


@view_primitive
def part_of(x: Any, *, first: int, shape: Steps) -> Any:
    """The elements of a vector from `first` on, in a shape."""
    return x[first : first + math.prod(shape)].reshape(shape)


@primitive
def placed(x: Any, *, first: int, size: int) -> Any:
    """A vector of zeros but for the elements of x, from `first` on: the adjoint of `part_of`."""
    y = np.empty(size, x.dtype)
    y[:first], y[first + x.size :] = 0, 0
    y[first : first + x.size].reshape(x.shape)[...] = x
    return y


part_of.vjp(x=lambda grad, x_shape, first: placed(grad, first=first, size=x_shape[0]))
placed.vjp(x=lambda grad, x_shape, first: part_of(grad, first=first, shape=x_shape))


@part_of.joint_vmap
def _(batch: Batch, x: Any, first: int, shape: Steps) -> Any:
    return reshape(narrow(x, 1, first, math.prod(shape)), (batch.size, *shape))


@placed.joint_vmap
def _(batch: Batch, x: Any, first: int, size: int) -> Any:
    count = math.prod(x.shape[1:])
    return pad(reshape(x, (batch.size, count)), (first, size - first - count))


# -- several layers ------------------------------------------------------------------------------------------


class Passed(NamedTuple):
    """Outputs of all steps, and the last states (layers · directions, B, P) and, of an lstm, (…, H)."""

    y: Any
    h: Any
    c: Any


def flat_outputs(
    kind: str, x: Any, h: Any, c: Any, weights: RecurrentWeights, steps: Steps, reverse: bool = False
) -> Any:
    """Return [y | h | c] of one layer, by the kernels where they know the type."""
    run = recurrent_layer if x.array.dtype in KERNEL_TYPES else loop_of_cells
    return run(x, h, c, *weights, kind=kind, steps=steps, reverse=reverse)


def one_pass(kind: str, x: Any, h: Any, c: Any, weights: RecurrentWeights, steps: Steps, reverse: bool) -> Passed:
    """Take x through one layer; y has the shape of x but for its last size."""
    flat = flat_outputs(kind, x, h, c, weights, steps, reverse)
    rows, B, (P, H) = sum(steps), steps[0], sizes_of(weights)
    y, last = part_of(flat, first=0, shape=(*x.shape[:-1], P)), part_of(flat, first=rows * P, shape=(1, B, P))
    if kind != "lstm":
        return Passed(y, last, None)
    return Passed(y, last, part_of(flat, first=(rows + B) * P, shape=(1, B, H)))


def recurrent_network(
    kind: str,
    x: Any,
    h: Any,
    c: Any,
    weights: Sequence[Sequence[RecurrentWeights]],
    steps: Steps,
    dropout: float = 0.0,
    training: bool = False,
) -> Passed:
    """Take x (T, B, I), or packed (rows, I), through layers, each of one direction or of two.

    weights[layer][direction]; h (layers · directions, B, P) and c (…, H), or None for zeros. A layer takes the outputs
    of both directions of the one below, side by side and, in training, with some dropped.
    """
    last: list[Passed] = []
    for number, directions in enumerate(weights):
        if number and dropout:
            x = dropped(x, dropout, training)
        passes: list[Passed] = []
        for direction, each in enumerate(directions):
            h0, c0 = (None if state is None else state[len(last) + direction] for state in (h, c))
            passes.append(one_pass(kind, x, h0, c0, each, steps, direction == 1))
        x = passes[0].y if len(passes) == 1 else cat([each.y for each in passes], -1)
        last += passes
    return Passed(x, _joined([each.h for each in last]), _joined([each.c for each in last]) if kind == "lstm" else None)


def _joined(states: list[Any]) -> Any:
    """Return the states of all passes in memory of their own: they are carried over while outputs are dropped."""
    return cat(states) if len(states) > 1 else clone(states[0])


def recurrent_cell(kind: str, x: Any, h: Any, c: Any, weights: RecurrentWeights) -> tuple[Any, Any]:
    """Take x (B, I) one step: return h' and c', None unless the cell is an lstm; h and c may be None for zeros."""
    B, H = x.shape[0], weights.hh.shape[1]
    if kind in ("tanh", "relu"):  # four ops: no more than a kernel's frame
        return CELLS[kind](x, _zeros(x, B, H) if h is None else h, None, weights)
    flat = flat_outputs(kind, x, h, c, weights, (B,))
    after = part_of(flat, first=0, shape=(B, H))
    return after, clone(part_of(flat, first=2 * B * H, shape=(B, H))) if kind == "lstm" else None
