"""The safetensors format: a header in JSON, and the tensors' bytes one after the other.

    8 bytes          the length of the header, little-endian
    the header       {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...}
    the rest         the data, which the tensors cover without gaps

The header is checked by the library of its makers; what it says is then read here. There is no checksum.
Format: https://github.com/huggingface/safetensors.
"""

import json
import math
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.serialization.errors import FileError, RefusedError
from autograd.serialization.source import Source
from autograd.serialization.tensors import integers, only_bits, widen
from autograd.tensor import Tensor

SUFFIX = ".safetensors"
MISSING = "{}: safetensors files need the library safetensors: pip install 'magtape[safetensors]'"

NAMES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


def is_safetensors(start: bytes) -> bool:
    """Return whether a file that begins with these bytes may be one: a header is a JSON object."""
    return len(start) >= 9 and start[8:9] == b"{"


def read(source: Source) -> dict[str, Tensor]:
    """Return the tensors by name; bfloat16 is read as float32, which holds every value of it."""
    _validate(source)
    size = int.from_bytes(source.read(0, 8), "little")
    header = json.loads(source.read(8, size))
    header.pop("__metadata__", None)
    return {name: Tensor(_array(source, 8 + size, name, **entry)) for name, entry in header.items()}


def _validate(source: Source) -> None:
    try:
        import safetensors
    except ImportError:
        raise ImportError(MISSING.format("load")) from None
    try:
        if source.data is None:
            with safetensors.safe_open(source.name, "numpy"):
                return
        safetensors.deserialize(source.data)
    except safetensors.SafetensorError as error:
        raise FileError(str(error)) from error


def _array(source: Source, start: int, name: str, dtype: str, shape: Any, data_offsets: Any) -> np.ndarray:
    begin, end = integers(data_offsets)
    if dtype not in NAMES and dtype != "BF16":
        raise RefusedError(f"{name[:200]} has elements of type {dtype}, which is not supported")
    stored = np.dtype("<u2" if dtype == "BF16" else NAMES[dtype])
    count = math.prod(integers(shape))
    if count * stored.itemsize != end - begin:
        raise FileError(f"{name[:200]} of shape {shape} and type {dtype} has {end - begin} bytes")
    source.check(start + begin, end - begin)
    if source.map is not None and dtype not in ("BF16", "BOOL") and (start + begin) % stored.itemsize == 0:
        return source.map[start + begin : start + end].view(stored).reshape(shape)
    array = np.empty(count, stored)
    source.fill(array.view(np.uint8).data, start + begin)
    if dtype == "BOOL":
        only_bits(array)
    if dtype == "BF16":
        brain, array = array, np.empty(count, np.float32)
        widen(brain, array)
    return array.reshape(shape)


def write(file: Any, tensors: Any) -> None:
    """Write a dict of tensors by name; tensors that share memory are written one by one, as the format has it.

    Raises:
        TypeError: it is something else.
    """
    try:
        import safetensors.numpy as library
    except ImportError:
        raise ImportError(MISSING.format("save")) from None
    arrays = {}
    if not isinstance(tensors, dict):
        raise TypeError(f"save: safetensors files hold a dict of tensors by name, got a {type(tensors).__name__}")
    for name, value in tensors.items():
        array = value.array if isinstance(value, Tensor) else value
        if not isinstance(name, str) or not isinstance(array, np.ndarray) or array.dtype not in dtypes.FROM_NUMPY:
            kind = getattr(array, "dtype", type(value).__name__)
            raise TypeError(f"save: safetensors files hold tensors by name, {name!r} is a {kind}")
        if name == "__metadata__":
            raise TypeError("save: '__metadata__' is no name for a tensor in a safetensors file")
        arrays[name] = np.ascontiguousarray(array).reshape(array.shape)
    file.write(library.save(arrays, {"format": "pt"}))  # names and layouts are PyTorch's: others ask for it
