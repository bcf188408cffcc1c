"""Backpropagation: gates, Jacobians, the small ConvNet of the midterm, vanishing and exploding gradients, clipping."""

import itertools

import pytest

import autograd as torch
import nn
import nn.functional as F
from autograd.functional import jacobian, vjp


def test_the_gates():
    """003, slides 19 and 20: add distributes, mul swaps, copy adds, max routes."""
    x, y = (torch.tensor(v, requires_grad=True) for v in (3.0, 4.0))
    up = torch.tensor(2.0)
    assert torch.autograd.grad(x + y, (x, y), up) == (2, 2)
    assert torch.autograd.grad(x * y, (x, y), up) == (2 * 4, 2 * 3)
    assert torch.autograd.grad(x + x, x, up) == (2 + 2,)
    assert torch.autograd.grad(torch.maximum(x, y), (x, y), up) == (0, 2)


def test_jacobians_multiply():
    """002, section 2: J_L(W) = J_L(C) J_C(B) J_B(A) J_A(W); J has n_outputs × n_inputs entries."""
    torch.manual_seed(0)
    first, second = torch.randn(4, 3, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    maps = [lambda w: first @ w, torch.tanh, lambda a: second @ a, lambda c: (c**2).sum()[None]]
    w = torch.randn(3, dtype=torch.float64)

    values, product = w, torch.eye(3, dtype=torch.float64)
    factors = []
    for f in maps:
        factors.append(jacobian(f, values))
        product = factors[-1] @ product
        values = f(values)
    assert [tuple(J.shape) for J in factors] == [(4, 3), (4, 4), (5, 4), (1, 5)]

    def composed(w):
        return maps[3](maps[2](maps[1](maps[0](w))))

    whole = jacobian(composed, w)
    assert torch.allclose(whole, product, rtol=1e-10)
    row = torch.ones(1, 1, dtype=torch.float64)  # backpropagation: from the output, a row times a matrix each time
    for J in reversed(factors):
        row = row @ J
    assert torch.allclose(row, whole, rtol=1e-10)
    assert torch.allclose(vjp(composed, w, torch.ones(1, dtype=torch.float64))[1], whole[0], rtol=1e-10)


def test_the_chain_rule_adds_up_over_all_paths():
    """002, section 2: ∂L/∂Wⱼ = Σᵢ ∂L/∂fᵢ · ∂fᵢ/∂Wⱼ."""
    w = torch.randn(3, dtype=torch.float64, requires_grad=True)
    matrix, up = torch.randn(4, 3, dtype=torch.float64), torch.randn(4, dtype=torch.float64)
    (matrix @ w).backward(up)
    by_hand = [sum(up[i].item() * matrix[i, j].item() for i in range(4)) for j in range(3)]
    assert w.grad.tolist() == pytest.approx(by_hand, rel=1e-12)


# -- midterm review, problem 3.4: a one-dimensional ConvNet ----------------------------------------------------------


def solution(z, delta):
    """003, slides 28 to 31: ∂L/∂z, as printed there."""
    (z1, z2, z3), (d1, d2) = z, delta
    left, right = max(z1, z2, 0), max(z2, z3, 0)
    return [d1 * (z1 == left), d1 * (z2 == left) + d2 * (z2 == right), d2 * (z3 == right)]


POOLS = {
    "max_pool1d, then relu": lambda z: F.relu(F.max_pool1d(z[None, None], 2, 1))[0, 0],
    "relu, then max_pool1d": lambda z: F.max_pool1d(F.relu(z)[None, None], 2, 1)[0, 0],
    "maximum": lambda z: torch.maximum(torch.maximum(z[:2], z[1:]), torch.zeros(2)),
    "amax": lambda z: torch.stack([z[:2], z[1:], torch.zeros(2)]).amax(0),
    "max": lambda z: torch.stack([z[:2], z[1:], torch.zeros(2)]).max(0).values,
}


def gradient(pool, z, delta=(10.0, 100.0)):
    z = torch.tensor(z, requires_grad=True)
    pool(z).backward(torch.tensor(delta))
    return z.grad.tolist()


@pytest.mark.parametrize("pool", POOLS.values(), ids=POOLS)
def test_problem_3_4_the_gradient_of_max_pooling_with_zero(pool):
    """003, slides 28 to 31: v₁ = max{z₁, z₂, 0}, v₂ = max{z₂, z₃, 0}; every order of z₁, z₂, z₃ and 0, no ties."""
    for z in {z for z in itertools.product([-2.0, -1.0, -0.5, 1.0, 2.0, 3.0], repeat=3) if len(set(z)) == 3}:
        assert gradient(pool, z) == solution(z, (10, 100))


TIES = {  # z = (2, 2, 1) and (0, -1, -1): what the formula of the slide gives, and which way the gradient goes here
    "slide": ([10, 110, 0], [10, 0, 0]),
    "max_pool1d, then relu": ([10, 100, 0], [0, 0, 0]),
    "relu, then max_pool1d": ([10, 100, 0], [0, 0, 0]),
    "maximum": ([5, 105, 0], [5, 0, 0]),
    "amax": ([5, 105, 0], [5, 0, 0]),
    "max": ([10, 100, 0], [10, 0, 0]),
}


@pytest.mark.parametrize("name", TIES)
def test_problem_3_4_which_way_ties_go(name):
    """003, slides 28 to 31: the formula hands δ₁ to both of two equal maxima, more than there is.

    Here it is handed out once: pooling and `max` give it to the first of the equals, `amax` and `maximum` share it
    equally, and ReLU keeps it at z = 0, its slope there being 0. PyTorch does the same.
    """
    for z, expected in zip(((2.0, 2.0, 1.0), (0.0, -1.0, -1.0)), TIES[name], strict=True):
        assert (solution(z, (10, 100)) if name == "slide" else gradient(POOLS[name], z)) == expected


@pytest.mark.parametrize("name", POOLS)
def test_ties_go_as_in_pytorch(name, torch):
    """The same, with PyTorch's functions."""
    pools = {
        "max_pool1d, then relu": lambda z: torch.relu(torch.nn.functional.max_pool1d(z[None, None], 2, 1))[0, 0],
        "relu, then max_pool1d": lambda z: torch.nn.functional.max_pool1d(torch.relu(z)[None, None], 2, 1)[0, 0],
        "maximum": lambda z: torch.maximum(torch.maximum(z[:2], z[1:]), torch.zeros(2)),
        "amax": lambda z: torch.stack([z[:2], z[1:], torch.zeros(2)]).amax(0),
        "max": lambda z: torch.stack([z[:2], z[1:], torch.zeros(2)]).max(0).values,
    }
    for start, expected in zip(((2.0, 2.0, 1.0), (0.0, -1.0, -1.0)), TIES[name], strict=True):
        z = torch.tensor(start, requires_grad=True)
        pools[name](z).backward(torch.tensor([10.0, 100.0]))
        assert z.grad.tolist() == expected


def test_problem_3_4_the_whole_net():
    """003, slide 27: L = ½(y − ŷ)², ŷ = wᵀv + a, z = K x + b with the banded 3 × 5 matrix of k; all gradients by hand."""
    x = torch.tensor([1.0, -2.0, 3.0, 1.0, 2.0])
    k, w = (torch.tensor(v, requires_grad=True) for v in ([1.0, 2.0, 1.0], [3.0, -1.0]))
    a, b = (torch.tensor(v, requires_grad=True) for v in (0.5, 1.0))
    y = 4.0

    z = F.conv1d(x[None, None], k[None, None])[0, 0] + b
    banded = nn.utils.conv_matrix(k.detach()[None, None], (1, 5))
    assert banded.tolist() == [[1, 2, 1, 0, 0], [0, 1, 2, 1, 0], [0, 0, 1, 2, 1]]
    assert z.tolist() == (banded @ x + 1).tolist() == [1, 6, 8]
    z.retain_grad()
    v = F.relu(F.max_pool1d(z[None, None], 2, 1))[0, 0]
    assert v.tolist() == [6, 8]
    y_hat = w @ v + a
    assert y_hat.item() == 10.5
    (0.5 * (y - y_hat) ** 2).backward()

    d_y_hat = 10.5 - y
    assert a.grad.item() == d_y_hat
    assert w.grad.tolist() == [d_y_hat * 6, d_y_hat * 8]
    d_z = [0, d_y_hat * 3, d_y_hat * -1]  # δ₁ goes to z₂, δ₂ to z₃
    assert z.grad.tolist() == solution((1, 6, 8), (d_y_hat * 3, d_y_hat * -1)) == d_z
    assert b.grad.item() == sum(d_z)
    assert k.grad.tolist() == [sum(d_z[i] * x[i + r].item() for i in range(3)) for r in range(3)]


# -- vanishing and exploding gradients, clipping ---------------------------------------------------------------------


def gradient_norms(scale, steps=30, hidden=8):
    """‖∂h_T/∂h₀‖ of a vanilla RNN whose recurrent matrix is `scale` times an orthogonal one, and of a linear one."""
    torch.manual_seed(0)
    W = scale * nn.init.orthogonal_(torch.empty(hidden, hidden, dtype=torch.float64))
    norms = []
    for activation in (torch.tanh, lambda x: x):
        h0 = h = (0.01 * torch.randn(hidden, dtype=torch.float64)).requires_grad_()
        for _ in range(steps):
            h = activation(W @ h)
        norms.append(torch.autograd.grad(h, h0, torch.ones(hidden, dtype=torch.float64))[0].norm().item())
    return norms


def test_vanishing_and_exploding_gradient():
    """003, slides 67 to 70: ∂h_T/∂h₀ = Π tanh′ · W^T: a factor of W at each of T steps."""
    for scale in (0.5, 1.0, 1.5):
        squashed, linear = gradient_norms(scale)
        assert linear == pytest.approx(8**0.5 * scale**30, rel=1e-6)
        assert squashed <= linear
    assert gradient_norms(0.5)[0] < 1e-8
    assert gradient_norms(1.5)[1] > 1e5


def test_clipping_per_element():
    """001, Lecture 7: ḡᵢ = max(min(gᵢ, c), −c)."""
    p = nn.Parameter(torch.zeros(4))
    p.grad = torch.tensor([0.5, -3.0, 2.0, -0.1])
    nn.utils.clip_grad_value_([p], 1.0)
    assert p.grad.tolist() == [0.5, -1, 1, pytest.approx(-0.1)]


@pytest.mark.parametrize("c", [1.0, 5.0, 20.0])
def test_clipping_by_the_norm(c):
    """001, Lecture 7: ḡ = g·min(‖g‖, c)/‖g‖, over all parameters together; it keeps the direction."""
    a, b = (nn.Parameter(torch.zeros(n, dtype=torch.float64)) for n in (2, 1))
    a.grad, b.grad = torch.tensor([3.0, 4.0], dtype=torch.float64), torch.tensor([12.0], dtype=torch.float64)
    norm = nn.utils.clip_grad_norm_([a, b], c)
    assert norm.item() == 13
    assert [*a.grad.tolist(), *b.grad.tolist()] == pytest.approx([g * min(13, c) / 13 for g in (3, 4, 12)], rel=1e-6)


def test_the_clipping_of_the_review():
    """003, slide 70: the code there compares with the square of the norm; with a root it is `clip_grad_norm_`."""
    grad, threshold = torch.tensor([3.0, 4.0], dtype=torch.float64), 1.0
    square = (grad * grad).sum()
    assert (grad * (threshold / square)).norm().item() == pytest.approx(threshold / 5)  # too short by ‖g‖
    p = nn.Parameter(torch.zeros(2, dtype=torch.float64))
    p.grad = grad.clone()
    nn.utils.clip_grad_norm_([p], threshold)
    assert torch.allclose(p.grad, grad * (threshold / square.sqrt()), rtol=1e-6)
    assert p.grad.norm().item() == pytest.approx(threshold, rel=1e-6)
