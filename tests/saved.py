"""Values through files, and whether what came back is the same."""

import io
from typing import Any

import numpy as np

import autograd
from autograd import Tensor

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]


def through_file(value: Any) -> Any:
    """Return what a file of `value` holds."""
    file = io.BytesIO()
    autograd.save(value, file)
    file.seek(0)
    return autograd.load(file)


def same(a: Any, b: Any) -> bool:
    """Return whether two values are equal, types, bits and order included."""
    if type(a) is not type(b):
        return False
    if isinstance(a, Tensor):
        return a.requires_grad == b.requires_grad and same(a.array, b.array)
    if isinstance(a, np.ndarray):
        equal = np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        return a.dtype == b.dtype and a.shape == b.shape and equal and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        keys = all(same(k, j) for k, j in zip(a, b, strict=True))
        return keys and all(same(v, w) for v, w in zip(a.values(), b.values(), strict=True))
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b) if isinstance(a, (float, complex, np.generic)) else a == b


def torch_bytes(torch: Any, value: Any, **options: Any) -> io.BytesIO:
    file = io.BytesIO()
    torch.save(value, file, **options)
    file.seek(0)
    return file
