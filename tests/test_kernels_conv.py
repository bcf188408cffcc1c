"""Convolution kernels against the obvious loops: every strategy, every dtype, at the edges of memory."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ops.kernels import conv, conv_columns, conv_dot, precision, simd
from ops.kernels.geometry import (
    Axis,
    conv_geometry,
    conv_output_size,
    conv_transpose_output_size,
    pool_output_size,
    same_padding,
    valid_outputs,
)
from ops.kernels.jit import get_num_threads, set_num_threads
from tests.naive import conv as naive

Array = np.ndarray[Any, Any]
DTYPES = [np.float32, np.float64]
CORRELATIONS = [None, "positions", "batch", "flattened", "depthwise", "packed", "planes", "pointwise"]
WEIGHT_GRADIENTS = [None, "filters", "dot", "columns", "depthwise", None, None, None]
STRATEGIES = list(zip(CORRELATIONS, WEIGHT_GRADIENTS, strict=True))


class Case(NamedTuple):
    """Shapes and parameters of one convolution."""

    x: tuple[int, int, int, int]
    w: tuple[int, int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @property
    def parameters(self) -> dict[str, Any]:
        return {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "groups": self.groups,
        }

    @property
    def plane(self) -> tuple[int, int]:
        pairs = zip(self.x[2:], self.w[2:], self.stride, self.padding, self.dilation, strict=True)
        oh, ow = (conv_output_size(*numbers) for numbers in pairs)
        return oh, ow

    @property
    def y(self) -> tuple[int, int, int, int]:
        return (self.x[0], self.w[0], *self.plane)


LENET = Case((32, 1, 28, 28), (6, 1, 5, 5), padding=(2, 2))
LENET_2 = Case((32, 6, 14, 14), (16, 6, 5, 5))
DEPTHWISE = Case((1, 70, 40, 40), (70, 1, 3, 3), padding=(1, 1), groups=70)
CASES = [
    Case((1, 1, 1, 1), (1, 1, 1, 1)),
    Case((0, 2, 5, 5), (3, 2, 3, 3)),
    Case((2, 3, 1, 9), (4, 3, 1, 3), padding=(0, 1)),
    Case((3, 5, 7, 6), (4, 5, 1, 1)),
    Case((3, 5, 7, 6), (4, 5, 1, 1), stride=(2, 3)),
    Case((2, 3, 9, 9), (2, 3, 2, 2), stride=(5, 4)),
    Case((2, 2, 4, 5), (3, 2, 3, 3), padding=(5, 4), dilation=(2, 1)),
    Case((2, 2, 2, 1), (3, 2, 4, 3), padding=(3, 3)),
    Case((17, 9, 8, 8), (14, 9, 3, 3), padding=(1, 1)),
    Case((2, 12, 11, 37), (13, 12, 3, 3), padding=(1, 1)),
    Case((2, 12, 16, 16), (7, 12, 3, 3)),
    Case((33, 3, 5, 4), (2, 3, 3, 2), stride=(2, 1), padding=(1, 1)),
    Case((150, 2, 3, 6), (9, 2, 2, 2)),
    Case((9, 20, 7, 7), (21, 20, 1, 1)),
    Case((9, 20, 8, 8), (21, 20, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case((2, 6, 9, 8), (6, 1, 3, 3), padding=(1, 1), groups=6),
    Case((2, 6, 9, 8), (12, 1, 3, 3), stride=(2, 2), padding=(1, 1), groups=6),
    Case((2, 3, 40, 24), (3, 1, 3, 3), padding=(1, 1), groups=3),
    Case((3, 2, 21, 37), (2, 1, 3, 5), stride=(2, 2), padding=(1, 2), groups=2),
    Case((1, 35, 7, 7), (35, 1, 3, 3), padding=(1, 1), groups=35),
    Case((3, 6, 5, 7), (9, 2, 2, 3), dilation=(2, 1), groups=3),
    Case((1, 2, 6, 70), (3, 2, 3, 5), padding=(1, 2), dilation=(1, 3)),
    Case((1, 1, 5, 150), (2, 1, 2, 3), padding=(1, 1)),
    Case((2, 5, 7, 19), (4, 5, 1, 1), stride=(3, 2)),
    Case((5, 6, 8, 8), (14, 3, 1, 1), stride=(2, 2), groups=2),
    Case((2, 6, 16, 16), (33, 6, 1, 1)),
    Case((3, 35, 14, 14), (35, 1, 3, 3), stride=(2, 2), padding=(1, 1), groups=35),
    Case((2, 4, 9, 5), (4, 1, 5, 3), stride=(2, 2), padding=(2, 0), groups=4),
    Case((2, 3, 35, 70), (5, 3, 11, 11), stride=(4, 4), padding=(2, 2)),
    Case((2, 3, 9, 22), (5, 3, 2, 3), stride=(1, 4), padding=(1, 0)),
]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small convolutions of every kind."""
    integer = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    per_group, filters = integer(1, 9), integer(1, 9)
    batch = draw(st.sampled_from([1, 2, 3, 8, 16, 17, 33]))
    case = Case(
        x=(batch, groups * per_group, integer(1, 12), integer(1, 20)),
        w=(groups * filters, per_group, integer(1, 4), integer(1, 4)),
        stride=(integer(1, 3), integer(1, 3)),
        padding=(integer(0, 3), integer(0, 3)),
        dilation=(integer(1, 2), integer(1, 3)),
        groups=groups,
    )
    assume(min(case.plane) > 0)
    return case


@st.composite
def pointwise_cases(draw: st.DrawFn) -> Case:
    """Convolutions with 1 x 1 filters."""
    integer = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    groups, channels = draw(st.sampled_from([1, 1, 2])), draw(st.sampled_from([1, 3, 17]))
    side = st.sampled_from([1, 2, 3, 4, 7, 8, 14, 16, 33])
    x = (draw(st.sampled_from([1, 2, 3, 8, 17])), groups * channels, draw(side), draw(side))
    return Case(x, (groups * integer(1, 30), channels, 1, 1), (integer(1, 3), integer(1, 2)), groups=groups)


@pytest.fixture(autouse=True)
def direct_sums() -> Iterator[None]:
    """Test direct sums here, Winograd's in a file of its own; leave the number of threads as it was."""
    before = get_num_threads(), precision.get_float32_matmul_precision()
    precision.set_float32_matmul_precision("highest")
    yield
    set_num_threads(before[0])
    precision.set_float32_matmul_precision(before[1])


def random(shape: tuple[int, ...], dtype: Any, seed: int) -> Array:
    """Normal numbers at the very end of a buffer, with NaN in front of them."""
    rng = np.random.default_rng(seed)
    size = int(np.prod(shape))
    buffer = np.full(size + 64, np.nan, dtype)
    buffer[64:] = rng.standard_normal(size)
    return buffer[64:].reshape(shape)


def operands(case: Case, dtype: Any) -> tuple[Array, Array, Array, Array]:
    """Return x, w, bias and a gradient of y."""
    shapes = (case.x, case.w, case.w[:1], case.y)
    x, w, bias, grad = (random(shape, dtype, seed) for seed, shape in enumerate(shapes))
    return x, w, bias, grad


def assert_close(actual: Array, expected: Array, dtype: Any, terms: int) -> None:
    """Compare finite arrays of sums of `terms` products of normal numbers, rounded once per term."""
    assert actual.dtype == dtype
    assert actual.shape == expected.shape
    assert np.isfinite(actual).all()
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(actual, expected, rtol=4 * eps, atol=eps * (8 + terms))


def supported(strategy: str | None, direction: str, case: Case, dtype: Any) -> bool:
    """Whether the strategy can be asked for this direction."""
    if strategy == "positions":
        pointwise = case.w[2:] == (1, 1) and case.padding == (0, 0) and case.plane == case.x[2:]
        return direction != "grad_input" or case.stride == (1, 1) or pointwise
    if strategy == "packed":
        return direction == "forward" and case.x[0] > 0 and 0 < case.plane[0] * case.plane[1] <= 160
    if strategy in ("planes", "pointwise"):
        pointwise = case.x[0] > 0 and case.w[2:] == (1, 1) and case.padding == (0, 0) and case.stride[1] <= 2
        in_place = case.stride == (1, 1) and case.plane[0] * case.plane[1] >= simd.lanes(dtype)
        return pointwise and in_place == (strategy == "planes")
    if strategy == "flattened":
        return direction != "grad_input" or case.stride[1] in (1, 2, 4)
    if strategy == "depthwise":
        reach = (case.w[3] - 1) * case.dilation[1]
        if not case.groups == case.x[1] == case.w[0] > 1 or reach > simd.lanes(np.float64):
            return False
        if direction == "grad_input":
            return case.stride in {(1, 1), (2, 2)}
        return case.stride[1] <= 2 and (direction == "forward" or case.w[2] * case.w[3] <= 9)
    return True


def check_all(case: Case, dtype: Any, correlation: str | None, weight_gradient: str | None) -> None:
    """Compare the three entries with the loops."""
    x, w, bias, grad = operands(case, dtype)
    taps = case.w[1] * case.w[2] * case.w[3]
    pixels = case.x[0] * case.plane[0] * case.plane[1]
    if supported(correlation, "forward", case, dtype):
        y = conv.conv2d_forward(x, w, bias, **case.parameters, strategy=correlation)
        assert_close(y, naive.conv2d(x, w, bias, **case.parameters), dtype, taps)
    if supported(correlation, "grad_input", case, dtype):
        dx = conv.conv2d_grad_input(grad, w, case.x, **case.parameters, strategy=correlation)
        expected = naive.conv2d_grad_input(grad, w, case.x, **case.parameters)
        assert_close(dx, expected, dtype, taps * case.w[0])
    if supported(weight_gradient, "grad_weight", case, dtype):
        dw = conv.conv2d_grad_weight(grad, x, case.w, **case.parameters, strategy=weight_gradient)
        assert_close(dw, naive.conv2d_grad_weight(grad, x, case.w, **case.parameters), dtype, pixels)


def run_supported(
    case: Case, arrays: tuple[Array, ...], correlation: str | None, weight_gradient: str | None
) -> list[Array]:
    """Run the entries that the strategies support."""
    x, w, bias, grad = arrays
    dtype, results = x.dtype, []
    if supported(correlation, "forward", case, dtype):
        results.append(conv.conv2d_forward(x, w, bias, **case.parameters, strategy=correlation))
    if supported(correlation, "grad_input", case, dtype):
        results.append(conv.conv2d_grad_input(grad, w, case.x, **case.parameters, strategy=correlation))
    if supported(weight_gradient, "grad_weight", case, dtype):
        results.append(conv.conv2d_grad_weight(grad, x, case.w, **case.parameters, strategy=weight_gradient))
    return results


# ---- geometry ----


@given(st.integers(1, 30), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3))
def test_output_size_counts_the_windows_that_fit(
    size: int, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    padded, reach = size + 2 * padding, dilation * (kernel - 1) + 1
    assume(padded >= reach)
    assert conv_output_size(size, kernel, stride, padding, dilation) == len(range(0, padded - reach + 1, stride))


@given(st.integers(1, 9), st.integers(1, 5), st.integers(1, 4), st.integers(0, 4), st.integers(1, 3), st.data())
def test_transposed_size_is_a_right_inverse(
    size: int, kernel: int, stride: int, padding: int, dilation: int, data: st.DataObject
) -> None:
    extra = data.draw(st.integers(0, stride - 1))
    large = conv_transpose_output_size(size, kernel, stride, padding, dilation, extra)
    assume(large > 0)
    assert conv_output_size(large, kernel, stride, padding, dilation) == size


@pytest.mark.parametrize("ceil_mode", [False, True])
def test_pool_size_follows_pytorch(ceil_mode: bool) -> None:
    torch = pytest.importorskip("torch")
    for size in range(3, 12):
        for kernel in (2, 3):
            for stride in (1, 2, 3, 4):
                for padding in range(kernel // 2 + 1):
                    pooled = torch.nn.functional.max_pool2d(
                        torch.zeros(1, 1, size, 3),
                        (kernel, 1),
                        (stride, 1),
                        (padding, 0),
                        ceil_mode=ceil_mode,
                    )
                    assert pool_output_size(size, kernel, stride, padding, ceil_mode=ceil_mode) == pooled.shape[2]


@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 20))
def test_same_padding_keeps_the_size(kernel: int, dilation: int, size: int) -> None:
    before, after = same_padding(kernel, dilation)
    assert after - before in (0, 1)
    assert conv_output_size(size + before + after, kernel, 1, 0, dilation) == size


@given(st.integers(1, 12), st.integers(0, 12), st.integers(1, 5), st.integers(-9, 20))
def test_valid_outputs_are_those_inside(size: int, outputs: int, stride: int, shift: int) -> None:
    inside = [o for o in range(outputs) if 0 <= o * stride + shift < size]
    assert list(range(*valid_outputs(size, outputs, stride, shift))) == inside


def test_reads_lists_every_tap_inside() -> None:
    axis = Axis(size=5, outputs=3, taps=2, stride=2, padding=1, dilation=3)
    assert sorted(axis.reads()) == [(0, 1, 1), (0, 2, 3), (1, 0, 2), (1, 1, 4)]


# ---- values ----


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("correlation", "weight_gradient"), STRATEGIES)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_chosen_shapes(case: Case, correlation: str | None, weight_gradient: str | None, dtype: Any) -> None:
    check_all(case, dtype, correlation, weight_gradient)


@pytest.mark.parametrize(("correlation", "weight_gradient"), STRATEGIES)
@settings(max_examples=60)
@given(case=cases(), dtype=st.sampled_from(DTYPES))
@example(case=CASES[6], dtype=np.float32)
def test_any_shape(correlation: str | None, weight_gradient: str | None, case: Case, dtype: Any) -> None:
    check_all(case, dtype, correlation, weight_gradient)


@settings(max_examples=100)
@given(data=st.data(), dtype=st.sampled_from(DTYPES))
def test_any_depthwise_shape(data: st.DataObject, dtype: Any) -> None:
    integer = lambda low, high: data.draw(st.integers(low, high))  # noqa: E731
    channels = integer(2, 5)
    case = Case(
        x=(integer(1, 3), channels, integer(1, 24), integer(1, 80)),
        w=(channels, 1, integer(1, 4), integer(1, 5)),
        stride=data.draw(st.sampled_from([(1, 1), (2, 2), (1, 2), (3, 1), (3, 2)])),
        padding=(integer(0, 3), integer(0, 3)),
        dilation=(integer(1, 2), integer(1, 3)),
        groups=channels,
    )
    assume(min(case.plane) > 0)
    check_all(case, dtype, "depthwise", "depthwise" if supported("depthwise", "grad_weight", case, dtype) else None)


@pytest.mark.parametrize("most_known", [0, 1000])
def test_sweeps_by_table_and_as_code(most_known: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_depthwise.MOST_KNOWN", most_known)
    monkeypatch.setattr("ops.kernels.conv_depthwise.MOST_KNOWN_GRADIENTS", most_known)
    for plan in (plans := (conv._forward_plan, conv._grad_input_plan, conv._grad_weight_plan)):
        plan.cache_clear()
    for size, stride, taps, padding in (
        ((9, 21), (1, 1), (3, 3), (1, 1)),
        ((8, 13), (1, 1), (3, 3), (1, 1)),
        ((14, 14), (2, 2), (3, 3), (1, 1)),
        ((7, 33), (2, 2), (3, 3), (1, 1)),
        ((12, 10), (1, 1), (2, 4), (0, 2)),
    ):
        case = Case((2, 3, *size), (3, 1, *taps), stride, padding, groups=3)
        check_all(case, np.float32, "depthwise", "depthwise")
    for plan in plans:
        plan.cache_clear()


def test_several_bands_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_positions.CACHE_ELEMENTS", 400)
    case = Case((2, 3, 23, 19), (5, 3, 3, 2), stride=(2, 1), padding=(2, 1), dilation=(2, 1))
    conv._forward_plan.cache_clear()
    check_all(case, np.float32, "positions", None)
    conv._forward_plan.cache_clear()


def test_several_blocks_of_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_packed.BLOCK_ELEMENTS", 1000)
    for case in (Case((5, 33, 5, 6), (7, 33, 3, 3), padding=(1, 1)), Case((5, 33, 5, 6), (7, 33, 1, 1))):
        conv._forward_plan.cache_clear()
        check_all(case, np.float32, "packed", None)
    conv._forward_plan.cache_clear()


@settings(max_examples=60)
@given(case=pointwise_cases(), dtype=st.sampled_from(DTYPES), threads=st.integers(1, 3))
def test_any_pointwise_shape(case: Case, dtype: Any, threads: int) -> None:
    set_num_threads(threads)
    check_all(case, dtype, "pointwise", None)
    if supported("planes", "forward", unstrided := case._replace(stride=(1, 1)), dtype):
        check_all(unstrided, dtype, "planes", None)


@pytest.mark.parametrize(("fewest", "most"), [(1, 1), (1, 5000), (1 << 14, 1 << 14), (1 << 20, 1 << 20)])
@pytest.mark.parametrize("threads", [1, 3])
def test_blocks_of_planes_and_of_ranges(fewest: int, most: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_planes.FEWEST_BYTES", fewest)
    monkeypatch.setattr("ops.kernels.conv_planes.MOST_BYTES", most)
    set_num_threads(threads)
    for case in (
        Case((1, 33, 5, 7), (29, 33, 1, 1)),
        Case((1, 6, 33, 14), (50, 6, 1, 1)),
        Case((1, 1024, 8, 3), (2, 1024, 1, 1)),
        Case((19, 33, 5, 7), (29, 33, 1, 1)),
        Case((5, 33, 16, 16), (14, 33, 1, 1)),
        Case((7, 6, 33, 14), (50, 6, 1, 1)),
        Case((7, 34, 15, 14), (14, 17, 1, 1), groups=2),
    ):
        conv._forward_plan.cache_clear()
        conv._grad_input_plan.cache_clear()
        check_all(case, np.float32, "planes", None)
    conv._forward_plan.cache_clear()
    conv._grad_input_plan.cache_clear()


@pytest.mark.parametrize(("size", "vectors"), [(1, 1), (5000, 6), (5000, 48)])
def test_several_blocks_of_pixels(size: int, vectors: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_pointwise.BLOCK_BYTES", size)
    monkeypatch.setattr("ops.kernels.conv_pointwise.FEWEST_VECTORS", vectors)
    for case in (
        Case((21, 33, 3, 2), (7, 33, 1, 1)),
        Case((3, 33, 16, 16), (14, 33, 1, 1), stride=(2, 2)),
        Case((3, 34, 15, 14), (14, 17, 1, 1), stride=(2, 2), groups=2),
    ):
        conv._forward_plan.cache_clear()
        conv._grad_input_plan.cache_clear()
        check_all(case, np.float32, "pointwise", None)
    conv._forward_plan.cache_clear()
    conv._grad_input_plan.cache_clear()


def test_a_pointwise_filter_keeps_nan_and_infinity_in_their_pixels() -> None:
    for stride, strategy in ((1, "planes"), (2, "pointwise")):
        case = Case((5, 3, 7, 7), (20, 3, 1, 1), stride=(stride, stride))
        x, w, bias, grad = operands(case, np.float32)
        x[3, 1, 2, 4], grad[3, 1, 2, 3] = np.nan, np.inf
        for relu in (False, True):
            y = conv.conv2d_forward(x, w, bias, **case.parameters, strategy=strategy, relu=relu)
            assert np.isnan(y[3, :, 2 // stride, 4 // stride]).all()
            assert np.isnan(y).sum() == 20
        dx = conv.conv2d_grad_input(grad, w, case.x, **case.parameters, strategy=strategy)
        assert np.isinf(dx[3, :, 2 * stride, 3 * stride]).all()
        assert np.isfinite(dx).sum() == dx.size - 3


def test_several_rounds_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_weights.COPY_BYTES", 3000)
    monkeypatch.setattr("ops.kernels.conv_weights.BLOCK_PIXELS", 40)
    case = Case((7, 4, 5, 6), (3, 4, 3, 3), padding=(1, 1))
    conv._grad_weight_plan.cache_clear()
    check_all(case, np.float32, None, "filters")
    conv._grad_weight_plan.cache_clear()


def test_pointwise_filters_in_several_rounds_and_parts_of_an_image(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.kernels.conv_weights.NEAR_BYTES", (200_000, 200_000))
    conv._grad_weight_plan.cache_clear()
    for threads in (1, 2):
        set_num_threads(threads)
        for plane in ((12, 90), (7, 31), (1, 1031), (23, 29)):  # taken as rows of 360, 217, 1 and 29 pixels
            check_all(Case((3, 9, *plane), (20, 9, 1, 1)), np.float32, None, "filters")
    conv._grad_weight_plan.cache_clear()


@pytest.mark.parametrize("strategy", ["positions", "batch", "flattened", "packed"])
def test_relu_and_bias_in_one_pass(strategy: str) -> None:
    x, w, bias, _ = operands(LENET_2, np.float32)
    expected = np.maximum(naive.conv2d(x[:2], w, bias, **LENET_2.parameters), 0)
    y = conv.conv2d_forward(x[:2], w, bias, **LENET_2.parameters, relu=True, strategy=strategy)
    assert_close(y, expected, np.float32, 150)
    assert (y == 0).any()
    assert (y > 0).any()


@pytest.mark.parametrize("strategy", [None, "batch"])
def test_gradient_for_an_input_larger_than_was_read(strategy: str | None) -> None:
    """A transposed convolution with output_padding: also with more of it than the stride."""
    for stride, dilation, extra in ((3, 1, 2), (1, 3, 2), (2, 3, 2)):
        grad, w = random((2, 3, 4, 5), np.float64, 0), random((3, 2, 2, 2), np.float64, 1)
        small = tuple((n - 1) * stride + dilation + 1 for n in (4, 5))
        large = (2, 2, small[0] + extra, small[1] + extra)
        parameters = {
            "stride": (stride, stride),
            "padding": (0, 0),
            "dilation": (dilation, dilation),
            "groups": 1,
        }
        expected = np.zeros(large)
        expected[:, :, : small[0], : small[1]] = naive.conv2d_grad_input(grad, w, (2, 2, *small), **parameters)
        dx = conv.conv2d_grad_input(grad, w, large, **parameters, strategy=strategy)
        np.testing.assert_allclose(dx, expected, atol=1e-13)


def test_no_images() -> None:
    x, w, bias, grad = operands(Case((0, 2, 5, 5), (3, 2, 3, 3)), np.float32)
    parameters = Case((0, 2, 5, 5), (3, 2, 3, 3)).parameters
    assert conv.conv2d_forward(x, w, bias, **parameters).shape == (0, 3, 3, 3)
    assert conv.conv2d_grad_input(grad, w, x.shape, **parameters).shape == (0, 2, 5, 5)
    np.testing.assert_array_equal(conv.conv2d_grad_weight(grad, x, w.shape, **parameters), np.zeros(w.shape))


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("strategy", [None, "positions", "batch", "flattened", "packed"])
def test_no_channels_leave_the_bias(strategy: str | None, padding: int) -> None:
    x, w, bias = np.zeros((2, 0, 4, 4), np.float32), np.zeros((3, 0, 2, 2), np.float32), np.arange(3, dtype=np.float32)
    parameters = Case(x.shape, w.shape, padding=(padding, padding)).parameters
    y = conv.conv2d_forward(x, w, bias, **parameters, strategy=strategy)
    np.testing.assert_array_equal(y, np.broadcast_to(bias[:, None, None], y.shape))
    for weight_gradient in (None, "filters", "dot", "columns"):
        assert conv.conv2d_grad_weight(y, x, w.shape, **parameters, strategy=weight_gradient).shape == w.shape


def test_strided_and_read_only_operands() -> None:
    case = CASES[8]
    x, w, bias, grad = operands(case, np.float32)
    wide = np.repeat(x, 2, axis=3)[..., ::2]
    fixed = w.copy()
    fixed.flags.writeable = False
    y = conv.conv2d_forward(x, w, bias, **case.parameters)
    assert not wide.flags.c_contiguous
    np.testing.assert_array_equal(conv.conv2d_forward(wide, fixed, bias, **case.parameters), y)
    dx = conv.conv2d_grad_input(grad, w, case.x, **case.parameters)
    np.testing.assert_array_equal(conv.conv2d_grad_input(np.asfortranarray(grad), fixed, case.x, **case.parameters), dx)


def test_an_unknown_strategy_is_refused() -> None:
    _, w, _, grad = operands(CASES[5], np.float32)
    with pytest.raises(ValueError, match="strategy 'positions' does not support"):
        conv.conv2d_grad_input(grad, w, CASES[5].x, **CASES[5].parameters, strategy="positions")


# ---- memory ----


@pytest.mark.parametrize(("correlation", "weight_gradient"), STRATEGIES)
@pytest.mark.parametrize("case", [*CASES, LENET_2], ids=str)
def test_nothing_outside_the_result_is_written(
    case: Case, correlation: str | None, weight_gradient: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results are carved out of buffers whose margins must not change."""
    margin, guarded = 256, []

    def empty(shape: Any, dtype: Any = float) -> Array:
        size = int(np.prod(shape))
        buffer = np.full(size + 2 * margin, 12345, dtype)
        guarded.append(buffer)
        return buffer[margin : margin + size].reshape(shape)

    x, w, bias, grad = operands(case, np.float32)
    check_all(case, np.float32, correlation, weight_gradient)  # plans and scratch memory exist from here on
    monkeypatch.setattr(np, "empty", empty)
    ran = run_supported(case, (x, w, bias, grad), correlation, weight_gradient)
    monkeypatch.undo()
    assert len(guarded) >= len(ran)
    for buffer in guarded:
        assert (buffer[:margin] == 12345).all()
        assert (buffer[-margin:] == 12345).all()


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
@pytest.mark.parametrize(("correlation", "weight_gradient"), STRATEGIES)
def test_nothing_behind_the_operands_is_read(correlation: str | None, weight_gradient: str | None) -> None:
    """Operands end where a page without read permission begins: touching it ends the process."""
    arguments = f"{correlation!r}, {weight_gradient!r}"
    code = f"from tests.test_kernels_conv import run_at_page_end; run_at_page_end({arguments})"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


def run_at_page_end(correlation: str | None, weight_gradient: str | None) -> None:
    """Run all entries on operands in front of a protected page."""
    for case in [*CASES, LENET_2]:
        for dtype in DTYPES:
            x, w, bias, grad = (at_page_end(a) for a in operands(case, dtype))
            run_supported(case, (x, w, bias, grad), correlation, weight_gradient)


def at_page_end(a: Array) -> Array:
    """Copy an array to the end of mapped memory that a protected page follows."""
    import ctypes
    import mmap

    page = mmap.PAGESIZE
    whole = -(-max(a.nbytes, 1) // page) * page
    memory = mmap.mmap(-1, whole + page)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.mprotect(ctypes.c_void_p(start + whole), ctypes.c_size_t(page), 0) == 0
    copy = np.frombuffer(memory, a.dtype, a.size, whole - a.nbytes).reshape(a.shape)
    copy[...] = a
    return copy


# ---- not a number, infinity ----


@pytest.mark.parametrize("strategy", [None, "positions", "batch", "flattened"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_forward_spreads_nan_and_infinity_to_what_reads_them(strategy: str | None, value: float) -> None:
    case = Case((18, 3, 9, 20), (4, 3, 3, 3), padding=(1, 1))
    x, w, bias, _ = operands(case, np.float32)
    w = np.abs(w) + 1
    x[7, 1, 4, 18] = value
    y = conv.conv2d_forward(x, w, bias, **case.parameters, strategy=strategy)
    reached = np.zeros(y.shape, bool)
    reached[7, :, 3:6, 17:20] = True
    np.testing.assert_array_equal(~np.isfinite(y), reached)
    assert np.isnan(y[reached]).all() if np.isnan(value) else (y[reached] == np.inf).all()


@pytest.mark.parametrize("strategy", [None, "positions", "batch", "flattened"])
def test_relu_passes_nan(strategy: str | None) -> None:
    case = Case((18, 3, 9, 20), (4, 3, 3, 3), padding=(1, 1))
    x, w, bias, _ = operands(case, np.float32)
    x[7, 1, 4, 18] = np.nan
    y = conv.conv2d_forward(x, w, bias, **case.parameters, strategy=strategy, relu=True)
    assert np.isnan(y[7, :, 3:6, 17:20]).all()
    assert np.isnan(y).sum() == 36


@pytest.mark.parametrize("strategy", [None, "positions", "batch", "flattened"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_grad_input_spreads_nan_and_infinity_to_what_was_read(strategy: str | None, value: float) -> None:
    case = Case((18, 3, 9, 20), (4, 3, 3, 3), padding=(1, 1))
    _, w, _, grad = operands(case, np.float32)
    w = np.abs(w) + 1
    grad[7, 1, 0, 18] = value
    dx = conv.conv2d_grad_input(grad, w, case.x, **case.parameters, strategy=strategy)
    reached = np.zeros(dx.shape, bool)
    reached[7, :, 0:2, 17:20] = True
    np.testing.assert_array_equal(~np.isfinite(dx), reached)


@pytest.mark.parametrize("strategy", [None, "filters", "dot", "columns"])
@pytest.mark.parametrize("operand", ["x", "grad"])
def test_grad_weight_spreads_nan_to_its_channel_or_filter(strategy: str | None, operand: str) -> None:
    case = Case((3, 3, 9, 20), (4, 3, 3, 3), padding=(1, 1))
    x, _, _, grad = operands(case, np.float32)
    (x if operand == "x" else grad)[2, 1, 4, 9] = np.nan
    dw = conv.conv2d_grad_weight(grad, x, case.w, **case.parameters, strategy=strategy)
    reached = np.zeros(dw.shape, bool)
    reached[(slice(None), 1) if operand == "x" else 1] = True
    np.testing.assert_array_equal(np.isnan(dw), reached)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_depthwise_spreads_nan_and_infinity_to_what_reads_them(stride: int, value: float) -> None:
    """Expected are the results of ones, spoiled where the loops are: at the borders of rows and planes."""
    case = Case((2, 3, 9, 20), (3, 1, 3, 3), stride=(stride, stride), padding=(1, 1), groups=3)
    for h, w in ((0, 19), (4, 0), (8, 19), (4, 7)):
        x, weight, bias, grad = (np.ones_like(a) for a in operands(case, np.float32))
        x[1, 1, h, w] = value
        y = conv.conv2d_forward(x, weight, bias, **case.parameters, strategy="depthwise")
        np.testing.assert_array_equal(y, naive.conv2d(x, weight, bias, **case.parameters))
        dw = conv.conv2d_grad_weight(grad, x, case.w, **case.parameters, strategy="depthwise")
        np.testing.assert_array_equal(dw, naive.conv2d_grad_weight(grad, x, case.w, **case.parameters))
        x[1, 1, h, w] = 1
        grad[1, 1, h // stride, w // stride] = value
        dx = conv.conv2d_grad_input(grad, weight, case.x, **case.parameters, strategy="depthwise")
        np.testing.assert_array_equal(dx, naive.conv2d_grad_input(grad, weight, case.x, **case.parameters))


def test_depthwise_relu_with_bias() -> None:
    x, w, bias, _ = operands(DEPTHWISE, np.float32)
    x[0, 1, 5, 5] = np.nan
    expected = np.maximum(naive.conv2d(x, w, bias, **DEPTHWISE.parameters), 0)
    y = conv.conv2d_forward(x, w, bias, **DEPTHWISE.parameters, relu=True, strategy="depthwise")
    np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5)
    assert np.isnan(y).sum() == 9


# ---- threads ----


@pytest.mark.parametrize(("correlation", "weight_gradient"), STRATEGIES)
@pytest.mark.parametrize(
    "case", [LENET, LENET_2, Case((1, 8, 24, 24), (16, 8, 3, 3), padding=(1, 1)), DEPTHWISE], ids=str
)
def test_thread_counts_agree_and_runs_repeat(case: Case, correlation: str | None, weight_gradient: str | None) -> None:
    arrays = operands(case, np.float32)

    def run() -> list[Array]:
        return run_supported(case, arrays, correlation, weight_gradient)

    results = []
    for threads in (1, 2, 3):
        set_num_threads(threads)
        results.append(run())
        for first, again in zip(results[-1], run(), strict=True):
            np.testing.assert_array_equal(first, again)
    for other in results[1:]:
        for one, many in zip(results[0], other, strict=True):
            assert np.isfinite(one).all()
            np.testing.assert_allclose(many, one, rtol=1e-4, atol=2e-5 * np.abs(one).max())


def test_concurrent_callers_do_not_share_scratch_memory() -> None:
    set_num_threads(2)
    jobs = [(case, operands(case, np.float32)) for case in (LENET, LENET_2)]

    def run(case: Case, x: Array, w: Array, bias: Array, grad: Array) -> list[Array]:
        return [
            conv.conv2d_forward(x, w, bias, **case.parameters),
            conv.conv2d_grad_input(grad, w, case.x, **case.parameters),
            conv.conv2d_grad_weight(grad, x, case.w, **case.parameters),
        ]

    expected = [run(case, *arrays) for case, arrays in jobs]
    wrong: list[int] = []

    def repeat(job: int) -> None:
        case, arrays = jobs[job % 2]
        for _ in range(20):
            results = run(case, *arrays)
            if not all(np.array_equal(a, b) for a, b in zip(results, expected[job % 2], strict=True)):
                wrong.append(job)

    threads = [threading.Thread(target=repeat, args=(job,)) for job in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# ---- without the compiler ----


def test_python_mode() -> None:
    """The same drivers, run by the interpreter."""
    code = "from tests.test_kernels_conv import run_in_python_mode; run_in_python_mode()"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]


def run_in_python_mode() -> None:
    """Compare every strategy on tiny shapes."""
    for case in (
        Case((2, 3, 5, 4), (4, 3, 3, 2), padding=(1, 1)),
        Case((3, 4, 5, 6), (2, 2, 2, 2), (2, 2), groups=2),
        Case((2, 2, 6, 5), (2, 1, 3, 3), padding=(1, 1), groups=2),
        Case((2, 2, 6, 5), (2, 1, 3, 3), (2, 2), padding=(1, 1), groups=2),
        Case((2, 2, 6, 5), (3, 2, 1, 1), (2, 2)),
    ):
        for correlation, weight_gradient in STRATEGIES:
            check_all(case, np.float32, correlation, weight_gradient)


# ---- what is said about it ----


@pytest.mark.parametrize(("images", "groups", "columns", "dot"), [(1, 1, 2, 2), (2, 1, 2, 1), (3, 2, 1, 4 / 3)])
def test_estimates_tell_of_threads_left_without_work(images: int, groups: int, columns: float, dot: float) -> None:
    """A thread has panels of columns to itself, one per group of three channels here, or whole images."""
    case = Case((images, 3 * groups, 9, 9), (4 * groups, 3, 1, 1), groups=groups)
    g = conv_geometry(case.x, case.w, **case.parameters)
    for cycles, expected in ((conv_columns.cycles, columns), (conv_dot.cycles, dot)):
        alone, shared = (cycles(g, 4, threads) for threads in (1, 2))
        assert shared == pytest.approx(expected * alone)


def test_explain_names_the_strategy() -> None:
    words = conv.explain("forward", (32, 6, 14, 14), (16, 6, 5, 5))
    assert words.startswith(
        "conv2d forward (32, 6, 14, 14) * (16, 6, 5, 5): the images of the batch in the vector lanes"
    )
    assert "against positions" in words
    assert "the only strategy" in conv.explain("grad_input", (2, 3, 9, 9), (4, 3, 3, 3), stride=(3, 3))
    assert "summed" in conv.explain("grad_weight", (32, 64, 8, 8), (64, 64, 3, 3), padding=(1, 1))
    with pytest.raises(ValueError, match="got 'sideways'"):
        conv.explain("sideways", (1, 1, 1, 1), (1, 1, 1, 1))
