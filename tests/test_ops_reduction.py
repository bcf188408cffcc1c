"""Reductions, scans and softmax against PyTorch in float64."""

import math
import warnings

import numpy as np
import pytest

import ops  # noqa: F401  # binds the operators
from autograd import tape
from autograd.tensor import Tensor
from ops import reduction, scan, softmax

torch = pytest.importorskip("torch")

from tests.test_ops_elementwise import REAL, check, close, draw  # noqa: E402  # after the skip

inf, nan = math.inf, math.nan
SHAPES = [(), (5,), (2, 3, 4)]
DIMS = [None, 0, -1, (0,), (0, -1), (0, 1, 2)]

BY_DIM = {
    "sum": (reduction.sum, torch.sum),
    "nansum": (reduction.nansum, torch.nansum),
    "mean": (reduction.mean, torch.mean),
    "nanmean": (reduction.nanmean, torch.nanmean),
    "var": (reduction.var, torch.var),
    "var 0": (lambda x, **a: reduction.var(x, correction=0, **a), lambda x, **a: torch.var(x, correction=0, **a)),
    "var 0.5": (lambda x, **a: reduction.var(x, correction=0.5, **a), lambda x, **a: torch.var(x, correction=0.5, **a)),
    "std": (reduction.std, torch.std),
    "std biased": (
        lambda x, **a: reduction.std(x, unbiased=False, **a), lambda x, **a: torch.std(x, unbiased=False, **a),
    ),
    "var of var_mean": (lambda x, **a: reduction.var_mean(x, **a)[0], lambda x, **a: torch.var_mean(x, **a)[0]),
    "mean of std_mean": (lambda x, **a: reduction.std_mean(x, **a)[1], lambda x, **a: torch.std_mean(x, **a)[1]),
    "amax": (reduction.amax, torch.amax),
    "amin": (reduction.amin, torch.amin),
    "logsumexp": (reduction.logsumexp, torch.logsumexp),
    "norm": (reduction.norm, torch.norm),
    **{
        f"vector_norm {p}": (
            lambda x, p=p, **a: reduction.vector_norm(x, p, **a),
            lambda x, p=p, **a: torch.linalg.vector_norm(x, p, **a),
        )
        for p in (2, 1, 3, 0.5, 1.5, 0, inf, -inf, -2)
    },
}  # fmt: skip
NEEDS_DIM = {"amax", "amin", "logsumexp"}


@pytest.mark.filterwarnings("ignore::UserWarning")  # PyTorch's, about degrees of freedom
@pytest.mark.parametrize("name", BY_DIM)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("keepdim", [False, True])
def test_reductions(name, shape, dim, keepdim):
    function, reference = BY_DIM[name]
    dims = dim if isinstance(dim, tuple) else (dim,)
    if dim is not None and (max(dims) >= max(len(shape), 1) or (len(dims) > 1 and len(shape) < 2)):
        pytest.skip("no such dimension")
    if name == "norm" and len(dims) == 3:
        pytest.skip("PyTorch takes it for a matrix norm")
    if dim is None and (name in NEEDS_DIM or keepdim):
        dim = tuple(range(len(shape)))[:2]
    if name == "logsumexp" and not shape:
        dim = 0
    check(
        lambda x: function(x, dim=dim, keepdim=keepdim), lambda x: reference(x, dim=dim, keepdim=keepdim),
        draw(1, shape, REAL), orders=3 if shape else 1,
    )  # fmt: skip


@pytest.mark.parametrize("name", BY_DIM)
@pytest.mark.parametrize("dim", [0, (0, 1)])
def test_reductions_of_strided_and_large_inputs(name, dim):
    function, reference = BY_DIM[name]
    x = draw(2, (60, 90), REAL).T[::2]
    check(lambda x: function(x, dim=dim), lambda x: reference(x, dim=dim), x)


ALONG = {
    "prod": (reduction.prod, torch.prod),
    "cumsum": (scan.cumsum, torch.cumsum),
    "cumprod": (scan.cumprod, torch.cumprod),
    "cummax": (lambda x, d: scan.cummax(x, d).values, lambda x, d: torch.cummax(x, d).values),
    "cummin": (lambda x, d: scan.cummin(x, d).values, lambda x, d: torch.cummin(x, d).values),
    "max": (lambda x, d: reduction.max(x, d).values, lambda x, d: torch.max(x, d).values),
    "min": (lambda x, d: reduction.min(x, d).values, lambda x, d: torch.min(x, d).values),
    "max keepdim": (lambda x, d: reduction.max(x, d, True)[0], lambda x, d: torch.max(x, d, True)[0]),
    "aminmax": (lambda x, d: reduction.aminmax(x, dim=d).max, lambda x, d: torch.aminmax(x, dim=d).max),
    "softmax": (softmax.softmax, torch.softmax),
    "log_softmax": (softmax.log_softmax, torch.log_softmax),
    "softmin": (softmax.softmin, lambda x, d: torch.softmax(-x, d)),
}


@pytest.mark.parametrize("name", ALONG)
@pytest.mark.parametrize("shape", [(), (5,), (2, 3, 4), (70, 50), (1,)])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_along_one_dimension(name, shape, dim):
    if dim >= max(len(shape), 1):
        pytest.skip("no such dimension")
    function, reference = ALONG[name]
    check(
        lambda x: function(x, dim),
        lambda x: reference(x, dim),
        draw(3, shape, REAL),
        orders=2 if len(shape) == 2 else 3,
    )


@pytest.mark.parametrize("name", ALONG)
def test_along_one_dimension_of_a_strided_input(name):
    function, reference = ALONG[name]
    check(lambda x: function(x, -1), lambda x: reference(x, -1), draw(3, (8, 6), REAL)[::2].T)


FULL = {
    "sum": (reduction.sum, torch.sum),
    "mean": (reduction.mean, torch.mean),
    "var": (reduction.var, torch.var),
    "var biased": (lambda x: reduction.var(x, False), lambda x: torch.var(x, False)),
    "std": (reduction.std, torch.std),
    "prod": (reduction.prod, torch.prod),
    "max": (reduction.max, torch.max),
    "min": (reduction.min, torch.min),
    "amax": (reduction.amax, torch.amax),
    "amin": (reduction.amin, torch.amin),
    "norm": (reduction.norm, torch.norm),
    "norm inf": (lambda x: reduction.norm(x, inf), lambda x: torch.norm(x, inf)),
    "norm 1": (lambda x: reduction.norm(x, 1), lambda x: torch.norm(x, 1)),
    "norm 3": (lambda x: reduction.norm(x, 3), lambda x: torch.norm(x, 3)),
}


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_over_everything(name, shape):
    function, reference = FULL[name]
    check(function, reference, draw(4, shape, REAL), orders=3 if shape else 1)


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize(
    "values", [[1.0, 1.0, 0.0], [0.0, 0.0, 0.0], [2.0, 0.0, 3.0], [1.0, 0.0, 0.0], [inf, 1.0, 2.0], [-inf, inf, 0.0]]
)
def test_first_gradients_at_ties_zeros_and_infinities(name, values):
    function, reference = FULL[name]
    if name == "prod":  # PyTorch divides, and ∞ / ∞ is NaN
        check(function, lambda x: x[0] * x[1] * x[2], np.array(values), orders=1)
    else:
        check(function, reference, np.array(values), orders=1)


@pytest.mark.parametrize("name", [*FULL, "logsumexp"])
def test_nan_reaches_the_result(name):
    function = FULL[name][0] if name in FULL else lambda x: reduction.logsumexp(x, 0)
    assert math.isnan(function(Tensor(np.array([1.0, nan, 2.0]))).item())


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_prod_has_every_derivative_at_zeros(zeros):
    values = np.array([2.0, -1.5, 3.0, 0.5])
    values[:zeros] = 0
    check(reduction.prod, lambda x: x[0] * x[1] * x[2] * x[3], values, orders=4)
    check(
        lambda x: scan.cumprod(x, 0),
        lambda x: torch.stack([x[0], x[0] * x[1], x[0] * x[1] * x[2], x[0] * x[1] * x[2] * x[3]]), values, orders=4,
    )  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
def test_recurrence_is_its_loop(reverse):
    b, a = draw(1, (3, 5), REAL), draw(2, (3, 5), REAL)

    def loop(b, a):
        h, rows = torch.zeros(3, dtype=torch.float64), []
        order = range(4, -1, -1) if reverse else range(5)
        for i in order:
            rows.append(h)
            h = b[:, i] + a[:, i] * h
        return torch.stack(rows[::-1] if reverse else rows, 1)

    check(lambda b, a: scan.recurrence(b, a, dim=1, reverse=reverse), loop, b, a, orders=3)


@pytest.mark.parametrize("ord", [2, 1, 3, 1.5, 0.5, inf])
def test_norm_of_nothing_but_zeros_has_gradient_zero(ord):
    x = Tensor(np.zeros((2, 3)), requires_grad=True)
    for dim in (None, 1):
        (grad,) = tape.grad(reduction.vector_norm(x, ord, dim).sum(), x)
        np.testing.assert_array_equal(grad.array, np.zeros((2, 3)))


def test_std_of_a_constant_has_gradient_zero():
    check(reduction.std, torch.std, np.full(4, 1.25), orders=1)


ROWS = np.array([[1.0, 2.0, 3.0], [-inf, 1.0, 2.0], [800.0, 900.0, 1000.0], [-1000.0, -1001.0, -inf], [1e-9, 0.0, 1.0]])


def test_softmax_and_logsumexp_do_not_overflow():
    check(lambda x: reduction.logsumexp(x, 1), lambda x: torch.logsumexp(x, 1), ROWS, orders=1)
    check(lambda x: softmax.softmax(x, 1), lambda x: torch.softmax(x, 1), ROWS, orders=2)
    check(lambda x: softmax.softmax(x, 0), lambda x: torch.softmax(x, 0), ROWS[:, 1:2].copy(), orders=2)
    close(softmax.log_softmax(Tensor(ROWS), 1), torch.log_softmax(torch.tensor(ROWS), 1))


def test_logsumexp_of_rows_that_are_all_minus_infinity():
    x = Tensor(np.array([[-inf, -inf], [0.0, 0.0]]), requires_grad=True)
    y = reduction.logsumexp(x, 1)
    np.testing.assert_allclose(y.array, [-inf, math.log(2)])
    (grad,) = tape.grad(y[1], x)
    np.testing.assert_allclose(grad.array, [[0, 0], [0.5, 0.5]])  # PyTorch gives NaN in the first row
    special = np.array([[inf, 1.0], [inf, inf], [inf, -inf], [nan, 1.0]])
    close(reduction.logsumexp(Tensor(special), 1), torch.logsumexp(torch.tensor(special), 1))


def test_softmax_of_a_row_that_is_all_minus_infinity_is_nan_as_in_pytorch():
    x = np.array([[-inf, -inf], [0.0, 1.0]])
    for dim in (0, 1):
        close(softmax.softmax(Tensor(x), dim), torch.softmax(torch.tensor(x), dim))


# -- indices and truth -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[3.0, 1.0, 3.0, 1.0], [1.0, nan, 3.0, nan], [-inf, -inf, inf, inf], [2, 5, 5, 1]])
def test_indices(values):
    x = np.array([values, values[::-1]])
    for name in ("argmax", "argmin"):
        ours, theirs = getattr(reduction, name), getattr(torch, name)
        for arguments in ({}, {"dim": 0}, {"dim": 1}, {"dim": -1, "keepdim": True}):
            close(ours(Tensor(x), **arguments), theirs(torch.tensor(x), **arguments))
    for function, reference in (
        (reduction.max, torch.max), (reduction.min, torch.min), (scan.cummax, torch.cummax), (scan.cummin, torch.cummin),
    ):  # fmt: skip
        for dim in (0, 1):
            result, expected = function(Tensor(x), dim), reference(torch.tensor(x), dim)
            close(result.values, expected.values)
            close(result.indices, expected.indices)


def test_max_of_two_tensors_is_maximum():
    x, y = draw(1, (3,), REAL), draw(2, (3,), REAL)
    check(reduction.max, torch.max, x, y)
    check(lambda x, y: reduction.min(x, other=y), lambda x, y: torch.min(x, other=y), x, y)


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int64, np.float32])
@pytest.mark.parametrize("dim", [None, 0, 1, (0, 1), ()])
def test_truth(dtype, dim):
    x = (draw(1, (4, 3), (0, 2)) > 0.8).astype(dtype)
    for name in ("all", "any"):
        arguments = {} if dim is None else {"dim": dim}
        close(getattr(reduction, name)(Tensor(x), **arguments), getattr(torch, name)(torch.tensor(x), **arguments))
    close(reduction.count_nonzero(Tensor(x), dim), torch.count_nonzero(torch.tensor(x), dim))


# -- types and empty inputs --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.bool_, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "name", ["sum", "prod", "cumsum", "cumprod", "amax", "amin", "max", "mean", "var", "logsumexp", "norm"]
)
def test_result_types(name, dtype):
    module = scan if name.startswith("cum") else reduction
    x = np.array([[1, 0, 3], [2, 2, 1]]).astype(dtype)
    arguments = () if name in ("max", "norm") else (1,)
    try:
        expected = getattr(torch, name)(torch.tensor(x), *arguments)
    except RuntimeError:
        with pytest.raises(RuntimeError):
            getattr(module, name)(Tensor(x), *arguments)
        return
    close(getattr(module, name)(Tensor(x), *arguments), expected, 2e-3 if dtype is np.float16 else 1e-6)


@pytest.mark.parametrize("name", ["sum", "prod", "cumsum", "cumprod", "mean", "softmax", "log_softmax"])
def test_dtype_argument(name):
    module = scan if name.startswith("cum") else softmax if "softmax" in name else reduction
    x = np.array([[1, 2, 3], [2, 2, 1]])
    close(
        getattr(module, name)(Tensor(x), 1, dtype=np.float64),
        getattr(torch, name)(torch.tensor(x), 1, dtype=torch.float64),
    )


def test_float16_is_summed_in_float32():
    x = np.full(40000, 2, np.float16)
    assert reduction.mean(Tensor(x)).item() == 2
    assert math.isclose(reduction.norm(Tensor(x)).item(), 400, rel_tol=1e-3)


@pytest.mark.parametrize("name", ["cumsum", "cumprod"])
def test_scans_of_float16_run_in_float32(name):
    x = np.full((5000, 2), 1 if name == "cumsum" else 1.0009765625, np.float16)
    check(lambda x: getattr(scan, name)(x, 0), lambda x: getattr(torch, name)(x, 0), x, orders=0, tolerance=2e-3)
    leaf = Tensor(x, requires_grad=True)
    (grad,) = tape.grad(scan.cumsum(leaf, 0).sum(), leaf)
    np.testing.assert_allclose(grad.array[:, 0], np.arange(5000, 0, -1), rtol=1e-3)


def test_sum_of_float16_that_is_too_large_is_infinite_without_a_warning():
    x = Tensor(np.full(3000, 60000, np.float16))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reduction.sum(x).item() == inf
        assert scan.cumsum(x, 0)[-1].item() == inf


def test_gradient_of_the_mean_of_many_float16_is_not_lost():
    check(reduction.mean, torch.mean, np.ones(70000, np.float16), orders=1, tolerance=1e-6)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "name", ["sum", "mean", "prod", "var", "std", "all", "any", "logsumexp", "norm", "cumsum", "cumprod"]
)
@pytest.mark.parametrize("dim", [0, 1])
def test_empty_inputs(name, dim):
    module = scan if name.startswith("cum") else reduction
    x = np.zeros((0, 3))
    close(getattr(module, name)(Tensor(x), dim=dim), getattr(torch, name)(torch.tensor(x), dim=dim))
    if name in ("sum", "mean", "prod", "var", "all", "any", "norm"):
        close(getattr(module, name)(Tensor(x)), getattr(torch, name)(torch.tensor(x)))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_of_empty_inputs(name, dim):
    for shape in ((0, 3), (3, 0)):
        check(lambda x: getattr(softmax, name)(x, dim), lambda x: getattr(torch, name)(x, dim), np.zeros(shape))


def test_diff():
    x = draw(1, (4, 5), REAL)
    for arguments in ({}, {"n": 2}, {"dim": 0}, {"n": 9}, {"n": 0}):
        check(lambda x, a=arguments: scan.diff(x, **a), lambda x, a=arguments: torch.diff(x, **a), x)
    truth = x > 0
    close(scan.diff(Tensor(truth)), torch.diff(torch.tensor(truth)))
    check(
        lambda x, y: scan.diff(x, prepend=y, append=y), lambda x, y: torch.diff(x, prepend=y, append=y), x,
        draw(2, (4, 2), REAL),
    )  # fmt: skip


@pytest.mark.parametrize("p", [2, 1, inf, 3])
def test_dist(p):
    x, y = draw(1, (3,), REAL), draw(2, (2, 3), REAL)
    check(lambda x, y: reduction.dist(x, y, p), lambda x, y: torch.dist(x, y, p), x, y)


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float32, 1e-5), (np.float16, 1e-2)])
@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_keeps_the_floating_type(name, dtype, tolerance, dim):
    function, reference = ALONG[name]
    x = draw(1, (8, 30), REAL).astype(dtype)
    check(lambda x: function(x, dim), lambda x: reference(x, dim), x, orders=1, tolerance=tolerance)


@pytest.mark.parametrize("name", [*BY_DIM, *ALONG])
def test_inputs_are_left_alone(name):
    x = draw(9, (1, 1), REAL)
    x.flags.writeable = False
    y = BY_DIM[name][0](Tensor(x), dim=0) if name in BY_DIM else ALONG[name][0](Tensor(x), 0)
    assert not np.shares_memory(y.array, x)


# -- errors ------------------------------------------------------------------------------------------------------------

EMPTY, MATRIX, INTEGERS = Tensor(np.zeros((0, 3))), Tensor(np.ones((2, 3))), Tensor(np.ones((2, 3), np.int64))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: reduction.sum(MATRIX, 2), IndexError, r"sum: Dimension out of range .* \[-2, 1\], but got 2"),
        (lambda: reduction.sum(MATRIX, (0, -2)), RuntimeError, "dim 0 appears multiple times"),
        (lambda: softmax.softmax(MATRIX, -3), IndexError, "softmax: Dimension out of range"),
        (lambda: scan.cumsum(MATRIX, 5), IndexError, "cumsum: Dimension out of range"),
        (lambda: reduction.prod(MATRIX, 5), IndexError, "prod: Dimension out of range"),
        (lambda: reduction.max(MATRIX, 5), IndexError, "max: Dimension out of range"),
        (lambda: reduction.mean(INTEGERS), RuntimeError, "could not infer output dtype"),
        (lambda: reduction.var(INTEGERS), RuntimeError, "only support floating"),
        (lambda: reduction.norm(INTEGERS), RuntimeError, "Expected a floating point"),
        (lambda: softmax.softmax(INTEGERS, 0), RuntimeError, "softmax: not implemented for"),
        (lambda: reduction.max(EMPTY), RuntimeError, r"max\(\): Expected reduction dim to be specified"),
        (lambda: reduction.amin(EMPTY), RuntimeError, r"amin\(\): Expected reduction dim to be specified"),
        (lambda: reduction.amax(EMPTY, 0), IndexError, r"amax\(\): Expected reduction dim 0"),
        (lambda: reduction.max(EMPTY, 0), IndexError, r"max\(\): Expected reduction dim 0"),
        (lambda: reduction.argmax(EMPTY), IndexError, r"argmax\(\): Expected reduction dim to be specified"),
        (lambda: reduction.argmin(EMPTY, 0), IndexError, r"argmin\(\): Expected reduction dim 0"),
        (lambda: reduction.argmax(Tensor(np.array([True]))), RuntimeError, "bool"),
        (lambda: reduction.norm(EMPTY, inf), RuntimeError, "does not have an identity"),
        (lambda: reduction.norm(MATRIX, "nuc"), RuntimeError, "nuc"),
        (lambda: reduction.var(MATRIX, unbiased=True, correction=1), TypeError, "not both"),
        (lambda: scan.diff(Tensor(np.array(1.0))), RuntimeError, "at least one-dimensional"),
        (lambda: scan.diff(MATRIX, -1), RuntimeError, "non-negative but got -1"),
    ],
)
def test_errors(call, error, message):
    with pytest.raises(error, match=message):
        call()
