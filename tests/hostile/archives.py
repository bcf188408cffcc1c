"""What is said of one file, and archives whose directory lies."""

import io
import struct
import zipfile
from collections.abc import Iterator
from typing import NamedTuple


class Case(NamedTuple):
    """A file and what may come of it: "error", or one of "equal" and "any", which allow an error as well."""

    kind: str
    content: bytes
    allowed: str
    what: str = ""


def archive(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def entries_of(content: bytes) -> list[tuple[str, bytes]]:
    """Return the names and contents of an archive's entries."""
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        return [(name, made.read(name)) for name in made.namelist()]


def patched(content: bytes, signature: bytes, at: int, layout: str, value: int, which: int = 0) -> bytes:
    """Return an archive with one number of its `which`-th record of a kind replaced."""
    begin = -1
    for _ in range(which + 1):
        begin = content.index(signature, begin + 1)
    changed = bytearray(content)
    struct.pack_into(layout, changed, begin + at, value)
    return bytes(changed)


def hostile_archives(good: bytes, what: str) -> Iterator[Case]:
    """Yield archives whose directory lies; `what` is the name of an entry that is read."""
    entries = entries_of(good)
    central, local, end = b"PK\1\2", b"PK\3\4", b"PK\5\6"
    number = [name for name, _ in entries].index(what)
    yield Case("built", archive(entries, zipfile.ZIP_DEFLATED), "error", "compressed")
    bomb = [(name, bytes(60 << 20) if name == what else each) for name, each in entries]
    yield Case("built", archive(bomb, zipfile.ZIP_DEFLATED), "error", "a bomb of zeros")
    twice = archive([*entries, (what[:-1] + "~", dict(entries)[what])]).replace(
        (what[:-1] + "~").encode(), what.encode()
    )
    yield Case("built", twice, "error", "an entry twice")
    size = len(dict(entries)[what])
    for at, layout, values in (
        (8, "<H", (1,)),  # encrypted
        (10, "<H", (8, 12, 14, 99)),  # methods of compression
        (20, "<I", (0, size + 1, size - 1, 2**32 - 2, 2**32 - 1)),  # compressed size
        (24, "<I", (0, size + 1, 2**31, 2**32 - 2, 2**32 - 1)),  # size
        (28, "<H", (0, 1, 65535)),  # length of the name
        (30, "<H", (7, 65535)),  # length of the extra field
        (42, "<I", (1, 5, len(good), 2**31, 2**32 - 2, 2**32 - 1)),  # place
    ):
        for value in values:
            yield Case("built", patched(good, central, at, layout, value, number), "error", f"directory {at}: {value}")
    yield Case("flipped", patched(good, central, 16, "<I", 0, number), "error", "another checksum")
    for at, layout, value in ((0, "<I", 0), (26, "<H", 0), (26, "<H", 65535), (28, "<H", 65535), (28, "<H", 1)):
        case = patched(good, local, at, layout, value, number)
        yield Case("built", case, "error", f"local header {at}: {value}")
    yield Case("built", patched(good, local, 30, "<B", ord("#"), number), "error", "another name")
    other = struct.unpack_from("<I", good, good.index(central) + 42)[0]
    yield Case("built", patched(good, central, 42, "<I", other, number or 1), "error", "two entries at one place")
    for at, layout, value in (
        (8, "<H", 65535), (10, "<H", 0), (12, "<I", 1), (12, "<I", 2**32 - 1), (16, "<I", 1), (16, "<I", 2**32 - 1),
        (16, "<I", 2**31), (20, "<H", 1), (20, "<H", 65535),
    ):  # fmt: skip
        yield Case("built", patched(good, end, at, layout, value), "equal", f"end {at}: {value}")
    for numbers in ((2**63, 2**63, 2**63, 2**63), (1, 1, 2**40, 0), (len(entries), len(entries), 46, 2**62)):
        begin = good.rindex(end)
        record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, *numbers)
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, begin, 1)
        rest = bytearray(good[begin:])
        struct.pack_into("<HHII", rest, 8, 65535, 65535, 2**32 - 1, 2**32 - 1)
        yield Case("built", good[:begin] + record + locator + bytes(rest), "error", f"zip64 {numbers}")
    for content in (b"", b"PK\3\4", b"PK\5\6" + bytes(18), b"PK\3\4" + bytes(100), good[::-1], b"PK\3\4" * 5000):
        yield Case("built", content, "error", "no archive")
    yield Case("built", b"#!/bin/sh\n" + good, "equal", "something before it")
    yield Case("built", good + b"\0" * 1000, "equal", "something after it")
