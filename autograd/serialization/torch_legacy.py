"""PyTorch's checkpoints (`.pth`) of before version 1.6, read without PyTorch.

Five pickles lie one behind the other: a magic number, the format's version, what machine wrote the file, the value, and
the list of its storages' keys. Then comes each storage, in that order: how many elements it has, as an int64, and the
elements. An identifier in the value has one part more than today: None, or (key, offset, size) of the piece of the
storage that is meant. Classes of modules stand as ("module", class, file, source).

Elements are little-endian whatever the machine; their number was, in early versions, in the machine's own order.
Format: torch/serialization.py and torch/csrc/serialization.cpp of PyTorch 2, generic/serialization.cpp of PyTorch 0.1.
"""

from typing import Any

import numpy as np

from autograd.serialization.errors import FileError
from autograd.serialization.source import Source
from autograd.serialization.stream import Stream
from autograd.serialization.tensors import only_bits, widen
from autograd.serialization.torch_globals import find
from autograd.serialization.torch_pickle import Machine, Refused
from autograd.serialization.torch_storages import Description, Storage, Storages, is_identifier
from autograd.serialization.torch_value import check

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
NUMBER = 8  # bytes of a storage's number of elements


def read(source: Source) -> Any:
    """Return the value in a file of torch.save before PyTorch 1.6."""
    stream = Stream(source.file, source.size, "the file")
    big = _header(stream)
    if source.map is not None:
        raise FileError("it is as PyTorch wrote before version 1.6, which cannot be mapped; load it without mmap")
    begin = stream.position
    storages = _Appended(stream)
    value = Machine(stream, find, storages).run()
    check(value, stream.position - begin)
    keys = _plain(stream)
    end = storages.fill(source, stream.position, keys, big)
    if end != source.size:
        raise FileError(f"{source.size - end} bytes follow the last of its storages")
    return value


def _header(stream: Stream) -> bool:
    """Read the three pickles before the value; return whether a big-endian machine wrote them."""
    magic = _plain(stream)
    if type(magic) is not int or magic != MAGIC:
        raise FileError("it is a pickle, but not one of torch.save: it does not begin with PyTorch's magic number")
    version = _plain(stream)
    if type(version) is not int or version != VERSION:
        named = version if type(version) is int and 0 <= version < 2**63 else "no number, or a strange one"
        raise FileError(f"the version of its format is {named}, expected {VERSION}")
    machine = _plain(stream)
    if type(machine) is not dict:
        raise FileError("it does not say what machine wrote it")
    return machine.get("little_endian") is False


def _plain(stream: Stream) -> Any:
    """Return the value of a pickle without storages."""
    return Machine(stream, find, _nothing).run()


def _nothing(identifier: Any) -> Any:
    raise FileError("it names a storage where none can be")


class _Appended(Storages):
    """Storages that follow the pickles; where, is known only when all pickles are read."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream
        self.expected = 0  # bytes that the storages named so far take
        self.pieces: dict[str, tuple[Any, Storage]] = {}

    def __call__(self, identifier: Any) -> Any:
        if is_identifier(identifier, 4) and identifier[0] == "module" and isinstance(identifier[1], Refused):
            return identifier[1]
        if not is_identifier(identifier, 6):
            raise FileError("it names something from outside that is no storage")
        storage, piece = self.named(identifier), identifier[5]
        return storage if piece is None or isinstance(storage, Refused) else self._piece(identifier[2], storage, piece)

    def new(self, description: Description) -> Storage:
        self.expected += NUMBER + description.size
        if self.expected > self.stream.size - self.stream.position:
            raise FileError(f"it is too short for storage {description.key[:50]!r} and those before it")
        return Storage(np.empty(description.numel, description.held))

    def _piece(self, whole: str, storage: Storage, piece: Any) -> Storage:
        """Return the storage that is a piece of another."""
        if type(piece) is not tuple or [type(each) for each in piece] != [str, int, int]:
            raise FileError("it describes a piece of a storage by what is no key, offset and size")
        key, offset, size = piece
        if not 0 <= offset <= offset + size <= len(storage.array):
            raise FileError(f"a piece of storage {whole[:50]!r} ends beyond it")
        place = whole, offset, size
        if key not in self.pieces:
            self.pieces[key] = place, Storage(storage.array[offset : offset + size], storage)
        known, part = self.pieces[key]
        if place != known:
            raise FileError(f"storage {key[:50]!r} is described in two ways")
        return part

    def fill(self, source: Source, offset: int, keys: Any, big: bool) -> int:
        """Read the storages, which begin at `offset` in the order of `keys`; return where the last one ends."""
        if type(keys) is not list or any(type(key) is not str for key in keys) or sorted(keys) != sorted(self.known):
            raise FileError("the storages it lists are not those that its value uses")
        for key in keys:
            description, storage = self.known[key]
            number, expected = source.read(offset, NUMBER), description.numel.to_bytes(NUMBER, "little")
            if number != expected and not (big and number == expected[::-1]):
                raise FileError(f"storage {key[:50]!r} has not the {description.numel} elements that its value expects")
            _read(source, offset + NUMBER, description, storage.array)
            offset += NUMBER + description.size
        return offset


def _read(source: Source, offset: int, description: Description, array: np.ndarray) -> None:
    """Fill the memory of a storage."""
    stored = array if description.stored == array.dtype else np.empty(len(array), description.stored)
    source.fill(stored.view(np.uint8).data, offset)
    if stored is not array:
        widen(stored, array)
    elif array.dtype.kind == "b":
        only_bits(array)
