"""The convolutional models: torchvision's names, PyTorch's values, and the tables in their docstrings."""

import hashlib
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd
import nn
import nn.functional as F
from autograd.tensor import Tensor
from nn.models import rbf, resnet, vgg
from nn.models.mobilenet import InvertedResidual
from tests.models_under_torch import under_torch

SOURCES = Path(nn.models.__file__).parent

# The number of parameters in torchvision's documentation; SHA-256 of the lines "name shape" of its state_dict.
TORCHVISION = {
    "alexnet": (61_100_840, "9c198ebdae1863e4"),
    "vgg11": (132_863_336, "cb3dc23f2a13e182"),
    "vgg13": (133_047_848, "67c1dc8b57fde74b"),
    "vgg16": (138_357_544, "35c4623e0cd4a39d"),
    "vgg19": (143_667_240, "4723255af8f6c485"),
    "vgg11_bn": (132_868_840, "8b6717e727c0ecf9"),
    "vgg13_bn": (133_053_736, "f6b0597d18a7e4d2"),
    "vgg16_bn": (138_365_992, "347371586a8ea365"),
    "vgg19_bn": (143_678_248, "fc3ff6fab2b5cc09"),
    "resnet18": (11_689_512, "84fb10d9c6905a1c"),
    "resnet34": (21_797_672, "28f9096d51307499"),
    "resnet50": (25_557_032, "d7e4f8bb0a536344"),
    "resnet101": (44_549_160, "02c0f34f4842751f"),
    "resnet152": (60_192_808, "685c66205bc823aa"),
    "resnext50_32x4d": (25_028_904, "e3bad165c034e60f"),
    "wide_resnet50_2": (68_883_240, "41203d1d536c02ed"),
    "mobilenet_v2": (3_504_872, "37bbbce8932fd0c4"),
}


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the memory of parameters as it comes instead of drawing them: large models are built at once."""
    for draw in ("uniform_", "normal_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *args, **options: tensor)


def count(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def lines(model: Any) -> list[str]:
    return [f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items()]


# -- names and shapes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TORCHVISION)
def test_names_and_shapes_are_torchvisions(name, undrawn):
    model = getattr(nn.models, name)()
    assert (count(model), hashlib.sha256("\n".join(lines(model)).encode()).hexdigest()[:16]) == TORCHVISION[name]


def test_names_and_kinds_of_modules_are_torchvisions(undrawn, torch):
    reference = pytest.importorskip("torchvision.models", reason="torchvision is not installed")
    for name in TORCHVISION:
        with torch.device("meta"):
            theirs = getattr(reference, name)()
        model = getattr(nn.models, name)()
        assert lines(model) == lines(theirs)
        assert [(path, type(m).__name__) for path, m in model.named_modules()] == [
            (path, type(m).__name__) for path, m in theirs.named_modules()
        ]


def test_every_model_is_made_by_a_function_with_keyword_arguments(undrawn):
    for name in TORCHVISION:
        assert getattr(nn.models, name)(num_classes=3).state_dict().popitem()[1].shape == (3,)
        with pytest.raises(TypeError, match="weights"):
            getattr(nn.models, name)(weights="DEFAULT")


# -- values and gradients ---------------------------------------------------------------------------------------------


def fill(model: nn.Module) -> None:
    """Give parameters and running estimates random values that keep the size of the signal, always the same."""
    rng = np.random.RandomState(0)
    for name, value in model.state_dict().items():
        x = value.array
        if x.ndim > 1 and not name.endswith("codes"):
            x[...] = rng.standard_normal(x.shape) * np.sqrt(2 / np.prod(x.shape[1:]))
        elif name.endswith(("running_var", "weight")):
            x[...] = rng.uniform(0.8, 1.2, x.shape)
        elif x.ndim == 1:
            x[...] = rng.standard_normal(x.shape) / 10


def narrow(model: Any, linear: Callable[..., Any]) -> Any:
    """Give the hidden layers of AlexNet's and VGG's classifier 8 units instead of 4096."""
    layers = [i for i, layer in enumerate(model.classifier) if hasattr(layer, "in_features")]
    sizes = [model.classifier[layers[0]].in_features, 8, 8, model.classifier[layers[-1]].out_features]
    for i, inputs, outputs in zip(layers, sizes[:-1], sizes[1:], strict=True):
        model.classifier[i] = linear(inputs, outputs)
    return model


def twins(torch: Any, source: str, name: str, options: dict[str, Any]) -> tuple[nn.Module, Any]:
    """Return a model of ours and the same under PyTorch, with the same weights."""
    with torch.device("meta"):
        theirs = getattr(under_torch(source), name)(**options)
    ours = getattr(nn.models, name)(**options)
    if source in ("alexnet", "vgg"):
        narrow(ours, nn.Linear)
        narrow(theirs, torch.nn.Linear)
    fill(ours)
    state = {key: torch.from_numpy(value.array.copy()) for key, value in ours.state_dict().items()}
    theirs.load_state_dict(state, assign=True)
    return ours, theirs


SMALL = {"num_classes": 5}
MODELS = [
    ("alexnet", "alexnet", SMALL | {"dropout": 0.0}, (2, 3, 70, 63)),
    ("alexnet", "alexnet", SMALL | {"dropout": 0.0, "local_response_norm": True}, (2, 3, 63, 63)),
    ("vgg", "vgg11", SMALL | {"dropout": 0.0}, (2, 3, 32, 40)),
    ("vgg", "vgg13_bn", SMALL | {"dropout": 0.0}, (2, 3, 32, 32)),
    ("resnet", "resnet18", SMALL | {"width": 32}, (2, 3, 64, 64)),
    ("resnet", "resnet18", SMALL | {"width": 8, "stem": "cifar", "in_channels": 1, "zero_init_residual": True}, (4, 1, 31, 31)),
    ("resnet", "resnet34", {"num_classes": 1, "width": 8, "stem": "cifar"}, (4, 3, 32, 32)),
    ("resnet", "plain18", SMALL | {"width": 16, "stem": "cifar"}, (4, 3, 32, 32)),
    ("resnet", "resnet50", SMALL | {"width": 16, "replace_stride_with_dilation": [False, True, True]}, (4, 3, 64, 64)),
    ("resnet", "resnext50_32x4d", SMALL | {"width": 32}, (2, 3, 64, 64)),
    ("mobilenet", "mobilenet_v2", SMALL | {"dropout": 0.0, "width_mult": 0.35}, (4, 3, 40, 33)),
    ("lenet", "lenet5", {"output": "rbf", "side": 32}, (3, 1, 32, 32)),
]  # fmt: skip


@pytest.fixture
def pytorch(torch: Any) -> Iterator[Any]:
    """PyTorch on one thread: these images are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


@pytest.mark.parametrize(("source", "name", "options", "shape"), MODELS, ids=lambda value: str(value))
def test_same_weights_give_pytorchs_values(source, name, options, shape, pytorch, undrawn):
    ours, theirs = twins(pytorch, source, name, options)
    x = np.random.default_rng(1).standard_normal(shape)
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        expected = theirs(pytorch.tensor(x, dtype=pytorch.float32)).numpy(force=True)
        found = ours(Tensor(x.astype(np.float32))).array
        scale = np.abs(expected).max()
        np.testing.assert_allclose(found / scale, expected / scale, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("source", "name", "options", "shape"), MODELS, ids=lambda value: str(value))
def test_same_weights_give_pytorchs_gradients(source, name, options, shape, pytorch, undrawn):
    ours, theirs = twins(pytorch, source, name, options)
    ours.double()
    theirs.double()
    x = np.random.default_rng(1).standard_normal(shape)
    for training in (True, False):
        a, b = Tensor(x, requires_grad=True), pytorch.tensor(x, requires_grad=True)
        for model, images in ((ours, a), (theirs, b)):
            model.train(training).zero_grad()
            (model(images) ** 2).sum().backward()
        found = [a.grad.array, *(p.grad.array for p in ours.parameters())]
        expected = [b.grad.numpy(), *(p.grad.numpy() for p in theirs.parameters())]
        scale = max(np.abs(each).max() for each in expected)
        for left, right in zip(found, expected, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-8, atol=1e-10 * scale)
    for left, right in zip(ours.buffers(), theirs.buffers(), strict=True):
        np.testing.assert_allclose(left.array, right.numpy(), rtol=1e-9)


# torchvision's own logits in eval mode, rounded, of the weights `fill` gives and an image of some size.
LOGITS = [
    ("alexnet", {}, 63, [1.33831, -0.432305, -0.436023]),
    ("vgg11", {}, 32, [1.260807, 7.001235, 6.819773]),
    ("vgg13_bn", {}, 32, [-0.120854, 0.201746, 1.794269]),
    ("resnet18", {}, 64, [29.452064, -46.781205, -61.162598]),
    ("resnet50", {"replace_stride_with_dilation": [False, True, True]}, 64, [-384.881554, 71.960047, -143.260267]),
    ("resnext50_32x4d", {}, 64, [-3030.448202, 1562.813718, -1798.394663]),
    ("mobilenet_v2", {"width_mult": 0.35}, 64, [-3.068568, 3.355062, -4.021981]),
]


@pytest.mark.parametrize(("name", "options", "side", "expected"), LOGITS, ids=[name for name, *_ in LOGITS])
def test_same_weights_give_torchvisions_logits(name, options, side, expected, undrawn):
    net = getattr(nn.models, name)(num_classes=3, **options).eval()
    fill(narrow(net, nn.Linear) if name.startswith(("alexnet", "vgg")) else net)
    x = np.random.RandomState(1).standard_normal((1, 3, side, side)).astype(np.float32)
    np.testing.assert_allclose(net(Tensor(x)).array[0], expected, rtol=1e-4, atol=1e-4)


def test_a_file_of_pytorchs_is_loaded_to_the_bit(torch, undrawn):
    torch.manual_seed(0)
    theirs = under_torch("resnet").resnet18(num_classes=7)
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    file.seek(0)
    ours = nn.models.resnet18(num_classes=7)
    ours.load_state_dict(autograd.load(file))
    for left, right in zip(ours.state_dict().values(), theirs.state_dict().values(), strict=True):
        np.testing.assert_array_equal(left.array, right.numpy(), strict=True)


# -- initial values ---------------------------------------------------------------------------------------------------


def moments(parameter: Any) -> tuple[float, float]:
    return float(parameter.array.mean()), float(parameter.array.std())


def test_initial_values():
    autograd.manual_seed(0)
    net = nn.models.resnet18(width=32, zero_init_residual=True)
    assert moments(net.layer4[0].conv2.weight) == pytest.approx((0, np.sqrt(2 / (9 * 256))), abs=1e-3)
    assert moments(net.conv1.weight)[1] == pytest.approx(np.sqrt(2 / (49 * 32)), rel=0.05)  # fan_out, not fan_in
    assert [moments(block.bn2.weight) for block in net.layer1] == [(0, 0)] * 2
    assert moments(net.layer1[0].bn1.weight) == (1, 0)
    net = nn.models.resnet50(width=16, zero_init_residual=True)
    assert [moments(block.bn3.weight) for block in net.layer2] == [(0, 0)] * 4
    net = nn.models.mobilenet_v2(num_classes=50)
    assert moments(net.features[18][0].weight)[1] == pytest.approx(np.sqrt(2 / 1280), rel=0.01)
    assert moments(net.classifier[1].weight) == pytest.approx((0, 0.01), abs=1e-4)
    assert moments(net.classifier[1].bias) == (0, 0)


def test_initial_values_of_vgg(undrawn, monkeypatch):
    drawn: dict[int, tuple[float, float]] = {}
    monkeypatch.setattr(nn.init, "normal_", lambda x, mean=0.0, std=1.0, *_: drawn.update({id(x): (mean, std)}))
    net = nn.models.vgg11()
    assert drawn[id(net.features[3].weight)] == (0, pytest.approx(np.sqrt(2 / (9 * 128))))
    assert drawn[id(net.classifier[0].weight)] == (0, 0.01)
    assert all(moments(layer.bias) == (0, 0) for layer in (net.features[3], net.classifier[0]))
    drawn.clear()
    nn.models.vgg11(init_weights=False)
    assert not drawn


# -- the tables in the docstrings -------------------------------------------------------------------------------------


def table(source: str, first: str) -> list[dict[str, str]]:
    """Return the rows of the table whose heading starts with a word: what each column says."""
    text = iter((SOURCES / f"{source}.py").read_text().splitlines())
    heading = re.split("  +", next(line for line in text if re.match(f" +{first}  ", line)).strip())
    rows = []
    for line in text:
        if not line.strip():
            return rows
        cells = re.split("  +", line.strip())
        columns = heading if cells[0] != "total" else [heading[0], *heading[1 - len(cells) :]]  # totals stand last
        rows.append(dict(zip(columns, cells, strict=False)))
    raise AssertionError("a table ends with an empty line")


def number(cell: str) -> int:
    return int(cell.replace(",", ""))


def rows_between(summary: Any, name: str) -> list[Any]:
    """Return the rows of a summary that a name such as features.4-6 stands for."""
    prefix, _, numbers = name.rpartition(".")
    first, _, last = numbers.partition("-")
    names = [name] if not last else [f"{prefix}.{i}" for i in range(int(first), int(last) + 1)]
    return [row for row in summary.rows if row.path in names]


@pytest.fixture
def zeroed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set parameters to 0 instead of drawing them: for calls whose values do not matter."""
    for draw in ("uniform_", "normal_"):
        monkeypatch.setattr(nn.init, draw, lambda tensor, *args, **options: nn.init.zeros_(tensor))


@pytest.mark.parametrize(
    ("source", "name", "shape", "depth"),
    [("lenet", "lenet5", (1, 1, 32, 32), 2), ("alexnet", "alexnet", (1, 3, 224, 224), 2), ("mobilenet", "mobilenet_v2", (1, 3, 224, 224), 2)],
)  # fmt: skip
def test_table_of_layers(source, name, shape, depth, zeroed):
    options = {"side": 32} if name == "lenet5" else {}
    summary = nn.summary(getattr(nn.models, name)(**options), shape, depth=depth)
    *rows, total = table(source, "module")
    assert len(rows) > 6
    for row in rows:
        found = rows_between(summary, row["module"])
        assert found[-1].volume.replace("x", "×") == row["output"], row
        assert sum(each.parameters for each in found) == number(row["parameters"]), row
    assert number(total["parameters"]) == summary.total_parameters == sum(number(row["parameters"]) for row in rows)


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19"])
def test_table_of_vgg(name, zeroed):
    net = getattr(nn.models, name)()
    *blocks, classifier, total = table("vgg", "block")
    assert count(net) == number(total[name])
    x, layers, configuration = autograd.zeros(1, 3, 224, 224), iter(net.features), []
    for block in blocks:
        parameters, convolutions = 0, 0
        for layer in layers:
            x, parameters = layer(x), parameters + count(layer)
            convolutions += isinstance(layer, nn.Conv2d)
            if isinstance(layer, nn.MaxPool2d):
                break
        configuration.append(str(convolutions))
        assert f"{x.shape[2]}×{x.shape[3]}×{x.shape[1]}" == block["output"]
        assert parameters == number(block[name])
    assert next(layers, None) is None
    assert count(net.classifier) == number(classifier[name])
    assert f"{name} {' '.join(configuration)}" in vgg.__doc__


@pytest.mark.parametrize("name", ["resnet18", "resnet34", "resnet50", "resnet101", "resnet152"])
def test_tables_of_resnet(name, zeroed):
    summary = nn.summary(net := getattr(nn.models, name)(), (1, 3, 224, 224), depth=1)
    found = {row.path: row for row in summary.rows}
    *rows, total = table("resnet", "parameters")
    for row in rows:
        assert found[row["parameters"]].parameters == number(row[name])
    assert summary.total_parameters == number(total[name])
    for row in table("resnet", "blocks"):
        assert found[row["blocks"]].volume.replace("x", "×").startswith(row["output"] + "×")
        if row["blocks"].startswith("layer"):
            assert len(getattr(net, row["blocks"])) == int(row[name])
    assert found["layer4"].output_shape[1] == (512 if name in ("resnet18", "resnet34") else 2048)


@pytest.mark.parametrize(("name", "parameters"), [("plain18", 11_515_688), ("plain34", 21_623_848)])
def test_plain_nets_have_the_layers_of_resnets(name, parameters, undrawn):
    plain, residual = getattr(nn.models, name)(), getattr(nn.models, name.replace("plain", "resnet"))()
    assert count(plain) == parameters
    assert f"{parameters:,}" in resnet.__doc__
    assert lines(plain) == [line for line in lines(residual) if "downsample" not in line]


# -- the course's AlexNet ---------------------------------------------------------------------------------------------


def test_volumes_of_alexnet(zeroed):
    net = nn.models.alexnet(local_response_norm=True)
    summary = nn.summary(net, (1, 3, 224, 224))
    layers = [row for row in summary.rows if row.kind in ("Conv2d", "MaxPool2d")]
    assert [row.output_shape[2] for row in layers] == [55, 27, 27, 13, 13, 13, 13, 6]
    assert [(m.in_features, m.out_features) for m in net.classifier if isinstance(m, nn.Linear)] == [
        (9216, 4096),
        (4096, 4096),
        (4096, 1000),
    ]
    assert [name for name, _ in net.features.named_children()] == [
        *("0", "1", "2", "norm1", "3", "4", "5", "norm2", "6", "7", "8", "9", "10", "11", "12"),
    ]
    assert lines(net) == lines(nn.models.alexnet())


def test_local_response_norm_is_the_papers(undrawn):
    x = np.random.default_rng(0).standard_normal((1, 7, 2, 2)) * 50
    norm = nn.models.alexnet(local_response_norm=True).features.norm2
    expected = np.empty_like(x)
    for c in range(7):  # b = a / (k + α Σ a²)^β, k = 2, n = 5, α = 10⁻⁴, β = 0.75
        near = x[:, max(0, c - 2) : c + 3]
        expected[:, c] = x[:, c] / (2 + 1e-4 * (near**2).sum(1)) ** 0.75
    np.testing.assert_allclose(norm(Tensor(x)).array, expected, rtol=1e-12)


# -- LeNet-5's output -------------------------------------------------------------------------------------------------


def test_codes_of_the_digits_are_pictures():
    codes = rbf.class_codes(10)
    assert codes.shape == (10, 84)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    distances = [(codes[i] != codes[j]).sum() for i in range(10) for j in range(i)]
    assert min(distances) >= 8
    picture = ["".join("#" if pixel > 0 else "." for pixel in row) for row in codes[7].reshape(12, 7)]
    seven = [
        "#######",
        "......#",
        *[".....#."] * 2,
        *["....#.."] * 2,
        *["...#..."] * 2,
        *["..#...."] * 2,
        *[".#....."] * 2,
    ]
    assert picture == seven


@pytest.mark.parametrize(("classes", "features"), [(1, 84), (26, 84), (10, 12)])
def test_other_codes_are_the_same_coin_tosses_every_time(classes, features):
    codes = rbf.class_codes(classes, features)
    assert codes.shape == (classes, features)
    assert set(np.unique(codes)) == {-1.0, 1.0}
    np.testing.assert_array_equal(codes, rbf.class_codes(classes, features))
    assert len({code.tobytes() for code in codes}) == classes


def test_rbf_output_against_a_loop():
    x, layer = np.random.default_rng(0).standard_normal((3, 84)), nn.models.RBFOutput().double()
    found = layer(Tensor(x)).array
    for n in range(3):
        for k in range(10):
            assert found[n, k] == pytest.approx(
                sum((x[n, j] - layer.codes.array[k, j]) ** 2 for j in range(84)), rel=1e-12
            )
    assert list(layer.state_dict()) == ["codes"]
    assert not list(layer.parameters())
    code = layer.codes.array[4:5].copy()
    assert layer(Tensor(code)).argmin(1).item() == 4
    assert layer(Tensor(code)).min().item() == 0
    assert layer(autograd.zeros(0, 84)).shape == (0, 10)


def test_rbf_loss_against_a_loop():
    y, t = np.random.default_rng(0).uniform(0, 9, (4, 3)), [0, 2, 1, 1]
    right = [y[n, t[n]] for n in range(4)]
    found = nn.models.RBFLoss()(Tensor(y), autograd.tensor(t))
    assert found.item() == pytest.approx(np.mean(right), rel=1e-12)
    for j in (0.1, 3.0, 50.0):
        terms = [right[n] + np.log(np.exp(-j) + sum(np.exp(-y[n, k]) for k in range(3))) for n in range(4)]
        found = nn.models.RBFLoss(j=j)(Tensor(y), autograd.tensor(t))
        assert found.item() == pytest.approx(np.mean(terms), rel=1e-9)
        assert found.item() > 0
    x = Tensor(y * 1000)  # where e⁻ʸ is 0 in any floating-point type
    assert nn.models.RBFLoss(j=1.0)(x, autograd.tensor(t)).item() == pytest.approx(1000 * np.mean(right) - 1, rel=1e-9)
    found = nn.models.RBFLoss(j=np.inf)(Tensor(y), autograd.tensor(t))
    assert found.item() == pytest.approx(F.cross_entropy(Tensor(-y), autograd.tensor(t)).item(), rel=1e-12)


@pytest.mark.parametrize("j", [None, 0.1])
def test_lenet5_learns_with_the_papers_output(j):
    autograd.manual_seed(0)
    net = nn.models.lenet5(side=8, activation=nn.models.ScaledTanh, output="rbf")
    loss, x, t = nn.models.RBFLoss(j), autograd.randn(10, 1, 8, 8), autograd.arange(10)
    optimizer = nn.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        loss(net(x), t).backward()
        optimizer.step()
    assert (net(x).argmin(1) == t).all()


def test_scaled_tanh():
    x = Tensor(np.array([-1.0, 0.0, 1.0, 50.0]))
    np.testing.assert_allclose(nn.models.ScaledTanh()(x).array, [-1, 0, 1, 1.7159], atol=1e-4)


# -- unusual and wrong arguments --------------------------------------------------------------------------------------


def test_widths_of_mobilenet(undrawn):
    def widths(net: nn.Module) -> list[int]:
        return [m.out_channels for m in net.modules() if isinstance(m, nn.Conv2d)]

    assert widths(nn.models.mobilenet_v2(width_mult=0.35))[:3] == [16, 16, 8]
    assert widths(nn.models.mobilenet_v2(width_mult=0.35))[-1] == 1280
    assert widths(nn.models.mobilenet_v2(width_mult=1.4))[-1] == 1792
    assert widths(nn.models.mobilenet_v2(width_mult=0.35, round_nearest=1))[0] == 11
    net = nn.models.mobilenet_v2(inverted_residual_setting=[(1, 8, 1, 1), (2, 8, 2, 1)])
    assert [getattr(block, "use_res_connect", None) for block in net.features] == [None, False, True, True, None]
    assert nn.models.mobilenet_v2(norm_layer=nn.Identity).features[0][1](3) == 3


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "plain34"])
def test_one_class_and_odd_images(name):
    net = getattr(nn.models, name)(num_classes=1, width=8, in_channels=2).eval()
    for side in (1, 31, 33):
        assert net(autograd.rand(2, 2, side, side + 1)).shape == (2, 1)
    assert nn.models.ResNet(resnet.Bottleneck, [1, 1, 1, 1], norm_layer=lambda n: nn.GroupNorm(2, n), width=8)(
        autograd.rand(1, 3, 31, 31)
    ).shape == (1, 1000)


def test_cifar_stem_keeps_the_size(undrawn):
    net = nn.models.resnet18(stem="cifar", num_classes=10)
    found = {row.path: row.volume for row in nn.summary(net, (1, 3, 32, 32), depth=1).rows}
    assert [found[f"layer{i}"] for i in (1, 2, 3, 4)] == ["32x32x64", "16x16x128", "8x8x256", "4x4x512"]
    assert list(net.state_dict()) == list(nn.models.resnet18().state_dict())


def test_a_stage_with_dilation_keeps_the_size(undrawn):
    net = nn.models.resnet50(replace_stride_with_dilation=(False, True, True), width=8)
    found = {row.path: row.output_shape for row in nn.summary(net, (1, 3, 64, 64), depth=1).rows}
    assert [found[f"layer{i}"][2] for i in (1, 2, 3, 4)] == [16, 8, 8, 8]
    assert [net.layer4[i].conv2.dilation for i in (0, 1)] == [(2, 2), (4, 4)]


WRONG = {
    "stem": (lambda: nn.models.resnet18(stem="mnist"), ValueError, "ResNet: stem must be 'imagenet' or 'cifar', got 'mnist'"),
    "groups": (lambda: nn.models.resnet18(groups=2), ValueError, "BasicBlock only supports groups=1 and base_width=64, got groups=2"),
    "base width": (lambda: nn.models.plain34(width_per_group=32), ValueError, "PlainBlock only supports groups=1 and base_width=64"),
    "dilation": (
        lambda: nn.models.resnet18(replace_stride_with_dilation=[False, False, True]),
        NotImplementedError,
        "Dilation > 1 not supported in BasicBlock",
    ),
    "stages": (lambda: nn.models.resnet50(replace_stride_with_dilation=[True]), ValueError, "should be None or a 3-element tuple"),
    "plain and zero": (lambda: nn.models.plain18(zero_init_residual=True), ValueError, "a PlainBlock would return zeros"),
    "stride": (lambda: InvertedResidual(8, 8, 3, 6), ValueError, "stride should be 1 or 2 instead of 3"),
    "no stages": (lambda: nn.models.mobilenet_v2(inverted_residual_setting=[]), ValueError, "should be a non-empty list"),
    "stage of three": (lambda: nn.models.mobilenet_v2(inverted_residual_setting=[(1, 2, 3)]), ValueError, "of .t, c, n, s."),
    "configuration": (lambda: vgg.make_layers([8, "P"]), ValueError, "'M' for a pooling, got 'P'"),
    "output": (lambda: nn.models.lenet5(output="softmax"), ValueError, "LeNet5: output must be 'linear' or 'rbf', got 'softmax'"),
    "features": (lambda: nn.models.RBFOutput()(autograd.ones(2, 10)), RuntimeError, "expected input .N, 84., got .2, 10."),
    "j": (lambda: nn.models.RBFLoss(-1.0), ValueError, "expected j > 0 or None, got -1.0"),
    "targets": (
        lambda: nn.models.RBFLoss()(autograd.ones(2, 10), autograd.tensor([1, 2, 3])),
        ValueError,
        "expected distances .N, K. and target .N., got .2, 10. and .3,.",
    ),
    "small image": (
        lambda: nn.Sequential(*nn.models.alexnet().features)(autograd.ones(1, 3, 40, 40)),
        RuntimeError,
        "Given input size: .192, 4, 4.|Output size is too small",
    ),
    "small image of VGG": (lambda: vgg.make_layers(vgg.cfgs["A"])(autograd.ones(1, 3, 16, 16)), RuntimeError, "Output size is too small"),
    "channels": (lambda: nn.models.resnet18()(autograd.ones(1, 1, 32, 32)), RuntimeError, "conv1 .Conv2d.: .*1 channels"),
    "one value": (lambda: nn.models.resnet18()(autograd.ones(1, 3, 32, 32)), ValueError, "Expected more than 1 value per channel when training"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "message"), WRONG.values(), ids=WRONG)
def test_wrong_arguments(call, kind, message, zeroed):
    with pytest.raises(kind, match=message):
        call()
