"""Images in NumPy archives."""

import math
import os
import struct
import zipfile
import zlib
from typing import IO

import numpy as np

from autograd.serialization import npy
from autograd.serialization.errors import FileError
from autograd.tensor import Tensor
from nn.data.dataset import TensorDataset
from nn.data.datasets.images import scaled

PIECE = 1 << 20
DEFLATE = 1032  # bytes that one byte of a deflated entry can stand for, at most
DAMAGED = (ValueError, TypeError, EOFError, OSError, zipfile.BadZipFile, zlib.error, struct.error, OverflowError)
REFUSED = (NotImplementedError, RuntimeError)  # what zipfile knows no way to read: other versions, encryption


def from_npz(path: str | os.PathLike[str]) -> tuple[TensorDataset, TensorDataset]:
    """Return the images of an `.npz` file: those to train with, and those to test with.

    Its arrays are `train_x` and `test_x` (N, C, H, W), `train_y` and `test_y` (N,), as `numpy.savez` and
    `savez_compressed` write them. Images become float32, bytes scaled to [0, 1]; labels, integers, become int64.

    Raises:
        ValueError: the file is damaged, or holds something else.
    """
    with open(path, "rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                size = os.fstat(file.fileno()).st_size
                sets = [_pair(archive, part, size) for part in ("train", "test")]
        except (*DAMAGED, *REFUSED) as error:
            raise FileError(f"{os.fspath(path)}: {error}") from error
    return sets[0], sets[1]


def _pair(archive: zipfile.ZipFile, part: str, limit: int) -> TensorDataset:
    images, labels = (_read(archive, f"{part}_{letter}", limit) for letter in "xy")
    if images.ndim != 4 or images.dtype not in (np.uint8, np.float32, np.float64):
        raise FileError(
            f"{part}_x is {images.shape} {images.dtype}, expected (N, C, H, W) in uint8, float32 or float64"
        )
    if labels.shape != images.shape[:1] or labels.dtype.kind not in "iu":
        raise FileError(f"{part}_y is {labels.shape} {labels.dtype}, expected integers ({len(images)},)")
    pixels = scaled(images) if images.dtype == np.uint8 else images.astype(np.float32)
    return TensorDataset(Tensor(pixels), Tensor(labels.astype(np.int64)))


def _read(archive: zipfile.ZipFile, name: str, limit: int) -> np.ndarray:
    """Return an array, after its header was compared with its size, and that with the file's, `limit`."""
    try:
        info = archive.getinfo(f"{name}.npy")
    except KeyError:
        raise FileError(f"there is no array {name}") from None
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise FileError(f"{name} is compressed in a way NumPy does not")
    if info.compress_size > limit:
        raise FileError(f"{name} has {info.compress_size} bytes, more than the file, {limit}")
    if info.file_size > DEFLATE * info.compress_size:
        raise FileError(f"{name} has {info.compress_size} bytes, which cannot be {info.file_size} compressed")
    with archive.open(info) as file:
        begin = file.read(npy.LONGEST)
        header = npy.parse(begin)
        size = math.prod(header.shape) * header.dtype.itemsize
        if header.size + size != info.file_size:
            raise FileError(f"{name} has {info.file_size} bytes, its header says {header.size + size}")
        array = np.empty(math.prod(header.shape), header.dtype)
        _fill(array.view(np.uint8).data, begin[header.size :], file)
    return array.reshape(header.shape[::-1]).T if header.fortran_order else array.reshape(header.shape)


def _fill(target: memoryview, begin: bytes, rest: IO[bytes]) -> None:
    target[: len(begin)] = begin
    done = len(begin)
    while piece := rest.read(PIECE):  # to the end, where the checksum is
        target[done : done + len(piece)] = piece
        done += len(piece)
    if done < len(target):
        raise FileError(f"{len(target) - done} of its bytes are missing")
