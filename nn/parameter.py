"""Parameters and buffers: tensors that a Module keeps."""

import copy
from collections.abc import Iterable
from typing import Any

import numpy as np

from autograd import copying, dtypes
from autograd.device import check_device
from autograd.serialization.tensors import KINDS
from autograd.tensor import Tensor
from autograd.views import write, writes_of


class _Kept(Tensor):
    """A tensor on another's memory that may carry attributes of the user's; copies keep them."""

    def __init__(self, data: Tensor | None, requires_grad: bool) -> None:
        if data is None:
            data = Tensor(np.empty(0, dtypes.default_float()))
        elif not isinstance(data, Tensor):
            raise TypeError(f"{type(self).__name__}: expected a Tensor, got {typename(data)}")
        super().__init__(data.array, requires_grad)
        self._writes = writes_of(data)  # one count of writes for one piece of memory

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        result = copying.deepcopy(self, memo)
        vars(result).update(copy.deepcopy(vars(self), memo))
        return result

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return (*copying.reduce(self, protocol), vars(self) or None)


class Parameter(_Kept):
    """A tensor that a Module lists among its parameters when it becomes an attribute; it requires gradients.

    Args:
        data: the tensor whose memory it shares, without its history.
        requires_grad: whether gradients are wanted.
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        super().__init__(data, requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


KINDS["Parameter"] = Parameter  # so that files keep the type


class Buffer(_Kept):
    """A tensor that a Module lists among its buffers when it becomes an attribute; no optimiser changes it.

    Args:
        data: the tensor whose memory it shares, without its history.
        persistent: whether it is part of the module's `state_dict`.
    """

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        super().__init__(data, data is not None and data.requires_grad)
        self.persistent = persistent


def typename(value: Any) -> str:
    """Return the name of a value's type as messages show it."""
    kind = type(value)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def empty(*shape: int, device: Any = None, dtype: Any = None) -> Tensor:
    """Return a tensor whose values are yet to be set, of the default type unless `dtype` says otherwise."""
    check_device(device)
    kind = dtypes.default_float() if dtype is None else dtypes.as_numpy(dtype)
    try:
        return Tensor(np.empty(shape, kind))
    except TypeError:
        raise TypeError(f"empty: expected the sizes to be ints, got {list(shape)}") from None
    except ValueError as error:  # negative, or more than can be addressed
        raise RuntimeError(f"empty: no tensor can have sizes {list(shape)}: {error}") from None


def empty_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """Return a parameter whose values are yet to be set."""
    return Parameter(empty(*shape, device=device, dtype=dtype))


def forget_gradients(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Let go of all gradients, or overwrite them with zeros."""
    for parameter in parameters:
        grad = parameter._grad
        if grad is None or set_to_none:
            parameter._grad = None
        elif grad.requires_grad:  # it has a history, of which nothing is to be kept
            parameter._grad = Tensor(np.zeros_like(grad.array))
        else:
            write(grad, 0, "zero_grad")
