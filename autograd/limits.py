"""What element types can hold: `finfo` and `iinfo`, with Python numbers as PyTorch has them."""

from typing import Any

import numpy as np

from autograd import dtypes


class finfo:
    """Limits of a floating type, by default the default one."""

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")

    def __init__(self, type: Any = None) -> None:
        numpy_dtype = dtypes.default_float() if type is None else dtypes.as_numpy(type)
        if numpy_dtype.kind != "f":
            raise TypeError(f"torch.finfo() requires a floating point input type, got {type}. Use iinfo for integers.")
        limits = np.finfo(numpy_dtype)
        self.bits = int(limits.bits)
        self.dtype = numpy_dtype.name
        self.eps = float(limits.eps)
        self.max = float(limits.max)
        self.min = float(limits.min)
        self.resolution = 10.0**-limits.precision
        self.smallest_normal = self.tiny = float(limits.smallest_normal)

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer type."""

    __slots__ = ("bits", "dtype", "max", "min")

    def __init__(self, type: Any) -> None:
        numpy_dtype = dtypes.as_numpy(type)
        if numpy_dtype.kind not in "iu":
            raise TypeError(f"torch.iinfo() requires an integer input type, got {type}. Use finfo for floating types.")
        limits = np.iinfo(numpy_dtype)
        self.bits = limits.bits
        self.dtype = numpy_dtype.name
        self.max = int(limits.max)
        self.min = int(limits.min)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
