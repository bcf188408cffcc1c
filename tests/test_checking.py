"""The checker of gradients, checked: it accepts right gradients, and rejects wrong ones and says where."""

from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Tensor
from autograd.checking import GradcheckError, gradcheck, gradgradcheck
from autograd.function import Function
from autograd.primitive import primitive

TIGHT = {"atol": 1e-7, "rtol": 1e-5}


def leaf(*shape: int, seed: int = 0) -> Tensor:
    return Tensor(np.random.default_rng(seed).uniform(0.5, 2.0, shape), requires_grad=True)


def cube_with(gradient: Any) -> Any:
    """Return y = x³ as a primitive with the given rule."""

    @primitive
    def cube(x: np.ndarray) -> np.ndarray:
        return x * x * x

    cube.vjp(x=gradient)
    return cube


def right(grad: Any, x: Any) -> Any:
    return grad * (3 * x * x)


def one_permille_off(grad: Any, x: Any) -> Any:
    return grad * (3.003 * x * x)


def wrong_sign_at_one_index(grad: Any, x: Any) -> Any:
    sign = np.ones(x.shape)
    sign.flat[-1] = -1.0
    return grad * (3 * x * x) * (Tensor(sign) if isinstance(grad, Tensor) else sign)


def wrong_second_derivative(grad: Any, x: Any) -> Any:
    """The first derivative is right; under create_graph its own derivative is not: x counts as a constant."""
    if isinstance(grad, Tensor):
        return grad * (3 * x * x.detach())
    return grad * (3 * x * x)


def second_one_permille_off(grad: Any, x: Any) -> Any:
    y = grad * (3 * x * x)
    return y + 0.001 * (y - y.detach()) if isinstance(y, Tensor) else y


def not_recorded(grad: Any, x: Any) -> Any:
    x = x.detach() if isinstance(x, Tensor) else x
    return grad * (3 * x * x)


def not_multiplied(grad: Any, x: Any) -> Any:
    return 3 * x * x


def two_outputs(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    return x * y, (x * y).exp().sum()


# -- accepted -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("check", [gradcheck, gradgradcheck])
def test_right_gradients_are_accepted(check: Any, fast_mode: bool) -> None:
    assert check(cube_with(right), leaf(2, 3), fast_mode=fast_mode, **TIGHT)
    assert check(two_outputs, (leaf(2, 1), leaf(3, seed=1)), fast_mode=fast_mode, **TIGHT)


def test_arguments_that_are_no_tensors_are_passed_on() -> None:
    assert gradcheck(lambda x, n, y: x**n + y, (leaf(2), 3, Tensor(np.ones(2))), **TIGHT)


def test_zero_dimensional_and_empty_tensors() -> None:
    for x in (leaf(), leaf(0, 3)):
        assert gradcheck(cube_with(right), x, **TIGHT)
        assert gradgradcheck(cube_with(right), x, gen_non_contig_grad_outputs=True, **TIGHT)


def test_expanded_and_reversed_memory_is_checked_element_by_element_and_not_written_to() -> None:
    for array in (np.broadcast_to(np.float64(1.5), (2, 2)), np.arange(1.0, 5.0)[::-1]):
        before = array.tobytes()
        assert gradcheck(cube_with(right), Tensor(array, requires_grad=True), **TIGHT)
        assert array.tobytes() == before


def test_outputs_without_gradient_are_left_out() -> None:
    x = leaf(3)
    assert gradcheck(lambda x: (x * x, x.detach() * 2, x.argmax(), "a string"), x)


def test_tensors_a_function_closes_over_can_be_given_as_inputs() -> None:
    weight = leaf(3)
    assert gradcheck(lambda _: weight.exp(), weight, **TIGHT)


def test_linear_functions_allow_large_steps() -> None:
    assert gradcheck(lambda x, y: x * y, (leaf(3), leaf(3, seed=1)), eps=1.0, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("fast_mode", [False, True])
def test_rounding_of_large_values_is_allowed_for(fast_mode: bool) -> None:
    """y = 1e6 is known to 1e-10, its slope to 1e-4 only; what is wrong by 0.1 % is still rejected."""
    x = leaf(3)
    assert gradcheck(lambda x: 1e6 + x.exp(), x, fast_mode=fast_mode, **TIGHT)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: 1e6 + cube_with(one_permille_off)(x), x, fast_mode=fast_mode, **TIGHT)


def test_it_works_under_no_grad_and_leaves_grad_untouched() -> None:
    x = leaf(2)
    with autograd.no_grad():
        assert gradcheck(cube_with(right), x)
    assert x.grad is None


def test_grad_outputs_can_be_given() -> None:
    assert gradgradcheck(cube_with(right), leaf(2), Tensor(np.ones(2)))
    assert gradgradcheck(two_outputs, (leaf(2), leaf(2)), (leaf(2), leaf()))


# -- rejected -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("rule", [one_permille_off, wrong_sign_at_one_index])
def test_wrong_first_derivatives_are_rejected(rule: Any, fast_mode: bool) -> None:
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0 with respect to input 0"):
        gradcheck(cube_with(rule), leaf(2, 3), fast_mode=fast_mode, **TIGHT)
    assert not gradcheck(cube_with(rule), leaf(2, 3), raise_exception=False, fast_mode=fast_mode, **TIGHT)


@pytest.mark.parametrize("fast_mode", [False, True])
@pytest.mark.parametrize("rule", [second_one_permille_off, wrong_second_derivative, not_recorded])
def test_wrong_second_derivatives_are_rejected(rule: Any, fast_mode: bool) -> None:
    assert gradcheck(cube_with(rule), leaf(2), **TIGHT)
    with pytest.raises(GradcheckError, match="the gradient of x.* with respect to input"):
        gradgradcheck(cube_with(rule), leaf(2, 3), fast_mode=fast_mode, **TIGHT)


def test_a_missing_sum_over_a_broadcast_is_rejected() -> None:
    class Add(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
            return x + y

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
            return grad, grad[:1]  # y has one row: its gradient is the sum of all of grad's

    assert gradcheck(Add.apply, (leaf(1, 2), leaf(1, 2)))
    with pytest.raises(GradcheckError, match="with respect to input 1"):
        gradcheck(Add.apply, (leaf(3, 2), leaf(1, 2)))


def test_a_gradient_of_nothing_is_rejected() -> None:
    with pytest.raises(GradcheckError, match="mismatch"):
        gradcheck(cube_with(not_multiplied), leaf(2))
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(cube_with(lambda grad, x: grad * (3 * x * x) + 1e-9), leaf(2))


def test_a_constant_that_is_none_is_rejected() -> None:
    with pytest.raises(GradcheckError, match="expected to be zero: output 0"):
        gradcheck(lambda x: x.detach() * 2, leaf(2))
    assert gradcheck(lambda x: Tensor(np.ones(3)), leaf(2))


def test_an_input_whose_gradient_is_lost_is_rejected() -> None:
    with pytest.raises(GradcheckError, match=r"input 1 \(y\)"):
        gradcheck(lambda x, y: x * y.detach(), (leaf(2), leaf(2)))


def test_nan_never_agrees() -> None:
    with pytest.raises(GradcheckError, match="nan"):
        gradcheck(cube_with(lambda grad, x: grad * float("nan")), leaf(2))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: x * float("nan"), leaf(1))


def test_a_backward_that_is_not_repeatable_is_rejected() -> None:
    calls = iter(range(1000))
    drifting = cube_with(lambda grad, x: grad * (3 * x * x) * (1 + 1e-9 * next(calls)))
    with pytest.raises(GradcheckError, match="not reentrant.*nondet_tol=0.0"):
        gradcheck(drifting, leaf(2))
    assert gradcheck(drifting, leaf(2), nondet_tol=1e-4)


def test_an_output_given_no_gradient_must_count_as_one_given_zeros() -> None:
    class Pair(Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx: Any, first: Any, second: Any) -> Any:
            return second * 3 if first is None else first * 2  # right for one of them, not for both

    with pytest.raises(GradcheckError, match="undefined output gradients.*output 1"):
        gradcheck(Pair.apply, leaf(2))
    assert gradcheck(Pair.apply, leaf(2), check_undefined_grad=False)


# -- messages and arguments ---------------------------------------------------------------------------


def test_the_message_names_input_output_place_and_values() -> None:
    wrong = cube_with(wrong_sign_at_one_index)

    def function(first: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        return first * 2, wrong(weight)

    with pytest.raises(GradcheckError) as caught:
        gradcheck(function, (leaf(1), Tensor(np.array([[1.0, 2.0]]), requires_grad=True)))
    message = str(caught.value)
    assert "output 1 with respect to input 1 (weight)" in message
    assert "1 of 4 entries differ" in message
    assert "d output[0, 1] / d input[0, 1]: analytical -12, numerical 12" in message
    assert "difference 24" in message
    assert "numerical:" in message
    assert "analytical:" in message


def test_nothing_to_check_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(cube_with(right), Tensor(np.ones(2)))


def test_single_precision_warns() -> None:
    x = Tensor(np.ones(2, np.float32), requires_grad=True)
    with pytest.warns(UserWarning, match="Input #0 .* double precision"):
        gradcheck(lambda x: x * 2, x, eps=0.5)


def test_errors_of_the_function_pass_through_and_the_input_is_put_back() -> None:
    x = leaf(2)
    array, calls = x.array, iter(range(10))

    def function(x: Tensor) -> Tensor:
        if next(calls) == 2:
            raise KeyError("from inside")
        return x * 2

    with pytest.raises(KeyError, match="from inside"):
        gradcheck(function, x)
    assert x.array is array
