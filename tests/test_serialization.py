"""What is saved comes back as it was; old files stay whole; PyTorch's checkpoints are read without PyTorch."""

import io
import json
import os
import resource
import stat
import subprocess
import sys
import threading
import zipfile
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import autograd
import nn
from autograd import Tensor, tensor
from autograd.serialization import outline
from autograd.serialization.errors import FileError, RefusedError
from nn import optim
from tests.hostile import pt

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def through_file(value: Any) -> Any:
    """Return what a file of `value` holds."""
    file = io.BytesIO()
    autograd.save(value, file)
    file.seek(0)
    return autograd.load(file)


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal, types, bits and order included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.requires_grad == b.requires_grad and same(a.array, b.array)
    if isinstance(a, np.ndarray):
        equal = np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        return a.dtype == b.dtype and a.shape == b.shape and equal and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        keys = all(same(k, j) for k, j in zip(a, b, strict=True))
        return keys and all(same(v, w) for v, w in zip(a.values(), b.values(), strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b) if isinstance(a, (float, complex, np.generic)) else a == b


# -- values -----------------------------------------------------------------------------------------------------------

VALUES = {
    "numbers": [0, -1, 2**63 - 1, 2**63, 2**64, -(10**5000), 1.5, -0.0, 5e-324, float("inf"), float("-inf")],
    "not a number": float("nan"),
    "flags": [True, False, None],
    "complex": complex(-0.0, float("inf")),
    "text": ["", "a\0b", "\ud800", "é\n\"'", "☃" * 1000],
    "bytes": [b"", b"\0\xff" * 500, bytearray(b"abc"), bytearray()],
    "empty": [[], (), {}, set(), frozenset(), OrderedDict(), Counter(), np.empty((0, 3)), tensor([])],
    "nested": {"a": ({"b": [(1,), {"c": OrderedDict([("z", 1), ("a", (2, [3]))])}]},)},
    "keys": {3: "a", "3": "b", 2.5: "c", True: "d", None: "e", b"k": "f", (1, ("x", None)): "g"},
    "sets": [{1, "a", None}, frozenset([(1, 2), b"x"])],
    "counter": Counter({10: 2, 20: 1}),
    "types": [autograd.float16, autograd.bool, np.dtype("float32"), np.dtype(">i4"), autograd.device("cpu")],
    "size": autograd.Size([2, 0, 3]),
    "scalars": [
        np.float64(1.5),
        np.float32("nan"),
        np.int8(-3),
        np.bool_(True),
        np.uint64(2**64 - 1),
        np.complex64(1j),
    ],
    "arrays": [np.arange(6, dtype=">f8").reshape(2, 3), np.array(3), np.array([1j]), np.arange(3, dtype=np.uint16)],
    "same bytes": [b"once"] * 2,
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_were(name):
    assert same(through_file(VALUES[name]), VALUES[name])
    assert same(through_file({"x": [VALUES[name]]}), {"x": [VALUES[name]]})


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_tensors_of_all_types_and_layouts_come_back(dtype, data):
    array = data.draw(npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
    order = data.draw(st.permutations(range(array.ndim)))
    saved = Tensor(array.transpose(order))
    loaded = through_file(saved)
    assert same(loaded, saved)
    if array.size > 1:
        assert all(n == 1 or s == t for n, s, t in zip(saved.shape, loaded.stride(), saved.stride(), strict=True))
    assert loaded.array.flags.writeable


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
keys = st.text(max_size=3) | st.integers(-(2**63), 2**63) | st.booleans() | st.binary(max_size=2)


@given(
    st.recursive(
        leaves,
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )
)
def test_drawn_values_come_back(value):
    assert same(through_file(value), value)


def test_paths_that_spell_alike_do_not_meet():
    value = {"a/b": tensor([1.0]), "a": {"b": tensor([2.0])}, 3: tensor([3.0]), "3": tensor([4.0]), "": tensor([5.0])}
    value |= {"__outline__": tensor([6.0]), "x\0y": tensor([7.0]), "x": tensor([8.0]), "n" * 70000: tensor([9.0])}
    assert same(through_file(value), value)


def test_requires_grad_and_parameters_are_kept():
    loaded = through_file({"p": nn.Parameter(tensor([1.0])), "q": nn.Parameter(tensor([1]), requires_grad=False)})
    assert type(loaded["p"]) is type(loaded["q"]) is nn.Parameter
    assert (loaded["p"].requires_grad, loaded["q"].requires_grad) == (True, False)
    x = tensor([1.0], requires_grad=True)
    computed = through_file(x * 2)
    assert computed.requires_grad
    assert computed.is_leaf


def test_the_versions_in_a_state_dict_are_kept():
    state = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).state_dict()
    loaded = through_file({"model": state})["model"]
    assert type(loaded) is OrderedDict
    assert loaded._metadata == state._metadata
    assert loaded._metadata["1"] == {"version": 2}


def test_generators_go_on_from_their_state():
    generator = autograd.Generator().manual_seed(3)
    autograd.rand(7, generator=generator)
    state = through_file(generator.get_state())
    expected = autograd.rand(3, generator=generator).tolist()
    assert autograd.rand(3, generator=autograd.Generator().set_state(state)).tolist() == expected
    with pytest.raises(TypeError, match="rng is a Generator, which cannot be saved; save its get_state"):
        through_file({"rng": generator})


REFUSED = [
    ({"a": [object()]}, TypeError, "save: a/0 is a object, which cannot be saved"),
    ({"net": nn.Linear(1, 1)}, TypeError, r"save: net is a Linear, which cannot be saved; save its state_dict\(\)"),
    ({"a": np.array(["x"])}, TypeError, "save: a is an array of <U1"),
    ({"a": np.array([None])}, TypeError, "save: a is an array of object"),
    ({"a": np.ma.array([1])}, TypeError, "save: a is a MaskedArray"),
    ({"a": Path("x")}, TypeError, "save: a is a PosixPath"),
    ({(1, object()): 1}, TypeError, "save: the dict has a key of type tuple"),
    ({2**70: 1}, TypeError, "has a key of type int; keys must be strings, numbers of 64 bits"),
    (lambda x: x, TypeError, "save: the object is a function"),
    (type("Kind", (dict,), {})(), TypeError, "save: the object is a Kind"),
]


@pytest.mark.parametrize(("value", "error", "message"), REFUSED)
def test_what_cannot_be_saved_is_named(value, error, message):
    with pytest.raises(error, match=message):
        through_file(value)


def test_what_holds_itself_is_refused():
    value: list[Any] = []
    value.append({"again": value})
    with pytest.raises(ValueError, match="nested more than 100 deep, or holds itself"):
        through_file(value)


# -- shared memory ----------------------------------------------------------------------------------------------------


def test_two_names_of_one_tensor_share_memory_and_versions():
    x = autograd.arange(1000.0)
    file = io.BytesIO()
    autograd.save({"a": x, "b": x.detach(), "c": x.numpy()}, file)
    assert len(file.getvalue()) < 2 * 4000
    file.seek(0)
    loaded = autograd.load(file)
    loaded["a"].add_(1)
    assert same(loaded["b"], x + 1)
    assert same(loaded["c"], (x + 1).numpy())
    assert loaded["b"]._version == loaded["a"]._version == 1


def test_views_of_one_memory_share_it():
    x = autograd.arange(24).reshape(4, 6)
    loaded = through_file({"rows": x[1:3], "columns": x[:, ::2], "all": x.t(), "apart": tensor([1])})
    assert same(loaded["rows"], x[1:3])
    assert same(loaded["columns"], x[:, ::2])
    assert same(loaded["all"], x.t())
    loaded["all"].zero_()
    assert not loaded["rows"].any()
    assert not loaded["columns"].any()
    assert loaded["apart"].item() == 1


def test_a_view_is_saved_without_the_rest_of_its_memory():
    file = io.BytesIO()
    autograd.save(autograd.zeros(100000)[5:10], file)
    assert len(file.getvalue()) < 2000


def test_an_expanded_tensor_is_saved_as_what_it_repeats():
    x = tensor([[1.0], [2.0]]).expand(2, 1000000)
    file = io.BytesIO()
    autograd.save(x, file)
    assert len(file.getvalue()) < 2000
    file.seek(0)
    loaded = autograd.load(file)
    assert loaded.shape == x.shape
    assert loaded[:, -1].tolist() == [1.0, 2.0]


def test_arrays_that_run_backwards_or_apart_come_back():
    x = np.arange(10.0)
    value = {"x": x, "back": x[::-1], "odd": np.frombuffer(x.tobytes()[1:73], np.float64)}
    assert same(through_file(value), value)


# -- files ------------------------------------------------------------------------------------------------------------


def test_numpy_reads_the_arrays_by_their_paths(tmp_path):
    autograd.save({"model": {"a.weight": tensor([[1.0, 2.0]])}, "b": np.asfortranarray(np.eye(3))}, tmp_path / "x.npz")
    with np.load(tmp_path / "x.npz") as archive:
        assert archive["model/a.weight"].tolist() == [[1.0, 2.0]]
        assert archive["b"].tolist() == np.eye(3).tolist()
        assert "dict" in json.loads(archive["__outline__"].item())


def test_files_of_the_first_version_are_read(tmp_path):
    items = {"dict": [["w", {"tensor": "w", "requires_grad": True}], ["o", {"ordered": [[1, {"tuple": [2]}]]}]]}
    np.savez(tmp_path / "x.npz", w=np.ones(3, np.float32), __outline__=np.array(json.dumps(items)))
    loaded = autograd.load(tmp_path / "x.npz")
    assert same(loaded, {"w": tensor([1.0, 1.0, 1.0], requires_grad=True), "o": OrderedDict([(1, (2,))])})


def test_the_same_value_gives_the_same_bytes(tmp_path):
    for name in "ab":
        autograd.save({"x": autograd.ones(3)}, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("name", ["x.npz", "x.pt", "x.safetensors"])
def test_mapped_files_can_be_written_to_in_memory_alone(tmp_path, name):
    path = tmp_path / name
    value = {"a": autograd.arange(100.0), "b": tensor([True, False]), "c": autograd.arange(7)}
    if name == "x.pt":
        torch = pytest.importorskip("torch")
        torch.save({k: torch.from_numpy(v.numpy()) for k, v in value.items()}, path)
    else:
        autograd.save(value, path)
    before = path.read_bytes()
    loaded = autograd.load(path, mmap=True)
    assert all(same(loaded[k], v) for k, v in value.items())
    assert loaded["a"].array.base is not None
    assert name == "x.safetensors" or loaded["a"].data_ptr() % 64 == loaded["c"].data_ptr() % 64 == 0
    loaded["a"].zero_()
    assert path.read_bytes() == before
    with pytest.raises(ValueError, match="mmap=True needs a path"):
        autograd.load(io.BytesIO(before), mmap=True)


def test_what_load_is_asked(tmp_path):
    path = tmp_path / "x.npz"
    autograd.save([1], path)
    for where in (None, "cpu", autograd.device("cpu"), {"cuda:0": "cpu"}):
        assert autograd.load(path, where, weights_only=True) == [1]
    with pytest.raises(ValueError, match="weights_only=False would run code"):
        autograd.load(path, weights_only=False)
    with pytest.raises(RuntimeError, match="cuda"):
        autograd.load(path, "cuda")
    with pytest.raises(TypeError, match="functions of storages"):
        autograd.load(path, lambda storage, location: storage)
    with pytest.raises(TypeError, match="expected a path or a binary file, got int"):
        autograd.load(3)
    with pytest.raises(TypeError, match="opened in binary mode, it gave str"):
        autograd.load(io.StringIO("x"))
    with pytest.raises(IsADirectoryError):
        autograd.load(tmp_path)
    with pytest.raises(FileError, match="/dev/zero: it is not a regular file"):
        autograd.load("/dev/zero")


def test_a_file_is_read_from_where_it_stands():
    file = io.BytesIO()
    file.write(b"before")
    start = file.tell()
    autograd.save([1, 2], file)
    file.seek(start)
    assert autograd.load(file) == [1, 2]


def test_zip64_archives_are_read(monkeypatch, tmp_path):
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    autograd.save({"x": autograd.arange(50.0)}, tmp_path / "x.npz")
    monkeypatch.undo()
    assert b"PK\6\6" in (tmp_path / "x.npz").read_bytes()
    assert same(autograd.load(tmp_path / "x.npz"), {"x": autograd.arange(50.0)})


# -- replacing a file -------------------------------------------------------------------------------------------------


def test_permissions_are_the_old_files_or_the_umasks(tmp_path):
    path = tmp_path / "x.npz"
    old = os.umask(0o027)
    try:
        autograd.save([1], path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        autograd.save([2], path)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(old)


def test_a_symbolic_link_stays_and_what_it_points_to_is_replaced(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.npz"
    link.symlink_to(tmp_path / "real" / "step1.npz")
    for value in ([1], [2]):  # the first creates what the link points to
        autograd.save(value, link)
        assert link.is_symlink()
        assert autograd.load(tmp_path / "real" / "step1.npz") == value
    assert [p.name for p in (tmp_path / "real").iterdir()] == ["step1.npz"]


def test_a_pipe_is_written_to_as_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    autograd.save([1, tensor([2.0])], pipe)
    reader.join()
    assert same(autograd.load(io.BytesIO(received[0])), [1, tensor([2.0])])
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_full_disk_leaves_the_old_file(tmp_path):
    path = tmp_path / "x.npz"
    autograd.save([1], path)
    code = (
        "import resource, sys, autograd\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, resource.RLIM_INFINITY))\n"
        "autograd.save(autograd.zeros(100000), sys.argv[1])"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("OSError: [Errno 27] save: ")
    assert f"{path} could not be written and is as it was: File too large" in done.stderr
    assert autograd.load(path) == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="save: .*/no/x.npz could not be written and does not exist: No such"):
        autograd.save([1], tmp_path / "no" / "x.npz")
    autograd.save([1], tmp_path / "x.npz")

    def refuse(*args: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("autograd.serialization.atomic._create", refuse)
    with pytest.raises(PermissionError, match="could not be written and is as it was: Permission denied"):
        autograd.save([2], tmp_path / "x.npz")
    assert autograd.load(tmp_path / "x.npz") == [1]
    with pytest.raises(IsADirectoryError):
        autograd.save([1], tmp_path)


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    autograd.save([1], tmp_path / "x.npz")

    def interrupt(file: Any, entries: Any) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("autograd.serialization.archive.write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        autograd.save([2], tmp_path / "x.npz")
    assert autograd.load(tmp_path / "x.npz") == [1]
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_file_and_folder_are_synced(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(os.readlink(f"/proc/self/fd/{fd}")))
    autograd.save([1], tmp_path / "x.npz")
    assert len(synced) == 2
    assert synced[0].endswith(".part")
    assert synced[1] == str(tmp_path)


def test_writers_at_the_same_time_leave_one_whole_file(tmp_path):
    path = tmp_path / "x.npz"

    def write(number: int) -> None:
        for _ in range(10):
            autograd.save({"number": number, "x": autograd.full((1000,), float(number))}, path)

    threads = [threading.Thread(target=write, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            loaded = autograd.load(path)
            assert (loaded["x"] == loaded["number"]).all()
    for thread in threads:
        thread.join()
    assert [p.name for p in tmp_path.iterdir()] == ["x.npz"]


def test_a_file_written_while_its_tensor_changes_is_whole(tmp_path):
    x = autograd.zeros(500000)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            x.array += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            autograd.save(x, tmp_path / "x.npz")
            autograd.load(tmp_path / "x.npz")
    finally:
        stop.set()
        thread.join()


# -- safetensors ------------------------------------------------------------------------------------------------------


def test_safetensors_files_are_other_libraries_too(tmp_path):
    safetensors_numpy = pytest.importorskip("safetensors.numpy")
    value = {f"w.{d}": Tensor(np.arange(6).astype(d).reshape(2, 3).T) for d in DTYPES}
    value |= {"scalar": tensor(3), "empty": autograd.zeros(0, 2)}
    autograd.save(value, tmp_path / "x.safetensors")
    theirs = safetensors_numpy.load_file(tmp_path / "x.safetensors")
    assert all(same(theirs[name], np.ascontiguousarray(v.array).reshape(v.shape)) for name, v in value.items())
    ours = autograd.load(tmp_path / "x.safetensors")
    assert all(same(ours[name].array, theirs[name]) for name in value)
    assert ours.keys() == value.keys()
    file = io.BytesIO((tmp_path / "x.safetensors").read_bytes())
    assert same(autograd.load(file), ours)


def test_safetensors_of_pytorch(tmp_path, torch):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    given = {
        "b": torch.randn(5, 7).bfloat16(),
        "h": torch.randn(3).half(),
        "f": torch.randn(2, 2),
        "i": torch.arange(3),
    }
    save_file(given, tmp_path / "x.safetensors")
    loaded = autograd.load(tmp_path / "x.safetensors")
    assert loaded["b"].dtype is autograd.float32
    for name, value in given.items():
        assert same(loaded[name].array, value.float().numpy() if name == "b" else value.numpy())
    autograd.save(loaded, tmp_path / "y.safetensors")
    assert (load_file(tmp_path / "y.safetensors")["f"] == given["f"]).all()
    with safe_open(tmp_path / "y.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}
    save_file({"q": torch.zeros(2).to(torch.float8_e4m3fn)}, tmp_path / "z.safetensors")
    with pytest.raises(RefusedError, match="z.safetensors: q has elements of type F8_E4M3, which is not supported"):
        autograd.load(tmp_path / "z.safetensors")


def test_safetensors_hold_a_dict_of_tensors(tmp_path):
    for value, message in (
        ([tensor([1.0])], "hold a dict of tensors by name, got a list"),
        ({"a": {"b": tensor([1.0])}}, "'a' is a dict"),
        ({1: tensor([1.0])}, "1 is a float32"),
        ({"a": np.array([1j])}, "'a' is a complex128"),
    ):
        with pytest.raises(TypeError, match=message):
            autograd.save(value, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


def test_without_safetensors_the_install_command_is_given(tmp_path, monkeypatch):
    autograd.save({"a": tensor([1.0])}, tmp_path / "x.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for call in (
        lambda: autograd.load(tmp_path / "x.safetensors"),
        lambda: autograd.save({}, tmp_path / "x.safetensors"),
    ):
        with pytest.raises(ImportError, match=r"need the library safetensors: pip install 'magtape\[safetensors\]'"):
            call()


# -- PyTorch's files --------------------------------------------------------------------------------------------------


def torch_bytes(torch: Any, value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file


@pytest.mark.parametrize("dtype", DTYPES)
def test_tensors_of_pytorch(torch, dtype):
    x = torch.from_numpy((np.random.default_rng(0).standard_normal((4, 3, 5)) * 50).astype(dtype))
    given = {
        "x": x,
        "transposed": x.permute(2, 0, 1),
        "strided": x[::2, :, 1:4],
        "scalar": x[1, 1, 1],
        "empty": x[:0],
        "expanded": x[:1].expand(4, 3, 5),
    }
    loaded = autograd.load(torch_bytes(torch, given))
    for name, value in given.items():
        assert same(loaded[name].array.copy(), value.numpy().copy()), name
        assert loaded[name].stride() == value.stride() or value.numel() == 0
    loaded["x"].zero_()
    assert not any(value.any() for value in loaded.values())
    assert loaded["transposed"]._version == loaded["x"]._version == 1


def test_bfloat16_is_read_as_float32(torch):
    bits = torch.arange(2**16, dtype=torch.int32).to(torch.uint16).view(torch.bfloat16)  # every one there is
    loaded = autograd.load(torch_bytes(torch, {"x": bits, "part": bits[5:9]}))
    assert loaded["x"].dtype is autograd.float32
    assert same(loaded["x"].array.view(np.uint32), bits.float().numpy().view(np.uint32)) or same(
        loaded["x"].array, bits.float().numpy()
    )
    assert same(loaded["part"].array, bits[5:9].float().numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_values_of_pytorch(torch, protocol):
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
    loaded = autograd.load(torch_bytes(torch, value, pickle_protocol=protocol))
    assert same(loaded, value)
    assert loaded["numpy"][3].flags.writeable
    loaded = autograd.load(torch_bytes(torch, [torch.float16, torch.Size([2, 3]), torch.device("cpu"), torch.bool]))
    assert loaded == [autograd.float16, autograd.Size([2, 3]), autograd.device("cpu"), autograd.bool]


def test_parameters_of_pytorch(torch):
    p = torch.nn.Parameter(torch.randn(3))
    q = torch.nn.Parameter(torch.randn(2), requires_grad=False)
    q.tag = "fixed"
    loaded = autograd.load(torch_bytes(torch, [p, q, torch.ones(1, requires_grad=True), p]))
    assert type(loaded[0]) is type(loaded[1]) is nn.Parameter
    assert [each.requires_grad for each in loaded] == [True, False, True, True]
    assert loaded[1].tag == "fixed"
    assert loaded[0] is loaded[3]


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_what_has_no_counterpart_is_named_with_its_path(torch):
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
            autograd.load(torch_bytes(torch, {"epoch": 1, "model": {"x": [0, value]}}))
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


def test_a_checkpoint_as_torchvision_writes_it(torch, tmp_path):
    torch.manual_seed(0)
    theirs = resnet(torch, torch.nn)
    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    sum((p**2).sum() for p in theirs.parameters()).backward()
    optimizer.step()
    theirs.bn1(torch.randn(4, 6, 5, 5))
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [3, 3, 5])
    checkpoint = {"model": theirs.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 7}
    torch.save(
        {**checkpoint, "lr_scheduler": scheduler.state_dict(), "best": np.float64(0.7)}, tmp_path / "checkpoint.pth"
    )
    torch.save(theirs.state_dict(), tmp_path / "weights.pt")

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


def test_older_files_of_pytorch_are_explained(torch, tmp_path):
    torch.save({"x": torch.ones(1)}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(
        FileError, match=r"old.pt: it is a plain pickle, as PyTorch wrote before version 1.6; load it in"
    ):
        autograd.load(tmp_path / "old.pt")
    with zipfile.ZipFile(tmp_path / "script.pt", "w") as archive:
        archive.writestr("x/data.pkl", b"\x80\2N.")
        archive.writestr("x/constants.pkl", b"")
    with pytest.raises(FileError, match="script.pt: it is a program of TorchScript"):
        autograd.load(tmp_path / "script.pt")


def test_pytorch_is_not_needed(torch, tmp_path):
    torch.save({"w": torch.randn(3), "n": np.float64(1)}, tmp_path / "x.pt")
    code = "import sys; sys.modules['torch'] = None\nimport autograd; print(autograd.load(sys.argv[1])['w'].shape)"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "x.pt"], capture_output=True, text=True, check=True)
    assert done.stdout == "Size([3])\n"


def test_a_file_larger_than_memory_is_not_needed_to_see_that_it_is_wrong(tmp_path):
    """A header that claims 2⁴⁰ elements is refused by the file's length."""
    path = tmp_path / "x.npz"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("w.npy", b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header)
        file = io.BytesIO()
        np.save(file, np.array(json.dumps({"tensor": "w"}).encode()))
        archive.writestr(outline.OUTLINE + ".npy", file.getvalue())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(FileError, match="entry 'w.npy' has .* bytes, its header says 4398046511"):
        autograd.load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10000
