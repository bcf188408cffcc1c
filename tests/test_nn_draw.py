"""`nn.draw`: what is drawn, where it is placed, and that the model is left as it was."""

import threading
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as torch
import nn
import nn.functional as F
from autograd import Function, tracing
from autograd.primitive import cast
from nn import models
from nn.drawing import Drawing
from nn.drawing.graph import Frame, Graph, Node
from nn.drawing.labels import OPS
from nn.drawing.layout import TITLE_WIDTH, Box, Layout, Station
from nn.drawing.svg import write
from nn.utils.checkpoint import checkpoint
from tests.op_table import primitives

SVG = "{http://www.w3.org/2000/svg}"


def edges(drawing: Drawing) -> list[tuple[str, str]]:
    """The arrows, by the titles of their ends, with the innermost frames those are in."""

    def name(node: Node) -> str:
        return f"{node.frame.title}/{node.title}" if node.frame else node.title

    return [(name(source), name(target)) for source, target in drawing.graph.edges]


def net(forward: Callable[..., Any], **modules: nn.Module) -> nn.Module:
    """A module with these submodules, whose forward is the function."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, module in modules.items():
                setattr(self, name, module)

    Net.forward = forward  # type: ignore[assignment]
    return Net()


# -- what is drawn ------------------------------------------------------------------------------------------------


class Block(nn.Module):
    """A residual block; the ReLU works in place and is used twice."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, 4, 3, stride, 1)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(4, 4, 3, 1, 1)
        self.shortcut = nn.Sequential(nn.Conv2d(4, 4, 1, stride)) if stride > 1 else None

    def forward(self, x: Any) -> Any:
        same = x if self.shortcut is None else self.shortcut(x)
        y = self.conv2(self.relu(self.conv1(x)))
        y += same
        return self.relu(y)


def test_a_residual_block() -> None:
    drawing = nn.draw(Block(), (1, 4, 8, 8))
    assert edges(drawing) == [
        ("x", "conv1"), ("conv1", "relu · call 1"), ("relu · call 1", "conv2"), ("conv2", "+"), ("x", "+"),
        ("+", "relu · call 2"), ("relu · call 2", "output"),
    ]  # fmt: skip
    assert [node.kind for node in drawing.graph.nodes] == [
        "input", "convolution", "activation", "convolution", "op", "activation", "output"
    ]  # fmt: skip
    conv = drawing.graph.nodes[1]
    assert (conv.detail, conv.shape) == ("Conv2d 4 → 4, 3×3, padding 1", "(1, 4, 8, 8)")
    assert "148 parameters" in conv.note


def test_frames_enclose_what_a_container_called() -> None:
    drawing = nn.draw(nn.Sequential(Block(), Block(2)), (1, 4, 8, 8))
    assert edges(drawing) == [
        ("input", "0/conv1"), ("0/conv1", "0/relu · call 1"), ("0/relu · call 1", "0/conv2"), ("0/conv2", "0/+"),
        ("input", "0/+"), ("0/+", "0/relu · call 2"), ("0/relu · call 2", "1.shortcut/shortcut.0"),
        ("0/relu · call 2", "1/conv1"), ("1/conv1", "1/relu · call 1"), ("1/relu · call 1", "1/conv2"),
        ("1/conv2", "1/+"), ("1.shortcut/shortcut.0", "1/+"), ("1/+", "1/relu · call 2"),
        ("1/relu · call 2", "output"),
    ]  # fmt: skip
    parents = {frame.title: frame.parent and frame.parent.title for frame in drawing.layout.frames}
    assert parents == {"0": None, "1": None, "1.shortcut": "1"}


def test_depth_puts_one_box_in_the_place_of_a_container() -> None:
    model = nn.Sequential(Block(), nn.Flatten(), nn.Linear(256, 2))
    assert edges(nn.draw(model, (1, 4, 8, 8), depth=1)) == [("input", "0"), ("0", "1"), ("1", "2"), ("2", "output")]
    assert edges(nn.draw(model, (1, 4, 8, 8), depth=0)) == [("input", "Sequential"), ("Sequential", "output")]


class Shared(nn.Module):
    """One layer for two inputs, a parameter of its own, and a buffer that nothing depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 3)
        self.scale = nn.Parameter(torch.ones(3))
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, left: Any, right: Any) -> Any:
        self.calls += 1
        y = self.layer(left) * self.scale
        return {"sum": y + self.layer(right), "left": y}


def test_a_shared_layer_two_inputs_two_outputs() -> None:
    model = Shared()
    assert edges(nn.draw(model, (2, 3), (2, 3))) == [
        ("left", "layer · call 1"), ("layer · call 1", "×"), ("scale", "×"), ("right", "layer · call 2"), ("×", "+"),
        ("layer · call 2", "+"), ("+", "output['sum']"), ("×", "output['left']"),
    ]  # fmt: skip
    assert model.calls.item() == 0


def test_a_cell_in_a_loop() -> None:
    def forward(self: Any, x: Any) -> Any:
        h = x.new_zeros(2, 4)
        for step in x.unbind(1):
            h = self.cell(step, h)
        return h

    assert edges(nn.draw(net(forward, cell=nn.RNNCell(3, 4)), (2, 2, 3))) == [
        ("x", "slice"), ("x", "slice"), ("slice", "cell · call 1"), ("slice", "cell · call 2"),
        ("cell · call 1", "cell · call 2"), ("cell · call 2", "output"),
    ]  # fmt: skip


def test_parts_written_in_place_are_followed() -> None:
    def forward(self: Any, x: Any) -> Any:
        y, z = self.layer(x), torch.zeros(2, 6)
        z[:, :3] = y
        z[:, torch.tensor([3, 4, 5])] = self.drop(y)
        y.relu_()
        return z, y + self.drop(y)

    assert edges(nn.draw(net(forward, layer=nn.Linear(3, 3), drop=nn.Dropout(0.5)), (2, 3))) == [
        ("x", "layer"), ("layer", "setitem"), ("layer", "drop · call 1"), ("setitem", "setitem"),
        ("drop · call 1", "setitem"), ("layer", "relu"), ("relu", "drop · call 2"), ("relu", "+"),
        ("drop · call 2", "+"), ("setitem", "output[0]"), ("+", "output[1]"),
    ]  # fmt: skip


def test_a_layer_that_hands_its_input_on_is_told_apart_from_it() -> None:
    model = net(lambda self, x: x + self.same(x), same=nn.Identity())
    assert edges(nn.draw(model, (2, 3))) == [("x", "same"), ("x", "+"), ("same", "+"), ("+", "output")]


def test_a_layer_that_hands_its_input_on_hands_its_gradient_back() -> None:
    def forward(self: Any, x: Any) -> Any:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(self.same(x).square().sum(), x)[0]

    titles = [node.title for node in nn.draw(net(forward, same=nn.Identity()), (2, 3)).graph.nodes]
    assert titles[:2] == ["x", "same"]


def test_integers_and_what_requires_no_gradient_are_followed() -> None:
    model = net(lambda self, x: self.table(x).argmax(-1) * 2, table=nn.Embedding(5, 3).requires_grad_(False))
    drawing = nn.draw(model, torch.zeros(2, 4, dtype=torch.int64))
    assert [pair[0] for pair in edges(drawing)][:1] == ["x"]
    assert edges(drawing)[-1] == ("× 2", "output")
    assert drawing.graph.nodes[1].detail == "Embedding 5 × 3"


def test_a_layer_alone_a_function_and_one_without_result() -> None:
    assert edges(nn.draw(nn.Linear(3, 2), (1, 3))) == [("input", "Linear"), ("Linear", "output")]
    model = net(lambda self, x: F.softmax(x.flatten(1) @ torch.ones(3, 2), 1))
    assert edges(nn.draw(model, (1, 3))) == [("x", "@"), ("@", "softmax"), ("softmax", "output")]
    assert edges(nn.draw(net(lambda self, x: None), (1, 3))) == []


def test_attention_is_one_box_and_its_three_inputs_one_arrow() -> None:
    model = net(lambda self, x: self.attention(x, x, x)[0], attention=nn.MultiheadAttention(8, 2))
    drawing = nn.draw(model, (3, 1, 8))
    assert edges(drawing) == [("x", "attention"), ("attention", "output")]
    assert drawing.graph.nodes[1].detail == "MultiheadAttention 8, 2 heads"


def test_a_frozen_model_in_training_mode_is_left_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5)).train()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    nn.draw(model, (1, 3))
    assert all(module.training for module in model.modules())
    assert all(module._hooks is None for module in model.modules())
    assert tracing.watchers == []
    for name, value in model.state_dict().items():
        np.testing.assert_array_equal(value.numpy(), before[name])
    np.testing.assert_array_equal(torch.get_rng_state().numpy(), random.numpy())


def test_an_error_of_the_model_leaves_nothing_behind() -> None:
    model = nn.Sequential(nn.Linear(3, 3))
    with pytest.raises(RuntimeError, match=r"0 \(Linear\)"):
        nn.draw(model, (1, 4))
    assert tracing.watchers == []
    assert model[0]._hooks is None


def test_a_layer_whose_error_the_model_caught_is_left_behind() -> None:
    def forward(self: Any, x: Any) -> Any:
        try:
            return self.narrow(x)
        except RuntimeError:
            return self.wide(x)

    drawing = nn.draw(net(forward, narrow=nn.Linear(2, 2), wide=nn.Linear(3, 3)), (1, 3))
    assert edges(drawing) == [("x", "narrow"), ("x", "wide"), ("wide", "output")]


def test_ops_of_other_threads_are_not_drawn() -> None:
    def forward(self: Any, x: Any) -> Any:
        thread = threading.Thread(target=lambda: x.relu_())
        thread.start()
        thread.join()
        return x.log()

    assert edges(nn.draw(net(forward), torch.ones(2))) == [("x", "log"), ("log", "output")]


def test_a_module_under_vmap() -> None:
    model = net(lambda self, x: torch.func.vmap(self.same)(x), same=nn.Identity())
    titles = {title for pair in edges(nn.draw(model, (2, 3))) for title in pair}
    assert titles == {"x", "permute", "same", "output"}  # vmap brings the batch to the front itself


# -- the tape -----------------------------------------------------------------------------------------------------


def loss_of(model: nn.Module) -> Any:
    return F.cross_entropy(model(torch.randn(5, 4)), torch.tensor([0, 1, 2, 0, 1]))


def test_a_tape() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    drawing = nn.draw(loss_of(model), names=model.named_parameters())
    assert sorted(edges(drawing)) == sorted([
        ("0.weight", "linear"), ("0.bias", "linear"), ("linear", "relu"), ("relu", "linear"), ("2.weight", "linear"),
        ("2.bias", "linear"), ("linear", "cross_entropy"), ("cross_entropy", "output"),
    ])  # fmt: skip
    by_title = {node.title: node for node in drawing.graph.nodes}
    assert by_title["0.weight"].shape == "(8, 4)"
    assert by_title["relu"].detail == "saves output"
    assert "output (5, 8)" in by_title["relu"].note


def test_leaves_without_names_custom_functions_and_several_outputs() -> None:
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * 2, x + 1

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * 2 + grads[1]

    x = torch.ones(3, requires_grad=True)
    a, b = Twice.apply(x)
    drawing = nn.draw(a * b)
    assert edges(drawing) == [("Tensor", "TwiceBackward"), ("TwiceBackward", "×"), ("×", "output")]
    assert drawing.graph.nodes[1].detail == "saves tensor"


def test_pooling_and_joining_on_a_tape() -> None:
    x = torch.ones(1, 2, 4, 4, requires_grad=True)
    y = torch.cat([F.avg_pool2d(x, 2), F.max_pool2d(x, 2)])
    assert edges(nn.draw(y, names={"x": x})) == [
        ("x", "avg_pool"), ("x", "max_pool"), ("avg_pool", "cat"), ("max_pool", "cat"), ("cat", "output")
    ]  # fmt: skip


class Square(Function):
    """x², with x kept for backward."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        return 2 * ctx.saved_tensors[0] * grad


@pytest.mark.parametrize("function", [torch.exp, Square.apply], ids=["op", "function"])
@pytest.mark.parametrize("again", [False, True], ids=["kept", "computed again"])
def test_a_tape_that_was_walked_says_so(function: Any, again: bool) -> None:
    x = torch.ones(3, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False) if again else function(x)
    assert nn.draw(y).graph.nodes[1].detail.startswith("saves") == (not again)
    y.sum().backward()
    assert "freed" in nn.draw(y).graph.nodes[1].detail


def test_wrong_calls() -> None:
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(20)))
    x = torch.ones(2, requires_grad=True)
    y = x
    for _ in range(50):
        y = y + 1
    for error, message, call in [
        (TypeError, "give the model's input", lambda: nn.draw(model)),
        (TypeError, "expected a Module or a Tensor, got int", lambda: nn.draw(3)),
        (ValueError, "22 boxes, limit is 10: draw with depth", lambda: nn.draw(model, (1, 2), limit=10)),
        (ValueError, "depth is -1", lambda: nn.draw(model, (1, 2), depth=-1)),
        (TypeError, "names are those of a tensor's leaves", lambda: nn.draw(model, (1, 2), names={})),
        (ValueError, "the picture would have 52 boxes, limit is 51", lambda: nn.draw(y, limit=51)),
        (RuntimeError, "has no history", lambda: nn.draw(x)),
        (RuntimeError, "has no history", lambda: nn.draw(torch.ones(2))),
        (TypeError, "belong to a module", lambda: nn.draw(y, (1, 2))),
        (TypeError, "names must be pairs", lambda: nn.draw(y, names=["weight"])),
    ]:
        with pytest.raises(error, match=message):
            call()


# -- places -------------------------------------------------------------------------------------------------------

MODELS: dict[str, Callable[[], Drawing]] = {
    "lenet": lambda: nn.draw(models.lenet5(), (1, 1, 28, 28)),
    "residual": lambda: nn.draw(nn.Sequential(Block(), Block(2), Block()), (1, 4, 8, 8)),
    "resnet18": lambda: nn.draw(models.resnet18(), (1, 3, 32, 32)),
    "mobilenet": lambda: nn.draw(models.mobilenet_v2(), (1, 3, 32, 32)),
    "vit": lambda: nn.draw(models.VisionTransformer(8, 4, 2, 2, 8, 16), (1, 3, 8, 8)),
    "mixer": lambda: nn.draw(models.MLPMixer(8, 4, 2, 8, 4, 16), (1, 3, 8, 8)),
    "lstm": lambda: nn.draw(
        models.lstm_classifier(3, 4, 2, num_layers=2, bidirectional=True), (2, 5, 3), torch.tensor([5, 2])
    ),
    "transformer": lambda: nn.draw(nn.Transformer(8, 2, 2, 2, 16), (5, 2, 8), (4, 2, 8)),
    "shared": lambda: nn.draw(Shared(), (2, 3), (2, 3)),
    "tape": lambda: nn.draw(loss_of(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 3)))),
    "nothing": lambda: nn.draw(net(lambda self, x: None), (1, 3)),
}


def apart(a: Box, b: Box) -> bool:
    return (
        a.x + a.width <= b.x + 1e-6 or b.x + b.width <= a.x + 1e-6
        or a.y + a.height <= b.y + 1e-6 or b.y + b.height <= a.y + 1e-6
    )  # fmt: skip


def inside(a: Box, b: Box) -> bool:
    return (
        a.x >= b.x and a.x + a.width <= b.x + b.width + 1e-6
        and a.y >= b.y and a.y + a.height <= b.y + b.height + 1e-6
    )  # fmt: skip


def around(item: Node | Frame) -> Iterator[Frame]:
    frame = item.frame if isinstance(item, Node) else item.parent
    while frame is not None:
        yield frame
        frame = frame.parent


def points(stations: list[Station]) -> Iterator[tuple[float, float]]:
    """Points along an edge: the lines and cubic curves that `path_of` writes."""
    for here, there in pairwise(stations):
        yield from ((here.x, here.top + (here.bottom - here.top) * t) for t in np.linspace(0, 1, 12))
        middle = (here.bottom + there.top) / 2
        for t in np.linspace(0, 1, 25):
            s = 1 - t
            weights = np.array([s**3, 3 * s * s * t, 3 * s * t * t, t**3])
            x = weights @ [here.x, here.x, there.x, there.x]
            yield float(x), float(weights @ [here.bottom, middle, middle, there.top])
    last = stations[-1]
    yield from ((last.x, last.top + (last.bottom - last.top) * t) for t in np.linspace(0, 1, 12))


def check_places(layout: Layout) -> None:
    """No boxes overlap, frames hold what is theirs and nothing else, edges end at their boxes and cross no other."""
    boxes, frames = layout.boxes, layout.frames
    picture = Box(0, 0, layout.width, layout.height)
    assert set(boxes) == set(layout.graph.nodes)
    for a, b in combinations(boxes, 2):
        assert apart(boxes[a], boxes[b]), (a.title, b.title)
    for item, box in [*boxes.items(), *frames.items()]:
        assert inside(box, picture)
        mine = set(around(item))
        for frame, other in frames.items():
            if frame in mine:
                assert inside(box, other), (item.title, frame.title)
            elif frame is not item and item not in around(frame):
                assert apart(box, other), (item.title, frame.title)
    for frame, box in frames.items():
        assert TITLE_WIDTH * len(frame.title) <= box.width - 8
    for (source, target), stations in layout.routes.items():
        start, end = stations[0], stations[-1]
        assert start.top == pytest.approx(boxes[source].y + boxes[source].height)
        assert boxes[source].x <= start.x <= boxes[source].x + boxes[source].width
        assert boxes[target].x <= end.x <= boxes[target].x + boxes[target].width
        assert boxes[target].y <= end.bottom <= boxes[target].y + boxes[target].height / 2
        others = [(node.title, box) for node, box in boxes.items() if node not in (source, target)]
        for x, y in points(stations):
            assert inside(Box(x, y, 0, 0), picture)
            for title, box in others:
                assert not (box.x < x < box.x + box.width and box.y < y < box.y + box.height), (source.title, title)


@pytest.mark.parametrize("name", MODELS)
def test_nothing_overlaps(name: str) -> None:
    drawing = MODELS[name]()
    check_places(drawing.layout)
    root = ET.fromstring(drawing.svg)
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}path[@class='edge']")) == len(drawing.graph.edges)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    for node in drawing.graph.nodes:
        assert node.title in texts
        assert not node.shape or node.kind == "op" or node.shape in texts


@st.composite
def graphs(draw: Any) -> Graph:
    """Any graph: nodes in nested frames that are each entered once, edges forward."""
    graph = Graph("drawn")
    frame: Frame | None = None
    for i in range(draw(st.integers(1, 14))):
        for _ in range(draw(st.integers(0, 2))):
            frame = frame.parent if frame and draw(st.booleans()) else Frame(f"frame {i}", "", frame)
        kind = draw(st.sampled_from(["op", "convolution", "parameter", "input"]))
        title = draw(st.sampled_from(["+", "a", "a longer name"]))
        sources = (
            draw(st.lists(st.sampled_from(graph.nodes), max_size=3)) if graph.nodes and kind != "parameter" else []
        )
        graph.add(Node(kind, title, draw(st.sampled_from(["", "detail"])), "(1, 2)", "", frame), sources)
    return graph


@given(graph=graphs())
def test_nothing_overlaps_in_any_graph(graph: Graph) -> None:
    layout = Layout(graph)
    check_places(layout)
    ET.fromstring(write(layout))


def test_the_longest_stream_is_straight() -> None:
    drawing = nn.draw(nn.Sequential(Block(), Block(2), Block()), (1, 4, 8, 8))
    stream = [node for node in drawing.graph.nodes if not (node.frame and "shortcut" in node.frame.title)]
    centres = [drawing.layout.boxes[node].centre[0] for node in stream]
    assert max(centres) - min(centres) < 0.5


# -- text ---------------------------------------------------------------------------------------------------------


def test_names_are_escaped(tmp_path: Path) -> None:
    class Odd(nn.Module):
        def extra_repr(self) -> str:
            return "a < b & \"c\" > 'd'"

        def forward(self, x: Any) -> Any:
            return x + 1

    model = nn.Sequential()
    model.add_module('<&">', Odd())
    drawing = nn.draw(model, (2, 3))
    root = ET.fromstring(drawing.svg)
    texts = [element.text for element in root.iter()]
    assert '<&">' in texts
    assert any(text and text.startswith('<&">: Odd(a < b & "c" > \'d\')') for text in texts)
    drawing.save(tmp_path / "odd.svg")
    assert (tmp_path / "odd.svg").read_text(encoding="utf-8") == drawing.svg == drawing._repr_svg_()
    assert repr(drawing) == "<drawing of Sequential: 3 boxes, 2 arrows; save('NAME.svg')>"


def test_the_picture_the_readme_shows_is_what_is_drawn() -> None:
    path = Path(__file__).parent.parent / "examples" / "drawings" / "resnet18.svg"
    svg = nn.draw(models.resnet18(), (1, 3, 224, 224)).svg
    assert svg == path.read_text(encoding="utf-8"), "the README's lines draw it anew"


@pytest.mark.parametrize(
    ("layer", "shape", "detail"),
    [
        (nn.Conv2d(4, 8, (3, 5), stride=2, groups=2), (1, 4, 9, 9), "Conv2d 4 → 8, 3×5, stride 2, groups 2"),
        (nn.Conv1d(2, 3, 3, padding="same"), (1, 2, 9), "Conv1d 2 → 3, 3, padding same"),
        (nn.ConvTranspose2d(2, 3, 2, 2), (1, 2, 4, 4), "ConvTranspose2d 2 → 3, 2×2, stride 2"),
        (nn.MaxPool2d(3, 2, 1), (1, 2, 8, 8), "MaxPool2d 3×3, stride 2, padding 1"),
        (nn.AvgPool2d(2), (1, 2, 8, 8), "AvgPool2d 2×2"),
        (nn.MaxPool1d(2), (1, 2, 8), "MaxPool1d 2"),
        (nn.AdaptiveAvgPool2d(1), (1, 2, 8, 8), "AdaptiveAvgPool2d to 1"),
        (nn.Linear(3, 2), (1, 3), "Linear 3 → 2"),
        (nn.Bilinear(3, 2, 4), None, "Bilinear in1_features=3, in2_features=2, o…"),
        (nn.BatchNorm2d(4), (1, 4, 2, 2), "BatchNorm2d 4"),
        (nn.GroupNorm(2, 4), (1, 4, 2, 2), "GroupNorm 4"),
        (nn.LayerNorm((2, 3)), (1, 2, 3), "LayerNorm 2×3"),
        (nn.LocalResponseNorm(2), (1, 4, 2, 2), "LocalResponseNorm"),
        (nn.GELU(), (3,), "GELU"),
        (nn.ReLU(inplace=True), (3,), "ReLU in place"),
        (nn.Dropout(0.25), (3,), "Dropout p = 0.25"),
        (nn.LSTM(3, 4, 2, bidirectional=True), (5, 1, 3), "LSTM 3 → 4, 2 layers, bidirectional"),
        (nn.Flatten(), (1, 2, 3), "Flatten"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_essential_arguments(layer: nn.Module, shape: Any, detail: str) -> None:
    inputs = [shape] if shape else [(1, 3), (1, 2)]
    (node,) = [node for node in nn.draw(layer, *inputs).graph.nodes if node.kind not in ("input", "output")]
    assert node.detail.startswith(detail)


def test_ops_with_names_of_their_own_are_primitives() -> None:
    known = {name for op in [*primitives(), cast.primitive] for name in (op.name, f"{op.family}.{op.name}")}
    assert set(OPS) <= known


def test_a_class_made_from_a_layer_is_described_as_that() -> None:
    class Halve(nn.MaxPool2d):
        pass

    (node,) = [node for node in nn.draw(nn.Sequential(Halve(2)), (1, 2, 8, 8)).graph.nodes if node.kind == "pooling"]
    assert node.detail == "Halve 2×2"
