"""Files: what NumPy and safetensors make of them, what load is asked; old ones stay whole while new ones are written."""

import io
import json
import os
import resource
import stat
import subprocess
import sys
import threading
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Tensor, tensor
from autograd.serialization import outline
from autograd.serialization.errors import FileError, RefusedError
from tests.saved import DTYPES, same


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


def test_a_name_as_long_as_file_systems_allow(tmp_path):
    path = tmp_path / ("模" * 83 + ".npz")  # 253 bytes
    autograd.save([1], path)
    assert autograd.load(path) == [1]


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
