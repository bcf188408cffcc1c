"""Tensor: an array, what is known of its gradient, and its place on the tape. Ops reach it through `ops.methods`."""

from collections.abc import Iterator
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from autograd import dtypes
from autograd.device import CPU, device
from autograd.node import Leaf, Node

if TYPE_CHECKING:
    from autograd.bound import Bound  # the operators and methods that ops.methods binds, for checkers and editors
else:
    Bound = object


new = object.__new__


class Size(tuple[int, ...]):
    """A shape: a tuple that also counts its elements."""

    __slots__ = ()

    def numel(self) -> int:
        """Return the product of the sizes."""
        count = 1
        for n in self:
            count *= n
        return count

    def __repr__(self) -> str:
        return f"Size({list(self)})"


class Tensor(Bound):
    """An n-dimensional array that remembers how it was made.

    `array` is the NumPy array itself. Writing to it directly bypasses the version counter.
    """

    __slots__ = ("__weakref__", "_grad", "_node", "_view", "_writes", "array")

    # Ours wins over ndarray's reflected operators.
    __array_priority__ = 1000

    def __init__(self, data: Any = (), requires_grad: bool = False, node: Node | None = None) -> None:
        if type(data) is not ndarray:
            if type(data) in (bool, int, float):
                raise TypeError(f"Tensor: expected data, got the number {data}; use tensor({data}) or empty({data})")
            data = np.asarray(data, dtype=getattr(data, "dtype", dtypes.default_float()))
        self.array = data
        self._node: Any = node  # where gradients go: a node of the tape
        self._grad: Tensor | None = None
        self._view: Any = None  # autograd.views.View, when it shares memory with another tensor
        self._writes: Any = None  # autograd.views.Writes, from the first view or in-place write on
        if requires_grad:
            self.requires_grad_()

    # -- gradient -----------------------------------------------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor."""
        if self._view is not None:
            self._view.refresh(self)
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Say whether gradients are wanted for this leaf; return it."""
        if self.grad_fn is not None:
            if not requires_grad:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables. If you want to use a computed variable "
                    "in a subgraph that doesn't require differentiation use var_no_grad = var.detach()."
                )
        elif not requires_grad:
            if self._node is not None and self._node.hooks is not None:
                self._node.rest(self)
            self._node = None
        elif self.array.dtype.kind != "f":
            raise RuntimeError(f"requires_grad_: only floating-point tensors can require gradients, got {self.dtype}")
        elif self._node is None:
            self._node = Leaf.of(self)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it was made by the user, not by a recorded op."""
        return self.grad_fn is None

    @property
    def grad_fn(self) -> "Node | None":
        """The tape's node of the op that made this tensor, or None."""
        if self._view is not None:
            self._view.refresh(self)
        return None if type(self._node) is Leaf else self._node

    @property
    def grad(self) -> "Tensor | None":
        """The accumulated gradient."""
        return self._grad

    @grad.setter
    def grad(self, value: "Tensor | None") -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}")
            if value is self:
                raise RuntimeError("grad: can't assign Variable as its own grad")
            if value.array.shape != self.array.shape:
                raise RuntimeError(f"grad: expected shape {self.shape}, got {value.shape}")
            if value.array.dtype != self.array.dtype:
                raise RuntimeError(f"grad: expected {self.dtype}, got {value.dtype}")
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def data(self) -> "Tensor":
        """A tensor on the same memory that is not recorded and has a version counter of its own."""
        return Tensor(self.array)

    @data.setter
    def data(self, value: "Tensor") -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"data: expected a Tensor, got {type(value).__name__}")
        if self._node is not None and value.array.dtype.kind != "f":
            raise RuntimeError(f"data: a tensor that requires gradients must be floating-point, got {value.dtype}")
        if value.array is not self.array:
            self.array = value.array
            self._view = self._writes = None  # those that share the old memory share nothing with it any more
        if type(self._node) is Leaf:  # gradients to come are of the new shape and type
            self._node.shape, self._node.dtype = self.array.shape, self.array.dtype

    @property
    def _version(self) -> int:
        """How often its memory was written by in-place ops; views and their base share the count."""
        return 0 if self._writes is None else self._writes.count

    # -- shape and type -----------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self.array.shape)

    def size(self, dim: int | None = None) -> Any:
        """Return the shape, or one size of it."""
        if dim is None:
            return Size(self.array.shape)
        if not -self.array.ndim <= dim < self.array.ndim:
            raise IndexError(f"size: dimension {dim} is out of range for a tensor with {self.array.ndim} dimensions")
        return self.array.shape[dim]

    @property
    def ndim(self) -> int:
        return self.array.ndim

    def dim(self) -> int:
        """Return the number of dimensions."""
        return self.array.ndim

    def numel(self) -> int:
        """Return the number of elements."""
        return self.array.size

    nelement = numel

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.FROM_NUMPY[self.array.dtype]

    @property
    def itemsize(self) -> int:
        return self.array.itemsize

    @property
    def nbytes(self) -> int:
        return self.array.nbytes

    def element_size(self) -> int:
        """Return the bytes of one element."""
        return self.array.itemsize

    @property
    def device(self) -> device:
        return CPU

    @property
    def is_cuda(self) -> bool:
        return False

    def is_floating_point(self) -> bool:
        """Return whether the elements are floating-point numbers."""
        return self.array.dtype.kind == "f"

    def stride(self, dim: int | None = None) -> Any:
        """Return the strides in elements, or one of them."""
        strides = tuple(s // self.array.itemsize for s in self.array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Return whether elements lie in C order without gaps."""
        return self.array.flags.c_contiguous

    def data_ptr(self) -> int:
        """Return the address of the first element."""
        return self.array.ctypes.data

    # -- Python numbers -----------------------------------------------------------------------------------------------

    def item(self) -> Any:
        """Return the only element as a Python number."""
        if self.array.size != 1:
            raise RuntimeError(f"item: a Tensor with {self.array.size} elements cannot be converted to Scalar")
        return self.array.item()

    def tolist(self) -> Any:
        """Return nested lists of Python numbers."""
        return self.array.tolist()

    def __bool__(self) -> bool:
        if self.array.size != 1:
            kind = "no values" if self.array.size == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {kind} is ambiguous")
        return bool(self.array.item())

    def _number(self) -> Any:
        if self.array.size != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars, got one of shape {tuple(self.shape)}"
            )
        return self.array.item()

    def __float__(self) -> float:
        return float(self._number())

    def __int__(self) -> int:
        return int(self._number())

    def __index__(self) -> int:
        if self.array.dtype.kind not in "iub" or self.array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.array.item())

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0 and (spec or type(self) is Tensor):
            return format(self.item(), spec)
        return super().__format__(spec)

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.array.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        if self.array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter([self[i] for i in range(len(self))])

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, (Tensor, Number, np.generic)):
            raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, got {type(value).__name__}")
        return bool((self == value).any())

    # Tensors are compared elementwise by ==, so dictionaries and sets go by identity.
    __hash__ = object.__hash__


def computed(array: ndarray, node: Node | None) -> Tensor:
    """Return the Tensor of an op's result: the constructor without its questions, at two thirds of its cost."""
    tensor = new(Tensor)
    tensor.array = array
    tensor._node = node
    tensor._grad = tensor._view = tensor._writes = None
    return tensor
