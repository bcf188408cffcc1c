"""PyTorch's checkpoints are read without PyTorch."""

import io
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytest

import autograd
import nn
from autograd.serialization.errors import FileError, RefusedError
from nn import optim
from tests.hostile import pt
from tests.saved import DTYPES, same, through_file, torch_bytes


@pytest.fixture(params=[True, False], ids=["zip", "legacy"])
def written(torch, request):
    """A function that writes a value with torch.save: as it does today, and as it did before PyTorch 1.6."""
    return lambda value, **options: torch_bytes(torch, value, _use_new_zipfile_serialization=request.param, **options)


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_pytorch(torch, written, dtype):
    x = torch.from_numpy((np.random.default_rng(0).standard_normal((4, 3, 5)) * 50).astype(dtype))
    given = {
        "x": x,
        "transposed": x.permute(2, 0, 1),
        "strided": x[::2, :, 1:4],
        "scalar": x[1, 1, 1],
        "empty": x[:0],
        "expanded": x[:1].expand(4, 3, 5),
    }
    loaded = autograd.load(written(given))
    for name, value in given.items():
        assert same(loaded[name].array.copy(), value.numpy().copy()), name
        assert loaded[name].stride() == value.stride() or value.numel() == 0
    loaded["x"].zero_()
    assert not any(value.any() for value in loaded.values())
    assert loaded["transposed"]._version == loaded["x"]._version == 1


def test_bfloat16_is_read_as_float32(torch, written):
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)  # every one there is
    loaded = autograd.load(written({"x": bits, "part": bits[5:9]}))
    assert loaded["x"].dtype is autograd.float32
    assert same(loaded["x"].array.view(np.uint32), bits.float().numpy().view(np.uint32)) or same(
        loaded["x"].array, bits.float().numpy()
    )
    assert same(loaded["part"].array, bits[5:9].float().numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_values_of_pytorch(torch, written, protocol):
    value = {
        "numbers": [1, -5, 300, 70000, 2**40, 2**100, -(2**70), 0.5, float("inf"), True, None, 1 + 2j],
        "text": ["", "é", "x" * 300],
        "bytes": [b"", b"\xff\0", bytearray(b"abc")],
        "containers": [(), (1,), (1, 2, 3, 4), [], {}, {1: [2, (3,)]}, {1, 2}, frozenset("a")],
        "counter": Counter([1, 1, 2]),
        "ordered": OrderedDict([("b", 1), ("a", 2)]),
        "numpy": [
            np.float64(0.1),
            np.int32(7),
            np.bool_(True),
            np.arange(6.0).reshape(2, 3),
            np.asfortranarray(np.eye(2)),
        ],
        "type": np.dtype("float32"),
        "state": np.random.RandomState(0).get_state(),
        (1, "key"): 1,
    }
    loaded = autograd.load(written(value, pickle_protocol=protocol))
    assert same(loaded, value)
    assert loaded["numpy"][3].flags.writeable
    loaded = autograd.load(written([torch.float16, torch.Size([2, 3]), torch.device("cpu"), torch.bool]))
    assert loaded == [autograd.float16, autograd.Size([2, 3]), autograd.device("cpu"), autograd.bool]


def test_parameters_of_pytorch(torch, written):
    p = torch.nn.Parameter(torch.randn(3))
    q = torch.nn.Parameter(torch.randn(2), requires_grad=False)
    q.tag = "fixed"
    loaded = autograd.load(written([p, q, torch.ones(1, requires_grad=True), p]))
    assert type(loaded[0]) is type(loaded[1]) is nn.Parameter
    assert [each.requires_grad for each in loaded] == [True, False, True, True]
    assert loaded[1].tag == "fixed"
    assert loaded[0] is loaded[3]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_has_no_counterpart_is_named_with_its_path(torch, written):
    x = torch.ones(2)
    x.note = "attribute"
    refused = {
        "a tensor of complex numbers": torch.ones(2, dtype=torch.complex64),
        "a sparse tensor": torch.eye(3).to_sparse(),
        "a quantized tensor": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "a tensor of an element type that is not supported": torch.ones(2, dtype=torch.uint16),
        "a tensor without memory": torch.empty(2, device="meta"),
        "a tensor with attributes of its own": x,
        "the device 'cuda'": torch.device("cuda"),
        "an object of torch.bfloat16": torch.bfloat16,
        "an object of torch.nn.modules.linear.Linear": torch.nn.Linear(1, 1),
        "an object of pathlib.PosixPath": Path("x"),
        "an object of torch.serialization._get_layout": torch.strided,
        "a NumPy type that is not one of numbers": np.array(["a"]),
        "an object of collections.defaultdict": defaultdict(list),
        "a storage": torch.ones(2).untyped_storage(),
    }
    for reason, value in refused.items():
        with pytest.raises(RefusedError, match=f"model/x/1 is {reason}") as caught:
            autograd.load(written({"epoch": 1, "model": {"x": [0, value]}}))
        assert isinstance(caught.value, UnpicklingError)


def resnet(torch: Any, n: Any) -> Any:
    """A net with ResNet-18's layers, of a tenth of its width."""

    def block(channels: int, width: int, stride: int) -> Any:
        body = n.ModuleDict({"conv1": n.Conv2d(channels, width, 3, stride, 1, bias=False), "bn1": n.BatchNorm2d(width)})
        body["conv2"] = n.Conv2d(width, width, 3, 1, 1, bias=False)
        body["bn2"] = n.BatchNorm2d(width)
        if stride > 1:
            body["downsample"] = n.Sequential(n.Conv2d(channels, width, 1, stride, bias=False), n.BatchNorm2d(width))
        return body

    net = n.Sequential(
        OrderedDict(
            conv1=n.Conv2d(3, 6, 7, 2, 3, bias=False), bn1=n.BatchNorm2d(6), relu=n.ReLU(), maxpool=n.MaxPool2d(3, 2, 1)
        )
    )
    channels = 6
    for i, width in enumerate((6, 12, 24, 48)):
        net.add_module(f"layer{i + 1}", n.Sequential(block(channels, width, 1 + (i > 0)), block(width, width, 1)))
        channels = width
    net.add_module("fc", n.Linear(48, 10))
    return net


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_as_torchvision_writes_it(torch, tmp_path, zipped):
    torch.manual_seed(0)
    theirs = resnet(torch, torch.nn)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    sum((p**2).sum() for p in theirs.parameters()).backward()
    optimizer.step()
    theirs.bn1(torch.randn(4, 6, 5, 5))
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 5])
    checkpoint = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}
    checkpoint |= {"lr_scheduler": scheduler.state_dict(), "best": np.float64(0.7)}
    torch.save(checkpoint, tmp_path / "checkpoint.pth", _use_new_zipfile_serialization=zipped)
    torch.save(theirs.state_dict(), tmp_path / "weights.pt", _use_new_zipfile_serialization=zipped)

    loaded = autograd.load(tmp_path / "checkpoint.pth", map_location="cpu", weights_only=True)
    weights = autograd.load(tmp_path / "weights.pt")
    assert list(weights) == list(loaded["model"]) == list(theirs.state_dict())
    assert weights["bn1.num_batches_tracked"].shape == ()
    assert weights["bn1.num_batches_tracked"].dtype is autograd.int64
    ours = resnet(autograd, nn)
    assert ours.load_state_dict(loaded["model"]) == ([], [])
    for state in (weights, loaded["model"], ours.state_dict()):
        for name, value in theirs.state_dict().items():
            assert same(state[name].array, value.numpy()), name
    assert loaded["epoch"] == 7
    assert loaded["lr_scheduler"]["milestones"] == Counter([3, 3, 5])
    assert type(loaded["best"]) is np.float64
    mine = optim.SGD(ours.parameters(), lr=0.5, momentum=0.5)
    mine.load_state_dict(loaded["optimizer"])
    assert mine.param_groups[0]["momentum"] == 0.9
    buffers = [state["momentum_buffer"] for state in optimizer.state_dict()["state"].values()]
    assert all(
        same(mine.state[p]["momentum_buffer"].array, b.numpy()) for p, b in zip(ours.parameters(), buffers, strict=True)
    )


OPTIMIZERS = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}), ("Adam", {"lr": 0.01, "amsgrad": True}), ("AdamW", {"lr": 0.01}),
    ("NAdam", {"lr": 0.01}), ("RAdam", {"lr": 0.01}), ("Adamax", {"lr": 0.01}), ("Adagrad", {"lr": 0.1}), ("Adadelta", {}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.5, "centered": True}), ("Rprop", {"lr": 0.01}), ("ASGD", {"lr": 0.01}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_the_state_of_pytorchs_optimizers_is_taken_over(torch, name, options):
    theirs, ours = torch.nn.Linear(3, 2).double(), nn.Linear(3, 2).double()
    optimizer = getattr(torch.optim, name)(theirs.parameters(), **options)

    def step(net: Any, optimizer: Any, ones: Any) -> None:
        optimizer.zero_grad()
        net(ones).pow(2).sum().backward()
        optimizer.step()

    for _ in range(3):
        step(theirs, optimizer, torch.ones(4, 3, dtype=torch.float64))
    loaded = autograd.load(torch_bytes(torch, {"net": theirs.state_dict(), "optimizer": optimizer.state_dict()}))
    ours.load_state_dict(loaded["net"])
    mine = getattr(optim, name)(ours.parameters())
    mine.load_state_dict(loaded["optimizer"])
    mine.load_state_dict(through_file(mine.state_dict()))
    for _ in range(3):
        step(theirs, optimizer, torch.ones(4, 3, dtype=torch.float64))
        step(ours, mine, autograd.ones(4, 3).double())
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-12)


def test_tensors_of_other_devices_come_to_the_cpu():
    file = pt.torch_file(pt.dictionary(x=pt.tensor_of(pt.storage().replace(pt.text("cpu"), pt.text("cuda:0")))))
    assert autograd.load(io.BytesIO(file), map_location={"cuda:0": "cpu"})["x"].tolist() == [0, 1, 2, 3]
    assert autograd.load(io.BytesIO(file))["x"].tolist() == [0, 1, 2, 3]


def test_a_file_written_on_a_big_endian_machine(torch):
    given = {d: torch.arange(5).to(getattr(torch, d)) for d in DTYPES} | {"bfloat16": torch.arange(5).bfloat16()}
    swapped = io.BytesIO()
    with zipfile.ZipFile(torch_bytes(torch, given)) as old, zipfile.ZipFile(swapped, "w") as new:
        sizes = iter(v.element_size() for v in given.values())
        for name in old.namelist():
            content = old.read(name)
            if "/data/" in name:
                content = (
                    np.frombuffer(content, f"V{next(sizes)}").copy().view(np.uint8).reshape(5, -1)[:, ::-1].tobytes()
                )
            new.writestr(name, b"big" if name.endswith("byteorder") else content)
    swapped.seek(0)
    loaded = autograd.load(swapped)
    assert all(same(loaded[d].array, given[d].float().numpy() if d == "bfloat16" else given[d].numpy()) for d in given)


def test_programs_of_torchscript_are_explained(tmp_path):
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\2N.")
        archive.writestr("x/constants.pkl", b"")
    with pytest.raises(FileError, match="script.pt: it is a program of TorchScript"):
        autograd.load(tmp_path / "script.pt")


@pytest.mark.parametrize("zipped", [True, False])
def test_pytorch_is_not_needed(torch, tmp_path, zipped):
    value = {"w": torch.randn(3), "n": np.float64(1)}
    torch.save(value, tmp_path / "x.pt", _use_new_zipfile_serialization=zipped)
    code = "import sys; sys.modules['torch'] = None\nimport autograd; print(autograd.load(sys.argv[1])['w'].shape)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.pt"], capture_output=True, text=True, check=True)
    assert done.stdout == "Size([3])\n"
