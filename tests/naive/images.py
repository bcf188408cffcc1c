"""Transforms of images by the obvious loops over pixels: the oracle of the vectorised ones. Images are (C, H, W)."""

import colorsys
import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


def triangle_weights(i: int, size: int, out: int, antialias: bool) -> list[float]:
    """Return what each of `size` pixels counts for output pixel i of `out`."""
    ratio = size / out
    reach = max(ratio, 1.0) if antialias else 1.0
    centre = (i + 0.5) * ratio
    weights = [max(0.0, 1 - abs(j + 0.5 - centre) / reach) for j in range(size)]
    return [weight / sum(weights) for weight in weights]


def resize(image: NDArray, height: int, width: int, antialias: bool = True) -> NDArray:
    """Return the bilinear image of a new size."""
    c, h, w = image.shape
    y = np.zeros((c, height, width))
    for k, i, j in np.ndindex(y.shape):
        rows, columns = triangle_weights(i, h, height, antialias), triangle_weights(j, w, width, antialias)
        y[k, i, j] = sum(rows[a] * columns[b] * image[k, a, b] for a in range(h) for b in range(w))
    return y


def nearest(image: NDArray, height: int, width: int) -> NDArray:
    """Return the image of a new size, pixel i from pixel ⌊i · old / new⌋."""
    c, h, w = image.shape
    y = np.zeros((c, height, width), image.dtype)
    for k, i, j in np.ndindex(y.shape):
        y[k, i, j] = image[k, i * h // height, j * w // width]
    return y


def pad(image: NDArray, left: int, top: int, right: int, bottom: int, fill: float, mode: str) -> NDArray:
    """Return the image with pixels added."""
    c, h, w = image.shape
    y = np.zeros((c, h + top + bottom, w + left + right), image.dtype)
    for k, i, j in np.ndindex(y.shape):
        a, b = place(i - top, h, mode), place(j - left, w, mode)
        y[k, i, j] = fill if a is None or b is None else image[k, a, b]
    return y


def place(i: int, size: int, mode: str) -> int | None:
    """Return the pixel that position i shows, None outside of a constant's."""
    if 0 <= i < size:
        return i
    if mode == "constant":
        return None
    if mode == "edge":
        return 0 if i < 0 else size - 1
    past = 0 if mode == "reflect" else 1
    return -i - past if i < 0 else 2 * (size - 1) - i + past


def move(image: NDArray, source: Callable[[float, float], tuple[float, float]], mode: str, fill: float) -> NDArray:
    """Return the image whose pixel at (x, y) from the centre shows the input at source(x, y) from the centre."""
    h, w = image.shape[1:]
    y = np.zeros(image.shape)
    for k, i, j in np.ndindex(y.shape):
        column, row = source(j - (w - 1) / 2, i - (h - 1) / 2)
        y[k, i, j] = look(image[k], row + (h - 1) / 2, column + (w - 1) / 2, mode, fill)
    return y


def look(plane: NDArray, row: float, column: float, mode: str, fill: float) -> float:
    """Return the value at a place between pixels."""
    h, w = plane.shape
    if mode == "nearest":
        a, b = round(row), round(column)
        return plane[a, b] if 0 <= a < h and 0 <= b < w else fill
    value = covered = 0.0
    for a in (math.floor(row), math.floor(row) + 1):
        for b in (math.floor(column), math.floor(column) + 1):
            if 0 <= a < h and 0 <= b < w:
                weight = (1 - abs(row - a)) * (1 - abs(column - b))
                value, covered = value + weight * plane[a, b], covered + weight
    return covered * value + (1 - covered) * fill


def blur(image: NDArray, width: int, height: int, sigma: float) -> NDArray:
    """Return the image convolved with a Gaussian of two dimensions."""
    h, w = image.shape[1:]
    y = np.zeros(image.shape)
    for k, i, j in np.ndindex(y.shape):
        value = total = 0.0
        for a in range(-(height // 2), height // 2 + 1):
            for b in range(-(width // 2), width // 2 + 1):
                weight = math.exp(-(a * a + b * b) / (2 * sigma * sigma))
                value += weight * image[k, place(i + a, h, "reflect"), place(j + b, w, "reflect")]
                total += weight
        y[k, i, j] = value / total
    return y


def luma(image: NDArray) -> NDArray:
    """Return how bright each pixel looks (H, W)."""
    y = np.zeros(image.shape[1:])
    for i, j in np.ndindex(y.shape):
        y[i, j] = image[0, i, j] if len(image) == 1 else np.dot((0.2989, 0.587, 0.114), image[:, i, j])
    return y


def turn_hue(image: NDArray, shift: float) -> NDArray:
    """Return the image in colours turned by `shift` of the circle."""
    y = np.zeros(image.shape)
    for i, j in np.ndindex(image.shape[1:]):
        hue, saturation, value = colorsys.rgb_to_hsv(*map(float, image[:, i, j]))
        y[:, i, j] = colorsys.hsv_to_rgb((hue + shift) % 1.0, saturation, value)
    return y
