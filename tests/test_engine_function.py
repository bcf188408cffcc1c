"""Custom Functions."""

import copy
import gc
import weakref

import numpy as np
import pytest

import autograd
from autograd import Function, tensor
from autograd.function import once_differentiable


def leaf(values):
    return tensor(values, dtype=autograd.float64, requires_grad=True)


class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y


class SumAndProduct(Function):
    @staticmethod
    def forward(ctx, x, y, scale):
        ctx.save_for_backward(x, y)
        ctx.scale = scale
        return (x + y) * scale, x * y

    @staticmethod
    def backward(ctx, grad_sum, grad_product):
        x, y = ctx.saved_tensors
        common = grad_sum * ctx.scale
        return common + grad_product * y, common + grad_product * x, None


def test_a_function_is_differentiable_to_any_order():
    x = leaf([0.5, -1.0])
    y = Exp.apply(x)
    for _ in range(3):
        np.testing.assert_allclose(y.detach().numpy(), np.exp([0.5, -1.0]), rtol=1e-15)
        (y,) = autograd.grad(y, x, tensor(np.ones(2)), create_graph=True)


def test_several_outputs_and_an_argument_that_is_no_tensor():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    total, product = SumAndProduct.apply(x, y, 10.0)
    (total.sum() + 2 * product.sum()).backward()
    np.testing.assert_array_equal(x.grad.numpy(), [16.0, 20.0])
    np.testing.assert_array_equal(y.grad.numpy(), [12.0, 14.0])


def test_an_output_nothing_depends_on_has_a_zero_gradient():
    x, y = leaf([1.0, 2.0]), leaf([3.0, 5.0])
    _, product = SumAndProduct.apply(x, y, 10.0)
    product.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), [3.0, 5.0])


def test_materialize_grads_off_gives_none():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, a, b):
            seen.append((a, b))
            return b * 2

    first, second = Two.apply(leaf([1.0]))
    second.sum().backward()
    assert seen[0][0] is None
    assert first.requires_grad


def test_needs_input_grad_and_setup_context():
    class Mul(Function):
        @staticmethod
        def forward(x, y):
            return x * y

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, grad):
            _, y = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False)
            return grad * y, None

    x = leaf([2.0])
    Mul.apply(x, tensor([3.0], dtype=autograd.float64)).backward()
    assert x.grad.item() == 3.0


def test_mark_dirty_takes_over_the_target():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.array += 1
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 7

    x = leaf([1.0])
    y = x * 2
    z = AddOne.apply(y)
    assert z is y
    assert y._version == 1
    z.backward()
    assert x.grad.item() == 14.0
    with pytest.raises(RuntimeError, match="AddOne: a leaf Variable"):
        AddOne.apply(x)


@pytest.mark.parametrize("whole", [True, False])
def test_a_view_that_was_written_to_takes_its_base_along(torch, whole):
    def run(lib):
        class Seven(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                x.mul_(7)
                ctx.mark_dirty(x)
                return x

            @staticmethod
            def backward(ctx, grad):
                return grad * 7

        x = lib.tensor([1.0, 2.0, 3.0], dtype=lib.float64, requires_grad=True)
        y = x * 2
        view = y[1:]
        assert Seven.apply(view) is view
        (y if whole else view).sum().backward()
        with pytest.raises(RuntimeError, match="a view of a leaf Variable that requires grad"):
            Seven.apply(x[1:])
        return y.tolist(), x.grad.tolist()

    assert run(autograd) == run(torch)


def test_mark_non_differentiable():
    class MaxAt(Function):
        @staticmethod
        def forward(ctx, x):
            index = x.argmax()
            ctx.mark_non_differentiable(index)
            ctx.save_for_backward(index)
            ctx.size = len(x)
            return x[int(index)].clone(), index

        @staticmethod
        def backward(ctx, grad, _):
            (index,) = ctx.saved_tensors
            out = autograd.zeros(ctx.size, dtype=autograd.float64)
            out[int(index)] = grad
            return out

    x = leaf([1.0, 5.0, 2.0])
    value, index = MaxAt.apply(x)
    assert not index.requires_grad
    value.backward()
    assert x.grad.tolist() == [0.0, 1.0, 0.0]


def test_an_input_returned_as_it_is_becomes_a_new_tensor():
    class Identity(Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, grad):
            return grad * 3

    x = leaf([1.0])
    y = Identity.apply(x)
    assert y is not x
    y.backward()
    assert x.grad.item() == 3.0
    with pytest.raises(RuntimeError, match="by a custom Function, and is being modified inplace"):
        y.mul_(2)
    assert x.item() == 1.0


def test_inputs_that_were_written_to_must_be_returned(torch):
    for lib in (autograd, torch):

        class Lost(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                ctx.mark_dirty(x)
                return x.mul_(2) + 1

            @staticmethod
            def backward(ctx, grad):
                return grad

        x = lib.ones(2, requires_grad=True)
        with pytest.raises(RuntimeError, match="dirty"):
            Lost.apply(x * 1)


class WrongCount(Function):
    @staticmethod
    def forward(ctx, x, y):
        return x * y

    @staticmethod
    def backward(ctx, grad):
        return grad


class NotATensor(Function):
    @staticmethod
    def forward(ctx, x):
        return x * 2

    @staticmethod
    def backward(ctx, grad):
        return 2.0


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: WrongCount.apply(leaf([1.0]), leaf([2.0])).backward(), RuntimeError, r"expected 2, got 1"),
        (lambda: NotATensor.apply(leaf([1.0])).backward(), RuntimeError, "NotATensorBackward.*float"),
        (lambda: Function.apply(leaf([1.0])), NotImplementedError, "forward"),
        (lambda: Exp(), RuntimeError, r"Exp.apply"),
    ],
)
def test_wrong_functions_say_what_is_wrong(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_saved_tensors_are_checked_and_freed():
    x = leaf([1.0])
    y = Exp.apply(x)
    y.backward()
    with pytest.raises(RuntimeError, match="Exp.*second time"):
        y.backward()
    z = Exp.apply(x)
    z.detach().add_(1)
    with pytest.raises(RuntimeError, match="Exp saved .*add_ has written.*version 1, expected version 0"):
        z.backward()


def test_once_differentiable():
    class Square(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            return grad * 2 * x

    x = leaf([3.0])
    (g,) = autograd.grad(Square.apply(x), x, leaf([1.0]), create_graph=True)
    assert g.item() == 6.0
    with pytest.raises(RuntimeError, match="once_differentiable"):
        g.backward()


def test_a_function_that_saves_its_output_is_freed_by_reference_count():
    gc.collect()
    gc.disable()
    try:
        y = Exp.apply(leaf([1.0]))
        watched = weakref.ref(y)
        del y
        assert watched() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("first", [True, False])
def test_saved_outputs_of_several_are_differentiated(torch, first):
    def run(lib):
        class ExpAndDouble(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                y = x.exp()
                ctx.save_for_backward(y)
                return (y, x * 2) if first else (x * 2, y)

            @staticmethod
            def backward(ctx, *grads):
                (y,) = ctx.saved_tensors
                return grads[0] * y + grads[1] * 2 if first else grads[1] * y + grads[0] * 2

        x = lib.tensor([0.5, -1.0], dtype=lib.float64, requires_grad=True)
        a, b = ExpAndDouble.apply(x)
        (g,) = lib.autograd.grad((a * b).sum(), x, create_graph=True)
        (second,) = lib.autograd.grad((g * g).sum(), x)
        return [g.detach().numpy(), second.numpy()]

    for ours, theirs in zip(run(autograd), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13)


def test_saved_outputs_without_gradient_have_none_and_are_watched_for_writes(torch):
    def run(lib):
        class Positive(lib.autograd.Function):
            @staticmethod
            def forward(ctx, x):
                mask = (x > 0).to(x.dtype)
                ctx.mark_non_differentiable(mask)
                ctx.save_for_backward(mask)
                return x * mask, mask

            @staticmethod
            def backward(ctx, grad, _):
                (mask,) = ctx.saved_tensors
                assert not mask.requires_grad
                return grad * mask

        x = lib.tensor([2.0, -1.0], dtype=lib.float64, requires_grad=True)
        y, mask = Positive.apply(x)
        (g,) = lib.autograd.grad((y * y).sum(), x, create_graph=True)
        (second,) = lib.autograd.grad(g.sum(), x, retain_graph=True)
        mask.zero_()
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            y.sum().backward()
        return g.tolist(), second.tolist()

    assert run(autograd) == run(torch)


def test_a_copy_notices_writes_to_its_saved_output():
    y = copy.deepcopy(Exp.apply(leaf([1.0])))
    y.detach().add_(1)
    with pytest.raises(RuntimeError, match="Exp saved .*add_ has written"):
        y.backward()
