"""`.npz` files: hostile outlines and headers of arrays."""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np

import autograd
from autograd import Tensor, tensor
from tests.hostile.archives import Case, archive, hostile_archives


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
