"""The example programs, as a user runs them."""

import os
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import autograd

TRAIN = [sys.executable, "examples/train.py"]


def run(*arguments, check=True):
    done = subprocess.run([*TRAIN, *map(str, arguments)], capture_output=True, text=True, check=False)
    if check:
        assert done.returncode == 0, done.stderr
    return done


def weights(folder):
    return {k: v.numpy() for k, v in autograd.load(folder / "checkpoint.npz")["model"].items()}


def assert_same_weights(a, b):
    first, second = weights(a), weights(b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)


EPOCHS = 20  # long enough that a busy machine interrupts the second run before its end


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """An uninterrupted run."""
    folder = tmp_path_factory.mktemp("straight")
    done = run("--epochs", EPOCHS, "--threads", 1, "--output", folder)
    return folder, done.stdout


def test_training_prints_epochs_draws_pictures_and_ends_with_the_accuracy(straight):
    folder, printed = straight
    lines = printed.strip().splitlines()
    assert re.fullmatch(r"test accuracy \d+\.\d\d % \((\d+)/360\)", lines[-1])
    assert sum(line.startswith("epoch ") for line in lines) == EPOCHS
    assert "Conv2d" in printed
    for name in ("curves", "filters", "features", "confusion"):
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert "\x1b" not in printed


def test_evaluate_repeats_the_accuracy(straight):
    folder, printed = straight
    assert run("--evaluate", "--output", folder).stdout.strip() == printed.strip().splitlines()[-1]


def hear_interrupts():
    """Undo what a shell does to its background jobs, and they hand down: SIGINT is ignored there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(folder, *arguments):
    """Start a run; return it when its next epoch has ended."""
    process = subprocess.Popen(
        [*TRAIN, *map(str, arguments), "--output", str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
    )
    for line in process.stdout:
        if line.startswith("epoch "):
            return process
    raise AssertionError("the run ended before its first epoch did")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_an_interrupted_run_resumes_to_the_same_weights(straight, tmp_path, how):
    process = start(tmp_path, "--epochs", EPOCHS, "--threads", 1)
    time.sleep(0.05)
    process.send_signal(how)
    process.communicate()
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    run("--resume", "--output", tmp_path)
    assert_same_weights(straight[0], tmp_path)


def test_a_run_killed_at_any_moment_resumes_in_mid_epoch_to_the_same_weights(straight, tmp_path):
    """With workers and shuffling: twice, at moments that differ from run to run."""
    arguments = ["--epochs", EPOCHS, "--threads", 1]
    kills_in_mid_epoch = 0
    while kills_in_mid_epoch < 2:
        process = start(tmp_path, *arguments, "--workers", 2, "--save-every", 2)
        time.sleep(random.uniform(0.0, 0.2))
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        position = autograd.load(tmp_path / "checkpoint.npz")["loader"]["position"]
        kills_in_mid_epoch += position is not None and 0 < position["yielded"] < 45
        arguments = ["--resume"]
    assert len(autograd.load(tmp_path / "checkpoint.npz")["history"]) < EPOCHS
    run("--resume", "--workers", 2, "--output", tmp_path)
    assert_same_weights(straight[0], tmp_path)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_gives_the_same_bits(tmp_path, threads):
    for name in ("a", "b"):
        run("--epochs", 1, "--threads", threads, "--seed", 7, "--output", tmp_path / name)
    assert_same_weights(tmp_path / "a", tmp_path / "b")


def test_another_model_and_a_file_of_images(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {f"{part}_x": rng.integers(0, 256, (40, 3, 8, 8), dtype=np.uint8) for part in ("train", "test")}
    labels = {f"{part}_y": rng.integers(0, 4, 40) for part in ("train", "test")}
    np.savez(tmp_path / "images.npz", **arrays, **labels)
    done = run("--model", "mlp", "--data", tmp_path / "images.npz", "--epochs", 1, "--output", tmp_path)
    assert done.stdout.strip().splitlines()[-1].endswith("/40)")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resume"], "there is no checkpoint"),
        (["--evaluate"], "there is no checkpoint"),
        (["--data", "missing.npz"], "no file missing.npz"),
        (["--epochs", "-1"], "at least 0"),
        (["--workers", "-1"], "at least 0"),
        (["--model", "other"], "invalid choice"),
    ],
)
def test_wrong_arguments_end_with_a_sentence(tmp_path, arguments, message):
    done = run(*arguments, "--output", tmp_path, check=False)
    assert done.returncode not in (0, None)
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_resume_refuses_other_settings(straight):
    done = run("--resume", "--seed", 5, "--output", straight[0], check=False)
    assert done.returncode == 1
    assert "another --seed: 0" in done.stderr


def test_help_shows_examples():
    assert "--resume" in run("--help").stdout
    assert "examples:" in run("--help").stdout


def test_a_terminal_gets_a_live_bar(tmp_path):
    rich = pytest.importorskip("rich", reason="the bar is rich's")
    assert rich
    import pty

    main, other = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    process = subprocess.Popen(
        [*TRAIN, "--model", "mlp", "--epochs", "1", "--output", str(tmp_path)], stdout=other, env=environment
    )
    os.close(other)
    printed = b""
    while True:
        try:
            chunk = os.read(main, 4096)
        except OSError:
            break
        if not chunk:
            break
        printed += chunk
    assert process.wait() == 0
    assert b"\x1b[" in printed
    assert b"test accuracy" in printed
