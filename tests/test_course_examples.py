"""Every course example, as a student runs it, at its small size."""

import argparse
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT / "examples" / "course"
NAMES = sorted(path.stem for path in COURSE.glob("*.py") if path.stem not in {"common", "gallery"})


def run(name, *arguments):
    command = [sys.executable, str(COURSE / f"{name}.py"), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)


@pytest.fixture(scope="module", autouse=True)
def fonts():
    """Matplotlib says on stderr when it makes its list of fonts, once on a machine."""
    subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], capture_output=True, check=True)


@pytest.mark.parametrize("name", NAMES)
def test_runs_small_draws_its_picture_and_says_what_it_found(name, tmp_path):
    done = run(name, "--small", "--threads", 1, "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.strip().splitlines()
    assert lines[-1].startswith("found: ")
    assert sum(line.startswith("found: ") for line in lines) == 1
    assert f"picture {tmp_path / name}.png" in lines
    assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", NAMES)
def test_documents_what_it_shows_and_stays_short(name):
    text = (COURSE / f"{name}.py").read_text(encoding="utf-8")
    title, *paragraphs = text.split('"""')[1].split("\n\n")
    assert title.endswith(".")
    assert "\n" not in title
    assert len(paragraphs) >= 2
    assert paragraphs[-1].startswith("Course: ")
    assert text.count("\n") <= 120


@pytest.fixture
def common(monkeypatch):
    """The module, whose look of pictures is forgotten afterwards."""
    monkeypatch.syspath_prepend(str(COURSE))
    matplotlib = pytest.importorskip("matplotlib", reason="the examples draw with it")
    with matplotlib.rc_context():
        yield importlib.import_module("common")
    del sys.modules["common"]


def test_reads_images_from_a_file(common, tmp_path):
    generator = np.random.Generator(np.random.PCG64(0))
    images = generator.integers(0, 256, (60, 3, 4, 4), np.uint8)
    labels = np.arange(60, dtype=np.uint8)
    np.savez(tmp_path / "images.npz", train_x=images, train_y=labels, test_x=images / np.float32(255), test_y=labels)
    for x, y in common.load(argparse.Namespace(data=str(tmp_path / "images.npz"), small=False)):
        assert (x.numpy().dtype, y.numpy().dtype) == (np.float32, np.int64)
        assert sorted(y.tolist()) == list(range(60))
        assert y.tolist() != list(range(60))  # shuffled
        np.testing.assert_array_equal(x.numpy(), (images / np.float32(255))[y.numpy()])


@pytest.mark.parametrize("content", [None, b"no archive"])
def test_a_file_that_cannot_be_read_is_one_sentence(common, tmp_path, content):
    file = tmp_path / "images.npz"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(SystemExit, match=f"^--data: .*{file}"):
        common.load(argparse.Namespace(data=str(file), small=False))


def test_lenet5_takes_images_of_another_size_and_architectures_says_which_it_takes(tmp_path):
    generator = np.random.Generator(np.random.PCG64(0))
    images, labels = generator.integers(0, 256, (40, 1, 28, 28), np.uint8), np.arange(40) % 4
    np.savez(tmp_path / "images.npz", train_x=images, train_y=labels, test_x=images, test_y=labels)
    options = ["--small", "--threads", 1, "--output", tmp_path, "--data", tmp_path / "images.npz"]
    assert run("lenet5", *options).returncode == 0
    refused = run("architectures", *options)
    assert refused.returncode == 1
    assert refused.stderr == "--data: these nets take images of 32 × 32 pixels, not 28 × 28\n"


def test_training_and_accuracy_of_the_common_loop(common):
    x = autograd.tensor([[1.0, 0.0], [0.0, 1.0]] * 20)
    y = autograd.tensor([0, 1] * 20)
    net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9))
    epochs = []
    optimizer = nn.optim.SGD(net.parameters(), lr=0.5)
    losses = common.train(net, (x, y), 30, optimizer, 16, after_epoch=lambda epoch: epochs.append(epoch) or epoch == 20)
    assert epochs == list(range(1, 21))
    assert len(losses) == 20 * 3  # batches of 16, 16 and 8
    assert net.training
    assert common.accuracy(net, x, y) == 1  # in eval mode: nothing is dropped
    assert net.training
    assert common.smooth([1, 3, 5, 7, 9], 2).tolist() == [2, 6]


def test_the_page_quotes_what_the_programs_printed(monkeypatch):
    monkeypatch.syspath_prepend(str(COURSE))
    gallery = importlib.import_module("gallery")
    stale = "examples/README.md is not up to date: python examples/course/gallery.py --write"
    assert gallery.PAGE.read_text(encoding="utf-8") == gallery.page(), stale
    kept = [name for name in NAMES if (gallery.PICTURES / f"{name}.txt").exists()]
    assert kept
    for name in kept:
        assert gallery.pictures(name)
        for picture in gallery.pictures(name):
            assert picture.stat().st_size < 60_000, picture


def test_the_gallery_refuses_a_name_that_is_none():
    done = run("gallery", "no_such_example")
    assert done.returncode == 2
    assert "no such example: no_such_example; there are " in done.stderr
