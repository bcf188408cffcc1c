"""Matrix products, `linear`, `einsum` and chains against PyTorch."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import autograd
from autograd import Tensor
from ops.linear import linear
from tests.against_torch import compare, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional

MATMUL = [
    ((3,), (3,)), ((0,), (0,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((1, 3), (3, 1)),
    ((0, 3), (3, 2)),
    ((2, 0), (0, 3)), ((2, 3), (3, 0)), ((5, 2, 3), (3, 4)), ((5, 2, 3), (3,)), ((2, 3), (5, 3, 4)),
    ((3,), (5, 3, 4)),
    ((5, 2, 3), (5, 3, 4)), ((5, 2, 3), (1, 3, 4)), ((1, 2, 3), (5, 3, 4)), ((6, 1, 2, 3), (5, 3, 4)),
    ((6, 5, 2, 3), (6, 5, 3, 4)), ((6, 5, 2, 3), (1, 5, 3, 4)), ((2, 1, 1, 3), (1, 4, 3, 2)),
    ((0, 2, 3), (0, 3, 4)),
    ((4, 0, 3), (4, 3, 2)), ((2, 5, 3), (3, 0)), ((7, 6, 5, 4), (4,)), ((4,), (7, 6, 4, 5)),
    ((33, 40), (40, 35)),
    ((3, 33, 40), (3, 40, 35)), ((3, 33, 40), (40, 35)),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b"), MATMUL)
def test_matmul(a, b):
    x, y = draw(*a), draw(*b, seed=1)
    compare(lambda x, y: x @ y, lambda x, y: x @ y, x, y)
    compare(autograd.matmul, torch.matmul, x, y, order=1)


@pytest.mark.parametrize(("a", "b"), [(a, b) for a, b in MATMUL if len(a) > 1 and len(b) > 1])
def test_matmul_of_transposed_and_expanded(a, b):
    x, y = draw(*a[:-2], a[-1], a[-2]), draw(*b[:-2], b[-1], b[-2], seed=1)
    compare(lambda x, y: x.mT @ y.mT, lambda x, y: x.mT @ y.mT, x, y)
    x, y = draw(a[-1]), draw(b[-2], 1, seed=1)
    compare(lambda x, y: x.expand(a) @ y.expand(b), lambda x, y: x.expand(a) @ y.expand(b), x, y)
    x, y = draw(*a[:-1], 2 * a[-1]), draw(*b[:-2], 2 * b[-2], b[-1], seed=1)
    compare(lambda x, y: x[..., ::2] @ y[..., 1::2, :], lambda x, y: x[..., ::2] @ y[..., 1::2, :], x, y, order=1)


@pytest.mark.parametrize(
    ("a", "b", "repeated"),
    [((1, 3, 5), (4, 5, 6), (1, 4, 5, 6)), ((4, 3, 5), (4, 5, 6), (4, 4, 5, 6)), ((2, 4, 3, 5), (5, 6), (4, 5, 6))],
)
def test_matmul_of_a_repeated_batch_keeps_all_dimensions(a, b, repeated):
    compare(lambda x, y: x @ y.expand(repeated), lambda x, y: x @ y.expand(repeated), draw(*a), draw(*b, seed=1))


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "int32", "uint8"])
def test_matmul_of_other_types(dtype):
    a, b = np.arange(6).reshape(2, 3).astype(dtype), np.arange(12).reshape(3, 4).astype(dtype)
    ours, theirs = Tensor(a) @ Tensor(b), torch.tensor(a) @ torch.tensor(b)
    assert str(ours.dtype)[9:] == str(theirs.dtype)[6:]
    np.testing.assert_array_equal(ours.array, theirs.numpy())


def test_operators_with_arrays():
    a, b = draw(2, 3), draw(3, 4)
    for product in (Tensor(a) @ b, a @ Tensor(b)):
        assert isinstance(product, Tensor)
        np.testing.assert_allclose(product.array, a @ b, rtol=1e-13)


PRODUCTS = [
    ("mm", lambda t, a, b: t.mm(a, b), (2, 3), (3, 4)),
    ("bmm", lambda t, a, b: a.bmm(b), (5, 2, 3), (5, 3, 4)),
    ("mv", lambda t, a, b: t.mv(a, b), (2, 3), (3,)),
    ("dot", lambda t, a, b: a.dot(b), (3,), (3,)),
    ("vdot", lambda t, a, b: t.vdot(a, b), (3,), (3,)),
    ("outer", lambda t, a, b: t.outer(a, b), (2,), (3,)),
    ("inner", lambda t, a, b: t.inner(a, b), (2, 4, 3), (5, 3)),
    ("inner_1d", lambda t, a, b: a.inner(b), (3,), (3,)),
    ("inner_0d", lambda t, a, b: a.inner(b), (2, 3), ()),
    ("kron", lambda t, a, b: t.kron(a, b), (2, 3), (4, 1, 2)),
    ("tensordot", lambda t, a, b: t.tensordot(a, b), (2, 3, 4), (3, 4, 5)),
    ("tensordot_1", lambda t, a, b: t.tensordot(a, b, 1), (2, 3), (3, 4)),
    ("tensordot_0", lambda t, a, b: t.tensordot(a, b, 0), (2,), (3,)),
    ("tensordot_dims", lambda t, a, b: t.tensordot(a, b, ([0, -1], [1, 0])), (2, 3, 4), (4, 2, 5)),
    ("matrix_power", lambda t, a, b: a.matrix_power(5) @ b, (3, 3), (3, 1)),
    ("matrix_power_0", lambda t, a, b: t.matrix_power(a, 0) @ b, (2, 3, 3), (3, 1)),
]  # fmt: skip


@pytest.mark.parametrize("row", PRODUCTS, ids=[row[0] for row in PRODUCTS])
def test_products(row):
    _, call, a, b = row
    compare(lambda x, y: call(autograd, x, y), lambda x, y: call(torch, x, y), draw(*a), draw(*b, seed=1))


SUMS = [
    ("addmm", (2, 4), (2, 3), (3, 4)), ("addmm", (4,), (2, 3), (3, 4)),
    ("baddbmm", (5, 2, 4), (5, 2, 3), (5, 3, 4)),
    ("baddbmm", (1, 4), (5, 2, 3), (5, 3, 4)), ("addbmm", (2, 4), (5, 2, 3), (5, 3, 4)),
    ("addmv", (2,), (2, 3), (3,)),
    ("addr", (2, 3), (2,), (3,)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "a", "b", "c"), SUMS)
@pytest.mark.parametrize("options", [{}, {"beta": 2.0, "alpha": 0.5}, {"beta": 0}])
def test_sums_of_products(name, a, b, c, options):
    x, y, z = draw(*a), draw(*b, seed=1), draw(*c, seed=2)
    compare(
        lambda x, y, z: getattr(autograd, name)(x, y, z, **options),
        lambda x, y, z: getattr(torch, name)(x, y, z, **options),
        x,
        y,
        z,
    )


def test_beta_of_zero_ignores_nan():
    x = autograd.full((2, 2), float("nan"))
    assert autograd.addmm(x, autograd.eye(2), autograd.eye(2), beta=0).tolist() == [[1, 0], [0, 1]]
    x.addmm_(autograd.eye(2), autograd.eye(2), beta=0, alpha=3)
    assert x.tolist() == [[3, 0], [0, 3]]


LINEAR = [
    ((2, 3), (4, 3), (4,)), ((2, 3), (4, 3), None), ((3,), (4, 3), (4,)), ((5, 2, 3), (4, 3), (4,)),
    ((6, 5, 2, 3), (4, 3), None), ((0, 3), (4, 3), (4,)), ((2, 0), (4, 0), (4,)), ((2, 3), (0, 3), (0,)),
    ((0, 2, 3), (4, 3), (4,)), ((2, 3), (3,), None), ((5, 2, 3), (3,), ()), ((3,), (3,), None),
    ((40, 50), (60, 50), (60,)),
]  # fmt: skip


@pytest.mark.parametrize(("x", "w", "bias"), LINEAR)
def test_linear(x, w, bias):
    arrays = [draw(*x), draw(*w, seed=1), None if bias is None else draw(*bias, seed=2)]
    compare(linear, F.linear, *arrays)
    if len(x) == 2:
        arrays[0] = draw(x[1], x[0])
        compare(lambda x, w, b: linear(x.T, w, b), lambda x, w, b: F.linear(x.T, w, b), *arrays)


def test_linear_wants_only_what_requires_gradients():
    x, w, b = Tensor(draw(2, 3)), Tensor(draw(4, 3)), Tensor(draw(4), requires_grad=True)
    linear(x, w, b).sum().backward()
    assert x.grad is None
    assert w.grad is None
    np.testing.assert_allclose(b.grad.array, 2.0)


@given(st.integers(0, 20), st.integers(0, 20), st.integers(0, 20), st.booleans(), st.booleans())
def test_matmul_of_any_size(m, k, n, transpose_a, transpose_b):
    a = draw(k, m).T if transpose_a else draw(m, k)
    b = draw(n, k).T if transpose_b else draw(k, n)
    np.testing.assert_allclose((Tensor(a) @ Tensor(b)).array, np.einsum("mk,kn->mn", a, b), rtol=1e-12, atol=1e-12)


def test_infinities_pass_without_warning():
    a = Tensor(np.array([[np.inf, 0.0], [np.nan, 1.0]]))
    np.testing.assert_array_equal((a @ Tensor(np.zeros((2, 1)))).array, [[np.nan], [np.nan]])


EINSUM = [
    ("ij,jk->ik", (2, 3), (3, 4)), ("ij,jk", (2, 3), (3, 4)), ("ij->ji", (2, 3)), ("ij->", (2, 3)),
    ("ij->i", (2, 3)),
    ("ii", (3, 3)), ("ii->i", (3, 3)), ("iij->j", (3, 3, 2)), ("iii->i", (3, 3, 3)), ("i,j->ij", (2,), (3,)),
    ("i,i->", (3,), (3,)), ("i,i->i", (3,), (3,)), ("ij,ij->ij", (2, 3), (2, 3)), ("ij,ij->", (2, 3), (2, 3)),
    ("bij,bjk->bik", (5, 2, 3), (5, 3, 4)), ("bij,jk->bki", (5, 2, 3), (3, 4)),
    ("...ij,...jk->...ik", (5, 2, 3), (5, 3, 4)),
    ("...ij,...jk", (6, 5, 2, 3), (5, 3, 4)), ("i...,i...->...", (2, 3, 4), (2, 4)),
    ("...,...->...", (2, 3), (3,)),
    ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("bn,anm,bm->ba", (2, 5), (3, 5, 4), (2, 4)),
    ("ij,jk,kl->il", (2, 3), (3, 4), (4, 5)), ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 2)),
    ("a,b,c->abc", (2,), (3,), (4,)),
    ("ij,kj->", (2, 3), (4, 3)), ("ij,jk->ik", (2, 1), (3, 4)), ("ij,ij->i", (2, 1), (2, 3)),
    (" i j , j k -> k i ", (2, 3), (3, 4)),
    ("ab,cd->acbd", (2, 3), (4, 5)), ("ijk,jil->kl", (2, 3, 4), (3, 2, 5)), ("Ab,bC->AC", (2, 3), (3, 4)),
    ("ba", (2, 3)),
    ("ij,->ij", (2, 3), ()), (",", (), ()), ("", ()), ("ij,jk->ik", (0, 3), (3, 4)),
    ("ij,jk->ik", (2, 0), (0, 4)), ("...->...", (2, 3)),
    ("i...->...", (2, 3, 4)), ("xy...,y->x...", (2, 3, 4), (3,)),
]  # fmt: skip


@pytest.mark.parametrize(("equation", "shapes"), [(row[0], row[1:]) for row in EINSUM])
def test_einsum(equation, shapes):
    arrays = [draw(*shape, seed=i) for i, shape in enumerate(shapes)]
    compare(lambda *x: autograd.einsum(equation, *x), lambda *x: torch.einsum(equation, *x), *arrays)


@st.composite
def pairs_of_terms(draw):
    """Labels of two operands and of their product, each in any order, each summed over or not."""
    xs, ys = (draw(st.permutations("abcd"))[: draw(st.integers(0, 4))] for _ in range(2))
    every = sorted({*xs, *ys})
    zs = draw(st.permutations(every))[: draw(st.integers(0, len(every)))]
    return "".join(xs), "".join(ys), "".join(zs)


@given(pairs_of_terms())
@example(("abc", "cbd", "dba"))
@example(("ab", "cb", "ca"))
def test_einsum_of_two_in_any_order(terms):
    sizes = {"a": 2, "b": 3, "c": 4, "d": 5}
    equation = "{},{}->{}".format(*terms)
    arrays = [draw(*[sizes[label] for label in each], seed=i) for i, each in enumerate(terms[:2])]
    compare(lambda *x: autograd.einsum(equation, *x), lambda *x: torch.einsum(equation, *x), *arrays)


@given(pairs_of_terms(), st.sampled_from([(0, 0), (0, None), (None, 0)]))
def test_einsum_of_samples(terms, in_dims):
    sizes = {"a": 2, "b": 3, "c": 4, "d": 5}
    xs, ys, zs = ("s" * (dim == 0) + each for dim, each in zip((*in_dims, 0), terms, strict=True))
    sizes["s"] = 3
    x, y = (draw(*[sizes[label] for label in each], seed=i) for i, each in enumerate((xs, ys)))
    alone = autograd.vmap(lambda x, y: autograd.einsum("{},{}->{}".format(*terms), x, y), in_dims)
    np.testing.assert_allclose(
        alone(Tensor(x), Tensor(y)).array, np.einsum(f"{xs},{ys}->{zs}", x, y), rtol=1e-10, atol=1e-12
    )


def test_einsum_with_lists_of_numbers():
    a, b = draw(2, 3), draw(3, 4)
    for labels in (([0, 1], [1, 2], [0, 2]), ([0, 1], [1, 2])):

        def call(t, x, y, labels=labels):
            return t.einsum(x, labels[0], y, labels[1], *labels[2:])

        compare(lambda x, y: call(autograd, x, y), lambda x, y: call(torch, x, y), a, b)
    compare(
        lambda x: autograd.einsum(x, [..., 0, 1], [..., 1, 0]),
        lambda x: torch.einsum(x, [..., 0, 1], [..., 1, 0]),
        draw(2, 3, 4),
    )
    compare(
        lambda x, y: autograd.einsum("ij,jk", [x, y]),
        lambda x, y: torch.einsum("ij,jk", [x, y]),
        a,
        b,
        order=1,
    )


@pytest.mark.filterwarnings("ignore:torch.chain_matmul is deprecated")
def test_chain_of_one_matrix_is_the_matrix_and_one_of_batches_is_refused():
    compare(autograd.chain_matmul, torch.chain_matmul, draw(2, 3))
    for t in (torch, autograd):
        with pytest.raises(RuntimeError):
            t.chain_matmul(t.zeros(2, 3, 3), t.zeros(2, 3, 3))


def test_multi_dot_takes_a_cheap_order():
    shapes = [(10, 100), (100, 5), (5, 50), (50, 1)]
    arrays = [draw(*shape, seed=i) for i, shape in enumerate(shapes)]
    compare(lambda *x: autograd.chain_matmul(*x), lambda *x: torch.linalg.multi_dot(x), *arrays, tolerance=1e-9)
    compare(
        lambda *x: autograd.linalg.multi_dot(x),
        lambda *x: torch.linalg.multi_dot(x),
        draw(3),
        draw(3, 4),
        draw(4),
    )


ERRORS = [
    lambda t: t.zeros(2, 3) @ t.zeros(2, 3), lambda t: t.tensor(1.0) @ t.zeros(2),
    lambda t: t.zeros(2, 3) @ t.zeros(2),
    lambda t: t.zeros(3) @ t.zeros(4), lambda t: t.zeros(2) @ t.zeros(3, 3),
    lambda t: t.zeros(2, 2, 3) @ t.zeros(3, 3, 4),
    lambda t: t.zeros(2, 2, 3) @ t.zeros(2, 2, 4), lambda t: t.zeros(2, 3) @ t.zeros(3, 2, dtype=t.float64),
    lambda t: t.zeros(2, 3) @ t.zeros(3, 2, dtype=t.int64), lambda t: t.mm(t.zeros(2, 3), t.zeros(3)),
    lambda t: t.mm(t.zeros(2, 3), t.zeros(2, 3)), lambda t: t.bmm(t.zeros(2, 2, 3), t.zeros(2, 4, 3)),
    lambda t: t.bmm(t.zeros(2, 3), t.zeros(3, 2)), lambda t: t.bmm(t.zeros(2, 2, 3), t.zeros(1, 3, 2)),
    lambda t: t.mv(t.zeros(2, 3), t.zeros(2)), lambda t: t.dot(t.zeros(2, 3), t.zeros(2, 3)),
    lambda t: t.dot(t.zeros(2), t.zeros(3)),
    lambda t: t.inner(t.zeros(2), t.zeros(3)), lambda t: t.outer(t.zeros(2, 2), t.zeros(2)),
    lambda t: t.tensordot(t.zeros(2, 3), t.zeros(2, 3)[0]), lambda t: t.matrix_power(t.zeros(2, 3), 2),
    lambda t: t.addbmm(t.zeros(2, 2), t.zeros(2, 2, 3), t.zeros(3, 3, 2)),
    lambda t: t.einsum("ij,jk->ik", t.zeros(2, 3)), lambda t: t.einsum("ij->ik", t.zeros(2, 3)),
    lambda t: t.einsum("i->i", t.zeros(2, 3)),
    lambda t: t.einsum("ij,jk->ik", t.zeros(2, 3), t.zeros(2, 3)),
    lambda t: t.einsum("ij->ii", t.zeros(2, 3)),
    lambda t: t.einsum("ii->i", t.zeros(2, 3)), lambda t: t.einsum("i1->i", t.zeros(2, 3)),
    lambda t: t.einsum("...i->0i", t.zeros(2, 3)),
    lambda t: t.tensordot(t.zeros(2, 3), t.zeros(3, 2), ([5], [0])),
    lambda t: t.tensordot(t.zeros(2, 2), t.zeros(2, 2), ([0, 0], [0, 1])),
    lambda t: t.tensordot(t.zeros(2, 2), t.zeros(2, 2), ([0], [0], [0])),
    lambda t: t.linalg.multi_dot([t.zeros(2, 3, 3), t.zeros(2, 3, 3)]), lambda t: t.linalg.multi_dot([t.tensor(1.0), t.zeros(3)]),
    lambda t: t.linalg.multi_dot([t.zeros(3, 3), t.zeros(3), t.zeros(3, 3)]),
    lambda t: t.linalg.matrix_norm(t.zeros(3)), lambda t: t.linalg.matrix_norm(t.zeros(3, 3, dtype=t.int64), 1),
    lambda t: t.linalg.norm(t.zeros(2, 3, 4), 2, (0, 1, 2)),
    lambda t: t.addmm(t.zeros(4, 4), t.zeros(1, 3), t.zeros(3, 1)),
    lambda t: t.baddbmm(t.zeros(4, 4, 4), t.zeros(1, 1, 3), t.zeros(1, 3, 1)),
    lambda t: t.addbmm(t.zeros(4, 4), t.zeros(2, 1, 3), t.zeros(2, 3, 1)), lambda t: t.addmv(t.zeros(4), t.zeros(1, 3), t.zeros(3)),
    lambda t: t.addmm(t.zeros(0), t.zeros(2, 3), t.zeros(3, 2), beta=0),
    lambda t: t.addr(t.zeros(4, 4), t.zeros(1), t.zeros(1)), lambda t: t.addmm(t.zeros(2, 1, 1), t.zeros(1, 3), t.zeros(3, 1)),
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(ERRORS)))
def test_errors_are_of_pytorchs_type(index):
    with pytest.raises(Exception) as theirs:  # noqa: PT011  # whatever PyTorch raises
        ERRORS[index](torch)
    with pytest.raises(theirs.type):
        ERRORS[index](autograd)


@pytest.mark.parametrize(
    ("shapes", "match"),
    [
        (((2, 3), (4, 2)), "input has 3 features but weight"),
        (((2, 3), (4, 3), (3,)), "bias has shape"),
        (((), (4, 3)), "linear"),
        (((2, 3), (4, 3, 1)), "linear"),
    ],
)
def test_linear_errors(shapes, match):
    with pytest.raises(RuntimeError, match=match):
        linear(*[autograd.zeros(shape) for shape in shapes])
    with pytest.raises(RuntimeError, match="dtype"):
        linear(autograd.zeros(2, 3), autograd.zeros(4, 3, dtype=autograd.float64))


LINALG = [
    ("vecdot", lambda t, a, b: t.linalg.vecdot(a, b, dim=0), (3, 4), (3, 1)),
    ("cross", lambda t, a, b: t.linalg.cross(a, b), (2, 3), (1, 3)),
    ("cross_dim", lambda t, a, b: t.linalg.cross(a, b, dim=0), (3, 2), (3, 2)),
    ("diagonal", lambda t, a, b: t.linalg.diagonal(a) * b, (2, 3, 4), (2, 3)),
    ("matrix_norm", lambda t, a, b: t.linalg.matrix_norm(a) * b, (2, 3, 4), (2,)),
    ("matrix_norm_1", lambda t, a, b: t.linalg.matrix_norm(a, 1) * b, (2, 3, 4), (2,)),
    ("matrix_norm_-1", lambda t, a, b: t.linalg.matrix_norm(a, -1, (0, 2), True) * b, (2, 3, 4), (3, 1)),
    ("matrix_norm_inf", lambda t, a, b: t.linalg.matrix_norm(a, float("inf"), (2, 0)) * b, (2, 3, 4), (3,)),
    ("matrix_norm_-inf", lambda t, a, b: t.linalg.matrix_norm(a, float("-inf")) * b, (3, 4), ()),
    ("norm", lambda t, a, b: t.linalg.norm(a) * b, (2, 3, 4), ()),
    ("norm_vector", lambda t, a, b: t.linalg.norm(a, 3) * b, (4,), ()),
    ("norm_dim", lambda t, a, b: t.linalg.norm(a, 1, 0) * b, (4, 2), (2,)),
    ("norm_matrix", lambda t, a, b: t.linalg.norm(a, "fro") * b, (4, 2), ()),
    ("norm_pair", lambda t, a, b: t.linalg.norm(a, 1, (0, 1), keepdim=True) * b, (4, 2, 3), (3,)),
    ("matrix_power", lambda t, a, b: t.linalg.matrix_power(a, 3) @ b, (3, 3), (3,)),
]  # fmt: skip


@pytest.mark.parametrize("row", LINALG, ids=[row[0] for row in LINALG])
def test_linalg(row):
    _, call, a, b = row
    compare(lambda x, y: call(autograd, x, y), lambda x, y: call(torch, x, y), draw(*a), draw(*b, seed=1))


def test_power_zero_is_the_identity_whatever_the_matrix_holds():
    for dtype in ("float32", "float64"):
        x = np.array([[1.0, np.nan], [np.inf, 2.0]], dtype)
        compare(lambda x: autograd.matrix_power(x, 0), lambda x: torch.matrix_power(x, 0), x, order=1)


def test_linalg_errors():
    for call in (
        lambda t: t.linalg.cross(t.zeros(2, 3), t.zeros(3)), lambda t: t.linalg.cross(t.zeros(2), t.zeros(2)),
        lambda t: t.linalg.matrix_norm(t.zeros(2, 3), dim=0), lambda t: t.linalg.matrix_norm(t.zeros(2, 3), "no"),
        lambda t: t.linalg.norm(t.zeros(2, 3, 4), 1),
    ):  # fmt: skip
        with pytest.raises((RuntimeError, TypeError)):
            call(torch)
        with pytest.raises(RuntimeError, match="linalg"):
            call(autograd)
