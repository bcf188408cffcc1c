"""Pooling: sizes, the figures of the slides, and which of several equal maxima gets the gradient."""

import pytest

import autograd as torch
import nn
import nn.functional as F

X = torch.tensor([[3.0, 5, 8, 16], [16, 29, 35, 42], [14, 18, 14, 10], [6, 10, 14, 18]])[None, None]


def test_max_and_average_pooling():
    """004, slide 42: filter size 2, stride 2."""
    assert nn.MaxPool2d(2, 2)(X)[0, 0].tolist() == [[29, 42], [18, 18]]
    assert nn.AvgPool2d(2, 2)(X)[0, 0].tolist() == [[13.25, 25.25], [12, 14]]
    assert not list(nn.MaxPool2d(2, 2).parameters())


def test_max_pooling_is_robust_to_a_small_shift():
    """004, slide 43: the input moved to the left by one pixel, new values on the right."""
    x = [[3.0, 5, 8, 16], [16, 29, 24, 42], [14, 18, 14, 10], [6, 10, 14, 18]]
    shifted = [[5.0, 8, 16, 10], [29, 24, 42, 3], [18, 14, 10, 4], [10, 14, 18, 5]]
    for each in (x, shifted):
        assert F.max_pool2d(torch.tensor(each)[None, None], 2, 2)[0, 0].tolist() == [[29, 42], [18, 18]]


def test_the_size_of_a_pooling():
    """002, Pooling Layer: (W − F)/S + 1, the depth stays, no parameters; 2 × 2 at stride 2 discards 75 %."""
    x = torch.randn(1, 12, 32, 32)
    for F_, S in ((2, 2), (3, 2), (3, 1), (4, 3)):
        n = (32 - F_) // S + 1
        assert F.max_pool2d(x, F_, S).shape == F.avg_pool2d(x, F_, S).shape == (1, 12, n, n)
    assert F.max_pool2d(x, 2, 2).numel() == x.numel() // 4


def test_pooling_acts_on_every_depth_slice_by_itself():
    """002, Pooling Layer."""
    x = torch.randn(2, 3, 6, 6)
    for c in range(3):
        assert torch.equal(F.max_pool2d(x, 2)[:, c], F.max_pool2d(x[:, c : c + 1], 2)[:, 0])


def test_l2_norm_pooling():
    """002, Pooling Layer: √(Σ x²) over each window, of 2 × 2 at stride 2."""
    norms = F.lp_pool2d(X, 2, 2, 2)[0, 0]
    windows = [[(3, 5, 16, 29), (8, 16, 35, 42)], [(14, 18, 6, 10), (14, 10, 14, 18)]]
    for i in range(2):
        for j in range(2):
            assert norms[i, j].item() == pytest.approx(sum(v * v for v in windows[i][j]) ** 0.5, rel=1e-6)
    assert torch.allclose(norms, (4 * F.avg_pool2d(X**2, 2))[0, 0].sqrt())


def test_global_average_pooling():
    """004, slide 50: (channel, height, width) → one average for each channel."""
    x = torch.randn(2, 7, 4, 6)
    y = nn.AdaptiveAvgPool2d(1)(x).flatten(1)
    assert y.shape == (2, 7)
    assert torch.allclose(y, x.mean((2, 3)), atol=1e-6)


def test_the_gradient_of_a_maximum_goes_to_the_maximum():
    """003, the max gate is a gradient router; of equal maxima the first of the window, row by row, gets all of it."""
    x = torch.tensor([[1.0, 7, 7, 2], [7, 0, 2, 2]], requires_grad=True)
    F.max_pool2d(x[None, None], 2).backward(torch.tensor([[[[10.0, 20.0]]]]))
    assert x.grad.tolist() == [[0, 10, 20, 0], [0, 0, 0, 0]]
