"""The comparison with PyTorch notices first gradients that cannot be differentiated, or wrongly."""

import pytest

from autograd.function import Function
from ops.arithmetic import mul
from tests.against_torch import compare, draw


class Cut(Function):
    """x², whose gradient is right but no part of the graph."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, grad):
        (x,) = ctx.saved_tensors
        return (2 * x * grad).detach()


def test_a_gradient_that_is_cut_from_the_graph_is_noticed(torch):
    compare(lambda x: mul(x, x), lambda x: x * x, draw(3))
    compare(Cut.apply, lambda x: x * x, draw(3), order=1)
    with pytest.raises(AssertionError):
        compare(Cut.apply, lambda x: x * x, draw(3))
