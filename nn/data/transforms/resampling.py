"""Other sizes: Resize, RandomResizedCrop.

An output pixel is a weighted mean of the pixels around its place, first along columns, then along rows: separable, so
each direction is a list of taps, positions and weights (…, K) per output row. The weights of bilinear interpolation are
a triangle around the place, as wide as an output pixel where the image shrinks (antialias), normalised to sum 1.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from nn.data.transforms.arguments import InterpolationMode, interval, mode, pair
from nn.data.transforms.base import Transform, in_floats, random, uniform
from nn.data.transforms.cropping import crop

MODES = ("bilinear", "nearest", "nearest-exact")


class Taps(NamedTuple):
    """Where output row i of image b comes from: Σ_k weight[b, i, k] · input row position[b, i, k]."""

    position: np.ndarray
    weight: np.ndarray | None  # None: the single tap as it is


class Resize(Transform):
    """Change the size.

    Args:
        size: (height, width); or one number for the shorter edge, the other follows; or None, with max_size for the
            longer edge.
        interpolation: bilinear, nearest or nearest-exact.
        max_size: of the longer edge, where `size` is the shorter's.
        antialias: where a bilinear image shrinks, average over all pixels, not the nearest two.
    """

    def __init__(
        self,
        size: Any,
        interpolation: InterpolationMode | str = InterpolationMode.BILINEAR,
        max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:
        self.interpolation = mode("Resize", interpolation, MODES)
        self.size, self.max_size, self.antialias = size, max_size, antialias
        self._edge = size if isinstance(size, (int, np.integer)) else None
        if size is not None:
            pair("Resize", "size", size)
            self._edge = size[0] if self._edge is None and len(size) == 1 else self._edge
        if max_size is not None and size is not None and (self._edge is None or max_size <= self._edge):
            raise ValueError(f"Resize: max_size {max_size} needs a size of one number less than it, got {size!r}")
        if size is None and not isinstance(max_size, int):
            raise ValueError(f"Resize: size None needs an integer max_size, got {max_size!r}")

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images in their new size."""
        h, w = images.shape[-2:]
        height, width = self._new_size(h, w)
        start = np.zeros(1, int)
        rows = taps(start, start + h, height, self.interpolation, bool(self.antialias))
        columns = taps(start, start + w, width, self.interpolation, bool(self.antialias))
        return resample(images, rows, columns)

    def _new_size(self, h: int, w: int) -> tuple[int, int]:
        if self.size is not None and self._edge is None:
            return pair("Resize", "size", self.size)
        short, long = min(h, w), max(h, w)
        if self._edge is None:
            assert self.max_size is not None  # checked when it was made
            short, long = int(self.max_size * short / long), self.max_size
        else:
            short, long = int(self._edge), int(self._edge * long / short)
            if self.max_size is not None and long > self.max_size:
                short, long = int(self.max_size * short / long), self.max_size
        if short < 1:
            raise ValueError(f"Resize: nothing would be left of the shorter edge of images {(h, w)}")
        return (short, long) if h <= w else (long, short)


class RandomResizedCrop(Transform):
    """Cut out a part whose area, aspect ratio and place are drawn, and resize it (Szegedy et al. 2015).

    Args:
        size: of the result: (height, width), or one number for both.
        scale: the part's share of the area, drawn uniformly.
        ratio: its width over its height, drawn log-uniformly. After ten draws that do not fit, the centre is taken.
        interpolation, antialias: as in `Resize`.
    """

    def __init__(
        self,
        size: Any,
        scale: Any = (0.08, 1.0),
        ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: InterpolationMode | str = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.size = pair("RandomResizedCrop", "size", size)
        self.scale = interval("RandomResizedCrop", "scale", scale)
        self.ratio = interval("RandomResizedCrop", "ratio", ratio)
        check_rectangles("RandomResizedCrop", self.scale, self.ratio)
        self.interpolation = mode("RandomResizedCrop", interpolation, MODES)
        self.antialias = antialias

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return a part of each image, resized."""
        box = self.boxes(len(images), *images.shape[-2:])
        return resized_crop(images, *box, *self.size, self.interpolation, bool(self.antialias))

    def boxes(self, count: int, h: int, w: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Draw top, left, height and width of the parts of so many images."""
        height, width, found = draw_rectangles(count, h * w, self.scale, self.ratio, (h, w))
        central = _central(h, w, self.ratio)
        height, width = np.where(found, height, central[0]), np.where(found, width, central[1])
        top, left = random().integers(0, h - height + 1), random().integers(0, w - width + 1)
        return np.where(found, top, (h - height) // 2), np.where(found, left, (w - width) // 2), height, width


def check_rectangles(name: str, scale: tuple[float, float], ratio: tuple[float, float]) -> None:
    """Refuse areas that are not shares, and aspect ratios that have no logarithm."""
    if not (min(scale) >= 0 and max(scale) <= 1):
        raise ValueError(f"{name}: scale should be between 0 and 1, got {scale}")
    if not 0 < min(ratio) <= max(ratio) < math.inf:
        raise ValueError(f"{name}: ratio should be positive, got {ratio}")


def draw_rectangles(
    count: int, area: int, scale: tuple[float, float], ratio: tuple[float, float], largest: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draw heights and widths (count,), and whether they fit: the first of ten draws each that does."""
    shares = uniform(scale, 10 * count).reshape(10, count) * area
    ratios = np.exp(uniform([math.log(r) for r in ratio], 10 * count).reshape(10, count))
    width, height = np.rint(np.sqrt(shares * ratios)).astype(int), np.rint(np.sqrt(shares / ratios)).astype(int)
    fits = (height > 0) & (height <= largest[0]) & (width > 0) & (width <= largest[1])
    first = fits.argmax(0), np.arange(count)
    return height[first], width[first], fits[first]


def _central(h: int, w: int, ratio: tuple[float, float]) -> tuple[int, int]:
    """Return the size of the largest part whose aspect ratio is allowed."""
    if w / h < min(ratio):
        return max(1, round(w / min(ratio))), w
    if w / h > max(ratio):
        return h, max(1, round(h * max(ratio)))
    return h, w


def resized_crop(
    images: np.ndarray,
    top: np.ndarray,
    left: np.ndarray,
    height: np.ndarray,
    width: np.ndarray,
    out_height: int,
    out_width: int,
    interpolation: str = "bilinear",
    antialias: bool = True,
) -> np.ndarray:
    """Return of each image the part at (top[b], left[b]) of height[b] × width[b] pixels, resized."""
    if len(images) and (height == out_height).all() and (width == out_width).all():
        return crop(images, top, left, out_height, out_width)
    rows = taps(top, height, out_height, interpolation, antialias)
    return resample(images, rows, taps(left, width, out_width, interpolation, antialias))


def taps(start: np.ndarray, size: np.ndarray, out: int, interpolation: str, antialias: bool) -> Taps:
    """Return the taps that turn the rows start[b] … start[b] + size[b] - 1 into `out` rows, pixel edges aligned."""
    ratio = (size / out)[:, None]
    if interpolation != "bilinear":
        shift = 0.5 if interpolation == "nearest-exact" else 0.0
        place = (np.arange(out, dtype=np.float32) + np.float32(shift)) * ratio.astype(np.float32)  # rounds as PyTorch's
        position = np.minimum(place.astype(int), size[:, None] - 1)
        return Taps((start[:, None] + position)[..., None], None)
    reach = np.maximum(ratio, 1.0) if antialias else np.ones_like(ratio)
    centre = (np.arange(out) + 0.5) * ratio
    first = np.floor(centre - reach - 0.5).astype(int) + 1
    count = math.ceil(2 * reach.max(initial=1))
    position = first[..., None] + np.arange(count)
    weight = np.maximum(0.0, 1.0 - np.abs(position + 0.5 - centre[..., None]) / reach[..., None])
    weight *= (position >= 0) & (position < size[:, None, None])
    weight /= weight.sum(-1, keepdims=True)
    position = np.clip(position, 0, size[:, None, None] - 1)
    return Taps(start[:, None, None] + position, weight)


def resample(images: np.ndarray, rows: Taps, columns: Taps) -> np.ndarray:
    """Return the images (B, C, H, W) with new rows and columns; taps are (B, …), or (1, …) for all alike."""
    if rows.weight is None:
        return _mix_columns(_mix_rows(images, rows), columns)
    return in_floats(lambda x: _mix_columns(_mix_rows(x, rows), columns), images)


def _mix_columns(images: np.ndarray, taps: Taps) -> np.ndarray:
    """Do with columns what is done with rows: then whole rows are moved, not single pixels."""
    turned = np.ascontiguousarray(images.swapaxes(-1, -2))
    return np.ascontiguousarray(_mix_rows(turned, taps).swapaxes(-1, -2))


def _mix_rows(images: np.ndarray, taps: Taps) -> np.ndarray:
    """y[b, c, i] = Σ_k weight[b, i, k] x[b, c, position[b, i, k]]."""
    b, c, h, w = images.shape
    plane = np.arange(b * c).reshape(b, c, 1) * h
    flat = images.reshape(b * c * h, w)
    if taps.weight is None:
        return flat[plane + taps.position[:, None, :, 0]]
    weight = taps.weight.astype(images.dtype)[:, None, :, :, None]
    total = np.zeros((b, c, taps.position.shape[1], w), images.dtype)
    for k in range(taps.position.shape[-1]):
        part = flat[plane + taps.position[:, None, :, k]]
        part *= weight[:, :, :, k]
        total += part
    return total
