"""Files of tensors: NumPy's `.npz` with a JSON outline, never pickle.

Nested dicts, lists and tuples of tensors, numbers, strings and None are kept as they are. Each array lies in the file
under its path (`model/conv1.weight`), so `numpy.load` reads it too; the entry `__outline__` says how they fit together.
"""

import contextlib
import json
import os
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from autograd.device import check_device
from autograd.tensor import Tensor

OUTLINE = "__outline__"


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write `obj` to a path or a binary file.

    A path is written whole or not at all: to a temporary file beside it first, which then takes its place.

    Raises:
        TypeError: a value is of no supported type; the message names its path in `obj`.
    """
    arrays: dict[str, np.ndarray] = {}
    outline = _encode(obj, "", arrays)
    arrays[OUTLINE] = np.array(json.dumps(outline))
    if not isinstance(f, (str, os.PathLike)):
        np.savez(f, allow_pickle=False, **arrays)
        return
    with _replacing(Path(f)) as file:
        np.savez(file, allow_pickle=False, **arrays)


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that takes the place of `path` once it is written and on disk."""
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def load(f: str | os.PathLike[str] | IO[bytes], map_location: Any = None) -> Any:
    """Read what `save` wrote. `map_location`, as in PyTorch, may name the cpu.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or is not one of `save`'s.
    """
    check_device(map_location)
    name = getattr(f, "name", f)
    try:
        if not isinstance(f, (str, os.PathLike)):
            return _read(f)
        with open(f, "rb") as file:
            return _read(file)
    except (ValueError, TypeError, KeyError, EOFError, OSError, zipfile.BadZipFile) as error:
        if isinstance(error, (FileNotFoundError, PermissionError, IsADirectoryError)):
            raise
        raise ValueError(f"load: {name} is damaged, or was not written by save: {error}") from error


def _read(file: IO[bytes]) -> Any:
    archive = np.load(file, allow_pickle=False)
    if not isinstance(archive, np.lib.npyio.NpzFile) or OUTLINE not in archive.files:
        raise ValueError("it has no outline")
    with archive:
        return _decode(json.loads(str(archive[OUTLINE])), archive)


def _encode(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        key = path or "value"
        arrays[key] = _storable(value.array if isinstance(value, Tensor) else np.asarray(value), key)
        kind = "tensor" if isinstance(value, Tensor) else "array"
        return {kind: key, "requires_grad": True} if isinstance(value, Tensor) and value.requires_grad else {kind: key}
    if isinstance(value, dict):
        items = [
            [_encode_key(key, path), _encode(each, f"{path}/{key}" if path else str(key), arrays)]
            for key, each in value.items()
        ]
        return {"ordered" if isinstance(value, OrderedDict) else "dict": items}
    if isinstance(value, (list, tuple)):
        items = [_encode(each, f"{path}/{i}" if path else str(i), arrays) for i, each in enumerate(value)]
        return items if isinstance(value, list) else {"tuple": items}
    hint = "; save module.state_dict() instead" if hasattr(value, "state_dict") else ""
    raise TypeError(f"save: {path or 'the object'} is a {type(value).__name__}, which cannot be saved{hint}")


def _encode_key(key: Any, path: str) -> Any:
    if isinstance(key, (str, int)):
        return key
    raise TypeError(f"save: {path or 'the dict'} has a key of type {type(key).__name__}; keys must be str or int")


def _storable(array: np.ndarray, key: str) -> np.ndarray:
    if array.dtype.kind not in "biuf":
        raise TypeError(f"save: {key} is an array of {array.dtype}, which cannot be saved")
    return array


def _decode(outline: Any, archive: Any) -> Any:
    if isinstance(outline, list):
        return [_decode(each, archive) for each in outline]
    if not isinstance(outline, dict):
        return outline
    if "tensor" in outline:
        return Tensor(archive[outline["tensor"]], requires_grad=outline.get("requires_grad", False))
    if "array" in outline:
        return archive[outline["array"]]
    if "tuple" in outline:
        return tuple(_decode(each, archive) for each in outline["tuple"])
    kind = OrderedDict if "ordered" in outline else dict
    (items,) = outline.values()
    return kind((key, _decode(each, archive)) for key, each in items)
