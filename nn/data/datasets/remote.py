"""Files of known content: looked for in a folder, and fetched where they are missing."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from nn.data.datasets.resuming import Resuming, sha256_of


class Remote(NamedTuple):
    """A file that can be had at several addresses: its name, bytes and SHA-256, and the folders it is in."""

    name: str
    size: int
    sha256: str
    mirrors: tuple[str, ...]


def obtain(file: Remote, folder: Path, download: bool = False) -> Path:
    """Return the path of a file whose content is right; with `download` fetch it if it is not.

    Raises:
        RuntimeError: it is missing or damaged, or no mirror has it.
    """
    path = folder / file.name
    wrong = _wrong(file, path)
    if wrong and download:
        _fetch(file, path)
    elif wrong:
        raise RuntimeError(f"Dataset not found. You can use download=True to download it: {path} {wrong}")
    return path


def _wrong(file: Remote, path: Path) -> str | None:
    """Say what is wrong with a file, if something is."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != file.size:
        return f"has {path.stat().st_size} bytes, expected {file.size}"
    found = sha256_of(path)
    return None if found == file.sha256 else f"has the SHA-256 {found}, expected {file.sha256}"


def _fetch(file: Remote, path: Path) -> None:
    """Try the mirrors in turn; what one sent before it failed, the next one or the next call goes on from.

    Pooch looks at the hash and gives the file its name.
    """
    try:
        import pooch
    except ImportError as error:
        raise ImportError("datasets are downloaded with pooch: pip install 'magtape[data]'") from error
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{file.name}.part")
    failures = []
    for mirror in file.mirrors:
        with _alone(partial):
            if _wrong(file, path) is None:  # another process was faster
                return
            try:
                downloader = Resuming(partial, file.size, file.sha256)
                pooch.retrieve(mirror + file.name, f"sha256:{file.sha256}", file.name, path.parent, None, downloader)
                return
            except Exception as error:  # of pooch, requests, urllib3 and the system: each is a reason to go on
                failures.append(f"\n  {mirror}{file.name}: {error}")
    raise RuntimeError(f"{path} could not be downloaded:{''.join(failures)}")


@contextlib.contextmanager
def _alone(partial: Path) -> Iterator[None]:
    """Wait until no other process writes to the partial file, and let none do so."""
    while True:
        with open(partial, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_open_at(partial, file.fileno()):
                continue  # whom we waited for has renamed it
            try:
                yield
            finally:
                if _is_open_at(partial, file.fileno()) and not partial.stat().st_size:
                    partial.unlink()
            return


def _is_open_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
