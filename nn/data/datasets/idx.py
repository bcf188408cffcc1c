"""IDX, the format of MNIST: arrays of bytes behind a header of big-endian numbers.

Source: LeCun, Cortes & Burges, The MNIST database, "File formats".
"""

import math
import struct
from pathlib import Path

import numpy as np

from autograd.serialization.errors import FileError
from nn.data.datasets.inflating import inflating

BYTES = 8  # the code of elements that are bytes


def read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the array of bytes in a gzipped IDX file, which must be of the given shape.

    The file: two bytes of zeros, the elements' code, the number of dimensions, each size in four bytes, the elements.
    """
    layout = struct.Struct(f">HBB{len(shape)}I")
    with inflating(path, layout.size + math.prod(shape)) as content:
        zeros, code, dims, *sizes = layout.unpack(content.read(layout.size))
        if (zeros, code, dims) != (0, BYTES, len(shape)):
            magic = (zeros << 16) + (code << 8) + dims
            raise FileError(f"it begins with 0x{magic:08x}, expected 0x{(BYTES << 8) + len(shape):08x}")
        if tuple(sizes) != shape:
            raise FileError(f"its header says {tuple(sizes)}, expected {shape}")
        array = np.empty(shape, np.uint8)
        content.fill(array)
    return array
