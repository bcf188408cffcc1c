"""What the course examples share: options, data, a training loop, pictures that look alike, and the found-sentence.

A program begins with `options = common.options(__doc__)` and ends with `common.save(figure, options, NAME)` and
`common.say(sentence)`. Its docstring is its section in examples/README.md: the first line is the title, the paragraph
after it what a student should see, the last one where the idea comes from.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # writes files; needs no screen

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image  # matplotlib needs it, too

import autograd as torch
import nn
import nn.functional as F
from nn.data import DataLoader, TensorDataset, datasets

Data = tuple[torch.Tensor, torch.Tensor]

# One look for all pictures; the colours (Okabe & Ito) can be told apart by the colour-blind.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]
plt.rcParams.update(
    {
        "figure.constrained_layout.use": True,
        "axes.prop_cycle": plt.cycler(color=COLORS),
        "axes.grid": True,
        "grid.alpha": 0.3,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": "medium",
        "legend.frameon": False,
    }
)


def options(description: str) -> argparse.Namespace:
    """Return the options of a course example; set seed and threads."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", default="digits", help="digits (default), or an .npz file with train_x, train_y, test_x, test_y")
    add("--small", action="store_true", help="a few seconds on a few hundred images: shows that it runs, no more")
    add("--seed", type=int, default=0, help="of weights and order (default 0)")
    add("--output", type=Path, default=Path("runs/course"), help="folder for pictures (default runs/course)")
    add("--threads", type=int, help="default: one per core")
    given = parser.parse_args()
    if given.threads is not None:
        torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    return given


def load(options: argparse.Namespace, size: int = 8) -> tuple[Data, Data]:
    """Return training and test images (N, C, H, W) float32 in [0, 1], each with labels (N,) int64.

    Digits are interpolated to `size` × `size` pixels; images from a file stay as they are.
    """
    if options.data == "digits":
        train_set, test_set = (datasets.digits(train, size).tensors for train in (True, False))
    else:
        train_set, test_set = _from_file(options.data)
    return _shuffled(*train_set, 300 if options.small else None), _shuffled(*test_set, 150 if options.small else None)


def _shuffled(images: torch.Tensor, labels: torch.Tensor, number: int | None) -> Data:
    """Return so many of them, in an order that is always the same: files may be sorted by class."""
    order = np.random.Generator(np.random.PCG64(0)).permutation(len(labels))[:number]
    return images[order], labels[order]


def _from_file(name: str) -> list[Data]:
    try:
        return [part.tensors for part in datasets.from_npz(name)]
    except FileNotFoundError:
        raise SystemExit(f"--data: there is no file {name}") from None
    except (OSError, ValueError) as error:
        raise SystemExit(f"--data: {error}") from None


def train(
    model: nn.Module,
    data: Data,
    epochs: int,
    optimizer: Any,
    batch_size: int = 64,
    loss: Callable[..., torch.Tensor] = F.cross_entropy,
    after_epoch: Callable[[int], Any] = lambda epoch: None,
) -> list[float]:
    """Train in random order; return the loss of every step.

    `after_epoch` is called with 1, 2, … and ends training when it returns True.
    """
    losses = []
    for epoch in range(1, epochs + 1):
        model.train()
        for images, labels in DataLoader(TensorDataset(*data), batch_size, shuffle=True):
            optimizer.zero_grad()
            step = loss(model(images), labels)
            step.backward()
            optimizer.step()
            losses.append(step.item())
        if after_epoch(epoch) is True:
            break
    return losses


def predict(model: nn.Module, images: torch.Tensor, batch_size: int = 500) -> torch.Tensor:
    """Return the model's outputs in eval mode, off the tape; the mode is put back."""
    training = model.training
    model.eval()
    with torch.no_grad():
        outputs = torch.cat([model(batch) for batch in images.split(batch_size)])
    model.train(training)
    return outputs


def accuracy(model: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images whose highest score is at their label, in eval mode."""
    return (predict(model, images).argmax(1) == labels).float().mean().item()


def smooth(losses: list[float], window: int) -> np.ndarray:
    """Return the means over `window` consecutive steps each; what does not fill the last window is left out."""
    whole = len(losses) // window * window
    return np.array(losses[:whole]).reshape(-1, window).mean(1)


def save(figure: Any, options: argparse.Namespace, name: str) -> None:
    """Write the figure as NAME.png into the output folder, and print where."""
    options.output.mkdir(parents=True, exist_ok=True)
    path = options.output / f"{name}.png"
    drawn = io.BytesIO()
    figure.savefig(drawn, dpi=90)
    plt.close(figure)
    Image.open(drawn).convert("RGB").quantize(256).save(path, optimize=True)  # 256 colours: a third of the bytes
    print(f"picture {path}")


def say(sentence: str) -> None:
    """Print what the program found: one sentence with its numbers."""
    print(f"found: {sentence}")
