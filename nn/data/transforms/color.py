"""Brightness, contrast, saturation and hue: ColorJitter, Grayscale, RandomGrayscale.

Factors are one number per image (B,). Integer images are computed in float32 and cut to whole values, as torchvision's.
"""

import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nn.data.transforms.arguments import probability
from nn.data.transforms.base import Transform, each, largest, only_where, random, uniform
from nn.data.transforms.conversion import to_dtype

LUMA = (0.2989, 0.587, 0.114)  # how bright red, green and blue look (ITU-R BT.601)


class ColorJitter(Transform):
    """Change brightness, contrast, saturation and hue, by amounts and in an order that are drawn for each image.

    Args:
        brightness, contrast, saturation: (least, largest) factor, or one number v for [max(0, 1 - v), 1 + v].
        hue: (least, largest) share of the colour circle, within [-0.5, 0.5], or one number v for [-v, v].

    Shapes:
        images (…, 1 or 3, H, W), not negative; saturation and hue of grey ones stay as they are.
    """

    def __init__(self, brightness: Any = None, contrast: Any = None, saturation: Any = None, hue: Any = None) -> None:
        self.brightness = _factors("brightness", brightness)
        self.contrast = _factors("contrast", contrast)
        self.saturation = _factors("saturation", saturation)
        self.hue = _factors("hue", hue, centre=0.0, bounds=(-0.5, 0.5))

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images in other colours."""
        check_colors("ColorJitter", images)
        adjustments: list[tuple[Any, Callable[..., np.ndarray]]] = [
            (self.brightness, adjust_brightness),
            (self.contrast, adjust_contrast),
            (self.saturation, adjust_saturation),
            (self.hue, adjust_hue),
        ]
        orders = random().permuted(np.tile(np.arange(4), (len(images), 1)), axis=1)
        factors = [None if among is None else uniform(among, len(images)) for among, _ in adjustments]
        images = images.copy()
        for turn in range(4):
            for i, (_, adjust) in enumerate(adjustments):
                factor, chosen = factors[i], orders[:, turn] == i
                if factor is not None and chosen.any():
                    images[chosen] = adjust(images[chosen], factor[chosen])
        return images


class Grayscale(Transform):
    """Keep only how bright a colour looks: Y = 0.2989 R + 0.587 G + 0.114 B, in 1 channel or in 3 equal ones."""

    def __init__(self, num_output_channels: int = 1) -> None:
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale: num_output_channels should be 1 or 3, got {num_output_channels!r}")
        self.num_output_channels = num_output_channels

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images in grey."""
        check_colors("Grayscale", images)
        return np.repeat(grey(images).astype(images.dtype), self.num_output_channels, axis=1)


class RandomGrayscale(Transform):
    """Make an image grey with probability p; it keeps its number of channels."""

    def __init__(self, p: float = 0.1) -> None:
        self.p = probability("RandomGrayscale", p)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images, some of them in grey."""
        check_colors("RandomGrayscale", images)
        return only_where(random().random(len(images)) < self.p, lambda x: grey(x).astype(x.dtype), images)


def check_colors(name: str, images: np.ndarray) -> None:
    """Refuse images that are neither grey nor red, green and blue."""
    if images.shape[1] not in (1, 3):
        raise TypeError(f"{name}: expected images of 1 or 3 channels, got {images.shape[1]}")
    if images.dtype.kind == "b":
        raise TypeError(f"{name}: expected integer or floating-point images, got bool")


def grey(images: np.ndarray) -> np.ndarray:
    """Return the luma (B, 1, H, W) in floating point, whole numbers not enforced."""
    x = _floats(images)
    if images.shape[1] == 1:
        return x.copy()
    red, green, blue = (x.dtype.type(weight) for weight in LUMA)
    return (x[:, 0:1] * red + x[:, 1:2] * green) + x[:, 2:3] * blue


def adjust_brightness(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """y = f x, at most white."""
    return _blend(images, np.zeros((1, 1, 1, 1), images.dtype), factor)


def adjust_contrast(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """y = f x + (1 - f) m, with m the mean luma of each image."""
    luma = grey(images)
    if images.dtype.kind != "f" and images.shape[1] == 3:
        luma = np.floor(luma)
    return _blend(images, luma.mean((1, 2, 3), keepdims=True), factor)


def adjust_saturation(images: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """y = f x + (1 - f) · luma."""
    if images.shape[1] == 1:
        return images.copy()
    luma = grey(images)
    return _blend(images, luma if images.dtype.kind == "f" else np.floor(luma), factor)


def adjust_hue(images: np.ndarray, shift: np.ndarray) -> np.ndarray:
    """Turn the colour circle by `shift` of it; computed in float32, as torchvision does."""
    if images.shape[1] == 1:
        return images.copy()
    hue, saturation, value = _to_hsv(to_dtype(images, np.dtype(np.float32), scale=True))
    hue = _fraction(hue + shift.astype(np.float32)[:, None, None])
    return to_dtype(_from_hsv(hue, saturation, value), images.dtype, scale=True)


def _blend(images: np.ndarray, other: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Return f x + (1 - f) other, within black and white."""
    x = _floats(images)
    result = x * each(factor, x)
    result += other.astype(x.dtype) * each(1 - factor, x)
    return np.clip(result, 0, largest(images.dtype), out=result).astype(images.dtype)


def _floats(images: np.ndarray) -> np.ndarray:
    return images if images.dtype.kind == "f" else images.astype(np.float32)


def _to_hsv(rgb: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hue, saturation and value (B, H, W) in [0, 1]; grey has hue 0 (Smith 1978, Color gamut transforms)."""
    red, green, blue = rgb.swapaxes(0, 1)
    value = rgb.max(1)
    spread = value - rgb.min(1)
    safe = np.where(spread == 0, np.float32(1), spread)
    sector = np.where(
        value == red, (green - blue) / safe, np.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe)
    )
    saturation = spread / np.where(spread == 0, np.float32(1), value)
    return _fraction(sector / np.float32(6)), saturation, value


def _fraction(x: np.ndarray) -> np.ndarray:
    """Return x mod 1, in a tenth of the time that NumPy's % takes."""
    return x - np.floor(x)


def _from_hsv(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return (B, 3, H, W): channel n is v - v s max(0, min(k, 4 - k, 1)), with k = (n + 6 h) mod 6 and n = 5, 3, 1."""
    channels = []
    for n in (5, 3, 1):
        k = 6 * _fraction(hue + np.float32(n / 6))
        channels.append(value - value * saturation * np.clip(np.minimum(k, 4 - k), 0, 1))
    return np.stack(channels, axis=1)


def _factors(
    name: str, value: Any, centre: float = 1.0, bounds: tuple[float, float] = (0.0, np.inf)
) -> tuple[float, float] | None:
    """Return (least, largest), or None where nothing would change."""
    if value is None:
        return None
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"ColorJitter: {name} is a single number, so it must not be negative, got {value}")
        low, high = centre - float(value), centre + float(value)
        low = max(low, 0.0) if centre else low
    elif isinstance(value, Sequence) and not isinstance(value, str) and len(value) == 2:
        low, high = float(value[0]), float(value[1])
    else:
        raise TypeError(f"ColorJitter: {name} should be a number or a sequence of two, got {value!r}")
    if not bounds[0] <= low <= high <= bounds[1]:
        raise ValueError(f"ColorJitter: {name} should increase and lie within {bounds}, got {value!r}")
    return None if low == high == centre else (low, high)
