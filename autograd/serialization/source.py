"""The bytes of a file, read at given places; nothing is allocated before the file is known to be long enough."""

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO, Any

import numpy as np

from autograd.serialization.errors import FileError


class Source:
    """A file on disk, or bytes in memory.

    Args:
        name: what messages call it.
        content: an open file on disk, or bytes.
        mapped: map the file into memory; what is written there stays in memory.
    """

    def __init__(self, name: str, content: IO[bytes] | bytes, mapped: bool = False) -> None:
        self.name = name
        self.data = content if isinstance(content, bytes) else None
        self.file: IO[bytes] = BytesIO(content) if isinstance(content, bytes) else content
        self.size = len(content) if isinstance(content, bytes) else os.fstat(content.fileno()).st_size
        self.map: np.ndarray | None = None
        if mapped and self.size:
            self.map = np.frombuffer(mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)

    def check(self, offset: int, size: int) -> None:
        """Raise FileError unless `size` bytes lie at `offset`."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise FileError(f"it is too short: bytes {offset} to {offset + size} are missing, it has {self.size}")

    def read(self, offset: int, size: int) -> bytes:
        """Return the bytes at `offset`."""
        self.check(offset, size)
        target = bytearray(size)
        self.fill(memoryview(target), offset)
        return bytes(target)

    def fill(self, target: memoryview, offset: int) -> None:
        """Read the bytes at `offset` into `target`; threads may do so at the same time."""
        self.check(offset, len(target))
        if self.data is not None:
            target[:] = memoryview(self.data)[offset : offset + len(target)]
            return
        done = 0
        while done < len(target):
            count = os.preadv(self.file.fileno(), [target[done:]], offset + done)
            if count == 0:
                raise FileError("it became shorter while it was read")
            done += count


@contextmanager
def opened(f: str | os.PathLike[str] | bytes, mapped: bool) -> Iterator[Source]:
    """Open the file at a path; bytes are one already."""
    if isinstance(f, bytes):
        yield Source("the file", f)
        return
    if not stat.S_ISREG(os.stat(f).st_mode) and not os.path.isdir(f):
        raise FileError("it is not a regular file")
    with open(f, "rb") as file:
        yield Source(os.fspath(f), file, mapped)


def content_of(f: Any) -> bytes:
    """Return the rest of a binary file."""
    if not hasattr(f, "read"):
        raise TypeError(f"load: expected a path or a binary file, got {type(f).__name__}")
    content = f.read()
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise TypeError(f"load: expected a file opened in binary mode, it gave {type(content).__name__}")
    return bytes(content)
