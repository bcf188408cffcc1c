"""Zip archives of arrays: the container of `.npz` files and of PyTorch's.

Only what both write is read: entries stored without compression, each name once, none overlapping another, every byte
under its CRC-32. So no archive takes more memory than it has bytes. Format: PKWARE's APPNOTE.TXT, 4.3.
"""

import errno
import os
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import IO, NamedTuple

import numpy as np

from autograd.serialization.errors import FileError
from autograd.serialization.source import Source

CHUNK = 1 << 19  # what was copied is still in the cache when its checksum is taken
ALIGNMENT = 64  # of arrays in the file, so that they can be mapped into memory
LARGE = 1 << 22  # bytes from which on several threads read
THREADS = 4
PADDING_ID = 0xD935  # the extra field that zipalign pads with

LOCAL = struct.Struct("<4s22xHH")  # signature, lengths of the name and of the extra field


class Entry(NamedTuple):
    """A file in the archive: where its bytes lie and what their checksum is."""

    name: str
    offset: int
    size: int
    crc: int


class Pending(NamedTuple):
    """An array to be filled with an entry's bytes from `skip` on; `then(array)` is called when it is."""

    entry: Entry
    skip: int
    array: np.ndarray
    then: Callable[[np.ndarray], None] | None


class Archive:
    """An archive that is read. Arrays are asked for one by one and filled all at once, by `finish`."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._pending: list[Pending] = []
        try:
            with zipfile.ZipFile(source.file) as archive:
                infos, end = archive.infolist(), archive.start_dir
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            raise FileError("its directory is not where its end says") from error
        infos.sort(key=lambda info: info.header_offset)
        ends = [info.header_offset for info in infos[1:]] + [end]
        self._infos = {info.filename: (info, end) for info, end in zip(infos, ends, strict=True)}
        if len(self._infos) < len(infos):
            raise FileError("two of its entries have the same name")

    def __contains__(self, name: str) -> bool:
        return name in self._infos

    def names(self) -> Iterable[str]:
        """Return the names of the entries."""
        return self._infos.keys()

    def entry(self, name: str) -> Entry:
        """Find an entry and check what the archive says of it."""
        if name not in self._infos:
            raise FileError(f"entry {name[:200]!r} is missing")
        info, end = self._infos[name]
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size or info.flag_bits & 1:
            raise FileError(f"entry {name[:200]!r} is compressed or encrypted, which neither save does")
        signature, name_length, extra_length = LOCAL.unpack(self.source.read(info.header_offset, LOCAL.size))
        offset = info.header_offset + LOCAL.size + name_length + extra_length
        if signature != b"PK\3\4" or offset + info.file_size > end:
            raise FileError(f"entry {name[:200]!r} does not lie where the archive's directory says")
        if self.source.read(info.header_offset + LOCAL.size, name_length) != _encoded(info):
            raise FileError(f"entry {name[:200]!r} has another name in the archive's directory")
        return Entry(name, offset, info.file_size, info.CRC)

    def read(self, name: str) -> bytes:
        """Return an entry's bytes."""
        entry = self.entry(name)
        content = self.source.read(entry.offset, entry.size)
        self._compare(entry, zlib.crc32(content))
        return content

    def begin(self, entry: Entry, size: int) -> bytes:
        """Return up to `size` of an entry's first bytes, whose checksum is not yet taken."""
        return self.source.read(entry.offset, min(size, entry.size))

    def array(
        self, entry: Entry, dtype: np.dtype, skip: int = 0, then: Callable[[np.ndarray], None] | None = None
    ) -> np.ndarray:
        """Return the array of an entry's bytes after the first `skip`; `finish` fills it, then calls `then(array)`."""
        size = entry.size - skip
        self.source.check(entry.offset, entry.size)
        if size % dtype.itemsize:
            raise FileError(f"entry {entry.name[:200]!r} has {size} bytes, which is no multiple of {dtype.itemsize}")
        if self.source.map is not None and then is None and (entry.offset + skip) % dtype.itemsize == 0:
            return self.source.map[entry.offset + skip : entry.offset + entry.size].view(dtype)
        array = np.empty(size // dtype.itemsize, dtype)
        self._pending.append(Pending(entry, skip, array, then))
        return array

    def finish(self) -> None:
        """Fill all arrays and compare the checksums; where there is much to read, several threads do it."""
        pending, self._pending = self._pending, []
        threads = min(THREADS, len(os.sched_getaffinity(0)), len(pending))
        if threads < 2 or sum(each.entry.size for each in pending) < LARGE:
            for each in pending:
                self._fill(each)
            return
        pending.sort(key=lambda each: -each.entry.size)
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(self._fill, pending))

    def _fill(self, pending: Pending) -> None:
        entry, skip, array, then = pending
        target = array.view(np.uint8).data
        self.source.fill(target, entry.offset + skip)
        crc = zlib.crc32(self.source.read(entry.offset, skip)) if skip else 0
        self._compare(entry, zlib.crc32(target, crc))
        if then is not None:
            then(array)

    def _compare(self, entry: Entry, crc: int) -> None:
        if crc != entry.crc:
            raise FileError(f"entry {entry.name[:200]!r} is damaged: its checksum is wrong")


def _encoded(info: zipfile.ZipInfo) -> bytes:
    """Return an entry's name as the file has it: bit 11 says UTF-8, otherwise it is the PC's code page 437."""
    return info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437")


def write(file: IO[bytes], entries: Iterable[tuple[str, bytes, np.ndarray]]) -> None:
    """Write an archive of entries: a name, a header, and an array whose bytes lie at a multiple of 64 in the file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, header, array in entries:
            info = zipfile.ZipInfo(name)
            big = len(header) + array.nbytes >= zipfile.ZIP64_LIMIT
            begin = file_position(archive) + 30 + len(name.encode()) + 20 * big
            padding = -(begin + 4 + len(header)) % ALIGNMENT
            info.extra = struct.pack("<HH", PADDING_ID, padding) + bytes(padding)
            with archive.open(info, "w", force_zip64=big) as entry:
                entry.write(header)
                content = array.reshape(-1).view(np.uint8).data
                for start in range(0, len(content), CHUNK):  # copied first: a writer elsewhere cannot part it
                    entry.write(bytes(content[start : start + CHUNK]))  # from its checksum


def file_position(archive: zipfile.ZipFile) -> int:
    """Return where the next entry of an archive that is written begins."""
    assert archive.fp is not None
    return archive.fp.tell()
