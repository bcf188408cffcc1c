"""The whole training compared: both libraries see the same batches and begin with the same loss."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

import autograd
from benchmarks import cifar
from benchmarks.library import load

WITH_TORCH = importlib.util.find_spec("torch") is not None


@pytest.fixture
def file(tmp_path):
    """Random images: one batch to train on, ten to test."""
    rng = np.random.default_rng(0)
    arrays = {}
    for part, count in (("train", cifar.BATCH), ("test", 10)):
        arrays[f"{part}_x"] = rng.integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
        arrays[f"{part}_y"] = rng.integers(0, 10, count, dtype=np.uint8)
    np.savez(tmp_path / "images.npz", **arrays)
    return str(tmp_path / "images.npz")


def test_a_batch_is_images_shifted_over_zeros_and_mirrored(file):
    training = cifar.Training(load("magtape", frozenset(), autograd.get_num_threads()), file, seed=3, epochs=1)
    ((images, labels),) = training.batches()
    assert sorted(labels) == sorted(training.labels)
    seen = set()
    for image, label in zip(images, labels, strict=True):
        padded = [np.pad(x, [(0, 0), (4, 4), (4, 4)]) for x in training.images[training.labels == label]]
        found = [
            (down, right, mirrored)
            for x in padded
            for down in range(9)
            for right in range(9)
            for mirrored, window in enumerate((x[:, down : down + 32, right : right + 32],) * 2)
            if np.array_equal(image, window[..., ::-1] if mirrored else window)
        ]
        assert len(found) == 1
        seen.update(found)
    assert {mirrored for _, _, mirrored in seen} == {0, 1}
    assert len(seen) > 30  # of 162 ways


def test_both_libraries_train_on_the_same_and_are_compared(file):
    variants = cifar.VARIANTS[: 1 + WITH_TORCH]
    command = [sys.executable, "-m", "benchmarks.cifar", file, "--epochs", "2", "--stop-after", "1", "--threads", "1"]
    done = subprocess.run([*command, "--seeds", "5", "--variants", *variants], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *epochs, first, last = done.stdout.splitlines() if WITH_TORCH else [*done.stdout.splitlines(), ""]
    assert [line.split()[4] for line in epochs] == list(variants)
    losses = [float(line.split()[6]) for line in epochs]
    np.testing.assert_allclose(losses, losses[0], rtol=1e-3)  # as many digits as are printed
    assert "s a run" in first
    assert bool(last) == WITH_TORCH


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--variants", "pytorch:fusd"], "invalid choice: 'pytorch:fusd'"),
        (["--epochs", "2", "--stop-after", "3"], "--stop-after 3: expected 1 to 2, the epochs of the schedule"),
        (["--stop-after", "0"], "--stop-after 0: expected 1 to 10"),
    ],
)
def test_options_that_cannot_be_met_are_refused(options, error, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["cifar", "images.npz", *options])
    monkeypatch.setattr(cifar, "compare", lambda options, seed: {})
    with pytest.raises(SystemExit, match="2"):
        cifar.main()
    assert error in capsys.readouterr().err
