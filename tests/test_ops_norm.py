"""Normalisation against PyTorch: values, gradients through the statistics, running statistics, and what it
refuses.
"""

import numpy as np
import pytest

from autograd.grad_mode import no_grad
from autograd.tape import grad
from autograd.tensor import Tensor
from ops import norm
from ops.distance import cosine_similarity, normalize, pairwise_distance
from tests.against_torch import assert_close, compare, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional

affine = pytest.mark.parametrize("affine", ["both", "weight", "bias", "neither"])


def scale_and_shift(affine, *shape):
    weight, bias = draw(*shape, seed=7) + 2, draw(*shape, seed=8)
    return weight if affine in ("both", "weight") else None, bias if affine in ("both", "bias") else None


def affine_of(weight, bias, *shape):
    """Return ones and zeros for what is None: PyTorch's second derivatives need weight and bias."""
    ones, zeros = torch.ones(shape, dtype=torch.float64), torch.zeros(shape, dtype=torch.float64)
    return ones if weight is None else weight, zeros if bias is None else bias


def running(channels):
    return draw(channels, seed=3), np.abs(draw(channels, seed=4)) + 0.5


BATCHES = [(4, 3), (3, 70), (2, 3, 5), (2, 3, 4, 5), (1, 3, 4, 4), (2, 3, 2, 2, 2), (2, 1)]


# -- batch norm ----------------------------------------------------------------------------------------------


@affine
@pytest.mark.parametrize("shape", BATCHES)
def test_batch_norm_in_training_is_pytorchs(shape, affine):
    compare(
        lambda x, w, b: norm.batch_norm(x, None, None, w, b, training=True, eps=1e-3),
        lambda x, w, b: F.batch_norm(x, None, None, *affine_of(w, b, shape[1]), training=True, eps=1e-3),
        draw(*shape) * 2 + 1,
        *scale_and_shift(affine, shape[1]),
        tolerance=1e-9,
    )


@affine
@pytest.mark.parametrize("shape", [*BATCHES, (1, 3), (0, 3, 2)])
def test_batch_norm_in_evaluation_is_pytorchs(shape, affine):
    mean, var = running(shape[1])
    compare(
        lambda x, w, b: norm.batch_norm(x, Tensor(mean), Tensor(var), w, b),
        lambda x, w, b: F.batch_norm(x, torch.tensor(mean), torch.tensor(var), *affine_of(w, b, shape[1])),
        draw(*shape),
        *scale_and_shift(affine, shape[1]),
    )


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0])
@pytest.mark.parametrize("shape", BATCHES)
def test_training_moves_the_running_statistics(shape, momentum):
    x, statistics = draw(*shape), running(shape[1])
    ours, theirs = list(map(Tensor, map(np.copy, statistics))), list(map(torch.tensor, statistics))
    arrays = [each.array for each in ours]
    norm.batch_norm(Tensor(x), *ours, training=True, momentum=momentum)
    F.batch_norm(torch.tensor(x), *theirs, training=True, momentum=momentum)
    for found, expected, array in zip(ours, theirs, arrays, strict=True):
        assert_close(found, expected)
        assert found.array is array, "written in place, for others hold the buffer"


def test_evaluation_and_an_empty_batch_leave_the_running_statistics():
    statistics = running(3)
    for x, training in ((draw(4, 3), False), (draw(0, 3, 2), True)):
        mean, var = map(Tensor, map(np.copy, statistics))
        assert norm.batch_norm(Tensor(x), mean, var, training=training).shape == x.shape
        np.testing.assert_array_equal(mean.array, statistics[0])
        np.testing.assert_array_equal(var.array, statistics[1])


def test_evaluation_keeps_the_statistics_it_used():
    statistics = running(3)
    mean, var = map(Tensor, map(np.copy, statistics))
    x, weight = (Tensor(array, requires_grad=True) for array in (draw(4, 3), draw(3)))
    y = norm.batch_norm(x, mean, var, weight)
    norm.batch_norm(Tensor(draw(4, 3)), mean, var, training=True)
    dx, dweight = grad(y, [x, weight], Tensor(np.ones((4, 3))))
    invstd = 1 / np.sqrt(statistics[1] + 1e-5)
    np.testing.assert_allclose(dx.array, np.broadcast_to(weight.array * invstd, (4, 3)), rtol=1e-12)
    np.testing.assert_allclose(dweight.array, ((x.array - statistics[0]) * invstd).sum(0), rtol=1e-12)


def test_constant_channels_have_no_variance():
    compare(
        lambda x: norm.batch_norm(x, None, None, training=True),
        lambda x: F.batch_norm(x, None, None, training=True),
        np.full((4, 2, 3), 5.0),
        order=1,
        tolerance=1e-8,  # the gradient is a difference of numbers times 1/√eps
    )


# -- layer, group, instance, root mean square ----------------------------------------------------------------


@affine
@pytest.mark.parametrize(
    ("shape", "sizes"),
    [
        ((4, 5), (5,)),
        ((2, 3, 4), (4,)),
        ((2, 3, 4), (3, 4)),
        ((2, 3), (2, 3)),
        ((3, 1), (1,)),
        ((70, 33), (33,)),
        ((5,), (5,)),
    ],
)
def test_layer_norm_is_pytorchs(shape, sizes, affine):
    compare(
        lambda x, w, b: norm.layer_norm(x, sizes, w, b, eps=1e-3),
        lambda x, w, b: F.layer_norm(x, sizes, *affine_of(w, b, *sizes), eps=1e-3),
        draw(*shape) * 3 - 1,
        *scale_and_shift(affine, *sizes),
    )


@pytest.mark.parametrize(("shape", "sizes"), [((0, 3), (3,)), ((2, 0, 3), (3,)), ((3, 0), (0,))])
def test_layer_norm_of_nothing_is_pytorchs(shape, sizes):
    compare(
        lambda x, w, b: norm.layer_norm(x, sizes, w, b),
        lambda x, w, b: F.layer_norm(x, sizes, w, b),
        draw(*shape),
        *scale_and_shift("both", *sizes),
        order=1,
    )


@affine
@pytest.mark.parametrize(
    ("shape", "groups"),
    [((2, 4), 2), ((2, 6, 5), 3), ((2, 6, 3, 2), 1), ((2, 6, 3, 2), 6), ((3, 4, 2, 2, 2), 2), ((1, 4), 2)],
)
def test_group_norm_is_pytorchs(shape, groups, affine):
    compare(
        lambda x, w, b: norm.group_norm(x, groups, w, b, eps=1e-3),
        lambda x, w, b: F.group_norm(x, groups, *affine_of(w, b, shape[1]), eps=1e-3),
        draw(*shape) * 3 - 1,
        *scale_and_shift(affine, shape[1]),
    )


def test_group_norm_of_an_empty_batch_is_empty():
    x, weight = Tensor(draw(0, 4, 3), requires_grad=True), Tensor(draw(4), requires_grad=True)
    y = norm.group_norm(x, 2, weight)
    assert y.shape == (0, 4, 3)
    dx, dweight = grad(y, [x, weight], Tensor(np.ones((0, 4, 3))))
    assert dx.shape == (0, 4, 3)
    np.testing.assert_array_equal(dweight.array, np.zeros(4))


@affine
@pytest.mark.parametrize("shape", [(2, 3, 5), (2, 3, 4, 5), (1, 2, 3, 2, 2)])
def test_instance_norm_is_pytorchs(shape, affine):
    arrays = (draw(*shape), *scale_and_shift(affine, shape[1]))
    compare(
        lambda x, w, b: norm.instance_norm(x, weight=w, bias=b, eps=1e-3),
        lambda x, w, b: F.instance_norm(x, None, None, *affine_of(w, b, shape[1]), eps=1e-3),
        *arrays,
    )
    mean, var = running(shape[1])
    statistics = torch.tensor(mean), torch.tensor(var)
    compare(
        lambda x, w, b: norm.instance_norm(x, Tensor(mean), Tensor(var), w, b, use_input_stats=False),
        lambda x, w, b: F.instance_norm(x, *statistics, *affine_of(w, b, shape[1]), use_input_stats=False),
        *arrays,
    )


def test_instance_norm_moves_the_running_statistics():
    x, statistics = draw(2, 3, 5), running(3)
    ours, theirs = list(map(Tensor, map(np.copy, statistics))), list(map(torch.tensor, statistics))
    assert_close(
        norm.instance_norm(Tensor(x), *ours, momentum=0.3),
        F.instance_norm(torch.tensor(x), *theirs, momentum=0.3),
    )
    for found, expected in zip(ours, theirs, strict=True):
        assert_close(found, expected)


@pytest.mark.parametrize("eps", [None, 1e-3])
@pytest.mark.parametrize(("shape", "sizes"), [((4, 5), (5,)), ((2, 3, 4), (3, 4)), ((3, 1), (1,))])
@pytest.mark.parametrize("affine", ["weight", "neither"])
def test_rms_norm_is_pytorchs(shape, sizes, eps, affine):
    compare(
        lambda x, w: norm.rms_norm(x, sizes, w, eps),
        lambda x, w: F.rms_norm(x, sizes, w, eps),
        draw(*shape),
        scale_and_shift(affine, *sizes)[0],
    )


@pytest.mark.parametrize("shape", [(2, 7, 3), (2, 7, 3, 2), (2, 4, 2, 2, 2)])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_local_response_norm_is_pytorchs(shape, size):
    compare(
        lambda x: norm.local_response_norm(x, size, alpha=0.3, beta=0.6, k=1.2),
        lambda x: F.local_response_norm(x, size, alpha=0.3, beta=0.6, k=1.2),
        draw(*shape),
    )


@pytest.mark.parametrize("options", [{}, {"p": 1.0}, {"p": 3.0, "dim": -1}, {"dim": 0, "eps": 2.0}])
def test_normalize_is_pytorchs(options):
    compare(lambda x: normalize(x, **options), lambda x: F.normalize(x, **options), draw(3, 4))


def test_distances_are_pytorchs():
    arrays = draw(3, 4), draw(3, 4, seed=1)
    for options in ({}, {"dim": 0}, {"eps": 0.1}):
        compare(
            lambda x, y: cosine_similarity(x, y, **options),  # noqa: B023  # called at once
            lambda x, y: F.cosine_similarity(x, y, **options),  # noqa: B023
            *arrays,
        )
    for options in ({}, {"p": 1.0}, {"p": 3.0, "keepdim": True}):
        compare(
            lambda x, y: pairwise_distance(x, y, **options),  # noqa: B023  # called at once
            lambda x, y: F.pairwise_distance(x, y, **options),  # noqa: B023
            *arrays,
        )


# -- types, layouts, errors ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "function",
    [
        lambda x: norm.batch_norm(x, None, None, training=True),
        lambda x: norm.batch_norm(x, Tensor(np.zeros(4, np.float32)), Tensor(np.ones(4, np.float32))),
        lambda x: norm.layer_norm(x, (6,)),
        lambda x: norm.group_norm(x, 2),
        lambda x: norm.instance_norm(x),
        lambda x: norm.rms_norm(x, (6,)),
        lambda x: norm.local_response_norm(x, 3),
    ],
    ids=["batch", "evaluation", "layer", "group", "instance", "rms", "local"],
)
def test_float32_and_other_layouts(function):
    x = draw(3, 4, 6).astype(np.float32)
    with no_grad():
        expected = function(Tensor(x)).array
        assert expected.dtype == np.float32
        swapped = np.ascontiguousarray(x.transpose(2, 0, 1)).transpose(1, 2, 0)
        np.testing.assert_array_equal(function(Tensor(swapped)).array, expected)
    for layout in (x, swapped):
        leaf = Tensor(layout.copy(order="K"), requires_grad=True)
        before = leaf.array.copy()
        (dx,) = grad(function(leaf), leaf, Tensor(np.broadcast_to(np.float32(1), x.shape)))
        assert dx.array.dtype == np.float32
        np.testing.assert_array_equal(leaf.array, before)


def vector(size):
    return Tensor(np.ones(size))


X = draw(2, 3)
ERRORS = [
    (
        lambda: norm.batch_norm(Tensor(draw(1, 3)), vector(3), vector(3), training=True),
        ValueError,
        r"Expected more than 1 value per channel when training, got input size \[1, 3\]",
    ),
    (
        lambda: norm.batch_norm(Tensor(X), None, None),
        RuntimeError,
        "running_mean must be defined in evaluation mode",
    ),
    (
        lambda: norm.batch_norm(Tensor(X), vector(3), None),
        RuntimeError,
        "running_var must be defined in evaluation mode",
    ),
    (
        lambda: norm.batch_norm(Tensor(X), vector(4), vector(4)),
        RuntimeError,
        "running_mean should contain 3 elements",
    ),
    (
        lambda: norm.batch_norm(Tensor(X), vector(3), vector(3), vector(4)),
        RuntimeError,
        "weight should contain 3",
    ),
    (
        lambda: norm.batch_norm(Tensor(X), vector(3), vector(3), eps=-1.0),
        ValueError,
        "eps must be non-negative",
    ),
    (lambda: norm.batch_norm(Tensor(draw(3)), vector(3), vector(3)), RuntimeError, "at least 2 dimensions"),
    (
        lambda: norm.batch_norm(Tensor(X), vector(3), vector(3), Tensor(np.ones(3, np.float32))),
        RuntimeError,
        "mixed dtype: input is autograd.float64 but weight is autograd.float32",
    ),
    (
        lambda: norm.layer_norm(Tensor(X), (4,)),
        RuntimeError,
        r"expected input with shape \[\*, 4\], but got input of size",
    ),
    (lambda: norm.layer_norm(Tensor(X), (5, 2, 3)), RuntimeError, r"Given normalized_shape=\[5, 2, 3\]"),
    (lambda: norm.layer_norm(Tensor(X), (3,), vector(2)), RuntimeError, r"weight should contain 3 elements"),
    (lambda: norm.layer_norm(Tensor(X), ()), RuntimeError, "at least 1-dimensional"),
    (lambda: norm.layer_norm(Tensor(X), 3), TypeError, "must be a tuple of ints, not int"),
    (lambda: norm.layer_norm(Tensor(np.ones((2, 3), np.int64)), (3,)), NotImplementedError, "got int64"),
    (lambda: norm.group_norm(Tensor(draw(2, 4, 3)), 3), RuntimeError, "divisible by num_groups"),
    (lambda: norm.group_norm(Tensor(draw(4)), 2), RuntimeError, "at least 2 dimensions"),
    (lambda: norm.group_norm(Tensor(draw(1, 4)), 4), ValueError, "more than 1 value per channel"),
    (
        lambda: norm.group_norm(Tensor(draw(2, 4)), 2, vector(2)),
        RuntimeError,
        "weight should contain 4 elements",
    ),
    (lambda: norm.instance_norm(Tensor(draw(2, 3, 1))), ValueError, "more than 1 spatial element"),
    (
        lambda: norm.instance_norm(Tensor(draw(2, 3, 2)), use_input_stats=False),
        RuntimeError,
        "running_mean and running_var",
    ),
    (lambda: norm.rms_norm(Tensor(X), (4,)), RuntimeError, r"rms_norm: Given normalized_shape=\[4\]"),
    (lambda: norm.local_response_norm(Tensor(draw(2)), 2), ValueError, "3D or higher"),
    (lambda: norm.layer_norm(X, (3,)), TypeError, "input must be a Tensor, not ndarray"),
]


@pytest.mark.parametrize(("call", "error", "message"), ERRORS)
def test_refuses(call, error, message):
    with pytest.raises(error, match=message):
        call()
