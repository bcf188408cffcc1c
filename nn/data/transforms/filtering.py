"""GaussianBlur and RandomErasing."""

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np

from nn.data.transforms.arguments import angles, interval, pair, per_channel, probability
from nn.data.transforms.base import Transform, in_floats, random, uniform
from nn.data.transforms.cropping import pad
from nn.data.transforms.resampling import check_rectangles, draw_rectangles


class GaussianBlur(Transform):
    """Convolve with exp(-x² / 2σ²), cut to the kernel and normalised, along rows and columns; edges are reflected.

    Args:
        kernel_size: odd; one number, or (width, height).
        sigma: σ in pixels, or (least, largest), from which it is drawn uniformly.
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        self.kernel_size = pair("GaussianBlur", "kernel_size", kernel_size)
        if any(size % 2 == 0 for size in self.kernel_size):
            raise ValueError(f"GaussianBlur: kernel_size should be odd, got {kernel_size!r}")
        single = isinstance(sigma, numbers.Real)
        self.sigma = (sigma, sigma) if single else angles("GaussianBlur", "sigma", sigma)
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"GaussianBlur: sigma should be positive and of the form (min, max), got {sigma!r}")

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images blurred."""
        return gaussian_blur(images, self.kernel_size, uniform(self.sigma, len(images)))


def gaussian_blur(images: np.ndarray, kernel_size: tuple[int, int], sigma: np.ndarray) -> np.ndarray:
    """Return each image blurred by sigma[b]."""
    width, height = kernel_size

    def blurred(x: np.ndarray) -> np.ndarray:
        x = pad(x, (width // 2, height // 2, width // 2, height // 2), padding_mode="reflect")
        x = _convolve(x.swapaxes(2, 3), width, sigma).swapaxes(2, 3)
        return np.ascontiguousarray(_convolve(x, height, sigma))

    return in_floats(blurred, images)


def _convolve(images: np.ndarray, size: int, sigma: np.ndarray) -> np.ndarray:
    """y[b, c, i] = Σ_k weight[b, k] x[b, c, i + k], which makes the third axis shorter by size - 1."""
    x = np.arange(size) - (size - 1) / 2
    weight = np.exp(-0.5 * (x / sigma[:, None]) ** 2)
    weight = (weight / weight.sum(1, keepdims=True)).astype(images.dtype)[:, :, None, None, None]
    rows = images.shape[2] - size + 1
    total = images[:, :, :rows] * weight[:, 0]
    for k in range(1, size):
        total += images[:, :, k : k + rows] * weight[:, k]
    return total


class RandomErasing(Transform):
    """Erase a rectangle whose area, aspect ratio and place are drawn (Zhong et al. 2017).

    Args:
        p: the probability that an image is touched at all.
        scale: the rectangle's share of the area, drawn uniformly.
        ratio: its height over its width, drawn log-uniformly. After ten draws that do not fit, nothing is erased.
        value: what comes in its place: a number, one per channel, or "random" for standard normal numbers.
    """

    def __init__(self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0.0) -> None:
        self.p = probability("RandomErasing", p)
        self.scale = interval("RandomErasing", "scale", scale)
        self.ratio = interval("RandomErasing", "ratio", ratio)
        check_rectangles("RandomErasing", self.scale, self.ratio)
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing: value is {value!r}, expected a number, a sequence of them or 'random'")
        if not isinstance(value, (numbers.Real, str, Sequence)):
            raise TypeError(f"RandomErasing: value should be a number, a sequence or 'random', got {value!r}")
        self.value = value

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images, in some a rectangle erased."""
        n, (h, w) = len(images), images.shape[-2:]
        value = self._values(images)
        chosen = random().random(n) < self.p
        width, height, found = draw_rectangles(n, h * w, self.scale, self.ratio, (w - 1, h - 1))
        top = random().integers(0, np.maximum(1, h - height + 1))
        left = random().integers(0, np.maximum(1, w - width + 1))
        return erase(images, top, left, height * (chosen & found), width, value)

    def _values(self, images: np.ndarray) -> np.ndarray:
        if not isinstance(self.value, str):
            return per_channel("RandomErasing", "value", self.value, images).astype(images.dtype)
        if images.dtype.kind != "f":
            raise TypeError(f"RandomErasing: 'random' values are normal numbers, and images are {images.dtype}")
        return random().standard_normal(images.shape).astype(images.dtype)


def erase(
    images: np.ndarray, top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray, value: np.ndarray
) -> np.ndarray:
    """Return the images with `value` in rows top[b] … top[b] + height[b] - 1 and columns so, too."""
    return np.where(rectangles(images, top, left, height, width), value, images)


def rectangles(
    images: np.ndarray, top: np.ndarray, left: np.ndarray, height: np.ndarray, width: np.ndarray
) -> np.ndarray:
    """Return whether pixel (B, 1, H, W) lies in its image's rectangle."""
    row, column = np.arange(images.shape[2]), np.arange(images.shape[3])
    rows = (row >= top[:, None]) & (row < (top + height)[:, None])
    columns = (column >= left[:, None]) & (column < (left + width)[:, None])
    return rows[:, None, :, None] & columns[:, None, None, :]
