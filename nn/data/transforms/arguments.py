"""What the arguments of transforms must be."""

import numbers
import warnings
from collections.abc import Sequence
from enum import Enum
from typing import Any

import numpy as np


class InterpolationMode(Enum):
    """How a value between pixels is found; transforms take the names, too."""

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"


def mode(name: str, given: Any, allowed: Sequence[str]) -> str:
    """Return the name of an interpolation mode."""
    value = given.value if isinstance(given, InterpolationMode) else given
    if value not in allowed:
        raise ValueError(f"{name}: interpolation is {given!r}, expected one of {', '.join(allowed)}")
    return value


def pair(name: str, what: str, value: Any, least: int = 1) -> tuple[int, int]:
    """Return (height, width), or what else comes in twos, of an integer or a sequence of one or two."""
    values = list(value) if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) for v in values):
        raise TypeError(f"{name}: {what} should be an integer or a sequence of integers, got {value!r}")
    if len(values) not in (1, 2):
        raise ValueError(f"{name}: {what} should have one or two entries, got {value!r}")
    if min(values) < least:
        raise ValueError(f"{name}: {what} should be at least {least}, got {value!r}")
    return int(values[0]), int(values[-1])


def edges(name: str, padding: Any) -> tuple[int, int, int, int]:
    """Return what to add at the left, top, right and bottom; negative numbers take away."""
    values = list(padding) if isinstance(padding, Sequence) and not isinstance(padding, str) else [padding]
    if any(isinstance(v, bool) or not isinstance(v, (int, np.integer)) for v in values):
        raise TypeError(f"{name}: padding should be an integer or a sequence of integers, got {padding!r}")
    if len(values) not in (1, 2, 4):
        raise ValueError(f"{name}: padding should have 1, 2 or 4 entries, got {len(values)}")
    left, top, right, bottom = values * (4 // len(values))
    return left, top, right, bottom


def probability(name: str, p: float) -> float:
    """Return a number of [0, 1]."""
    if not isinstance(p, numbers.Real) or not 0.0 <= p <= 1.0:
        raise ValueError(f"{name}: p should be a number in [0, 1], got {p!r}")
    return p


def interval(name: str, what: str, value: Any) -> tuple[float, float]:
    """Return (least, largest) of a sequence of two, and warn where they are the wrong way round."""
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) != 2:
        raise TypeError(f"{name}: {what} should be a sequence of two numbers, got {value!r}")
    if value[0] > value[1]:
        warnings.warn(f"{name}: {what} should be of kind (min, max), got {value!r}", stacklevel=3)
    return float(value[0]), float(value[1])


def angles(name: str, what: str, value: Any, sizes: Sequence[int] = (2,)) -> tuple[float, ...]:
    """Return an interval of angles, or two: those from -value to value of one number."""
    if isinstance(value, numbers.Real):
        if value < 0:
            raise ValueError(f"{name}: {what} is a single number, so it must not be negative, got {value}")
        return -float(value), float(value)
    if not isinstance(value, Sequence):
        raise TypeError(f"{name}: {what} should be a number or a sequence, got {type(value).__name__}")
    if len(value) not in sizes:
        raise ValueError(f"{name}: {what} should have {' or '.join(map(str, sizes))} entries, got {value!r}")
    return tuple(float(v) for v in value)


def check_fill(name: str, fill: Any) -> None:
    """Refuse what is neither a number, nor a sequence of numbers, nor None."""
    if fill is None or isinstance(fill, numbers.Real):
        return
    if isinstance(fill, str) or not isinstance(fill, Sequence) or not fill:
        raise TypeError(f"{name}: fill should be a number or a sequence of numbers, got {fill!r}")


def per_channel(name: str, what: str, value: Any, images: np.ndarray) -> np.ndarray:
    """Return a number, or one per channel, in a form that fits images (B, C, H, W)."""
    values = np.asarray(value, np.float64).reshape(-1, 1, 1)
    if len(values) not in (1, images.shape[1]):
        raise ValueError(f"{name}: {what} has {len(values)} entries, but images have {images.shape[1]} channels")
    return values
