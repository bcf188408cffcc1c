"""Parts of images and mirror images: Pad, CenterCrop, RandomCrop, flips."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nn.data.transforms.arguments import check_fill, edges, pair, per_channel, probability
from nn.data.transforms.base import Transform, only_where, random

MODES = ("constant", "edge", "reflect", "symmetric")


class Pad(Transform):
    """Add pixels at the edges.

    Args:
        padding: for all edges; or for left and right, top and bottom; or for left, top, right, bottom. Negative numbers
            take pixels away.
        fill: their value where the mode is constant: a number, or one per channel.
        padding_mode: constant, edge, reflect (without the edge itself) or symmetric (with it).
    """

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        self.padding = edges("Pad", padding)
        check_fill("Pad", fill)
        self.fill, self.padding_mode = fill, _mode("Pad", padding_mode)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images padded."""
        return pad(images, self.padding, self.fill, self.padding_mode)


class CenterCrop(Transform):
    """Cut out the centre; where the image is smaller, zeros are added."""

    def __init__(self, size: Any) -> None:
        self.size = pair("CenterCrop", "size", size)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images' centres."""
        images = pad(images, _lacking(images.shape[-2:], self.size))
        (h, w), (height, width) = images.shape[-2:], self.size
        top, left = round((h - height) / 2), round((w - width) / 2)
        return images[:, :, top : top + height, left : left + width].copy()


class RandomCrop(Transform):
    """Cut out a part whose place is drawn uniformly.

    Args:
        size: of the part: (height, width), or one number for both.
        padding: added before, as in `Pad`.
        pad_if_needed: add as many pixels at both ends as an image lacks.
        fill, padding_mode: as in `Pad`.
    """

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        self.size = pair("RandomCrop", "size", size)
        self.padding = None if padding is None else edges("RandomCrop", padding)
        check_fill("RandomCrop", fill)
        self.pad_if_needed, self.fill = pad_if_needed, fill
        self.padding_mode = _mode("RandomCrop", padding_mode)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return a part of each image."""
        if self.padding is not None:
            images = pad(images, self.padding, self.fill, self.padding_mode)
        (h, w), (height, width) = images.shape[-2:], self.size
        if self.pad_if_needed:
            more, wider = max(0, height - h), max(0, width - w)
            images = pad(images, (wider, more, wider, more), self.fill, self.padding_mode)
            h, w = images.shape[-2:]
        if h < height or w < width:
            raise ValueError(f"RandomCrop: crop size {self.size} is larger than the (padded) image's {(h, w)}")
        top = random().integers(0, h - height + 1, len(images))
        left = random().integers(0, w - width + 1, len(images))
        return crop(images, top, left, height, width)


class _RandomFlip(Transform):
    _flip: Callable[[np.ndarray], np.ndarray]

    def __init__(self, p: float = 0.5) -> None:
        self.p = probability(type(self).__name__, p)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images, some of them mirrored."""
        return only_where(random().random(len(images)) < self.p, type(self)._flip, images)


class RandomHorizontalFlip(_RandomFlip):
    """Exchange left and right with probability p."""

    _flip = staticmethod(lambda images: images[:, :, :, ::-1])


class RandomVerticalFlip(_RandomFlip):
    """Exchange top and bottom with probability p."""

    _flip = staticmethod(lambda images: images[:, :, ::-1])


def pad(images: np.ndarray, padding: Sequence[int], fill: Any = 0, padding_mode: str = "constant") -> np.ndarray:
    """Return the images (B, C, H, W) with pixels added at the left, top, right and bottom, or taken away."""
    left, top, right, bottom = (max(0, n) for n in padding)
    if padding_mode == "constant":
        b, c, h, w = images.shape
        value = per_channel("Pad", "fill", 0 if fill is None else fill, images)
        padded = np.empty((b, c, top + h + bottom, left + w + right), images.dtype)
        padded[:] = value
        padded[:, :, top : top + h, left : left + w] = images
    else:
        _check_reflection(images, (left, top, right, bottom), padding_mode)
        padded = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), padding_mode)  # type: ignore[call-overload]
    left, top, right, bottom = (max(0, -n) for n in padding)
    h, w = padded.shape[-2:]
    if top + bottom >= h or left + right >= w:
        raise ValueError(f"Pad: padding {tuple(padding)} leaves nothing of images of {images.shape[-2:]}")
    return padded[:, :, top : h - bottom, left : w - right]


def crop(images: np.ndarray, top: np.ndarray, left: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return of each image (C, H, W) the part (C, height, width) whose upper left corner is (top[b], left[b])."""
    windows = np.lib.stride_tricks.sliding_window_view(images, (height, width), axis=(2, 3))
    return np.ascontiguousarray(windows[np.arange(len(images)), :, top, left])


def _lacking(size: Sequence[int], wanted: Sequence[int]) -> tuple[int, int, int, int]:
    """Return the edges that images of `size` lack to be as large as `wanted`."""
    rows, columns = (max(0, w - s) for s, w in zip(size, wanted, strict=True))
    return columns // 2, rows // 2, (columns + 1) // 2, (rows + 1) // 2


def _mode(name: str, padding_mode: str) -> str:
    if padding_mode not in MODES:
        raise ValueError(f"{name}: padding_mode is {padding_mode!r}, expected one of {', '.join(MODES)}")
    return padding_mode


def _check_reflection(images: np.ndarray, padding: Sequence[int], padding_mode: str) -> None:
    """Refuse to reflect more than there is, as PyTorch does."""
    h, w = (size - (padding_mode == "reflect") for size in images.shape[-2:])
    if padding_mode != "edge" and (max(padding[1::2]) > h or max(padding[::2]) > w):
        raise RuntimeError(f"Pad: {padding_mode} padding {tuple(padding)} is too large for images {images.shape[-2:]}")
