"""Losses: the hinge loss and softmax of the cat, and the loss before training."""

import math

import pytest

import autograd as torch
import nn
import nn.functional as F

SCORES = torch.tensor([3.2, 5.1, -1.7], dtype=torch.float64)  # cat, car, frog; the picture shows a cat
CAT = torch.tensor(0)


def svm_loss(scores, label):
    """Σ_{j ≠ y} max(0, s_j − s_y + 1)."""
    margins = torch.clamp(scores - scores[label] + 1, min=0)
    margins[label] = 0
    return margins.sum()


def test_multiclass_svm_loss():
    """003, slides 11 and 12: max(0, 2.9) + max(0, −3.9) = 2.9."""
    assert (SCORES - SCORES[0] + 1)[1:].tolist() == pytest.approx([2.9, -3.9])
    assert svm_loss(SCORES, 0).item() == pytest.approx(2.9)
    assert 3 * F.multi_margin_loss(SCORES[None], CAT[None]).item() == pytest.approx(2.9)  # it divides by the classes


def test_multiclass_svm_loss_of_the_three_pictures():
    """003, slide 10: the columns of scores; the car is right by more than 1, so its loss is 0."""
    scores = torch.tensor([[3.2, 5.1, -1.7], [1.3, 4.9, 2.0], [2.2, 2.5, -3.1]], dtype=torch.float64)
    losses = [svm_loss(s, y).item() for y, s in enumerate(scores)]
    assert losses == pytest.approx([2.9, 0, 6.3 + 6.6])
    mean = F.multi_margin_loss(scores, torch.arange(3)).item()
    assert 3 * mean == pytest.approx((2.9 + 0 + 12.9) / 3)


def test_twice_the_weights_keep_a_loss_of_zero():
    """003, slide 13: if L(W) = 0 then L(2W) = 0, hence regularization."""
    scores = torch.tensor([1.3, 4.9, 2.0])
    assert svm_loss(scores, 1).item() == svm_loss(2 * scores, 1).item() == 0


def test_softmax_loss():
    """003, slide 15: 24.5, 164.0, 0.18 → 0.13, 0.87, 0.00 → −log 0.13 = 2.04."""
    exp = SCORES.exp()
    assert [round(v, 1) for v in exp.tolist()[:2]] == [24.5, 164.0]
    assert round(exp[2].item(), 2) == 0.18
    probabilities = F.softmax(SCORES, dim=0)
    assert [round(p, 2) for p in probabilities.tolist()] == [0.13, 0.87, 0.00]
    assert torch.allclose(probabilities, exp / exp.sum(), rtol=1e-12)
    loss = F.cross_entropy(SCORES[None], CAT[None])
    assert round(loss.item(), 2) == 2.04
    assert loss.item() == pytest.approx(-math.log(probabilities[0].item()))


def test_cross_entropy_is_the_formula_with_one_hot_labels():
    """004, slide 5: J = −Σₙ Σₖ yₙₖ log fₖ(xₙ), f the softmax; 004, slide 10: its gradient is f − y."""
    u = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    labels = torch.tensor([0, 3, 1, 1, 2, 0])
    y, f = F.one_hot(labels, 4), F.softmax(u, dim=1)
    loss = -(y * f.log()).sum()
    assert loss.item() == pytest.approx(F.cross_entropy(u, labels, reduction="sum").item(), rel=1e-12)
    assert torch.allclose(f.sum(1), torch.ones(6, dtype=torch.float64))
    (grad,) = torch.autograd.grad(loss, u)
    assert torch.allclose(grad, (f - y).detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("K", "printed", "expected"), [(10, 2.3, 2.303), (100, 4.6, 4.605), (1000, 6.9, 6.908)])
def test_the_loss_to_expect_before_training(K, printed, expected):
    """004, slide 15: equal logits [a, …, a] give probabilities 1/K and the loss −log(1/K)."""
    logits = torch.full((5, K), 0.7, dtype=torch.float64)
    assert F.softmax(logits, 1).flatten().tolist() == pytest.approx([1 / K] * (5 * K))
    loss = F.cross_entropy(logits, torch.arange(5)).item()
    assert loss == pytest.approx(-math.log(1 / K))
    assert round(loss, 3) == expected
    assert round(loss, 1) == printed


def test_regularization_shrinks_the_weights():
    """003, slide 14: L = data loss + λ R(W); R = ‖W‖² adds 2λW to the gradient, the weight decay of SGD."""
    layer = nn.Linear(3, 2, bias=False, dtype=torch.float64)
    x, labels, lam = torch.randn(4, 3, dtype=torch.float64), torch.tensor([0, 1, 1, 0]), 0.3
    data = F.cross_entropy(layer(x), labels)
    (plain,) = torch.autograd.grad(data, layer.weight, retain_graph=True)
    (both,) = torch.autograd.grad(data + lam * (layer.weight**2).sum(), layer.weight)
    assert torch.allclose(both, (plain + 2 * lam * layer.weight).detach(), rtol=1e-12)
