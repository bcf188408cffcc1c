"""PyTorch's checkpoints (`.pt`, `.pth`) since version 1.6, read without PyTorch.

A file of torch.save is a zip archive of one folder: `data.pkl` is a pickle of the value, in which storages stand as
persistent identifiers (see `torch_storages`); `data/KEY` are their bytes, and `byteorder` says how they are ordered. A
tensor is a storage with offset, shape and strides. Format: torch/serialization.py and torch/_utils.py of PyTorch 2, and
caffe2/serialize/inline_container.h.
"""

import io
from typing import Any

import numpy as np

from autograd.serialization.archive import Archive
from autograd.serialization.errors import FileError
from autograd.serialization.stream import Stream
from autograd.serialization.tensors import only_bits, widen
from autograd.serialization.torch_globals import find
from autograd.serialization.torch_pickle import Machine
from autograd.serialization.torch_storages import Description, Storage, Storages, is_identifier
from autograd.serialization.torch_value import check

PICKLE = "/data.pkl"


def folder_of(archive: Archive) -> str | None:
    """Return the archive's folder if it is one of torch.save's."""
    folders = [name.removesuffix(PICKLE) for name in archive.names() if name.endswith(PICKLE) and name.count("/") == 1]
    return folders[0] if len(folders) == 1 else None


def read(archive: Archive, folder: str) -> Any:
    """Return the value in an archive of torch.save."""
    if f"{folder}/constants.pkl" in archive:
        raise FileError("it is a program of TorchScript; save the module's state_dict() with torch.save instead")
    content = archive.read(folder + PICKLE)
    stream = Stream(io.BytesIO(content), len(content), "its pickle")
    value = Machine(stream, find, _Archived(archive, folder)).run()
    check(value, len(content))
    archive.finish()
    return value


class _Archived(Storages):
    """Storages that are entries of an archive, which fills them when all are known."""

    def __init__(self, archive: Archive, folder: str) -> None:
        super().__init__()
        self.archive = archive
        self.folder = folder
        self.big = False
        if f"{folder}/byteorder" in archive:
            order = archive.read(f"{folder}/byteorder")
            if order not in (b"little", b"big"):
                raise FileError(f"its byte order is {order[:20]!r}, neither little nor big")
            self.big = order == b"big"

    def __call__(self, identifier: Any) -> Any:
        if not is_identifier(identifier, 5):
            raise FileError("it names something from outside that is no storage")
        return self.named(identifier)

    def new(self, description: Description) -> Storage:
        kind, key, numel = description
        stored, held = description.stored, description.held
        entry = self.archive.entry(f"{self.folder}/data/{key}")
        if entry.size != description.size:
            raise FileError(
                f"storage {key[:50]!r} has {entry.size} bytes, a {kind} of {numel} takes {description.size}"
            )
        if stored != held:
            wide = np.empty(numel, held)
            bits = stored.newbyteorder(">" if self.big else "<")
            self.archive.array(entry, bits, then=lambda brain: widen(brain, wide))
            return Storage(wide)
        if self.big and stored.itemsize > 1:
            return Storage(self.archive.array(entry, stored, then=_swap))
        return Storage(self.archive.array(entry, stored, then=only_bits if stored.kind == "b" else None))


def _swap(array: np.ndarray) -> None:
    array.byteswap(inplace=True)
