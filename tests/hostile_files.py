"""Damaged and hostile files of every format `load` reads: python -m tests.hostile_files [FORMAT [COUNT]].

Each format begins with a good file. A fifth of the files are cut short; three tenths have one to three bits flipped; a tenth
have a piece overwritten, doubled or left out; a quarter have bytes changed inside the part a parser reads, with lengths
and checksums put right again, so that the parser sees them; the rest are built one by one to do harm. All are drawn
from a fixed seed.

`main` loads them in a process that may take 256 MB more than it has, and notes every event an attack needs: running
code or programs, importing, writing to files.
"""

import io
import json
import os
import resource
import struct
import sys
import tempfile
import time
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import autograd
from autograd import Tensor, tensor
from autograd.serialization.errors import FileError

MEMORY = 256 << 20  # bytes a process may take beside what it has
SLOWEST = 2.0  # seconds of the processor one file may take
HARMFUL = (
    "exec", "compile", "import", "pickle.find_class", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.remove",
    "os.rename", "os.mkdir", "os.chmod", "subprocess.Popen", "socket.__new__", "ctypes.dlopen", "shutil.rmtree",
)  # fmt: skip

SHARES = {"cut": 0.2, "flipped": 0.3, "pieced": 0.1, "inside": 0.25}  # the rest is built


class Case(NamedTuple):
    """A file and what may come of it: "error", or one of "equal" and "any", which allow an error as well."""

    kind: str
    content: bytes
    allowed: str
    what: str = ""


# -- zip archives -----------------------------------------------------------------------------------------------------


def archive(entries: list[tuple[str, bytes]], method: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as made:
        for name, content in entries:
            made.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def entries_of(content: bytes) -> list[tuple[str, bytes]]:
    """Return the names and contents of an archive's entries."""
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        return [(name, made.read(name)) for name in made.namelist()]


def patched(content: bytes, signature: bytes, at: int, layout: str, value: int, which: int = 0) -> bytes:
    """Return an archive with one number of its `which`-th record of a kind replaced."""
    begin = -1
    for _ in range(which + 1):
        begin = content.index(signature, begin + 1)
    changed = bytearray(content)
    struct.pack_into(layout, changed, begin + at, value)
    return bytes(changed)


def hostile_archives(good: bytes, what: str) -> Iterator[Case]:
    """Yield archives whose directory lies; `what` is the name of an entry that is read."""
    entries = entries_of(good)
    central, local, end = b"PK\1\2", b"PK\3\4", b"PK\5\6"
    number = [name for name, _ in entries].index(what)
    yield Case("built", archive(entries, zipfile.ZIP_DEFLATED), "error", "compressed")
    bomb = [(name, bytes(60 << 20) if name == what else each) for name, each in entries]
    yield Case("built", archive(bomb, zipfile.ZIP_DEFLATED), "error", "a bomb of zeros")
    twice = archive([*entries, (what[:-1] + "~", dict(entries)[what])]).replace(
        (what[:-1] + "~").encode(), what.encode()
    )
    yield Case("built", twice, "error", "an entry twice")
    size = len(dict(entries)[what])
    for at, layout, values in (
        (8, "<H", (1,)),  # encrypted
        (10, "<H", (8, 12, 14, 99)),  # methods of compression
        (20, "<I", (0, size + 1, size - 1, 2**32 - 2, 2**32 - 1)),  # compressed size
        (24, "<I", (0, size + 1, 2**31, 2**32 - 2, 2**32 - 1)),  # size
        (28, "<H", (0, 1, 65535)),  # length of the name
        (30, "<H", (7, 65535)),  # length of the extra field
        (42, "<I", (1, 5, len(good), 2**31, 2**32 - 2, 2**32 - 1)),  # place
    ):
        for value in values:
            yield Case("built", patched(good, central, at, layout, value, number), "error", f"directory {at}: {value}")
    yield Case("flipped", patched(good, central, 16, "<I", 0, number), "error", "another checksum")
    for at, layout, value in ((0, "<I", 0), (26, "<H", 0), (26, "<H", 65535), (28, "<H", 65535), (28, "<H", 1)):
        case = patched(good, local, at, layout, value, number)
        yield Case("built", case, "error", f"local header {at}: {value}")
    yield Case("built", patched(good, local, 30, "<B", ord("#"), number), "error", "another name")
    other = struct.unpack_from("<I", good, good.index(central) + 42)[0]
    yield Case("built", patched(good, central, 42, "<I", other, number or 1), "error", "two entries at one place")
    for at, layout, value in (
        (8, "<H", 65535), (10, "<H", 0), (12, "<I", 1), (12, "<I", 2**32 - 1), (16, "<I", 1), (16, "<I", 2**32 - 1),
        (16, "<I", 2**31), (20, "<H", 1), (20, "<H", 65535),
    ):  # fmt: skip
        yield Case("built", patched(good, end, at, layout, value), "equal", f"end {at}: {value}")
    for numbers in ((2**63, 2**63, 2**63, 2**63), (1, 1, 2**40, 0), (len(entries), len(entries), 46, 2**62)):
        begin = good.rindex(end)
        record = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, *numbers)
        locator = struct.pack("<4sIQI", b"PK\6\7", 0, begin, 1)
        rest = bytearray(good[begin:])
        struct.pack_into("<HHII", rest, 8, 65535, 65535, 2**32 - 1, 2**32 - 1)
        yield Case("built", good[:begin] + record + locator + bytes(rest), "error", f"zip64 {numbers}")
    for content in (b"", b"PK\3\4", b"PK\5\6" + bytes(18), b"PK\3\4" + bytes(100), good[::-1], b"PK\3\4" * 5000):
        yield Case("built", content, "error", "no archive")
    yield Case("built", b"#!/bin/sh\n" + good, "equal", "something before it")
    yield Case("built", good + b"\0" * 1000, "equal", "something after it")


# -- npz --------------------------------------------------------------------------------------------------------------


def npy(array: np.ndarray) -> bytes:
    """Return an array as NumPy writes it."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def headed(header: str | bytes, data: bytes = bytes(16), version: bytes = b"\1\0") -> bytes:
    """Return an `.npy` with a header of one's own."""
    text = header.encode() if isinstance(header, str) else header
    width = 2 if version == b"\1\0" else 4
    return b"\x93NUMPY" + version + len(text).to_bytes(width, "little") + text + data


def outlined(outline: Any, **arrays: bytes) -> bytes:
    """Return an `.npz` with an outline of one's own: a JSON text, or a value."""
    text = outline if isinstance(outline, bytes) else json.dumps(outline).encode()
    known = {"x": npy(np.arange(4, dtype=np.float32)), "m": npy(np.zeros(16, np.uint8)), "c": npy(np.zeros(2, complex))}
    entries = [("__outline__.npy", npy(np.array(text)))]
    return archive(entries + [(f"{name}.npy", content) for name, content in {**known, **arrays}.items()])


OUTLINES: list[Any] = [
    b"[" * 100000, b"[" * 100000 + b"]" * 100000, b'{"tuple": [' * 20000 + b"]}" * 20000, b"", b"{", b"\xff\xfe", b"nul",
    b"1" * 100000, b'{"int": "0x' + b"f" * 10 + b"g\"}", b'"\\ud800', b"[1, 2", b'{"a": 1} x',
    {"tensor": "missing"}, {"tensor": 5}, {"tensor": None}, {"tensor": ["x"]}, {"tensor": "c"}, {"tensor": "../x"},
    {"tensor": "x" * 100000}, {"tensor": "__outline__"}, {"array": "__outline__ "}, {"unknown": 1}, {}, {"": {}},
    {"dict": [["a"]]}, {"dict": [[[], 1]]}, {"dict": [[{"int": "0x" + "f" * 100}, 1]]}, {"dict": 5}, {"dict": [1]},
    {"dict": [[{"tensor": "x"}, 1]]}, {"dict": [[{"tuple": [{"array": "x"}]}, 1]]}, {"dict": None}, {"OrderedDict": [[1]]},
    {"tuple": {"tensor": "x"}}, {"tuple": "abc"}, {"tuple": 1}, {"Size": [-1]}, {"Size": ["a"]}, {"Size": [2**64]},
    {"Size": [1.5]}, {"Size": [True]}, {"set": [[1]]}, {"set": [{"tensor": "x"}]}, {"set": 1}, {"frozenset": [{}]},
    {"int": "zz"}, {"int": 5}, {"int": None}, {"complex": ["a", 1]}, {"complex": [1]}, {"complex": 1}, {"dtype": "object"},
    {"dtype": []}, {"numpy.dtype": "O"}, {"numpy.dtype": "V8"}, {"numpy.dtype": "f8,f8"}, {"numpy.dtype": {"a": 1}},
    {"numpy.dtype": "(1000000,)f8"}, {"device": "cuda:0"}, {"device": 5}, {"scalar": "x"}, {"scalar": "missing"},
    {"tensor": "x", "order": [0, 0]}, {"tensor": "x", "order": [5]}, {"tensor": "x", "order": "a"}, {"tensor": "x", "order": 1},
    {"tensor": "x", "view": [0, [1], [1]], "dtype": "<f4"}, {"tensor": "m", "view": [0, [1], [1]]},
    {"tensor": "m", "view": [0, [1], [1]], "dtype": "O"}, {"tensor": "m", "view": [0, [1], [1]], "dtype": ">f4"},
    {"tensor": "m", "view": [0, [1], [1]], "dtype": "(9,)f4"}, {"tensor": "m", "view": [0, [1]], "dtype": "<f4"},
    {"tensor": "i", "requires_grad": True}, [{"bytes": "m"}, {"bytes": "m"}], [{"scalar": "s"}] * 1000,
    [{"tensor": "x"}, {"tensor": "x", "order": [0]}],
    *({"tensor": "m", "view": view, "dtype": "<f4"} for view in (
        [0, [5], [1]], [1, [4], [1]], [4, [1], [1]], [-1, [1], [1]], [0, [2], [4]], [0, [-1], [1]], [0, [2], [-1]],
        [0, [10**12], [1]], [0, [2**63], [0]], [0, [2**62], [0]], [0, [2**40, 2**40], [0, 0]], [0, [2], [2**62]],
        [0, [2, 2], [2**63 - 1, 2**63 - 1]], [2**63 - 1, [1], [1]], [0, [1.0], [1]], [0, [True], [1]], [0, ["1"], [1]],
        [0, [1] * 65, [1] * 65], [0, [0] * 1000, [0] * 1000], [0, [1], [1, 1]], [0, [1], 1], [0, 1, [1]], [None, [1], [1]],
        [0, [float("nan")], [1]], [0, [float("inf")], [1]], [float("nan"), [1], [1]], [0, [0, 2**62], [1, 1]],
    )),
]  # fmt: skip

HEADERS: list[tuple[Any, ...]] = [
    ("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }\n",),
    ("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 9223372036854775807, 9223372036854775807), }\n", b""),
    ("{'descr': '<f4', 'fortran_order': 1, 'shape': (4,), }\n",),
    ("{'descr': '<f4', 'shape': (4,), }\n",),
    ("{'descr': '<f3', 'fortran_order': False, 'shape': (4,), }\n", bytes(12)),
    ("{'descr': '|S0', 'fortran_order': False, 'shape': (4,), }\n", b""),
    ("{'descr': '<U999999999', 'fortran_order': False, 'shape': (4,), }\n",),
    ("{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2,), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': __import__('os').system('false'), }\n",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4L,), }\n",),
    ("(" * 3000,),
    ("[" * 3000 + "]" * 3000,),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 1000 + "), }\n", bytes(4)),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (" + "1, " * 65 + "), }\n", bytes(4)),
    ("9**9**9**9",),
    ("'a'" + "*9" * 900,),
    (b"\xff" * 100,),
    ("",),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n", bytes(16), b"\4\0"),
    ("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }\n", bytes(16), b"\0\0"),
]


def good_npz() -> bytes:
    """Return a file with something of every kind."""
    x = autograd.arange(12.0).reshape(3, 4)
    value = {
        "net": {"a.weight": x, "a.same": x.detach(), "a.part": x[1:, ::2], "b": tensor([True, False]), "n": tensor(3)},
        "layout": Tensor(np.arange(24.0).reshape(2, 3, 4).transpose(1, 0, 2)),
        "rest": [1, 2.5, None, (b"bytes", {1, 2}), np.float64(0.5), np.arange(3, dtype=">i2"), 2**100, "text"],
    }
    file = io.BytesIO()
    autograd.save(value, file)
    return file.getvalue()


def built_npz() -> Iterator[Case]:
    for outline in OUTLINES:
        case = outlined(outline, i=npy(np.arange(3)), s=npy(np.array(1.0)))
        yield Case("built", case, "error", f"outline {outline!r:.100}")
    for header, *rest in HEADERS:
        yield Case("built", outlined({"tensor": "h"}, h=headed(header, *rest)), "error", f"header {header!r:.100}")
        yield Case("built", archive([("__outline__.npy", headed(header, *rest))]), "error", f"header {header!r:.100}")
    file = io.BytesIO()
    np.save(file, np.array([object()]), allow_pickle=True)
    pickled = file.getvalue()
    yield Case("built", pickled, "error", "a pickled array")
    yield Case("built", outlined({"array": "p"}, p=pickled), "error", "a pickled array in an archive")
    many = [{"tensor": "x", "order": [0]}] * 20000
    yield Case("built", outlined(many), "any", "one array very often")
    names = [("__outline__.npy", npy(np.array(json.dumps({"tensor": "../../../../tmp/x"}).encode())))]
    yield Case("built", archive([*names, ("../../../../tmp/x.npy", npy(np.zeros(3, np.float32)))]), "any", "a path")
    yield from hostile_archives(good_npz(), "net/n.npy")


# -- pt ---------------------------------------------------------------------------------------------------------------


def text(value: str) -> bytes:
    """Return the opcode that pushes a string."""
    raw = value.encode()
    return b"X" + len(raw).to_bytes(4, "little") + raw


def integer(value: int) -> bytes:
    """Return the opcode that pushes an integer."""
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module: str, attribute: str) -> bytes:
    """Return the opcode that pushes what a module has by a name."""
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def many(*values: bytes) -> bytes:
    """Return the opcodes that push a tuple."""
    return b"(" + b"".join(values) + b"t"


def numbers(values: Any) -> bytes:
    """Return the opcodes that push a tuple of integers."""
    return many(*map(integer, values))


def storage(key: str = "0", kind: str = "FloatStorage", count: int | bytes = 4) -> bytes:
    """Return the opcodes that push a storage."""
    number = count if isinstance(count, bytes) else integer(count)
    return many(text("storage"), name("torch", kind), text(key), text("cpu"), number) + b"Q"


def tensor_of(memory: bytes, offset: Any = 0, shape: Any = (4,), stride: Any = (1,), rest: bytes = b"\x89") -> bytes:
    """Return the opcodes that push a tensor."""
    hooks = name("collections", "OrderedDict") + b")R"
    shape, stride = (each if isinstance(each, bytes) else numbers(each) for each in (shape, stride))
    offset = offset if isinstance(offset, bytes) else integer(offset)
    return name("torch._utils", "_rebuild_tensor_v2") + many(memory, offset, shape, stride, rest, hooks) + b"R"


def dictionary(**values: bytes) -> bytes:
    """Return the opcodes that push a dict."""
    return b"}(" + b"".join(text(key) + value for key, value in values.items()) + b"u"


def torch_file(program: bytes, storages: dict[str, bytes] | None = None, raw: bool = False) -> bytes:
    """Return what torch.save writes for a value that a pickle builds."""
    known = {"0": np.arange(4, dtype=np.float32).tobytes()} if storages is None else storages
    entries = [("x/data.pkl", program if raw else b"\x80\2" + program + b"."), ("x/byteorder", b"little")]
    return archive(entries + [(f"x/data/{key}", each) for key, each in known.items()] + [("x/version", b"3\n")])


def good_pt() -> bytes:
    """Return a checkpoint: a state with shared and strided tensors, an optimiser's, and numbers."""
    first, again = storage() + b"q\1", b"h\1"
    state = dictionary(
        weight=tensor_of(first),
        part=tensor_of(again, 1, (2,), (2,)),
        square=tensor_of(again, 0, (2, 2), (1, 2)),
        steps=tensor_of(storage("1", "LongStorage", 1), 0, (), ()),
        mask=tensor_of(storage("2", "BoolStorage", 3), 0, (3,), (1,)),
        brain=tensor_of(storage("3", "BFloat16Storage", 2), 0, (2,), (1,)),
    )
    group = dictionary(lr=b"G" + struct.pack(">d", 0.1), params=b"](K\0K\1e", nesterov=b"\x89", note=b"N")
    program = dictionary(model=state, optimizer=dictionary(param_groups=b"](" + group + b"e"), epoch=b"K\7")
    return torch_file(
        program,
        {
            "0": np.arange(4, dtype=np.float32).tobytes(),
            "1": np.array([9]).tobytes(),
            "2": b"\1\0\1",
            "3": np.array([0x3F80, 0xC040], np.uint16).tobytes(),
        },
    )


def calls(target: str) -> Iterator[bytes]:
    """Yield pickles that call functions, in every way a pickle can."""
    command = text(f"touch {target}")
    for module, attribute in (
        ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "getoutput"), ("builtins", "eval"),
        ("builtins", "exec"), ("__builtin__", "eval"), ("builtins", "__import__"), ("builtins", "getattr"),
        ("torch", "load"), ("torch.hub", "load"), ("torch.serialization", "load"), ("torch.storage", "_load_from_bytes"),
        ("pickle", "loads"), ("_pickle", "loads"), ("numpy", "load"), ("numpy.core.multiarray", "__import__"),
        ("numpy", "__builtins__.eval"), ("collections", "OrderedDict.__init__.__globals__"), ("runpy", "run_path"),
        ("importlib", "import_module"), ("functools", "partial"), ("operator", "attrgetter"), ("types", "CodeType"),
        ("shutil", "rmtree"), ("pathlib", "Path"), ("webbrowser", "open"), ("torch._utils", "__builtins__"),
        ("copyreg", "_reconstructor"), ("copy_reg", "__newobj__"), ("ctypes", "CDLL"), ("socket", "socket"), ("", ""),
        ("autograd", "save"), ("nn", "Linear"), ("sys", "exit"), ("os", "_exit"),
    ):  # fmt: skip
        yield name(module, attribute) + many(command) + b"R"
        yield text(module) + text(attribute) + b"\x93" + many(command) + b"R"
    yield b"(" + command + b"ios\nsystem\n"
    yield b"(" + name("os", "system") + command + b"o"
    yield name("os", "system") + many(command) + b"\x81"
    yield name("os", "system") + many(command) + b"}\x92"
    yield b"\x82\1" + many(command) + b"R"
    yield b"\x84\1\0\0\0" + many(command) + b"R"
    yield name("collections", "OrderedDict") + b")R" + dictionary(__class__=name("os", "system")) + b"b"
    yield name("collections", "OrderedDict") + b")R" + dictionary(items=name("os", "system")) + b"b"
    yield name("torch.nn.parameter", "Parameter") + many(command) + b"R"
    yield name("torch._tensor", "_rebuild_from_type_v2") + many(name("os", "system"), b"N", many(command), b"}") + b"R"
    yield tensor_of(name("os", "system"), shape=many(command))
    yield b"P0\n"
    yield many(text("module"), name("os", "system"), command) + b"Q"


def bombs() -> Iterator[bytes]:
    """Yield pickles that are small and want to become large, deep or slow."""
    yield b"]" * 100000 + b"a" * 99999
    yield b"]" + b"]a" * 1
    yield b"]q\1h\1a"  # holds itself
    yield b"}q\1" + text("k") + b"h\1s"
    yield b"(K\1" + b"\x85" * 100000 + b"t"
    yield b"]" + b"q\0](h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0e" * 30  # ten times itself, thirty times over
    yield b")" + b"q\0(h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0t" * 30
    yield b"}" + b"K\1" + b"q\0\x86q\1" * 1 + b"K\1s"
    yield b"}" + b"K\1" + b"q\0h\0\x86" * 60 + b"K\1s"  # a key whose hash takes 2⁶⁰ steps
    yield b"}(" + b"".join(integer(i * (2**61 - 1)) + b"N" for i in range(30000)) + b"u"  # keys of one hash
    yield b"\x8f(" + b"".join(integer(i * (2**61 - 1)) for i in range(30000)) + b"\x90"
    yield b"X\xff\xff\xff\xff" + b"a" * 100
    yield b"\x8d" + (2**60).to_bytes(8, "little") + b"a" * 100
    yield b"\x8e" + (2**63).to_bytes(8, "little")
    yield b"\x96" + (2**40).to_bytes(8, "little")
    yield b"\x8b\xff\xff\xff\x7f"
    yield b"I" + b"9" * 100000 + b"\n"
    yield b"L" + b"9" * 100000 + b"L\n"
    encode = name("_codecs", "encode") + b"q\1" + text("a" * 100000) + text("latin1") + b"\x86q\2"
    yield b"](" + encode + b"h\1h\2R" * 20000 + b"e"  # two gigabytes of one string
    big = b"](" + b"K\1" * 100000 + b"e\x85q\2"
    yield b"](" + name("builtins", "set") + b"q\1" + big + b"h\1h\2R" * 20000 + b"e"
    yield b"](" + name("builtins", "bytearray") + b"q\1C\xff" + b"a" * 255 + b"\x85q\2" + b"h\1h\2R" * 100000 + b"e"
    counts = (
        name("collections", "Counter") + b"q\1}(" + b"".join(integer(i) + b"K\1" for i in range(5000)) + b"u\x85q\2"
    )
    yield b"](" + counts + b"h\1h\2R" * 20000 + b"e"
    dtype = name("numpy", "dtype") + many(text("u1"), b"\x89", b"\x88") + b"R"
    scalar = (
        name("numpy.core.multiarray", "_reconstruct") + many(name("numpy", "ndarray"), numbers([0]), b"C\1b") + b"R"
    )
    shape = integer(1) + numbers([50000]) + dtype + b"\x89B" + (50000).to_bytes(4, "little") + bytes(50000)
    yield b"](" + many(shape) + b"q\1" + (scalar + b"h\1b") * 10000 + b"e"


STORED: list[tuple[str, bytes]] = [
    ("a storage that is missing", tensor_of(storage("7"))),
    ("a path for a key", tensor_of(storage("../data.pkl"))),
    ("a path for a key", tensor_of(storage("../../../../../etc/passwd"))),
    ("too many elements", tensor_of(storage(count=5))),
    ("too few", tensor_of(storage(count=3), shape=(3,))),
    ("a huge count", tensor_of(storage(count=2**40))),
    ("a huge count", tensor_of(storage(count=2**63))),
    ("a negative count", tensor_of(storage(count=-4))),
    ("no count", tensor_of(storage(count=b"N"))),
    ("a boolean count", tensor_of(storage(count=b"\x88"))),
    ("a float for a count", tensor_of(storage(count=b"G" + struct.pack(">d", float("nan"))))),
    ("an unknown type", tensor_of(storage(kind="NoStorage"))),
    ("a type's constructor", storage(kind="FloatStorage")[:-1] + b"\x85" + name("torch", "FloatStorage") + b"\x85R"),
    ("another type", tensor_of(storage(kind="DoubleStorage"))),
    ("one storage in two types", many(tensor_of(storage()), tensor_of(storage(kind="IntStorage")))),
    ("a key that is no string", many(text("storage"), name("torch", "FloatStorage"), b"K\0", text("cpu"), b"K\4") + b"Q"),
    ("an identifier of one", many(text("storage")) + b"Q"),
    ("an identifier that is a string", text("storage") + b"Q"),
    ("an identifier that is a tensor", tensor_of(storage()) + b"Q"),
    ("a tensor for a storage", tensor_of(tensor_of(storage()))),
    ("a number for a storage", tensor_of(b"K\1")),
    ("a tensor without flag", tensor_of(storage(), rest=b"K\1")),
    ("a gradient of integers", tensor_of(storage("0", "IntStorage"), rest=b"\x88")),
    ("a shape of strings", tensor_of(storage(), shape=many(text("4")))),
    ("a stride of strings", tensor_of(storage(), stride=many(text("a" * 1000)))),
    ("a shape of tensors", tensor_of(storage(), shape=many(tensor_of(storage())))),
    ("a shape that is a list", tensor_of(storage(), shape=b"](K\5e")),
    ("a shape that is a string", tensor_of(storage(), shape=text("abc"))),
    ("a float for an offset", tensor_of(storage(), offset=b"G" + struct.pack(">d", 1.0))),
    ("only a storage", storage()),
    ("only a name", name("torch", "Size")),
    ("a list of storages", b"](" + storage() + b"e"),
    ("a parameter of nothing", name("torch._utils", "_rebuild_parameter") + many(b"N", b"\x88", b"}") + b"R"),
    ("a parameter of integers",
     name("torch._utils", "_rebuild_parameter") + many(tensor_of(storage("0", "IntStorage")), b"\x88", b"}") + b"R"),
    ("a size that is negative", name("torch", "Size") + many(numbers([-1])) + b"R"),
    ("a size of a storage", name("torch", "Size") + many(storage()) + b"R"),
    ("a device that is a tensor", name("torch", "device") + many(tensor_of(storage())) + b"R"),
    ("a device of cuda", name("torch", "device") + many(text("cuda"), b"K\0") + b"R"),
    *((f"at {offset}, {shape}, {stride}", tensor_of(storage(), offset, shape, stride)) for offset, shape, stride in (
        (1, (4,), (1,)), (4, (1,), (1,)), (-1, (1,), (1,)), (0, (5,), (1,)), (0, (2,), (4,)), (0, (-1,), (1,)),
        (0, (2,), (-1,)), (3, (2,), (-1,)), (0, (2**40,), (1,)), (0, (2**62,), (0,)), (0, (2**63,), (0,)),
        (0, (2**32, 2**32), (0, 0)), (0, (2,), (2**63 - 1,)), (0, (3,), (2**63 - 1,)), (0, (2, 2), (2**62, 2**62)),
        (2**63 - 1, (1,), (1,)), (2**64, (1,), (1,)), (2**100, (1,), (1,)), (0, (1,) * 65, (1,) * 65), (0, (1,), ()),
        (0, (), (1,)), (0, (0,) * 100000, (1,) * 100000), (0, (4, 4), (1, 1)), (0, (0, 2**62, 2**62), (1, 1, 1)),
    )),
]  # fmt: skip

MALFORMED = [
    b"", b".", b"\x80", b"\x80\2", b"\x80\2.", b"\x80\2N", b"\x80\2(.", b"\x80\2t.", b"\x80\2R.", b"\x80\2)R.", b"\x80\2N)R.",
    b"\x80\2Nb.", b"\x80\2NNb.", b"\x80\2}Nb.", b"\x80\2u.", b"\x80\2(u.", b"\x80\2}(K\1u.", b"\x80\2]K\1K\2s.",
    b"\x80\2NNa.", b"\x80\2NK\1a.", b"\x80\2}]K\1s.", b"\x80\2}}K\1s.", b"\x80\2](Q.", b"\x80\2h\0.", b"\x80\2q\0.", b"\x80\2j.",
    b"\x80\2c.", b"\x80\2cos\n.", b"\x80\2cos\nsystem.", b"\x80\2\x85.", b"\x80\2\x93.", b"\x80\2NN\x93.", b"\x80\2K\1K\2\x93.",
    b"\x80\2\x8a\xff.", b"\x80\2G\0.", b"\x80\2X\1\0\0\0\xff.", b"\x80\2\x94.", b"\x80\2\x81.", b"\x80\2\xff.", b"\x80\2\x97.",
    b"\x80\2\x98.", b"\x80\2V\\u00\n.", b"\x80\2S'a\n.", b"\x80\2I\n.", b"\x80\2Fx\n.", b"\x80\2d.", b"\x80\2(K\1d.", b"\x80\2l.",
    b"\x80\2\x8f(]\x90.", b"\x80\2](]\x90.", b"\x80\2(]\x91.", b"\x80\2}(K\1K\2K\3u.", b"\x80\2cnumpy\ndtype\n(X\1\0\0\0Ott.",
    b"\x80\2ccollections\nOrderedDict\n(](K\1eeR.", b"\x80\2c__builtin__\ncomplex\n(X\1\0\0\0aK\1tR.",
    b"\x80\2c_codecs\nencode\n(X\1\0\0\0aX\4\0\0\0utf8tR.", b"\x80\2c_codecs\nencode\n(X\3\0\0\0\xe2\x98\x83X\6\0\0\0latin1tR.",
]  # fmt: skip


def built_pt() -> Iterator[Case]:
    for program in calls("PWNED"):
        yield Case("built", torch_file(dictionary(a=program)), "error", f"a call {program[:60]!r}")
    for program in bombs():
        yield Case("built", torch_file(program), "any", f"a bomb {program[:60]!r}")
    for what, program in STORED:
        yield Case("built", torch_file(dictionary(x=program)), "error", what)
    for program in MALFORMED:
        yield Case("built", torch_file(program, raw=True), "error", f"malformed {program!r:.60}")
    for code in range(256):  # every opcode on a stack of plain values
        yield Case("built", torch_file(b"](K\1}N)" + bytes([code]) + b"\1\0\0\0\0\0\0\0\n\n"), "any", f"opcode {code}")
    legacy = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03."
    yield Case("built", legacy, "error", "the format before 1.6")
    yield Case("built", torch_file(b"N").replace(b"little", b"middle"), "error", "another byte order")
    entries = entries_of(good_pt())
    yield Case("built", archive([*entries, ("y/data.pkl", b"\x80\2N.")]), "error", "two pickles")
    yield Case("built", archive([*entries, ("x/constants.pkl", b"")]), "error", "a program")
    yield Case("built", archive([(each[2:], content) for each, content in entries]), "error", "no folder")
    yield from hostile_archives(good_pt(), "x/data/0")


# -- safetensors ------------------------------------------------------------------------------------------------------


def safe(header: Any, data: bytes = bytes(16), size: int | None = None) -> bytes:
    """Return a safetensors file with a header of one's own."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(raw) if size is None else size).to_bytes(8, "little") + raw + data


def good_safetensors() -> bytes:
    """Return a file with tensors of several types."""
    import safetensors.numpy

    arrays = {"w": np.arange(6, dtype=np.float32).reshape(2, 3), "n": np.array(5), "b": np.array([True, False, True])}
    return safetensors.numpy.save({**arrays, "h": np.arange(4, dtype=np.float16)}, {"format": "pt"})


def built_safetensors() -> Iterator[Case]:
    def one(**changes: Any) -> dict[str, Any]:
        return {"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16], **changes}}

    for size in (0, 1, 7, 2**20, 2**31, 2**32, 2**40, 2**63, 2**64 - 1, 100 * 10**6 + 1):
        yield Case("built", safe(one(), size=size), "error", f"a header of {size} bytes")
    for header in (
        b"", b"{", b"[]", b"1", b'"a"', b"\xff" * 10, b"{" * 10000, b"[" * 100000, b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b'{"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}, "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}',
        b'{"__metadata__": {"a": 1}}', b'{"__metadata__": "a"}', b'{"a": null}', b'{"a": []}', b'{"a": {}}',
        one(dtype="F31"), one(dtype=None), one(dtype="C64", shape=[2]), one(dtype="F8_E4M3", shape=[16]), one(dtype="U32"),
        one(dtype="U64", shape=[2]), one(dtype="F4", shape=[32]), one(shape=[5]), one(shape=[3]), one(shape=[-4]), one(shape=[2**62]),
        one(shape=[2**32, 2**32]), one(shape=[2**64]), one(shape="4"), one(shape=[4.0]), one(shape=[True]), one(shape=[None]),
        one(shape=[1] * 100 + [4]), one(shape=[0, 2**62, 2**62]), one(data_offsets=[0, 17]), one(data_offsets=[0, 15]),
        one(data_offsets=[1, 17]), one(data_offsets=[16, 0]), one(data_offsets=[-16, 0]), one(data_offsets=[0]),
        one(data_offsets=[0, 2**62]), one(data_offsets=[2**64, 2**64 + 16]), one(data_offsets=[0.0, 16.0]), one(extra=1),
        {**one(), "b": one()["a"]}, {**one(), "b": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, "b": {"dtype": "F32", "shape": [1], "data_offsets": [12, 16]}},
        {str(i): {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]} for i in range(20000)},
        {**one(), "__metadata__": {"a": ["b"]}}, {"x" * 10**6: None}, one(shape=[float("nan")]), one(shape=[float("inf")]),
    ):  # fmt: skip
        yield Case("built", safe(header), "any", f"the header {header!r:.100}")
    for content in (b"", bytes(8), bytes(9), b"{" * 9, b"\xff" * 100, safe({}), safe({}, b""), safe(one(), b"")):
        yield Case("built", content, "any", f"content {content!r:.60}")


# -- all --------------------------------------------------------------------------------------------------------------

FORMATS: dict[str, tuple[Callable[[], bytes], Callable[[], Iterator[Case]]]] = {
    "npz": (good_npz, built_npz),
    "safetensors": (good_safetensors, built_safetensors),
    "pt": (good_pt, built_pt),
}


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
    flips = "any" if format == "safetensors" else "equal"  # the one format without checksums
    for i in range(int(SHARES["cut"] * count)):
        yield Case("cut", good[: i * len(good) // int(SHARES["cut"] * count)], "error")
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


def summary(value: Any) -> Any:
    """Return a value in a form that can be compared: tensors by their bytes."""
    if isinstance(value, (Tensor, np.ndarray)):
        array = value.array if isinstance(value, Tensor) else value
        return type(value).__name__, array.dtype.str, array.shape, array.tobytes()
    if isinstance(value, dict):
        return type(value).__name__, [(key, summary(each)) for key, each in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [summary(each) for each in value]
    return repr(value)


def outcome(path: Path, case: Case, expected: Any, mapped: bool) -> str:
    """Load a file; return "error", "equal" or "other", or raise AssertionError for what must not be."""
    begin = time.process_time()
    result, message = "other", None
    try:
        value = autograd.load(path, mmap=mapped)
        if case.allowed == "equal" and summary(value) == expected:
            result = "equal"
        del value
    except FileError as error:
        result, message = "error", str(error)
    assert message is None or str(path) in message, f"the message does not name the file: {message}"
    assert message is None or len(message) < 2000, f"the message is {len(message)} long"
    allowed = {"error": ("error",), "equal": ("error", "equal"), "any": ("error", "equal", "other")}[case.allowed]
    assert result in allowed or (mapped and case.kind != "built"), f"{result}, but allowed is {allowed}"
    assert time.process_time() - begin < SLOWEST, f"it took {time.process_time() - begin:.1f} s"
    return result


def guard(events: list[str]) -> Callable[[], None]:
    """Note every harmful event until what is returned is called; let the process take no more than `MEMORY`."""
    watching = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
        if watching and (event in HARMFUL or writes):
            events.append(f"{event} {arguments!r:.100}")

    def stop() -> None:
        nonlocal watching
        watching = False

    status = Path("/proc/self/status").read_text()
    taken = int(status.split("VmSize:")[1].split()[0]) << 10
    resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
    sys.addaudithook(note)
    return stop


def run(format: str, count: int) -> dict[str, Any]:
    """Load every file of a format; return how many there were and what came of them."""
    made, good = list(cases(format, count)), FORMATS[format][0]()
    outcomes: Counter[str] = Counter()
    failures: list[str] = []
    events: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        path = Path(folder) / f"file.{format}"
        path.write_bytes(good)
        expected = summary(autograd.load(path))
        autograd.load(path, mmap=True)
        files = [path.with_name(f"{i}.{format}") for i in range(len(made))]
        for file, case in zip(files, made, strict=True):
            file.write_bytes(case.content)
        stop = guard(events)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for file, case in zip(files, made, strict=True):
            for mapped in (False, True):
                try:
                    result = outcome(file, case, expected, mapped)
                    outcomes[f"{case.kind}: {result}"] += not mapped
                except Exception as error:  # whatever it is, it is reported
                    failures.append(
                        f"{file.name} {case.kind} {case.what} mmap={mapped}: {type(error).__name__}: {error}"[:500]
                    )
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
        stop()
        os.chdir("/")
        extra = sorted(each.name for each in Path(folder).iterdir() if each not in files and each != path)
    return {
        "files": len(made), "outcomes": dict(sorted(outcomes.items())), "failures": failures, "events": events,
        "megabytes": grown, "left behind": extra,
    }  # fmt: skip


if __name__ == "__main__":
    chosen = sys.argv[1:2] or list(FORMATS)
    for each in chosen:
        print(json.dumps(run(each, int(sys.argv[2]) if len(sys.argv) > 2 else 500), indent=1))
