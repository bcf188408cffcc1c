"""The names that a PyTorch file may use, and what each gives here: the closed list."""

import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.device import device
from autograd.serialization.errors import FileError
from autograd.serialization.tensors import NUMBERS, integers, is_key, rebuild, strided
from autograd.serialization.torch_pickle import Global, Machine, Refused, printable
from autograd.serialization.torch_storages import STORAGES, Storage
from autograd.tensor import Size, Tensor

# What PyTorch has and this library has not, by the name in the file.
UNKNOWN = {
    "torch._utils _rebuild_qtensor": "a quantized tensor",
    "torch._utils _rebuild_sparse_tensor": "a sparse tensor",
    "torch._utils _rebuild_sparse_csr_tensor": "a sparse tensor",
    "torch._utils _rebuild_nested_tensor": "a nested tensor",
    "torch._utils _rebuild_meta_tensor_no_storage": "a tensor without memory (of the device 'meta')",
    "torch._utils _rebuild_wrapper_subclass": "a tensor of a subclass",
    "torch._utils _rebuild_tensor_v3": "a tensor of an element type that is not supported (unsigned integers, float8)",
    "torch ComplexFloatStorage": "a tensor of complex numbers",
    "torch ComplexDoubleStorage": "a tensor of complex numbers",
    "torch.storage UntypedStorage": "a storage without element type",
    "torch.storage TypedStorage": "a storage",
}


RENAMED = {  # by Python 3 and NumPy 2
    "__builtin__": "builtins",
    "numpy._core.multiarray": "numpy.core.multiarray",
    "numpy._core.numeric": "numpy.core.numeric",
}


DTYPES = {each.name: each for each in dtypes.FROM_NUMPY.values()}


def find(name: str) -> Any:
    """Return what "module name" stands for: a `Global`, an element type, or a `Refused`."""
    module, _, last = name.partition(" ")
    name = f"{RENAMED.get(module, module)} {last}"
    if name in GLOBALS:
        return Global(name.replace(" ", "."), GLOBALS[name])
    if module == "torch" and last in DTYPES:
        return DTYPES[last]
    if module in ("torch", "torch.storage") and last in STORAGES:
        return Global(f"torch.{last}", None)
    if name in UNKNOWN:
        return Refused(UNKNOWN[name])
    return Refused(f"an object of {printable(name.replace(' ', '.'))}, which only running its code could rebuild")


def _tensor(
    machine: Machine,
    storage: Any,
    offset: Any,
    shape: Any,
    stride: Any,
    requires_grad: Any = False,
    hooks: Any = None,
    metadata: Any = None,
) -> Any:
    if not isinstance(storage, Storage):
        raise FileError(f"a tensor's storage is of type {type(storage).__name__}")
    if hooks or type(requires_grad) is not bool:
        raise FileError("a tensor has hooks, or no flag that says whether it requires gradients")
    if metadata:
        return Refused("a tensor that is the lazy negative or conjugate of another")
    array = strided(storage.array, storage.array.dtype, shape, stride, offset)
    memory = storage.whole or storage
    tensor = rebuild(array, requires_grad, "", memory.tensor)
    if memory.tensor is None:
        memory.tensor = tensor
    return tensor


def _parameter(machine: Machine, data: Any, requires_grad: Any, hooks: Any = None, state: Any = None) -> Any:
    if not isinstance(data, Tensor) or hooks or type(requires_grad) is not bool:
        raise FileError("a parameter has no tensor, or has hooks")
    parameter = rebuild(data.array, requires_grad, "Parameter", data)
    if not state:
        return parameter
    if type(state) is not dict or not all(type(name) is str for name in state) or not hasattr(parameter, "__dict__"):
        return Refused("a parameter with attributes of its own")
    vars(parameter).update(state)
    return parameter


def _old_parameter(machine: Machine, data: Any = None, requires_grad: Any = True) -> Any:
    """A parameter as it was pickled before PyTorch 0.4; its state follows (`set_parameter`)."""
    return _parameter(machine, Tensor() if data is None else data, requires_grad)


def _with_attributes(machine: Machine, build: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor with attributes: the tensor, if there are none."""
    result = machine.result(build, arguments)
    if isinstance(result, Refused) or not state:
        return result
    return Refused("a tensor with attributes of its own")


def _dtype(machine: Machine, name: Any, align: Any = False, copy: Any = True) -> Any:
    if not isinstance(name, str) or not re.fullmatch(f"[?{NUMBERS}][0-9]*", name):
        return Refused(f"a NumPy type that is not one of numbers: {name if isinstance(name, str) else '?':.50}")
    return np.dtype(name, False, True)


def _numpy_scalar(machine: Machine, dtype: Any, content: Any) -> Any:
    if not isinstance(dtype, np.dtype) or type(content) is not bytes or len(content) != dtype.itemsize:
        raise FileError("a NumPy number has not the bytes of its type")
    return np.frombuffer(content, dtype)[0]


def _numpy_array(machine: Machine, kind: Any, shape: Any, code: Any) -> Any:
    if not isinstance(kind, Global) or kind.name != "numpy.ndarray":
        return Refused("an object of a subclass of NumPy's array")
    return np.empty(0)


def _numpy_buffer(machine: Machine, content: Any, dtype: Any, shape: Any, order: Any) -> Any:
    if not isinstance(dtype, np.dtype) or type(content) not in (bytes, bytearray) or type(order) is not str:
        raise FileError("it has a NumPy array without type, bytes and order")
    if math.prod(integers(shape)) * dtype.itemsize != len(content):
        raise FileError("it has a NumPy array whose values do not fit its shape")
    machine.charge(len(content))
    flat = np.frombuffer(bytearray(content), dtype)
    return flat.reshape(shape[::-1]).T if order == "F" else flat.reshape(shape)


def _encode(machine: Machine, text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or type(encoding) is not str or encoding != "latin1":
        raise FileError("it encodes something that is not bytes in Latin-1")
    machine.charge(len(text))
    return text.encode("latin-1")


def _bytearray(machine: Machine, content: Any = b"") -> bytearray:
    if type(content) is not bytes:
        raise FileError(f"it makes a bytearray of something of type {type(content).__name__}")
    machine.charge(len(content))
    return bytearray(content)


def _set(kind: Callable[..., Any]) -> Callable[..., Any]:
    def build(machine: Machine, items: Any = ()) -> Any:
        if type(items) not in (list, tuple) or not all(map(is_key, items)):
            raise FileError("it makes a set of something that is no list of plain values")
        machine.charge(len(items))
        return kind(items)

    return build


def _ordered(machine: Machine, items: Any = ()) -> Any:
    if type(items) not in (list, tuple) or not all(type(e) in (list, tuple) and is_key(e[0]) for e in items):
        raise FileError("it makes an OrderedDict of something that is no list of pairs")
    machine.charge(len(items))
    return OrderedDict(items)


def _counter(machine: Machine, counts: Any = None) -> Any:
    counts = {} if counts is None else counts
    if type(counts) is not dict or any(type(n) is not int for n in counts.values()):
        raise FileError("it makes a Counter of something that is no dict of counts")
    machine.charge(len(counts))
    return Counter(counts)


def _complex(machine: Machine, real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise FileError("it makes a complex number of something that is no pair of floats")
    return complex(real, imaginary)


def _empty_bytes(machine: Machine) -> bytes:
    return b""


GLOBALS: dict[str, Callable[..., Any] | None] = {
    "torch._utils _rebuild_tensor": _tensor,
    "torch._utils _rebuild_tensor_v2": _tensor,
    "torch._utils _rebuild_parameter": _parameter,
    "torch._utils _rebuild_parameter_with_state": _parameter,
    "torch._tensor _rebuild_from_type_v2": _with_attributes,
    "torch Tensor": None,
    "torch.nn.parameter Parameter": _old_parameter,
    "torch Size": lambda machine, sizes: Size(integers(sizes)),
    "torch device": lambda machine, *where: _device(*where),
    "collections OrderedDict": _ordered,
    "collections Counter": _counter,
    "_codecs encode": _encode,
    "builtins bytes": _empty_bytes,
    "builtins bytearray": _bytearray,
    "builtins set": _set(set),
    "builtins frozenset": _set(frozenset),
    "builtins complex": _complex,
    "numpy ndarray": None,
    "numpy dtype": _dtype,
    "numpy.core.multiarray _reconstruct": _numpy_array,
    "numpy.core.multiarray scalar": _numpy_scalar,
    "numpy.core.numeric _frombuffer": _numpy_buffer,
}


def _device(kind: Any, index: Any = None) -> Any:
    if type(kind) is not str:
        raise FileError(f"it makes a device of something of type {type(kind).__name__}")
    if kind != "cpu":
        return Refused(f"the device {kind[:50]!r}, which is not here")
    return device(kind, index)
