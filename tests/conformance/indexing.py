"""Rows of indexing: x[index] and x[index] = value, and the functions that gather and scatter."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.call import Arr
from tests.conformance.draw import ALL, FLOATS, NUMBERS, Draw, Shape
from tests.conformance.runner import Row


def cut(d: Draw, size: int) -> slice:
    """Return a slice of a dimension, its ends perhaps beyond it."""
    ends = [d.choice(None, d.integer(-size - 1, size + 1)) for _ in range(2)]
    return slice(*ends, d.choice(None, None, 1, 2, 3, -1 if d.chance(0.03) else 1))


def positions(d: Draw, size: int, shape: Shape) -> Any:
    """Return an index array, as a tensor, an array, a list or a range."""
    if not size:
        shape = (0,)
    if d.chance(0.03):
        size += 1
    tensor = d.indices(shape, size, d.choice("int64", "int64", "int32"), negative=True)
    kind = d.choice("tensor", "tensor", "array", "list", "range")
    if kind == "range" and len(shape) == 1 and size >= shape[0]:
        return range(shape[0])
    if kind == "list" and tensor.array.size:
        return tensor.array.tolist()
    return tensor.array if kind == "array" else tensor


def mask(d: Draw, shape: Shape) -> Any:
    """Return a mask over some dimensions."""
    sizes = tuple(n + 1 for n in shape) if d.chance(0.03) else shape
    array = d.array(sizes, "bool")
    return d.choice(Arr(array), array if array.ndim else Arr(array))


def index_of(d: Draw, shape: Shape) -> Any:
    """Return an index of a tensor of `shape`: any mixture of everything there is."""
    common = d.shape(1, 2, empty=0.05, most=3)
    items: list[Any] = []
    source, advanced, ellipsis = 0, d.chance(0.6), False
    while source < len(shape) and not (len(items) > 0 and d.chance(0.2)):
        size = shape[source]
        kind = d.choice("int", "slice", "slice", "none", "ellipsis", "array", "array", "mask", "0-d")
        if kind == "ellipsis" and not ellipsis and d.chance(0.5):
            ellipsis = True
            items.append(Ellipsis)
            source += d.integer(0, len(shape) - source)
            continue
        if kind == "none":
            items.append(None)
            continue
        taken = 1
        if kind == "mask" and advanced:
            taken = d.integer(0 if d.chance(0.1) else 1, len(shape) - source)
            items.append(mask(d, shape[source : source + taken]))
        elif kind == "array" and advanced:
            items.append(positions(d, size, common if d.chance(0.8) else (1,)))
        elif kind == "0-d" and size:
            items.append(d.indices((), size, negative=True))
        elif kind == "int" and size:
            items.append(d.integer(-size - d.chance(0.03), size - 1))
        else:
            items.append(cut(d, size))
        source += taken
    if d.chance(0.02):
        items += [0, 0, 0, 0]
    return items[0] if len(items) == 1 and d.chance(0.7) and not isinstance(items[0], list) else tuple(items)


def getting(d: Draw) -> dict[str, Any]:
    x = d.tensor(d.shape(0, 4))
    return {"self": x, "index": index_of(d, x.array.shape)}


def plain(index: Any) -> Any:
    """Return an index as NumPy takes it."""
    if isinstance(index, tuple):
        return tuple(plain(item) for item in index)
    return index.array if isinstance(index, Arr) else list(index) if isinstance(index, range) else index


def setting(d: Draw) -> dict[str, Any]:
    shape = d.shape(0, 4)
    x = d.tensor(shape, layout=False)
    index = index_of(d, shape)
    if d.chance(0.25):
        return {"self": x, "index": index, "value": d.scalar()}
    try:
        target = np.empty(shape)[plain(index)].shape
    except (IndexError, ValueError):
        target = ()
    # Where positions occur twice, which value stays is not defined: equal values.
    value = d.tensor(
        d.shrunk(target) if d.chance(0.95) else d.shape(), FLOATS if x.array.dtype.kind == "f" else NUMBERS
    )
    if repeats(shape, index):
        value = Arr(np.full(value.array.shape, value.array.flat[0] if value.array.size else 0, value.array.dtype))
    return {"self": x, "index": index, "value": value if d.chance(0.9) or value.requires_grad else value.array}


def repeats(shape: Shape, index: Any) -> bool:
    """Return whether an index has a position twice."""
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    try:
        found = numbers[plain(index)]
    except (IndexError, ValueError):
        return True
    return len(np.unique(found)) != np.size(found)


def adding(d: Draw) -> dict[str, Any]:
    given = setting(d)
    return given if not isinstance(given["value"], np.ndarray) else given | {"value": 2.0}


def set_item(x: Any, index: Any, value: Any) -> Any:
    """x[index] = value; return x."""
    x[index] = value
    return x


def add_item(x: Any, index: Any, value: Any) -> Any:
    """x[index] += value; return x."""
    x[index] += value
    return x


def set_in_view(x: Any, index: Any, value: Any) -> Any:
    """Write into a view of a view, which its base and the views see."""
    view = x.unsqueeze(0).transpose(0, -1)
    other = x[...]
    view.transpose(0, -1).squeeze(0)[index] = value
    return x, view * 1, other * 2


def along(d: Draw, shape: Shape) -> tuple[int, int, int]:
    """Return a dim as given, counted from the front, and its size."""
    dim = d.dim(len(shape), wrong=0.02)
    axis = dim % len(shape) if shape and -len(shape) <= dim < len(shape) else 0
    return dim, axis, shape[axis] if shape else 1


def index_select(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    dim, _, size = along(d, x.array.shape)
    index = d.indices(
        d.shape(0, 1), size + d.chance(0.03), d.choice("int64", "int64", "int32", "int16" if d.chance(0.2) else "int64")
    )
    return {"input": x, "dim": dim, "index": index}


def gather(d: Draw) -> dict[str, Any]:
    x = d.tensor()
    dim, axis, size = along(d, x.array.shape)
    sizes = [d.integer(0 if d.chance(0.1) else 1, n + (i == axis)) if n else 0 for i, n in enumerate(x.array.shape)]
    if d.chance(0.03):
        sizes = [*sizes, 1]
    index = d.indices(tuple(sizes), size + d.chance(0.03))
    return {"input": x, "dim": dim, "index": index}


def scattered(d: Draw, distinct: bool) -> tuple[Arr, int, Arr, Arr]:
    """Return a tensor, a dim, positions along it and values for them."""
    x = d.tensor(layout=False)
    shape = x.array.shape
    dim, axis, size = along(d, shape)
    sizes = [d.integer(1, n) if n else 0 for n in shape]
    index = d.indices(tuple(sizes), size + d.chance(0.03))
    if distinct and shape:  # where positions occur twice, which value stays is not defined
        order = np.stack([d.rng.permutation(size) for _ in range(max(1, int(np.prod(sizes)) // max(sizes[axis], 1)))])
        rest = [n for i, n in enumerate(sizes) if i != axis]
        index = (
            Arr(np.moveaxis(order[:, : sizes[axis]].reshape(*rest, sizes[axis]), -1, axis).astype(np.int64))
            if index.array.size
            else index
        )
    dtypes = (str(x.array.dtype),) if d.chance(0.97) else ALL
    source = d.tensor(tuple(n + d.integer(0, 1) for n in sizes), dtypes)
    return x, dim, index, source


def scatter(d: Draw) -> dict[str, Any]:
    reduce = d.chance(0.15)
    x, dim, index, source = scattered(d, distinct=not reduce)
    if reduce:
        plain_x, plain_source = Arr(x.array), Arr(source.array)
        value: Any = plain_source if d.chance(0.7) else d.integer(1, 3)
        return {"input": plain_x, "dim": dim, "index": index, "src" if isinstance(value, Arr) else "value": value,
                "reduce": d.choice("add", "multiply")}  # fmt: skip
    if d.chance(0.3):
        return {"input": x, "dim": dim, "index": index, "value": d.scalar()}
    return {"input": x, "dim": dim, "index": index, "src": source}


def scatter_add(d: Draw) -> dict[str, Any]:
    return dict(zip(("input", "dim", "index", "src"), scattered(d, distinct=False), strict=True))


def index_add(d: Draw) -> dict[str, Any]:
    x = d.tensor(layout=False)
    dim, axis, size = along(d, x.array.shape)
    index = d.indices((d.integer(0, 4),), size + d.chance(0.03), d.choice("int64", "int32"))
    sizes = list(x.array.shape)
    if sizes:
        sizes[axis] = index.array.size
    elif index.array.size != 1:
        index = Arr(np.zeros(1, np.int64))
    source = d.tensor(tuple(sizes), (str(x.array.dtype),) if d.chance(0.97) else ALL)
    return {"input": x, "dim": dim, "index": index, "source": source} | d.some(alpha=lambda: d.choice(2, -1, 0.5))


def masked_select(d: Draw) -> dict[str, Any]:
    shape = d.shape()
    return {"input": d.tensor(d.shrunk(shape)), "mask": d.tensor(d.shrunk(shape), ("bool",) if d.chance(0.95) else ALL)}


def nonzero(d: Draw) -> dict[str, Any]:
    return {"input": d.tensor(ties=True)} | d.some(as_tuple=lambda: d.chance(0.6))


def custom(name: str, function: Callable[..., Any], draw: Callable[[Draw], dict[str, Any]], **more: Any) -> Row:
    return Row(name, draw, forms=("in-place operator",), function=function, by_position=True, **more)


ROWS = [
    Row("__getitem__", getting, forms=("operator",), samples=10),
    custom("__setitem__", set_item, setting, samples=10),
    custom("__getitem__, __iadd__, __setitem__", add_item, adding, samples=4),
    custom("__setitem__ of a view of a view", set_in_view, adding, samples=4),
    Row("index_select", index_select),
    Row("gather", gather),
    Row("masked_select", masked_select),
    Row("scatter", scatter, keyword=("reduce",)),
    Row("scatter_add", scatter_add),
    Row("index_add", index_add, keyword=("alpha",)),
    Row("nonzero", nonzero, keyword=("as_tuple",)),
]
