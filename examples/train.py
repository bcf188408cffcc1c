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
from progress import Progress

import autograd
import nn
import nn.functional as F
from nn import optim
from nn.data import DataLoader, TensorDataset, datasets

EXAMPLES = """examples:
  python examples/train.py                            LeNet-5 on the digits, 20 epochs
  python examples/train.py --resume                   go on after an interruption
  python examples/train.py --evaluate                 test the last checkpoint, train nothing
  python examples/train.py --save-every 10            be able to go on in the middle of an epoch
  python examples/train.py --model mlp --epochs 5     another model
  python examples/train.py --data images.npz          your images: arrays train_x, train_y, test_x, test_y
"""

# What a run depends on; saved with it, so that --resume needs no other option.
DEFAULTS = {"model": "lenet5", "data": "digits", "epochs": 20, "batch_size": 32, "lr": 2e-3, "seed": 0}

NOTHING = {"steps": 0, "seen": 0, "loss": 0.0, "correct": 0}  # the sums at the beginning of an epoch


def parse_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Return the options given; those that were not are absent."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--model", choices=sorted(MODELS), help="default lenet5")
    add("--data", metavar="NAME_OR_FILE", help="digits (default), or an .npz file of images (N, C, H, W) and labels")
    add("--epochs", type=int, help="passes over the training images (default 20)")
    add("--batch-size", type=int, help="images per step (default 32)")
    add("--lr", type=float, help="first learning rate, lowered to 0 along a cosine (default 0.002)")
    add("--seed", type=int, help="of the initial weights and the order of images (default 0)")
    add("--threads", type=int, help="default: one per core")
    add("--workers", type=int, default=0, help="processes that fetch batches ahead (default 0); changes no result")
    add("--save-every", type=int, default=0, metavar="STEPS", help="save in the middle of epochs, too")
    add(
        "--output",
        type=Path,
        default=Path("runs/train"),
        help="folder for checkpoint and pictures (default runs/train)",
    )
    add("--resume", action="store_true", default=False, help="go on from the checkpoint in the output folder")
    add("--evaluate", action="store_true", default=False, help="test the checkpoint in the output folder and stop")
    return parser.parse_args(arguments)


def mlp(channels: int, side: int, classes: int) -> nn.Module:
    """Return a perceptron with one hidden layer of 256."""
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, 256), nn.ReLU(), nn.Linear(256, classes))


def lenet5(channels: int, side: int, classes: int) -> nn.Module:
    """Return LeNet-5, with maxima in place of its averages."""
    return nn.models.lenet5(classes, channels, side=side, pool=nn.MaxPool2d)


MODELS = {"lenet5": lenet5, "mlp": mlp}


def load_data(name: str) -> tuple[TensorDataset, TensorDataset]:
    """Return training and test images with their labels."""
    if name == "digits":
        return datasets.digits(train=True, size=32), datasets.digits(train=False, size=32)
    try:
        with np.load(name, allow_pickle=False) as file:
            arrays = [file[key] for key in ("train_x", "train_y", "test_x", "test_y")]
    except FileNotFoundError:
        raise SystemExit(f"--data: there is no file {name}") from None
    except (KeyError, ValueError) as error:
        raise SystemExit(f"--data: {name}: {error}") from None
    train_x, train_y, test_x, test_y = arrays
    scale = np.float32(255 if train_x.dtype == np.uint8 else 1)
    sets = [
        TensorDataset(autograd.tensor(x.astype(np.float32) / scale), autograd.tensor(y.astype(np.int64)))
        for x, y in ((train_x, train_y), (test_x, test_y))
    ]
    return sets[0], sets[1]


class Run:
    """A training run: what it was asked for, and all that a checkpoint must hold to go on exactly."""

    def __init__(self, settings: dict[str, Any], path: Path, workers: int = 0, save_every: int = 0) -> None:
        self.settings, self.path, self.save_every = settings, path, save_every
        self.train_set, self.test_set = load_data(settings["data"])
        images, labels = self.train_set.tensors
        autograd.manual_seed(settings["seed"])
        _, channels, side, _ = images.shape
        self.input_size = (1, channels, side, side)
        self.classes = int(labels.array.max()) + 1
        self.model = MODELS[settings["model"]](channels, side, self.classes)
        self.optimizer = optim.Adam(self.model.parameters(), lr=settings["lr"])
        self.scheduler = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, T_max=max(1, settings["epochs"]))
        self.loader = DataLoader(
            self.train_set,
            settings["batch_size"],
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
        )
        self.history: list[dict[str, float]] = []
        self.sums = dict(NOTHING)

    def save(self) -> None:
        """Write the checkpoint, whole or not at all."""
        state = {
            "settings": self.settings,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "loader": self.loader.state_dict(),
            "rng": autograd.get_rng_state(),
            "history": self.history,
            "sums": self.sums,
        }
        autograd.save(state, self.path)

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to where a checkpoint was written."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        self.loader.load_state_dict(state["loader"])
        autograd.set_rng_state(state["rng"])
        self.history, self.sums = state["history"], state["sums"]

    def train_epoch(self, progress: Progress) -> None:
        """Pass over the training images, or over those that are left of an epoch."""
        self.model.train()
        sums = self.sums
        progress.start_epoch(len(self.history) + 1, len(self.loader), sums["steps"])
        for images, labels in self.loader:
            scores, loss = self.step(images, labels)
            sums["steps"] += 1
            sums["seen"] += len(labels)
            sums["loss"] += loss.item() * len(labels)
            sums["correct"] += int((scores.array.argmax(1) == labels.array).sum())
            progress.advance(sums["loss"] / sums["seen"], sums["correct"] / sums["seen"])
            if self.save_every and sums["steps"] % self.save_every == 0:
                self.save()
        self.scheduler.step()
        self.end_epoch()
        progress.end_epoch(self.history[-1])

    def step(self, images: autograd.Tensor, labels: autograd.Tensor) -> tuple[autograd.Tensor, autograd.Tensor]:
        """Improve the weights for one batch; return the scores before, and their loss."""
        self.optimizer.zero_grad()
        scores = self.model(images)
        loss = F.cross_entropy(scores, labels)
        loss.backward()
        self.optimizer.step()
        return scores, loss

    def end_epoch(self) -> None:
        """Note the epoch's figures, and begin to sum anew."""
        test_loss, _, test_correct = self.evaluate()
        self.history.append(
            {
                "loss": self.sums["loss"] / self.sums["seen"],
                "accuracy": self.sums["correct"] / self.sums["seen"],
                "test_loss": test_loss,
                "test_accuracy": test_correct / len(self.test_set),
            }
        )
        self.sums = dict(NOTHING)

    def evaluate(self) -> tuple[float, np.ndarray, int]:
        """Return the mean loss on the test images, the classes the model chose, and how many are right."""
        self.model.eval()
        chosen, loss = [], 0.0
        with autograd.no_grad():
            for images, labels in DataLoader(self.test_set, batch_size=256):
                scores = self.model(images)
                loss += F.cross_entropy(scores, labels, reduction="sum").item()
                chosen.append(scores.array.argmax(1))
        classes = np.concatenate(chosen)
        return loss / len(classes), classes, int((classes == self.test_set.tensors[1].array).sum())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Return what the checkpoint holds, or stop with a sentence."""
    try:
        return autograd.load(path)
    except FileNotFoundError:
        raise SystemExit(f"there is no checkpoint {path}: train first, without --resume or --evaluate") from None
    except ValueError as error:
        raise SystemExit(str(error)) from None


def start(options: argparse.Namespace, path: Path) -> Run:
    """Return a new run, or the checkpoint's."""
    given = {name: value for name, value in vars(options).items() if name in (*DEFAULTS, "threads")}
    state = load_checkpoint(path) if options.resume or options.evaluate else None
    settings = {**DEFAULTS, "threads": autograd.get_num_threads(), **given} if state is None else state["settings"]
    changed = [name for name, value in given.items() if value != settings[name]]
    if changed:
        raise SystemExit(f"the checkpoint was made with another --{changed[0]}: {settings[changed[0]]}")
    if settings["epochs"] < 0 or settings["batch_size"] < 1:
        raise SystemExit("--epochs must be at least 0 and --batch-size at least 1")
    if options.workers < 0 or options.save_every < 0:
        raise SystemExit("--workers and --save-every must be at least 0")
    autograd.set_num_threads(settings["threads"])
    run = Run(settings, path, options.workers, options.save_every)
    if state is not None:
        run.restore(state)
    return run


def train(run: Run) -> None:
    """Train the epochs that are left; save after each."""
    print(nn.summary(run.model, run.input_size))
    begin = time.perf_counter()
    with Progress(run.settings["epochs"]) as progress:
        run.save()
        while len(run.history) < run.settings["epochs"]:
            run.train_epoch(progress)
            run.save()
    print(f"trained in {time.perf_counter() - begin:.1f} s, {run.settings['threads']} threads; checkpoint {run.path}")


def draw(run: Run, folder: Path, chosen: np.ndarray) -> None:
    """Draw the pictures, if matplotlib is installed."""
    try:
        import pictures
    except ImportError:
        print("no pictures: they need matplotlib, pip install 'magtape[examples]'")
        return
    for file in pictures.draw_all(run.model, run.history, run.test_set, chosen, folder):
        print(f"picture {file}")


def main() -> None:
    """Run the program."""
    options = parse_arguments()
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / "checkpoint.npz"
    run = start(options, path)
    if not options.evaluate:
        try:
            train(run)
        except KeyboardInterrupt:
            print(f"\ninterrupted; {path} holds the last checkpoint: go on with --resume", file=sys.stderr)
            raise SystemExit(130) from None
    _, chosen, correct = run.evaluate()
    if not options.evaluate:
        draw(run, options.output, chosen)
    total = len(chosen)
    print(f"test accuracy {100 * correct / total:.2f} % ({correct}/{total})")


if __name__ == "__main__":
    main()
