"""PyTorch's files, put together opcode by opcode: pickles that call, that blow up, and that lie about storages."""

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.hostile.archives import Case, archive, entries_of, hostile_archives


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


def storage(key: str = "0", kind: str = "FloatStorage", count: int | bytes = 4, *more: bytes) -> bytes:
    """Return the opcodes that push a storage; `more` is what files of before PyTorch 1.6 say of it, too."""
    number = count if isinstance(count, bytes) else integer(count)
    return many(text("storage"), name("torch", kind), text(key), text("cpu"), number, *more) + b"Q"


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


def good_state() -> bytes:
    """Return the opcodes that push a state with shared and strided tensors."""
    first, again = storage() + b"q\1", b"h\1"
    return dictionary(
        weight=tensor_of(first),
        part=tensor_of(again, 1, (2,), (2,)),
        square=tensor_of(again, 0, (2, 2), (1, 2)),
        steps=tensor_of(storage("1", "LongStorage", 1), 0, (), ()),
        mask=tensor_of(storage("2", "BoolStorage", 3), 0, (3,), (1,)),
        brain=tensor_of(storage("3", "BFloat16Storage", 2), 0, (2,), (1,)),
    )


def good_optimizer() -> bytes:
    """Return the opcodes that push the state of an optimiser."""
    group = dictionary(lr=b"G" + struct.pack(">d", 0.1), params=b"](K\0K\1e", nesterov=b"\x89", note=b"N")
    return dictionary(param_groups=b"](" + group + b"e")


GOOD_STORAGES = {
    "0": np.arange(4, dtype=np.float32),
    "1": np.array([9]),
    "2": np.array([True, False, True]),
    "3": np.array([0x3F80, 0xC040], np.uint16),
}


def good_pt() -> bytes:
    """Return a checkpoint: a state, an optimiser's, and a number."""
    program = dictionary(model=good_state(), optimizer=good_optimizer(), epoch=b"K\7")
    return torch_file(program, {key: each.tobytes() for key, each in GOOD_STORAGES.items()})


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
    yield b"]q\1h\1a"  # holds itself
    yield b"}q\1" + text("k") + b"h\1s"
    yield b"(K\1" + b"\x85" * 100000 + b"t"
    yield b"]" + b"q\0](h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0e" * 30  # ten times itself, thirty times over
    yield b")" + b"q\0(h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0t" * 30
    yield b"}" + b"K\1" + b"q\0h\0\x86" * 60 + b"K\1s"  # a key whose hash takes 2⁶⁰ steps
    yield b"}(" + b"".join(integer(i * (2**61 - 1)) + b"N" for i in range(30000)) + b"u"  # keys of one hash
    yield b"\x8f(" + b"".join(integer(i * (2**61 - 1)) for i in range(30000)) + b"\x90"
    laughs = b")q\0" + b"0(h\0h\0h\0h\0h\0h\0h\0h\0h\0h\0tq\0" * 30
    for module, attribute in (
        ("torch", "device"),
        ("numpy", "dtype"),
        ("torch", "Size"),
        ("collections", "OrderedDict"),
    ):
        yield name(module, attribute) + many(laughs) + b"R"  # a message must not spell them out
    yield laughs + b"Q"
    yield laughs + b")R"
    yield b"}" + laughs + b"NsN" + laughs + b"b"
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
    yield scalar + tensor_of(storage(), 0, (2**40,), (0,)) + b"b"  # a state with so many parts


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
        yield Case("built", torch_file(program), "error", f"a bomb {program[:60]!r}")
    for what, program in STORED:
        yield Case("built", torch_file(dictionary(x=program)), "error", what)
    for program in MALFORMED:
        yield Case("built", torch_file(program, raw=True), "error", f"malformed {program!r:.60}")
    for code in range(256):  # every opcode on a stack of plain values
        yield Case("built", torch_file(b"](K\1}N)" + bytes([code]) + b"\1\0\0\0\0\0\0\0\n\n"), "any", f"opcode {code}")
    yield Case("built", torch_file(b"N").replace(b"little", b"middle"), "error", "another byte order")
    entries = entries_of(good_pt())
    yield Case("built", archive([*entries, ("y/data.pkl", b"\x80\2N.")]), "error", "two pickles")
    yield Case("built", archive([*entries, ("x/constants.pkl", b"")]), "error", "a program")
    yield Case("built", archive([(each[2:], content) for each, content in entries]), "error", "no folder")
    yield from hostile_archives(good_pt(), "x/data/0")
