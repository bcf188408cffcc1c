"""Bring arrays into the one form that kernels are compiled for."""

from typing import Any

import numpy as np


def dense(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return x, copied unless it is C-contiguous, aligned and writeable.

    Any other form is another signature, which would be compiled once more.
    """
    return x if x.flags.carray else x.copy("C")


def flat(x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the elements of x in C order along one axis, without a copy where x is dense."""
    return x.ravel() if x.flags.carray else x.copy("C").ravel()
