"""Batch and layer normalisation: formulas, gradients, axes and modes."""

import pytest

import autograd as torch
import nn


def test_standardization():
    """001, Lecture 7; 000, section 2: (x − μ) / σ has mean 0 and deviation 1, σ² = Σ(x − μ)²/m."""
    a = 3 + 5 * torch.randn(64, 4, dtype=torch.float64)
    x = (a - a.mean(0)) / a.std(0, unbiased=False)
    assert x.mean(0).tolist() == pytest.approx([0] * 4, abs=1e-12)
    assert x.std(0, unbiased=False).tolist() == pytest.approx([1] * 4)


def test_batch_norm_is_its_formula():
    """000, section 2; 004, slide 25: û = γ (x − μ)/√(σ² + ε) + β over the batch, with γ = 1 and β = 0 at first."""
    bn = nn.BatchNorm1d(3, dtype=torch.float64)
    assert (bn.weight.tolist(), bn.bias.tolist()) == ([1, 1, 1], [0, 0, 0])
    bn.weight.data, bn.bias.data = torch.randn(3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    x = torch.randn(8, 3, dtype=torch.float64)
    mean, variance = x.sum(0) / 8, ((x - x.mean(0)) ** 2).sum(0) / 8
    assert torch.allclose(bn(x), bn.weight * (x - mean) / torch.sqrt(variance + bn.eps) + bn.bias, rtol=1e-12)


def test_problems_4_and_5_the_gradients_of_batch_norm():
    """000, section 2, solutions 4 and 5; 004, slide 28 and homework 1: the tape's gradients are the closed forms."""
    m, eps = 8, 1e-5
    x = torch.randn(m, 3, dtype=torch.float64, requires_grad=True)
    bn = nn.BatchNorm1d(3, eps=eps, dtype=torch.float64)
    bn.weight.data = torch.randn(3, dtype=torch.float64)
    dy = torch.randn(m, 3, dtype=torch.float64)
    bn(x).backward(dy)

    with torch.no_grad():
        mu, var = x.mean(0), x.var(0, unbiased=False)
        x_hat = (x - mu) / torch.sqrt(var + eps)
        d_gamma, d_beta = (dy * x_hat).sum(0), dy.sum(0)
        d_x_hat = dy * bn.weight
        d_var = -0.5 * (d_x_hat * (x - mu)).sum(0) * (var + eps) ** -1.5
        d_mu = -(d_x_hat / torch.sqrt(var + eps)).sum(0)
        dx = d_x_hat / torch.sqrt(var + eps) + d_mu / m + d_var * 2 * (x - mu) / m
    assert torch.allclose(bn.weight.grad, d_gamma, rtol=1e-10)
    assert torch.allclose(bn.bias.grad, d_beta, rtol=1e-10)
    assert torch.allclose(x.grad, dx, rtol=1e-10, atol=1e-12)


def test_gamma_and_beta_can_restore_the_activation():
    """000, section 2; 004, slide 24: with γ = √(σ² + ε) and β = μ the output is the input."""
    x = 7 + 3 * torch.randn(16, 2, dtype=torch.float64)
    bn = nn.BatchNorm1d(2, dtype=torch.float64)
    bn.weight.data, bn.bias.data = torch.sqrt(x.var(0, unbiased=False) + bn.eps), x.mean(0)
    assert torch.allclose(bn(x), x, rtol=1e-12)


def test_a_bias_before_batch_norm_does_nothing():
    """004, slide 26: BN also shifts, so that b can be left out: BN(Wu + b) = BN(Wu)."""
    u, b = torch.randn(16, 5, dtype=torch.float64), 10 * torch.randn(4, dtype=torch.float64)
    linear, bn = nn.Linear(5, 4, bias=False, dtype=torch.float64), nn.BatchNorm1d(4, dtype=torch.float64)
    assert torch.allclose(bn(linear(u) + b), bn(linear(u)), atol=1e-10)


def test_batch_norm_of_images_reduces_all_but_the_channels():
    """003, slide 65: x: N × C × H × W; μ, σ, γ, β: 1 × C × 1 × 1."""
    x = 3 + 2 * torch.randn(6, 4, 5, 7, dtype=torch.float64)
    bn = nn.BatchNorm2d(4, dtype=torch.float64)
    mean = x.mean((0, 2, 3), keepdim=True)
    variance = x.var((0, 2, 3), unbiased=False, keepdim=True)
    assert mean.shape == variance.shape == (1, 4, 1, 1)
    assert torch.allclose(bn(x), (x - mean) / torch.sqrt(variance + bn.eps), rtol=1e-12)
    assert bn.weight.shape == bn.bias.shape == bn.running_mean.shape == (4,)


def test_layer_norm_reduces_the_features_and_has_one_mode():
    """003, slide 66; 004, slide 31: μ, σ: N × 1; γ, β: 1 × D; the same in training and test."""
    x = 3 + 2 * torch.randn(6, 10, dtype=torch.float64)
    ln = nn.LayerNorm(10, dtype=torch.float64)
    mean, variance = x.mean(1, keepdim=True), x.var(1, unbiased=False, keepdim=True)
    assert mean.shape == variance.shape == (6, 1)
    y = ln.train()(x)
    assert torch.allclose(y, (x - mean) / torch.sqrt(variance + ln.eps), rtol=1e-12)
    assert torch.equal(ln.eval()(x), y)
    assert torch.equal(ln(x[:1]), y[:1])
    assert ln.weight.shape == ln.bias.shape == (10,)


def test_normalization_in_the_batch_dimension():
    """004, slide 23: three layers, normalised by hand: mean 0.00 and std 0.98 (= √(31·100/3199)) at each."""
    torch.manual_seed(0)
    a = torch.randn(32, 100)
    for _ in range(3):
        z = a @ torch.randn(100, 100)
        z = (z - z.mean(0, keepdim=True)) / torch.sqrt(z.var(0, keepdim=True) + 1e-7)
        assert f"{z.mean().item():.2f}" in ("0.00", "-0.00")
        assert f"{z.std().item():.2f}" == "0.98"
        assert z.std().item() == pytest.approx((31 * 100 / 3199) ** 0.5, rel=1e-4)
        a = torch.relu(z)


class BNNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(20, 10)
        self.bn1 = nn.BatchNorm1d(10)
        self.fc2 = nn.Linear(10, 1)

    def forward(self, x):
        return self.fc2(torch.relu(self.bn1(self.fc1(x))))


def test_train_and_eval_mode():
    """004, slides 29 and 30: in training a sample's output depends on its batch, in evaluation it does not."""
    torch.manual_seed(0)
    x = torch.randn(3, 20)
    net = BNNet()

    net.train()
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        net(x[[0],])
    assert abs(net(x[[0, 1],])[0] - net(x[[0, 2],])[0]).item() > 1e-3

    net.eval()
    alone = net(x[[0],])
    assert alone.shape == (1, 1)
    for others in ([0, 1], [0, 2]):
        assert torch.allclose(net(x[others,])[0], alone[0], atol=1e-6)


def test_running_averages_stand_for_the_statistics_of_all_training_data():
    """004, slide 29: kept during training, in place of a full forward pass after it; used as x̂ = (x − E)/√(V + ε)."""
    bn = nn.BatchNorm1d(2, momentum=None, dtype=torch.float64)  # the plain average of all batches
    batches = [3 + 2 * torch.randn(8, 2, dtype=torch.float64) for _ in range(5)]
    for batch in batches:
        bn(batch)
    mean = torch.stack([b.mean(0) for b in batches]).mean(0)
    variance = torch.stack([b.var(0) for b in batches]).mean(0)
    assert torch.allclose(bn.running_mean, mean, rtol=1e-12)
    assert torch.allclose(bn.running_var, variance, rtol=1e-12)
    x = torch.randn(1, 2, dtype=torch.float64)
    assert torch.allclose(bn.eval()(x), (x - mean) / torch.sqrt(variance + bn.eps), rtol=1e-10)


def test_layer_norm_equals_the_manual_formula():
    """004, slide 32: with weight [1, …, 1], bias [0, …, 0] and the biased variance; it works with a single sample."""
    fc1, ln1 = nn.Linear(5, 10), nn.LayerNorm(10)
    u = fc1(torch.randn(1, 5))
    gamma, beta = ln1.weight, ln1.bias
    assert (gamma.tolist(), beta.tolist()) == ([1.0] * 10, [0.0] * 10)
    scaled = (u - u.mean(dim=1, keepdim=True)) / torch.sqrt(u.var(dim=1, keepdim=True, unbiased=False) + 1e-05)
    assert torch.allclose(beta + gamma * scaled, ln1(u), atol=1e-6)
