"""Rotation, translation, scale and shear: RandomRotation, RandomAffine.

Where output pixel (x, y), measured from the centre, comes from is an affine map of it; values between pixels are the
nearest pixel's or bilinear.
"""

import numbers
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from nn.data.transforms.arguments import InterpolationMode, angles, check_fill, interval, mode, per_channel
from nn.data.transforms.base import Transform, in_floats, random, uniform

MODES = ("nearest", "bilinear")


class RandomRotation(Transform):
    """Rotate counter-clockwise by an angle that is drawn uniformly.

    Args:
        degrees: (least, largest), or one number for (-degrees, degrees).
        interpolation: nearest or bilinear.
        expand: make the image as large as the rotated one; not for batches, whose images would differ in size.
        center: (x, y) of the fixed point, from the upper left corner; default: the image's centre. Without effect
            where `expand` shows the whole image.
        fill: the value outside the image: a number, or one per channel.
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: InterpolationMode | str = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[float] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = angles("RandomRotation", "degrees", degrees)
        self.interpolation = mode("RandomRotation", interpolation, MODES)
        self.expand, self.fill = expand, fill
        self.center = None if center is None else _two("RandomRotation", "center", center)
        check_fill("RandomRotation", fill)
        if expand and center is not None:
            warnings.warn("RandomRotation: center has no effect where expand is True", stacklevel=2)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images rotated."""
        degrees = uniform(self.degrees, len(images))
        if self.expand and len(images) > 1:
            raise ValueError("RandomRotation: with expand=True images differ in size, so they come one at a time")
        return rotate(images, degrees, self.interpolation, self.expand, self.center, self.fill)


class RandomAffine(Transform):
    """Rotate clockwise, shear, scale and translate, each by an amount that is drawn uniformly.

    Args:
        degrees: (least, largest), or one number for (-degrees, degrees).
        translate: the largest shares of width and height, rounded to whole pixels.
        scale: (least, largest) factor.
        shear: along x: (least, largest) in degrees, or one number for (-shear, shear); or four numbers for x and y.
        interpolation, fill, center: as in `RandomRotation`.
    """

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: InterpolationMode | str = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[float] | None = None,
    ) -> None:
        name = "RandomAffine"
        self.degrees = angles(name, "degrees", degrees)
        self.translate = None if translate is None else _two(name, "translate", translate)
        if self.translate is not None and not all(0 <= t <= 1 for t in self.translate):
            raise ValueError(f"{name}: translate should have values between 0 and 1, got {translate!r}")
        self.scale = None if scale is None else interval(name, "scale", scale)
        if self.scale is not None and min(self.scale) <= 0:
            raise ValueError(f"{name}: scale should be positive, got {scale!r}")
        self.shear = None if shear is None else angles(name, "shear", shear, (2, 4))
        self.interpolation, self.fill = mode(name, interpolation, MODES), fill
        self.center = None if center is None else _two(name, "center", center)
        check_fill(name, fill)

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images transformed."""
        n, (h, w) = len(images), images.shape[-2:]
        degrees = uniform(self.degrees, n)
        reach = np.array(self.translate or (0, 0)) * (w, h)
        translate = np.rint(random().uniform(-reach, reach, (n, 2)))
        scale = uniform(self.scale or (1.0, 1.0), n)
        low, high = np.array([*(self.shear or ()), 0.0, 0.0, 0.0, 0.0][:4]).reshape(2, 2).T
        shear = random().uniform(low, high, (n, 2))
        return affine(images, degrees, translate, scale, shear, self.interpolation, self.fill, self.center)


def rotate(
    images: np.ndarray,
    degrees: np.ndarray,
    interpolation: str = "nearest",
    expand: bool = False,
    center: Sequence[float] | None = None,
    fill: Any = 0,
) -> np.ndarray:
    """Return each image rotated counter-clockwise by degrees[b]; `expand` takes the first image's size for all."""
    h, w = images.shape[-2:]
    still = np.zeros((len(images), 2))
    fixed = _from_centre(None if expand else center, h, w)  # an image that is shown whole may turn about any point
    matrix = inverse_matrix(-degrees, still, np.ones(len(images)), still, fixed)
    size = _expanded(matrix[0], h, w) if expand and len(images) else (h, w)
    return sample(images, matrix, size, interpolation, fill)


def affine(
    images: np.ndarray,
    degrees: np.ndarray,
    translate: np.ndarray,
    scale: np.ndarray,
    shear: np.ndarray,
    interpolation: str = "nearest",
    fill: Any = 0,
    center: Sequence[float] | None = None,
) -> np.ndarray:
    """Return each image transformed; translate[b] is (x, y) in pixels, shear[b] (x, y) in degrees."""
    h, w = images.shape[-2:]
    matrix = inverse_matrix(degrees, translate, scale, shear, _from_centre(center, h, w))
    return sample(images, matrix, (h, w), interpolation, fill)


def inverse_matrix(
    degrees: np.ndarray, translate: np.ndarray, scale: np.ndarray, shear: np.ndarray, center: Sequence[float]
) -> np.ndarray:
    """Return the maps (B, 2, 3) from places in the output to places in the input, both measured from the centre.

    Forward, p ↦ M (p - center) + center + translate with M = R(α) S(s) Y(φ_y) X(φ_x): rotation, scale, and the shears
    Y = [1 0; -tan φ_y 1] and X = [1 -tan φ_x; 0 1].
    """
    alpha, phi = np.deg2rad(degrees), np.deg2rad(shear)
    rotation = np.array([[np.cos(alpha), -np.sin(alpha)], [np.sin(alpha), np.cos(alpha)]]).transpose(2, 0, 1)
    along_x = np.tile(np.eye(2), (len(degrees), 1, 1))
    along_y = along_x.copy()
    along_x[:, 0, 1], along_y[:, 1, 0] = -np.tan(phi[:, 0]), -np.tan(phi[:, 1])
    inverse = np.linalg.inv(rotation @ along_y @ along_x) / scale[:, None, None]
    offset = np.asarray(center) - (inverse @ (np.asarray(center) + translate)[..., None])[..., 0]
    return np.concatenate([inverse, offset[..., None]], axis=2)


def sample(images: np.ndarray, matrix: np.ndarray, size: tuple[int, int], interpolation: str, fill: Any) -> np.ndarray:
    """Return images of `size` whose pixels come from the places that the maps (B, 2, 3) give."""
    height, width = size
    x = np.arange(width) - (width - 1) / 2
    y = np.arange(height)[:, None] - (height - 1) / 2
    a, b, c, d, e, f = (entry[:, None, None] for entry in matrix.reshape(-1, 6).T)
    h, w = images.shape[-2:]
    x, y = a * x + b * y + c + (w - 1) / 2, d * x + e * y + f + (h - 1) / 2
    pick = _nearest if interpolation == "nearest" else _bilinear
    value = None if fill is None else per_channel("fill", "fill", fill, images)
    return in_floats(lambda floats: pick(floats, x, y, value), images)


def _nearest(images: np.ndarray, x: np.ndarray, y: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    values, inside = _pixels(images, np.rint(x).astype(int), np.rint(y).astype(int))
    return np.where(inside[:, None], values, images.dtype.type(0) if fill is None else fill.astype(images.dtype))


def _bilinear(images: np.ndarray, x: np.ndarray, y: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    """Weigh the four pixels around each place; where some lie outside, torchvision lets the fill in by their weight."""
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    total, covered = np.zeros((*images.shape[:2], *x.shape[1:]), images.dtype), np.zeros(x.shape, images.dtype)
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        values, inside = _pixels(images, left + column, top + row)
        weight = (1 - np.abs(x - left - column)) * (1 - np.abs(y - top - row)) * inside
        total += values * weight.astype(images.dtype)[:, None]
        covered += weight.astype(images.dtype)
    if fill is None:
        return total
    value = fill.astype(images.dtype)
    return (total - value) * covered[:, None] + value


def _pixels(images: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels at columns x and rows y (B, I, J), and which of them are inside; others are any pixel."""
    b, c, h, w = images.shape
    inside = (x >= 0) & (x < w) & (y >= 0) & (y < h)
    position = np.where(inside, y * w + x, 0)
    plane = np.arange(b * c).reshape(b, c, 1, 1) * (h * w)
    return images.reshape(-1)[plane + position[:, None]], inside


def _expanded(matrix: np.ndarray, h: int, w: int) -> tuple[int, int]:
    """Return height and width of the image rotated: the corners' extent, whole pixels."""
    corners = np.array([[x, y, 1] for x in (-w / 2, w / 2) for y in (-h / 2, h / 2)]) @ matrix.T + (w / 2, h / 2)
    corners = np.round(corners, 4)  # so that rounding errors do not add a pixel
    width, height = np.ceil(corners.max(0)) - np.floor(corners.min(0))
    return int(height), int(width)


def _two(name: str, what: str, value: Any) -> tuple[float, float]:
    """Return two numbers (x, y)."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(f"{name}: {what} should be a sequence, got {type(value).__name__}")
    if len(value) != 2 or not all(isinstance(each, numbers.Real) for each in value):
        raise ValueError(f"{name}: {what} should be two numbers (x, y), got {value!r}")
    return value[0], value[1]


def _from_centre(center: Sequence[float] | None, h: int, w: int) -> tuple[float, float]:
    return (0.0, 0.0) if center is None else (center[0] - w * 0.5, center[1] - h * 0.5)
