"""PyTorch's checkpoints (`.pt`, `.pth`), read without PyTorch.

A file of torch.save is a zip archive of one folder: `data.pkl` is a pickle of the value, in which storages stand as
persistent identifiers ("storage", type, key, location, number of elements); `data/KEY` are their bytes, and `byteorder`
says how they are ordered. A tensor is a storage with offset, shape and strides. Format: torch/serialization.py and
torch/_utils.py of PyTorch 2, and caffe2/serialize/inline_container.h.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd.serialization.archive import Archive
from autograd.serialization.errors import FileError, RefusedError
from autograd.serialization.tensors import only_bits, widen
from autograd.serialization.torch_globals import STORAGES, Storage, find
from autograd.serialization.torch_pickle import DICTS, Global, Machine, Refused, printable

PICKLE = "/data.pkl"
DEEPEST = 500  # containers in containers
UNFOLDED = 100  # times as many values as the pickle has bytes: what memory shares, every walk over the value repeats


def folder_of(archive: Archive) -> str | None:
    """Return the archive's folder if it is one of torch.save's."""
    folders = [name.removesuffix(PICKLE) for name in archive.names() if name.endswith(PICKLE) and name.count("/") == 1]
    return folders[0] if len(folders) == 1 else None


def read(archive: Archive, folder: str) -> Any:
    """Return the value in an archive of torch.save."""
    if f"{folder}/constants.pkl" in archive:
        raise FileError("it is a program of TorchScript; save the module's state_dict() with torch.save instead")
    content = archive.read(folder + PICKLE)
    value = Machine(find, _Storages(archive, folder)).run(content)
    _check(value, UNFOLDED * len(content))
    archive.finish()
    return value


class _Storages:
    """Gives the memory that persistent identifiers name, the same for the same name."""

    def __init__(self, archive: Archive, folder: str) -> None:
        self.archive = archive
        self.folder = folder
        self.big = False
        self.known: dict[str, tuple[str, int, Storage]] = {}
        if f"{folder}/byteorder" in archive:
            order = archive.read(f"{folder}/byteorder")
            if order not in (b"little", b"big"):
                raise FileError(f"its byte order is {order[:20]!r}, neither little nor big")
            self.big = order == b"big"

    def __call__(self, identifier: Any) -> Any:
        if type(identifier) is not tuple or len(identifier) != 5 or type(identifier[0]) is not str:
            raise FileError("it names something from outside that is no storage")
        what, kind, key, location, count = identifier
        if isinstance(kind, Refused):
            return kind
        name = kind.name.removeprefix("torch.") if isinstance(kind, Global) else ""
        types = [type(each) for each in (key, location, count)]
        if what != "storage" or name not in STORAGES or types != [str, str, int]:
            raise FileError("it describes a storage by what is no type, key, place and size")
        if key not in self.known:
            self.known[key] = name, count, self._new(name, key, count)
        known_name, known_count, storage = self.known[key]
        if (name, count) != (known_name, known_count):
            raise FileError(f"storage {key[:50]!r} is described in two ways")
        return storage

    def _new(self, name: str, key: str, count: int) -> Storage:
        stored, held = (np.dtype(each) for each in STORAGES[name])
        entry = self.archive.entry(f"{self.folder}/data/{key}")
        if entry.size != count * stored.itemsize:
            raise FileError(
                f"storage {key[:50]!r} has {entry.size} bytes, a {name} of {count} takes {count * stored.itemsize}"
            )
        if stored != held:
            wide = np.empty(count, held)
            bits = stored.newbyteorder(">" if self.big else "<")
            self.archive.array(entry, bits, then=lambda brain: widen(brain, wide))
            return Storage(wide)
        if self.big and stored.itemsize > 1:
            return Storage(self.archive.array(entry, stored, then=_swap))
        return Storage(self.archive.array(entry, stored, then=only_bits if stored.kind == "b" else None))


def _swap(array: np.ndarray) -> None:
    array.byteswap(inplace=True)


def _check(root: Any, limit: int) -> None:
    """Walk over a value once: refuse what was not built, circles, great depth, and sharing that unfolds beyond `limit`.

    A value that holds one list twice, which holds another one twice, and so on, is small; whoever prints it is not done
    before the sun burns out.
    """
    unfolded: dict[int, int] = {}
    above: set[int] = set()
    stack: list[tuple[Any, Any, bool]] = [(root, None, False)]
    while stack:
        value, path, done = stack.pop()
        if isinstance(value, (Refused, Global, Storage)):
            reason = value.reason if isinstance(value, Refused) else getattr(value, "name", "a storage")
            raise RefusedError(f"{_spelled(path)} is {reason}")
        items = list(_items(value))
        key = id(value)
        if done:
            above.discard(key)
            unfolded[key] = 1 + sum(unfolded.get(id(each), 1) for _, each in items)
            if unfolded[key] > limit:
                raise FileError(f"{_spelled(path)} unfolds to more than {limit} values")
        elif items and key not in unfolded:
            if key in above or len(above) > DEEPEST:
                raise FileError(f"{_spelled(path)} holds itself, or is nested more than {DEEPEST} deep")
            above.add(key)
            stack.append((value, path, True))
            stack.extend((each, (path, name), False) for name, each in items)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a container's parts with their names."""
    if type(value) in (list, tuple):
        yield from enumerate(value)
    elif type(value) in DICTS:
        yield from value.items()
        if "_metadata" in getattr(value, "__dict__", ()):
            yield "_metadata", value._metadata
    elif "Parameter" in type(value).__name__:
        yield from vars(value).items()


def _spelled(path: Any) -> str:
    """Return a path as messages have it, at most its last 20 names."""
    names: list[str] = []
    while path is not None and len(names) < 20:
        path, name = path
        names.append(printable(str(name)[:100]))
    return "/".join(reversed(names)) or "the file's value"
