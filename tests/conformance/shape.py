"""Rows of shapes, views, parts and joining."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.call import Arr, DType
from tests.conformance.draw import ALL, FLOATS, Draw
from tests.conformance.runner import Row


def factored(d: Draw, size: int) -> tuple[int, ...]:
    """Return sizes whose product is `size`, one of them perhaps -1; now and then others."""
    if d.chance(0.05):
        return d.choice((3, -2), (-1, -1), (size + 1,), (0, -1))
    sizes: list[int] = []
    rest = size
    while rest > 1 and len(sizes) < 3:
        factor = d.choice(*[n for n in range(1, rest + 1) if rest % n == 0])
        sizes.append(factor)
        rest //= factor
    sizes.append(rest)
    if d.chance(0.3):
        sizes.insert(d.integer(0, len(sizes)), 1)
    if size and d.chance(0.4):
        sizes[d.integer(0, len(sizes) - 1)] = -1
    return () if size == 1 and d.chance(0.2) else tuple(sizes)


def reshaped(name: str) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        x = d.tensor()
        return {"input": x, name: factored(d, x.array.size)}

    return draw


def viewed(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    if d.chance(0.1):
        return {"self": x, "dtype": DType(d.choice("int64", "float64", "int32", "float32", "uint8"))}
    return {"self": x, "size": factored(d, x.array.size)}


def like(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    sizes = tuple(abs(n) for n in factored(d, x.array.size))
    return {"self": x, "other": Arr(np.zeros(sizes))}


def flatten(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(0, 4))
    n = x.array.ndim
    return {"input": x} | d.some(start_dim=lambda: d.dim(n), end_dim=lambda: d.dim(n))


def unflatten(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1, 3))
    dim = d.dim(x.array.ndim, wrong=0.02)
    size = x.array.shape[dim] if -x.array.ndim <= dim < x.array.ndim else 1
    return {"input": x, "dim": dim, "sizes": factored(d, size)}


def squeeze(d: Draw) -> dict[str, Any]:
    x = d.tensor(tuple(d.choice(1, 1, 2, 3) for _ in range(d.integer(0, 4))))
    if d.chance(0.3):
        return {"input": x}
    n = x.array.ndim
    return {"input": x, "dim": d.choice(d.dim(n), d.dim(n), tuple(d.dims(n)), list(d.dims(n)))}


def unsqueeze(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    return {"input": x, "dim": d.dim(x.array.ndim + 1)}


def two_dims(a: str, b: str) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        x = d.tensor()
        return {"input": x, a: d.dim(x.array.ndim), b: d.dim(x.array.ndim)}

    return draw


def permute(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(0, 4))
    dims = d.dims(x.array.ndim, x.array.ndim)
    if dims and d.chance(0.05):
        dims = dims[1:] if d.chance(0.5) else [dims[0], *dims[:-1]]
    return {"input": x, "dims": d.choice(tuple, list)(dims)}


def moved(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(0, 4))
    n = x.array.ndim
    if d.chance(0.5):
        return {"input": x, "source": d.dim(n), "destination": d.dim(n)}
    a, b = d.dims(n), d.dims(n)
    k = min(len(a), len(b)) if d.chance(0.95) else len(a)
    return {"input": x, "source": tuple(a[:k]), "destination": tuple(b[: min(k, len(b))])}


def small(d: Draw) -> dict[str, Any]:
    return {"input": d.tensor(d.shape(0, 3 if d.chance(0.05) else 2))}


def attribute(d: Draw) -> dict[str, Any]:
    return {"self": d.tensor(d.shape(2, 3) if d.chance(0.8) else d.shape(0, 1))}


def expanded(d: Draw) -> tuple[Arr, tuple[int, ...]]:
    shape = d.shape()
    x = d.tensor(d.shrunk(shape))
    if d.chance(0.05):
        shape = d.shape()
    return x, shape


def expand(d: Draw) -> dict[str, Any]:
    x, shape = expanded(d)
    kept = len(shape) - x.array.ndim
    sizes = tuple(-1 if i >= kept >= 0 and x.array.shape[i - kept] == n and d.chance(0.3) else n
                  for i, n in enumerate(shape))  # fmt: skip
    return {"self": x, "size": sizes}


def repeat(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    n = x.array.ndim + d.choice(0, 0, 1, -1 if d.chance(0.1) else 0)
    return {"self": x, "repeats": tuple(d.integer(0 if d.chance(0.2) else 1, 3) for _ in range(max(n, 0)))}


def repeat_interleave(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    dim = d.dim(x.array.ndim, wrong=0.02) if d.chance(0.7) else None
    size = (
        x.array.size
        if dim is None
        else (x.array.shape[dim] if x.array.ndim and abs(dim) <= x.array.ndim - (dim >= 0) else 1)
    )
    repeats: Any = d.integer(0, 3)
    if d.chance(0.5):
        repeats = d.indices((size,) if d.chance(0.8) else (1,), 4)
    given: dict[str, Any] = {"input": x, "repeats": repeats} | ({} if dim is None else {"dim": dim})
    if isinstance(repeats, Arr) and repeats.array.shape == (size,) and d.chance(0.3):
        given["output_size"] = int(repeats.array.sum())
    return given


def joined(d: Draw) -> dict[str, Any]:
    shape = d.shape(1, 3)
    n = len(shape)
    dim = d.dim(n, wrong=0.02)
    axis = dim % n if -n <= dim < n else 0
    dtypes = d.choice(ALL, FLOATS, ("float64",))

    def part(first: bool) -> Arr:
        sizes = list(shape)
        sizes[axis] = d.integer(0, 3)
        if d.chance(0.02):
            sizes[-1] += 1
        return d.tensor(tuple(sizes) if first or d.chance(0.97) else (0,), dtypes)

    parts = [part(i == 0) for i in range(d.integer(1, 3))]
    return {"tensors": d.choice(list, tuple)(parts)} | ({"dim": dim} if dim not in (0, -n) or d.chance(0.7) else {})


def stacked(d: Draw) -> dict[str, Any]:
    shape = d.shape(0, 2)
    dtypes = d.choice(ALL, FLOATS)
    parts = [
        d.tensor(shape if d.chance(0.98) else d.shape(), dtypes)
        for _ in range(d.integer(0 if d.chance(0.05) else 1, 3))
    ]
    return {"tensors": d.choice(list, tuple)(parts)} | d.some(dim=lambda: d.dim(len(shape) + 1, wrong=0.0))


def split(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1 if d.chance(0.95) else 0, 3))
    dim = d.dim(x.array.ndim, wrong=0.02) if d.chance(0.7) else 0
    size = x.array.shape[dim] if x.array.ndim and -x.array.ndim <= dim < x.array.ndim else 1
    pieces: Any = d.integer(0 if d.chance(0.05) else 1, max(size, 1) + 1)
    if d.chance(0.4):
        first = d.integer(0, size)
        pieces = [first, size - first + (1 if d.chance(0.05) else 0)]
    return {"tensor": x, "split_size_or_sections": pieces} | ({"dim": dim} if dim or d.chance(0.5) else {})


def split_method(d: Draw) -> dict[str, Any]:
    given = split(d)
    return {"self": given.pop("tensor"), "split_size": given.pop("split_size_or_sections")} | given


def with_sizes(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1, 3))
    dim = d.dim(x.array.ndim, wrong=0.02)
    size = x.array.shape[dim] if -x.array.ndim <= dim < x.array.ndim else 1
    first = d.integer(0, size)
    return {"input": x, "split_sizes": [first, size - first + (d.chance(0.05))], "dim": dim}


def chunk(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1, 3, empty=0.05))
    return {"input": x, "chunks": d.integer(0 if d.chance(0.05) else 1, 5)} | d.some(dim=lambda: d.dim(x.array.ndim))


def unbind(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1 if d.chance(0.95) else 0, 3))
    return {"input": x} | d.some(dim=lambda: d.dim(x.array.ndim))


def flip(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    return {"input": x, "dims": d.choice(tuple, list)(d.dims(x.array.ndim) if d.chance(0.95) else [0, 0])}


def roll(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    if d.chance(0.3) or not x.array.ndim:
        return {"input": x, "shifts": d.integer(-4, 4)}
    dims = d.dims(x.array.ndim, 1)
    shifts = tuple(d.integer(-4, 4) for _ in dims)
    if len(dims) == 1 and d.chance(0.5):
        return {"input": x, "shifts": shifts[0], "dims": dims[0]}
    return {"input": x, "shifts": shifts, "dims": tuple(dims) if d.chance(0.95) else tuple(dims[1:])}


def select(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1 if d.chance(0.95) else 0, 3))
    dim = d.dim(x.array.ndim)
    size = x.array.shape[dim] if x.array.ndim and -x.array.ndim <= dim < x.array.ndim else 1
    return {"input": x, "dim": dim, "index": d.integer(-size - d.chance(0.05), max(size - 1, 0))}


def narrow(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(1 if d.chance(0.95) else 0, 3))
    dim = d.dim(x.array.ndim)
    size = x.array.shape[dim] if x.array.ndim and -x.array.ndim <= dim < x.array.ndim else 1
    start = d.integer(-size if d.chance(0.3) else 0, size)
    from_front = start + size if start < 0 else start
    length = d.integer(0, max(size - from_front, 0) + d.chance(0.05))
    return {"input": x, "dim": dim, "start": Arr(np.array(start)) if d.chance(0.1) else start, "length": length}


def triangle(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(2 if d.chance(0.97) else 0, 4))
    return {"input": x} | d.some(diagonal=lambda: d.integer(-3, 3))


def grid(d: Draw) -> dict[str, Any]:
    dtypes = d.choice(FLOATS[:1], ("int64",))
    parts = [d.tensor(d.shape(0, 1), dtypes) for _ in range(d.integer(1, 3))]
    return {"tensors": parts if d.chance(0.5) else tuple(parts)} | d.some(indexing=lambda: d.choice("ij", "xy"))


def diagonal(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(2 if d.chance(0.95) else 1, 4))
    n = x.array.ndim
    dims = [*d.dims(n, n), 0, 0][:2]
    given: dict[str, Any] = {"input": x} | d.some(offset=lambda: d.integer(-3, 3))
    return given | (dict(zip(("dim1", "dim2"), dims, strict=True)) if d.chance(0.6) else {})


def one(d: Draw) -> dict[str, Any]:
    return {"input": d.tensor()}


ROWS = [
    Row("reshape", reshaped("shape"), splat="shape"),
    Row("view", viewed, splat="size"),
    Row("view_as", like),
    Row("reshape_as", like),
    Row("flatten", flatten),
    Row("unflatten", unflatten),
    Row("squeeze", squeeze),
    Row("unsqueeze", unsqueeze),
    Row("transpose", two_dims("dim0", "dim1")),
    Row("swapaxes", two_dims("axis0", "axis1"), samples=0.3),
    Row("swapdims", two_dims("dim0", "dim1"), samples=0.3),
    Row("permute", permute, splat="dims"),
    Row("t", small),
    Row("T", attribute, forms=("attribute",)),
    Row("mT", attribute, forms=("attribute",)),
    Row("movedim", moved),
    Row("expand", expand, splat="size"),
    Row("expand_as", lambda d: {"self": expand(d)["self"], "other": d.tensor()}),
    Row("broadcast_to", lambda d: dict(zip(("input", "size"), expanded(d), strict=True))),
    Row("repeat", repeat, splat="repeats"),
    Row("repeat_interleave", repeat_interleave, keyword=("output_size",)),
    Row("contiguous", one),
    Row("clone", one),
    Row("cat", joined),
    Row("concat", joined, samples=0.3),
    Row("stack", stacked),
    Row("split", split, forms=("function",)),
    Row("split", split_method, forms=("method",), label="method"),
    Row("split_with_sizes", with_sizes),
    Row("chunk", chunk),
    Row("unbind", unbind),
    Row("flip", flip, splat="dims"),
    Row("roll", roll),
    Row("select", select),
    Row("narrow", narrow),
    Row("tril", triangle),
    Row("triu", triangle),
    Row("meshgrid", grid, splat="tensors", splat_function=True, keyword=("indexing",)),
    Row("diagonal", diagonal),
]
