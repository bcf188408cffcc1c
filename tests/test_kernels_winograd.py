"""Winograd convolution against the obvious loops, its errors against float64, and the switch that allows it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

import autograd
from ops.kernels import conv, precision, simd, winograd, winograd_correlation, winograd_weights
from ops.kernels.jit import get_num_threads, set_num_threads
from ops.kernels.transforms import accumulate, clear, linear_transform
from tests.naive import conv as naive
from tests.test_kernels_conv import Array, Case, at_page_end, operands
from tests.test_kernels_simd import Canaried, call

DTYPES = [np.float32, np.float64]
TILES = [2, 4]
CASES = [
    Case((1, 1, 1, 1), (1, 1, 3, 3), padding=(1, 1)),
    Case((1, 1, 3, 3), (1, 1, 3, 3)),
    Case((2, 3, 9, 7), (5, 3, 3, 3), padding=(1, 1)),
    Case((3, 17, 4, 30), (33, 17, 3, 3), padding=(0, 2)),
    Case((2, 20, 9, 9), (18, 20, 3, 3), padding=(4, 3)),
    Case((9, 34, 4, 5), (50, 34, 3, 3), padding=(1, 1)),
    Case((1, 16, 31, 65), (16, 16, 3, 3), padding=(1, 1)),
    Case((1, 1, 1, 1), (1, 1, 5, 5), padding=(2, 2)),
    Case((3, 17, 9, 18), (33, 17, 5, 5), padding=(2, 4)),
    Case((1, 1, 1, 2), (1, 1, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case((2, 20, 15, 18), (18, 20, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case((9, 34, 8, 7), (50, 34, 3, 3), stride=(2, 2), padding=(1, 1)),
    Case((2, 5, 23, 40), (17, 5, 3, 3), stride=(2, 2), padding=(3, 5)),
    Case((2, 20, 10, 33), (18, 20, 3, 3), stride=(2, 2), padding=(0, 2)),
]
VARIANTS = [(2, 3, 1, False), (4, 3, 1, False), (2, 5, 1, False), (2, 3, 2, False), (4, 3, 2, False), (2, 3, 2, True),
            (4, 3, 2, True)]  # fmt: skip
"""(tile, taps, stride, back to the input)."""
LARGE = Case((2, 64, 12, 12), (64, 64, 3, 3), padding=(1, 1))

ROUNDINGS = {(2, 3): 4, (4, 3): 24, (2, 5): 64}
"""Largest error of one output, by tile and taps, as a multiple of eps times the largest sum of absolute products.

In the padding taps share sums that no product of the output enters: most so with 5 x 5 taps.
"""


@pytest.fixture(autouse=True)
def restore_settings() -> Iterator[None]:
    """Leave the number of threads and the precision as they were, and no plan of a patched rule."""
    before = get_num_threads(), precision.get_float32_matmul_precision()
    yield
    set_num_threads(before[0])
    precision.set_float32_matmul_precision(before[1])
    forget_plans()


def forget_plans() -> None:
    for plans in (conv._forward_plan, conv._grad_input_plan, conv._grad_weight_plan):
        plans.cache_clear()


def supports(case: Case, tile: int, *, backward: bool = False) -> bool:
    """Whether there is an algorithm for the case; back to the input at stride 2, paddings are odd."""
    refused = backward and case.stride == (2, 2) and not case.padding[0] % 2 == case.padding[1] % 2 == 1
    return (tile, case.w[2]) in ROUNDINGS and not refused


def find(tile: int, taps: int, stride: int, backward: bool) -> winograd.Variant:
    """Return an algorithm that exists."""
    variant = winograd.variant(tile, taps, stride, backward=backward)
    assert variant is not None
    return variant


def assert_close(actual: Array, expected: Array, absolute: Array, rounding: tuple[int, int]) -> None:
    """Compare sums with exact ones; `absolute` holds the same sums of absolute products."""
    assert actual.shape == expected.shape
    assert np.isfinite(actual).all()
    tolerance = ROUNDINGS[rounding] * np.finfo(actual.dtype).eps * absolute.max()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=tolerance)


def check(case: Case, dtype: Any, tile: int) -> None:
    """Compare the entries that support the case with the loops."""
    if not supports(case, tile):
        return
    x, w, bias, grad = operands(case, dtype)
    size, options, strategy = [abs(a) for a in (x, w, bias, grad)], case.parameters, f"winograd{tile}"
    rounding = tile, case.w[2]
    y = conv.conv2d_forward(x, w, bias, **options, strategy=strategy)
    assert_close(y, naive.conv2d(x, w, bias, **options), naive.conv2d(*size[:3], **options), rounding)
    if supports(case, tile, backward=True):
        dx = conv.conv2d_grad_input(grad, w, case.x, **options, strategy=strategy)
        absolute = naive.conv2d_grad_input(size[3], size[1], case.x, **options)
        assert_close(dx, naive.conv2d_grad_input(grad, w, case.x, **options), absolute, rounding)
    dw = conv.conv2d_grad_weight(grad, x, case.w, **options, strategy=strategy)
    absolute = naive.conv2d_grad_weight(size[3], size[0], case.w, **options)
    assert_close(dw, naive.conv2d_grad_weight(grad, x, case.w, **options), absolute, rounding)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Small convolutions of 3 x 3 filters, at stride 2 as well, and of 5 x 5 filters."""
    taps, stride = draw(st.sampled_from([(3, 1), (5, 1), (3, 2)]))
    integer = lambda low, high: draw(st.integers(low, high))  # noqa: E731
    channels, filters = draw(st.sampled_from([1, 3, 8, 16, 17, 40])), draw(st.sampled_from([1, 5, 16, 31, 33]))
    x = (draw(st.sampled_from([1, 2, 3, 11])), channels, integer(1, 13), integer(1, 21))
    case = Case(x, (filters, channels, taps, taps), (stride, stride), (integer(0, 3), integer(0, 3)))
    assume(min(case.plane) > 0)
    return case


# ---- the algorithm ----


@pytest.mark.parametrize("key", VARIANTS, ids=str)
def test_matrices_compute_correlations(key: tuple[int, int, int, bool]) -> None:
    """In one dimension: A^T ((G g) * (B^T d)) is the correlation of d with g; they are exact but for rounding."""
    v, (_, taps, stride, backward) = find(*key), key
    rng = np.random.default_rng(0)
    d, g = rng.standard_normal(v.reads), rng.standard_normal(taps)
    y = np.array(v.outputs) @ ((np.array(v.weights) @ g)[list(v.filters)] * (np.array(v.inputs) @ d))
    if backward:  # zeros between the elements, the first behind one more
        d = np.stack([np.zeros_like(d), d], axis=1).reshape(-1)
    expected = np.correlate(d, g)[: v.tile] if backward else np.correlate(d, g)[::stride]
    np.testing.assert_allclose(y, expected, rtol=0, atol=2e-15 * 2**v.tile)
    assert v.step == len(y) * stride // (4 if backward else 1)


def test_an_unknown_algorithm_is_not_there() -> None:
    assert winograd.variant(4, 5, 1) is None
    assert winograd.variant(2, 5, 2) is None
    assert winograd.variant(2, 3, 3) is None


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["inputs", "weights", "outputs", "output_gradients", "weight_gradients"])
@pytest.mark.parametrize("key", VARIANTS, ids=str)
def test_linear_transform(key: tuple[int, int, int, bool], kind: str, dtype: Any) -> None:
    v, lanes, count = find(*key), simd.lanes(dtype), 3
    matrix = np.array(
        {"output_gradients": v.outputs, "weight_gradients": v.weights}.get(kind) or getattr(v, kind), np.float64
    )
    matrix = matrix.T if kind.endswith("gradients") else matrix
    rows, columns = matrix.shape
    x = Canaried(np.random.default_rng(1).standard_normal((columns, columns, count, lanes)).astype(dtype))
    y = Canaried(np.zeros((rows, rows, count, lanes), dtype))
    epilogue = [np.arange(lanes).astype(dtype), 1] if kind == "outputs" else []
    strides = [*x.array.strides[:2], y.array, *y.array.strides[:2], count, x.array.strides[2], y.array.strides[2]]
    call(v.transform(kind, np.dtype(dtype)), x.array, *strides, *epilogue)
    expected = np.einsum("pi,ijcl,qj->pqcl", matrix, x.array.astype(np.float64), matrix)
    if epilogue:
        expected = np.maximum(expected + np.arange(lanes), 0)
    np.testing.assert_allclose(y.array, expected, rtol=0, atol=200 * np.finfo(dtype).eps)
    assert y.untouched_around()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_transform_without_pairs_and_with_repeated_rows(dtype: Any) -> None:
    matrix = ((2.0, 0.0, -3.0), (2.0, 0.0, -3.0), (-1.0, -1.0, 0.0), (0.0, 0.5, -1.0))
    lanes = simd.lanes(dtype)
    x, y = np.random.default_rng(2).standard_normal((3, 3, lanes)).astype(dtype), np.zeros((4, 4, lanes), dtype)
    leaf = linear_transform("test", matrix, dtype)
    call(leaf, x, *x.strides[:2], y, *y.strides[:2], 1, 0, 0)
    expected = np.einsum("pi,ijl,qj->pql", np.array(matrix), x.astype(np.float64), np.array(matrix))
    np.testing.assert_allclose(y, expected, rtol=0, atol=100 * np.finfo(dtype).eps)


@pytest.mark.parametrize("count", [0, 1, 5])
def test_clear(count: int) -> None:
    y = Canaried(np.ones(count * simd.lanes(np.float32), np.float32))
    call(clear(np.float32), y.array, count)
    assert (y.array == 0).all()
    assert y.untouched_around()


@pytest.mark.parametrize("count", [0, 1, 5])
def test_accumulate(count: int) -> None:
    x, y = (Canaried(np.arange(count * simd.lanes(np.float32), dtype=np.float32)) for _ in range(2))
    call(accumulate(np.float32), x.array, y.array, count)
    np.testing.assert_array_equal(y.array, 2 * x.array)
    assert y.untouched_around()


# ---- values ----


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("case", [*CASES, LARGE], ids=str)
def test_chosen_shapes(case: Case, tile: int, dtype: Any, threads: int) -> None:
    set_num_threads(threads)
    check(case, dtype, tile)


@settings(max_examples=60)
@given(case=cases(), tile=st.sampled_from(TILES), dtype=st.sampled_from(DTYPES))
@example(case=CASES[4], tile=4, dtype=np.float64)
def test_any_shape(case: Case, tile: int, dtype: Any) -> None:
    check(case, dtype, tile)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("tile", TILES)
@pytest.mark.parametrize("case", [CASES[i] for i in (3, 5, 6, 8, 10, 11)], ids=str)
def test_every_way_to_cut_the_work(case: Case, tile: int, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles outermost, channels in blocks, several rounds, several blocks of sums: on shapes too small for them."""
    set_num_threads(threads)
    monkeypatch.setattr(winograd_weights, "ROUND_BYTES", (20_000, 20_000))
    for few, filters, sums in ((0, 1, 1), (1000, 1, 1), (1000, 60_000, 60_000)):
        monkeypatch.setattr(winograd_correlation, "BLOCK_TILES", 5)
        monkeypatch.setattr(winograd_correlation, "FEW_ROWS", 36 * few)
        monkeypatch.setattr(winograd_correlation, "MANY_WEIGHTS", 0)
        monkeypatch.setattr(winograd_correlation, "FILTER_BYTES", filters)
        monkeypatch.setattr(winograd_weights, "FEW_TILES", few)
        monkeypatch.setattr(winograd_weights, "SUM_BYTES", sums)
        forget_plans()
        check(case, np.float32, tile)


@pytest.mark.parametrize("few", [0, 1000])
@pytest.mark.parametrize("tile", TILES)
def test_relu_with_and_without_bias(tile: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd_correlation, "BLOCK_TILES", max(few, 5))
    monkeypatch.setattr(winograd_correlation, "FEW_ROWS", 36 * few)
    forget_plans()
    x, w, bias, _ = operands(CASES[3], np.float32)
    for addend in (bias, None):
        options = {**CASES[3].parameters, "strategy": f"winograd{tile}"}
        y = conv.conv2d_forward(x, w, addend, **options, relu=True)
        np.testing.assert_array_equal(y, np.maximum(conv.conv2d_forward(x, w, addend, **options), 0))
        assert (y == 0).any()
        assert (y > 0).any()


@pytest.mark.parametrize("tile", TILES)
def test_gradient_for_an_input_larger_than_was_read(tile: int) -> None:
    grad, w, _, _ = operands(Case((2, 3, 4, 5), (3, 2, 3, 3)), np.float64)
    options: dict[str, Any] = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
    expected = np.zeros((2, 2, 9, 8))
    expected[:, :, :6, :7] = naive.conv2d_grad_input(grad, w, (2, 2, 6, 7), **options)
    dx = conv.conv2d_grad_input(grad, w, expected.shape, **options, strategy=f"winograd{tile}")
    np.testing.assert_allclose(dx, expected, rtol=0, atol=1e-13)


def test_threads_and_repetition_do_not_change_a_bit() -> None:
    """Only the sums of a weight gradient over many tiles depend on the number of threads, not on the run."""
    for case in (CASES[5], CASES[6], CASES[8], CASES[11], LARGE):
        x, w, bias, grad = operands(case, np.float32)
        for tile in filter(partial(supports, case), TILES):
            options = {**case.parameters, "strategy": f"winograd{tile}"}
            runs = []
            for threads in (1, 2, 3, 2):
                set_num_threads(threads)
                y = conv.conv2d_forward(x, w, bias, **options)
                dx = conv.conv2d_grad_input(grad, w, case.x, **options)
                runs.append((y, dx, conv.conv2d_grad_weight(grad, x, case.w, **options)))
            for y, dx, dw in runs[1:]:
                np.testing.assert_array_equal(y, runs[0][0])
                np.testing.assert_array_equal(dx, runs[0][1])
                np.testing.assert_allclose(dw, runs[0][2], rtol=0, atol=3e-6 * np.abs(dw).max())
            np.testing.assert_array_equal(runs[1][2], runs[3][2])


# ---- errors in float32 and float64 ----


@pytest.mark.parametrize(
    ("strategy", "dtype", "bound"),
    [("winograd2", np.float32, 1.2e-6), ("winograd4", np.float32, 6e-6), ("winograd2", np.float64, 1e-14),
     ("winograd4", np.float64, 2e-14), (None, np.float64, 2e-14)],
)  # fmt: skip
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("channels", [64, 512])
def test_error_relative_to_the_largest_output(
    channels: int, stride: int, strategy: str | None, dtype: Any, bound: float
) -> None:
    """As the documentation of the switch states it; PyTorch's own weight gradients reach 5e-6 in float32."""
    check_error(Case((4, channels, 8, 8), (64, channels, 3, 3), (stride, stride), (1, 1)), strategy, dtype, bound)


@pytest.mark.parametrize(("dtype", "bound"), [(np.float32, 6e-6), (np.float64, 2e-14)])
@pytest.mark.parametrize("channels", [64, 512])
def test_error_of_larger_filters(channels: int, dtype: Any, bound: float) -> None:
    check_error(Case((4, channels, 8, 8), (64, channels, 5, 5), padding=(2, 2)), "winograd2", dtype, bound)


def check_error(case: Case, strategy: str | None, dtype: Any, bound: float) -> None:
    """Compare the three entries with the loops in float64."""
    x, w, _, grad = (a.astype(dtype) for a in operands(case, np.float32))
    options = {**case.parameters, "strategy": strategy}
    results = (
        (conv.conv2d_forward(x, w, None, **options), naive.conv2d(x, w, None, **case.parameters)),
        (
            conv.conv2d_grad_input(grad, w, case.x, **options),
            naive.conv2d_grad_input(grad, w, case.x, **case.parameters),
        ),
        (
            conv.conv2d_grad_weight(grad, x, case.w, **options),
            naive.conv2d_grad_weight(grad, x, case.w, **case.parameters),
        ),
    )
    for actual, exact in results:
        assert np.abs(actual - exact).max() <= bound * np.abs(exact).max()


def test_points_were_chosen_for_accuracy() -> None:
    """With the points 0, 1, -1, 2, -2 the error of F(4 x 4) would be more than twice as large."""
    usual = (
        ((4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0),
         (0, 4, 0, -5, 0, 1)),
        ((1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6),
         (1 / 24, -1 / 12, 1 / 6), (0, 0, 1)),
        ((1, 1, 1, 1, 1, 0), (0, 1, -1, 2, -2, 0), (0, 1, 1, 4, 4, 0), (0, 1, -1, 8, -8, 1)),
    )  # fmt: skip
    v = find(4, 3, 1, False)
    ours, theirs = (error_of(*matrices) for matrices in ((v.inputs, v.weights, v.outputs), usual))
    assert 2 * ours < theirs


def error_of(inputs: Any, weights: Any, outputs: Any) -> float:
    """Return the root mean square error of tiles computed in float32, sums in float32, too."""
    rng = np.random.default_rng(3)
    d, g = (rng.standard_normal((200, 32, n, n)).astype(np.float32) for n in (6, 3))

    def apply(matrix: Any, x: Array) -> Array:
        m = np.array(matrix, x.dtype)
        return m @ x @ m.T

    exact = apply(outputs, (apply(inputs, d.astype(float)) * apply(weights, g.astype(float))).sum(1))
    rounded = apply(outputs, (apply(inputs, d) * apply(weights, g)).sum(1))
    return float(np.sqrt(np.mean((rounded - exact) ** 2)))


# ---- the switch ----


def test_the_rule_and_the_switch() -> None:
    shapes: Any = ((8, 64, 28, 28), (64, 64, 3, 3))
    for direction in ("forward", "grad_input", "grad_weight"):
        assert precision.get_float32_matmul_precision() == "high"
        assert "(winograd4)" in conv.explain(direction, *shapes, padding=(1, 1))
        assert "winograd" not in conv.explain(direction, *shapes, padding=(1, 1), dtype=np.float64)
        for refused in ({"stride": (2, 1)}, {"stride": (3, 3)}, {"dilation": (2, 2)}):
            assert "winograd" not in conv.explain(direction, *shapes, padding=(1, 1), **refused)
        autograd.set_float32_matmul_precision("highest")
        assert "winograd" not in conv.explain(direction, *shapes, padding=(1, 1))
        autograd.set_float32_matmul_precision("medium")
        assert "(winograd4)" in conv.explain(direction, *shapes, padding=(1, 1))
        autograd.set_float32_matmul_precision("high")


def test_highest_gives_the_bits_of_direct_sums() -> None:
    x, w, bias, _ = operands(LARGE, np.float32)
    autograd.set_float32_matmul_precision("highest")
    assert autograd.get_float32_matmul_precision() == "highest"
    exact = conv.conv2d_forward(x, w, bias, **LARGE.parameters)
    autograd.set_float32_matmul_precision("high")
    fast = conv.conv2d_forward(x, w, bias, **LARGE.parameters)
    direct = [conv.conv2d_forward(x, w, bias, **LARGE.parameters, strategy=name) for name in ("batch", "positions")]
    assert any(np.array_equal(exact, each) for each in direct)
    assert (exact != fast).any()
    np.testing.assert_array_equal(fast, conv.conv2d_forward(x, w, bias, **LARGE.parameters, strategy="winograd4"))


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected one of 'highest', 'high', 'medium', got 'higher'"):
        autograd.set_float32_matmul_precision("higher")


# ---- not a number, infinity ----


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("tile", TILES)
def test_nan_and_infinity_reach_their_readers_and_stay_in_their_tiles(tile: int, value: float) -> None:
    case = Case((2, 3, 9, 20), (4, 3, 3, 3), padding=(1, 1))
    x, w, bias, grad = operands(case, np.float32)
    strategy = f"winograd{tile}"
    x[1, 1, 4, 18] = value
    y = conv.conv2d_forward(x, w, bias, **case.parameters, strategy=strategy)
    readers, tiles = np.zeros((2, *y.shape), bool)
    readers[1, :, 3:6, 17:20] = True
    tiles[1, :, 3 // tile * tile : 5 // tile * tile + tile, 17 // tile * tile : 20] = True
    assert not np.isfinite(y[readers]).any()
    assert np.isfinite(y[~tiles]).all()
    rectified = conv.conv2d_forward(x, w, bias, **case.parameters, strategy=strategy, relu=True)
    np.testing.assert_array_equal(rectified, np.maximum(y, 0))

    grad[1, 2, 4, 18] = value
    dx = conv.conv2d_grad_input(grad, w, case.x, **case.parameters, strategy=strategy)
    assert not np.isfinite(dx[1, :, 3:6, 17:20]).any()
    x, *_ = operands(case, np.float32)
    dw = conv.conv2d_grad_weight(grad, x, case.w, **case.parameters, strategy=strategy)
    assert not np.isfinite(dw[2]).any()
    assert np.isfinite(dw[[0, 1, 3]]).all()


# ---- memory ----


@pytest.mark.skipif(sys.platform != "linux", reason="needs mprotect")
def test_nothing_behind_an_operand_a_result_or_the_scratch_memory_is_touched() -> None:
    """All of them end where a page without permissions begins: touching it ends the process."""
    code = "from tests.test_kernels_winograd import run_at_page_end; run_at_page_end()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]


def run_at_page_end() -> None:
    """Run all entries with every array in front of a protected page."""

    def guarded(size: Any, dtype: Any = np.float64) -> Array:
        return at_page_end(np.full(size, np.nan, dtype))

    for module in (winograd_correlation, winograd_weights):
        module.scratch = guarded  # type: ignore[attr-defined]
    for threads in (1, 2):
        set_num_threads(threads)
        for case in CASES:
            for dtype in DTYPES:
                x, w, bias, grad = (at_page_end(a) for a in operands(case, dtype))
                for tile in filter(partial(supports, case), TILES):
                    options = {**case.parameters, "strategy": f"winograd{tile}"}
                    empty, conv.np.empty = np.empty, guarded  # type: ignore[attr-defined]
                    results = [
                        conv.conv2d_forward(x, w, bias, **options),
                        conv.conv2d_grad_weight(grad, x, case.w, **options),
                    ]
                    if supports(case, tile, backward=True):
                        results.append(conv.conv2d_grad_input(grad, w, case.x, **options))
                    conv.np.empty = empty  # type: ignore[attr-defined]
                    assert all(np.isfinite(result).all() for result in results)


# ---- without the compiler ----


def test_python_mode() -> None:
    """The same drivers, run by the interpreter."""
    code = "from tests.test_kernels_winograd import run_in_python_mode; run_in_python_mode()"
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert result.returncode == 0, result.stderr[-2000:]


def run_in_python_mode() -> None:
    """Compare both variants on a tiny shape."""
    for tile in TILES:
        check(Case((2, 3, 5, 4), (4, 3, 3, 3), padding=(1, 1)), np.float32, tile)
        check(Case((2, 3, 5, 4), (4, 3, 3, 3), (2, 2), (1, 1)), np.float32, tile)
    check(Case((2, 3, 5, 4), (4, 3, 5, 5), padding=(2, 2)), np.float32, 2)
