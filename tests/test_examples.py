"""The example programs, as a user runs them."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from argparse import Namespace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pytest

import autograd
import nn
from nn.data import datasets
from nn.data import transforms as T
from tests.image_files import Cifar, Mnist

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
sys.path.insert(0, str(EXAMPLES))  # as for a program in that folder

from training import data, models, rate_finder  # noqa: E402
from training.early_stopping import EarlyStopping  # noqa: E402
from training.options import DEFAULTS, settings_of  # noqa: E402
from training.run import Run  # noqa: E402

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


# In this process, which is faster


@pytest.fixture
def program(monkeypatch, capsys, tmp_path):
    """Call the program with options; return what it printed."""
    spec = spec_from_file_location("examples_train", EXAMPLES / "train.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    threads = autograd.get_num_threads()

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", "--output", str(tmp_path), *map(str, arguments)])
        module.main()
        return capsys.readouterr().out.strip().splitlines()

    yield call
    autograd.set_num_threads(threads)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A file of 48 + 12 images of 3 × 12 × 12: three classes, a bright channel each."""
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 3
    images = rng.integers(0, 120, (60, 3, 12, 12), dtype=np.uint8)
    images[np.arange(60), labels] += 120
    path = tmp_path_factory.mktemp("tiny") / "tiny.npz"
    np.savez(path, train_x=images[:48], train_y=labels[:48], test_x=images[48:], test_y=labels[48:])
    return path


def checkpoint(folder):
    return autograd.load(folder / "checkpoint.npz")


def plain(value):
    """Return a state as numbers that compare."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, (autograd.Tensor, np.ndarray)) else value


EVERYTHING = ["--augment", "--early-stopping", 30, "--validation", 0.2, "--schedule", "step", "--optimizer", "sgd",
              "--weight-decay", 1e-3, "--label-smoothing", 0.1, "--size", 16]  # fmt: skip


def test_a_killed_run_with_every_option_resumes_to_the_same_state(tmp_path, program):
    """With workers, and on without them."""
    arguments = ["--epochs", 5, "--threads", 1, *EVERYTHING]
    program(*arguments)
    expected = plain(checkpoint(tmp_path))
    broken = tmp_path / "broken"
    process = start(broken, *arguments, "--save-every", 2, "--workers", 2)
    position = None
    while position is None or not 0 < position["yielded"] < 36:
        time.sleep(0.01)
        position = checkpoint(broken)["loader"]["position"]
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    program("--output", broken, "--resume")
    found = plain(checkpoint(broken))
    for state in (found, expected):
        state["loader"].pop("num_workers")
    assert found.keys() == expected.keys()
    for name, value in found.items():
        assert value == expected[name], name


def test_early_stopping_waits_and_keeps_the_best_weights():
    model, stopping = nn.Linear(1, 1, bias=False), EarlyStopping(2)
    for epoch, loss in enumerate([3.0, 2.0, 2.5, 2.0, 1.0]):
        if stopping.is_over:
            break
        nn.init.constant_(model.weight, epoch)
        stopping.update(loss, model)
        again = EarlyStopping(2)
        again.load_state_dict(stopping.state_dict())
        stopping = again
    assert (stopping.lowest, stopping.waited, epoch) == (2.0, 2, 4)
    stopping.load_best(model)
    assert model.weight.item() == 1.0


def test_a_run_that_stops_early_tests_its_best_weights_and_stays_over(tmp_path, program, tiny):
    options = ["--data", tiny, "--model", "mlp", "--epochs", 50]
    printed = program(*options, "--early-stopping", 1, "--validation", 0.25, "--optimizer", "sgd", "--lr", 1.5)
    state = checkpoint(tmp_path)
    losses = [figures["validation_loss"] for figures in state["history"]]
    assert len(losses) < 50
    (told,) = [line for line in printed if line.startswith("stopped early")]
    assert told == f"stopped early: the best of {len(losses)} epochs was {int(np.argmin(losses)) + 1}"
    assert state["stopping"]["lowest"] == min(losses)
    assert not any(np.array_equal(state["model"][name].array, best.array) for name, best in state["stopping"]["weights"].items())  # fmt: skip
    assert program("--evaluate") == [printed[-1]]
    program("--resume")
    assert plain(checkpoint(tmp_path)["history"]) == plain(state["history"])
    model = models.build("mlp", (3, 12, 12), 3)
    model.load_state_dict(state["stopping"]["weights"])
    images, labels = datasets.from_npz(tiny)[1].tensors
    right = int((model(images).array.argmax(1) == labels.array).sum())
    assert printed[-1].endswith(f"({right}/12)")


def test_images_held_out_are_neither_trained_on_nor_the_test_images():
    settings = {**DEFAULTS, "validation": 0.1}
    images = data.load(settings)
    assert (len(images.train), len(images.validation), len(images.test)) == (1293, 144, 360)
    assert not set(images.train.indices) & set(images.validation.indices)
    assert images.train.dataset is images.validation.dataset
    again = data.load(settings)
    assert images.validation.indices == again.validation.indices


def test_a_rate_is_suggested_and_nothing_trained(tmp_path, program):
    (tmp_path / "checkpoint.npz").write_bytes(b"kept")
    printed = program("--find-lr", "--size", 16)
    assert 1e-3 < float(re.search(r"--lr (\S+)$", printed[-1]).group(1)) < 1e-1
    assert (tmp_path / "learning-rates.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "checkpoint.npz").read_bytes() == b"kept"


def test_the_rate_suggested_is_a_tenth_of_the_one_with_the_lowest_loss():
    rates = np.geomspace(1e-4, 1.0, 5)
    assert rate_finder.suggest(rates, np.array([2.0, 1.5, 1.0, 3.0, np.nan])) == pytest.approx(1e-3)
    assert rate_finder.suggest(rates, np.array([2.0, 2.0, 2.1, 2.0, 2.3])) is None
    assert rate_finder.suggest(rates[:1], np.array([np.nan])) is None


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [("constant", [1, 1, 1, 1]), ("step", [1, 1, 0.1, 0.01]), ("cosine", [1, 0.853553, 0.5, 0.146447])],
)
def test_schedules_change_the_rate_after_epochs(tmp_path, program, tiny, schedule, factors):
    program("--data", tiny, "--model", "mlp", "--epochs", 4, "--schedule", schedule, "--lr", 0.01)
    rates = [figures["lr"] for figures in checkpoint(tmp_path)["history"]]
    np.testing.assert_allclose(rates, np.multiply(factors, 0.01), rtol=1e-5)


@pytest.mark.parametrize(("optimizer", "rate", "decay"), [("sgd", 0.05, 0.0), ("adam", 0.002, 0.0), ("adamw", 0.002, 0.01)])  # fmt: skip
def test_optimisers_have_rates_and_decays_of_their_own(tmp_path, program, tiny, optimizer, rate, decay):
    program("--data", tiny, "--model", "mlp", "--epochs", 0, "--optimizer", optimizer)
    (group,) = checkpoint(tmp_path)["optimizer"]["param_groups"]
    assert (group["lr"], group["weight_decay"]) == (rate, decay)
    assert group.get("momentum", 0.9) == 0.9


def test_the_loss_is_smoothed_in_training_alone(tmp_path, program, tiny):
    figures = {}
    for share in (0, 1):
        program("--data", tiny, "--model", "mlp", "--epochs", 3, "--label-smoothing", share)
        figures[share] = checkpoint(tmp_path)["history"][-1]
    assert figures[1]["loss"] > 1.09  # nothing can be learnt: log 3 is the least
    assert figures[0]["loss"] < 1
    assert figures[0]["test_accuracy"] > figures[1]["test_accuracy"]


def test_training_images_vary_but_digits_are_not_mirrored():
    images = data.Images(None, None, None, (3, 16, 24), 10)
    assert data.augmentation(DEFAULTS, images) is None
    kinds = [[type(t) for t in data.augmentation({**DEFAULTS, "augment": True, "data": name}, images).transforms]
             for name in ("digits", "MNIST", "CIFAR10", "images.npz")]  # fmt: skip
    assert kinds == [[T.RandomCrop]] * 2 + [[T.RandomCrop, T.RandomHorizontalFlip]] * 2
    shift = data.augmentation({**DEFAULTS, "augment": True}, images)
    assert shift(np.ones((5, 3, 16, 24))).shape == (5, 3, 16, 24)
    assert shift.transforms[0].padding == (3, 2, 3, 2)


def test_figures_for_tensorboard_are_the_histories(tmp_path, program, tiny):
    reason = "TensorBoard is an extra"
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator", reason=reason)
    program("--data", tiny, "--model", "mlp", "--epochs", 3, "--tensorboard")
    program("--evaluate")
    history = checkpoint(tmp_path)["history"]
    events = accumulators.EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    names = {"loss": "loss/train", "test_loss": "loss/test", "accuracy": "accuracy/train",
             "test_accuracy": "accuracy/test", "lr": "learning rate"}  # fmt: skip
    assert set(events.Tags()["scalars"]) == set(names.values())
    for name, tag in names.items():
        scalars = events.Scalars(tag)
        assert [event.step for event in scalars] == [1, 2, 3]
        np.testing.assert_allclose([event.value for event in scalars], [each[name] for each in history], rtol=1e-6)


def test_without_tensorboard_the_command_that_installs_it_is_told(program, tiny, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboard.compat.proto", None)
    with pytest.raises(SystemExit, match=r"pip install 'magtape\[tensorboard\]'"):
        program("--data", tiny, "--model", "mlp", "--epochs", 1, "--tensorboard")


def test_downloaded_data_sets_are_read_and_resized(program, monkeypatch, tmp_path):
    mnist, cifar = Mnist(), Cifar()
    mnist.patch(monkeypatch, datasets.MNIST)
    mnist.write(tmp_path, datasets.MNIST)
    cifar.patch(monkeypatch)
    cifar.write(tmp_path)
    for name, options, total in (("MNIST", [], 3), ("MNIST", ["--size", 32], 3), ("CIFAR10", ["--augment"], 3)):
        printed = program("--data", name, "--root", tmp_path, "--epochs", 1, "--batch-size", 4, *options)
        assert printed[-1].endswith(f"/{total})")
    loaded = data.load({**DEFAULTS, "data": "MNIST", "root": tmp_path, "size": 20})
    assert (loaded.shape, loaded.classes) == ((1, 20, 20), 10)


def test_folders_of_images_are_read(program, tmp_path):
    image = pytest.importorskip("PIL.Image", reason="Pillow is an extra")
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            folder = tmp_path / "images" / part / name
            folder.mkdir(parents=True)
            for i in range(3):
                image.fromarray(rng.integers(0, 256, (9 + i, 11, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    options = ["--data", tmp_path / "images", "--model", "mlp", "--epochs", 1]
    assert program(*options, "--size", 8, "--augment")[-1].endswith("/6)")
    (tmp_path / "images" / "test" / "dog").rename(tmp_path / "images" / "test" / "wolf")
    with pytest.raises(SystemExit, match="different classes"):
        program(*options, "--size", 8)


BUILT = [
    ("resnet18", (1, 28, 28), {"in_channels": 1, "stem": "cifar", "num_classes": 7}),
    ("resnet50", (3, 224, 224), {"in_channels": 3, "stem": "imagenet", "num_classes": 7}),
    ("plain34", (3, 32, 32), {"in_channels": 3, "stem": "cifar", "num_classes": 7}),
    ("wide_resnet50_2", (3, 32, 32), {"in_channels": 3, "stem": "cifar", "num_classes": 7}),
    ("vit_b_16", (1, 32, 32), {"image_size": 32, "num_classes": 7}),
    ("mlp_mixer_s16", (3, 64, 64), {"image_size": 64, "num_classes": 7}),
    ("vgg11_bn", (3, 32, 32), {"num_classes": 7}),
    ("alexnet", (1, 64, 64), {"num_classes": 7}),
    ("mobilenet_v2", (1, 28, 28), {"num_classes": 7}),
]


@pytest.mark.parametrize(("name", "shape", "expected"), BUILT, ids=[name for name, *_ in BUILT])
def test_models_are_built_for_the_images(monkeypatch, name, shape, expected):
    """With a small net in the place of the large one, which tells what it was asked for and shown."""
    asked = {}

    class Small(nn.Module):
        def forward(self, x):
            asked["channels"] = x.shape[1]
            return autograd.zeros(len(x), 7)

    def make(**options):
        asked.update(options)
        return Small()

    monkeypatch.setattr(nn.models, name, make)
    models.build(name, shape, 7)
    assert asked == {**expected, "channels": expected.get("in_channels", 3)}


@pytest.mark.parametrize("name", ["lenet5", "mlp", "lstm_classifier", "mlp_mixer", "resnet18"])
@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 12)], ids=str)
def test_models_classify_images_of_any_size_and_channels(name, shape):
    model = models.build(name, shape, 5)
    assert model.training
    assert model(autograd.rand(2, *shape)).shape == (2, 5)


def test_every_model_has_a_name():
    assert {name for name in nn.models.__all__ if name.islower()} < set(models.MODELS)
    assert models.MODELS["mlp_mixer_b16"] is not models.MODELS["mlp_mixer"]


@pytest.mark.parametrize("state", [{"weights": [1.0]}, {"settings": {"seed": 0}}, {"settings": 3}, [1]])
def test_a_checkpoint_of_another_program_is_refused(tmp_path, program, state):
    autograd.save(state, tmp_path / "checkpoint.npz")
    with pytest.raises(SystemExit, match="is no checkpoint of this program"):
        program("--resume")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--batch-size", "0"], "--batch-size must be at least 1, got 0"),
        (["--lr", "nan"], "--lr must be a positive number, got nan"),
        (["--label-smoothing", "1.5"], "--label-smoothing must be from 0 to 1"),
        (["--early-stopping", "0"], "--early-stopping must be at least 1"),
        (["--validation", "1"], "--validation must be between 0 and 1"),
        (["--validation", "0.0001"], "none would be left on one side"),
        (["--find-lr", "--resume"], "--find-lr starts anew"),
        (["--threads", "0"], "--threads must be at least 1"),
        (["--model", "lenet5", "--size", "2"], "--model lenet5: "),
        (["--data", "tests"], "give --size"),
        (["--data", "MNIST", "--root", "nowhere"], "--data MNIST: Dataset not found"),
        (["--data", "README.md"], "--data README.md: README.md: File is not a zip file"),
        (["--output", "README.md/out"], "--output: "),
    ],
)
def test_wrong_options_end_with_a_sentence(program, arguments, message):
    with pytest.raises(SystemExit) as error:
        program(*arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_pictures_of_large_nets_stay_small():
    pytest.importorskip("matplotlib", reason="matplotlib is an extra")
    from training import pictures

    net = nn.Sequential(*[nn.Conv2d(20, 20, 1) for _ in range(9)])
    maps = pictures.feature_maps(net, np.random.default_rng(0).random((1, 20, 4, 4), np.float32))
    titles = [axes.get_title() for axes in maps.axes if axes.get_title()]
    assert titles == ["input", *(f"{layer}[{i}]" for layer in range(6) for i in range(16))]
    labels = np.arange(100)
    assert not pictures.confusion(labels, labels).axes[0].texts
    assert len(pictures.confusion(labels % 10, labels % 10).axes[0].texts) == 10
    pictures.plt.close("all")


def test_the_test_is_of_the_best_weights(tmp_path, tiny):
    settings = settings_of(Namespace(data=str(tiny), model="mlp", early_stopping=1), threads=1)
    run = Run(settings, data.load(settings), tmp_path / "checkpoint.npz", workers=0, save_every=0)
    run.stopping.weights = {name: autograd.zeros_like(value) for name, value in run.model.state_dict().items()}
    chosen, _ = run.test()
    assert not chosen.any()
    assert not any(parameter.array.any() for parameter in run.model.parameters())
