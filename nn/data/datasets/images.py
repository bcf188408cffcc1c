"""Images that are wholly in memory."""

import operator
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from autograd.serialization.errors import FileError
from autograd.tensor import Tensor
from nn.data.dataset import Dataset

Transform = Callable[[Any], Any]


class ImageDataset(Dataset[tuple[Any, Any]]):
    """Images in memory with their labels: item i is `(image, label)`, the image (C, H, W) float32 in [0, 1].

    `transform` changes the image, `target_transform` the label. A transform whose attribute `batched` is true, as most
    of `nn.data.transforms` are, is given the images of a batch at once, (N, C, H, W), where a loader asks for one.

    Args:
        data: images (N, C, H, W), uint8.
        targets: labels (N,), int64.
    """

    classes: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        data: Tensor,
        targets: Tensor,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        name = type(self).__name__
        if data.array.dtype != np.uint8 or data.ndim != 4:
            raise ValueError(f"{name}: data is {data.array.shape} {data.array.dtype}, expected (N, C, H, W) uint8")
        if targets.array.shape != data.array.shape[:1]:
            raise ValueError(f"{name}: targets have shape {targets.array.shape}, expected ({len(data)},)")
        self.data, self.targets = data, targets
        self.transform, self.target_transform = transform, target_transform

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The labels of the classes."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        i = operator.index(index)
        image, label = Tensor(scaled(self.data.array[i])), int(self.targets.array[i])
        if self.transform is not None:
            image = self.transform(image)
        return image, label if self.target_transform is None else self.target_transform(label)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        if not self._transforms_batches():
            return [self[i] for i in indices]
        images, labels = self.batch(np.asarray(indices, np.intp))
        transformed = images if self.transform is None else self.transform(images)
        return [(Tensor(image), label) for image, label in zip(transformed.array, labels.tolist(), strict=True)]

    def _transforms_batches(self) -> bool:
        whole = self.transform is None or getattr(self.transform, "batched", False) is True
        return whole and self.target_transform is None and type(self).__getitem__ is ImageDataset.__getitem__

    @property
    def sliceable(self) -> bool:
        """Whether a batch is what `batch` returns."""
        own = type(self).__getitems__ is ImageDataset.__getitems__
        return own and self.transform is None and self._transforms_batches()

    def batch(self, indices: np.ndarray) -> list[Tensor]:
        """Return the images at `indices`, not transformed, and their labels."""
        images = scaled(self.data.array.take(indices, axis=0))
        return [Tensor(images), Tensor(self.targets.array.take(indices))]

    def __repr__(self) -> str:
        count, *size = self.data.shape
        return f"{type(self).__name__}({count} images of {'×'.join(map(str, size))}, {len(self.classes)} classes)"


def scaled(pixels: np.ndarray) -> np.ndarray:
    """Return bytes 0…255 as float32 in [0, 1]."""
    return np.divide(pixels, np.float32(255), dtype=np.float32)


def checked_labels(path: Path, labels: np.ndarray, classes: int) -> np.ndarray:
    """Return labels as int64; raise FileError unless all are below `classes`."""
    if labels.size and int(labels.max()) >= classes:
        worst = int(labels.argmax())
        raise FileError(f"{path}: label {worst} is {labels[worst]}, expected less than {classes}")
    return labels.astype(np.int64)
