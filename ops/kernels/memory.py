"""Arrays at addresses: how one kernel reaches many arrays that were allocated apart."""

import ctypes
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import config
from numba.extending import intrinsic

from ops.kernels.jit import kernel

if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def elements(address: int, size: int, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the `size` elements that start at an address, of the type of `like`."""
        buffer = (ctypes.c_char * int(size * like.itemsize)).from_address(int(address))
        return np.frombuffer(memoryview(buffer), like.dtype)

else:

    @intrinsic
    def pointer(typing_context, address, like):
        """Convert an address to a pointer to elements of `like`."""

        def generate(context, builder, signature, arguments):
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return types.CPointer(like.dtype)(types.intp, like), generate

    @kernel(inline=True)
    def elements(address: int, size: int, like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Return the `size` elements that start at an address, of the type of `like`."""
        array: np.ndarray[Any, Any] = numba.carray(pointer(address, like), (size,))  # type: ignore[call-arg]
        return array


@kernel
def address_of(x, size):
    """Return where the elements of x start; 0 unless it is C-contiguous, -1 unless it has `size` elements."""
    if x.size != size:
        return -1
    if not x.flags.c_contiguous:
        return 0
    return x.ctypes.data
