"""All files of a format, from a fixed seed.

Each format begins with a good file. A fifth of the files are cut short; three tenths have one to three bits flipped; a tenth
have a piece overwritten, doubled or left out; a quarter have bytes changed inside the part a parser reads, with lengths
and checksums put right again, so that the parser sees them; the rest are built one by one to do harm.
"""

import io
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from tests.hostile import images, legacy
from tests.hostile.archives import Case, archive, entries_of
from tests.hostile.npz import built_npz, good_npz, npy
from tests.hostile.pt import built_pt, good_pt
from tests.hostile.safetensors import built_safetensors, good_safetensors, safe

SHARES = {"cut": 0.2, "flipped": 0.3, "pieced": 0.1, "inside": 0.25}  # the rest is built

FORMATS: dict[str, tuple[Callable[[], bytes], Callable[[], Iterator[Case]]]] = {
    "npz": (good_npz, built_npz),
    "safetensors": (good_safetensors, built_safetensors),
    "pt": (good_pt, built_pt),
    "legacy.pt": (legacy.good_legacy, legacy.built_legacy),
    "idx.gz": (images.good_idx, images.built_idx),
    "tar.gz": (images.good_tar, images.built_tar),
    "images.npz": (images.good_npz, images.built_npz),
    "png": (images.good_png, images.built_png),
    "ppm": (images.good_ppm, images.built_ppm),
}
NO_CHECKSUM = ("safetensors", "legacy.pt", "ppm")
MAPPED = ("npz", "safetensors", "pt")  # can be mapped into memory


def changed(content: bytes, random: np.random.Generator) -> bytes:
    """Return bytes of which a few are replaced, left out, doubled or swapped."""
    raw = bytearray(content)
    for _ in range(int(random.integers(1, 4))):
        i, n = int(random.integers(len(raw) + 1)), int(random.integers(1, 5))
        new = [
            random.integers(0, 256, n, np.uint8).tobytes(),
            b"\xff" * n,
            b"\0" * n,
            b"9" * n,
            raw[i : i + n] * 2,
            b"",
        ]
        raw[i : i + n] = new[int(random.integers(len(new)))]
    return bytes(raw)


def inside(format: str, good: bytes, random: np.random.Generator) -> bytes:
    """Return a good file with changes in what a parser reads, all lengths and checksums right."""
    if format in images.INSIDE:
        return images.INSIDE[format](good, lambda content: changed(content, random))
    if format == "legacy.pt":
        return legacy.inside(good, lambda content: changed(content, random))
    if format == "safetensors":
        size = int.from_bytes(good[:8], "little")
        return safe(changed(good[8 : 8 + size], random), good[8 + size :])
    entries = entries_of(good)
    chosen = 0 if random.random() < 0.7 else int(random.integers(len(entries)))  # the pickle or outline comes first
    entry, content = entries[chosen]
    if format == "npz" and chosen == 0:
        outline = changed(np.load(io.BytesIO(content)).item(), random)
        entries[chosen] = entry, npy(np.array(outline))
    elif format == "npz":
        entries[chosen] = entry, changed(content[:128], random) + content[128:]
    else:
        entries[chosen] = entry, changed(content, random)
    return archive(entries)


def pieced(good: bytes, random: np.random.Generator) -> bytes:
    """Return a file with a piece of up to 64 bytes overwritten by another, doubled or left out."""
    i, j, n = (int(random.integers(0, each)) for each in (len(good), len(good), 65))
    return good[:i] + [good[j : j + n], good[i : i + n] * 2, b""][int(random.integers(3))] + good[i + n :]


def flipped(good: bytes, random: np.random.Generator) -> bytes:
    """Return a file with one to three bits flipped."""
    raw = bytearray(good)
    for i in random.choice(8 * len(raw), int(random.integers(1, 4)), replace=False):
        raw[i // 8] ^= 1 << i % 8
    return bytes(raw)


def cases(format: str, count: int) -> Iterator[Case]:
    """Yield at least `count` files of a format; all that are built one by one are among them."""
    make, built = FORMATS[format]
    good, random = make(), np.random.default_rng(zlib.crc32(format.encode()))
    flips = "any" if format in NO_CHECKSUM else "equal"
    cuts = "equal" if format == "png" else "error"  # pictures are read without their last bytes, which say that it ends
    for i in range(int(SHARES["cut"] * count)):
        yield Case("cut", good[: i * len(good) // int(SHARES["cut"] * count)], cuts)
    for _ in range(int(SHARES["flipped"] * count)):
        yield Case("flipped", flipped(good, random), flips)
    for _ in range(int(SHARES["pieced"] * count)):
        yield Case("pieced", pieced(good, random), flips)
    for _ in range(int(SHARES["inside"] * count)):
        yield Case("inside", inside(format, good, random), "any")
    ready = list(built())
    yield from ready
    for _ in range(count - len(ready) - sum(int(share * count) for share in SHARES.values())):
        yield Case("inside", inside(format, good, random), "any")
