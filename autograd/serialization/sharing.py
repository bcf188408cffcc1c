"""Which arrays to be saved share memory, so that they do when they are loaded.

Arrays whose addresses overlap belong together. One that stands alone is written as it is, however large the memory it
is a view of. Equal views of one piece of memory are written once. Different views (`x` and `x[2:]`), and arrays whose
own elements share memory (`x.expand(...)`), are written as that memory and, in the outline, where each lies in it.
"""

import ctypes
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.array_utils import byte_bounds


class Item(NamedTuple):
    """An array to be saved, its name in the file, and its place in the outline, still without the array's name."""

    array: np.ndarray
    name: str
    tag: str
    spec: dict[str, Any]


def place(items: list[Item], arrays: dict[str, np.ndarray]) -> None:
    """Add to `arrays` what must be written, and to every item's spec where its elements are."""
    low: list[tuple[int, int, Item]] = []
    for item in items:
        if item.array.size:
            low.append((*byte_bounds(item.array), item))
        else:
            _alone(item, arrays)
    low.sort(key=lambda each: each[:2])
    group: list[Item] = []
    begin = end = 0
    for first, last, item in low:
        if group and first >= end:
            _place_group(group, begin, end, arrays)
            group = []
        begin, end = (begin, max(end, last)) if group else (first, last)
        group.append(item)
    if group:
        _place_group(group, begin, end, arrays)


def _place_group(group: list[Item], begin: int, end: int, arrays: dict[str, np.ndarray]) -> None:
    layouts = {(a.dtype, a.shape, a.strides, a.ctypes.data) for a in (item.array for item in group)}
    if len(layouts) > 1 or group[0].array.nbytes > end - begin:
        _together(group, begin, end, arrays)
        return
    _alone(group[0], arrays)
    for item in group[1:]:
        item.spec.update({k: v for k, v in group[0].spec.items() if k in ("order", group[0].tag)})
        item.spec[item.tag] = item.spec.pop(group[0].tag)


def _alone(item: Item, arrays: dict[str, np.ndarray]) -> None:
    """Write the array itself, and how its dimensions lie in memory if not in C's or Fortran's order."""
    array, flags = item.array, item.array.flags
    item.spec[item.tag] = item.name
    arrays[item.name] = array
    if not flags.c_contiguous and not flags.f_contiguous:
        order = sorted(range(array.ndim), key=lambda d: -array.strides[d])
        if array.transpose(order).flags.c_contiguous:
            item.spec["order"] = order


def _together(group: list[Item], begin: int, end: int, arrays: dict[str, np.ndarray]) -> None:
    """Write the memory from address `begin` to `end` under the first one's name; all are views of it."""
    memory = np.frombuffer(memoryview((ctypes.c_uint8 * (end - begin)).from_address(begin)), np.uint8).copy()
    name = group[0].name
    arrays[name] = memory
    for item in group:
        array, size = item.array, item.array.itemsize
        reach = [(n - 1) * s for n, s in zip(array.shape, array.strides, strict=True)]
        if any(r < 0 for r in reach) or any(s % size for s in array.strides) or (array.ctypes.data - begin) % size:
            _apart(item, arrays)
            continue
        offset = (array.ctypes.data - begin) // size
        where = [offset, list(array.shape), [s // size for s in array.strides]]
        item.spec.update({item.tag: name, "dtype": array.dtype.str, "view": where})


def _apart(item: Item, arrays: dict[str, np.ndarray]) -> None:
    """Write a copy of a view that runs backwards, or that does not begin at an element: tensors never do."""
    name = item.name + "~"
    arrays[name] = np.ascontiguousarray(item.array)
    item.spec[item.tag] = name
