"""safetensors files with hostile headers."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from tests.hostile.archives import Case


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
        yield Case("built", safe(header), "error", f"the header {header!r:.100}")
    for content in (b"", bytes(8), bytes(9), b"{" * 9, b"\xff" * 100, safe({}), safe(one(), b"")):
        yield Case("built", content, "error", f"content {content!r:.60}")
