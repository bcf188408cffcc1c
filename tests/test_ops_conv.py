"""Convolutions against PyTorch and against the obvious loops, and what they refuse."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autograd.tensor import Tensor
from ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from tests.against_torch import compare, draw
from tests.naive import conv as naive

torch = pytest.importorskip("torch")
F = torch.nn.functional
pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")  # PyTorch's, on its speed

CONV2D = [
    # input, weight, options
    ((2, 3, 5, 6), (4, 3, 3, 3), {}),
    ((1, 1, 1, 1), (1, 1, 1, 1), {}),
    ((2, 3, 8, 7), (4, 3, 3, 2), {"stride": 2, "padding": 1}),
    ((2, 3, 8, 7), (4, 3, 3, 2), {"stride": (2, 3), "padding": (0, 1), "dilation": (2, 1)}),
    ((2, 4, 6, 6), (6, 2, 3, 3), {"groups": 2, "padding": 1}),
    ((2, 4, 6, 6), (8, 1, 3, 3), {"groups": 4, "stride": 2}),
    ((3, 4, 5, 5), (2, 4, 1, 1), {}),
    ((3, 4, 5, 5), (2, 4, 1, 1), {"stride": 3}),
    ((2, 2, 5, 5), (3, 2, 3, 3), {"padding": 4}),
    ((2, 2, 5, 5), (3, 2, 3, 3), {"padding": [1, 2], "stride": [2]}),
    ((2, 2, 5, 6), (3, 2, 3, 3), {"padding": "same"}),
    ((2, 2, 5, 6), (3, 2, 2, 4), {"padding": "same"}),
    ((2, 2, 7, 6), (3, 2, 2, 2), {"padding": "same", "dilation": (1, 3)}),
    ((2, 2, 5, 6), (3, 2, 2, 3), {"padding": "valid", "stride": 2}),
    ((2, 5, 6), (3, 2, 2, 3), {}),
    ((2, 5, 6), (3, 2, 2, 2), {"padding": "same"}),
    ((0, 3, 5, 5), (4, 3, 3, 3), {}),
    ((2, 6, 9, 9), (17, 6, 5, 5), {"padding": 2}),
]
CONV1D = [
    ((2, 3, 9), (4, 3, 3), {}),
    ((2, 3, 9), (4, 3, 4), {"stride": 2, "padding": 2, "dilation": 2}),
    ((2, 4, 9), (6, 2, 3), {"groups": 2}),
    ((2, 3, 9), (4, 3, 4), {"padding": "same"}),
    ((3, 9), (4, 3, 3), {"padding": (1,)}),
    ((0, 3, 9), (4, 3, 3), {}),
]
CONV3D = [
    ((2, 3, 4, 5, 4), (4, 3, 2, 3, 2), {}),
    (
        (1, 4, 5, 4, 5),
        (4, 2, 3, 2, 3),
        {"stride": (2, 1, 2), "padding": (1, 0, 2), "dilation": (2, 1, 1), "groups": 2},
    ),
    ((1, 1, 2, 3, 3), (2, 1, 3, 1, 1), {"padding": (2, 0, 0), "dilation": (2, 1, 1)}),
    ((2, 3, 4, 4), (3, 2, 2, 2, 3), {"padding": "same"}),
    ((0, 2, 3, 3, 3), (2, 2, 2, 2, 2), {}),
]
TRANSPOSED2D = [
    ((2, 3, 4, 5), (3, 2, 3, 3), {}),
    ((2, 3, 4, 5), (3, 2, 3, 2), {"stride": 2, "padding": 1, "output_padding": 1}),
    (
        (2, 4, 4, 5),
        (4, 3, 3, 2),
        {"stride": (2, 3), "dilation": (1, 2), "groups": 2, "output_padding": (1, 0)},
    ),
    ((1, 2, 3, 3), (2, 3, 2, 2), {"stride": 1, "dilation": 4, "output_padding": 3}),
    ((1, 2, 3, 3), (2, 3, 3, 3), {"stride": 2, "dilation": 3, "output_padding": (2, 0)}),
    ((3, 4, 5), (3, 2, 3, 3), {"padding": 2}),
    ((0, 3, 4, 5), (3, 2, 3, 3), {}),
]
TRANSPOSED1D = [
    ((2, 3, 4), (3, 2, 3), {"stride": 2, "output_padding": 1}),
    ((2, 4, 4), (4, 1, 3), {"groups": 4, "padding": 1, "dilation": 2}),
    ((3, 4), (3, 2, 3), {}),
]
TRANSPOSED3D = [
    ((2, 3, 2, 3, 2), (3, 2, 2, 2, 3), {"stride": 2, "padding": (0, 1, 0), "output_padding": 1}),
    ((1, 4, 2, 3, 2), (4, 2, 2, 2, 1), {"groups": 2, "dilation": (3, 1, 2), "output_padding": (2, 0, 1)}),
]
CASES = [
    *[(conv1d, *case) for case in CONV1D],
    *[(conv2d, *case) for case in CONV2D],
    *[(conv3d, *case) for case in CONV3D],
    *[(conv_transpose1d, *case) for case in TRANSPOSED1D],
    *[(conv_transpose2d, *case) for case in TRANSPOSED2D],
    *[(conv_transpose3d, *case) for case in TRANSPOSED3D],
]


def operands(function, x_shape, w_shape, options, bias=True):
    transposed = function.__name__.startswith("conv_transpose")
    filters = w_shape[1] * options.get("groups", 1) if transposed else w_shape[0]
    return draw(*x_shape), draw(*w_shape, seed=1), draw(filters, seed=2) if bias else None


@pytest.mark.parametrize("bias", [True, False], ids=["bias", "plain"])
@pytest.mark.parametrize(("function", "x_shape", "w_shape", "options"), CASES)
def test_values_and_gradients_are_pytorchs(function, x_shape, w_shape, options, bias):
    theirs = getattr(F, function.__name__)
    compare(
        lambda x, w, b: function(x, w, b, **options),
        lambda x, w, b: theirs(x, w, b, **options),
        *operands(function, x_shape, w_shape, options, bias),
    )


@pytest.mark.parametrize(("function", "x_shape", "w_shape", "options"), CASES)
def test_float32_stays_float32(function, x_shape, w_shape, options):
    arrays = [a.astype(np.float32) for a in operands(function, x_shape, w_shape, options)]
    y = function(*map(Tensor, arrays), **options)
    expected = getattr(F, function.__name__)(*map(torch.tensor, arrays), **options).numpy()
    assert y.array.dtype == np.float32
    np.testing.assert_allclose(y.array, expected, rtol=1e-4, atol=1e-5)


sizes, small = st.integers(1, 7), st.integers(1, 3)


@given(st.data())
def test_any_geometry_is_the_loops(data):
    pair = st.tuples(small, small)
    groups = data.draw(small)
    options = {
        "stride": data.draw(pair),
        "padding": data.draw(st.tuples(st.integers(0, 3), st.integers(0, 3))),
        "dilation": data.draw(pair),
        "groups": groups,
    }
    x_shape = (data.draw(st.integers(0, 3)), groups * data.draw(small), data.draw(sizes), data.draw(sizes))
    w_shape = (groups * data.draw(small), x_shape[1] // groups, *data.draw(pair))
    reach = [d * (r - 1) + 1 for d, r in zip(options["dilation"], w_shape[2:], strict=True)]
    assume(all(n + 2 * p >= r for n, p, r in zip(x_shape[2:], options["padding"], reach, strict=True)))
    x, w, b = draw(*x_shape), draw(*w_shape), draw(w_shape[0])
    y = conv2d(Tensor(x), Tensor(w), Tensor(b), **options)
    np.testing.assert_allclose(y.array, naive.conv2d(x, w, b, **options), rtol=1e-12, atol=1e-12)
    swapped = np.ascontiguousarray(x.transpose(3, 2, 1, 0)).transpose(3, 2, 1, 0)
    np.testing.assert_array_equal(conv2d(Tensor(swapped), Tensor(w), Tensor(b), **options).array, y.array)


def test_a_filter_for_no_channels_gives_the_bias():
    x, w, b = Tensor(np.zeros((2, 0, 3, 3))), Tensor(np.zeros((4, 0, 2, 2))), Tensor(draw(4))
    y = conv2d(x, w, b)
    np.testing.assert_array_equal(y.array, np.broadcast_to(b.array[:, None, None], (2, 4, 2, 2)))


X, W = (2, 3, 5, 5), (4, 3, 3, 3)
ERRORS = [
    (conv2d, (2, 3), W, {}, RuntimeError, r"Expected 3D \(unbatched\) or 4D \(batched\) input to conv2d"),
    (conv2d, X, (4, 3, 3), {}, RuntimeError, "weight with 4 dimensions"),
    (conv2d, X, (4, 2, 3, 3), {}, RuntimeError, r"input has 3 channels but weight \(4, 2, 3, 3\) expects 2"),
    (conv2d, X, W, {"groups": 2}, RuntimeError, "with groups=2 expects 6"),
    (conv2d, X, (4, 1, 3, 3), {"groups": 3}, RuntimeError, "divisible by 3"),
    (conv2d, X, (0, 3, 3, 3), {}, RuntimeError, "at least 1"),
    (conv2d, X, W, {"groups": 0}, RuntimeError, "non-positive groups"),
    (conv2d, X, W, {"groups": 1.0}, TypeError, "groups must be an int"),
    (conv2d, X, (4, 3, 6, 6), {}, RuntimeError, r"\(5 x 5\). Kernel size: \(6 x 6\)"),
    (conv2d, X, W, {"dilation": 3}, RuntimeError, r"\(5 x 5\). Kernel size: \(7 x 7\)"),
    (conv2d, X, W, {"stride": 0}, RuntimeError, "non-positive stride"),
    (conv2d, X, W, {"padding": -1}, RuntimeError, "negative padding"),
    (conv2d, X, W, {"dilation": 0}, RuntimeError, "non-positive dilation"),
    (conv2d, X, W, {"stride": (1, 2, 3)}, RuntimeError, r"got \(1, 2, 3\)"),
    (conv2d, X, W, {"stride": 1.0}, TypeError, "stride must be an int"),
    (conv2d, X, W, {"padding": "full"}, RuntimeError, "Invalid padding string: 'full'"),
    (conv2d, X, W, {"padding": "same", "stride": 2}, RuntimeError, "not supported for strided"),
    (conv2d, (2, 3, 0, 5), W, {"padding": 2}, RuntimeError, "Only zero batch or zero channel"),
    (conv1d, (2, 3, 5), (4, 3, 3), {"stride": (2, 2)}, RuntimeError, "tuple of 1 values"),
    (conv_transpose2d, X, (4, 3, 3, 3), {}, RuntimeError, "input has 3 channels but weight"),
    (conv_transpose2d, X, (3, 4, 3, 3), {"groups": 2}, RuntimeError, "multiple of groups=2"),
    (conv_transpose2d, X, (3, 4, 3, 3), {"output_padding": 1}, RuntimeError, "must be smaller than either"),
    (conv_transpose2d, X, (3, 4, 3, 3), {"output_padding": -1}, RuntimeError, "negative output_padding"),
    (conv_transpose2d, X, (3, 4, 3, 3), {"padding": 4}, RuntimeError, "Output size is too small"),
    (conv_transpose2d, X, (3, 4, 3, 3), {"padding": "same"}, TypeError, "padding must be an int"),
]


@pytest.mark.parametrize(("function", "x_shape", "w_shape", "options", "error", "message"), ERRORS)
def test_refuses(function, x_shape, w_shape, options, error, message):
    x, w = draw(*x_shape), draw(*w_shape)
    with pytest.raises(error, match=message) as raised:
        function(Tensor(x), Tensor(w), **options)
    assert function.__name__ in str(raised.value)
    with pytest.raises(error):
        getattr(F, function.__name__)(torch.tensor(x), torch.tensor(w), **options)


def test_refuses_a_bias_of_another_size():
    with pytest.raises(RuntimeError, match=r"bias to be 1-dimensional with 4 elements, but got bias of size \[5\]"):
        conv2d(Tensor(draw(*X)), Tensor(draw(*W)), Tensor(draw(5)))


def test_refuses_mixed_and_other_types():
    x, w = draw(*X), draw(*W)
    with pytest.raises(RuntimeError, match=r"Input type \(float64\) and weight type \(float32\) should be the same"):
        conv2d(Tensor(x), Tensor(w.astype(np.float32)))
    with pytest.raises(RuntimeError, match="bias type"):
        conv2d(Tensor(x), Tensor(w), Tensor(np.zeros(4, np.float32)))
    with pytest.raises(RuntimeError, match="float32 or float64, got int64"):
        conv2d(Tensor(x.astype(np.int64)), Tensor(w.astype(np.int64)))
    with pytest.raises(TypeError, match="input must be a Tensor, not list"):
        conv2d([1.0], Tensor(w))
