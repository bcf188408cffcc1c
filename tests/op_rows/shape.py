"""Rows of ops.shape, ops.slicing, ops.rearranging, ops.joining and ops.padding: what moves elements about."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from autograd.testing import shapes
from ops import joining as j
from ops import padding as p
from ops import rearranging as r
from ops import shape as s
from ops import slicing as c
from tests.row import Error, Row, Sample, Samples
from tests.samples import along, array, built, choice, listed, of, one, with_parameters

CUBE = (2, 3, 4)
MATRIX = (3, 4)


def _row(function: Callable[..., Any], samples: Samples, reference: Any, **known: Any) -> Row:
    return Row(function, samples, reference, linear=True, **known)


def _with(function: Callable[[DrawFn, Any], dict[str, Any]], min_dims: int = 1, max_dims: int = 3) -> Samples:
    """Draw an array, and parameters that fit it."""

    def drawn(draw: DrawFn) -> Sample:
        x = draw(array(draw(shapes(min_dims, max_dims, 1, 4))))
        return Sample((x,), function(draw, x))

    return built(drawn)


def _dim(draw: DrawFn, x: Any) -> int:
    return draw(st.integers(-x.ndim, x.ndim - 1))


def _two_dims(draw: DrawFn, x: Any) -> tuple[int, int]:
    first, second = draw(st.permutations(range(x.ndim)))[:2]
    return first, second


def _expanded(draw: DrawFn) -> Sample:
    whole = draw(shapes(0, 3, 0, 3))
    first = draw(st.integers(0, len(whole)))
    kept = tuple(draw(st.sampled_from([1, n])) for n in whole[first:])
    return Sample((draw(array(kept)),), {"size": whole})


def _split(x: np.ndarray, size: int, dim: int) -> list[np.ndarray]:
    n = x.shape[dim]
    return [np.take(x, range(i, min(i + size, n)), dim) for i in range(0, n, size)]


def _diagonal_parameters(draw: DrawFn, x: Any) -> dict[str, Any]:
    dim1, dim2 = _two_dims(draw, x)
    return {"offset": draw(st.integers(-2, 2)), "dim1": dim1, "dim2": dim2}


def _diag_embed(x: np.ndarray, offset: int) -> np.ndarray:
    n = x.shape[-1] + abs(offset)
    y = np.zeros((*x.shape[:-1], n, n))
    for i in range(x.shape[-1]):
        y[..., i - min(offset, 0), i + max(offset, 0)] = x[..., i]
    return y


def _windows(x: np.ndarray, dimension: int, size: int, step: int) -> np.ndarray:
    starts = range(0, x.shape[dimension] - size + 1, step)
    pieces = [np.moveaxis(np.take(x, range(i, i + size), dimension), dimension, -1) for i in starts]
    return np.stack(pieces, dimension if dimension >= 0 else dimension + x.ndim)


def _window_parameters(draw: DrawFn, x: Any) -> dict[str, Any]:
    dim = _dim(draw, x)
    return {"dimension": dim, "size": draw(st.integers(1, x.shape[dim])), "step": draw(st.integers(1, 3))}


def _narrow_parameters(draw: DrawFn, x: Any) -> dict[str, Any]:
    dim = _dim(draw, x)
    start = draw(st.integers(0, x.shape[dim]))
    return {"dim": dim, "start": start, "length": draw(st.integers(0, x.shape[dim] - start))}


def _tensors_for_cat(draw: DrawFn) -> Sample:
    shape = draw(shapes(1, 3, 1, 3))
    dim = draw(st.integers(-len(shape), len(shape) - 1))
    sizes = draw(st.lists(st.integers(0, 3), min_size=1, max_size=3))
    parts = []
    for size in sizes:
        sides = list(shape)
        sides[dim] = size
        parts.append(draw(array(tuple(sides))))
    return Sample((parts,), {"dim": dim})


def _tensors_for_stack(draw: DrawFn) -> Sample:
    shape = draw(shapes(0, 2, 0, 3))
    parts = [draw(array(shape)) for _ in range(draw(st.integers(1, 3)))]
    return Sample((parts,), {"dim": draw(st.integers(-len(shape) - 1, len(shape)))})


def _padded(x: np.ndarray, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> np.ndarray:
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    widths = [(0, 0)] * (x.ndim - len(pairs)) + pairs
    grown = [(max(a, 0), max(b, 0)) for a, b in widths]
    modes = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}
    y = np.pad(x, grown, constant_values=value or 0) if mode == "constant" else np.pad(x, grown, modes[mode])
    return y[tuple(slice(-min(a, 0), y.shape[i] + min(b, 0)) for i, (a, b) in enumerate(widths))]


def _rows(vectors: Sequence[np.ndarray]) -> list[list[float]]:
    if not vectors:
        return [[]]
    return [[x, *rest] for x in vectors[0] for rest in _rows(vectors[1:])]


def _block_diagonal(*blocks: np.ndarray) -> np.ndarray:
    matrices = [np.atleast_2d(block) for block in blocks]
    y = np.zeros(np.sum([m.shape for m in matrices], axis=0))
    row = column = 0
    for m in matrices:
        y[row : row + m.shape[0], column : column + m.shape[1]] = m
        row, column = row + m.shape[0], column + m.shape[1]
    return y


_views = [
    _row(
        s.reshape,
        of(CUBE, choice((6, 4), (-1,), (4, -1, 2), (1, 24))),
        lambda x, shape: x.reshape(shape),
        errors=(
            Error(RuntimeError, r"invalid for input of size 6", (np.zeros((2, 3)), (4,))),
            Error(RuntimeError, "inferred", (np.zeros((2, 3)), (-1, -1))),
        ),
    ),
    _row(
        s.flatten,
        of(CUBE, start_dim=choice(0, 1, -2), end_dim=choice(-1, 2)),
        lambda x, start_dim, end_dim: x.reshape(*x.shape[: start_dim % 3], -1),
    ),
    _row(s.ravel, one(), lambda x: x.reshape(-1)),
    _row(
        s.unflatten,
        of((2, 6), dim=choice(1, -1), sizes=choice((2, 3), (-1, 2))),
        lambda x, dim, sizes: x.reshape(2, *sizes),
    ),
    _row(s.squeeze, one(), lambda x: x.reshape([n for n in x.shape if n != 1])),
    _row(
        s.squeeze,
        of((1, 3, 1), dim=choice(0, -1, 1, (0, 2))),
        lambda x, dim: x.reshape({0: (3, 1), -1: (1, 3), 1: (1, 3, 1), (0, 2): (3,)}[dim]),
        name="squeeze of dims",
        torch="squeeze",
    ),
    _row(
        s.unsqueeze,
        _with(lambda draw, x: {"dim": draw(st.integers(-x.ndim - 1, x.ndim))}, 0),
        lambda x, dim: np.expand_dims(x, dim),
        errors=(Error(IndexError, "[Dd]im", (np.zeros(3),), {"dim": 3}),),
    ),
    _row(
        s.permute,
        _with(lambda draw, x: {"dims": tuple(draw(st.permutations(range(x.ndim))))}, 0),
        lambda x, dims: np.transpose(x, dims),
        errors=(Error(RuntimeError, "permute", (np.zeros((2, 3)),), {"dims": (0, 0)}),),
    ),
    _row(
        s.transpose,
        _with(lambda draw, x: dict(zip(("dim0", "dim1"), _two_dims(draw, x), strict=True)), 2),
        lambda x, dim0, dim1: np.swapaxes(x, dim0, dim1),
        errors=(Error(IndexError, "[Dd]im", (np.zeros(3),), {"dim0": 0, "dim1": 1}),),
    ),
    _row(
        s.movedim,
        _with(lambda draw, x: dict(zip(("source", "destination"), _two_dims(draw, x), strict=True)), 2),
        lambda x, source, destination: np.moveaxis(x, source, destination),
    ),
    _row(s.t, one(max_dims=2), lambda x: x.T, errors=(Error(RuntimeError, r"t\(\)", (np.zeros((1, 2, 3)),)),)),
    _row(s.matrix_transpose, one(min_dims=2), lambda x: np.swapaxes(x, -1, -2), torch=lambda x: x.mT),
    _row(
        s.expand,
        built(_expanded),
        lambda x, size: np.broadcast_to(x, size),
        torch=lambda x, size: x.expand(size),
        errors=(Error(RuntimeError, "expand", (np.zeros((2, 3)), (2, 4))),),
    ),
    _row(s.broadcast_to, built(_expanded), lambda x, size: np.broadcast_to(x, size)),
    _row(
        s.expand_as,
        of((3, 1), array((2, 3, 4))),
        lambda x, other: np.broadcast_to(x, other.shape),
        torch="expand_as",
    ),
    _row(s.atleast_3d, one(), np.atleast_3d),
    _row(s.atleast_2d, one(), np.atleast_2d),
    _row(s.atleast_1d, one(), np.atleast_1d),
    Row(
        lambda x: s.view(x, dtype=np.int64 if x.itemsize == 8 else np.int32),
        of((2, 3)),
        lambda x: x.copy().view(np.int64),
        name="view as another dtype",
        torch=None,
        order=0,
        through=(s.bitcast,),
    ),
    _row(s.clone, one(), np.array),
    _row(s.contiguous, one(), np.array, torch="contiguous"),
    _row(s.packed, one(), np.array, torch=None),
    _row(
        s.broadcast_tensors,
        of((3, 1), (1, 2), ()),
        lambda *arrays: [np.broadcast_to(x, (3, 2)) for x in arrays],
    ),
]

_slicing = [
    _row(
        c.select,
        _with(
            lambda draw, x: {
                "dim": (d := _dim(draw, x)),
                "index": draw(st.integers(-x.shape[d], x.shape[d] - 1)),
            }
        ),
        lambda x, dim, index: np.take(x, index, dim),
        errors=(Error(IndexError, "select", (np.zeros(3), 0, 3)),),
    ),
    _row(
        c.narrow,
        _with(_narrow_parameters),
        lambda x, dim, start, length: np.take(x, range(start, start + length), dim),
        errors=(Error(RuntimeError, "narrow", (np.zeros(3), 0, 2, 2)),),
    ),
    _row(
        c.split,
        _with(lambda draw, x: {"split_size_or_sections": draw(st.integers(1, 4)), "dim": _dim(draw, x)}),
        lambda x, split_size_or_sections, dim: _split(x, split_size_or_sections, dim),
        torch=lambda x, split_size_or_sections, dim: x.split(split_size_or_sections, dim),
    ),
    _row(
        c.split_with_sizes,
        of((6, 2), split_sizes=choice([1, 2, 3], [0, 6]), dim=choice(0, -2)),
        lambda x, split_sizes, dim: np.split(x, np.cumsum(split_sizes)[:-1], dim),
        errors=(Error(RuntimeError, "split_with_sizes", (np.zeros(4), [1, 2])),),
    ),
    _row(
        c.chunk,
        _with(lambda draw, x: {"chunks": draw(st.integers(1, 4)), "dim": _dim(draw, x)}),
        lambda x, chunks, dim: _split(x, -(-x.shape[dim] // chunks), dim),
    ),
    _row(
        c.tensor_split,
        _with(
            lambda draw, x: {
                "indices_or_sections": draw(st.sampled_from([1, 2, 3, (1, 2)])),
                "dim": _dim(draw, x),
            }
        ),
        lambda x, indices_or_sections, dim: np.array_split(x, indices_or_sections, dim),
        torch=lambda x, indices_or_sections, dim: x.tensor_split(indices_or_sections, dim),
    ),
    _row(
        c.unbind,
        along(keepdim=False, optional=False, min_dims=1),
        lambda x, dim: [np.take(x, i, dim) for i in range(x.shape[dim])],
    ),
    _row(
        c.diagonal,
        _with(_diagonal_parameters, 2),
        lambda x, offset, dim1, dim2: np.diagonal(x, offset, dim1, dim2),
        errors=(Error(RuntimeError, "diagonal", (np.zeros((2, 2)), 0, 0, 0)),),
    ),
    _row(c.diag_embed, _with(lambda draw, x: {"offset": draw(st.integers(-2, 2))}, 1, 2), _diag_embed),
    _row(
        c.diag,
        _with(lambda draw, x: {"diagonal": draw(st.integers(-1, 1))}, 1, 2),
        lambda x, diagonal: np.diag(x, diagonal),
        errors=(Error(RuntimeError, "diag", (np.zeros((1, 2, 3)),)),),
    ),
    _row(c.diagflat, of((2, 2), offset=choice(0, 1, -1)), lambda x, offset: np.diagflat(x, offset)),
    _row(
        c.unfold,
        _with(_window_parameters),
        _windows,
        torch=lambda x, dimension, size, step: x.unfold(dimension, size, step),
        errors=(Error(RuntimeError, "unfold", (np.zeros(3), 0, 4, 1)),),
    ),
    _row(
        c.hsplit,
        of((2, 4), indices_or_sections=choice(2, [1, 3])),
        lambda x, indices_or_sections: np.hsplit(x, indices_or_sections),
        torch=lambda x, indices_or_sections: x.hsplit(indices_or_sections),
    ),
    _row(
        c.vsplit,
        of((4, 2), indices_or_sections=choice(2, [1, 3])),
        lambda x, indices_or_sections: np.vsplit(x, indices_or_sections),
        torch=lambda x, indices_or_sections: x.vsplit(indices_or_sections),
    ),
    _row(
        c.dsplit,
        of((1, 2, 4), indices_or_sections=choice(2, [1, 3])),
        lambda x, indices_or_sections: np.dsplit(x, indices_or_sections),
        torch=lambda x, indices_or_sections: x.dsplit(indices_or_sections),
    ),
]

_rearranging = [
    _row(
        r.repeat,
        of((2, 3), choice((2, 1), (1, 3), (2, 1, 2), (0, 1))),
        np.tile,
        torch="repeat",
        errors=(Error(RuntimeError, "repeat", (np.zeros((2, 3)), (2,))),),
    ),
    _row(r.tile, of((2, 3), choice((2, 1), (3,), (2, 1, 2))), np.tile),
    _row(
        r.repeat_interleave,
        of((2, 3), choice(1, 2, 3), dim=choice(None, 0, 1)),
        lambda x, repeats, dim: np.repeat(x, repeats, dim),
    ),
    _row(
        r.flip,
        _with(lambda draw, x: {"dims": draw(st.lists(st.integers(0, x.ndim - 1), unique=True).map(tuple))}),
        lambda x, dims: np.flip(x, dims),
    ),
    _row(r.fliplr, of(MATRIX), lambda x: x[:, ::-1]),
    _row(r.flipud, of(MATRIX), lambda x: x[::-1]),
    _row(
        r.roll,
        of(CUBE, choice(1, -2, 5), dims=choice(None, 0, -1)),
        lambda x, shifts, dims: np.roll(x, shifts, dims),
    ),
    _row(
        r.rot90,
        of(CUBE, k=choice(1, 2, 3, -1), dims=choice((0, 1), (2, 0))),
        lambda x, k, dims: np.rot90(x, k, dims),
    ),
    _row(
        r.tril,
        with_parameters(one(min_dims=2), diagonal=choice(0, 1, -1)),
        lambda x, diagonal: np.tril(x, diagonal),
        errors=(Error(RuntimeError, "tril", (np.zeros(3),)),),
    ),
    _row(
        r.triu,
        with_parameters(one(min_dims=2), diagonal=choice(0, 1, -1)),
        lambda x, diagonal: np.triu(x, diagonal),
        errors=(Error(RuntimeError, "triu", (np.zeros(3),)),),
    ),
]

_joining = [
    _row(
        j.cat,
        built(_tensors_for_cat),
        lambda tensors, dim: np.concatenate(tensors, dim),
        doubles=False,
        errors=(
            Error(RuntimeError, "cat", ([np.zeros((2, 3)), np.zeros((2, 4))],)),
            Error(ValueError, "non-empty", ([],)),
        ),
    ),
    _row(
        j.stack,
        built(_tensors_for_stack),
        lambda tensors, dim: np.stack(tensors, dim),
        doubles=False,
        errors=(Error(RuntimeError, "stack", ([np.zeros(2), np.zeros(3)],)),),
    ),
    _row(j.hstack, of(listed((2, 1), (2, 3))), np.hstack, doubles=False),
    _row(j.vstack, of(listed((3,), (2, 3))), np.vstack, doubles=False),
    _row(j.dstack, of(listed((2, 3), (2, 3))), np.dstack, doubles=False),
    _row(j.column_stack, of(listed((2,), (2, 3))), np.column_stack, doubles=False),
    _row(j.block_diag, of((2, 3), (2,), ()), _block_diagonal),
    _row(
        j.meshgrid,
        with_parameters(of((2,), (3,)), indexing=choice("ij", "xy")),
        lambda *vectors, indexing: np.meshgrid(*vectors, indexing=indexing),
    ),
    _row(j.cartesian_prod, of((2,), (3,)), lambda *vectors: np.array(_rows(vectors))),
]

_padding = [
    Row(
        p.pad,
        of(CUBE, choice((1, 2), (0, 1, 2, 0), (-1, 1), (1, 1, 1, 1, 0, 2)), value=choice(None, 2.5)),
        _padded,
        errors=(Error((RuntimeError, ValueError), "pad", (np.zeros(3), (1, 1, 1))),),
    ),
    _row(
        p.pad,
        of((1, 2, 4, 3), st.just((1, 2, 2, 1)), mode=choice("reflect", "replicate", "circular")),
        _padded,
        name="pad by mode",
        torch="pad",
    ),
    Row(
        p.constant_pad_nd,
        of(CUBE, st.just((1, 2)), choice(0.0, 2.5)),
        lambda x, pad, value: _padded(x, pad, value=value),
    ),
]

ROWS = [*_views, *_slicing, *_rearranging, *_joining, *_padding]
