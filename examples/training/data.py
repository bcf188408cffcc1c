"""Images by name or path, the share that is held out, and what is drawn of them in training."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import autograd
from nn.data import Subset, TensorDataset, datasets, random_split
from nn.data import transforms as T

DOWNLOADED: dict[str, Callable[..., datasets.ImageDataset]] = {
    "MNIST": datasets.MNIST,
    "FashionMNIST": datasets.FashionMNIST,
    "CIFAR10": datasets.CIFAR10,
    "CIFAR100": datasets.CIFAR100,
}
NAMES = ("digits", *DOWNLOADED)
UPRIGHT = ("digits", "MNIST")  # what would be something else in the mirror


@dataclass
class Images:
    """Data sets of samples (image, label); `validation` is held out of the training images, or None."""

    train: Any
    test: Any
    validation: Any
    shape: tuple[int, ...]
    classes: int


def load(settings: dict[str, Any], download: bool = False) -> Images:
    """Return the images that the settings name, or stop with a sentence."""
    name = settings["data"]
    if name not in NAMES and not Path(name).exists():
        raise SystemExit(f"--data: there is no file {name}")
    try:
        train, test = _sets(name, settings["size"], settings["root"], download)
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        raise SystemExit(f"--data {name}: {error}") from None
    labels = np.concatenate([_labels(name, each) for each in (train, test)])
    if labels.min() < 0:
        raise SystemExit(f"--data {name}: labels must be at least 0, got {labels.min()}")
    shape = tuple(train[0][0].shape)
    if tuple(test[0][0].shape) != shape:
        raise SystemExit(f"--data {name}: images to train with are {shape}, to test with {tuple(test[0][0].shape)}")
    classes = max(int(labels.max()) + 1, len(getattr(train, "classes", ())))
    train, validation = _held_out(train, settings["validation"], settings["seed"])
    return Images(train, test, validation, shape, classes)


def _sets(name: str, size: int | None, root: str, download: bool) -> tuple[Any, Any]:
    """Return the images to train with and those to test with."""
    if name == "digits":
        return datasets.digits(train=True, size=size or 32), datasets.digits(train=False, size=size or 32)
    resize = None if size is None else T.Resize((size, size))
    if name in DOWNLOADED:
        make = DOWNLOADED[name]
        return make(root, True, resize, download=download), make(root, False, resize)
    if Path(name).is_dir():
        return _folders(Path(name), resize)
    train, test = datasets.from_npz(name)
    return (train, test) if resize is None else (_resized(train, resize), _resized(test, resize))


def _resized(images: TensorDataset, resize: T.Resize) -> TensorDataset:
    pixels, labels = images.tensors
    return TensorDataset(resize(pixels) if len(labels) else pixels, labels)


def _folders(folder: Path, resize: T.Resize | None) -> tuple[Any, Any]:
    """Return the images in folder/train/CLASS and folder/test/CLASS."""
    if resize is None:
        raise ValueError("images in a folder may differ in size: give --size")
    train, test = (datasets.ImageFolder(folder / part, resize) for part in ("train", "test"))
    if train.classes != test.classes:
        raise ValueError(f"the folders train and test have different classes: {train.classes} and {test.classes}")
    return train, test


def _labels(name: str, images: Any) -> np.ndarray:
    """Return the labels of a data set, or stop with a sentence if it has none."""
    if not len(images):
        raise SystemExit(f"--data {name}: there are no images to train or none to test with")
    if isinstance(images, TensorDataset):
        return images.tensors[1].array
    return np.asarray(images.targets.array if isinstance(images.targets, autograd.Tensor) else images.targets)


def _held_out(train: Any, share: float | None, seed: int) -> tuple[Any, Subset[Any] | None]:
    """Split off a share of the training images, drawn from a stream of its own."""
    if share is None:
        return train, None
    count = round(share * len(train))
    if not 0 < count < len(train):
        raise SystemExit(f"--validation {share}: of {len(train)} images, none would be left on one side")
    kept, held_out = random_split(train, [len(train) - count, count], autograd.Generator().manual_seed(seed))
    return kept, held_out


def augmentation(settings: dict[str, Any], images: Images) -> T.Compose | None:
    """Return how training images are varied: shifted by up to an eighth, and mirrored unless they are digits."""
    if not settings["augment"]:
        return None
    height, width = images.shape[-2:]
    shift = T.RandomCrop((height, width), padding=[width // 8, height // 8])
    return T.Compose([shift] if settings["data"] in UPRIGHT else [shift, T.RandomHorizontalFlip()])
