"""Mixing the images of a batch and their labels: MixUp, CutMix.

Each image is mixed with the one before it in the batch, the first with the last, so batches should be shuffled. Its own
share λ is drawn from Beta(α, α) for each image; its label becomes the probabilities (num_classes,) of both classes.
"""

from typing import Any

import numpy as np

from nn.data.transforms.base import Transform, array_of, each, like, pixels, random, remade
from nn.data.transforms.filtering import rectangles


class _Mixing(Transform):
    mixes = True
    batched = False  # a data set would give it images without their labels

    def __init__(self, *, alpha: float = 1.0, num_classes: int | None = None) -> None:
        if not alpha > 0:
            raise ValueError(f"{type(self).__name__}: alpha should be positive, got {alpha!r}")
        self.alpha, self.num_classes = float(alpha), num_classes

    def __call__(self, *inputs: Any) -> Any:
        """Return images and labels mixed; what else is given passes through."""
        name = type(self).__name__
        given = inputs if len(inputs) != 1 else inputs[0]
        if not isinstance(given, (tuple, list)) or len(given) < 2:
            raise ValueError(f"{name}: expected a batch of images and its labels")
        images = pixels(name, given[0])
        if images.ndim != 4:
            raise ValueError(f"{name}: expected a batch of images (N, C, H, W), got shape {images.shape}")
        labels = self._probabilities(array_of(name, given[1]), len(images))
        images, share = self.mix(images, random().beta(self.alpha, self.alpha, len(images)))
        share = share.astype(labels.dtype)[:, None]
        labels = share * labels + (1 - share) * np.roll(labels, 1, axis=0)
        return remade(given, [like(given[0], images), like(given[1], labels), *given[2:]])

    def mix(self, images: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images mixed, and how large the share (N,) of each image's own is."""
        raise NotImplementedError(f"{type(self).__name__} must define mix")

    def _probabilities(self, labels: np.ndarray, count: int) -> np.ndarray:
        name = type(self).__name__
        if labels.ndim not in (1, 2) or len(labels) != count:
            raise ValueError(
                f"{name}: expected labels ({count},) or probabilities ({count}, num_classes), got {labels.shape}"
            )
        if labels.ndim == 2:
            if self.num_classes not in (None, labels.shape[1]):
                raise ValueError(f"{name}: num_classes is {self.num_classes}, but labels have {labels.shape[1]}")
            return labels if labels.dtype.kind == "f" else labels.astype(np.float32)
        if self.num_classes is None:
            raise ValueError(f"{name}: num_classes is needed where labels are the numbers of classes")
        if labels.dtype.kind not in "iu" or (count and not 0 <= labels.min() <= labels.max() < self.num_classes):
            raise ValueError(f"{name}: labels should be integers from 0 to {self.num_classes - 1}")
        return (labels[:, None] == np.arange(self.num_classes)).astype(np.float32)


class MixUp(_Mixing):
    """x = λ xᵢ + (1 - λ) xᵢ₋₁ (Zhang et al. 2017).

    Args:
        alpha: of the distribution that λ is drawn from: 1 for uniform, less for λ nearer 0 and 1.
        num_classes: needed unless labels are probabilities already.
    """

    def mix(self, images: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the weighted means."""
        if images.dtype.kind != "f":
            raise TypeError(f"MixUp: expected floating-point images, got {images.dtype}: ToDtype(float32) before")
        weight = each(share, images)
        return weight * images + (1 - weight) * np.roll(images, 1, axis=0), share


class CutMix(_Mixing):
    """Put a rectangle of xᵢ₋₁ into xᵢ, of about 1 - λ of the area; λ is then what remains (Yun et al. 2019).

    Args:
        alpha, num_classes: as in `MixUp`.
    """

    def mix(self, images: np.ndarray, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the images with rectangles of others, and the shares of the area that remain."""
        h, w = images.shape[-2:]
        column, row = random().integers(w, size=len(images)), random().integers(h, size=len(images))
        reach = 0.5 * np.sqrt(1 - share)
        top, left = (np.maximum(0, at - (reach * n).astype(int)) for at, n in ((row, h), (column, w)))
        bottom, right = (np.minimum(n, at + (reach * n).astype(int)) for at, n in ((row, h), (column, w)))
        inside = rectangles(images, top, left, bottom - top, right - left)
        return np.where(inside, np.roll(images, 1, axis=0), images), 1 - (bottom - top) * (right - left) / (h * w)
