"""Element types and scales: ToTensor, ToDtype, Normalize."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from nn.data.transforms.arguments import per_channel
from nn.data.transforms.base import Transform, largest, pixels
from ops.creation import from_numpy


class ToTensor(Transform):
    """Turn an image as files hold it, an array (H, W, C) or (H, W), into a tensor (C, H, W).

    Unsigned bytes become float32 in [0, 1]; other types keep their values. Takes PIL images, too. Tensors (…, C, H, W),
    which this library's datasets hold, stay in that order.
    """

    def _of_images(self, image: Any) -> Tensor:
        if isinstance(image, Tensor):
            return Tensor(_in_unit(pixels("ToTensor", image)))
        if not isinstance(image, np.ndarray) and not hasattr(image, "__array_interface__"):
            raise TypeError(f"ToTensor: expected a NumPy array or a PIL image, got {type(image).__name__}")
        array = np.asarray(image)
        if array.ndim not in (2, 3):
            raise ValueError(f"ToTensor: expected an array (H, W, C) or (H, W), got shape {array.shape}")
        return from_numpy(np.ascontiguousarray(_in_unit(np.atleast_3d(array).transpose(2, 0, 1))))


def _in_unit(array: np.ndarray) -> np.ndarray:
    """Return bytes as float32 in [0, 1], and a copy of what is no bytes."""
    return np.divide(array, np.float32(255), dtype=np.float32) if array.dtype == np.uint8 else array.copy()


class ToDtype(Transform):
    """Convert to an element type.

    Args:
        dtype: of this library or of NumPy.
        scale: also map [0, largest integer] to [0, 1] where integers become floating point, or back, and the range of
            one integer type to that of another.
    """

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        self.dtype, self.scale = dtype, scale

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images converted."""
        return to_dtype(images, np.dtype(self.dtype), self.scale)


def to_dtype(images: np.ndarray, dtype: np.dtype, scale: bool = False) -> np.ndarray:
    """Convert images; with `scale`, see `ToDtype`."""
    if not scale or dtype == images.dtype:
        return images.astype(dtype)
    if images.dtype.kind == "f" and dtype.kind == "f":
        return images.astype(dtype)
    if images.dtype.kind == "f":
        if dtype.itemsize > 2 and dtype.itemsize >= images.dtype.itemsize:
            raise RuntimeError(f"ToDtype: the conversion from {images.dtype} to {dtype} cannot be performed safely")
        return (images * images.dtype.type(largest(dtype) + 1 - 1e-3)).astype(dtype)  # equal shares of [0, 1]
    if dtype.kind == "f":
        return images.astype(dtype) * dtype.type(1 / largest(images.dtype))
    shift = largest(dtype).bit_length() - largest(images.dtype).bit_length()
    return images.astype(dtype) << shift if shift >= 0 else (images >> -shift).astype(dtype)


class Normalize(Transform):
    """y[c] = (x[c] - mean[c]) / std[c], of floating-point images."""

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        self.mean, self.std = np.atleast_1d(mean).tolist(), np.atleast_1d(std).tolist()
        if 0 in self.std:
            raise ValueError(f"Normalize: std has a zero, which would be divided by: {std!r}")

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the images normalised."""
        if images.dtype.kind != "f":
            raise TypeError(f"Normalize: expected floating-point images, got {images.dtype}: ToDtype(float32) before")
        mean, std = (
            per_channel("Normalize", name, value, images).astype(images.dtype)
            for name, value in (("mean", self.mean), ("std", self.std))
        )
        result = images - mean
        result /= std
        return result
