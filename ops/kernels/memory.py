"""Arrays at addresses: how one kernel reaches many arrays that were allocated apart."""

import ctypes
from typing import Any

import numba
import numpy as np
from numba import types
from numba.core import config
from numba.extending import intrinsic

from ops.kernels import native
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
def address_of(x):
    """Return where the elements of x start, sooner than `x.ctypes.data` does."""
    return native.address_of(x)
