"""Tensors as other element types."""

from typing import Any

import numpy as np

from autograd import dtypes
from autograd.device import CPU, check_device
from autograd.primitive import cast
from autograd.tensor import Tensor
from autograd.views import assign
from ops.shape import clone, expand

LEGACY = {
    "torch.BoolTensor": dtypes.bool_,
    "torch.ByteTensor": dtypes.uint8,
    "torch.CharTensor": dtypes.int8,
    "torch.ShortTensor": dtypes.int16,
    "torch.IntTensor": dtypes.int32,
    "torch.LongTensor": dtypes.int64,
    "torch.HalfTensor": dtypes.float16,
    "torch.FloatTensor": dtypes.float32,
    "torch.DoubleTensor": dtypes.float64,
}
"""The names `Tensor.type` has always used."""


def to(
    input: Tensor,
    *args: Any,
    dtype: Any = None,
    device: Any = None,
    non_blocking: bool = False,
    copy: bool = False,
) -> Tensor:
    """Return the tensor with another element type; itself where nothing changes and no copy is asked for.

    Called as `to(dtype)`, `to(device)`, `to(device, dtype)` or `to(other)`, which stands for other's type.
    "cpu" is the only device, and copies there are done when `to` returns, whatever `non_blocking` says.
    """
    flags = [arg for arg in args if isinstance(arg, bool)]  # by position: non_blocking, copy
    copy = copy or flags[1:] == [True]
    for arg in args:
        if isinstance(arg, Tensor):
            dtype = arg.array.dtype
        elif isinstance(arg, (str, type(CPU))):
            device = arg
        elif arg is not None and not isinstance(arg, bool):
            dtype = arg
    check_device(device)
    target = input.array.dtype if dtype is None else dtypes.as_numpy(dtype)
    if input.array.dtype == target:
        return clone(input) if copy else input
    with np.errstate(invalid="ignore", over="ignore"):
        return cast(input, dtype=target)


def to_half(input: Tensor) -> Tensor:
    """Return the tensor as float16."""
    return to(input, dtypes.float16)


def to_float(input: Tensor) -> Tensor:
    """Return the tensor as float32."""
    return to(input, dtypes.float32)


def to_double(input: Tensor) -> Tensor:
    """Return the tensor as float64."""
    return to(input, dtypes.float64)


def to_bool(input: Tensor) -> Tensor:
    """Return whether each element differs from zero."""
    return to(input, dtypes.bool_)


def to_byte(input: Tensor) -> Tensor:
    """Return the tensor as uint8."""
    return to(input, dtypes.uint8)


def to_char(input: Tensor) -> Tensor:
    """Return the tensor as int8."""
    return to(input, dtypes.int8)


def to_short(input: Tensor) -> Tensor:
    """Return the tensor as int16."""
    return to(input, dtypes.int16)


def to_int(input: Tensor) -> Tensor:
    """Return the tensor as int32."""
    return to(input, dtypes.int32)


def to_long(input: Tensor) -> Tensor:
    """Return the tensor as int64."""
    return to(input, dtypes.int64)


def to_type(input: Tensor, dtype: Any = None) -> Any:
    """Return the tensor as `dtype`; without one, the name of its type, such as "torch.FloatTensor"."""
    if dtype is not None:
        return to(input, LEGACY.get(dtype, dtype) if isinstance(dtype, str) else dtype)
    return next(name for name, each in LEGACY.items() if each.dtype == input.array.dtype)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """Return the tensor with other's element type."""
    return to(input, other.array.dtype)


def cpu(input: Tensor) -> Tensor:
    """Return the tensor itself: it is on the CPU."""
    return input


def copy_(input: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write `src`, broadcast and converted, over the tensor; `non_blocking` as in `to`."""
    if not isinstance(src, Tensor):
        raise TypeError(f"copy_: expected a Tensor, got {type(src).__name__}")
    assign(input, expand(to(src, input.array.dtype), input.array.shape), "copy_")
    return input


# -- questions -----------------------------------------------------------------------------------------------


def is_tensor(obj: Any) -> bool:
    """Return whether an object is a Tensor."""
    return isinstance(obj, Tensor)


def is_floating_point(input: Tensor) -> bool:
    """Return whether the elements are floating-point numbers."""
    return input.is_floating_point()


def numel(input: Tensor) -> int:
    """Return the number of elements."""
    return input.array.size


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """Return the type an arithmetic op gives on two tensors or numbers."""
    return dtypes.FROM_NUMPY[dtypes.result_dtype([x.array if isinstance(x, Tensor) else x for x in (tensor1, tensor2)])]


def can_cast(from_: Any, to: Any) -> bool:
    """Return whether a type may be written into another in place: not one of a higher category."""
    category = "biuf"
    ranks = [category.index(dtypes.as_numpy(each).kind) for each in (from_, to)]
    return ranks[0] <= ranks[1] or set(ranks) <= {1, 2}
