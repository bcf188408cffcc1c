"""Files of tensors and of the plain values around them. No file is ever run: nothing here uses pickle.

`save` writes NumPy's `.npz` with a JSON outline, or safetensors. `load` reads both, and what PyTorch's `torch.save`
writes, and tells them apart by their content.
"""

import json
import os
import struct
import zipfile
from typing import IO, Any

from autograd.device import check_device
from autograd.serialization import archive, npy, outline, safetensors_file, torch_legacy, torch_zip
from autograd.serialization.atomic import replacing
from autograd.serialization.errors import FileError
from autograd.serialization.source import Source, content_of, opened

PICKLE = b"\x80"  # how a pickle of protocol 2 or later begins: torch.save's files before PyTorch 1.6 do
TAR = b"ustar"  # what a tar archive has at its byte 257
MALFORMED = (
    ValueError, TypeError, LookupError, AttributeError, EOFError, OverflowError, RecursionError, RuntimeError,
    NotImplementedError, struct.error, json.JSONDecodeError, zipfile.BadZipFile,
)  # fmt: skip


def save(obj: Any, f: str | os.PathLike[str] | IO[bytes]) -> None:
    """Write `obj` to a path or a binary file.

    Tensors and arrays, numbers (NumPy's too), strings, bytes, None, element types and devices are kept as they are, in
    dicts, OrderedDicts, Counters, lists, tuples and sets of them; so is whether tensors share memory. Each array lies
    in the file under its path (`model/conv1.weight`), so `numpy.load` reads it too; the entry `__outline__` says how
    they fit together. A path that ends in `.safetensors` gets that format, which holds a dict of tensors alone.

    A path is written whole or not at all: to a temporary file beside it first, which then takes its place.

    Raises:
        TypeError: a value is of no supported type; the message names its path in `obj`.
        ValueError: `obj` is nested more than 100 deep.
        OSError: the file cannot be written; what was there is as it was.
    """
    if not isinstance(f, (str, os.PathLike)):
        _write(f, obj, False)
        return
    with replacing(f) as file:
        _write(file, obj, os.fspath(f).endswith(safetensors_file.SUFFIX))


def _write(file: Any, obj: Any, safetensors: bool) -> None:
    if safetensors:
        safetensors_file.write(file, obj)
    else:
        arrays = outline.encode(obj)
        archive.write(file, ((f"{name}.npy", *npy.header_of(array)) for name, array in arrays.items()))


def load(
    f: str | os.PathLike[str] | IO[bytes],
    map_location: Any = None,
    *,
    weights_only: bool | None = True,
    mmap: bool | None = None,
) -> Any:
    """Read a file that `save` or PyTorch's `torch.save` wrote, or one in safetensors format.

    Tensors come to the cpu from whatever device they were saved on. bfloat16 is read as float32, which holds its values
    exactly. Every byte that is read is compared with the file's checksums, which safetensors and PyTorch's files of
    before version 1.6 have not.

    Args:
        f: a path, or a binary file, which is read from where it stands to its end.
        map_location: as in PyTorch; it may name the cpu, alone or as the target in a dict.
        weights_only: must be True: a file's code is never run.
        mmap: map the file's arrays into memory instead of reading them; they may be written to, the file stays as it
            is. Their checksums are not looked at. The file may be replaced meanwhile (as `save` does), not shortened.
            PyTorch's files of before version 1.6 cannot be mapped.

    Raises:
        FileNotFoundError: there is no such file.
        FileError: a ValueError and RuntimeError. The file is damaged, of no known format, or holds something that has
            no counterpart here; the message says what and where (for PyTorch's files an UnpicklingError, too).
    """
    if weights_only not in (True, None):
        raise ValueError("load: weights_only=False would run code from the file; only weights_only=True is supported")
    if mmap and not isinstance(f, (str, os.PathLike)):
        raise ValueError("load: mmap=True needs a path")
    _check_location(map_location)
    content = f if isinstance(f, (str, os.PathLike)) else content_of(f)
    try:
        with opened(content, bool(mmap)) as source:
            return _read(source)
    except FileError as error:
        raise type(error)(f"load: {_name(f)}: {error}") from error.__cause__
    except MALFORMED as error:
        raise FileError(f"load: {_name(f)} is damaged: {error}") from error


def _name(f: Any) -> str:
    return str(f if isinstance(f, (str, os.PathLike)) else getattr(f, "name", "the file"))


def _check_location(where: Any) -> None:
    """Accept None, the cpu, and a dict whose values are the cpu."""
    if callable(where):
        raise TypeError("load: map_location must name the cpu; functions of storages are not supported")
    for each in where.values() if isinstance(where, dict) else (where,):
        check_device(each)


def _read(source: Source) -> Any:
    start = source.read(0, min(source.size, 257 + len(TAR)))
    if start[:4] in (b"PK\3\4", b"PK\5\6"):
        return _read_archive(archive.Archive(source))
    if source.name.endswith(safetensors_file.SUFFIX) or safetensors_file.is_safetensors(start):
        return safetensors_file.read(source)
    if start[:1] == PICKLE:
        return torch_legacy.read(source)
    if start[257:] == TAR:
        raise FileError(
            "it is a tar archive, as PyTorch wrote before version 0.1.10; load it in PyTorch with weights_only=False "
            "and torch.save it again"
        )
    raise FileError("it is neither an .npz of save, nor a .pt of torch.save, nor safetensors")


def _read_archive(files: archive.Archive) -> Any:
    if f"{outline.OUTLINE}.npy" in files:
        return outline.decode(files)
    folder = torch_zip.folder_of(files)
    if folder is None:
        raise FileError("it is an archive that neither save nor torch.save wrote: it has no outline")
    return torch_zip.read(files, folder)
