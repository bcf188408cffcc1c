"""Tensors from the memory a file describes: every claim is checked before anything is made of it."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.serialization.errors import FileError
from autograd.tensor import Size, Tensor
from autograd.views import writes_of

MAX_DIMS = 64  # NumPy's
NUMBERS = "biufc"  # the kinds of NumPy's element types that are saved

KINDS: dict[str, Callable[[Tensor, bool], Tensor]] = {}  # subclasses of Tensor by name; `nn` adds Parameter


def integers(values: Any) -> tuple[int, ...]:
    """Return a file's shape or strides, if that is what they are: at most 64 integers, none negative."""
    if not isinstance(values, (tuple, list)) or len(values) > MAX_DIMS:
        raise FileError("a shape or stride is no list of at most 64 integers")
    if any(type(n) is not int or not 0 <= n < 2**63 for n in values):
        raise FileError("a shape or stride is no list of 63-bit integers that are 0 or more")
    return tuple(values)


def strided(memory: np.ndarray, dtype: np.dtype, shape: Any, strides: Any, offset: Any) -> np.ndarray:
    """Return a view of one-dimensional memory; strides and offset count elements.

    Raises:
        FileError: an element would lie outside.
    """
    shape, strides = integers(shape), integers(strides)
    (offset,) = integers([offset])
    if len(shape) != len(strides):
        raise FileError(f"a tensor of shape {shape} has strides {strides}")
    if math.prod(n for n in shape if n) * dtype.itemsize >= 2**63:
        raise FileError(f"no tensor has shape {shape}")
    if 0 in shape:
        return np.empty(shape, dtype)
    end = offset + 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    if end * dtype.itemsize > memory.nbytes:
        raise FileError(
            f"a tensor of shape {shape} and strides {strides} at {offset} ends beyond its memory of "
            f"{memory.nbytes // dtype.itemsize} elements"
        )
    steps = [stride * dtype.itemsize if n > 1 else 0 for n, stride in zip(shape, strides, strict=True)]
    return np.ndarray(shape, dtype, buffer=memory, offset=offset * dtype.itemsize, strides=steps)


def rebuild(array: np.ndarray, requires_grad: bool, kind: str, sharing: Tensor | None) -> Tensor:
    """Return a tensor, or one of its subclass `kind`; in-place writes to it count for `sharing` as well."""
    tensor = Tensor(array)
    if sharing is not None:
        tensor._writes = writes_of(sharing)
    if kind in KINDS:
        return KINDS[kind](tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def set_parameter(parameter: Tensor, state: tuple[Any, ...]) -> None:
    """Give a parameter its state as PyTorch pickled it before 0.4: (requires_grad, volatile, hooks).

    Still earlier it was (data, gradient, hooks, requires_grad, volatile), for a parameter made empty.
    """
    if len(state) == 5:
        data, _, hooks, requires_grad, _ = state
    else:
        data, (requires_grad, _, hooks) = parameter, state
    if not isinstance(data, Tensor) or hooks or type(requires_grad) is not bool:
        raise FileError("a parameter's state has no tensor or no flag for gradients, or has hooks")
    if data is not parameter:
        parameter.data = data
        parameter._writes = writes_of(data)
    parameter.requires_grad_(requires_grad)


def widen(brain: np.ndarray, single: np.ndarray) -> None:
    """Write bfloat16 numbers, given by their bits, into an array of float32: the same bits and 16 zeros after them."""
    np.left_shift(brain, 16, out=single.view(np.uint32), dtype=np.uint32)


def only_bits(array: np.ndarray) -> None:
    """Let every byte of booleans be 0 or 1."""
    np.minimum(array.view(np.uint8), 1, out=array.view(np.uint8))


def is_key(value: Any) -> bool:
    """Return whether a value read from a file may be a key: hashed in no time, and compared with few others.

    Integers of more than 64 bits can be chosen with one hash for all, tuples can hold the same tuple often.
    """
    stack, seen = [value], 0
    while stack:
        value = stack.pop()
        seen += 1
        if type(value) in (tuple, frozenset, Size):
            stack.extend(value)
        elif type(value) is int:
            if not -(2**63) <= value < 2**64:
                return False
        elif type(value) not in (str, float, bool, bytes, complex, type(None)):
            return False
        if seen + len(stack) > 1000:
            return False
    return True
