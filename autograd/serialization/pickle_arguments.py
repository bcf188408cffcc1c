"""What follows an opcode in a pickle: numbers, strings with their length before them, lines. Layout: pickletools.py."""

import struct
from collections.abc import Callable
from typing import Any

from autograd.serialization.errors import FileError

Reader = Callable[[bytes, int], tuple[Any, int]]  # of an argument at a position: its value, and where it ends


def nothing(content: bytes, begin: int) -> tuple[None, int]:
    """Read no argument."""
    return None, begin


def line(content: bytes, begin: int) -> tuple[str, int]:
    """Read to the end of a line."""
    end = content.index(b"\n", begin)
    return content[begin:end].decode(), end + 1


def two_lines(content: bytes, begin: int) -> tuple[str, int]:
    """Read a module's name and what is looked up in it."""
    module, end = line(content, begin)
    name, end = line(content, end)
    return f"{module} {name}", end


def fixed(size: int, convert: Callable[[bytes], Any]) -> Reader:
    """Return the reader of an argument of `size` bytes."""

    def read(content: bytes, begin: int) -> tuple[Any, int]:
        end = begin + size
        if end > len(content):
            raise FileError("it ends within a number")
        return convert(content[begin:end]), end

    return read


def counted(width: int, convert: Callable[[bytes], Any]) -> Reader:
    """Return the reader of an argument whose length stands before it, in `width` bytes."""

    def read(content: bytes, begin: int) -> tuple[Any, int]:
        start = begin + width
        end = start + int.from_bytes(content[begin:start], "little")
        if end > len(content):
            raise FileError("it ends within a string")
        return convert(content[start:end]), end

    return read


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
