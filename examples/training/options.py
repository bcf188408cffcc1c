"""The options of `train.py`, what they are by default, and which values they may have."""

import argparse
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.data import NAMES
from training.models import MODELS

EXAMPLES = """examples:
  python examples/train.py                            LeNet-5 on the digits, 20 epochs
  python examples/train.py --resume                   go on after an interruption
  python examples/train.py --evaluate                 test the last checkpoint, train nothing
  python examples/train.py --save-every 10            be able to go on in the middle of an epoch
  python examples/train.py --model mlp --epochs 5     another model
  python examples/train.py --data images.npz          your images: arrays train_x, train_y, test_x, test_y
  python examples/train.py --find-lr                  try learning rates, train nothing
  python examples/train.py --augment --early-stopping 5 --epochs 100
  python examples/train.py --data CIFAR10 --download --model resnet18 --optimizer sgd --weight-decay 5e-4 --augment
"""

PATHS = "an .npz file of images (N, C, H, W) and labels, or a folder of train/CLASS/IMAGE and test/CLASS/IMAGE"

# What a run depends on; saved with it, so that --resume needs no other option. None: off, or as other options say.
DEFAULTS: dict[str, Any] = {
    "model": "lenet5",
    "data": "digits",
    "root": "data",
    "size": None,
    "epochs": 20,
    "batch_size": 32,
    "optimizer": "adam",
    "lr": None,
    "weight_decay": None,
    "schedule": "cosine",
    "label_smoothing": 0.0,
    "augment": False,
    "validation": None,
    "early_stopping": None,
    "seed": 0,
}
RATES = {"sgd": 5e-2, "adam": 2e-3, "adamw": 2e-3}
DECAYS = {"sgd": 0.0, "adam": 0.0, "adamw": 1e-2}
SHARE = 0.1  # of the training images that early stopping holds out

# What each number must be, as a sentence and as a test.
RULES: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "epochs": ("at least 0", lambda n: n >= 0),
    "batch_size": ("at least 1", lambda n: n >= 1),
    "size": ("at least 1", lambda n: n >= 1),
    "lr": ("a positive number", lambda x: 0 < x < math.inf),
    "weight_decay": ("a number, at least 0", lambda x: 0 <= x < math.inf),
    "label_smoothing": ("from 0 to 1", lambda x: 0 <= x <= 1),
    "validation": ("between 0 and 1", lambda x: 0 < x < 1),
    "early_stopping": ("at least 1", lambda n: n >= 1),
    "seed": ("at least 0 and of at most 63 bits", lambda n: 0 <= n < 2**63),
    "threads": ("at least 1", lambda n: n >= 1),
    "workers": ("at least 0", lambda n: n >= 0),
    "save_every": ("at least 0", lambda n: n >= 0),
}


def parse_arguments(description: str | None, arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options given; of those that a run depends on, the others are absent."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    _add_data_and_model(parser)
    _add_training(parser)
    _add_running(parser)
    options = parser.parse_args(arguments)
    _check(options)
    return options


def _add_data_and_model(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("images and model").add_argument
    names = ", ".join(NAMES)
    add("--data", metavar="NAME_OR_PATH", help=f"{names}, or {PATHS} (default digits)")
    add("--root", metavar="FOLDER", help="where downloaded data sets are (default data)")
    add("--download", action="store_true", default=False, help="fetch the named data set if it is not there")
    add("--size", type=int, metavar="PIXELS", help="make the images so high and wide")
    add("--augment", action="store_true", help="shift training images at random; photographs are mirrored, too")
    add("--model", choices=sorted(MODELS), metavar="NAME", help=f"{', '.join(sorted(MODELS))} (default lenet5)")


def _add_training(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("training").add_argument
    add("--epochs", type=int, help="passes over the training images (default 20)")
    add("--batch-size", type=int, help="images per step (default 32)")
    add("--optimizer", choices=sorted(RATES), help="default adam; sgd has momentum 0.9")
    add("--lr", type=float, help="first learning rate (default 0.002, with sgd 0.05)")
    add("--find-lr", action="store_true", default=False, help="try growing learning rates, suggest one, and stop")
    add("--schedule", choices=["cosine", "step", "constant"], help="of the rate, to 0 along a cosine (default), "
        "to a tenth after 1/2 and 3/4 of the epochs, or none")  # fmt: skip
    add("--weight-decay", type=float, help="default 0, with adamw 0.01")
    add("--label-smoothing", type=float, metavar="SHARE", help="of the target that all classes get (default 0)")
    add("--validation", type=float, metavar="SHARE", help="of the training images, held out to watch the training")
    add("--early-stopping", type=int, metavar="PATIENCE", help="stop once the loss on images held out (a tenth "
        "unless --validation says) did not fall for so many epochs; keep the best weights")  # fmt: skip
    add("--seed", type=int, help="of the initial weights and all that is drawn (default 0)")


def _add_running(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument_group("running").add_argument
    add("--threads", type=int, help="default: one per core")
    add("--workers", type=int, default=0, help="processes that fetch batches ahead (default 0); changes no result")
    add("--save-every", type=int, default=0, metavar="STEPS", help="save in the middle of epochs, too")
    add(
        "--output",
        type=Path,
        default=Path("runs/train"),
        help="folder for checkpoint and pictures (default runs/train)",
    )
    add("--tensorboard", action="store_true", default=False, help="write the figures for TensorBoard, too")
    add("--resume", action="store_true", default=False, help="go on from the checkpoint in the output folder")
    add("--evaluate", action="store_true", default=False, help="test the checkpoint in the output folder and stop")


def _check(options: argparse.Namespace) -> None:
    """Stop with a sentence where a value is none that an option may have."""
    for name, (rule, holds) in RULES.items():
        value = getattr(options, name, None)
        if value is not None and not holds(value):
            raise SystemExit(f"--{name.replace('_', '-')} must be {rule}, got {value}")
    if options.find_lr and (options.resume or options.evaluate):
        raise SystemExit("--find-lr starts anew: it goes with neither --resume nor --evaluate")


def settings_of(options: argparse.Namespace, threads: int) -> dict[str, Any]:
    """Return what a new run depends on: what was given, and the defaults."""
    settings = {**DEFAULTS, "threads": threads, **given(options)}
    by_optimizer = {"lr": RATES, "weight_decay": DECAYS}
    for name, values in by_optimizer.items():
        if settings[name] is None:
            settings[name] = values[settings["optimizer"]]
    if settings["early_stopping"] and settings["validation"] is None:
        settings["validation"] = SHARE
    return settings


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return those of the options given that a run depends on."""
    return {name: value for name, value in vars(options).items() if name in (*DEFAULTS, "threads")}
