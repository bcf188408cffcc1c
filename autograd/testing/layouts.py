"""The ways an array's elements may lie in memory."""

from collections.abc import Callable

import numpy as np


def _contiguous(array: np.ndarray) -> np.ndarray:
    return array.copy(order="C")


def _transposed(array: np.ndarray) -> np.ndarray:
    return array.copy(order="F")


def _stepped(array: np.ndarray) -> np.ndarray:
    memory = np.zeros((*array.shape, 2), array.dtype)
    memory[..., 0] = array
    return memory[..., 0]


def _reversed(array: np.ndarray) -> np.ndarray:
    backwards = (slice(None, None, -1),) * array.ndim
    return array[backwards].copy(order="C")[backwards] if array.ndim else array.copy()


def _expanded(array: np.ndarray) -> np.ndarray:
    axis = next((axis for axis, n in enumerate(array.shape) if n > 1), None)
    if axis is None:
        return array.copy(order="C")
    first = array[(slice(None),) * axis + (slice(0, 1),)].copy(order="C")
    return np.broadcast_to(first, array.shape)


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "contiguous": _contiguous,
    "transposed": _transposed,
    "stepped": _stepped,
    "reversed": _reversed,
    "expanded": _expanded,
}


def with_layout(array: np.ndarray, layout: str) -> np.ndarray:
    """Return a copy of `array` whose memory is laid out in one of these ways:

    "contiguous", "transposed" (Fortran order), "stepped" (every second element of its memory), "reversed"
    (negative strides), or "expanded": read-only, the first slice along the first axis of several, repeated.

    >>> with_layout(np.zeros((2, 3)), "stepped").strides
    (48, 16)
    """
    if layout not in LAYOUTS:
        raise ValueError(f"with_layout: expected one of {', '.join(LAYOUTS)}, got {layout!r}")
    return LAYOUTS[layout](array)


def layout_of(array: np.ndarray) -> str | None:
    """Return the first layout with the strides of `array`, None where there is none.

    >>> layout_of(np.zeros((3, 2)).T)
    'transposed'
    """
    for name in LAYOUTS:
        example = with_layout(array, name)
        if _steps(example) == _steps(array) and np.array_equal(example, array, equal_nan=True):
            return name
    return None


def _steps(array: np.ndarray) -> list[int]:
    """Return the strides that matter: those of sides longer than 1."""
    return [s for s, n in zip(array.strides, array.shape, strict=True) if n > 1] if array.size else []
