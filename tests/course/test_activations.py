"""Activation functions, forward and backward."""

import math

import pytest

import autograd as torch
import nn
import nn.functional as F


def test_problem_8_relu_forward_and_backward():
    """000, section 5, problem 8: both tables."""
    x = torch.tensor(
        [[1.5, 2.2, 1.3, 6.7], [4.3, -0.3, -0.2, 4.9], [-4.5, 1.4, 5.5, 1.8], [0.1, -0.5, -0.1, 2.2]],
        dtype=torch.float64,
        requires_grad=True,
    )
    dy = torch.tensor(
        [[4.5, 1.2, 2.3, 1.3], [-1.3, -6.3, 4.1, -2.9], [-0.5, 1.2, 3.5, 1.2], [-6.1, 0.5, -4.1, -3.2]],
        dtype=torch.float64,
    )
    y = F.relu(x)
    y.backward(dy)
    assert y.tolist() == [[1.5, 2.2, 1.3, 6.7], [4.3, 0, 0, 4.9], [0, 1.4, 5.5, 1.8], [0.1, 0, 0, 2.2]]
    assert x.grad.tolist() == [[4.5, 1.2, 2.3, 1.3], [-1.3, 0, 0, -2.9], [0, 1.2, 3.5, 1.2], [-6.1, 0, 0, -3.2]]


def test_the_gradient_of_relu_at_zero_is_zero():
    """000, section 5 leaves it open; here it is 0, as PyTorch has it."""
    x = torch.zeros(1, requires_grad=True)
    F.relu(x).backward()
    assert x.grad.item() == 0


X = [-3.0, -1.0, -0.5, 0.0, 0.5, 2.0]


@pytest.mark.parametrize(
    ("layer", "formula"),
    [
        (nn.Sigmoid(), lambda x: 1 / (1 + math.exp(-x))),
        (nn.Tanh(), math.tanh),
        (nn.ReLU(), lambda x: max(0, x)),
        (nn.LeakyReLU(0.1), lambda x: max(0.1 * x, x)),
        (nn.ELU(alpha=1.5), lambda x: x if x >= 0 else 1.5 * (math.exp(x) - 1)),
        (nn.GELU(), lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2)))),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_the_activation_functions(layer, formula):
    """000, section 5, definition 2 and its relatives; 003, slide 33; 004, slide 6."""
    assert layer(torch.tensor(X, dtype=torch.float64)).tolist() == pytest.approx([formula(x) for x in X], rel=1e-12)


def test_maxout():
    """003, slide 33: max(w₁ᵀx + b₁, w₂ᵀx + b₂)."""
    first, second = nn.Linear(4, 3), nn.Linear(4, 3)
    x = torch.randn(5, 4)
    both = torch.stack([first(x), second(x)])
    assert torch.equal(both.amax(0), torch.maximum(first(x), second(x)))


def test_problem_2_4_which_functions_can_be_activations():
    """003, slides 34 to 38: A and B are valid; C is linear, so that two layers are one; D has gradient 0."""
    x = torch.tensor([-2.0, -1.0, 0.25, 3.0], requires_grad=True)

    def slopes(f):
        return torch.autograd.grad(f(x).sum(), x, allow_unused=True, materialize_grads=True)[0].tolist()

    assert slopes(lambda x: torch.maximum(0.25 * x, 0.75 * x)) == [0.25, 0.25, 0.75, 0.75]
    assert slopes(lambda x: torch.clamp(x, max=0)) == [1, 1, 0, 0]
    assert slopes(lambda x: 0.7 * x) == pytest.approx([0.7] * 4)
    assert not torch.where(x > 0.5, 1.0, -1.0).requires_grad
    assert slopes(lambda x: torch.sign(x - 0.5)) == [0, 0, 0, 0]


def test_the_slope_of_the_sigmoid_is_at_most_a_quarter():
    """000, section 5, solution 9.1: multiplied over many layers, the gradient vanishes."""
    x = torch.linspace(-5, 5, 101, dtype=torch.float64).requires_grad_()
    torch.sigmoid(x).sum().backward()
    assert x.grad.max().item() == pytest.approx(0.25) == x.grad[50].item()
    deep = x
    for _ in range(10):
        deep = torch.sigmoid(deep)
    (slope,) = torch.autograd.grad(deep.sum(), x)
    assert slope.max().item() < 0.25**10


def test_a_dead_relu_stays_dead():
    """000, section 5, solution 9.2: a unit that is always 0 gets no gradient; leaky ReLU and ELU give one."""
    x = torch.rand(20, 3)
    for activation, alive in ((F.relu, False), (F.leaky_relu, True), (F.elu, True)):
        unit = nn.Linear(3, 1)
        nn.init.constant_(unit.weight, -1.0)
        nn.init.constant_(unit.bias, -1.0)
        activation(unit(x)).sum().backward()
        assert (unit.weight.grad.abs().sum().item() > 0) == alive
