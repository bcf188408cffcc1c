"""How forwards reach the fused kernels."""

from collections.abc import Callable
from typing import Any

import numpy as np


def fused(kernel: Callable[..., Any], *arrays: Any, **parameters: Any) -> Any:
    """Call a kernel; float16, which has none, is computed in float32."""
    dtype = arrays[0].dtype
    if dtype.kind != "f":
        raise NotImplementedError(f"{kernel.__name__}: not implemented for {dtype}")
    if dtype.itemsize > 2:
        return kernel(*arrays, **parameters)
    return kernel(*[x.astype(np.float32) for x in arrays], **parameters).astype(np.float16)
