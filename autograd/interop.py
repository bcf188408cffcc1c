"""NumPy's and DLPack's protocols, in both directions."""

from typing import Any

import numpy as np

from autograd import dtypes
from autograd.grad_mode import is_recording
from autograd.tensor import Tensor

# NumPy's ufuncs and the Tensor methods that compute the same.
UFUNCS = {
    "absolute": "abs", "add": "add", "arccos": "acos", "arcsin": "asin", "arctan": "atan", "bitwise_and": "__and__",
    "bitwise_or": "__or__", "bitwise_xor": "__xor__", "ceil": "ceil", "cos": "cos", "cosh": "cosh", "divide": "div",
    "equal": "eq", "exp": "exp", "exp2": "exp2", "expm1": "expm1", "floor": "floor", "floor_divide": "floor_divide",
    "greater": "gt", "greater_equal": "ge", "invert": "__invert__", "isfinite": "isfinite", "isinf": "isinf",
    "isnan": "isnan", "less": "lt", "less_equal": "le", "log": "log", "log10": "log10", "log1p": "log1p",
    "log2": "log2", "logical_and": "logical_and", "logical_not": "logical_not", "logical_or": "logical_or",
    "logical_xor": "logical_xor", "matmul": "matmul", "maximum": "maximum", "minimum": "minimum", "multiply": "mul",
    "negative": "neg", "not_equal": "ne", "power": "pow", "reciprocal": "reciprocal", "remainder": "remainder",
    "rint": "round", "sign": "sign", "sin": "sin", "sinh": "sinh", "sqrt": "sqrt", "square": "square",
    "subtract": "sub", "tan": "tan", "tanh": "tanh", "trunc": "trunc",
}  # fmt: skip


def require_no_grad(tensor: Tensor, what: str) -> None:
    """Raise RuntimeError where giving out the bare array would silently drop the gradient."""
    if is_recording() and tensor.requires_grad:
        raise RuntimeError(f"Can't call {what} on Tensor that requires grad. Use tensor.detach().numpy() instead.")


def numpy(input: Tensor, *, force: bool = False) -> np.ndarray:
    """Return the array itself: memory is shared. `force` gives the values of a tensor that requires gradients too."""
    if not force and input.requires_grad:
        raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
    return input.array


def array(self: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """`numpy.asarray(tensor)`: shares memory unless `dtype` or `copy` ask for a copy."""
    require_no_grad(self, "numpy()")
    if dtype is not None and np.dtype(dtype) != self.array.dtype:
        if copy is False:
            raise ValueError(f"numpy: {self.dtype} cannot become {np.dtype(dtype)} without a copy")
        return self.array.astype(dtype)
    return self.array.copy() if copy else self.array


def array_ufunc(self: Tensor, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
    """Let NumPy's ufuncs on tensors (or arrays mixed with tensors) run ours, so that gradients are kept."""
    name = UFUNCS.get(ufunc.__name__)
    if method != "__call__" or name is None or options:
        what = f"numpy.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        extra = f" with {', '.join(options)}" if options else ""
        raise TypeError(f"{what}{extra} does not take Tensors; use the Tensor method, or tensor.detach().numpy()")
    first, *rest = (Tensor(x) if isinstance(x, np.ndarray) else x for x in inputs)
    if not isinstance(first, Tensor):
        first = Tensor(np.asarray(first))
    return getattr(first, name)(*rest)


def dlpack(self: Tensor, **options: Any) -> Any:
    """Export without a copy; DLPack has no gradients, so a tensor that requires them is refused."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self.array.__dlpack__(**options)


def dlpack_device(self: Tensor) -> tuple[int, int]:
    """Return DLPack's name of the CPU."""
    return self.array.__dlpack_device__()


def from_dlpack(x: Any) -> Tensor:
    """Return a tensor on the memory of any object with `__dlpack__` on the CPU."""
    array = np.from_dlpack(x)
    dtypes.as_numpy(array.dtype)  # refuses types that no tensor has
    return Tensor(array)
