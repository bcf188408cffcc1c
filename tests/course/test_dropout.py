"""Dropout: scaled in training, nothing at test time, an average over many nets."""

import pytest

import autograd as torch
import nn
import nn.functional as F


def test_inverted_dropout():
    """000, section 3: the mask is divided by p_keep in training; the model is unchanged at test time."""
    p_keep = 0.8
    x = torch.randn(50, 40, dtype=torch.float64, requires_grad=True)
    dropout = nn.Dropout(1 - p_keep)
    y = dropout(x)
    kept = y != 0
    assert torch.allclose(y, x * kept / p_keep, rtol=1e-12)
    assert kept.double().mean().item() == pytest.approx(p_keep, abs=0.04)  # four deviations
    y.sum().backward()
    assert torch.allclose(x.grad, kept.double() / p_keep, rtol=1e-12)
    assert torch.equal(dropout.eval()(x), x)


def test_the_sample_code():
    """000, section 3: H ∗= (rand < p) / p, the probability p of keeping a unit; E[H·U] = H."""
    p, H = 0.5, torch.rand(3)
    U = (torch.rand(20_000, 3) < p) / p
    assert sorted(set(U.flatten().tolist())) == [0, 1 / p]
    assert torch.allclose((H * U).mean(0), H, atol=0.04)


def test_halved_weights_at_test_time_are_the_average():
    """001, dropout: without scaling in training, W̄ = W/2, since half of the dimensions are 0 on average."""
    x, W = torch.randn(4, dtype=torch.float64), torch.randn(3, 4, dtype=torch.float64)
    masks = torch.cartesian_prod(*[torch.tensor([0.0, 1.0], dtype=torch.float64)] * 4)
    assert len(masks) == 2**4  # as many nets as there are masks
    assert torch.allclose(((masks * x) @ W.T).mean(0), (W / 2) @ x, rtol=1e-12)
    assert torch.allclose(F.linear(x, W / 2), F.linear(x / 2, W), rtol=1e-12)
