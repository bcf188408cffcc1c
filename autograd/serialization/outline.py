"""Nested Python values as a JSON outline and the arrays it names.

Numbers, strings, None and lists are JSON's own (with Python's NaN and Infinity); whatever else is an object with one
tag: {"dict": [[key, value], ...]}, {"tuple": [...]}, {"tensor": "name of the array"}.
"""

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.device import device
from autograd.serialization import npy, sharing
from autograd.serialization.archive import Archive
from autograd.serialization.errors import FileError
from autograd.serialization.tensors import KINDS, NUMBERS, integers, is_key, rebuild, strided
from autograd.tensor import Size, Tensor

OUTLINE = "__outline__"
DEEPEST = 100  # containers in containers
LONGEST_NAME = 200
DTYPES = {each.name: each for each in dtypes.FROM_NUMPY.values()}


def encode(value: Any) -> dict[str, np.ndarray]:
    """Return the arrays of a file that holds `value`; the outline is the first.

    Raises:
        TypeError: something in it is of no supported type.
        ValueError: it is nested more than 100 deep, or holds itself.
    """
    encoder = _Encoder()
    outline = encoder.encode(value, "", 0)
    arrays = {OUTLINE: np.empty(0), **encoder.copies}
    sharing.place(encoder.items, arrays)
    arrays[OUTLINE] = np.array(json.dumps(outline).encode())
    return arrays


def decode(archive: Archive) -> Any:
    """Return the value that `encode` gave the arrays of."""
    outline = npy.read(archive, OUTLINE + ".npy")
    archive.finish()
    text = outline.item()
    try:
        value = _Decoder(archive).decode(json.loads(text.decode("ascii") if isinstance(text, bytes) else text))
    except FileError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, RuntimeError) as error:
        raise FileError(f"its outline makes no sense: {error}") from error
    archive.finish()
    return value


class _Encoder:
    def __init__(self) -> None:
        self.items: list[sharing.Item] = []  # arrays that may share memory
        self.copies: dict[str, np.ndarray] = {}  # the content of values that never change
        self.names = {OUTLINE}

    def encode(self, value: Any, path: str, depth: int) -> Any:
        kind = type(value)
        if _is_plain(value):
            return value
        if kind is int:
            return {"int": hex(value)}
        if depth > DEEPEST:
            raise ValueError(f"save: {path[:100]}... is nested more than {DEEPEST} deep, or holds itself")
        if kind is list and all(map(_is_plain, value)):
            return value
        if kind in (list, tuple, Size, set, frozenset):
            items = [self.encode(each, f"{path}/{i}" if path else str(i), depth + 1) for i, each in enumerate(value)]
            return items if kind is list else {kind.__name__: items}
        if kind in (dict, OrderedDict, Counter):
            return self._dict(value, path, depth)
        return self._leaf(value, path)

    def _dict(self, value: dict[Any, Any], path: str, depth: int) -> Any:
        for key in value:
            if not is_key(key):
                raise TypeError(
                    f"save: {path or 'the dict'} has a key of type {type(key).__name__}; keys must be strings, numbers "
                    "of 64 bits, or tuples of those"
                )
        items = []
        for key, each in value.items():
            below = f"{path}/{key}" if path else str(key)
            items.append([self.encode(key, below, depth + 1), self.encode(each, below, depth + 1)])
        spec: dict[str, Any] = {type(value).__name__: items}
        if isinstance(value, OrderedDict) and "_metadata" in vars(value):  # the versions in a module's state
            spec["_metadata"] = self.encode(value._metadata, f"{path}/_metadata", depth + 1)  # type: ignore[attr-defined]
        return spec

    def _leaf(self, value: Any, path: str) -> Any:
        if isinstance(value, Tensor):
            extra: dict[str, Any] = {"requires_grad": True} if value.requires_grad else {}
            if KINDS.get(type(value).__name__) is type(value):
                extra["kind"] = type(value).__name__
            return self._array(value.array, path, "tensor", extra)
        if type(value) in (np.ndarray, np.memmap):
            return self._array(value, path, "array", {})
        if isinstance(value, np.generic) and value.dtype.kind in NUMBERS:
            return self._copy(np.array(value), path, "scalar")
        if type(value) in (bytes, bytearray):
            return self._copy(np.frombuffer(bytes(value), np.uint8), path, type(value).__name__)
        if type(value) is complex:
            return {"complex": [value.real, value.imag]}
        if type(value) is dtypes.dtype:
            return {"dtype": value.name}
        if isinstance(value, np.dtype) and value.kind in NUMBERS:
            return {"numpy.dtype": value.str}
        if type(value) is device:
            return {"device": str(value)}
        hint = next((h for h in ("state_dict", "get_state", "tolist") if hasattr(value, h)), "")
        advice = f"; save its {hint}() instead" if hint else ""
        raise TypeError(f"save: {path or 'the object'} is a {type(value).__name__}, which cannot be saved{advice}")

    def _array(self, array: np.ndarray, path: str, tag: str, spec: dict[str, Any]) -> dict[str, Any]:
        if array.dtype.kind not in NUMBERS:
            raise TypeError(f"save: {path or 'the object'} is an array of {array.dtype}, which cannot be saved")
        self.items.append(sharing.Item(array, self._name(path), tag, spec))
        return spec

    def _copy(self, array: np.ndarray, path: str, tag: str) -> dict[str, Any]:
        name = self._name(path)
        self.copies[name] = array
        return {tag: name}

    def _name(self, path: str) -> str:
        """Return a name for the array at a path: the path itself where a zip archive can have it, once."""
        plain = path.encode("ascii", "backslashreplace").decode().replace("\0", "\\x00")[:LONGEST_NAME]
        name = plain = plain or "value"
        count = 1
        while name in self.names:
            count += 1
            name = f"{plain}~{count}"
        self.names.add(name)
        return name


def _is_plain(value: Any) -> bool:
    """Return whether JSON has the value itself."""
    kind = type(value)
    return value is None or kind in (bool, float, str) or (kind is int and -(2**63) <= value < 2**64)


class _Decoder:
    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.arrays: dict[str, tuple[np.ndarray, Any]] = {}
        self.tensors: dict[str, Tensor] = {}
        self.copied: set[str] = set()

    def decode(self, outline: Any) -> Any:
        if isinstance(outline, list):
            return [self.decode(each) for each in outline]
        if not isinstance(outline, dict):
            return outline
        for tag, rebuilt in _REBUILT.items():
            if tag in outline:
                return rebuilt(self, outline[tag], outline)
        raise FileError(f"its outline has something of an unknown kind: {', '.join(outline)[:100]}")

    def array(self, name: str, spec: dict[str, Any]) -> np.ndarray:
        """Return the array a spec describes, not yet filled."""
        order = spec.get("order")
        if name not in self.arrays:
            self.arrays[name] = self._read(name, order), order
        found, known = self.arrays[name]
        if known != order:
            raise FileError(f"array {name[:200]!r} is described in two ways")
        if "view" not in spec:
            return found
        offset, shape, strides = spec["view"]
        kind = self.numpy_dtype(spec["dtype"])
        if found.dtype != np.uint8 or found.ndim != 1:
            raise FileError(f"array {name[:200]!r} is no memory that others share")
        return strided(found, kind, shape, strides, offset)

    def _read(self, name: str, order: list[int] | None) -> np.ndarray:
        array = npy.read(self.archive, name + ".npy")
        if order is None:
            return array
        if sorted(order) != list(range(array.ndim)):
            raise FileError(f"array {name[:200]!r} has no such order of dimensions")
        return self._reordered(array, order)

    def _reordered(self, array: np.ndarray, order: list[int]) -> np.ndarray:
        """Return a copy of the array whose dimensions lie in memory in the given order."""
        self.archive.finish()
        return np.ascontiguousarray(array.transpose(order)).transpose(np.argsort(order))

    def tensor(self, name: str, spec: dict[str, Any]) -> Tensor:
        array = self.array(name, spec)
        if array.dtype not in dtypes.FROM_NUMPY:
            raise FileError(f"array {name[:200]!r} has elements of type {array.dtype}, which no tensor has")
        tensor = rebuild(array, spec.get("requires_grad") is True, spec.get("kind", ""), self.tensors.get(name))
        self.tensors.setdefault(name, tensor)
        return tensor

    def once(self, name: str) -> np.ndarray:
        """Return a filled array that is to be copied; nothing in a file is copied twice."""
        if name in self.copied:
            raise FileError(f"array {name[:200]!r} is used twice")
        self.copied.add(name)
        array = npy.read(self.archive, name + ".npy")
        self.archive.finish()
        return array

    def list(self, outline: Any) -> Any:
        if not isinstance(outline, list):
            raise FileError(f"something of type {type(outline).__name__} stands for the items of a container")
        return [self.decode(each) for each in outline]

    def numpy_dtype(self, name: Any) -> np.dtype:
        if not isinstance(name, str) or not re.fullmatch(f"[<>|][{NUMBERS}][0-9]+", name):
            raise FileError(f"{name!r:.100} is no type of numbers")
        return np.dtype(name)

    def dictionary(self, kind: Callable[..., Any], items: Any, spec: dict[str, Any]) -> Any:
        result = kind()
        for key, value in items:
            key = self.key(key)
            result[key] = self.decode(value)
        if "_metadata" in spec and kind is OrderedDict:
            result._metadata = self.decode(spec["_metadata"])
        return result

    def key(self, outline: Any) -> Any:
        key = self.decode(outline)
        if not is_key(key):
            raise FileError(f"something of type {type(key).__name__} is no key")
        return key


_REBUILT: dict[str, Callable[[_Decoder, Any, dict[str, Any]], Any]] = {
    "tensor": lambda d, name, spec: d.tensor(name, spec),
    "array": lambda d, name, spec: d.array(name, spec),
    "scalar": lambda d, name, _: d.once(name).reshape(())[()],
    "bytes": lambda d, name, _: d.once(name).tobytes(),
    "bytearray": lambda d, name, _: bytearray(d.once(name).tobytes()),
    "dict": lambda d, items, spec: d.dictionary(dict, items, spec),
    "OrderedDict": lambda d, items, spec: d.dictionary(OrderedDict, items, spec),
    "ordered": lambda d, items, spec: d.dictionary(OrderedDict, items, spec),
    "Counter": lambda d, items, spec: d.dictionary(Counter, items, spec),
    "tuple": lambda d, items, _: tuple(d.list(items)),
    "Size": lambda d, items, _: Size(integers(d.list(items))),
    "set": lambda d, items, _: {d.key(each) for each in items},
    "frozenset": lambda d, items, _: frozenset(d.key(each) for each in items),
    "int": lambda d, digits, _: int(digits, 16),
    "complex": lambda d, parts, _: complex(float(parts[0]), float(parts[1])),
    "dtype": lambda d, name, _: DTYPES[name],
    "numpy.dtype": lambda d, name, _: d.numpy_dtype(name),
    "device": lambda d, name, _: device(name),
}
