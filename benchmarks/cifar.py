"""python -m benchmarks.cifar FILE: train ResNet-18 on CIFAR images under each library, and compare accuracy and time.

The same program, weights, batches and augmentation in every library; an epoch of one after an epoch of the other, each
library in a process of its own for each seed.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import nets
from benchmarks.library import Library, load
from benchmarks.model_cases import weight
from benchmarks.peers import Variant, environment

BATCH = 64
PADDING = 4
PEAK_RATE = 0.1
VARIANTS = ("magtape", "pytorch:", "pytorch:channels_last+fused")


class Training:
    """Training of ResNet-18 with a 3 × 3 stem (He et al. 2016): SGD, one cycle, images shifted and mirrored."""

    def __init__(self, library: Library, file: str, seed: int, epochs: int) -> None:
        self.library, self.generator = library, np.random.default_rng(seed)
        with np.load(file, allow_pickle=False) as arrays:
            train, test = arrays["train_x"] / np.float32(255), arrays["test_x"] / np.float32(255)
            self.labels, self.test_labels = (arrays[key].astype(np.int64) for key in ("train_y", "test_y"))
        mean, deviation = (f(train, (0, 2, 3), keepdims=True) for f in (np.mean, np.std))
        self.images, self.test_images = (train - mean) / deviation, (test - mean) / deviation
        plain = initialised(library, nets.resnet18(library.nn), seed)
        self.model = library.model(plain)
        self.optimizer = library.optimizer(
            "SGD", plain.parameters(), lr=PEAK_RATE, momentum=0.9, weight_decay=5e-4, nesterov=True
        )
        steps = epochs * (len(train) // BATCH)
        self.schedule = library.optim.lr_scheduler.OneCycleLR(self.optimizer, PEAK_RATE, total_steps=steps)

    def epoch(self) -> dict[str, float]:
        """Train one epoch, then test; return the mean loss, the test accuracy and the seconds both took."""
        begin = time.perf_counter()
        self.model.train()
        losses = [self.step(images, labels) for images, labels in self.batches()]
        trained = time.perf_counter()
        accuracy = self.test()
        return {
            "loss": statistics.fmean(losses),
            "accuracy": accuracy,
            "seconds": trained - begin,
            "test_seconds": time.perf_counter() - trained,
        }

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield shuffled batches of images, each image shifted by up to 4 pixels and mirrored half of the time."""
        order = self.generator.permutation(len(self.images))
        sides = [(0, 0), (0, 0), (PADDING, PADDING), (PADDING, PADDING)]
        size = self.images.shape[-1]
        for first in range(0, len(order) - BATCH + 1, BATCH):
            chosen = order[first : first + BATCH]
            padded = np.pad(self.images[chosen], sides)
            windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (2, 3))
            down, right = self.generator.integers(0, 2 * PADDING + 1, (2, BATCH))
            images = windows[np.arange(BATCH), :, down, right]
            mirrored = self.generator.random(BATCH) < 0.5
            images = np.where(mirrored[:, None, None, None], images[..., ::-1], images)
            yield np.ascontiguousarray(images), self.labels[chosen]

    def step(self, images: np.ndarray, labels: np.ndarray) -> float:
        """Take a step of the optimiser; return the loss."""
        self.optimizer.zero_grad()
        loss = self.library.F.cross_entropy(self.model(self.library.images(images)), self.library.tensor(labels))
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item()

    def test(self) -> float:
        """Return the share of test images that are classified rightly."""
        self.model.eval()
        right = 0
        with self.library.torch.no_grad():
            for first in range(0, len(self.test_images), 250):
                scores = self.model(self.library.images(self.test_images[first : first + 250]))
                right += int((scores.numpy().argmax(1) == self.test_labels[first : first + 250]).sum())
        return right / len(self.test_images)


def initialised(library: Library, model: Any, seed: int) -> Any:
    """Give the model weights that depend on the seed alone: He's law, biases 0; batch norm begins as it does anyway."""
    with library.torch.no_grad():
        for number, (name, parameter) in enumerate(model.named_parameters()):
            shape = tuple(parameter.shape)
            if len(shape) > 1:
                parameter.copy_(library.tensor(weight(shape, 1000 * seed + number, bias=False)))
            elif name.endswith("bias"):
                parameter.zero_()
    return model


def serve(arguments: list[str]) -> None:
    """Train in this process: an epoch for every line of input, answered by a line of JSON."""
    name, features, threads, file, seed, epochs = arguments
    library = load(name, frozenset(filter(None, features.split("+"))), int(threads))
    training = Training(library, file, int(seed), int(epochs))
    for _ in sys.stdin:
        print(json.dumps(training.epoch()), flush=True)


class Trainer:
    """A process that trains with one library."""

    def __init__(self, variant: str, options: argparse.Namespace, seed: int) -> None:
        name, _, features = variant.partition(":")
        command = [sys.executable, "-m", "benchmarks.cifar", "--serve", name, features]
        command += map(str, (options.threads, options.file, seed, options.epochs))
        variables = environment(Variant(name), options.threads)
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=variables, stdin=pipe, stdout=pipe, text=True)
        self.epochs: list[dict[str, float]] = []

    def epoch(self) -> dict[str, float]:
        """Have the process train an epoch; return its figures."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        if not (line := self.process.stdout.readline()):
            raise SystemExit(f"benchmarks.cifar: {' '.join(self.process.args)} ended early")
        self.epochs.append(json.loads(line))
        return self.epochs[-1]

    def total(self) -> float:
        """Return the seconds of all epochs."""
        return sum(each["seconds"] + each["test_seconds"] for each in self.epochs)


def compare(options: argparse.Namespace, seed: int) -> dict[str, Trainer]:
    """Train one seed with all variants, an epoch each in turn; print every epoch."""
    trainers = {variant: Trainer(variant, options, seed) for variant in options.variants}
    for number in range(1, options.stop_after + 1):
        for variant, trainer in trainers.items():
            figures = "  ".join(f"{key} {value:.4g}" for key, value in trainer.epoch().items())
            print(f"seed {seed}  epoch {number}  {variant:28}  {figures}", flush=True)
    for trainer in trainers.values():
        trainer.process.communicate()
    return trainers


def main() -> None:
    """Run what the command line asks for."""
    if sys.argv[1:2] == ["--serve"]:
        return serve(sys.argv[2:])
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cifar", description=__doc__)
    option = parser.add_argument
    option("file", help="an .npz file: train_x, test_x uint8 (N, 3, 32, 32); train_y, test_y")
    option("--epochs", type=int, default=10)
    option("--stop-after", type=int, metavar="EPOCHS", help="of the schedule's epochs, train only so many")
    option("--seeds", type=int, nargs="+", default=[0, 1, 2])
    option("--threads", type=int, default=2)
    option(
        "--variants", nargs="+", choices=VARIANTS, default=VARIANTS[:2], metavar="V", help=f"of {', '.join(VARIANTS)}"
    )
    options = parser.parse_args()
    options.stop_after = options.epochs if options.stop_after is None else options.stop_after
    if not 1 <= options.stop_after <= options.epochs:
        parser.error(f"--stop-after {options.stop_after}: expected 1 to {options.epochs}, the epochs of the schedule")
    runs = [compare(options, seed) for seed in options.seeds]
    for variant in options.variants:
        accuracies = [run[variant].epochs[-1]["accuracy"] for run in runs]
        seconds = statistics.fmean(run[variant].total() for run in runs)
        each = " ".join(f"{accuracy:.2%}" for accuracy in accuracies)
        print(f"{variant:28}  accuracy {statistics.fmean(accuracies):.2%} ({each})  {seconds:.0f} s a run")
    return None


if __name__ == "__main__":
    main()
