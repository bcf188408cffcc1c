"""Files of image data sets: IDX, CIFAR's archive, NumPy archives, PNG and PPM."""

import gzip
import io
import struct
import tarfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from nn.data import datasets
from nn.data.datasets import idx as idx_files
from nn.data.datasets.folder import load_image
from tests.hostile.archives import Case, archive, entries_of, hostile_archives, patched
from tests.hostile.npz import HEADERS, headed, npy
from tests.image_files import Cifar, drawn, idx, labelled, tarred

SHAPE = (5, 28, 28)


class Small(datasets.CIFAR10):
    """CIFAR-10 of a few images, whose archive is read whatever its hash."""

    parts = Cifar.PARTS[0]

    def __init__(self, path: Path) -> None:
        self.train = True
        self.data, self.targets = self._read(path)


def _read_small(path: Path) -> Any:
    small = Small(path)
    return small.data, small.targets


def packed(*pieces: bytes | int, container: int = 31) -> bytes:
    """Return pieces in a gzip file, or with `container` 15 in zlib's; a number is so many zeros, which take no memory."""
    packer = zlib.compressobj(1, zlib.DEFLATED, container)
    parts = []
    for piece in pieces:
        if isinstance(piece, bytes):
            parts.append(packer.compress(piece))
        else:
            parts += [packer.compress(bytes(1 << 20)) for _ in range(piece >> 20)]
    return b"".join([*parts, packer.flush()])


@cache
def bomb(container: int = 31) -> bytes:
    """Return 256 MB of zeros, compressed."""
    return packed(1 << 28, container=container)


READERS: dict[str, Callable[[Path], Any]] = {
    "idx.gz": lambda path: idx_files.read(path, SHAPE),
    "tar.gz": _read_small,
    "images.npz": lambda path: [each.tensors for each in datasets.from_npz(path)],
    "png": lambda path: load_image(str(path)),
    "ppm": lambda path: load_image(str(path)),
}


# -- IDX ----------------------------------------------------------------------------------------------


def good_idx() -> bytes:
    return idx(drawn(0, *SHAPE))


def built_idx() -> Iterator[Case]:
    pixels = drawn(0, *SHAPE).tobytes()

    def one(header: bytes, content: bytes = pixels) -> bytes:
        return gzip.compress(header + content)

    for sizes in ((5, 28, 27), (5, 28, 29), (4, 28, 28), (6, 28, 28), (0, 28, 28), (28, 28, 5), (2**31, 28, 28),
                  (2**32 - 1,) * 3, (5, 2**32 - 1, 28), (0, 0, 0), (5 * 28 * 28, 1, 1), (1, 1, 1)):  # fmt: skip
        yield Case("built", one(struct.pack(">HBB3I", 0, 8, 3, *sizes)), "error", f"sizes {sizes}")
        yield Case("built", one(struct.pack("<HBB3I", 0, 8, 3, *sizes)), "error", f"sizes {sizes}, little-endian")
    for zeros, code, dims in (
        (1, 8, 3),
        (0, 9, 3),
        (0, 0x0D, 3),
        (0, 0, 3),
        (0, 8, 1),
        (0, 8, 2),
        (0, 8, 4),
        (0, 8, 0),
        (0, 8, 255),
    ):
        yield Case(
            "built", one(struct.pack(">HBB3I", zeros, code, dims, *SHAPE)), "error", f"magic {zeros, code, dims}"
        )
    header = struct.pack(">HBB3I", 0, 8, 3, *SHAPE)
    for content in (b"", pixels[:-1], pixels + b"\0", pixels * 2):
        yield Case("built", one(header, content), "error", f"{len(content)} bytes")
    yield Case("built", packed(header, 300 << 20), "error", "a bomb")
    yield Case("built", packed(header, pixels, 300 << 20), "error", "a bomb behind the pixels")
    yield from broken_gzip(good_idx())
    yield Case("built", good_idx() * 2, "error", "twice")


def broken_gzip(good: bytes) -> Iterator[Case]:
    """Yield gzip files with a header, an end or a number of members of their own."""
    raw = gzip.decompress(good)
    for content in (
        b"",
        b"\x1f",
        b"\x1f\x8b",
        b"\x1f\x8b\x08",
        raw,
        raw[:100],
        zlib.compress(raw),
        b"\x1f\x8b" * 1000,
        b"PK\3\4" + good,
    ):
        yield Case("built", content, "error", f"no gzip {content[:10]!r}")
    for method in (0, 7, 9, 255):
        yield Case("built", good[:2] + bytes([method]) + good[3:], "error", f"method {method}")
    for flags in (2, 4, 8, 16, 31, 255):
        yield Case("built", good[:3] + bytes([flags]) + good[4:], "error", f"flags {flags}")
    yield Case(
        "built", good[:3] + b"\4" + good[4:10] + b"\xff\xff" + bytes(70000) + good[10:], "any", "a long extra field"
    )
    yield Case("built", good[:3] + b"\x08" + good[4:10] + b"a" * 200000, "error", "a name without end")
    yield Case("built", good[:-8] + bytes(4) + good[-4:], "error", "another checksum")
    yield Case("built", good[:-4] + bytes(4), "error", "another length")
    yield Case("built", good + gzip.compress(b"") * 2000, "equal", "empty members")
    yield Case("built", gzip.compress(raw[:50]) + gzip.compress(raw[50:]), "equal", "two members")
    yield Case("built", good + bytes(1000), "equal", "zeros behind it")
    yield Case("built", good + b"garbage", "error", "garbage behind it")
    yield Case("built", good + bomb(), "error", "a bomb behind it")
    yield Case("built", bomb(), "error", "a bomb")
    yield Case("built", gzip.compress(gzip.compress(raw)), "error", "twice compressed")
    yield Case("built", good[:10] + b"\7" + bytes(100), "error", "a block of no type")


# -- CIFAR --------------------------------------------------------------------------------------------


def good_tar() -> bytes:
    return Cifar().content


def patched_header(content: bytes, member: int, at: int, field: bytes, check: bool = True) -> bytes:
    """Return an archive with a field of a member's header replaced, and its checksum put right."""
    raw, begin = bytearray(gzip.decompress(content)), 0
    for _ in range(member):
        begin += 512 + -(-int(raw[begin + 124 : begin + 135], 8) // 512) * 512
    raw[begin + at : begin + at + len(field)] = field
    return gzip.compress(rechecked(bytes(raw), begin) if check else bytes(raw))


def rechecked(raw: bytes, begin: int) -> bytes:
    header = raw[begin : begin + 512]
    total = sum(header[:148] + b" " * 8 + header[156:])
    return raw[: begin + 148] + b"%06o\0 " % total + raw[begin + 156 :]


def built_tar() -> Iterator[Case]:
    files = Cifar()
    good, (first, content) = files.content, files.members[0]
    for size in (b"0" * 11, b"7" * 11, b"77777777777\0", b"%011o" % (len(content) - 1), b"%011o" % (len(content) + 1), b" " * 11, b"-0000000001",
                 b"9" * 11, b"\xff" * 12, b"\x80" + bytes(10) + b"\1", b"\x80\x00\x00\x00\x7f" + b"\xff" * 7, b"0x000001000", b"\0" * 12):  # fmt: skip
        for member in (0, 2):
            yield Case("built", patched_header(good, member, 124, size), "error", f"size {size!r} of {member}")
    for kind in b"123456789LKNSVMxgXAD\x01\xff":
        yield Case("built", patched_header(good, 0, 156, bytes([kind])), "error", f"type {kind:c}")
        yield Case("built", patched_header(good, 2, 156, bytes([kind])), "equal", f"type {kind:c} of another")
    for name in (
        b"../x",
        b"/etc/passwd",
        b"\0",
        b"a" * 100,
        b"\xff" * 100,
        first.encode()[:-1],
        b"./" + first.encode(),
        first.encode() + b"/",
    ):
        yield Case("built", patched_header(good, 0, 0, name.ljust(100, b"\0")), "error", f"name {name!r}")
        yield Case("built", patched_header(good, 2, 0, name.ljust(100, b"\0")), "equal", f"name {name!r} of another")
    for at in (0, 100, 124, 148, 150, 156, 257, 400):
        yield Case("built", patched_header(good, 1, at, b"#", check=False), "error", f"a header changed at {at}")
    yield Case("built", patched_header(good, 0, 157, b"../../../etc/passwd"), "equal", "a link's goal in a file")
    yield Case("built", patched_header(good, 2, 0, first.encode().ljust(100, b"\0")), "error", "a part twice")
    for bad in (10, 11, 255):
        wrong = bytes([bad]) + content[1:]
        yield Case("built", tarred([(first, wrong), *files.members[1:]]), "error", f"label {bad}")
    for i in range(len(files.members)):
        kept = files.members[:i] + files.members[i + 1 :]
        yield Case(
            "built", tarred(kept), "equal" if "data_batch" not in files.members[i][0] else "error", f"without {i}"
        )
    large = tarfile.TarInfo("more")
    large.size = 300 << 20
    header, raw = large.tobuf(tarfile.USTAR_FORMAT), gzip.decompress(good)
    yield Case("built", packed(header, large.size, raw), "error", "a large member")
    yield Case(
        "built",
        packed(raw.rstrip(b"\0").ljust(-(-len(raw.rstrip(b"\0")) // 512) * 512, b"\0"), header, large.size),
        "error",
        "a large member at the end",
    )
    yield Case("built", packed(raw, 300 << 20), "error", "a bomb behind the archive")
    yield Case("built", tarred([*((f"{i}", b"") for i in range(1000)), *files.members]), "equal", "many members")
    yield Case("built", tarred([*((f"{i}", b"") for i in range(4000)), *files.members]), "error", "too many members")
    yield Case("built", gzip.compress(gzip.decompress(good)[:-10240]), "error", "no end")
    yield Case("built", gzip.compress(bytes(10240)), "error", "an empty archive")
    yield from broken_gzip(good)
    yield Case("built", good * 2, "equal", "another archive behind it")


# -- NumPy archives -----------------------------------------------------------------------------------


def good_npz() -> bytes:
    file = io.BytesIO()
    parts = (("train", 6), ("test", 4))
    arrays = {f"{part}_x": drawn(count, count, 3, 4, 4) for part, count in parts}
    np.savez(file, **arrays, **{f"{part}_y": labelled(count, count, 4) for part, count in parts})
    return file.getvalue()


def built_npz() -> Iterator[Case]:
    arrays = dict(entries_of(good_npz()))
    for header, *rest in HEADERS:
        for name in ("train_x", "test_y"):
            yield Case(
                "built",
                archive([*{**arrays, f"{name}.npy": headed(header, *rest)}.items()]),
                "error",
                f"header {header!r:.100}",
            )
    for name in arrays:
        kept = [(each, content) for each, content in arrays.items() if each != name]
        yield Case("built", archive(kept), "error", f"without {name}")
        for array in (
            np.zeros(3),
            np.zeros((6, 3, 4, 4), complex),
            np.array("a"),
            np.zeros((0, 3, 4, 4), np.uint8),
            np.array(5),
        ):
            yield Case("built", archive([*kept, (name, npy(array))]), "error", f"{name} is {array.shape} {array.dtype}")
    pickled = io.BytesIO()
    np.save(pickled, np.array([object()]), allow_pickle=True)
    yield Case("built", archive([*{**arrays, "train_x.npy": pickled.getvalue()}.items()]), "error", "a pickled array")
    header = "{'descr': '|u1', 'fortran_order': False, 'shape': (2147483648, 1, 1, 1), }\n"
    lying = archive([*{**arrays, "train_x.npy": headed(header, bytes(5000))}.items()])
    for at in (20, 24):  # both its sizes in the directory
        lying = patched(lying, b"PK\1\2", at, "<I", len(headed(header, b"")) + 2**31)
    yield Case("built", lying, "error", "sizes that agree with the header alone")
    yield Case("built", archive([*arrays.items(), ("../../x.npy", npy(np.zeros(3)))]), "equal", "a path")
    for case in hostile_archives(good_npz(), "train_y.npy"):
        readable = case.what in ("compressed", "an entry twice") or case.what.startswith(
            ("directory", "local header", "zip64", "another name", "two")
        )
        yield case._replace(allowed="equal" if readable else case.allowed)


# -- pictures -----------------------------------------------------------------------------------------


def _pillows(format: str) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(drawn(0, 20, 30, 3)).save(file, format)
    return file.getvalue()


def good_png() -> bytes:
    return _pillows("png")


def good_ppm() -> bytes:
    return _pillows("ppm")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: bytes, depth: int = 8, colour: int = 2, extra: bytes = b"") -> bytes:
    """Return a PNG file with a header of one's own; `rows` are compressed."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def built_png() -> Iterator[Case]:
    rows = zlib.compress(bytes(20 * (1 + 90)))
    for width, height in (
        (0, 20),
        (30, 0),
        (2**31, 1),
        (2**31 - 1, 2**31 - 1),
        (2**32 - 1, 2**32 - 1),
        (100000, 100000),
        (2**16, 2**16),
        (1, 2**28),
    ):
        yield Case("built", png(width, height, rows), "error", f"{width}×{height}")
    yield Case("built", png(20000, 20000, bomb(15)), "error", "a bomb of pixels")
    for depth, colour in ((3, 2), (0, 0), (8, 1), (8, 7), (16, 3), (255, 255)):
        yield Case("built", png(30, 20, rows, depth, colour), "error", f"depth {depth}, colours {colour}")
    for content in (b"", b"\x89PNG", b"GIF89a" + bytes(100), b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", b"%PDF-1.4", b"8BPS\0\1" + bytes(100),
                    b"\x89PNG\r\n\x1a\n" + bytes(100), b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"BM" + b"\xff" * 60, b"II*\0" + b"\xff" * 60):  # fmt: skip
        yield Case("built", content, "error", f"no PNG: {content[:10]!r}")
    text = chunk(b"zTXt", b"a\0\0" + bomb(15))
    yield Case("built", png(30, 20, rows, extra=text), "any", "a bomb in a comment")
    yield Case(
        "built",
        png(30, 20, rows, extra=chunk(b"iCCP", b"a\0\0" + bomb(15))),
        "any",
        "a bomb in a profile",
    )
    for length in (0, 1, 2**31, 2**32 - 1):
        good = bytearray(png(30, 20, rows))
        struct.pack_into(">I", good, 8, length)
        yield Case("built", bytes(good), "error", f"a header of {length} bytes")
    bitmap = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, 2**30, 1, 1, 24, 0, 0, 0, 0, 0, 0)
    yield Case("built", bitmap, "error", "a bitmap that is too wide")


def built_ppm() -> Iterator[Case]:
    pixels = drawn(0, 20, 30, 3).tobytes()
    for header in (b"P6 0 20 255\n", b"P6 30 0 255\n", b"P6 -30 20 255\n", b"P6 30 21 255\n", b"P6 100000 100000 255\n", b"P6 99999999999999999999 1 255\n",
                   b"P6 30 20 0\n", b"P6 30 20 65536\n", b"P6 30 20 65535\n", b"P6 30\n", b"P6 a b c\n", b"P6 " + b"1" * 100000, b"P6 #" + b"a" * 100000,
                   b"P9 30 20 255\n", b"P6", b"P", b"P6 30 20\n", b"P6\0 30 20 255\n", b"Pf 30 20 -1.0\n", b"PF 9 9 nan\n"):  # fmt: skip
        yield Case("built", header + pixels, "error", f"header {header[:40]!r}")
    for header in (b"P3 30 20 255\n", b"P1 30 20\n", b"P2 30 20 255\n"):
        yield Case("built", header + b"x" * 2000, "error", f"text {header!r}")
        yield Case("built", header + b"9" * 2000, "error", f"one number {header!r}")


# -- changes inside -----------------------------------------------------------------------------------


def _inside_gzip(good: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    return gzip.compress(changed(gzip.decompress(good)))


def _inside_header(good: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    raw = gzip.decompress(good)
    return gzip.compress(rechecked(changed(raw[:512])[:512].ljust(512, b"\0") + raw[512:], 0))


def _inside_npz(good: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    (name, content), *rest = entries_of(good)
    return archive([(name, changed(content[:128]) + content[128:]), *rest])


def _inside_png(good: bytes, changed: Callable[[bytes], bytes]) -> bytes:
    length = struct.unpack_from(">I", good, 8)[0]
    return good[:8] + chunk(b"IHDR", changed(good[16 : 16 + length])) + good[20 + length :]


INSIDE: dict[str, Callable[[bytes, Callable[[bytes], bytes]], bytes]] = {
    "idx.gz": lambda good, changed: _inside_gzip(good, lambda raw: changed(raw[:20]) + raw[20:]),
    "tar.gz": _inside_header,
    "images.npz": _inside_npz,
    "png": _inside_png,
    "ppm": lambda good, changed: changed(good[:15]) + good[15:],
}
