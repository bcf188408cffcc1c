"""Rows of ops.linear and ops.contraction: sums of products, linear in each factor."""

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from autograd.testing import broadcastable_shapes, positive
from ops import contraction as c
from ops import linalg as lin
from ops import linear as m
from tests.row import Error, Row, Sample
from tests.samples import array, built, choice, listed, of

MISFIT = (np.zeros((2, 3)), np.zeros((4, 2)))
SUM = {"beta": choice(1, 0.5), "alpha": choice(1, -2)}
EQUATIONS = {
    "ij,jk->ik": [(2, 3), (3, 2)],
    "ij->ji": [(2, 3)],
    "ii": [(3, 3)],
    "ii->i": [(3, 3)],
    "i,j": [(2,), (3,)],
    "bij,bjk": [(2, 2, 3), (2, 3, 1)],
    "...ij,...jk->...ik": [(2, 1, 2), (2, 3)],
    "ijk,ilm,njm,nlk->": [(2, 1, 2), (2, 3, 1), (2, 1, 1), (2, 3, 2)],
}


def _matmul_factors(draw: DrawFn) -> Sample:
    m_, k, n = (draw(st.integers(1, 3)) for _ in range(3))
    left, right = draw(broadcastable_shapes(2, max_dims=2, max_side=2))
    vectors = draw(st.sampled_from(["matrices", "left", "right", "both"]))
    first = (k,) if vectors in ("left", "both") else (*left, m_, k)
    second = (k,) if vectors in ("right", "both") else (*right, k, n)
    return Sample((draw(array(first)), draw(array(second))))


def _matmul_loop(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    a, b = (x if x.ndim > 1 else x[None]), (y if y.ndim > 1 else y[:, None])
    z = (a[..., :, :, None] * b[..., None, :, :]).sum(-2)
    z = z if x.ndim > 1 else z[..., 0, :]
    return z if y.ndim > 1 else z[..., 0]


def _linear_factors(draw: DrawFn) -> Sample:
    i, o = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    leading = draw(st.sampled_from([(), (2,), (2, 3), (0,)]))
    bias = draw(st.none() | array((o,)))
    return Sample((draw(array((*leading, i))), draw(array((o, i))), bias))


def _linear(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    return (x[..., None, :] * w).sum(-1) + (0 if bias is None else bias)


def _equation(draw: DrawFn) -> Sample:
    equation = draw(st.sampled_from(sorted(EQUATIONS)))
    return Sample((equation, *(draw(array(shape)) for shape in EQUATIONS[equation])))


def _added(product: Any) -> Any:
    return lambda z, x, y, beta, alpha: beta * z + alpha * product(x, y)


ROWS = [
    Row(
        m.matmul,
        built(_matmul_factors),
        _matmul_loop,
        linear=True,
        errors=(
            Error(RuntimeError, "matmul|mat1", MISFIT),
            Error(RuntimeError, "matmul", (np.zeros(()), np.zeros(2))),
        ),
    ),
    Row(
        m.mm,
        of((2, 3), (3, 2)),
        _matmul_loop,
        linear=True,
        errors=(
            Error(RuntimeError, "mat1 and mat2", MISFIT),
            Error(RuntimeError, "mm", (np.zeros(2), np.zeros((2, 2)))),
        ),
    ),
    Row(
        m.bmm,
        of((2, 2, 3), (2, 3, 1)),
        _matmul_loop,
        linear=True,
        errors=(Error(RuntimeError, "bmm", MISFIT),),
    ),
    Row(m.mv, of((2, 3), (3,)), _matmul_loop, linear=True, errors=(Error(RuntimeError, "mv", MISFIT),)),
    Row(m.dot, of((3,), (3,)), _matmul_loop, linear=True, errors=(Error(RuntimeError, "dot", MISFIT),)),
    Row(m.inner, of((2, 3), (4, 3)), lambda x, y: (x[:, None] * y).sum(-1), linear=True),
    Row(
        m.outer,
        of((2,), (3,)),
        lambda x, y: x[:, None] * y,
        linear=True,
        errors=(Error(RuntimeError, "outer", MISFIT),),
    ),
    Row(m.addmm, of((3,), (2, 4), (4, 3), **SUM), _added(_matmul_loop), linear=True),
    Row(m.baddbmm, of((2, 1, 2), (2, 1, 3), (2, 3, 2), **SUM), _added(_matmul_loop), linear=True),
    Row(
        m.addbmm,
        of((1, 2), (2, 1, 3), (2, 3, 2), **SUM),
        _added(lambda x, y: _matmul_loop(x, y).sum(0)),
        linear=True,
    ),
    Row(m.addmv, of((2,), (2, 3), (3,), **SUM), _added(_matmul_loop), linear=True),
    Row(m.addr, of((2, 3), (2,), (3,), **SUM), _added(lambda x, y: x[:, None] * y), linear=True),
    Row(
        m.linear,
        built(_linear_factors),
        _linear,
        linear=True,
        errors=(
            Error(RuntimeError, "linear", (np.zeros((2, 3)), np.zeros((4, 5)))),
            Error(RuntimeError, "linear: bias", (np.zeros((2, 3)), np.zeros((4, 3)), np.zeros(2))),
        ),
    ),
    Row(
        c.einsum,
        built(_equation),
        np.einsum,
        linear=True,
        errors=(Error(RuntimeError, "einsum", ("ij,jk->il", np.zeros((2, 3)), np.zeros((3, 2)))),),
    ),
    Row(
        c.tensordot,
        of((2, 3, 2), (3, 2, 4), dims=choice(2, ([1, 2], [0, 1]))),
        lambda x, y, dims: np.tensordot(x, y, dims),
        linear=True,
    ),
    Row(c.kron, of((2, 1), (2, 3)), np.kron, linear=True),
    Row(
        c.chain_matmul,
        of((2, 3), (3, 1), (1, 2)),
        lambda x, y, z: _matmul_loop(_matmul_loop(x, y), z),
        torch=lambda x, y, z: x @ y @ z,
        linear=True,
    ),
    Row(
        c.multi_dot,
        of(listed((2, 3), (3, 1), (1, 2))),
        lambda xs: _matmul_loop(_matmul_loop(xs[0], xs[1]), xs[2]),
        linear=True,
    ),
    Row(c.matrix_power, of((3, 3), choice(2, 3, 1, 0)), lambda x, n: np.linalg.matrix_power(x, n)),
    Row(
        lin.vecdot,
        of((2, 3), (3,), dim=choice(-1)),
        lambda x, y, dim: (x * y).sum(dim),
        linear=True,
        doubles=False,
    ),
    Row(lin.cross, of((2, 3), (2, 3), dim=choice(-1, 1)), lambda x, y, dim: np.cross(x, y, axis=dim), linear=True),
    Row(
        lin.matrix_norm,
        of(array((2, 3, 2), positive()), choice("fro", 1, math.inf), keepdim=choice(False, True)),
        lambda x, ord, keepdim: np.linalg.norm(x, ord, (1, 2), keepdim),
    ),
]
