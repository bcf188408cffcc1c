"""New tensors: from data, filled with a value, and in ranges."""

import math
import operator
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.device import check_device
from autograd.tensor import Tensor
from autograd.views import assign, forgotten
from ops.batched import batched_like
from ops.comparison import as_filling, held_by
from ops.conversion import to
from ops.dims import array_of, as_sizes, check_sizes
from ops.shape import clone, expand

PYTHON_NUMBERS = frozenset((bool, int, float))


def made(array: np.ndarray, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of a new array."""
    check_device(device)
    return Tensor(array, requires_grad=requires_grad)


def dtype_or_default(dtype: Any) -> np.dtype:
    """Return NumPy's dtype for a `dtype` argument, the default floating type for None."""
    return dtypes.default_float() if dtype is None else dtypes.as_numpy(dtype)


# -- from data -----------------------------------------------------------------------------------------------


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor with a copy of `data`: a number, nested sequences, an array or a tensor.

    Arrays and tensors keep their type; Python's floats become the default type, ints int64.
    """
    array, natural = _array_of_data(data)
    target = natural if dtype is None else dtypes.as_numpy(dtype)
    if target.kind in "iu" and target != natural and not isinstance(data, (Tensor, np.ndarray, np.generic)):
        _check_range(array, target)
    with np.errstate(invalid="ignore", over="ignore"):
        return made(array.astype(target, order="C"), device, requires_grad)


def _check_range(array: np.ndarray, target: np.dtype) -> None:
    """Refuse numbers that a type of integers does not hold."""
    least, most = held_by(target, whole=array.dtype.kind != "f")
    if array.size and not least <= array.min() <= array.max() <= most:
        raise RuntimeError(f"tensor: value cannot be converted to type {target} without overflow")


def _array_of_data(data: Any) -> tuple[np.ndarray, np.dtype]:
    """Return the data as an array, perhaps the same memory, and the type of a tensor of it.

    The two differ for Python's floats, which are float64 until it is known what is wanted.
    """
    if isinstance(data, Tensor):
        return data.array, data.array.dtype
    if isinstance(data, (np.ndarray, np.generic)):
        array = _checked(np.asarray(data))
        return array, array.dtype
    if type(data) in PYTHON_NUMBERS:
        return _of_numbers(data)
    if isinstance(data, (str, bytes)):
        raise TypeError(f"tensor: invalid data type {type(data).__name__!r}")
    if isinstance(data, dict) or not hasattr(data, "__len__") or not hasattr(data, "__getitem__"):
        raise RuntimeError(f"tensor: Could not infer dtype of {type(data).__name__}")
    return _of_numbers(data) if _element_types(data) <= PYTHON_NUMBERS else _stacked(data)


def _element_types(data: Any) -> set[type]:
    """Return the types of the elements of nested sequences."""
    types = set(map(type, data))
    for nested in types & {list, tuple}:
        for each in data:
            if type(each) is nested:
                types |= _element_types(each)
    return types - {list, tuple}


def _of_numbers(data: Any) -> tuple[np.ndarray, np.dtype]:
    """Return Python numbers as an array, and the type of a tensor of them."""
    try:
        array = np.array(data)
    except ValueError:
        _refuse_ragged(data, 0)
        raise
    if array.dtype.kind not in "bif":
        raise ValueError("tensor: Overflow: an integer does not fit in 64 bits")
    return array, dtypes.default_float() if array.dtype.kind == "f" else array.dtype


def _refuse_ragged(data: Any, dim: int) -> None:
    """Raise the error that says where a sequence has another length than its neighbours."""
    lengths = [len(each) if isinstance(each, (list, tuple)) else None for each in data]
    for length in lengths:
        if length != lengths[0] is None:
            raise TypeError("tensor: must be real number, not list")
        if length != lengths[0]:
            got = "a number" if length is None else length
            raise ValueError(f"tensor: expected sequence of length {lengths[0]} at dim {dim + 1} (got {got})")
    for each in data:
        if isinstance(each, (list, tuple)):
            _refuse_ragged(each, dim + 1)


def _stacked(data: Any) -> tuple[np.ndarray, np.dtype]:
    """Return sequences of arrays, tensors of one element and numbers as one array, and their common type."""
    parts, common = [], None
    for each in data:
        part, natural = _array_of_data(each)
        if isinstance(each, Tensor):
            if part.size != 1:
                raise ValueError("tensor: only one element tensors can be converted to Python scalars")
            part = part.reshape(())
        parts.append(part)
        common = natural if common is None else dtypes.promote_numpy(common, natural)
    for part in parts:
        if part.shape != parts[0].shape:
            raise ValueError(f"tensor: expected elements of shape {list(parts[0].shape)}, got {list(part.shape)}")
    assert common is not None  # empty sequences are taken for numbers
    return np.stack(parts), common


def _checked(array: np.ndarray) -> np.ndarray:
    """Return an array of a type that tensors can have."""
    if not array.dtype.isnative:
        raise ValueError(
            f"given numpy array has byte order different from the native byte order: {array.dtype}. "
            "Conversion between byte orders is currently not supported; use "
            "array.astype(array.dtype.newbyteorder('='))."
        )
    if array.dtype not in dtypes.FROM_NUMPY:
        supported = ", ".join(each.name for each in dtypes.FROM_NUMPY.values())
        raise TypeError(f"can't convert np.ndarray of type {array.dtype}. The only supported types are: {supported}.")
    return array


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """Return a tensor on the array's own memory."""
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"from_numpy: expected np.ndarray (got {type(ndarray).__name__})")
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable: in-place ops on the tensor will fail. Copy the array to "
            "write to it.",
            UserWarning,
            stacklevel=2,
        )
    return Tensor(np.asarray(_checked(ndarray)))


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """Return `data` as a tensor, without copying where it is a tensor or an array of the type wanted."""
    check_device(device)
    if isinstance(data, Tensor):
        return data if dtype is None else to(data, dtype)
    if isinstance(data, np.ndarray) and (dtype is None or data.dtype == dtypes.as_numpy(dtype)):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """Return `obj` as a tensor, copied always (`copy=True`), never (False) or only where need be (None)."""
    result = as_tensor(obj, dtype, device)
    source = obj.array if isinstance(obj, Tensor) else obj
    shared = isinstance(source, np.ndarray) and (result is obj or np.may_share_memory(source, result.array))
    if copy is False and not shared:
        raise ValueError("asarray: can't alias the memory of obj, but copy=False was given")
    result = result.detach() if isinstance(obj, Tensor) and not requires_grad else result
    if copy and shared:
        result = clone(result)
    return result.requires_grad_() if requires_grad else result


def scalar_tensor(s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a number as a 0-d tensor of the default floating type, or of `dtype`."""
    return full((), s, dtype=dtype_or_default(dtype), device=device, requires_grad=requires_grad)


# -- filled --------------------------------------------------------------------------------------------------


def _size(name: str, given: Sequence[Any], keyword: Any) -> tuple[int, ...]:
    if not given and keyword is None:
        raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
    return check_sizes(name, as_sizes(name, given, keyword))


def zeros(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros."""
    return made(np.zeros(_size("zeros", sizes, size), dtype_or_default(dtype)), device, requires_grad)


def ones(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    return made(np.ones(_size("ones", sizes, size), dtype_or_default(dtype)), device, requires_grad)


def empty(*sizes: Any, size: Any = None, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor with arbitrary contents."""
    return made(np.empty(_size("empty", sizes, size), dtype_or_default(dtype)), device, requires_grad)


def full(size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor filled with a number, of the number's type unless `dtype` says otherwise."""
    value = fill_value.item() if isinstance(fill_value, (Tensor, np.ndarray, np.generic)) else fill_value
    if type(value) not in PYTHON_NUMBERS:
        raise TypeError(f"full: fill_value must be a number, not {type(value).__name__}")
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full: size must be a tuple of ints, not {type(size).__name__}")
    target = _of_numbers(value)[1] if dtype is None else dtypes.as_numpy(dtype)
    return made(np.full(_size("full", (size,), None), as_filling("full", value, target)), device, requires_grad)


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor with arbitrary contents and the given strides, in elements."""
    shape, steps = _size("empty_strided", (size,), None), as_sizes("empty_strided", (stride,))
    if len(shape) != len(steps) or any(step < 0 for step in steps):
        raise RuntimeError(f"empty_strided: expected a stride >= 0 per dimension, got {list(steps)} for {list(shape)}")
    target = dtype_or_default(dtype)
    count = 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True)) if math.prod(shape) else 0
    memory = np.empty(count, target)
    return made(np.ndarray(shape, target, memory, 0, [s * target.itemsize for s in steps]), device, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the (n, m) matrix with ones on its diagonal, square by default."""
    for name, size in (("n", n), ("m", m)):
        if size is not None and size < 0:
            raise RuntimeError(f"eye: {name} must be greater or equal to 0, got {size}")
    return made(np.eye(n, m, dtype=dtype_or_default(dtype)), device, requires_grad)


# -- like another --------------------------------------------------------------------------------------------


def _type_like(input: Tensor, dtype: Any) -> np.dtype:
    return input.array.dtype if dtype is None else dtypes.as_numpy(dtype)


@batched_like
def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of the tensor's shape and type."""
    return made(np.zeros(array_of(input, "zeros_like").shape, _type_like(input, dtype)), device, requires_grad)


@batched_like
def ones_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of the tensor's shape and type."""
    return made(np.ones(array_of(input, "ones_like").shape, _type_like(input, dtype)), device, requires_grad)


@batched_like
def empty_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of the same shape and type with arbitrary contents."""
    return made(np.empty(array_of(input, "empty_like").shape, _type_like(input, dtype)), device, requires_grad)


@batched_like
def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a tensor of the same shape and type, filled with a number."""
    target = _type_like(input, dtype)
    return full(input.array.shape, fill_value, dtype=target, device=device, requires_grad=requires_grad)


@batched_like
def new_tensor(
    input: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a copy of `data`, in the tensor's type."""
    return tensor(data, dtype=_type_like(input, dtype), device=device, requires_grad=requires_grad)


@batched_like
def new_zeros(
    input: Tensor,
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return zeros of the tensor's type."""
    return zeros(*sizes, size=size, dtype=_type_like(input, dtype), device=device, requires_grad=requires_grad)


@batched_like
def new_ones(
    input: Tensor,
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return ones of the tensor's type."""
    return ones(*sizes, size=size, dtype=_type_like(input, dtype), device=device, requires_grad=requires_grad)


@batched_like
def new_empty(
    input: Tensor,
    *sizes: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the same type with arbitrary contents."""
    return empty(*sizes, size=size, dtype=_type_like(input, dtype), device=device, requires_grad=requires_grad)


@batched_like
def new_full(
    input: Tensor,
    size: Any,
    fill_value: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the same type, filled with a number."""
    return full(size, fill_value, dtype=_type_like(input, dtype), device=device, requires_grad=requires_grad)


def new_empty_strided(
    input: Tensor,
    size: Any,
    stride: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return a tensor of the same type with the given strides and arbitrary contents."""
    target = _type_like(input, dtype)
    return empty_strided(size, stride, dtype=target, device=device, requires_grad=requires_grad)


# -- ranges --------------------------------------------------------------------------------------------------


def _number(value: Any, name: str) -> Any:
    value = value.item() if isinstance(value, (Tensor, np.ndarray, np.generic)) else value
    if not isinstance(value, (bool, int, float)):
        raise TypeError(f"{name}: expected numbers, got {type(value).__name__}")
    return value


def arange(
    start: Any,
    end: Any = None,
    step: Any = 1,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """yᵢ = start + i · step, for as long as it is before `end`; called with one number, from 0 to it.

    int64 where all three are ints, else the default floating type.
    """
    given = (0, start, step) if end is None else (start, end, step)
    start, end, step = (_number(value, "arange") for value in given)
    if step == 0:
        raise RuntimeError("arange: step must be nonzero")
    if not all(math.isfinite(value) for value in (start, end, step)):
        raise RuntimeError(f"arange: unsupported range: {start} -> {end} by {step}")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"arange: upper bound and lower bound inconsistent with step sign: {start} -> {end} by {step}"
        )
    whole = all(isinstance(value, int) for value in (start, end, step))
    target = (np.dtype(np.int64) if whole else dtypes.default_float()) if dtype is None else dtypes.as_numpy(dtype)
    if target.kind in "iu" and not whole:
        return made(_whole_range(start, end, step, target), device, requires_grad)
    count = -((start - end) // step) if whole else math.ceil((end - start) / step)
    values = np.arange(count) * step + start
    return made(values.astype(target), device, requires_grad)


def _whole_range(start: float, end: float, step: float, target: np.dtype) -> np.ndarray:
    """Return the integers of a range with fractions: `start` and `step` lose theirs, in int64 `end` too."""
    first, stride = int(start), int(step)
    if stride == 0:
        raise ValueError("arange: step must be nonzero in an integer type")
    count = -((first - int(end)) // stride) if target == np.int64 else math.ceil((end - start) / step)
    return (np.arange(max(count, 0)) * stride + first).astype(target)


def linspace(
    start: Any, end: Any, steps: int, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """yᵢ = start + i · (end − start) / (steps − 1), for 0 ≤ i < steps."""
    steps = operator.index(steps)
    if steps < 0:
        raise RuntimeError(f"linspace: number of steps must be non-negative, got {steps}")
    values = np.linspace(_number(start, "linspace"), _number(end, "linspace"), steps)
    return made(values.astype(dtype_or_default(dtype)), device, requires_grad)


def logspace(
    start: Any,
    end: Any,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """yᵢ = base to the power of `linspace(start, end, steps)`ᵢ."""
    exponents = linspace(start, end, steps, dtype=np.float64).array
    return made(np.power(float(base), exponents).astype(dtype_or_default(dtype)), device, requires_grad)


def tril_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None) -> Tensor:
    """Return the positions (2, count) of the lower triangle of a (row, col) matrix, row by row."""
    check_sizes("tril_indices", (row, col))
    return made(np.stack(np.tril_indices(row, offset, col)).astype(dtypes.as_numpy(dtype)), device)


def triu_indices(row: int, col: int, offset: int = 0, *, dtype: Any = np.int64, device: Any = None) -> Tensor:
    """Return the positions (2, count) of the upper triangle of a (row, col) matrix, row by row."""
    check_sizes("triu_indices", (row, col))
    return made(np.stack(np.triu_indices(row, offset, col)).astype(dtypes.as_numpy(dtype)), device)


# -- in place ------------------------------------------------------------------------------------------------


def fill(input: Tensor, value: Any) -> Tensor:
    """Return a tensor of the same shape and type with every element `value`, a number or a 0-d tensor."""
    if not isinstance(value, Tensor):
        return forgotten(input, full_like(input, value))
    if value.ndim:
        raise RuntimeError(f"fill only supports 0-dimension value tensor but got one of shape {tuple(value.shape)}.")
    return forgotten(input, clone(expand(to(value, input.array.dtype), input.array.shape)))


def fill_(input: Tensor, value: Any) -> Tensor:
    """Set every element to `value`."""
    assign(input, fill(input, value), "fill_")
    return input


def zero_(input: Tensor) -> Tensor:
    """Set every element to 0."""
    assign(input, zeros_like(input), "zero_")
    return input
