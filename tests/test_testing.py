"""`autograd.testing`: the strategies keep their promises, and counterexamples can be run."""

import re
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample

import autograd
import nn
from autograd import Tensor, dtypes
from autograd.checking import GradcheckError
from autograd.function import Function
from autograd.primitive import primitive
from autograd.testing import (
    LAYOUTS,
    Domain,
    arrays,
    broadcastable_shapes,
    check_gradients,
    integers,
    layout_of,
    positive,
    reals,
    shapes,
    tensors,
    with_layout,
)
from autograd.testing.counterexample import literal

EPS = 1e-6


# -- domains ------------------------------------------------------------------------------------------


@given(st.floats(-50, 50), st.floats(0.01, 50), st.integers(1, 600))
def test_numbers_lie_in_their_domain_and_apart(low: float, width: float, count: int) -> None:
    numbers = reals(low, low + width).numbers(count)
    assert len(numbers) >= count
    assert len(set(numbers)) == len(numbers)
    assert low <= numbers.min()
    assert numbers.max() <= low + width
    assert np.diff(np.sort(numbers)).min() > 10 * EPS


def test_simple_numbers_come_first() -> None:
    assert reals(-3, 3).numbers(1)[:6].tolist() == [0.0, 0.5, -0.5, 1.0, -1.0, 1.5]
    assert integers(-2, 2).numbers(1).tolist() == [0.0, 1.0, -1.0, 2.0, -2.0]


def test_domains_refuse_what_they_cannot_give() -> None:
    with pytest.raises(ValueError, match="4 numbers are left, but 5 distinct ones"):
        integers(0, 3).numbers(5)
    with pytest.raises(ValueError, match="no number"):
        integers(0, 0).numbers(1, (0.0,), 0.5)
    with pytest.raises(ValueError, match="low <= high"):
        reals(1, 0)
    with pytest.raises(ValueError, match="step > 0"):
        Domain(0, 1, 0)


# -- shapes -------------------------------------------------------------------------------------------


@given(shapes(1, 2, 0, 3))
def test_shapes_keep_their_limits(shape: tuple[int, ...]) -> None:
    assert 1 <= len(shape) <= 2
    assert all(0 <= side <= 3 for side in shape)


@given(broadcastable_shapes(3, min_side=0))
def test_broadcastable_shapes_broadcast(drawn: tuple[tuple[int, ...], ...]) -> None:
    assert len(drawn) == 3
    np.broadcast_shapes(*drawn)


@pytest.mark.parametrize(
    "wanted",
    [
        lambda a, b: len(a) != len(b),
        lambda a, b: a and b and a[-1] == 1 < b[-1],
        lambda a, b: len(a) == len(b) == 2 and a[0] > b[0] and a[1] < b[1],
        lambda a, b: 0 in a and b and 0 not in b,
        lambda a, b: a == b and len(a) == 3,
    ],
)
def test_all_ways_to_broadcast_are_drawn(wanted: Any) -> None:
    find(broadcastable_shapes(2, min_side=0), lambda drawn: wanted(*drawn))


# -- arrays and tensors -------------------------------------------------------------------------------


@given(arrays(shapes(min_side=0), domain=positive(2.5), layouts=LAYOUTS))
def test_elements_lie_in_the_domain(array: np.ndarray) -> None:
    assert array.dtype == np.float64
    assert ((array >= 0.25) & (array <= 2.5)).all()


@given(arrays(shapes(max_side=8), distinct=True, domain=reals(-0.01, 0.01)))
def test_distinct_elements_are_apart(array: np.ndarray) -> None:
    if array.size > 1:
        assert np.diff(np.sort(array, axis=None)).min() > 10 * EPS


@given(arrays(shapes(), away_from=[0.0, 1.0], margin=0.05))
def test_kinks_are_kept_clear_of(array: np.ndarray) -> None:
    assert (np.abs(array) >= 0.05).all()
    assert (np.abs(array - 1) >= 0.05).all()


@given(tensors(shapes(), dtype=np.int64, domain=integers(2, 4)))
def test_integer_tensors(x: Tensor) -> None:
    assert x.dtype is autograd.int64
    assert not x.requires_grad
    assert ((x.array >= 2) & (x.array <= 4)).all()


@pytest.mark.parametrize("dtype", [np.float32, autograd.float64, bool, np.uint8])
def test_dtypes_and_requires_grad(dtype: Any) -> None:
    @given(tensors((2,), dtype=dtype))
    def drawn(x: Tensor) -> None:
        assert x.array.dtype == dtypes.as_numpy(dtype)
        assert x.requires_grad == x.is_floating_point()

    drawn()


def test_requires_grad_can_be_chosen() -> None:
    assert not find(tensors((2,), requires_grad=False), lambda x: True).requires_grad


@pytest.mark.parametrize("layout", LAYOUTS)
@given(data=st.data())
def test_layouts(layout: str, data: st.DataObject) -> None:
    any_array = data.draw(arrays(shapes(min_side=0), layouts=[layout]))
    again = with_layout(any_array, layout)
    np.testing.assert_array_equal(again, any_array)
    assert any_array.strides == again.strides
    array = data.draw(arrays(shapes(min_dims=2, min_side=2), layouts=[layout]))
    assert layout_of(array) == layout
    assert array.flags.c_contiguous == (layout == "contiguous")
    assert array.flags.f_contiguous == (layout == "transposed")
    assert any(s < 0 for s in array.strides) == (layout == "reversed")
    assert any(s == 0 for s in array.strides) == (layout == "expanded")


def test_with_layout_copies_and_refuses_unknown_names() -> None:
    array = np.zeros((2, 2))
    for layout in LAYOUTS:
        assert not np.shares_memory(with_layout(array, layout), array)
    with pytest.raises(ValueError, match="contiguous, transposed.*got 'sideways'"):
        with_layout(array, "sideways")


def test_edge_shapes_are_drawn() -> None:
    find(tensors(shapes(min_side=0)), lambda x: x.ndim == 0)
    find(tensors(shapes(min_side=0)), lambda x: x.numel() == 0)
    with pytest.raises(NoSuchExample):
        find(tensors(shapes()), lambda x: x.numel() == 0, settings=settings(max_examples=50))


def test_expanded_elements_are_never_distinct() -> None:
    with pytest.raises(ValueError, match="expanded"):
        find(arrays((2,), distinct=True, layouts=["expanded"]), lambda x: True)


# -- literals -----------------------------------------------------------------------------------------


@given(
    tensors(shapes(min_side=0), layouts=LAYOUTS)
    | tensors(shapes(), dtype=np.float32)
    | tensors(shapes(min_side=0), dtype=np.int64)
    | tensors(shapes(), dtype=bool)
)
def test_literals_make_the_same_tensor(x: Tensor) -> None:
    again = eval(literal(x), {"Tensor": Tensor, "np": np, "with_layout": with_layout})
    assert again.array.dtype == x.array.dtype
    assert again.shape == x.shape
    assert again.requires_grad == x.requires_grad
    np.testing.assert_array_equal(again.array, x.array)
    if x.numel() > 1 and 1 not in x.shape:
        assert again.stride() == x.stride()


# -- check_gradients ----------------------------------------------------------------------------------


@primitive
def wrong_above_two(x: np.ndarray) -> np.ndarray:
    """y = x², with a derivative that is wrong where x > 2."""
    return x * x


wrong_above_two.vjp(x=lambda grad, x: grad * 2 * x * (1 + 0.001 * (x > 2)))


@primitive
def wrong_of_columns(x: np.ndarray) -> np.ndarray:
    """y = x², with a derivative that is wrong for arrays that are not in C order."""
    return x * x


wrong_of_columns.vjp(x=lambda grad, x: grad * 2 * x * (1.0 if isinstance(x, Tensor) or x.flags.c_contiguous else 1.001))


def repeated(source: str) -> subprocess.CompletedProcess[str]:
    """Run the Python that a failure printed."""
    return subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=False)


def test_right_gradients_pass() -> None:
    check_gradients(lambda x, y: (x * y).exp(), tensors((2, 1)), tensors((3,)))
    check_gradients(lambda x: x**3, Tensor(np.array([1.5]), requires_grad=True))
    check_gradients(lambda x, n: x**n, tensors(shapes()), st.sampled_from([1, 2, 3]), fast_mode=True)


def test_a_counterexample_is_simplest_and_can_be_run() -> None:
    with pytest.raises(GradcheckError) as caught:
        check_gradients(wrong_above_two, tensors(shapes(), layouts=LAYOUTS), order=1, max_examples=300)
    message = str(caught.value)
    assert "Jacobian mismatch for output 0 with respect to input 0" in message
    source = message.partition("To repeat it:\n\n")[2]
    assert "from tests.test_testing import wrong_above_two" in source
    assert re.search(r"x0 = Tensor\(np.array\((2\.\d+|3\.0)\), requires_grad=True\)", source)  # 0-d, one number
    result = repeated(source)
    assert result.returncode == 1
    assert "GradcheckError: Jacobian mismatch" in result.stderr


def test_a_counterexample_has_the_memory_layout_it_needs() -> None:
    with pytest.raises(GradcheckError) as caught:
        check_gradients(wrong_of_columns, tensors(shapes(), layouts=LAYOUTS), order=1, max_examples=300)
    source = str(caught.value).partition("To repeat it:\n\n")[2]
    assert "with_layout(np.array(" in source
    result = repeated(source)
    assert result.returncode == 1
    assert "GradcheckError: Jacobian mismatch" in result.stderr


def test_a_local_function_is_called_by_a_name_to_fill_in() -> None:
    with pytest.raises(GradcheckError) as caught:
        check_gradients(lambda x: wrong_above_two(x + 3), tensors((2,)))
    source = str(caught.value).partition("To repeat it:\n\n")[2]
    assert "# `function` is the one under test" in source
    with pytest.raises(GradcheckError):
        exec(source, {"function": lambda x: wrong_above_two(x + 3)})


def test_second_derivatives_are_checked_unless_order_is_1() -> None:
    class Square(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            ctx.x = x.detach()
            return x * x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad * 2 * ctx.x

    check_gradients(Square.apply, tensors((2,)), order=1)
    with pytest.raises(GradcheckError, match="the gradient of"):
        check_gradients(Square.apply, tensors((2,)))


def test_modules_are_checked_for_their_parameters_too() -> None:
    class Scale(nn.Module):
        def __init__(self, function: Any) -> None:
            super().__init__()
            self.function = function
            self.weight = nn.Parameter(autograd.full((2,), 2.25))

        def forward(self, x: Tensor) -> Tensor:
            return x * self.function(self.weight)

    check_gradients(Scale(autograd.exp), tensors((3, 2)))
    module = Scale(wrong_above_two)
    with pytest.raises(GradcheckError, match=r"input 1 \(weight\)") as caught:
        check_gradients(module, tensors((3, 2)))
    assert module.weight.dtype is autograd.float32  # it is a copy that is checked
    source = str(caught.value).partition("To repeat it:\n\n")[2]
    fresh = Scale(wrong_above_two)
    fresh.weight.data = autograd.zeros(2)
    with pytest.raises(GradcheckError, match="weight"):
        exec(source, {"module": fresh})


def test_further_parameters_are_checked() -> None:
    weight = Tensor(np.array([1.0, 2.5]), requires_grad=True)
    check_gradients(lambda x: x * weight.exp(), tensors((2,)), parameters=[weight])
    with pytest.raises(GradcheckError, match=r"parameters\[0\]"):
        check_gradients(lambda x: x * wrong_above_two(weight), tensors((2,)), parameters=[weight])


def test_other_errors_carry_the_counterexample_as_a_note() -> None:
    def function(x: Tensor) -> Tensor:
        if x.ndim == 2:
            raise KeyError("no matrices")
        return x * 2

    with pytest.raises(KeyError, match="no matrices") as caught:
        check_gradients(function, tensors(shapes()), max_examples=100)
    assert any("x0 = Tensor(np.array([[" in note for note in caught.value.__notes__)


def test_order_is_1_or_2() -> None:
    with pytest.raises(ValueError, match="order must be 1 or 2, got 3"):
        check_gradients(autograd.exp, tensors(()), order=3)


def test_without_hypothesis_one_sentence_says_what_to_install() -> None:
    code = "import sys; sys.modules['hypothesis'] = None; import autograd.testing"
    result = repeated(code)
    assert result.returncode == 1
    last = result.stderr.strip().splitlines()[-1]
    assert last == "ModuleNotFoundError: autograd.testing needs Hypothesis: pip install magtape[test]"
