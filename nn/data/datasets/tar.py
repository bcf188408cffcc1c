"""Tar archives, read from a stream: members are found by their names, and nothing is extracted.

A record of 512 bytes is a member's header, the bytes of the member follow, filled up to whole records. What is not
asked for is passed over, whatever its name, type or extensions. Format: POSIX.1-1988, ustar.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from autograd.serialization.errors import FileError
from nn.data.datasets.inflating import Inflated

RECORD = 512
REGULAR = (b"0", b"\0")
NUMBER = re.compile(rb" *([0-7]{1,12})[ \0]*")


class Member(NamedTuple):
    """What a header says."""

    name: str
    size: int
    regular: bool


def members(content: Inflated) -> Iterator[Member]:
    """Yield the headers of an archive; between two, whoever asks may read of the member what he wants."""
    while any(header := content.read(RECORD)):
        member = _parse(header)
        whole = -(-member.size // RECORD) * RECORD
        if whole > content.left:
            raise FileError(f"its member {member.name!r} has {member.size} bytes, more than was expected")
        end = content.left - whole
        yield member
        content.skip(content.left - end)


def _parse(header: bytes) -> Member:
    """Read a header, whose checksum is the sum of its bytes with its own taken as spaces."""
    if _number(header[148:156]) != sum(header[:148] + b" " * 8 + header[156:]):
        raise FileError("a header of the archive is damaged")
    name = header[:100].split(b"\0")[0].decode("latin-1")
    return Member(name, _number(header[124:136]), header[156:157] in REGULAR)


def _number(field: bytes) -> int:
    found = NUMBER.fullmatch(field)
    if found is None:
        raise FileError("a header of the archive is damaged")
    return int(found[1], 8)
