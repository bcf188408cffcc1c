"""The matrix of a convolution, receptive fields, and Linear layers as convolutions: against real layers and plain loops."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as torch
import nn
import nn.functional as F
from nn.utils import conv_matrix, fully_convolutional, linear_to_conv, receptive_field


def draw_tensor(*shape, seed=0):
    return torch.tensor(np.random.default_rng((seed, *shape)).standard_normal(shape))


# -- conv_matrix -----------------------------------------------------------------------------------------------------


@st.composite
def convolutions(draw, kinds, modes=("zeros",)):
    """A layer in float64 and the size of an input that fits it."""
    kind = draw(st.sampled_from(kinds))
    n, transpose = int(kind[-2]), "Transpose" in kind

    def sizes(low, high):
        return tuple(draw(st.integers(low, high)) for _ in range(n))

    groups = draw(st.integers(1, 3))
    kernel, dilation = sizes(1, 3), sizes(1, 2)
    channels = [groups * draw(st.integers(1, 2)) for _ in range(2)]
    options = {"dilation": dilation, "groups": groups, "bias": False, "dtype": torch.float64}
    if transpose:
        stride, width = sizes(1, 3), sizes(1, 4)
        padding = tuple(draw(st.integers(0, d * (k - 1) // 2)) for d, k in zip(dilation, kernel, strict=True))
        more = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True))
        layer = getattr(nn, kind)(*channels, kernel, stride, padding, more, **options)
    else:
        width = tuple(d * (k - 1) + draw(st.integers(1, 4)) for d, k in zip(dilation, kernel, strict=True))
        padding = draw(
            st.sampled_from(["same", "valid", tuple(min(p, w - 1) for p, w in zip(sizes(0, 2), width, strict=True))])
        )
        mode = draw(st.sampled_from(modes))
        if (
            padding == "same"
            and mode == "reflect"
            and any(d * (k - 1) // 2 + 1 >= w for d, k, w in zip(dilation, kernel, width, strict=True))
        ):
            padding = "valid"
        stride = 1 if padding == "same" else sizes(1, 3)
        layer = getattr(nn, kind)(*channels, kernel, stride, padding, padding_mode=mode, **options)
    return layer, (channels[0], *width)


@given(data=st.data())
@pytest.mark.parametrize(
    ("kinds", "modes"),
    [
        (["Conv1d", "Conv2d"], ["zeros"]),
        (["Conv1d", "Conv2d"], ["reflect", "replicate", "circular"]),
        (["ConvTranspose1d", "ConvTranspose2d"], ["zeros"]),
    ],
    ids=["zeros", "modes", "transposed"],
)
def test_the_matrix_computes_the_convolution(data, kinds, modes):
    layer, size = data.draw(convolutions(kinds, modes))
    x = draw_tensor(*size)
    matrix = conv_matrix(layer, size)
    y = layer(x)
    assert matrix.shape == (y.numel(), x.numel())
    np.testing.assert_allclose((matrix @ x.flatten()).detach(), y.flatten().detach(), rtol=1e-12, atol=1e-12)


@given(data=st.data())
def test_a_weight_with_options_gives_the_matrix_of_the_layer(data):
    layer, size = data.draw(convolutions(["Conv1d", "Conv2d"]))
    options = {"stride": layer.stride, "padding": layer.padding, "dilation": layer.dilation, "groups": layer.groups}
    assert torch.equal(conv_matrix(layer.weight, size, **options), conv_matrix(layer, size))


@given(data=st.data())
def test_the_entries_are_those_of_the_definition(data):
    """M[(k, i, j), (c, h, w)], one after the other."""
    layer, (channels, *plane) = data.draw(convolutions(["Conv2d"]).filter(lambda drawn: drawn[0].padding != "same"))
    (R, S), (sy, sx), (dy, dx), G = layer.kernel_size, layer.stride, layer.dilation, layer.groups
    py, px = (0, 0) if layer.padding == "valid" else layer.padding
    weight = layer.weight.detach().numpy()
    K, c_in_group = weight.shape[:2]
    height, width = layer(torch.zeros(channels, *plane, dtype=torch.float64)).shape[1:]
    expected = np.zeros((K, height, width, channels, *plane))
    for k, i, j, c, r, s in itertools.product(*map(range, (K, height, width, c_in_group, R, S))):
        h, w = i * sy + r * dy - py, j * sx + s * dx - px
        if 0 <= h < plane[0] and 0 <= w < plane[1]:
            expected[k, i, j, k // (K // G) * c_in_group + c, h, w] = weight[k, c, r, s]
    found = conv_matrix(layer, (channels, *plane)).detach().numpy()
    np.testing.assert_array_equal(found, expected.reshape(found.shape))


@pytest.mark.parametrize("kernel", [2, 3, 4])
@pytest.mark.parametrize("mode", ["zeros", "circular"])
def test_same_padding_by_an_odd_number(kernel, mode):
    layer = nn.Conv1d(1, 1, kernel, padding="same", bias=False, padding_mode=mode, dtype=torch.float64)
    x = draw_tensor(1, 7)
    matrix = conv_matrix(layer, (1, 7))
    np.testing.assert_allclose((matrix @ x[0]).detach(), layer(x)[0].detach(), rtol=1e-12)
    assert receptive_field(layer).start == (-((kernel - 1) // 2),)


def test_the_matrix_of_a_transposed_convolution_is_the_transpose():
    weight = draw_tensor(3, 2, 3, 3)
    layer = nn.ConvTranspose2d(3, 2, 3, stride=2, padding=1, bias=False, dtype=torch.float64)
    layer.weight = nn.Parameter(weight)
    matrix = conv_matrix(weight, (2, 7, 5), stride=2, padding=1)
    assert torch.equal(conv_matrix(layer, (3, 4, 3)), matrix.T)


def test_a_float32_matrix_holds_the_weights_themselves():
    layer = nn.Conv2d(2, 3, 3)
    matrix = conv_matrix(layer, (2, 5, 4)).detach().numpy()
    assert matrix.dtype == np.float32
    assert set(np.unique(matrix)) == {0.0, *layer.weight.detach().numpy().ravel()}
    assert (matrix != 0).sum() == layer.weight.numel() * 3 * 2
    layer.weight.data[0, 0, 0, 0] = float("nan")
    assert np.isnan(conv_matrix(layer, (2, 5, 4)).detach().numpy()).sum() == 3 * 2


def test_gradients_flow_through_the_matrix_to_the_weight():
    weight = draw_tensor(2, 3, 2, 2).requires_grad_()
    x, up = draw_tensor(3, 4, 4), draw_tensor(2, 2, 2)
    ((conv_matrix(weight, (3, 4, 4), stride=2) @ x.flatten()) * up.flatten()).sum().backward()
    found, weight.grad = weight.grad, None
    (F.conv2d(x, weight, stride=2) * up).sum().backward()
    np.testing.assert_allclose(found, weight.grad, rtol=1e-12)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: conv_matrix(nn.Linear(3, 3), (1, 3)), TypeError, "expected a convolution, or a weight of 3 or 4 dimensions, got Linear"),
        (lambda: conv_matrix(torch.ones(3), (1, 3)), TypeError, r"got a weight of shape \(3,\)"),
        (lambda: conv_matrix(nn.Conv1d(1, 1, 3), (1, 5), stride=2), TypeError, "a Conv1d has its own stride"),
        (lambda: conv_matrix(nn.Conv2d(1, 1, 3), (1, 5)), ValueError, r"input_size must be \(C, H, W\), got \(1, 5\)"),
        (lambda: conv_matrix(nn.Conv2d(4, 1, 3), (3, 5, 5)), ValueError, r"input_size \(3, 5, 5\) has 3 channels but weight \(1, 4, 3, 3\) expects 4"),
        (lambda: conv_matrix(torch.ones(1, 1, 3), (1, 2)), RuntimeError, "is larger than the input"),
        (lambda: conv_matrix(torch.ones(3, 1, 3), (2, 5), groups=2), ValueError, "3 output channels are not divisible into 2 groups"),
        (lambda: conv_matrix(torch.ones(1, 1, 3), (1, 5), stride=0), ValueError, "must be positive"),
        (lambda: conv_matrix(torch.ones(1, 1, 3), (1, 5), padding="full"), RuntimeError, "Invalid padding string: 'full'"),
        (lambda: conv_matrix(torch.ones(1, 1, 3), (1, 5), padding="same", stride=2), RuntimeError, "not supported for strided"),
        (lambda: conv_matrix(torch.ones(1, 1, 3), (1, 5), stride=(1, 2)), ValueError, "stride must be a number or 1 numbers"),
    ],
)  # fmt: skip
def test_wrong_arguments_of_conv_matrix(call, error, message):
    with pytest.raises(error, match=message):
        call()


# -- receptive_field -------------------------------------------------------------------------------------------------


@st.composite
def stacks(draw, n, max_pooling=True):
    """A Sequential of layers of windows, whose convolutions have all weights one."""
    kinds = ["Conv", "AvgPool", "ZeroPad"] + ["MaxPool"] * max_pooling
    modules, channels = [], 1
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(kinds))
        kernel, stride = (tuple(draw(st.integers(1, 3)) for _ in range(n)) for _ in range(2))
        padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
        if kind == "Conv":
            dilation = tuple(draw(st.integers(1, 2)) for _ in range(n))
            if draw(st.booleans()):
                padding, stride = "same", 1
            layer = nn.Conv1d if n == 1 else nn.Conv2d
            module = layer(channels, 2, kernel, stride, padding, dilation, bias=False, dtype=torch.float64)
            nn.init.ones_(module.weight)
            channels = 2
        elif kind == "ZeroPad":
            module = getattr(nn, f"ZeroPad{n}d")(tuple(draw(st.integers(0, 2)) for _ in range(2 * n)))
        else:
            module = getattr(nn, f"{kind}{n}d")(kernel, stride, padding)
        modules.append(draw(st.sampled_from([module, nn.Sequential(module, nn.ReLU())])))
    return nn.Sequential(*modules)


def box(support):
    """The first and last index of what is non-zero, along each dimension."""
    places = np.argwhere(support)
    return list(zip(places.min(0).tolist(), places.max(0).tolist(), strict=True))


@given(data=st.data())
@pytest.mark.parametrize("n", [1, 2])
def test_the_field_is_what_the_gradient_of_a_unit_reaches(n, data):
    """All weights are one: the gradient with respect to a pixel is not zero where the unit sees it."""
    model = data.draw(stacks(n, max_pooling=False))
    field = receptive_field(model)
    x = torch.ones(1, 1, *(2 * r + 3 for r in field.size), dtype=torch.float64, requires_grad=True)
    y = model(x)
    unit = tuple(data.draw(st.integers(0, size - 1)) for size in y.shape[2:])
    y[(0, 0, *unit)].backward()
    seen = x.grad[0, 0].numpy() != 0
    ends = [
        (o + i * j, o + i * j + r - 1) for o, i, j, r in zip(field.start, unit, field.jump, field.size, strict=True)
    ]
    clipped = [(max(a, 0), min(b, w - 1)) for (a, b), w in zip(ends, seen.shape, strict=True)]
    if all(a <= b for a, b in clipped) and seen.any():
        assert all(c <= a and b <= d for (a, b), (c, d) in zip(box(seen), clipped, strict=True))
        if all(a >= 0 and b < w for (a, b), w in zip(ends, seen.shape, strict=True)):
            assert box(seen) == ends
        outside = seen.copy()
        outside[field.window(*unit)] = False
        assert not outside.any()
    else:
        assert not seen.any()


@given(data=st.data())
@pytest.mark.parametrize("n", [1, 2])
def test_the_field_is_where_a_single_pixel_is_seen(n, data):
    """Also through maxima: every image with one pixel on, as one batch; a unit that sees none of its padding."""
    model = data.draw(stacks(n))
    field = receptive_field(model)
    unit = [max(0, -(o // j)) for o, j in zip(field.start, field.jump, strict=True)]
    first = [o + i * j for o, i, j in zip(field.start, unit, field.jump, strict=True)]
    plane = [a + r + 2 for a, r in zip(first, field.size, strict=True)]
    if np.prod(plane) > 4000:
        return
    images = torch.eye(int(np.prod(plane)), dtype=torch.float64).reshape(-1, 1, *plane)
    with torch.no_grad():
        y = model(images)[(slice(None), 0, *unit)].numpy().reshape(plane)
    assert box(y != 0) == [(a, a + r - 1) for a, r in zip(first, field.size, strict=True)]


def test_dense_windows_are_seen_whole():
    """Without gaps between windows, every pixel of the field counts: as many non-zeros as its size says."""
    model = nn.Sequential(nn.Conv2d(1, 3, 5, stride=2, padding=2), nn.ReLU(), nn.AvgPool2d(2), nn.Conv2d(3, 1, 3))
    for p in model.parameters():
        nn.init.ones_(p)
    field = receptive_field(model)
    assert field.size == (5 + 2 + 2 * 4, 15)
    assert field.jump == (4, 4)
    assert field.start == (-2, -2)
    assert field.centre == (5.0, 5.0)
    x = torch.ones(1, 1, 40, 40, requires_grad=True)
    model(x)[0, 0, 2, 3].backward()
    assert (x.grad != 0).sum() == 15 * 15
    assert (x.grad[0, 0][field.window(2, 3)] != 0).all()
    assert field.window(0, 2) == (slice(0, 13), slice(6, 21))


def test_a_layer_that_is_called_twice_counts_twice():
    pool, relu = nn.MaxPool2d(2), nn.ReLU()
    shared = nn.Sequential(nn.Conv2d(1, 1, 3), relu, pool, nn.Conv2d(1, 1, 3), relu, pool)
    apart = nn.Sequential(
        nn.Conv2d(1, 1, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(1, 1, 3), nn.ReLU(), nn.MaxPool2d(2)
    )
    assert str(receptive_field(shared)) == str(receptive_field(apart))
    assert [row.path for row in receptive_field(shared).rows] == ["0", "2", "3", "5"]


def test_receptive_field_prints_a_row_for_each_layer_with_windows():
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, padding=2), nn.ReLU(), nn.Sequential(nn.MaxPool2d(2), nn.Conv2d(8, 8, (3, 5)))
    )
    lines = str(receptive_field(model)).splitlines()
    assert [line.split() for line in lines if "-" * 9 not in line] == [
        ["layer", "type", "kernel", "stride", "size", "jump", "start", "centre"],
        ["0", "Conv2d", "5", "1", "5", "1", "-2", "0"],
        ["2.0", "MaxPool2d", "2", "2", "6", "2", "-2", "0.5"],
        ["2.1", "Conv2d", "3x5", "1", "10x14", "2", "-2", "2.5x4.5"],
    ]


class Shifted(nn.Sequential):
    def forward(self, input):
        return super().forward(input.roll(1))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.Flatten(), nn.Linear(4, 2)), r"receptive_field: 1 \(Flatten\) is neither a convolution"),
        (nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d(1))), r"0\.0 \(AdaptiveAvgPool2d\)"),
        (Shifted(nn.Conv2d(1, 1, 3)), r"the model \(Shifted\)"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.InstanceNorm2d(1)), r"1 \(InstanceNorm2d\)"),
        (nn.Sequential(nn.Conv2d(1, 1, 3), nn.MaxPool1d(3)), r"1 \(MaxPool1d\) has 1 spatial dimensions, the layers before it have 2"),
        (nn.Sequential(nn.ReLU()), "has no convolution"),
    ],
)  # fmt: skip
def test_where_a_field_is_not_defined(model, message):
    with pytest.raises(ValueError, match=message):
        receptive_field(model)


def test_wrong_arguments_of_receptive_field():
    with pytest.raises(TypeError, match="receptive_field: expected a module, got int"):
        receptive_field(3)  # type: ignore[arg-type]
    field = receptive_field(nn.Conv2d(1, 1, 3))
    with pytest.raises(ValueError, match=r"expected 2 positions from 0, got \(1,\)"):
        field.window(1)


# -- linear_to_conv --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 4), min_size=2, max_size=3), st.integers(1, 3), st.booleans())
def test_a_linear_layer_is_a_convolution_that_covers_its_input(size, outputs, bias):
    linear = nn.Linear(int(np.prod(size)), outputs, bias=bias, dtype=torch.float64)
    conv = linear_to_conv(linear, size)
    x = draw_tensor(2, *size)
    y = conv(x)
    assert y.shape == (2, outputs) + (1,) * (len(size) - 1)
    np.testing.assert_allclose(y.flatten(1).detach(), linear(x.flatten(1)).detach(), rtol=1e-12, atol=1e-12)
    assert (conv.bias is None) == (not bias)


def test_the_convolution_has_copies_of_the_parameters():
    linear = nn.Linear(12, 2)
    linear.bias.requires_grad_(False)
    conv = linear_to_conv(linear.eval(), (3, 2, 2))
    assert not conv.training
    assert (conv.weight.requires_grad, conv.bias.requires_grad) == (True, False)
    before = conv.weight.detach().clone()
    nn.init.zeros_(linear.weight)
    assert torch.equal(conv.weight, before)


def classifier():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Sequential(nn.Linear(3 * 3 * 3, 7), nn.Tanh(), nn.Dropout(0.5), nn.Linear(7, 4)),
    ).double()  # fmt: skip


def test_a_whole_classifier_slides_over_a_larger_image():
    model = classifier().eval()
    nn.init.normal_(model[0][1].running_mean)
    dense = fully_convolutional(model, (1, 8, 8))
    image = draw_tensor(1, 1, 12, 10)
    with torch.no_grad():
        scores = dense(image)
        assert scores.shape == (1, 4, 3, 2)
        for i, j in itertools.product(range(3), range(2)):
            patch = image[:, :, 2 * i : 2 * i + 8, 2 * j : 2 * j + 8]
            np.testing.assert_allclose(scores[:, :, i, j], model(patch), rtol=1e-12, atol=1e-12)
    assert receptive_field(dense).size == (8, 8)
    assert receptive_field(dense).jump == (2, 2)


def test_layers_that_are_called_twice_are_so_in_the_copy():
    conv, tanh = nn.Conv2d(2, 2, 3), nn.Tanh()
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(2 * 2 * 2, 3))
    model = nn.Sequential(conv, tanh, conv, tanh, nn.Flatten(), linear, tanh, nn.Linear(3, 4)).double()
    dense = fully_convolutional(model, (2, 6, 6))
    assert dense[0] is dense[2]
    assert dense[0] is not conv
    assert [type(layer) for layer in dense[4:]] == [nn.Conv2d, nn.Tanh, nn.Conv2d]
    image = draw_tensor(3, 2, 6, 6)
    np.testing.assert_allclose(dense(image).flatten(1).detach(), model(image).detach(), rtol=1e-12, atol=1e-12)


def test_the_classifier_itself_stays_as_it_was():
    model = classifier()
    before = {name: x.clone() for name, x in model.state_dict().items()}
    dense = fully_convolutional(model, (1, 8, 8))
    assert dense.training
    for own, copied in zip(model[0][1].buffers(), dense[1].buffers(), strict=True):
        assert torch.equal(own, copied)
    dense(draw_tensor(2, 1, 8, 8)).sum().backward()
    assert all(torch.equal(x, before[name]) for name, x in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linear_to_conv(nn.Conv2d(1, 1, 1), (1, 1, 1)), TypeError, "expected a Linear layer, got Conv2d"),
        (lambda: linear_to_conv(nn.Linear(4, 1), (4,)), ValueError, r"must be \(C, W\) or \(C, H, W\), got \(4,\)"),
        (lambda: linear_to_conv(nn.Linear(4, 1), (3, 2, 2)), ValueError, r"input_size \(3, 2, 2\) has 12 numbers, but the layer expects 4"),
        (lambda: fully_convolutional(nn.Linear(4, 1), (1, 2, 2)), ValueError, "exactly one Flatten, it has 0"),
        (lambda: fully_convolutional(nn.Sequential(nn.Flatten(), nn.BatchNorm1d(4)), (1, 2, 2)), ValueError, r"1 \(BatchNorm1d\) behind Flatten has no form"),
    ],
)  # fmt: skip
def test_wrong_arguments_of_linear_to_conv(call, error, message):
    with pytest.raises(error, match=message):
        call()
