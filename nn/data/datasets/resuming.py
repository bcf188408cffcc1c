"""A downloader for pooch that goes on where an earlier one was interrupted.

What has come lies in a partial file; beside it is written from where: the address, and the server's entity tag or date
of change. The rest is asked for with a Range (RFC 9110, 14) and taken if the server says that it is the rest of a file
of the right size, at the same address also of the same tag or date. The hash has the last word.
"""

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

PIECE = 1 << 16
TIMEOUT = (10, 30)  # seconds to connect, and between two pieces


class Resuming:
    """Downloads from an address to a file, by way of a partial file that outlives failures.

    Args:
        partial: where what has come is kept.
        size, sha256: the file's.
    """

    def __init__(self, partial: Path, size: int, sha256: str) -> None:
        self._partial, self._size, self._sha256 = partial, size, sha256
        self._origin = partial.with_name(partial.name + ".json")

    def __call__(self, url: str, output_file: str, pooch: Any) -> None:
        """Put the file at `output_file`."""
        begin = self._partial.stat().st_size
        whole = begin == self._size or (0 < begin < self._size and self._request(url, begin))
        if not whole or sha256_of(self._partial) != self._sha256:
            self._request(url, 0)
        os.replace(self._partial, output_file)
        self._origin.unlink(missing_ok=True)

    def _request(self, url: str, begin: int) -> bool:
        """Ask for the bytes from `begin` on and write them; return False if it is not the rest that came."""
        import requests

        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={begin}-"} if begin else {})
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            origin = [url, response.headers.get("ETag"), response.headers.get("Last-Modified")]
            if begin and not self._is_rest(response, begin, origin):
                return False
            response.raise_for_status()
            self._check_size(response, begin)
            self._origin.write_text(json.dumps(origin))
            self._write(response.raw, begin)
        return True

    def _is_rest(self, response: Any, begin: int, origin: list[str | None]) -> bool:
        """Return whether a response holds what the partial file lacks."""
        expected = f"bytes {begin}-{self._size - 1}/{self._size}"
        if response.status_code != 206 or response.headers.get("Content-Range") != expected:
            return False
        try:
            before = json.loads(self._origin.read_text())
            return before == origin or before[0] != origin[0]
        except (OSError, ValueError, LookupError, TypeError):  # it is missing or damaged: nothing is known
            return False

    def _check_size(self, response: Any, begin: int) -> None:
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != self._size - begin:
            raise ValueError(f"the server offers {int(length) + begin} bytes, expected {self._size}")

    def _write(self, source: Any, begin: int) -> None:
        """Write what comes to the partial file from `begin` on."""
        progress = Progress(self._partial.name[1:].removesuffix(".part"), self._size)
        with open(self._partial, "r+b") as file:
            file.truncate(begin)
            file.seek(begin)
            while piece := source.read(PIECE, decode_content=False):
                if file.tell() + len(piece) > self._size:
                    raise ValueError(f"the server sends more than the {self._size} bytes expected")
                file.write(piece)
                progress(file.tell())
            done = file.tell()
        if done < self._size:
            raise ConnectionError(f"the server closed the connection after {done} of {self._size} bytes")


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Progress:
    """A line on a terminal that says how much has come."""

    def __init__(self, name: str, size: int) -> None:
        self._name, self._size = name, size
        self._percent = -1

    def __call__(self, done: int) -> None:
        """Say how much there is now, at each new percent."""
        percent = 100 * done // self._size
        if percent > self._percent and sys.stderr.isatty():
            end = "\n" if done == self._size else ""
            sys.stderr.write(f"\r{self._name}: {percent:3} % of {self._size / 1e6:.1f} MB{end}")
            sys.stderr.flush()
            self._percent = percent
