"""Pictures of a training run: curves, first-layer filters, feature maps, confusion matrix."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # writes files; needs no screen

import matplotlib.pyplot as plt
import numpy as np

import autograd
import nn

FILTERS, LAYERS, MAPS = 64, 6, 16  # shown at most: filters, layers, maps of each
NUMBERED = 20  # classes at most whose counts are written out


def draw_all(
    model: nn.Module,
    history: list[dict[str, float]],
    image: autograd.Tensor,
    labels: np.ndarray,
    chosen: np.ndarray,
    folder: Path,
) -> list[Path]:
    """Draw every picture that applies to the model; return the files.

    Args:
        history: figures by epoch.
        image: one that the model is shown.
        labels, chosen: the classes of the test images, and those that the model chose for them.
    """
    figures = {"curves.png": curves(history), "confusion.png": confusion(labels, chosen)}
    first = next((module for module in model.modules() if isinstance(module, nn.Conv2d)), None)
    if first is not None:
        figures["filters.png"] = filters(first)
        figures["features.png"] = feature_maps(model, image.array[None])
    files = []
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=120, bbox_inches="tight")
        plt.close(figure)
        files.append(folder / name)
    return files


def curves(history: list[dict[str, float]]) -> Any:
    """Loss and accuracy by epoch, on training images and on those that were watched."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4))
    epochs = range(1, len(history) + 1)
    watched = "validation" if history and "validation_loss" in history[0] else "test"
    for axes, name, scale in ((left, "loss", 1), (right, "accuracy", 100)):
        for key, label in ((name, "training"), (f"{watched}_{name}", watched)):
            axes.plot(epochs, [scale * each[key] for each in history], label=label)
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
        axes.legend()
    left.set_ylabel("cross-entropy loss")
    left.set_yscale("log")
    right.set_ylabel("accuracy [%]")
    return figure


def filters(convolution: nn.Conv2d) -> Any:
    """The filters of the first convolution, one picture each (the mean over input channels)."""
    weights = convolution.weight.detach().numpy().mean(axis=1)[:FILTERS]
    figure = _grid(weights, titles=[f"filter {i}" for i in range(len(weights))], cmap="RdBu_r", symmetric=True)
    figure.suptitle("first-layer filters (blue negative, red positive)")
    return figure


def feature_maps(model: nn.Module, image: np.ndarray) -> Any:
    """What the first convolutions make of one image."""
    maps: list[np.ndarray] = [image[0].mean(axis=0)]
    titles = ["input"]
    hooks = []
    convolutions = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d)]
    for name, module in convolutions[:LAYERS]:

        def keep(_module: Any, _inputs: Any, output: Any, name: str = name) -> None:
            maps.extend(output.array[0, :MAPS])
            titles.extend(f"{name}[{i}]" for i in range(output.shape[1])[:MAPS])

        hooks.append(module.register_forward_hook(keep))
    with autograd.no_grad():
        model(autograd.tensor(image))
    for hook in hooks:
        hook.remove()
    figure = _grid(maps, titles, cmap="gray", symmetric=False)
    figure.suptitle("feature maps of one image")
    return figure


def confusion(labels: np.ndarray, chosen: np.ndarray) -> Any:
    """How often each true class was given each class."""
    size = int(max(labels.max(), chosen.max())) + 1
    counts = np.zeros((size, size), int)
    np.add.at(counts, (labels, chosen), 1)
    figure, axes = plt.subplots(figsize=(6, 6))
    axes.imshow(np.where(counts, np.log1p(counts), 0), cmap="Blues")
    for row, column in _pairs(size) if size <= NUMBERED else ():
        if counts[row, column]:
            color = "white" if counts[row, column] > counts.max() / 3 else "black"
            axes.text(column, row, counts[row, column], ha="center", va="center", color=color)
    ticks = range(0, size, 1 + size // (NUMBERED + 1))
    axes.set(xlabel="class chosen", ylabel="true class", xticks=ticks, yticks=ticks)
    axes.set_title(f"confusion matrix, {int(np.trace(counts))} of {counts.sum()} right")
    return figure


def _pairs(size: int) -> Iterator[tuple[int, int]]:
    return ((row, column) for row in range(size) for column in range(size))


def _grid(images: Any, titles: list[str], cmap: str, symmetric: bool) -> Any:
    columns = min(8, len(images))
    rows = -(-len(images) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.4 * columns, 1.6 * rows), squeeze=False)
    figure.subplots_adjust(top=1 - 0.7 / (1.6 * rows))  # room for a heading, however high the figure
    for cell in axes.flat:
        cell.axis("off")
    for cell, image, title in zip(axes.flat, images, titles, strict=False):
        reach = np.abs(image).max() if symmetric else None
        cell.imshow(image, cmap=cmap, vmin=None if reach is None else -reach, vmax=reach)
        cell.set_title(title, fontsize=7)
    return figure
