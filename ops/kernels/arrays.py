"""Bring arrays into the one form that kernels are compiled for."""

from typing import Any

import numpy as np

from ops.kernels.transposing import c_order


def dense(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return x, copied unless it is C-contiguous, aligned and writeable.

    Any other form is another signature, which would be compiled once more.
    """
    return x if x.flags.carray else c_order(x)


def flat(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the elements of x in C order along one axis, without a copy where x is dense."""
    return dense(x).ravel()
