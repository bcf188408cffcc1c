"""CIFAR-10 and CIFAR-100, from the authors' binary archives: unlike the Python ones, they hold no pickles."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import numpy as np

from autograd.serialization.errors import FileError
from autograd.tensor import Tensor
from nn.data.datasets import tar
from nn.data.datasets.images import ImageDataset, Transform, checked_labels
from nn.data.datasets.inflating import Inflated, inflating
from nn.data.datasets.remote import Remote, obtain

SIZE = (3, 32, 32)
TORONTO = ("https://cave.cs.toronto.edu/kriz/", "https://www.cs.toronto.edu/~kriz/")
BLOCK = 1000  # records that are read at once
SLACK = 1 << 20  # bytes of the archive that are neither labels nor images, at most

FINE = [
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle", "bottle", "bowl", "boy",
    "bridge", "bus", "butterfly", "camel", "can", "castle", "caterpillar", "cattle", "chair", "chimpanzee", "clock",
    "cloud", "cockroach", "couch", "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish",
    "forest", "fox", "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom", "oak_tree", "orange",
    "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree", "plain", "plate", "poppy", "porcupine",
    "possum", "rabbit", "raccoon", "ray", "road", "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk",
    "skyscraper", "snail", "snake", "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank",
    "telephone", "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
]  # fmt: skip


class CIFAR10(ImageDataset):
    """Photographs of things and animals in 10 classes, 3×32×32: 50,000 to train with and 10,000 to test with.

    `root` holds the archive as it was downloaded, which is read only if its SHA-256 is right, and never unpacked.

    Source: Krizhevsky, Learning multiple layers of features from tiny images, 2009.

    Args:
        train: which of the two.
        transform, target_transform: as in `ImageDataset`.
        download: fetch the archive if it is missing or damaged (extra `data`).
    """

    classes: ClassVar[Sequence[str]] = [
        "airplane",
        "automobile",
        "bird",
        "cat",
        "deer",
        "dog",
        "frog",
        "horse",
        "ship",
        "truck",
    ]
    archive: ClassVar[Remote] = Remote(
        "cifar-10-binary.tar.gz", 170052171,
        "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd", TORONTO,
    )  # fmt: skip
    folder = "cifar-10-batches-bin"
    parts: ClassVar[dict[bool, dict[str, int]]] = {
        True: {f"data_batch_{i}.bin": 10000 for i in range(1, 6)},
        False: {"test_batch.bin": 10000},
    }
    label_bytes = 1  # at the start of each record; the last is the label

    def __init__(
        self,
        root: str | os.PathLike[str],
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        self.root, self.train = Path(root).expanduser(), train
        path = obtain(self.archive, self.root, download)
        super().__init__(*self._read(path), transform, target_transform)

    def _read(self, path: Path) -> tuple[Tensor, Tensor]:
        """Read the parts; each is a file of records: label bytes, then red, green and blue planes."""
        parts = self.parts[bool(self.train)]
        everything = sum(count for each in self.parts.values() for count in each.values())
        size = self.label_bytes + int(np.prod(SIZE))
        ends = dict(zip(parts, np.cumsum([*parts.values()]).tolist(), strict=True))
        images = np.empty((sum(parts.values()), *SIZE), np.uint8)
        labels = np.empty(len(images), np.uint8)
        with inflating(path, everything * size + SLACK) as content:
            for member in tar.members(content):
                folder, _, name = member.name.rpartition("/")
                if folder == self.folder and name in parts:
                    _check(member, parts[name] * size, name in ends)
                    end = ends.pop(name)
                    rows = slice(end - parts[name], end)
                    self._fill(content, images[rows], labels[rows])
            if ends:
                raise FileError(f"it has no member {self.folder}/{next(iter(ends))}")
        return Tensor(images), Tensor(checked_labels(path, labels, len(self.classes)))

    def _fill(self, content: Inflated, images: np.ndarray, labels: np.ndarray) -> None:
        for start in range(0, len(images), BLOCK):
            rows = slice(start, start + BLOCK)
            records = np.empty((len(labels[rows]), self.label_bytes + images[0].size), np.uint8)
            content.fill(records)
            labels[rows] = records[:, self.label_bytes - 1]
            images[rows] = records[:, self.label_bytes :].reshape(-1, *SIZE)


class CIFAR100(CIFAR10):
    """CIFAR-10's photographs in 100 finer classes of 600 images each; the 20 coarse labels are left out."""

    classes = FINE
    archive = Remote(
        "cifar-100-binary.tar.gz", 168513733,
        "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec", TORONTO,
    )  # fmt: skip
    folder = "cifar-100-binary"
    parts: ClassVar[dict[bool, dict[str, int]]] = {True: {"train.bin": 50000}, False: {"test.bin": 10000}}
    label_bytes = 2  # coarse, fine


def _check(member: tar.Member, expected: int, is_first: bool) -> None:
    if not is_first:
        raise FileError(f"its member {member.name!r} is there twice")
    if not member.regular:
        raise FileError(f"its member {member.name!r} is no regular file")
    if member.size != expected:
        raise FileError(f"its member {member.name!r} has {member.size} bytes, expected {expected}")
