"""Storages: the memory that the tensors of PyTorch's files share, and the persistent identifiers that name it.

An identifier is ("storage", type, key, location, number of elements); files of before PyTorch 1.6 add to it.
"""

from typing import Any, NamedTuple

import numpy as np

from autograd.serialization.errors import FileError
from autograd.serialization.torch_pickle import Global, Refused
from autograd.tensor import Tensor

# PyTorch's storages: the type of an element in the file, and here. bfloat16, which NumPy has not, is read as float32.
STORAGES = {
    "DoubleStorage": ("f8", "f8"),
    "FloatStorage": ("f4", "f4"),
    "HalfStorage": ("f2", "f2"),
    "BFloat16Storage": ("u2", "f4"),
    "LongStorage": ("i8", "i8"),
    "IntStorage": ("i4", "i4"),
    "ShortStorage": ("i2", "i2"),
    "CharStorage": ("i1", "i1"),
    "ByteStorage": ("u1", "u1"),
    "BoolStorage": ("?", "?"),
}


class Storage:
    """Memory that tensors share, by itself or as a piece of another storage's.

    Args:
        array: its elements.
        whole: the storage it is a piece of.
    """

    def __init__(self, array: np.ndarray, whole: "Storage | None" = None) -> None:
        self.array = array
        self.whole = whole
        self.tensor: Tensor | None = None  # the first one made of this memory


class Description(NamedTuple):
    """What an identifier says of a storage; `kind` is a name in `STORAGES`."""

    kind: str
    key: str
    numel: int

    @property
    def stored(self) -> np.dtype:
        """The type of an element in the file."""
        return np.dtype(STORAGES[self.kind][0])

    @property
    def held(self) -> np.dtype:
        """The type of an element here."""
        return np.dtype(STORAGES[self.kind][1])

    @property
    def size(self) -> int:
        """How many bytes it takes in the file."""
        return self.numel * self.stored.itemsize


class Storages:
    """Gives the memory that identifiers name, the same for the same key. Each format says how it is made (`new`)."""

    def __init__(self) -> None:
        self.known: dict[str, tuple[Description, Storage]] = {}

    def new(self, description: Description) -> Storage:
        """Make the memory of a storage."""
        raise NotImplementedError

    def named(self, identifier: tuple[Any, ...]) -> Storage | Refused:
        """Return what an identifier's first five parts name."""
        description = _described(identifier)
        if isinstance(description, Refused):
            return description
        if description.key not in self.known:
            self.known[description.key] = description, self.new(description)
        known, storage = self.known[description.key]
        if description != known:
            raise FileError(f"storage {description.key[:50]!r} is described in two ways")
        return storage


def is_identifier(value: Any, length: int) -> bool:
    """Return whether a value may be an identifier of `length` parts: a tuple that begins with a string."""
    return type(value) is tuple and len(value) == length and type(value[0]) is str


def _described(identifier: tuple[Any, ...]) -> Description | Refused:
    what, kind, key, location, numel = identifier[:5]
    if isinstance(kind, Refused):
        return kind
    name = kind.name.removeprefix("torch.") if isinstance(kind, Global) else ""
    types = [type(each) for each in (key, location, numel)]
    if what != "storage" or name not in STORAGES or types != [str, str, int] or numel < 0:
        raise FileError("it describes a storage by what is no type, key, place and size")
    return Description(name, key, numel)
