"""PyTorch's files of before version 1.6, put together pickle by pickle."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tests.hostile import pt
from tests.hostile.archives import Case
from tests.hostile.pt import dictionary, integer, many, name, numbers, storage, tensor_of, text

MAGIC = integer(0x1950A86A20F9469CFC6C)
VERSION = integer(1001)
FLOATS = np.arange(4, dtype=np.float32)


def machine(little: bytes = b"\x88") -> bytes:
    """Return the opcodes that push what is said of the machine that wrote a file."""
    sizes = dictionary(short=b"K\2", int=b"K\4", long=b"K\4")
    return dictionary(protocol_version=VERSION, little_endian=little, type_sizes=sizes)


def listed(*keys: str) -> bytes:
    """Return the opcodes that push a list of strings."""
    return b"](" + b"".join(map(text, keys)) + b"e"


def appended(*arrays: np.ndarray, count: int | None = None) -> bytes:
    """Return what stands behind the pickles for storages; `count` takes the place of their numbers of elements."""
    counts = [array.size if count is None else count for array in arrays]
    return b"".join(n.to_bytes(8, "little", signed=True) + a.tobytes() for n, a in zip(counts, arrays, strict=True))


def legacy_file(program: bytes, storages: dict[str, np.ndarray] | None = None, **parts: bytes) -> bytes:
    """Return what torch.save wrote for a value that a pickle builds; `parts` takes the place of parts of the file."""
    known = {"0": FLOATS} if storages is None else storages
    data = parts.pop("data", appended(*known.values()))
    values = {
        "magic": MAGIC,
        "version": VERSION,
        "machine": machine(),
        "value": program,
        "keys": listed(*known),
    } | parts
    return b"".join(b"\x80\2" + each + b"." for each in values.values()) + data


def then(program: bytes) -> bytes:
    """Return a program for a zip archive as it was before: each storage says what it is a piece of."""
    return program.replace(b"tQ", b"NtQ")


def whole(key: str = "0", kind: str = "FloatStorage", count: int | bytes = 4) -> bytes:
    """Return the opcodes that push a storage that is no piece of another."""
    return storage(key, kind, count, b"N")


def piece(key: str = "9", offset: Any = 1, size: Any = 2, of: str = "0") -> bytes:
    """Return the opcodes that push a piece of a storage."""
    offset, size = (each if isinstance(each, bytes) else integer(each) for each in (offset, size))
    return storage(of, "FloatStorage", 4, many(text(key), offset, size))


def parameter(memory: bytes, *state: bytes) -> bytes:
    """Return the opcodes that push a parameter as PyTorch 0.1 wrote it."""
    return name("torch.nn.parameter", "Parameter") + many(memory) + b"R" + many(*state) + b"b"


def short(value: str) -> bytes:
    """Return the opcode by which Python 2 pushed a string."""
    return b"U" + bytes([len(value)]) + value.encode()


def good_legacy() -> bytes:
    """Return a checkpoint: a state, an optimiser's, and pieces, parameters and strings as they were once."""
    hooks = name("collections", "OrderedDict") + b")R"
    empty = name("torch.nn.parameter", "Parameter") + b")\x81q\3"
    old = dictionary(
        piece=tensor_of(piece(), 0, (2,)),
        parameter=parameter(tensor_of(whole()), b"\x88", b"\x89", hooks),
        fixed=parameter(tensor_of(whole()), b"\x89", b"\x89", b"N"),
        first=empty + many(tensor_of(whole(), 2, (2,)), b"N", hooks, b"\x88", b"\x89") + b"b",
        tied=b"h\3",
        oldest=name("torch._utils", "_rebuild_tensor") + many(whole(), integer(1), numbers((3,)), numbers((1,))) + b"R",
    )
    old = old[:-1] + short("tag") + short("2017") + b"u"
    program = dictionary(model=then(pt.good_state()), optimizer=pt.good_optimizer(), epoch=b"K\7", old=old)
    return legacy_file(program, pt.GOOD_STORAGES)


def inside(good: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Return the good file with changes in its pickles."""
    end = len(good) - len(appended(*pt.GOOD_STORAGES.values()))
    return change(good[:end]) + good[end:]


HEADERS: list[tuple[str, bytes]] = [
    *(("magic", each) for each in (integer(0x1950A86A20F9469CFC6D), b"K\0", b"N", b"\x88", b"]", text("magic"))),
    *(("version", each) for each in (integer(1000), integer(1002), integer(-1001), integer(2**100), integer(2**500))),
    *(("version", each) for each in (b"N", b"]", text("1001"), b"G" + bytes(8), name("os", "system"))),
    *(("machine", each) for each in (b"N", b"]", b"K\1", text("little"), name("os", "system"))),
    *((part, tensor_of(whole())) for part in ("magic", "version", "machine", "keys")),
    *((part, name("os", "system") + many(text("touch PWNED")) + b"R") for part in ("magic", "version", "machine", "keys")),
    *(("keys", each) for each in (b"N", b"]", b"}", text("0"), many(text("0")), b"](K\0e", b"](]e", b"]((tq\1e")),
    *(("keys", listed(*each)) for each in (("0", "0"), ("1",), ("0", "1"), ("",), ("0",) * 10000)),
    *(("data", appended(FLOATS, count=each)) for each in (0, 3, 5, 8, 16, -1, -4, 2**31, 2**32 + 4, 2**62, 2**63 - 1, 4 << 56)),
    *(("data", each) for each in (b"", bytes(7), bytes(8), appended(FLOATS)[:-1], appended(FLOATS) + b"\0", appended(FLOATS) * 2)),
    ("data", appended(FLOATS[:3])), ("data", appended(np.arange(5, dtype=np.float32))), ("data", appended(FLOATS, FLOATS)),
]  # fmt: skip

NAMED: list[tuple[str, bytes]] = [
    ("an identifier of five", tensor_of(storage())),
    ("an identifier of seven", tensor_of(storage("0", "FloatStorage", 4, b"N", b"N"))),
    ("a piece under the key of the whole, of another size", many(tensor_of(piece("0", 0, 4)), tensor_of(piece("0", 0, 3), 0, (3,)))),
    ("a piece in two ways", many(tensor_of(piece(), 0, (2,)), tensor_of(piece("9", 0, 2), 0, (2,)))),
    ("a tensor that ends beyond its piece", tensor_of(piece(), 0, (3,))),
    ("a tensor that begins beyond its piece", tensor_of(piece(), 2, (1,))),
    *((f"a piece from {offset} of {size}", tensor_of(piece("9", offset, size), 0, (0,))) for offset, size in (
        (-1, 2), (0, 5), (1, 4), (5, 0), (5, -1), (0, -1), (4, -4), (2**63, 1), (2**100, 0), (b"N", 2), (0, b"N"), (b"\x88", 2),
        (b"G" + bytes(8), 2), (text("1"), 2),
    )),
    *((f"a piece that is {each!r}", tensor_of(storage("0", "FloatStorage", 4, each), 0, (0,))) for each in (
        b"\x88", b"]", b")", b"K\1", text("abc"), many(text("9")), many(b"K\1", b"K\1", b"K\1"), numbers([1] * 3), many(*[b"N"] * 3),
        many(text("9"), b"K\1", b"K\1", b"K\1"), tensor_of(whole()),
    )),
    ("a whole module", many(text("module"), name("torch.nn.modules.linear", "Linear"), text("linear.py"), text("code")) + b"Q)\x81}b"),
    ("a module that is none", many(text("module"), name("collections", "OrderedDict"), b"N", b"N") + b"Q"),
    ("a module that is a string", many(text("module"), text("os"), b"N", b"N") + b"Q"),
    *((f"a parameter's state {state!r:.60}", name("torch.nn.parameter", "Parameter") + many(tensor_of(whole())) + b"R" + state + b"b")
      for state in (
        b"N", b"}", b")", b"]", b"K\1", numbers([1, 1, 1]), many(b"\x88"), many(b"N", b"\x89", b"N"), many(b"\x88", b"\x89", b"](K\1e"),
        many(b"\x88", b"\x89", name("os", "system")), many(text("x"), b"N", b"N", b"\x88", b"\x89"), many(*[b"N"] * 5),
        many(whole(), b"N", b"N", b"\x88", b"\x89"), many(whole(), b"K\0", numbers([4]), numbers([1])),
        many(tensor_of(whole("0", "IntStorage")), b"N", b"N", b"\x88", b"\x89"), tensor_of(whole(), 0, (2**40,), (0,)),
    )),
    ("a parameter of numbers", name("torch.nn.parameter", "Parameter") + many(b"K\1") + b"R"),
    ("a parameter of integers", parameter(tensor_of(whole("0", "IntStorage")), b"\x88", b"\x89", b"N")),
    ("a string that is no UTF-8", b"U\1\xff"),
    ("a string that ends early", b"T\xff\xff\xff\x7f"),
]  # fmt: skip


def storages_of(program: bytes) -> dict[str, np.ndarray]:
    """Return what a file of a program must have, so that nothing but the program is wrong with it."""
    return {"0": FLOATS} if text("storage") in program else {}


def built_legacy() -> Iterator[Case]:
    for part, program in HEADERS:
        content = legacy_file(tensor_of(whole()), **{part: program})
        yield Case("built", content, "error", f"{part} {program!r:.60}")
    for what, program in NAMED:
        yield Case("built", legacy_file(dictionary(x=program), storages_of(program)), "error", what)
    for program in map(then, pt.calls("PWNED")):
        yield Case(
            "built", legacy_file(dictionary(a=program), storages_of(program)), "error", f"a call {program[:60]!r}"
        )
    for program in map(then, pt.bombs()):
        yield Case("built", legacy_file(program, storages_of(program)), "error", f"a bomb {program[:60]!r}")
    for what, program in pt.STORED:
        program = dictionary(x=then(program))
        yield Case("built", legacy_file(program, storages_of(program)), "error", what)
    for program in pt.MALFORMED:
        content = legacy_file(b"N", {})
        yield Case("built", content.replace(b"\x80\2N.", program), "error", f"malformed {program!r:.60}")
    for code in range(256):  # every opcode on a stack of plain values
        program = b"](K\1}N)" + bytes([code]) + b"\1\0\0\0\0\0\0\0\n\n"
        yield Case("built", legacy_file(program, {}), "any", f"opcode {code}")
    many_large = b"](" + b"".join(tensor_of(whole(str(i), "ByteStorage", 1 << 20), 0, (1,)) for i in range(1000)) + b"e"
    yield Case("built", legacy_file(many_large, {"0": np.zeros(1 << 20, np.uint8)}), "error", "storages of a gigabyte")
    for content in (
        b"\x80",
        b"\x80\2",
        b"\x80\2N.",
        b"\x80\4\x95",
        b"\x80\2c" + b"a" * 100000,
        b"\x80\2" + b"N" * 100000 + b".",
    ):
        yield Case("built", content, "error", f"a pickle {content[:60]!r}")
    for little in (b"\x89", b"N", b"K\1"):
        content = legacy_file(tensor_of(whole()), machine=machine(little))
        yield Case("built", content, "any", f"little_endian is {little!r}")
