"""Rows of what goes by position: ops.indexing, selecting, scattering, sorting and embedding."""

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from autograd.testing import arrays, integers, reals, shapes
from ops import embedding as e
from ops import indexing as i
from ops import scattering as g
from ops import selecting as c
from ops import sorting as o
from tests.row import Error, Row, Sample, Samples
from tests.samples import along, array, built, choice, of, with_parameters

MASK = np.array([[True, False, True, True], [False] * 4, [False, True, True, False]])
FAR = (Error(IndexError, "out of (bounds|range)", (np.zeros((2, 3)), (0, 3))),)
INDICES = [
    (1,),
    (-1, 2),
    (slice(1, None),),
    (slice(None, None, 2), slice(-3, -1)),
    (..., 0),
    (None, 1, ..., None),
    (np.array([0, 2, 0]),),
    (slice(None), np.array([[0, 3], [1, 1]])),
    (np.array([0, 2]), np.array([3, 1])),
    (np.array([[0], [2]]), slice(None), np.array([1, 0])),
    (MASK,),
    (MASK[:, 0], 1),
    ([0, 2], slice(None), [1]),
]


def _positions(draw: DrawFn, shape: tuple[int, ...], size: int, unique: bool = False) -> np.ndarray:
    return draw(arrays(shape, dtype=np.int64, domain=integers(0, size - 1), distinct=unique))


def _gathered(draw: DrawFn) -> Sample:
    x = draw(array(draw(shapes(1, 3, 1, 3))))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    sides = [draw(st.integers(1, n)) for n in x.shape]
    sides[dim] = draw(st.integers(0, 4))
    return Sample((x, dim, _positions(draw, tuple(sides), x.shape[dim])))


def _gather(x: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    y = np.empty(index.shape)
    for place in np.ndindex(*index.shape):
        source = list(place)
        source[dim] = index[place]
        y[place] = x[tuple(source)]
    return y


def _apart(draw: DrawFn) -> Sample:
    """Draw arguments of scatter_reduce without ties: src lies on a grid between that of x."""
    index = _positions(draw, (2, 4), 3)
    x, src = draw(array((3, 4), distinct=True)), draw(array((2, 4), reals(-2.9961, 3), distinct=True))
    return Sample((x, 0, index, src))


def _scattered(unique: bool, domain: Any = None) -> Samples:
    def drawn(draw: DrawFn) -> Sample:
        x = draw(array((3, 4), domain))
        dim = draw(st.integers(-2, 1))
        lines = draw(st.integers(1, x.shape[1 - dim % 2]))
        count = draw(st.integers(1, x.shape[dim]))
        columns = [_positions(draw, (count,), x.shape[dim], unique) for _ in range(lines)]
        index = np.stack(columns, 1 - dim % 2)
        return Sample((x, dim, index, draw(array(index.shape, domain))))

    return built(drawn)


def _scatter(combine: Callable[[float, float], float]) -> Callable[..., np.ndarray]:
    def reference(x: np.ndarray, dim: int, index: np.ndarray, src: Any, **_: Any) -> np.ndarray:
        y = x.copy()
        for place in np.ndindex(*index.shape):
            target = list(place)
            target[dim] = index[place]
            y[tuple(target)] = combine(y[tuple(target)], src[place])
        return y

    return reference


def _lines(unique: bool) -> Samples:
    """Draw arguments of index_add and its kin: an array, a dim, an index along it, as many slices."""

    def drawn(draw: DrawFn) -> Sample:
        x = draw(array(draw(shapes(1, 3, 1, 3))))
        dim = draw(st.integers(-x.ndim, x.ndim - 1))
        count = draw(st.integers(1, x.shape[dim]))
        sides = list(x.shape)
        sides[dim] = count
        return Sample((x, dim, _positions(draw, (count,), x.shape[dim], unique), draw(array(tuple(sides)))))

    return built(drawn)


def _by_line(combine: Callable[..., Any]) -> Callable[..., np.ndarray]:
    def reference(x: np.ndarray, dim: int, index: np.ndarray, source: Any, **more: Any) -> np.ndarray:
        y = np.moveaxis(x.copy(), dim, 0)
        lines = np.moveaxis(source, dim, 0)
        for position, line in zip(index, lines, strict=True):
            y[position] = combine(y[position], line, **more)
        return np.moveaxis(y, 0, dim)

    return reference


def _put(x: np.ndarray, indices: Any, values: Any, accumulate: bool = False) -> np.ndarray:
    y = x.copy()
    key = tuple(indices)
    if accumulate:
        np.add.at(y, key, values)
    else:
        y[key] = values
    return y


def _taken(x: np.ndarray, index: np.ndarray, source: np.ndarray, accumulate: bool) -> np.ndarray:
    return _put(x.reshape(-1), (index.reshape(-1),), source.reshape(-1), accumulate).reshape(x.shape)


def _masked(draw: DrawFn) -> Sample:
    x = draw(array((2, 3)))
    return Sample((x, draw(arrays(draw(st.sampled_from([(2, 3), (3,), (2, 1)])), dtype=bool))))


def _scatter_masked(x: np.ndarray, mask: np.ndarray, source: np.ndarray) -> np.ndarray:
    y, elements = x.copy(), iter(source.reshape(-1))
    for place in np.ndindex(*x.shape):
        if mask[place]:
            y[place] = next(elements)
    return y


def _ordered(x: np.ndarray, dim: int, descending: bool) -> list[np.ndarray]:
    order = np.argsort(-x if descending else x, axis=dim if x.ndim else None, kind="stable").reshape(x.shape)
    return [np.take_along_axis(x, order, dim) if x.ndim else x, order]


def _topk(draw: DrawFn) -> Sample:
    x = draw(array(draw(shapes(1, 3, 1, 4)), distinct=True))
    dim = draw(st.integers(-x.ndim, x.ndim - 1))
    return Sample((x,), {"k": draw(st.integers(1, x.shape[dim])), "dim": dim, "largest": draw(st.booleans())})


def _top(x: np.ndarray, k: int, dim: int, largest: bool) -> list[np.ndarray]:
    return [np.take(each, range(k), dim) for each in _ordered(x, dim, largest)]


def _embedded(draw: DrawFn) -> Sample:
    weight = draw(array((4, 3)))
    return Sample((_positions(draw, draw(shapes(0, 2, 0, 3)), 4), weight))


ROWS = [
    Row(
        i.getitem,
        of((3, 4, 2), choice(*INDICES)),
        lambda x, index: x[index],
        torch=None,
        linear=True,
        errors=FAR,
    ),
    Row(
        lambda x: x[1, :, np.array([1, 0])],
        of((3, 4, 2)),
        lambda x: x[1][:, [1, 0]],  # ints count as views, taken first; NumPy counts them as positions
        name="getitem of an int and positions",
        torch=None,
        linear=True,
    ),
    Row(
        c.index_select,
        of((2, 4), 1, st.just(np.array([0, 2, 2]))),
        lambda x, dim, index: np.take(x, index, dim),
        linear=True,
        errors=(Error(IndexError, "index_select", (np.zeros(3), 0, np.array([3]))),),
    ),
    Row(
        c.index_add,
        with_parameters(_lines(False), alpha=choice(1, -2)),
        _by_line(lambda y, line, alpha: y + alpha * line),
        linear=True,
    ),
    Row(c.index_copy, _lines(True), _by_line(lambda y, line: line), linear=True),
    Row(
        c.index_fill,
        of((2, 4), 1, st.just(np.array([0, 2, 2])), choice(-1.5)),
        lambda x, dim, index, value: np.where(np.isin(range(4), index), value, x),
        linear=True,
    ),
    Row(
        c.index_put,
        of((3, 4), st.just([np.array([0, 2, 0]), np.array([1, 1, 1])]), (3,), accumulate=True),
        _put,
        linear=True,
        name="index_put accumulated",
        torch="index_put",
    ),
    Row(c.index_put, of((3, 4), st.just([np.array([0, 2])]), (4,)), _put, linear=True),
    Row(
        c.take,
        of((3, 4), st.just(np.array([[0, 11], [5, 5]]))),
        lambda x, index: x.reshape(-1)[index],
        linear=True,
    ),
    Row(
        c.put,
        of((3, 4), st.just(np.array([0, 11])), (2,), accumulate=choice(False, True)),
        _taken,
        linear=True,
    ),
    Row(c.masked_select, built(_masked), lambda x, mask: x[np.broadcast_to(mask, x.shape)], linear=True),
    Row(c.masked_scatter, of((3, 4), st.just(MASK), (2, 3)), _scatter_masked, linear=True),
    Row(c.nonzero, of(array((3, 2), integers(-1, 1))), np.argwhere, order=0),
    Row(c.argwhere, of(array((3, 2), integers(-1, 1))), np.argwhere, order=0),
    Row(
        g.gather,
        built(_gathered),
        _gather,
        linear=True,
        errors=(Error(RuntimeError, "gather", (np.zeros(3), 0, np.array([3]))),),
    ),
    Row(
        g.take_along_dim,
        of((2, 4), st.just(np.array([[0, 2, 2]])), dim=1),
        lambda x, index, dim: np.take_along_axis(x, np.repeat(index, 2, 0), dim),
        linear=True,
    ),
    Row(g.scatter, _scattered(True), _scatter(lambda y, x: x), linear=True),
    Row(g.scatter_add, _scattered(False), _scatter(lambda y, x: y + x), linear=True),
    Row(
        g.scatter_reduce,
        with_parameters(_scattered(False), reduce="sum"),
        _scatter(lambda y, x: y + x),
        name="scatter_reduce sum",
        torch="scatter_reduce",
        linear=True,
    ),
    Row(
        g.scatter_reduce,
        with_parameters(_scattered(False), reduce="prod"),
        _scatter(lambda y, x: y * x),
        name="scatter_reduce prod",
        torch="scatter_reduce",
    ),
    *(
        Row(
            g.scatter_reduce,
            with_parameters(built(_apart), reduce=reduce),
            _scatter(combine),
            name=f"scatter_reduce {reduce}",
            torch="scatter_reduce",
            doubles=False,
        )
        for reduce, combine in (("amax", max), ("amin", min))
    ),
    Row(
        o.sort,
        with_parameters(along(keepdim=False, distinct=True, optional=False), descending=choice(False, True)),
        _ordered,
    ),
    Row(
        o.argsort,
        with_parameters(along(keepdim=False, distinct=True, optional=False), descending=choice(False, True)),
        lambda x, **more: _ordered(x, **more)[1],
        order=0,
    ),
    Row(o.msort, of(array((3, 2), distinct=True)), lambda x: np.sort(x, 0)),
    Row(o.topk, built(_topk), _top, errors=(Error(RuntimeError, "topk", (np.zeros(3), 4)),)),
    Row(
        o.kthvalue,
        of(array((4, 2), distinct=True), choice(1, 3), dim=0),
        lambda x, k, dim: [each[k - 1] for each in _ordered(x, dim, False)],
    ),
    Row(
        e.embedding,
        built(_embedded),
        lambda index, weight: weight[index],
        linear=True,
        errors=(Error(IndexError, "embedding", (np.array([4]), np.zeros((4, 3)))),),
    ),
    Row(
        e.embedding,
        with_parameters(built(_embedded), padding_idx=1),
        None,
        name="embedding with padding",
        torch="embedding",
        order=0,
    ),
    Row(
        e.embedding,
        with_parameters(built(_embedded), scale_grad_by_freq=True),
        None,
        name="embedding by frequency",
        torch="embedding",
        order=0,
        through=(e.frequencies,),
    ),
    Row(
        e.each_looked_up,
        with_parameters(
            of(array((2, 4, 3)), array((2, 5), integers(0, 3), dtype=np.int64)),
            padding_idx=None,
            by_frequency=False,
        ),
        lambda weight, index, **_: np.stack([w[i] for w, i in zip(weight, index, strict=True)]),
        torch=None,
        linear=True,
    ),
    Row(
        e.one_hot,
        of(st.just(np.array([[0, 2], [1, 1]])), choice(3, 4)),
        lambda index, n: np.eye(n, dtype=np.int64)[index],
        order=0,
    ),
]
