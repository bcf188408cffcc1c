"""NumPy's `.npy` format: a magic string, a header that is a Python dict in text, and the array's bytes.

The header is compared with the one pattern NumPy writes, not evaluated. Format: numpy.lib.format.
"""

import io
import math
import re
from typing import NamedTuple

import numpy as np
from numpy.lib import format as numpy_format

from autograd.serialization.archive import Archive
from autograd.serialization.errors import FileError
from autograd.serialization.tensors import NUMBERS, integers, only_bits

LONGEST = 4096  # bytes of a header: 64 sizes of 20 digits fit

HEADER = re.compile(
    r"\{'descr': '([<>|=]?)([a-zA-Z])([0-9]{1,9})', 'fortran_order': (True|False), "
    r"'shape': \(((?:[0-9]{1,19}, ?)*(?:[0-9]{1,19})?)\), *\} *\n"
)


class Header(NamedTuple):
    """What a header says; `size` is how many bytes it takes itself."""

    dtype: np.dtype
    fortran_order: bool
    shape: tuple[int, ...]
    size: int


def header_of(array: np.ndarray) -> tuple[bytes, np.ndarray]:
    """Return an array's header, and the array in the order its bytes are to be written."""
    if not array.flags.c_contiguous and not array.flags.f_contiguous:
        array = np.ascontiguousarray(array)
    file = io.BytesIO()
    numpy_format.write_array_header_1_0(file, numpy_format.header_data_from_array_1_0(array))
    return file.getvalue(), array if array.flags.c_contiguous else array.T


def parse(content: bytes) -> Header:
    """Read the header at the start of `content`."""
    if content[:6] != b"\x93NUMPY" or content[6:8] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise FileError("one of its arrays is not in NumPy's format")
    begin = 10 if content[6] == 1 else 12
    end = begin + int.from_bytes(content[8:begin], "little")
    found = HEADER.fullmatch(content[begin:end].decode("latin-1")) if end <= len(content) else None
    if found is None:
        raise FileError("the header of one of its arrays is not what NumPy writes")
    order, kind, size, fortran, shape = found.groups()
    if kind not in NUMBERS + "SU" or int(size) == 0:
        raise FileError(f"one of its arrays has elements of type {order + kind + size}, which save never writes")
    sizes = integers([int(n) for n in shape.replace(",", " ").split()])
    return Header(np.dtype(order + kind + size), fortran == "True", sizes, end)


def read(archive: Archive, name: str) -> np.ndarray:
    """Return an entry's array, which `archive.finish` fills."""
    entry = archive.entry(name)
    header = parse(archive.begin(entry, LONGEST))
    expected = math.prod(header.shape) * header.dtype.itemsize
    if entry.size != header.size + expected:
        raise FileError(f"entry {name[:200]!r} has {entry.size} bytes, its header says {header.size + expected}")
    then = only_bits if header.dtype.kind == "b" else None
    flat = archive.array(entry, header.dtype, header.size, then)
    return flat.reshape(header.shape[::-1]).T if header.fortran_order else flat.reshape(header.shape)
