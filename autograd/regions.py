"""Where a view lies in its base, and the primitives that read and write there."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided as numpy_as_strided

from autograd.primitive import primitive


class Region(NamedTuple):
    """A part of an array's memory; strides and offset in elements from the array's first one."""

    base_shape: tuple[int, ...]
    base_strides: tuple[int, ...]
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, base: np.ndarray, part: np.ndarray) -> "Region":
        """Return where `part`, a view, lies in `base`."""
        offset = part.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        strides = [tuple(s // base.itemsize for s in array.strides) for array in (base, part)]
        return cls(base.shape, strides[0], part.shape, strides[1], offset // base.itemsize)

    def lay_out(self, dtype: np.dtype) -> tuple[np.ndarray, np.ndarray]:
        """Return zeros in memory laid out as the base, and the region as a view of them."""
        reach = [s * (n - 1) for s, n in zip(self.base_strides, self.base_shape, strict=True) if n > 1]
        low = sum(r for r in reach if r < 0)
        memory = np.zeros(sum(abs(r) for r in reach) + 1, dtype)
        views = (
            numpy_as_strided(memory[start:], shape, [s * dtype.itemsize for s in strides])
            for start, shape, strides in (
                (-low, self.base_shape, self.base_strides),
                (self.offset - low, self.shape, self.strides),
            )
        )
        base, part = views
        return base, part


def overlaps(array: np.ndarray) -> bool:
    """Return whether two elements of an array may be one in memory."""
    reach = 0
    for stride, n in sorted((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride <= reach:
            return True
        reach += stride * (n - 1)
    return False


@primitive
def as_strided(x: np.ndarray, *, region: Region) -> np.ndarray:
    """The part of x that `region` covers."""
    base, part = region.lay_out(x.dtype)
    base[...] = x
    return part.copy()


@primitive
def scatter_strided(x: np.ndarray, *, region: Region) -> np.ndarray:
    """Zeros like the base with x added into `region`: the adjoint of `as_strided`."""
    base, part = region.lay_out(x.dtype)
    if overlaps(part):
        positions, index = region.lay_out(np.dtype(np.intp))
        positions[...] = np.arange(positions.size).reshape(positions.shape)
        flat = np.zeros(base.size, x.dtype)
        np.add.at(flat, index.ravel(), x.ravel())
        return flat.reshape(base.shape)
    part[...] = x
    return base


@primitive
def erase_strided(x: np.ndarray, *, region: Region) -> np.ndarray:
    """x with zeros in `region`."""
    base, part = region.lay_out(x.dtype)
    base[...] = x
    part[...] = 0
    return base


@primitive
def overwrite(base: np.ndarray, value: np.ndarray, *, region: Region) -> np.ndarray:
    """The base with `value` in `region`."""
    result, part = region.lay_out(base.dtype)
    result[...] = base
    part[...] = value
    return result


as_strided.vjp(x=lambda grad, region: scatter_strided(grad, region=region))
scatter_strided.vjp(x=lambda grad, region: as_strided(grad, region=region))
erase_strided.vjp(x=lambda grad, region: erase_strided(grad, region=region))
overwrite.vjp(
    base=lambda grad, region: erase_strided(grad, region=region),
    value=lambda grad, region: as_strided(grad, region=region),
)
