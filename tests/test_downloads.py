"""Downloads: what is damaged, interrupted or not there is refused, resumed or fetched elsewhere."""

import hashlib
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from nn.data import datasets
from nn.data.datasets import remote, resuming
from tests.file_server import Site, serving
from tests.image_files import Cifar, Mnist

pytest.importorskip("pooch", reason="downloads need pooch: pip install 'magtape[data]'")

CONTENT = np.random.default_rng(0).bytes(300_000)
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def site():
    with serving(Site({"/file.gz": CONTENT})) as served:
        yield served


def file_at(*sites):
    return remote.Remote(
        "file.gz", len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), tuple(each.url for each in sites)
    )


def names(folder):
    return sorted(each.name for each in folder.iterdir())


def interrupted(site, folder, after=100_000):
    """Let a download be interrupted; return the partial file's length."""
    site.drops.append(after)
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        remote.obtain(file_at(site), folder, download=True)
    partial = folder / ".file.gz.part"
    assert names(folder) == [".file.gz.part", ".file.gz.part.json"]
    site.asked.clear()
    return partial.stat().st_size


def test_mnist_is_downloaded_once(monkeypatch, tmp_path):
    files = Mnist()
    with serving(Site({f"/mnist/{name}": content for name, content in files.contents.items()})) as site:
        files.patch(monkeypatch, datasets.MNIST, site.url + "mnist/")
        data = datasets.MNIST(tmp_path / "my data", download=True)
        assert len(site.asked) == 4
        test = datasets.MNIST(tmp_path / "my data", train=False, download=True)
        assert len(site.asked) == 4
    assert np.array_equal(data.data.numpy()[:, 0], files.images[True])
    assert np.array_equal(test.targets.numpy(), files.labels[False])
    assert names(tmp_path / "my data" / "MNIST" / "raw") == sorted(files.contents)


def test_cifar_is_downloaded(monkeypatch, tmp_path):
    files = Cifar()
    with serving(Site({"/cifar-10-binary.tar.gz": files.content})) as site:
        files.patch(monkeypatch, site.url)
        data = datasets.CIFAR10(tmp_path, download=True)
    assert np.array_equal(data.data.numpy(), files.images[True])


def test_the_file_has_the_permissions_the_umask_leaves(site, tmp_path):
    old = os.umask(0o027)
    try:
        path = remote.obtain(file_at(site), tmp_path, download=True)
    finally:
        os.umask(old)
    assert path.stat().st_mode & 0o777 == 0o640


# -- interrupted --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("etag", ['"1"', None])
def test_an_interrupted_download_is_resumed(site, tmp_path, length, etag):
    site.length, site.etag = length, etag
    done = interrupted(site, tmp_path)
    assert 0 < done <= 100_000
    path = remote.obtain(file_at(site), tmp_path, download=True)
    assert site.asked == [f"bytes={done}-"]
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["file.gz"]


def test_it_may_be_interrupted_often(site, tmp_path):
    sizes = [interrupted(site, tmp_path, after=70_000) for _ in range(4)]
    assert sizes == sorted(set(sizes))
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT


def test_a_partial_file_is_never_taken_for_the_whole(site, tmp_path):
    interrupted(site, tmp_path)
    with pytest.raises(RuntimeError, match="Dataset not found"):
        remote.obtain(file_at(site), tmp_path)


@pytest.mark.parametrize("change", [
    {"etag": '"2"'}, {"ranges": False}, {"lies": {"Content-Range": "bytes 5-299999/300000"}},
    {"lies": {"Content-Range": "bytes 100000-299999/300001"}}, {"lies": {"Content-Range": "bytes */300000"}},
    {"lies": {"Content-Range": ""}},
], ids=str)  # fmt: skip
def test_what_is_not_the_rest_is_fetched_anew(site, tmp_path, change):
    done = interrupted(site, tmp_path)
    for name, value in change.items():
        setattr(site, name, value)
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT
    assert site.asked == [f"bytes={done}-", ""]


@pytest.mark.parametrize("origin", ["", "{", "[]", "5", "[1]", "null", "\0", None])
def test_without_a_known_origin_all_is_fetched_anew(site, tmp_path, origin):
    interrupted(site, tmp_path)
    note = tmp_path / ".file.gz.part.json"
    if origin is None:
        note.unlink()
    else:
        note.write_text(origin)
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT
    assert names(tmp_path) == ["file.gz"]


def test_the_rest_may_come_from_another_mirror(site, tmp_path):
    done = interrupted(site, tmp_path)
    with serving(Site({"/file.gz": CONTENT}, etag='"other"')) as other:
        assert remote.obtain(file_at(other), tmp_path, download=True).read_bytes() == CONTENT
        assert other.asked == [f"bytes={done}-"]


def test_the_next_mirror_goes_on_in_the_same_call(site, tmp_path):
    site.drops.append(150_000)
    with serving(Site({"/file.gz": CONTENT})) as other:
        assert remote.obtain(file_at(site, other), tmp_path, download=True).read_bytes() == CONTENT
    assert len(site.asked) == len(other.asked) == 1
    assert other.asked[0].startswith("bytes=")


def test_a_wrong_piece_is_found_and_all_is_fetched_anew(site, tmp_path):
    done = interrupted(site, tmp_path)
    (tmp_path / ".file.gz.part").write_bytes(bytes(done))
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT
    assert site.asked == [f"bytes={done}-", ""]
    assert names(tmp_path) == ["file.gz"]


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_a_partial_file_that_is_long_enough_is_no_file_yet(site, tmp_path, size):
    """As a crash before the last step leaves it, or another program."""
    (tmp_path / ".file.gz.part").write_bytes(bytes(size))
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT
    assert names(tmp_path) == ["file.gz"]


def test_a_partial_file_that_is_whole_needs_no_server(site, tmp_path):
    (tmp_path / ".file.gz.part").write_bytes(CONTENT)
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT
    assert site.asked == []
    assert names(tmp_path) == ["file.gz"]


# -- wrong files --------------------------------------------------------------------------------------


def test_a_wrong_hash_is_refused_and_nothing_is_left(site, tmp_path):
    site.contents["/file.gz"] = bytes(len(CONTENT))
    with pytest.raises(
        RuntimeError, match=r"(?s)file.gz could not be downloaded:.*does not match the known hash"
    ) as caught:
        remote.obtain(file_at(site), tmp_path, download=True)
    assert site.url in str(caught.value)
    assert names(tmp_path) == []


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("content", [b"<html>log in here</html>", CONTENT + b"x", bytes(10_000_000), b""], ids=len)
def test_a_file_of_another_size_is_refused(site, tmp_path, content, length):
    site.contents["/file.gz"], site.length = content, length
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        remote.obtain(file_at(site), tmp_path, download=True)
    kept = sum(each.stat().st_size for each in tmp_path.iterdir() if each.suffix == ".part")
    assert kept <= len(CONTENT)
    site.contents["/file.gz"] = CONTENT
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT


def test_bytes_are_kept_as_they_are_sent(site, tmp_path):
    """Some servers say of a `.gz` that it is text in transit."""
    site.encoding = "gzip"
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT


def test_a_damaged_file_is_replaced(site, tmp_path):
    (tmp_path / "file.gz").write_bytes(CONTENT[:-1] + b"\0")
    assert remote.obtain(file_at(site), tmp_path, download=True).read_bytes() == CONTENT


def test_mirrors_are_tried_in_turn(site, tmp_path):
    missing = Site({}, url="http://127.0.0.1:9/")  # nobody listens there
    with serving(Site({})) as empty, serving(Site({"/file.gz": bytes(len(CONTENT))})) as wrong:
        file = file_at(missing, empty, wrong, site)
        assert remote.obtain(file, tmp_path, download=True).read_bytes() == CONTENT
        with pytest.raises(RuntimeError) as caught:
            remote.obtain(file._replace(mirrors=file.mirrors[:3]), tmp_path / "other", download=True)
    for each, why in ((missing, "Connection"), (empty, "404"), (wrong, "hash")):
        assert any(each.url in line and why in line for line in str(caught.value).splitlines())


def test_a_server_that_sends_nothing_is_given_up(site, tmp_path, monkeypatch):
    monkeypatch.setattr(resuming, "TIMEOUT", (0.2, 0.2))
    site.barrier = threading.Event()
    with pytest.raises(RuntimeError, match="timed out"):
        remote.obtain(file_at(site), tmp_path, download=True)
    site.barrier.set()


# -- at once ------------------------------------------------------------------------------------------


def test_processes_that_download_at_once_share_one_download(site, tmp_path):
    site.barrier = threading.Event()
    code = "import sys; from pathlib import Path; from nn.data.datasets.remote import *; print('ready', flush=True); obtain(Remote(sys.argv[1], int(sys.argv[2]), sys.argv[3], (sys.argv[4],)), Path(sys.argv[5]), True)"
    file = file_at(site)
    command = [sys.executable, "-c", code, file.name, str(file.size), file.sha256, site.url, str(tmp_path)]
    started = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(3)]
    for each in started:
        assert each.stdout.readline() == b"ready\n"
    site.barrier.set()
    for each in started:
        assert each.communicate(timeout=30)[1].count(b"Error") == 0
        assert each.returncode == 0
    assert (tmp_path / "file.gz").read_bytes() == CONTENT
    assert names(tmp_path) == ["file.gz"]
    assert site.asked == [""]


def test_a_process_that_is_killed_leaves_no_lock(site, tmp_path):
    site.barrier = threading.Event()
    code = "import sys; from pathlib import Path; from nn.data.datasets.remote import *; obtain(Remote(sys.argv[1], int(sys.argv[2]), sys.argv[3], (sys.argv[4],)), Path(sys.argv[5]), True)"
    file = file_at(site)
    command = [sys.executable, "-c", code, file.name, str(file.size), file.sha256, site.url, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        while not site.asked:
            process.poll()
        process.kill()
    site.barrier.set()
    assert remote.obtain(file, tmp_path, download=True).read_bytes() == CONTENT


# -- folders ------------------------------------------------------------------------------------------


@contextmanager
def unprivileged():
    """Be a user whom permissions concern."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_a_root_that_cannot_be_written_to_can_be_read(monkeypatch):
    files = Cifar()
    files.patch(monkeypatch, "http://127.0.0.1:9/")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "empty").mkdir()
        files.write(root)
        for each in (root, root / "empty"):
            each.chmod(0o555)
        with unprivileged():
            assert len(datasets.CIFAR10(root, download=True)) == 10
            with pytest.raises(PermissionError, match="empty"):
                datasets.CIFAR10(root / "empty", download=True)
        (root / "empty").chmod(0o755)
        root.chmod(0o755)


@pytest.mark.parametrize("kind", [datasets.MNIST, datasets.CIFAR10])
def test_a_root_that_is_a_file_is_refused(tmp_path, kind):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(OSError, match=str(path)):
        kind(path, download=True)
    with pytest.raises(RuntimeError, match="Dataset not found"):
        kind(path)
    assert path.stat().st_size == 0


def test_without_pooch_a_sentence_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'magtape\[data\]'"):
        datasets.FashionMNIST(tmp_path, download=True)
    assert names(tmp_path) == []


def test_progress_is_shown_on_a_terminal(monkeypatch, capsys):
    progress = resuming.Progress("file.gz", 200_000_000)
    progress(5)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    for done in (1_000_000, 1_000_001, 2_000_000, 200_000_000):
        progress(done)
    shown = capsys.readouterr().err
    assert shown.count("\r") == 3
    assert shown.endswith("\rfile.gz: 100 % of 200.0 MB\n")


def test_what_is_known_is_plausible():
    files = [file for kind in (datasets.MNIST, datasets.FashionMNIST) for part in kind.files.values() for file in part]
    files += [datasets.CIFAR10.archive, datasets.CIFAR100.archive]
    assert len({file.sha256 for file in files}) == 10
    assert all(len(file.sha256) == 64 and int(file.sha256, 16) for file in files)
    assert all(mirror.startswith("http") and mirror.endswith("/") for file in files for mirror in file.mirrors)
    assert {len(file.mirrors) for file in files} == {2}
