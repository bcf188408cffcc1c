"""Initialisation: its scale, the loss it starts from, and what it does to activations."""

import itertools
import math

import numpy as np
import pytest

import autograd as torch
import nn
import nn.functional as F


def test_problem_7_xavier():
    """000, section 4, problem 7; 001, Lecture 7; 004, slide 18: W ~ N(0, 1/Dₐ) keeps the variance."""
    torch.manual_seed(0)
    D = 400
    a = torch.randn(500, D, dtype=torch.float64)
    W = torch.randn(D, 300, dtype=torch.float64) / math.sqrt(D)
    assert W.std().item() == pytest.approx(1 / math.sqrt(D), rel=0.01)
    assert (a @ W).var().item() == pytest.approx(1, rel=0.02)
    layer = nn.Linear(D, D, dtype=torch.float64)  # Glorot's 2/(fan_in + fan_out) is 1/Dₐ for a square layer
    nn.init.xavier_normal_(layer.weight)
    assert layer.weight.mean().item() == pytest.approx(0, abs=1e-3)
    assert layer.weight.var().item() == pytest.approx(1 / D, rel=0.02)


@pytest.mark.parametrize(("scale", "growth"), [(1.0, 1.0), (2.0, 4.0), (0.5, 0.25)])
def test_magnitude_grows_or_shrinks_with_each_layer(scale, growth):
    """001, Lecture 7: E[z²] = Dₐ σ_w² σ_a²: it grows if Dₐσ_w² > 1 and shrinks if < 1."""
    torch.manual_seed(0)
    a = torch.randn(200, 256, dtype=torch.float64)
    for depth in range(1, 6):
        a = a @ (scale * torch.randn(256, 256, dtype=torch.float64) / 16)
        assert (a**2).mean().item() == pytest.approx(growth**depth, rel=0.1)


def test_kaiming():
    """001, Lecture 7; 004, slide 19: ReLU halves the variance, so the std is √(2/n)."""
    torch.manual_seed(0)
    layer = nn.Linear(500, 400, dtype=torch.float64)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    assert layer.weight.std().item() == pytest.approx(math.sqrt(2 / 500), rel=0.01)
    a = F.relu(torch.randn(300, 500, dtype=torch.float64))
    z = a @ layer.weight.T
    assert (z**2).mean().item() == pytest.approx(1, rel=0.05)


def test_orthogonal_by_svd():
    """001, Lecture 7: W = UΛVᵀ with Λ = I, that is UVᵀ: all singular values are 1."""
    U, _, Vh = np.linalg.svd(np.random.default_rng(0).standard_normal((30, 20)), full_matrices=False)
    W = torch.from_numpy(U @ Vh)
    assert torch.allclose(W.T @ W, torch.eye(20, dtype=torch.float64), atol=1e-12)
    ours = nn.init.orthogonal_(torch.empty(30, 20, dtype=torch.float64))
    assert torch.allclose(ours.T @ ours, torch.eye(20, dtype=torch.float64), atol=1e-12)
    assert np.linalg.svd(ours.numpy())[1].tolist() == pytest.approx([1] * 20)


def test_a_small_positive_bias_keeps_relus_alive():
    """001, Lecture 7: b = 0.1 avoids that ReLU zeroes everything; with small inputs all units are on."""
    torch.manual_seed(0)
    layer, x = nn.Linear(20, 50), 0.01 * torch.randn(30, 20)
    nn.init.constant_(layer.bias, 0.1)
    assert layer.bias.tolist() == pytest.approx([0.1] * 50)
    assert (F.relu(layer(x)) > 0).all()
    nn.init.zeros_(layer.bias)
    assert 0.4 < (F.relu(layer(x)) > 0).float().mean().item() < 0.6


# -- one hidden layer, MNIST-like data -------------------------------------------------------------------------------


class TwoLayerNet:
    """004, slide 9: 784 → 500 → 10 by hand."""

    def __init__(self, input_size, hidden_size, output_size, scale):
        self.W1 = torch.randn(input_size, hidden_size) * scale
        self.b1 = torch.randn(hidden_size) * scale
        self.W2 = torch.randn(hidden_size, output_size) * scale
        self.b2 = torch.randn(output_size) * scale

    def forward(self, x):
        return F.relu(x @ self.W1 + self.b1) @ self.W2 + self.b2


def digits_like(n, features=784):
    """Standardised inputs, as MNIST's pixels are after Normalize((0.1307,), (0.3081,)), and random labels."""
    return torch.randn(n, features), torch.randint(0, 10, (n,))


@pytest.mark.parametrize(("scale", "low", "high"), [(1.0, 300, 1000), (0.1, 3, 12), (1e-4, 2.3025, 2.3027)])
def test_the_loss_at_the_start_by_scale(scale, low, high):
    """004, slides 14 and 16: 815.42, 8.46 and 2.302597 on MNIST; the last is −log(1/10) = 2.302585."""
    torch.manual_seed(0)
    x, labels = digits_like(256)
    loss = F.cross_entropy(TwoLayerNet(784, 500, 10, scale).forward(x), labels).item()
    assert low < loss < high


def test_with_tiny_weights_all_hidden_units_are_alike():
    """004, slide 16: learning is super slow, since the gradients are similar at first: a = |10⁻⁴ · noise| everywhere."""
    torch.manual_seed(0)
    net = TwoLayerNet(784, 500, 10, 1e-4)
    hidden = F.relu(digits_like(64)[0] @ net.W1 + net.b1)
    assert hidden.std().item() < 0.002


def trained(net, x, labels, steps, lr):
    parameters = [net.W1, net.b1, net.W2, net.b2]
    for p in parameters:
        p.requires_grad_()
    for _ in range(steps):
        grads = torch.autograd.grad(F.cross_entropy(net.forward(x), labels), parameters)
        with torch.no_grad():
            for p, grad in zip(parameters, grads, strict=True):
                p -= lr * grad


def test_hidden_units_that_start_equal_stay_equal():
    """004, slides 12 and 13: with W1 = 0 and equal biases and outgoing weights, all columns of W1 stay the same."""
    torch.manual_seed(0)
    x, labels = digits_like(32, 12)
    net = TwoLayerNet(12, 7, 10, 1.0)
    net.W1, net.b1, net.W2 = torch.zeros(12, 7), torch.full((7,), 0.1), net.W2[:1].repeat(7, 1)
    trained(net, x, labels, steps=20, lr=0.1)
    assert net.W1.abs().max() > 0.01
    assert torch.equal(net.W1, net.W1[:, :1].repeat(1, 7))


def test_what_slide_13_prints_are_pixels_that_never_change():
    """004, slide 13: W1 = 0, but biases and W2 random: the rows printed there, of pixels at the edge, are the same.

    The columns are not: each hidden unit gets its own gradient through its row of W2, which breaks the symmetry.
    """
    torch.manual_seed(0)
    x, labels = digits_like(32, 12)
    x[:, :4] = -0.4242  # black, after Normalize
    net = TwoLayerNet(12, 7, 10, 0.1)
    net.W1 = torch.zeros(12, 7)
    trained(net, x, labels, steps=100, lr=0.1)
    assert torch.equal(net.W1[:4], net.W1[:1].repeat(4, 1))
    assert (net.W1[0].unsqueeze(0) - net.W1[0].unsqueeze(1)).abs().max() > 0.01


def test_the_weights_of_the_first_layer():
    """004, slide 13: 784 × 500 = 392,000."""
    assert TwoLayerNet(784, 500, 10, 0.1).W1.numel() == 784 * 500 == 392_000


# -- the scale through layers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("divisor", "z_std", "a_mean", "a_std"),
    [(1.0, 10.0, 3.99, 5.84), (10.0, 1.0, 0.399, 0.584), (50**0.5, 2**0.5, 0.564, 0.826)],
    ids=["N(0, 1)", "Xavier", "Kaiming"],
)
def test_one_layer_of_100_units(divisor, z_std, a_mean, a_std):
    """004, slides 17 to 19: V[Σ xᵢyᵢ] = n = 100, so std 10 (10.68 there), then 1 (1.07) and √2 (1.60); after ReLU the
    mean is z_std/√(2π) (3.96, 0.40, 0.65) and the std z_std·√(1/2 − 1/(2π)) (6.20, 0.62, 0.99): of one draw there.
    """
    torch.manual_seed(0)
    x, W1 = torch.randn(2000, 100), torch.randn(100, 100) / divisor
    assert W1.std().item() == pytest.approx(1 / divisor, rel=0.03)
    z1 = x @ W1
    a1 = F.relu(z1)
    assert z1.mean().item() == pytest.approx(0, abs=0.02 * z_std)
    assert z1.std().item() == pytest.approx(z_std, rel=0.03)
    assert a1.mean().item() == pytest.approx(a_mean, rel=0.03)
    assert a1.std().item() == pytest.approx(a_std, rel=0.03)


def stds(scale, layers=10, n=100):
    """The activations' standard deviations behind each of ten ReLU layers, and the loss of ten classes."""
    torch.manual_seed(0)
    a, found = torch.randn(256, n), []
    for _ in range(layers):
        a = F.relu(a @ (torch.randn(n, n) * scale))
        found.append(a.std().item())
    logits = a @ (torch.randn(n, 10) * scale)
    return found, F.cross_entropy(logits, torch.randint(0, 10, (256,))).item()


def test_ten_layers_under_three_initialisations():
    """004, slide 20: 0.01·N and Xavier shrink rapidly and start at a loss of 2.30; Kaiming holds, at a bit more."""
    small, small_loss = stds(0.01)
    xavier, xavier_loss = stds(1 / 100**0.5)
    kaiming, kaiming_loss = stds((2 / 100) ** 0.5)
    assert all(b < 0.2 * a for a, b in itertools.pairwise(small))
    assert all(b < 0.9 * a for a, b in itertools.pairwise(xavier))
    assert small[-1] < 1e-9
    assert xavier[-1] < 0.05 * xavier[0]
    assert kaiming[-1] > 0.4 * kaiming[0]
    assert round(small_loss, 2) == round(xavier_loss, 2) == 2.30
    assert kaiming_loss > 2.31
