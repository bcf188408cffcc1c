"""Scratch memory: one buffer per Python thread, grown to the largest request and reused by every kernel."""

import threading
from typing import Any

import numpy as np

ALIGNMENT = 64
"""A cache line, and the widest vector."""


class _Buffers(threading.local):
    def __init__(self) -> None:
        self.bytes = np.empty(0, np.uint8)
        self.views: dict[tuple[int, str], np.ndarray[Any, Any]] = {}


_buffers = _Buffers()


def scratch(size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Return `size` elements of this thread's buffer, aligned, with arbitrary contents.

    Every call returns the same memory: a kernel entry asks once, for all it needs, and keeps nothing there.
    """
    key = (size, dtype.char)
    view = _buffers.views.get(key)
    if view is None:
        view = _buffers.views[key] = _carve(size, dtype)
    return view


def release() -> None:
    """Give this thread's buffer back."""
    _buffers.bytes = np.empty(0, np.uint8)
    _buffers.views.clear()


def _carve(size: int, dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    needed = size * dtype.itemsize + ALIGNMENT
    if needed > _buffers.bytes.size or len(_buffers.views) >= 256:
        _buffers.views.clear()
    if needed > _buffers.bytes.size:
        _buffers.bytes = np.empty(needed, np.uint8)
    start = -_buffers.bytes.ctypes.data % ALIGNMENT
    return _buffers.bytes[start : start + size * dtype.itemsize].view(dtype)
