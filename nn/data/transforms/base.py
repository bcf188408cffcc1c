"""What every transform does: take tensors or arrays, compute on a batch (B, C, H, W), return what it was given."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from autograd.random import default_generator
from autograd.tensor import Tensor


class Transform:
    """A function of images; subclasses define `transform`.

    Images are tensors or NumPy arrays (…, C, H, W), one or a batch, and results are of the same kind, in memory of
    their own. What else is given, e.g. labels, passes through: `transform(images, labels)`, or one tuple of both.

    Random transforms draw from this library's generator, anew for each image of a batch, where torchvision draws once
    per call.
    """

    batched = True  # a data set may give it the images of a whole batch
    mixes = False  # whether images of a batch are mixed, so that it cannot be applied to some of them

    def __call__(self, *inputs: Any) -> Any:
        given = inputs if len(inputs) != 1 else inputs[0]
        if not isinstance(given, (tuple, list)):
            return self._of_images(given)
        if not given:
            raise TypeError(f"{type(self).__name__}: expected images, got nothing")
        return remade(given, [self._of_images(given[0]), *given[1:]])

    def _of_images(self, images: Any) -> Any:
        array = pixels(type(self).__name__, images)
        result = self.transform(as_batch(array))
        return like(images, result.reshape(*array.shape[:-3], *result.shape[-3:]))

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the transformed images (B, C, H, W); those given stay as they are."""
        raise NotImplementedError(f"{type(self).__name__} must define transform")

    def __repr__(self) -> str:
        options = (f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"{type(self).__name__}({', '.join(options)})"


def pixels(name: str, images: Any) -> np.ndarray:
    """Return the array of images, or say for `name` what is wrong with them."""
    array = array_of(name, images)
    if array.ndim < 3:
        raise ValueError(f"{name}: expected images (..., C, H, W), got shape {array.shape}")
    if 0 in array.shape[-3:]:
        raise ValueError(f"{name}: expected images of at least one channel and pixel, got shape {array.shape}")
    return array


def array_of(name: str, value: Any) -> np.ndarray:
    """Return the numbers of a tensor or an array."""
    array = value.array if isinstance(value, Tensor) else value
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "buif":
        got = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(value).__name__
        raise TypeError(f"{name}: expected a tensor or a NumPy array of numbers, got {got}")
    if isinstance(value, Tensor) and value.requires_grad:
        raise RuntimeError(f"{name}: transforms are not recorded, and the tensor requires grad; pass its .detach()")
    return array


def as_batch(array: np.ndarray) -> np.ndarray:
    """Return (…, C, H, W) as (B, C, H, W), also where B is 0."""
    return array.reshape(int(np.prod(array.shape[:-3], dtype=int)), *array.shape[-3:])


def like(given: Any, array: np.ndarray) -> Any:
    """Return the array as what was given: a tensor or an array."""
    return Tensor(array) if isinstance(given, Tensor) else array


def remade(given: Any, entries: list[Any]) -> Any:
    """Return a tuple, named tuple or list like the one given, of other entries."""
    return type(given)(*entries) if hasattr(given, "_fields") else type(given)(entries)


def random() -> np.random.Generator:
    """Return the generator that random transforms draw from."""
    return default_generator.numpy


def uniform(among: Sequence[float], count: int) -> np.ndarray:
    """Draw so many numbers uniformly from (least, largest)."""
    return random().uniform(among[0], among[1], count)


def each(values: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return one number per image in a form that multiplies images (B, C, H, W), of their element type."""
    return values.astype(images.dtype)[:, None, None, None]


def only_where(chosen: np.ndarray, function: Callable[..., np.ndarray], images: np.ndarray, *per_image: Any) -> Any:
    """Return the images, those that are chosen transformed; `per_image` are arrays of parameters (B, …)."""
    result = images.copy()
    if chosen.any():
        result[chosen] = function(images[chosen], *(values[chosen] for values in per_image))
    return result


def in_floats(function: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Return the function of images in floating point, rounded to the nearest integer where they are integers."""
    if images.dtype in (np.float32, np.float64):
        return function(images)
    result = function(images.astype(np.float32))
    return (result if images.dtype.kind == "f" else np.rint(result)).astype(images.dtype)


def largest(dtype: np.dtype) -> int:
    """Return the value of white: 1 for floating-point images, else the type's largest."""
    if dtype.kind == "f":
        return 1
    return 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
