"""Rows of reductions, scans and order."""

from collections.abc import Callable
from typing import Any

from tests.conformance.call import Arr, DType
from tests.conformance.draw import ALL, FLOATS, NUMBERS, Draw
from tests.conformance.runner import Row

TYPES = tuple(map(DType, ("float64", "float32", "int64", "int32")))


def dims_of(d: Draw, x: Arr) -> Any:
    """Return one dim, several, none of them, or None."""
    ndim = x.array.ndim
    several = tuple(d.dims(ndim))
    return d.choice(d.dim(ndim), d.dim(ndim), several, list(several), None)


def reduced(dtypes: tuple[str, ...] = ALL, **more: Any) -> Callable[[Draw], dict[str, Any]]:
    """Draw a tensor, and perhaps one dim or several."""

    def draw(d: Draw) -> dict[str, Any]:
        x = d.tensor(dtypes=dtypes)
        if d.chance(0.25):
            return {"input": x} | d.some(**more)
        return {"input": x, "dim": dims_of(d, x)} | d.some(keepdim=lambda: d.chance(0.6)) | d.some(**more)

    return draw


def typed(d: Draw) -> dict[str, Any]:
    return reduced()(d) | ({"dtype": d.choice(*TYPES)} if d.chance(0.3) else {})


def product(d: Draw) -> dict[str, Any]:
    x = d.tensor(special=0.0)
    given = {"input": x} if d.chance(0.3) else {"input": x, "dim": d.dim(x.array.ndim)} | d.some(keepdim=True)
    return given | ({"dtype": d.choice(*TYPES)} if d.chance(0.3) else {})


def along(dtypes: tuple[str, ...] = ALL, ties: float = 0.5) -> Callable[[Draw], dict[str, Any]]:
    """Draw a tensor, and perhaps one dim."""

    def draw(d: Draw) -> dict[str, Any]:
        x = d.tensor(dtypes=dtypes, ties=d.chance(ties))
        if d.chance(0.3):
            return {"input": x}
        return {"input": x, "dim": d.dim(x.array.ndim)} | d.some(keepdim=lambda: d.chance(0.6))

    return draw


def extreme(d: Draw) -> dict[str, Any]:
    if d.chance(0.25):
        x, y = d.pair(ties=True)
        return {"input": x, "other": y if isinstance(y, Arr) else d.tensor(())}
    return along(special_free(d))(d)


def special_free(d: Draw) -> tuple[str, ...]:
    return d.choice(ALL, FLOATS)


def several(d: Draw) -> dict[str, Any]:
    x = d.tensor(ties=d.chance(0.5))
    if d.chance(0.2):
        return {"input": x}
    dims = tuple(d.dims(x.array.ndim))
    return {"input": x, "dim": d.choice(d.dim(x.array.ndim), dims, list(dims))} | d.some(keepdim=lambda: d.chance(0.6))


def deviation(d: Draw) -> dict[str, Any]:
    x = d.tensor(dtypes=FLOATS if d.chance(0.9) else NUMBERS)
    form = d.choice("plain", "old", "old dim", "new", "new", "new")
    if form == "plain":
        return {"input": x}
    if form == "old":
        return {"input": x, "unbiased": d.chance(0.5)}
    given = {"input": x, "dim": dims_of(d, x) or None}  # of () PyTorch's gradient divides by zero
    if form == "old dim":
        return given | {"unbiased": d.chance(0.5)} | d.some(keepdim=True)
    return given | d.some(correction=lambda: d.choice(0, 1, 2, 0.5), keepdim=True)


def norm(d: Draw) -> dict[str, Any]:
    x = d.tensor(dtypes=FLOATS if d.chance(0.9) else NUMBERS, special=0.0)
    p = d.choice(2, 1, 0, 3, float("inf"), -float("inf"), 1.5, "fro")
    if d.chance(0.3):
        return {"input": x} | ({"p": p} if d.chance(0.7) else {})
    return {"input": x, "p": p, "dim": dims_of(d, x)} | d.some(keepdim=True, dtype=lambda: DType("float64"))


def vector_norm(d: Draw) -> dict[str, Any]:
    x = d.tensor(dtypes=FLOATS if d.chance(0.9) else NUMBERS, special=0.0)
    order = d.choice(2, 1, 0, 3, float("inf"), -float("inf"), 1.5, 0.5, -1)
    given = {"x": x, "ord": order} if d.chance(0.8) else {"x": x}
    return (
        given
        | ({"dim": dims_of(d, x)} if d.chance(0.6) else {})
        | d.some(keepdim=True, dtype=lambda: DType(d.choice("float64", "float32")))
    )


def scan(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    return {"input": x, "dim": d.dim(x.array.ndim)} | d.some(dtype=lambda: d.choice(*TYPES))


def ordering(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    stable = d.chance(0.4)
    x = d.tensor(shape, ties=True) if stable else d.distinct(shape, ("float64", "float32", "int64"))
    more = {"dim": d.dim(x.array.ndim)} if d.chance(0.7) else {}
    more |= d.some(descending=lambda: d.chance(0.6))
    return {"input": x} | more | ({"stable": True} if stable else {})


def topk(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    x = d.distinct(shape, ("float64", "float32", "int64"))
    dim = d.dim(len(shape), wrong=0.02)
    size = shape[dim] if shape and -len(shape) <= dim < len(shape) else 1
    k = d.integer(0, size + d.chance(0.05))
    given: dict[str, Any] = {"input": x, "k": k, "dim": dim}
    if d.chance(0.2):
        given = {"input": x, "k": min(k, shape[-1] if shape else 1)}
    return given | d.some(largest=lambda: d.chance(0.5)) | ({"sorted": True} if d.chance(0.4) else {})


def logsumexp(d: Draw) -> dict[str, Any]:
    x = d.tensor(dtypes=ALL)
    dims = tuple(d.dims(x.array.ndim, 1)) or 0  # of () PyTorch's forgets the sum
    return {"input": x, "dim": d.choice(d.dim(x.array.ndim), dims)} | d.some(keepdim=lambda: d.chance(0.6))


def softmax(d: Draw) -> dict[str, Any]:
    x = d.tensor(dtypes=FLOATS if d.chance(0.9) else NUMBERS)
    return {"input": x, "dim": d.dim(x.array.ndim)} | d.some(dtype=lambda: DType(d.choice("float64", "float32")))


ROWS = [
    Row("sum", typed, keyword=("dtype",)),
    Row("mean", typed, keyword=("dtype",)),
    Row("prod", product, keyword=("dtype",)),
    Row("var", deviation, keyword=("correction",)),
    Row("std", deviation, keyword=("correction",)),
    Row("var_mean", deviation, keyword=("correction",)),
    Row("std_mean", deviation, keyword=("correction",)),
    Row("max", extreme),
    Row("min", extreme),
    Row("amax", several),
    Row("amin", several),
    Row("argmax", along()),
    Row("argmin", along()),
    Row("all", reduced()),
    Row("any", reduced()),
    Row("norm", norm, keyword=("dtype",)),
    Row("logsumexp", logsumexp),
    Row("linalg.vector_norm", vector_norm, keyword=("dtype",)),
    Row("cumsum", scan, keyword=("dtype",)),
    Row("softmax", softmax),
    Row("log_softmax", softmax),
    Row("sort", ordering, keyword=("stable",)),
    Row("argsort", ordering, keyword=("stable",)),
    Row("topk", topk),
]
