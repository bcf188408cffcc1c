"""The bytes of a file, one after the other: what a pickle is read from, whose length stands nowhere."""

from typing import IO

from autograd.serialization.errors import FileError

LONGEST = 10_000  # bytes of a line: the name of a module or of something in it


class Stream:
    """A file that is read from its start on. Nothing is allocated for what it does not have.

    Args:
        file: an open file, at its start.
        size: how many bytes it has.
        name: what messages call it.
    """

    def __init__(self, file: IO[bytes], size: int, name: str) -> None:
        self.file = file
        self.size = size
        self.name = name
        self.position = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        if count > self.size - self.position:
            raise FileError(f"it is too short: {count} bytes should follow, it has {self.size - self.position} more")
        content = self.file.read(count)
        if len(content) < count:
            raise FileError("it became shorter while it was read")
        self.position += count
        return content

    def line(self) -> bytes:
        """Return the rest of the line, without its end."""
        content = self.file.readline(LONGEST)
        if not content.endswith(b"\n"):
            raise FileError(f"it has a line without end, or one of more than {LONGEST} bytes")
        self.position += len(content)
        return content[:-1]
