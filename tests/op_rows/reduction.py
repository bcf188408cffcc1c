"""Rows of ops.reduction, ops.scan and ops.softmax."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from autograd.testing import integers, positive, reals, shapes
from ops import reduction as r
from ops import scan as s
from ops import softmax as m
from tests.row import Error, Row, Sample, Samples
from tests.samples import along, array, built, choice, of, with_parameters

BAD_DIM = (Error(IndexError, "[Dd]im", (np.zeros((2, 3)),), {"dim": 2}),)
EMPTY = (Sample((np.zeros((0, 3)),), {"dim": 0}), Sample((np.zeros((2, 0)),), {"dim": (1,), "keepdim": True}))
WHOLE = (Sample((np.array(1.25),)), Sample((np.linspace(0.5, 1, 2103).reshape(3, 701),), {"dim": 1}))
ROWS_OF = Sample((np.sin(np.arange(2103.0)).reshape(3, 701),), {"dim": 1})


def _edged(samples: Samples, *edges: Sample) -> Samples:
    return samples._replace(edges=edges)


def _reducing(reference: Callable[..., Any]) -> Callable[..., Any]:
    """Return a reference with PyTorch's `dim` and `keepdim` of one with NumPy's `axis` and `keepdims`."""
    return lambda x, dim=None, keepdim=False, **more: reference(x, axis=dim, keepdims=keepdim, **more)


def _slices(function: Callable[[np.ndarray], Any]) -> Callable[..., Any]:
    """Return a reference that applies a function of vectors to every slice along `dim`."""

    def reference(x: np.ndarray, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            x, dim = x.reshape(-1), 0
            keepdim = False
        if x.ndim == 0:
            return np.asarray(function(x.reshape(1)))
        y = np.apply_along_axis(function, dim, x)
        return np.expand_dims(y, dim) if keepdim and y.ndim < x.ndim else y

    return reference


def _with_index(pick: Callable[[np.ndarray], int]) -> Callable[..., Any]:
    """Return a reference for (value, index) along `dim`."""

    def reference(x: np.ndarray, dim: int | None = None, keepdim: bool = False) -> Any:
        if dim is None:
            return x.reshape(-1)[pick(x.reshape(-1))]
        return [_slices(lambda v: v[pick(v)])(x, dim, keepdim), _slices(pick)(x, dim, keepdim)]

    return reference


def _scanned(step: Callable[[float, float], float]) -> Callable[..., Any]:
    """Return a reference that runs a step along `dim`, element by element."""

    def vector(x: np.ndarray) -> np.ndarray:
        y = x.copy()
        for i in range(1, len(x)):
            y[i] = step(y[i - 1], x[i])
        return y

    return lambda x, dim: np.apply_along_axis(vector, dim, x) if x.ndim else x


def _scanned_with_index(wins: Callable[[float, float], bool]) -> Callable[..., Any]:
    def index(x: np.ndarray) -> np.ndarray:
        best, found = 0, []
        for i, value in enumerate(x):
            best = i if wins(value, x[best]) else best
            found.append(best)
        return np.array(found)

    def reference(x: np.ndarray, dim: int) -> Any:
        if not x.ndim:
            return [x, np.array(0)]
        where = np.apply_along_axis(index, dim, x)
        return [np.take_along_axis(x, where, dim), where]

    return reference


def _deviations(x: np.ndarray, dim: Any, correction: float, keepdim: bool) -> np.ndarray:
    n = x.size if dim is None else math.prod(x.shape[d] for d in (dim if isinstance(dim, tuple) else (dim,)))
    centred = x - x.mean(axis=dim, keepdims=True)
    return (centred * centred).sum(axis=dim, keepdims=keepdim) / (n - correction)


def _variance(x: np.ndarray, dim: Any = None, correction: float = 1, keepdim: bool = False) -> np.ndarray:
    return _deviations(x, dim, correction, keepdim)


def _std(x: np.ndarray, dim: Any = None, correction: float = 1, keepdim: bool = False) -> np.ndarray:
    return np.sqrt(_deviations(x, dim, correction, keepdim))


def _mean(x: np.ndarray, dim: Any = None, keepdim: bool = False) -> np.ndarray:
    return x.sum(axis=dim, keepdims=keepdim) / (x.size / max(x.sum(axis=dim).size, 1))


def _norm(x: np.ndarray, p: float, dim: Any = None, keepdim: bool = False) -> np.ndarray:
    size = np.abs(x)
    if math.isinf(p):
        return size.max(axis=dim, keepdims=keepdim) if p > 0 else size.min(axis=dim, keepdims=keepdim)
    if p == 0:
        return (size != 0).sum(axis=dim, keepdims=keepdim).astype(float)
    return ((size**p).sum(axis=dim, keepdims=keepdim)) ** (1 / p)


def _with_correction(draw: DrawFn) -> Sample:
    x = draw(array(draw(shapes(1, 3, 2, 3)), distinct=True))
    dim = draw(st.none() | st.integers(0, x.ndim - 1))
    parameters = {} if dim is None else {"dim": dim, "keepdim": draw(st.booleans())}
    return Sample((x,), parameters | {"correction": draw(st.sampled_from([0, 1]))})


def _log_sum_exp(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def _softmax(x: np.ndarray, dim: int) -> np.ndarray:
    e = np.exp(x)
    return e / e.sum(axis=dim if x.ndim else None, keepdims=True)


def _diffed(draw: DrawFn) -> Sample:
    x = draw(array(draw(shapes(1, 3, 2, 4))))
    dim = draw(st.integers(0, x.ndim - 1))
    return Sample((x,), {"n": draw(st.integers(1, 2)), "dim": dim})


_any_dims = along(several=True, min_side=1)
_one_dim = along(keepdim=False, optional=False)
_distinct = along(distinct=True)
_tied = along(integers(-1, 1))

ROWS = [
    Row(
        r.sum,
        _edged(_any_dims, *EMPTY, *WHOLE),
        _reducing(np.sum),
        linear=True,
        errors=(*BAD_DIM, Error(RuntimeError, "dim", (np.zeros((2, 3)),), {"dim": (0, 0)})),
    ),
    Row(r.mean, _edged(_any_dims, *WHOLE), _mean, linear=True, errors=BAD_DIM),
    Row(r.nansum, _any_dims, _reducing(np.sum), linear=True),
    Row(r.nanmean, _any_dims, _mean, linear=True),
    Row(
        r.count_nonzero,
        along(integers(-1, 1), keepdim=False),
        lambda x, dim=None: (x != 0).sum(axis=dim),
        order=0,
    ),
    Row(r.var, built(_with_correction), _variance),
    Row(r.std, built(_with_correction), _std),
    Row(
        r.var_mean,
        built(_with_correction),
        lambda x, correction, **dims: [_variance(x, correction=correction, **dims), _mean(x, **dims)],
    ),
    Row(
        r.std_mean,
        built(_with_correction),
        lambda x, correction, **dims: [_std(x, correction=correction, **dims), _mean(x, **dims)],
    ),
    Row(
        r.prod,
        _edged(along(reals(-2, 2)), EMPTY[0], Sample((np.array([[0.0, 2.0], [0.0, 0.0]]),), {"dim": 0})),
        _reducing(np.prod),
        errors=BAD_DIM,
    ),
    Row(r.amax, along(distinct=True, several=True), _reducing(np.max), errors=BAD_DIM),
    Row(r.amin, along(distinct=True, several=True), _reducing(np.min)),
    Row(
        r.aminmax,
        _distinct,
        lambda x, dim=None, keepdim=False: [_slices(min)(x, dim, keepdim), _slices(max)(x, dim, keepdim)],
    ),
    Row(r.max, _distinct, _with_index(lambda v: max(range(len(v)), key=v.__getitem__)), errors=BAD_DIM),
    Row(r.min, _distinct, _with_index(lambda v: min(range(len(v)), key=v.__getitem__)), errors=BAD_DIM),
    Row(r.argmax, _tied, _slices(lambda v: max(range(len(v)), key=v.__getitem__)), order=0, errors=BAD_DIM),
    Row(r.argmin, _tied, _slices(lambda v: min(range(len(v)), key=v.__getitem__)), order=0, errors=BAD_DIM),
    Row(r.all, _tied, _slices(lambda v: all(x != 0 for x in v)), order=0),
    Row(r.any, _tied, _slices(lambda v: any(x != 0 for x in v)), order=0),
    Row(
        r.vector_norm,
        with_parameters(along(distinct=True, several=True, away_from=[0.0]), ord=choice(2, 1, 3, 0.5, math.inf)),
        lambda x, ord, **dims: _norm(x, ord, **dims),
        torch="vector_norm",
    ),
    Row(
        r.norm,
        with_parameters(along(positive(), several=True), p=choice("fro", 1, 3)),
        lambda x, p, **dims: _norm(x, 2 if p == "fro" else p, **dims),
    ),
    Row(
        r.dist,
        of(array((2, 3), positive()), array((3,), reals(-3, -0.25)), p=choice(2, 1, 3)),
        lambda x, y, p: _norm(x - y, p),
    ),
    Row(
        r.logsumexp,
        _edged(along(optional=False, several=True), *WHOLE[1:]),
        _reducing(_log_sum_exp),
        errors=BAD_DIM,
    ),
    Row(
        s.cumsum,
        _edged(_one_dim, EMPTY[0], Sample((np.array(2.0),), {"dim": 0})),
        _scanned(lambda y, x: y + x),
        linear=True,
        errors=BAD_DIM,
    ),
    Row(
        s.cumprod,
        _edged(
            along(reals(-2, 2), keepdim=False, optional=False),
            Sample((np.array([2.0, 0.0, 3.0, 0.0]),), {"dim": 0}),
        ),
        _scanned(lambda y, x: y * x),
        errors=BAD_DIM,
    ),
    Row(
        s.cummax,
        along(keepdim=False, optional=False, distinct=True),
        _scanned_with_index(lambda a, b: a >= b),
    ),
    Row(
        s.cummin,
        along(keepdim=False, optional=False, distinct=True),
        _scanned_with_index(lambda a, b: a <= b),
    ),
    Row(s.diff, built(_diffed), lambda x, n, dim: np.diff(x, n, dim), linear=True),
    Row(m.softmax, _edged(_one_dim, ROWS_OF, Sample((np.array(2.0),), {"dim": 0})), _softmax, errors=BAD_DIM),
    Row(m.log_softmax, _edged(_one_dim, ROWS_OF), lambda x, dim: np.log(_softmax(x, dim)), errors=BAD_DIM),
    Row(m.softmin, _one_dim, lambda x, dim: _softmax(-x, dim)),
]
