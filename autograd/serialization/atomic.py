"""Files that are replaced whole or not at all."""

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator
from typing import IO


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Open a new file beside `path` that takes its place once it is written and on disk.

    A symbolic link stays one; what it points to is replaced. The new file has the permissions of the old one, or those
    the umask leaves. Something that is no regular file (`/dev/stdout`, a pipe) is written to as it is.
    """
    target = os.path.realpath(path)
    old = _status(target)
    if old is not None and not stat.S_ISREG(old.st_mode):
        with open(target, "wb") as file:
            yield file
        return
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name[:50]}.{secrets.token_hex(6)}.part")  # in at most 255 bytes of UTF-8
    try:
        try:
            with open(temporary, "xb", opener=_create) as file:
                yield file
                if old is not None:
                    os.fchmod(file.fileno(), stat.S_IMODE(old.st_mode))
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        if error.errno is None:
            raise
        state = "does not exist" if old is None else "is as it was"
        message = f"save: {os.fspath(path)} could not be written and {state}: {os.strerror(error.errno)}"
        raise type(error)(error.errno, message, folder) from error
    _sync(folder)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except FileNotFoundError:
        return None


def _create(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o666)


def _sync(folder: str) -> None:
    """Have the file's new name on disk, too, where the file system can do that."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder or ".", os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
