"""What follows an opcode in a pickle: numbers, strings with their length before them, lines. Layout: pickletools.py."""

import struct
from collections.abc import Callable
from typing import Any

from autograd.serialization.stream import Stream

Reader = Callable[[Stream], Any]  # reads an argument


def nothing(stream: Stream) -> None:
    """Read no argument."""


def two_lines(stream: Stream) -> str:
    """Read a module's name and what is looked up in it."""
    module, name = stream.line(), stream.line()
    return f"{module.decode()} {name.decode()}"


def fixed(size: int, convert: Callable[[bytes], Any]) -> Reader:
    """Return the reader of an argument of `size` bytes."""
    return lambda stream: convert(stream.take(size))


def counted(width: int, convert: Callable[[bytes], Any]) -> Reader:
    """Return the reader of an argument whose length stands before it, in `width` bytes."""
    return lambda stream: convert(stream.take(unsigned(stream.take(width))))


def unsigned(raw: bytes) -> int:
    """Return a little-endian integer that is 0 or more."""
    return int.from_bytes(raw, "little")


def signed(raw: bytes) -> int:
    """Return a little-endian integer in two's complement."""
    return int.from_bytes(raw, "little", signed=True)


def double(raw: bytes) -> float:
    """Return a big-endian float64."""
    return float(struct.unpack(">d", raw)[0])


def text(raw: bytes) -> str:
    """Return a string; half of a surrogate pair is one, too."""
    return raw.decode("utf-8", "surrogatepass")
