"""Architectures: volumes, parameters and receptive fields of the nets in the documents."""

import pytest

import autograd as torch
import nn
import nn.functional as F
from nn.utils import receptive_field
from tests.course.listings.cifar_net import Net


def volumes(model, *size):
    """The volumes behind each layer that changes the size, height × width × channels."""
    rows = [row.volume for row in nn.summary(model, (1, *size)).rows if row.is_leaf]
    return [volume for i, volume in enumerate(rows) if i == 0 or volume != rows[i - 1]]


# -- midterm review, problem 3.3 -------------------------------------------------------------------------------------


def problem_3_3():
    return nn.Sequential(
        nn.Conv2d(1, 10, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Conv2d(10, 10, 5, padding=2),
        nn.MaxPool2d(2),
        nn.Sequential(nn.Flatten(), nn.Linear(8 * 8 * 10, 10)),
    )


def test_problem_3_3_the_table_of_volumes_and_parameters():
    """003, slides 46 to 51: CONV5-10, POOL2, CONV5-10, POOL2, FC-10 on 32×32×1."""
    rows = [row for row in nn.summary(problem_3_3(), (1, 1, 32, 32)).rows if row.is_leaf and row.kind != "Flatten"]
    assert [(row.kind, row.volume, row.parameters) for row in rows] == [
        ("Conv2d", "32x32x10", 10 * 1 * 5 * 5 + 10),
        ("MaxPool2d", "16x16x10", 0),
        ("Conv2d", "16x16x10", 10 * 10 * 5 * 5 + 10),
        ("MaxPool2d", "8x8x10", 0),
        ("Linear", "10", 8 * 8 * 10 * 10 + 10),
    ]
    assert [row.parameters for row in rows] == [260, 0, 2510, 0, 6410]


def test_problem_3_3_the_printed_summary_shows_it():
    """003, slides 46 to 51: the same figures, in the table that `print(nn.summary(...))` shows."""
    lines = [line.split() for line in str(nn.summary(problem_3_3(), (1, 1, 32, 32))).splitlines()]
    for kind, volume, parameters in (
        ("Conv2d", "32x32x10", "260"),
        ("Conv2d", "16x16x10", "2510"),
        ("Linear", "10", "6410"),
    ):
        assert any(line[1:2] == [kind] and volume in line and parameters in line for line in lines)
    assert any("9,180" in line for line in lines)


@pytest.mark.parametrize(
    ("width", "k", "s", "total_padding"), [(32, 5, 1, 4), (16, 5, 1, 4), (32, 2, 2, 0), (11, 3, 2, 2)]
)
def test_problem_3_3_output_width(width, k, s, total_padding):
    """003, slides 48 to 51: w_out = (w_in + w_pad − k)/s + 1, w_pad on both sides together."""
    y = F.conv1d(torch.zeros(1, 1, width), torch.zeros(1, 1, k), stride=s, padding=total_padding // 2)
    assert y.shape[2] == (width + total_padding - k) // s + 1


# -- receptive fields ------------------------------------------------------------------------------------------------


def seen(k, s, m):
    """003, slide 56: m adjacent outputs see n = k + s(m − 1) inputs."""
    return k + s * (m - 1)


def test_three_outputs_of_a_strided_filter():
    """003, slides 52 to 56: k = 5, s = 2 and 3 adjacent outputs: n = 5 + 2·(3 − 1) = 9."""
    assert seen(5, 2, 3) == 9
    x = torch.zeros(1, 1, 40, requires_grad=True)
    F.conv1d(x, torch.ones(1, 1, 5), stride=2)[0, 0, 4:7].sum().backward()
    assert (x.grad != 0).sum() == 9


def test_the_receptive_field_of_two_convolutions():
    """003, slides 60 to 64: Conv2d k=5, then Conv2d k=3, both stride 1: n = 3 in between, then 7."""
    assert seen(3, 1, 1) == 3
    assert seen(5, 1, 3) == 7
    model = nn.Sequential(nn.Conv2d(1, 2, 5), nn.Conv2d(2, 1, 3))
    field = receptive_field(model)
    assert field.size == (7, 7)
    assert [row.size for row in field.rows] == [(5, 5), (7, 7)]
    assert receptive_field(model[1]).size == (3, 3)
    for p in model.parameters():
        nn.init.ones_(p)
    x = torch.zeros(1, 1, 15, 15, requires_grad=True)
    model(x)[0, 0, 4, 4].backward()
    assert (x.grad != 0).sum() == 7 * 7
    assert (x.grad[0, 0][field.window(4, 4)] != 0).all()


def test_the_recursion_from_the_last_layer_to_the_first():
    """003, slide 59: to be computed recursively; here for the convolutions and poolings of AlexNet."""
    windows = [(11, 4), (3, 2), (5, 1), (3, 2), (3, 1), (3, 1), (3, 1), (3, 2)]
    n = 1
    for k, s in reversed(windows):
        n = seen(k, s, n)
    assert n == 195
    assert receptive_field(alexnet_features()).size == (n, n)
    assert receptive_field(alexnet_features()).jump == (32, 32)


# -- nets ------------------------------------------------------------------------------------------------------------


def alexnet_features():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 96, 11, stride=4, padding=2), nn.ReLU()),
        nn.MaxPool2d(3, 2),
        nn.LocalResponseNorm(5, alpha=5e-4, k=2.0),
        nn.Sequential(nn.Conv2d(96, 256, 5, padding=2), nn.ReLU()),
        nn.MaxPool2d(3, 2),
        nn.LocalResponseNorm(5, alpha=5e-4, k=2.0),
        nn.Sequential(nn.Conv2d(256, 384, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()),
        nn.Sequential(nn.Conv2d(384, 256, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(3, 2),
    )


def test_alexnet():
    """001, AlexNet: each volume as written there, from 224×224×3 to 6×6×256 = 9216, 4096, 4096, 1000."""
    shapes, x = [], torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        for layer in alexnet_features():
            x = layer(x)
            shapes.append(f"{x.shape[2]}x{x.shape[3]}x{x.shape[1]}")
    assert shapes == [
        "55x55x96", "27x27x96", "27x27x96",
        "27x27x256", "13x13x256", "13x13x256",
        "13x13x384", "13x13x384", "13x13x256", "6x6x256",
    ]  # fmt: skip
    assert x.flatten(1).shape == (1, 6 * 6 * 256) == (1, 9216)
    fc6, fc7, fc8 = (torch.zeros(b, a) for a, b in ((9216, 4096), (4096, 4096), (4096, 1000)))
    assert fc6.shape == (4096, 9216)  # "matrix is 4096 × 9216"
    assert F.linear(F.linear(F.linear(x.flatten(1), fc6), fc7), fc8).shape == (1, 1000)


def test_the_alexnet_of_the_models():
    """001, AlexNet: `nn.models.alexnet` has the one-tower widths 64 and 192 in front, and the same sides and classifier."""
    model = nn.models.alexnet(local_response_norm=True)
    rows = [row for row in nn.summary(model, (1, 3, 224, 224)).rows if row.is_leaf]
    sides = [row.volume.split("x")[0] for row in rows if row.kind in ("Conv2d", "MaxPool2d")]
    assert sides == ["55", "27", "27", "13", "13", "13", "13", "6"]
    kinds = [row.kind for row in rows if row.kind in ("MaxPool2d", "LocalResponseNorm")]
    assert kinds == ["MaxPool2d", "LocalResponseNorm", "MaxPool2d", "LocalResponseNorm", "MaxPool2d"]
    assert [layer.in_features for layer in model.modules() if isinstance(layer, nn.Linear)] == [9216, 4096, 4096]
    assert rows[-1].volume == "1000"
    assert receptive_field(model.features).size == (195, 195)


def test_local_response_norm():
    """001, Norm 1 and 2: yₖ = xₖ / (2 + 10⁻⁴ Σ x²)^¾, the sum over five neighbouring channels (Krizhevsky et al. 2012)."""
    x = 30 * torch.randn(1, 9, 2, 2, dtype=torch.float64)
    y = nn.LocalResponseNorm(5, alpha=5e-4, k=2.0)(x)
    for k in range(9):
        total = (x[:, max(k - 2, 0) : k + 3] ** 2).sum(1)
        assert torch.allclose(y[:, k], x[:, k] / (2 + 1e-4 * total) ** 0.75, rtol=1e-12)


def test_the_simple_convolutional_net():
    """004, slide 44: a CIFAR image through two convolutions, two poolings and three linear layers."""
    assert volumes(Net(), 3, 32, 32) == ["28x28x6", "14x14x6", "10x10x16", "5x5x16", "120", "84", "10"]
    assert nn.summary(Net(), (1, 3, 32, 32)).total_parameters == 456 + 2416 + 48120 + 10164 + 850 == 62006


def test_lenet_5():
    """004, slides 47 and 48: f₁ = 32 − 28 + 1 = 5, f₂ = 14 − 10 + 1 = 5, no padding, stride 1; pooling 2×2, stride 2."""
    model = nn.models.lenet5(side=32)
    assert volumes(model, 1, 32, 32) == ["28x28x6", "14x14x6", "10x10x16", "5x5x16", "120", "84", "10"]
    convs = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d)]
    assert [(c.kernel_size, c.padding, c.stride) for c in convs] == [((5, 5), (0, 0), (1, 1))] * 2
    assert 32 - 28 + 1 == 14 - 10 + 1 == 5
    assert any(isinstance(layer, nn.Tanh) for layer in model.modules())


def layer_pattern(N, M, K, channels, side, classes):
    """002, Layer Patterns: INPUT → [[CONV → RELU] ∗ N → POOL?] ∗ M → [FC → RELU] ∗ K → FC."""
    layers, depth = [], 3
    for m in range(M):
        for _ in range(N):
            layers += [nn.Conv2d(depth, channels * 2**m, 3, padding=1), nn.ReLU()]
            depth = channels * 2**m
        layers.append(nn.MaxPool2d(2))
    layers.append(nn.Flatten())
    features = depth * (side // 2**M) ** 2
    for _ in range(K):
        layers += [nn.Linear(features, 32), nn.ReLU()]
        features = 32
    return nn.Sequential(*layers, nn.Linear(features, classes))


@pytest.mark.parametrize(("N", "M", "K"), [(0, 0, 0), (1, 1, 0), (1, 2, 1), (2, 3, 2)])
def test_layer_patterns(N, M, K):
    """002, Layer Patterns: from a linear classifier (N = M = K = 0) to a small VGG."""
    model = layer_pattern(N, M, K, 4, 16, 10)
    kinds = [type(layer).__name__ for layer in model]
    assert kinds.count("Conv2d") == N * M
    assert kinds.count("MaxPool2d") == M
    assert kinds.count("Linear") == K + 1
    assert model(torch.randn(2, 3, 16, 16)).shape == (2, 10)


def test_cifar_scores_lie_along_the_depth():
    """002, section 1: the last volume of a classifier of CIFAR images is 1×1×10."""
    dense = nn.utils.fully_convolutional(layer_pattern(1, 2, 1, 4, 32, 10), (3, 32, 32))
    assert dense(torch.randn(2, 3, 32, 32)).shape == (2, 10, 1, 1)


def test_a_residual_connection_hands_the_gradient_on():
    """001, ResNet: H(x) = F(x) + x; 004, slide 51: g(z) = z′ − z; the gradient passes even where g has none."""
    g = nn.Linear(3, 3, bias=False, dtype=torch.float64)
    z = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    out = g(z) + z
    assert torch.allclose(out - z, g(z), rtol=1e-10, atol=1e-12)
    nn.init.zeros_(g.weight)
    up = torch.randn(2, 3, dtype=torch.float64)
    (grad,) = torch.autograd.grad(g(z) + z, z, up)
    assert torch.equal(grad, up)


def test_two_linear_layers_without_activation_are_one():
    """003, slides 37 and 38: f(x) = 0.7x makes W₂(0.7·W₁x) = (0.7·W₂W₁)x."""
    first, second = (nn.Linear(4, 4, bias=False, dtype=torch.float64) for _ in range(2))
    x = torch.randn(5, 4, dtype=torch.float64)
    assert torch.allclose(second(0.7 * first(x)), x @ (0.7 * second.weight @ first.weight).T, rtol=1e-10, atol=1e-12)
