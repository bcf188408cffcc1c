"""Train an image classifier, LeNet-5 on handwritten digits unless told otherwise, and draw what it learnt.

Every epoch ends with a checkpoint (with --save-every, there are more), so a run that was interrupted goes on with
--resume and ends with the same weights.
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from training import data, rate_finder
from training.options import DEFAULTS, given, parse_arguments, settings_of
from training.progress import Progress
from training.run import Run
from training.tensorboard import TensorBoard

import autograd
import nn

NO_PICTURES = "no pictures: they need matplotlib, pip install 'magtape[examples]'"


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what the checkpoint holds, or stop with a sentence."""
    try:
        return autograd.load(path)
    except FileNotFoundError:
        raise SystemExit(f"there is no checkpoint {path}: train first, without --resume or --evaluate") from None
    except (ValueError, OSError) as error:
        raise SystemExit(str(error)) from None


def start(options: argparse.Namespace, path: Path) -> Run:
    """Return a new run, or the checkpoint's."""
    state = load_checkpoint(path) if options.resume or options.evaluate else None
    try:
        found = settings_of(options, autograd.get_num_threads()) if state is None else state["settings"]
        settings = {name: found[name] for name in (*DEFAULTS, "threads")}
        changed = [name for name, value in given(options).items() if value != settings[name]]
    except (KeyError, TypeError):
        raise SystemExit(f"{path} is no checkpoint of this program") from None
    if changed:
        name = changed[0]
        raise SystemExit(f"the checkpoint was made with another --{name.replace('_', '-')}: {settings[name]}")
    autograd.set_num_threads(settings["threads"])
    run = Run(settings, data.load(settings, options.download), path, options.workers, options.save_every)
    if state is not None:
        run.restore(state)
    return run


def train(run: Run, board: TensorBoard | None) -> None:
    """Train the epochs that are left; save after each."""
    print(nn.summary(run.model, (1, *run.images.shape)))
    begin = time.perf_counter()
    with Progress(run.settings["epochs"]) as progress:
        run.save()
        while not run.is_over:
            run.train_epoch(progress)
            run.save()
            if board is not None:
                board.write(len(run.history), run.history[-1])
    if run.stopping is not None and run.stopping.is_over:
        print(f"stopped early: the best of {len(run.history)} epochs was {len(run.history) - run.stopping.waited}")
    print(f"trained in {time.perf_counter() - begin:.1f} s, {run.settings['threads']} threads; checkpoint {run.path}")


def find_rate(run: Run, folder: Path) -> None:
    """Try learning rates, draw the losses, and say which one to take."""
    rates, means = rate_finder.find_rate(run)
    suggested = rate_finder.suggest(rates, means)
    try:
        rate_finder.draw(rates, means, suggested, folder / "learning-rates.png")
        print(f"picture {folder / 'learning-rates.png'}")
    except ImportError:
        print(NO_PICTURES)
    if suggested is None:
        raise SystemExit("the loss fell at no learning rate: there is none to suggest")
    print(
        f"the loss is lowest at a rate of {10 * suggested:.1e}; a tenth of it is a good first one: --lr {suggested:.1e}"
    )


def draw(run: Run, folder: Path, labels: np.ndarray, chosen: np.ndarray) -> None:
    """Draw the pictures, if matplotlib is installed."""
    try:
        from training import pictures
    except ImportError:
        print(NO_PICTURES)
        return
    image = run.images.test[0][0]
    for file in pictures.draw_all(run.model, run.history, image, labels, chosen, folder):
        print(f"picture {file}")


def train_and_test(run: Run, options: argparse.Namespace) -> None:
    """Train unless only the test is asked for, draw what was learnt, and tell the accuracy."""
    if not options.evaluate:
        train_watched(run, options)
    chosen, labels = run.test()
    if not options.evaluate:
        draw(run, options.output, labels, chosen)
    correct, total = int((chosen == labels).sum()), len(labels)
    print(f"test accuracy {100 * correct / total:.2f} % ({correct}/{total})")


def train_watched(run: Run, options: argparse.Namespace) -> None:
    """Train, and say how to go on if that is interrupted."""
    board = TensorBoard(options.output / "tensorboard", len(run.history) + 1) if options.tensorboard else None
    try:
        train(run, board)
    except KeyboardInterrupt:
        print(f"\ninterrupted; {run.path} holds the last checkpoint: go on with --resume", file=sys.stderr)
        raise SystemExit(130) from None
    finally:
        if board is not None:
            board.close()


def main() -> None:
    """Run the program."""
    options = parse_arguments(__doc__)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"--output: {error}") from None
    run = start(options, options.output / "checkpoint.npz")
    if options.find_lr:
        find_rate(run, options.output)
    else:
        train_and_test(run, options)


if __name__ == "__main__":
    main()
