"""Small files in the formats of image data sets, and the data sets told that these are theirs."""

import gzip
import hashlib
import io
import struct
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from nn.data import datasets
from nn.data.datasets.remote import Remote

TRAIN, TEST = 7, 3  # images


def idx(array: np.ndarray) -> bytes:
    """Return an array of bytes as a gzipped IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return gzip.compress(header + array.tobytes(), mtime=0)


def tarred(members: Iterable[tuple[str, bytes]]) -> bytes:
    """Return a gzipped archive of files."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(file.getvalue(), mtime=0)


def records(images: np.ndarray, *labels: np.ndarray) -> bytes:
    """Return images as CIFAR's records: the label bytes, then the planes."""
    return np.concatenate([*(each[:, None] for each in labels), images.reshape(len(images), -1)], axis=1).tobytes()


def remote(name: str, content: bytes, *mirrors: str) -> Remote:
    """Describe a file of that content."""
    return Remote(name, len(content), hashlib.sha256(content).hexdigest(), mirrors)


def drawn(seed: int, count: int, *size: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *size), dtype=np.uint8)


def labelled(seed: int, count: int, classes: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, classes, count, dtype=np.uint8)


class Mnist:
    """Files of MNIST's format: `contents` by name, `images` and `labels` by part."""

    def __init__(self) -> None:
        self.images = {True: drawn(0, TRAIN, 28, 28), False: drawn(1, TEST, 28, 28)}
        self.labels = {True: labelled(2, TRAIN, 10), False: labelled(3, TEST, 10)}
        self.contents = {
            "train-images-idx3-ubyte.gz": idx(self.images[True]),
            "train-labels-idx1-ubyte.gz": idx(self.labels[True]),
            "t10k-images-idx3-ubyte.gz": idx(self.images[False]),
            "t10k-labels-idx1-ubyte.gz": idx(self.labels[False]),
        }

    def patch(self, monkeypatch: pytest.MonkeyPatch, kind: type[datasets.MNIST], *mirrors: str) -> None:
        """Let `kind` be of these files, to be had at the mirrors."""
        files = [remote(name, content, *mirrors) for name, content in self.contents.items()]
        monkeypatch.setattr(kind, "files", {True: tuple(files[:2]), False: tuple(files[2:])})
        monkeypatch.setattr(kind, "counts", {True: TRAIN, False: TEST})

    def write(self, root: Path, kind: type[datasets.MNIST]) -> Path:
        """Write the files where `kind` looks for them; return that folder."""
        folder = root / kind.__name__ / "raw"
        folder.mkdir(parents=True)
        for name, content in self.contents.items():
            (folder / name).write_bytes(content)
        return folder


class Cifar:
    """An archive of CIFAR-10's or CIFAR-100's format."""

    PARTS = ({True: {f"data_batch_{i}.bin": 2 for i in range(1, 6)}, False: {"test_batch.bin": TEST}},
             {True: {"train.bin": TRAIN}, False: {"test.bin": TEST}})  # fmt: skip

    def __init__(self, hundred: bool = False) -> None:
        self.kind = datasets.CIFAR100 if hundred else datasets.CIFAR10
        self.parts = self.PARTS[hundred]
        self.images = {part: drawn(4 + part, sum(files.values()), 3, 32, 32) for part, files in self.parts.items()}
        self.labels = {
            part: labelled(6 + part, len(each), 100 if hundred else 10) for part, each in self.images.items()
        }
        members = []
        for part, files in self.parts.items():
            starts = np.cumsum([0, *files.values()])
            for name, start, count in zip(files, starts, files.values(), strict=False):
                rows = slice(start, start + count)
                labels = self.labels[part][rows]
                both = (labels // 5, labels) if hundred else (labels,)
                members.append((f"{self.kind.folder}/{name}", records(self.images[part][rows], *both)))
        self.members = [*members[:2], (f"{self.kind.folder}/readme.html", b"<html>" * 200), *members[2:]]
        self.content = tarred(self.members)

    def patch(self, monkeypatch: pytest.MonkeyPatch, *mirrors: str, content: bytes | None = None) -> None:
        """Let the class be of this archive, or of another."""
        file = remote(self.kind.archive.name, self.content if content is None else content, *mirrors)
        monkeypatch.setattr(self.kind, "archive", file)
        monkeypatch.setattr(self.kind, "parts", self.parts)

    def write(self, root: Path, content: bytes | None = None) -> Path:
        """Write the archive where the class looks for it."""
        path = root / self.kind.archive.name
        path.write_bytes(self.content if content is None else content)
        return path
