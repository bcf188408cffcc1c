"""Element types and PyTorch's promotion rules, as a table.

Promotion looks at three groups of operands, in falling priority: tensors with dimensions, 0-d tensors, Python numbers.
A group of lower priority changes the result only when its category (bool < integer < floating) is higher.
"""

from typing import Any

import numpy as np


class dtype:
    """An element type, e.g. `float32`; NumPy accepts it wherever it accepts its own dtypes."""

    __slots__ = ("dtype", "name")

    def __init__(self, name: str) -> None:
        self.name = name
        self.dtype = np.dtype(name)  # the attribute NumPy looks for in foreign dtype objects

    @property
    def is_floating_point(self) -> bool:
        return self.dtype.kind == "f"

    @property
    def is_complex(self) -> bool:
        return False

    @property
    def is_signed(self) -> bool:
        return self.dtype.kind in "if"

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    def __repr__(self) -> str:
        return f"autograd.{self.name}"

    def __reduce__(self) -> str:
        return self.name if self.name != "bool" else "bool_"


bool_ = dtype("bool")
uint8 = dtype("uint8")
int8 = dtype("int8")
int16 = dtype("int16")
int32 = dtype("int32")
int64 = dtype("int64")
float16 = dtype("float16")
float32 = dtype("float32")
float64 = dtype("float64")

FROM_NUMPY: dict[np.dtype, dtype] = {
    d.dtype: d for d in (bool_, uint8, int8, int16, int32, int64, float16, float32, float64)
}
_FROM_PYTHON = {float: float64.dtype, int: int64.dtype, bool: bool_.dtype}

_default = float32.dtype


def set_default_dtype(d: Any) -> None:
    """Set the floating type of new tensors; float32 at the start."""
    global _default
    numpy_dtype = as_numpy(d)
    if numpy_dtype.kind != "f":
        raise TypeError(f"set_default_dtype: only floating-point types are supported, got {d}")
    _default = numpy_dtype


def get_default_dtype() -> dtype:
    """Return the floating type of new tensors."""
    return FROM_NUMPY[_default]


def default_float() -> np.dtype:
    """Return the default floating type as NumPy's dtype."""
    return _default


def as_numpy(d: Any) -> np.dtype:
    """Return NumPy's dtype for ours, NumPy's, or Python's `float` (float64), `int` (int64) and `bool`."""
    if type(d) is dtype:
        return d.dtype
    numpy_dtype = _FROM_PYTHON.get(d) if isinstance(d, type) else None
    if numpy_dtype is None:
        try:
            numpy_dtype = np.dtype("None" if d is None else d)  # for NumPy None is float64
        except TypeError:
            raise TypeError(f"dtype must be a dtype such as autograd.float32, got {d!r}") from None
    if numpy_dtype not in FROM_NUMPY:
        known = ", ".join(each.name for each in FROM_NUMPY.values())
        raise TypeError(f"dtype {numpy_dtype} is not supported; supported are {known}")
    return numpy_dtype


def promote_types(a: Any, b: Any) -> dtype:
    """Return the smallest type both can be converted to; an integer never widens a floating type."""
    return FROM_NUMPY[promote_numpy(as_numpy(a), as_numpy(b))]


def promote_numpy(a: np.dtype, b: np.dtype) -> np.dtype:
    """`promote_types` on NumPy's dtypes."""
    if a is b:
        return a
    if (a.kind == "f") != (b.kind == "f"):
        return a if a.kind == "f" else b
    return np.promote_types(a, b)


def _of_number(value: Any) -> np.dtype:
    if isinstance(value, bool):
        return bool_.dtype
    if isinstance(value, int):
        return int64.dtype
    if isinstance(value, float):
        return _default
    raise TypeError(f"expected a tensor, an array or a number, got {type(value).__name__}")


def _combine(higher: np.dtype | None, lower: np.dtype | None) -> np.dtype | None:
    if higher is None or lower is None:
        return lower if higher is None else higher
    if higher.kind == "f":
        return higher
    if higher.kind == "b" or lower.kind == "f":
        return promote_numpy(higher, lower)
    return higher


def result_dtype(operands: Any) -> np.dtype:
    """Return the type an arithmetic op gives on `operands` (arrays and Python numbers)."""
    dimensioned: np.dtype | None = None
    zero_dim: np.dtype | None = None
    number: np.dtype | None = None
    for value in operands:
        ndim = getattr(value, "ndim", None)
        if ndim:
            dimensioned = value.dtype if dimensioned is None else promote_numpy(dimensioned, value.dtype)
        elif ndim == 0:
            zero_dim = value.dtype if zero_dim is None else promote_numpy(zero_dim, value.dtype)
        else:
            kind = _of_number(value)
            number = kind if number is None else promote_numpy(number, kind)
    result = _combine(dimensioned, _combine(zero_dim, number))
    assert result is not None
    return result
