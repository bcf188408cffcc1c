"""Gzip files, inflated piece by piece: as far as a limit, and to the end, where their checksum is."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from autograd.serialization.errors import FileError

PIECE = 1 << 16


class Inflated:
    """The bytes in a gzip file, from the first to the last; `left` says how many more may come."""

    def __init__(self, file: gzip.GzipFile, limit: int) -> None:
        self._file = file
        self.left = limit

    def fill(self, array: np.ndarray) -> None:
        """Read the next bytes into a contiguous array of bytes."""
        target = array.reshape(-1).data
        self._take(len(target))
        done = 0
        while done < len(target):
            count = self._file.readinto(target[done:])
            if not count:
                raise FileError(f"it is too short: {len(target) - done} more bytes were expected")
            done += count

    def read(self, size: int) -> bytes:
        """Return the next bytes."""
        array = np.empty(size, np.uint8)
        self.fill(array)
        return array.tobytes()

    def skip(self, size: int) -> None:
        """Pass over the next bytes."""
        scratch = np.empty(PIECE, np.uint8)
        while size > 0:
            self.fill(scratch[:size])
            size -= PIECE

    def finish(self) -> None:
        """Read what is left, which may be padding, as far as the checksum."""
        while piece := self._file.read(PIECE):
            self._take(len(piece))

    def _take(self, count: int) -> None:
        if count > self.left:
            raise FileError("it holds more than was expected")
        self.left -= count


@contextmanager
def inflating(path: Path, limit: int) -> Iterator[Inflated]:
    """Open a gzip file that may hold `limit` bytes. Whatever is wrong with it is a FileError that names it."""
    try:
        with open(path, "rb") as file, gzip.GzipFile(fileobj=file) as content:
            inflated = Inflated(content, limit)
            yield inflated
            inflated.finish()
    except (FileError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FileError(f"{path}: {error}") from error
