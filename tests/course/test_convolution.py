"""Convolution: sizes, the operation itself, its matrix, its gradients."""

import numpy as np
import pytest

import autograd as torch
import nn
import nn.functional as F
from nn.utils import conv_matrix, fully_convolutional, linear_to_conv


def image(rows):
    """A batch of one picture with one channel."""
    return torch.tensor(rows, dtype=torch.float32)[None, None]


def parameters(layer):
    return sum(p.numel() for p in layer.parameters())


# -- sizes -----------------------------------------------------------------------------------------------------------


def test_problem_1_dimensions_of_a_convolution():
    """000, section 1.1, problem 1: a 32×32×3 image and 5×5×3 filters, stride 1."""
    x = torch.randn(1, 3, 32, 32)
    assert nn.Conv2d(3, 1, 5)(x).shape == (1, 1, 28, 28)
    assert nn.Conv2d(3, 1, 5, padding=2)(x).shape == (1, 1, 32, 32)
    ten = nn.Conv2d(3, 10, 5, padding=2)
    assert ten(x).shape == (1, 10, 32, 32)
    assert ten.weight[0].numel() == 5 * 5 * 3 == 75
    assert ten.weight.numel() == 750
    assert parameters(ten) == 76 * 10 == 760


def test_a_1x1_convolution_is_a_linear_map_of_the_channels_at_each_position():
    """000, section 1.1, solution 1.4."""
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64)
    conv, linear = nn.Conv2d(6, 4, 1, dtype=torch.float64), nn.Linear(6, 4, dtype=torch.float64)
    linear.weight.data, linear.bias.data = conv.weight.data[:, :, 0, 0], conv.bias.data
    y = conv(x)
    assert y.shape == (2, 4, 5, 7)
    assert torch.allclose(y, linear(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2), rtol=1e-12)


@pytest.mark.parametrize(
    ("W", "F_", "P", "S", "expected"),
    [(7, 3, 0, 1, 5), (7, 3, 0, 2, 3), (32, 5, 0, 1, 28), (32, 5, 2, 1, 32), (224, 11, 2, 4, 55), (16, 5, 2, 1, 16)],
)  # fmt: skip
def test_the_size_of_a_convolution(W, F_, P, S, expected):
    """002, Convolutional Layer: (W − F + 2P)/S + 1 neurons fit; a stride that does not fit is rounded down."""
    assert expected == (W - F_ + 2 * P) // S + 1
    assert nn.Conv2d(1, 1, F_, stride=S, padding=P)(torch.zeros(1, 1, W, W)).shape == (1, 1, expected, expected)


def test_a_stride_that_does_not_fit_leaves_the_last_pixels_out():
    """002, Convolutional Layer: (7 − 4)/2 + 1 = 2.5 neurons: two, and the last pixel is never seen."""
    x = torch.zeros(1, 1, 7, requires_grad=True)
    y = F.conv1d(x, torch.ones(1, 1, 4), stride=2)
    assert y.shape == (1, 1, 2)
    y.sum().backward()
    assert x.grad.tolist() == [[[1, 1, 2, 2, 1, 1, 0]]]


@pytest.mark.parametrize("kernel", [1, 3, 5, 7])
def test_padding_by_half_a_filter_keeps_the_size(kernel):
    """002, Convolutional Layer: P = (F − 1)/2 at stride 1 keeps the size, for odd filters."""
    assert nn.Conv2d(1, 1, kernel, padding=(kernel - 1) // 2)(torch.zeros(1, 1, 9, 9)).shape == (1, 1, 9, 9)


def test_the_parameters_of_the_reading():
    """002, section 1: why fully connected layers are too large for images, and what a convolution needs."""
    assert nn.Linear(200 * 200 * 3, 1, bias=False).weight.numel() == 120_000
    assert nn.Conv2d(3, 12, 3, padding=1)(torch.zeros(1, 3, 32, 32)).shape == (1, 12, 32, 32)
    neuron = nn.Conv2d(3, 1, 5)
    assert (neuron.weight.numel(), neuron.bias.numel()) == (5 * 5 * 3, 1) == (75, 1)
    F_, D, K = 3, 8, 20
    layer = nn.Conv2d(D, K, F_)
    assert (layer.weight.numel(), layer.bias.numel()) == (F_ * F_ * D * K, K)


def test_six_filters_give_a_new_image_of_28_28_6():
    """001, convolution; 002, section 2; 003, slide 40: Hₒ = Hᵢ − F + 1."""
    x = torch.randn(1, 3, 32, 32)
    assert F.conv2d(x, torch.randn(1, 3, 5, 5)).shape == (1, 1, 28, 28)
    assert F.conv2d(x, torch.randn(6, 3, 5, 5)).shape == (1, 6, 28, 28)


# -- the operation ---------------------------------------------------------------------------------------------------

X = [[1, 1, 2, 4], [5, 6, 7, 8], [3, 2, 1, 0], [1, 2, 3, 4]]
W = [[0, 1], [2, 3]]


def test_the_quick_exercise():
    """004, slides 34 and 35: the filter slides over the input; ?? is 18."""
    assert F.conv2d(image(X), image(W))[0, 0].tolist() == [[29, 35, 42], [18, 14, 10], [10, 14, 18]]
    assert 1 * 0 + 0 * 1 + 3 * 2 + 4 * 3 == 18


def test_a_filter_finds_its_pattern():
    """004, slide 36: a falling and a rising diagonal under [[0, 1], [1, 0]]."""
    rising = image([[0, 1], [1, 0]])
    eye = torch.eye(4)[None, None]
    assert F.conv2d(eye, rising)[0, 0].tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert F.conv2d(eye.flip(3), rising)[0, 0].tolist() == [[0, 0, 2], [0, 2, 0], [2, 0, 0]]


def test_weights_that_a_filter_saves():
    """004, slide 36: 16 → 9 fully connected needs 144 weights, the filter 4; as a matrix, 9 × 4 of them are not 0."""
    assert nn.Linear(16, 9, bias=False).weight.numel() == 144
    assert nn.Conv2d(1, 1, 2, bias=False).weight.numel() == 4
    matrix = conv_matrix(torch.ones(1, 1, 2, 2), (1, 4, 4))
    assert matrix.shape == (9, 16)
    assert (matrix != 0).sum() == 9 * 4


def test_padding():
    """004, slides 37 and 38: one row and column of zeros on each side, as printed there."""
    padded = F.pad(image(X), (1, 1, 1, 1))
    assert padded[0, 0].tolist() == [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 2, 4, 0],
        [0, 5, 6, 7, 8, 0],
        [0, 3, 2, 1, 0, 0],
        [0, 1, 2, 3, 4, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    expected = [[3, 5, 8, 16, 8], [16, 29, 35, 42, 16], [14, 18, 14, 10, 0], [6, 10, 14, 18, 8], [1, 2, 3, 4, 0]]
    assert F.conv2d(padded, image(W))[0, 0].tolist() == expected
    assert F.conv2d(image(X), image(W), padding=1)[0, 0].tolist() == expected


def test_with_padding_a_corner_is_used_four_times():
    """004, slide 38: the 1 in the corner meets the filter once without padding, four times with it."""
    uses = [(conv_matrix(torch.ones(1, 1, 2, 2), (1, 4, 4), padding=p) != 0).sum(0)[0].item() for p in (0, 1)]
    assert uses == [1, 4]


@pytest.mark.parametrize(
    ("stride", "expected"), [(1, [[29, 35, 42], [18, 14, 10], [10, 14, 18]]), (2, [[29, 42], [10, 18]])]
)
def test_stride(stride, expected):
    """004, slide 39."""
    assert F.conv2d(image(X), image(W), stride=stride)[0, 0].tolist() == expected


def test_channels_are_added_up_and_filters_stacked():
    """004, slides 40 and 41: a filter has a plane for each input channel; each filter gives an output channel."""
    x, w = torch.randn(1, 3, 6, 6, dtype=torch.float64), torch.randn(5, 3, 2, 2, dtype=torch.float64)
    y = F.conv2d(x, w)
    assert y.shape == (1, 5, 5, 5)
    for k in range(5):
        planes = [F.conv2d(x[:, c : c + 1], w[k : k + 1, c : c + 1]) for c in range(3)]
        assert torch.allclose(y[:, k : k + 1], planes[0] + planes[1] + planes[2], rtol=1e-12)


def test_the_convolution_of_signal_processing_flips_the_filter_and_commutes():
    """002, section 2: (h ∗ f)(x, y) = Σ h(i, j) f(x − i, y − j) = f ∗ h; layers do not flip (000, section 1.1)."""

    def convolve(f, h):
        (R, S) = h.shape
        return F.conv2d(f[None, None], h.flip(0, 1)[None, None], padding=(R - 1, S - 1))[0, 0]

    f, h = torch.randn(6, 5, dtype=torch.float64), torch.randn(3, 2, dtype=torch.float64)
    expected = np.zeros((8, 6))
    for i in range(3):
        for j in range(2):
            expected[i : i + 6, j : j + 5] += h[i, j].item() * f.numpy()
    np.testing.assert_allclose(convolve(f, h), expected, rtol=1e-12, atol=1e-14)
    assert torch.allclose(convolve(f, h), convolve(h, f), rtol=1e-12, atol=1e-14)


# -- one dimension: the matrix and the gradients ---------------------------------------------------------------------


def correlate(x, w, padding=0):
    """x ⋆ w of two vectors."""
    return F.conv1d(x[None, None], w[None, None], padding=padding)[0, 0]


def test_a_convolution_by_hand():
    """000, section 1.1: y[0] is the dot product of w and x[0:k], then the filter moves on by s; n − k + 1 outputs."""
    x, w = torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0]), torch.tensor([1.0, 10.0, 100.0])
    assert correlate(x, w).tolist() == [421, 842, 1684]
    assert F.conv1d(x[None, None], w[None, None], stride=2)[0, 0].tolist() == [421, 1684]


def test_problem_2_convolution_as_matrix_multiplication():
    """000, section 1.2, problem 2: x ∈ ℝ⁴ padded by 1 on each end, w ∈ ℝ³."""
    x, w = torch.tensor([2.0, 3.0, 5.0, 7.0]), torch.tensor([11.0, 13.0, 17.0])
    (x1, x2, x3, x4), (w1, w2, w3) = x.tolist(), w.tolist()
    padded = F.pad(x, (1, 1))
    assert padded.tolist() == [0, x1, x2, x3, x4, 0]
    W = conv_matrix(w[None, None], (1, 6))
    assert W.tolist() == [
        [w1, w2, w3, 0, 0, 0],
        [0, w1, w2, w3, 0, 0],
        [0, 0, w1, w2, w3, 0],
        [0, 0, 0, w1, w2, w3],
    ]
    solution = [x1 * w2 + x2 * w3, x1 * w1 + x2 * w2 + x3 * w3, x2 * w1 + x3 * w2 + x4 * w3, x3 * w1 + x4 * w2]
    assert (W @ padded).tolist() == correlate(padded, w).tolist() == correlate(x, w, padding=1).tolist() == solution
    assert conv_matrix(w[None, None], (1, 4), padding=1).tolist() == W[:, 1:5].tolist()


def test_problem_2_in_two_dimensions():
    """000, section 1.2: any linear map is a matrix; here that of the quick exercise, mostly zeros."""
    M = conv_matrix(image(W), (1, 4, 4))
    assert (M @ image(X).flatten()).reshape(3, 3).tolist() == [[29, 35, 42], [18, 14, 10], [10, 14, 18]]
    assert M[0].tolist() == [0, 1, 0, 0, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    assert M[8].tolist() == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 3]


def test_problem_3_the_backward_pass():
    """000, section 1.3, problem 3: y = x ⋆ w ∈ ℝ²; both gradients are convolutions themselves."""
    x = torch.tensor([2.0, 3.0, 5.0, 7.0], requires_grad=True)
    w = torch.tensor([11.0, 13.0, 17.0], requires_grad=True)
    delta = torch.tensor([19.0, 23.0])
    correlate(x, w).backward(delta)
    (x1, x2, x3, x4), (w1, w2, w3), (d1, d2) = x.tolist(), w.tolist(), delta.tolist()
    assert x.grad.tolist() == [w1 * d1, w2 * d1 + w1 * d2, w3 * d1 + w2 * d2, w3 * d2]
    assert w.grad.tolist() == [d1 * x1 + d2 * x2, d1 * x2 + d2 * x3, d1 * x3 + d2 * x4]
    assert x.grad.tolist() == correlate(delta, w.detach().flip(0), padding=2).tolist()
    assert w.grad.tolist() == correlate(x.detach(), delta).tolist()
    M = conv_matrix(w[None, None], (1, 4)).detach()
    assert x.grad.tolist() == (M.T @ delta).tolist()


# -- fully connected and convolutional layers ------------------------------------------------------------------------


def test_a_fully_connected_layer_is_a_convolution_that_covers_its_input():
    """002, Convolutional Layer, note on FC and CONV; 003, slide 45: a filter of size H × W, weights reshaped."""
    linear = nn.Linear(7 * 7 * 16, 40, dtype=torch.float64)
    conv = nn.Conv2d(16, 40, 7, dtype=torch.float64)
    conv.weight.data, conv.bias.data = linear.weight.data.reshape(40, 16, 7, 7), linear.bias.data
    x = torch.randn(3, 16, 7, 7, dtype=torch.float64)
    assert conv(x).shape == (3, 40, 1, 1)
    assert torch.allclose(conv(x).flatten(1), linear(x.flatten(1)), rtol=1e-11, atol=1e-13)
    assert torch.equal(linear_to_conv(linear, (16, 7, 7)).weight, conv.weight)


def test_a_layer_behind_it_becomes_a_1x1_convolution():
    """002, Convolutional Layer: reshape to 1 × 1 × D, each filter extends through the whole depth."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 6, 32), nn.ReLU(), nn.Linear(32, 10)
    )
    dense = fully_convolutional(model, (1, 8, 8))
    assert [tuple(p.shape) for p in dense.parameters() if p.ndim == 4] == [(4, 1, 3, 3), (32, 4, 6, 6), (10, 32, 1, 1)]
    x = torch.randn(2, 1, 8, 8)
    assert torch.allclose(dense(x).flatten(1), model(x), atol=1e-5)
    assert dense(torch.randn(2, 1, 8, 11)).shape == (2, 10, 1, 4)


def test_a_convolution_of_width_1_is_a_linear_layer():
    """004, slide 56: the first layer of MLP 2 of the MLP-Mixer; x is (channels, patches), so Linear takes x.T."""
    channels, patches = 5, 9
    weight, bias = torch.randn(channels, channels), torch.randn(channels)
    x = torch.randn(channels, patches)
    linear, conv = nn.Linear(channels, channels), nn.Conv1d(channels, channels, kernel_size=1)
    assert (linear.weight.shape, conv.weight.shape) == ((5, 5), (5, 5, 1))
    assert (linear.bias.shape, conv.bias.shape) == ((5,), (5,))
    conv.weight.data, conv.bias.data = weight.unsqueeze(-1), bias
    linear.weight.data, linear.bias.data = weight, bias
    assert torch.allclose(linear(x.T).T, conv(x), atol=1e-6)
    with pytest.raises(RuntimeError):
        linear(x)  # as the slide has it: 9 patches are not 5 channels


def test_token_mixing_is_one_filter_shared_by_all_channels():
    """004, slide 55: MLP 1 of the Mixer is a depth-wise convolution over all patches with shared parameters."""
    channels, patches, hidden = 5, 9, 4
    linear = nn.Linear(patches, hidden, bias=False, dtype=torch.float64)
    x = torch.randn(channels, patches, dtype=torch.float64)
    shared = linear.weight.repeat(channels, 1)[:, None]  # hidden filters for each channel, the same for all
    assert torch.allclose(F.conv1d(x, shared, groups=channels).reshape(channels, hidden), linear(x), rtol=1e-12)
