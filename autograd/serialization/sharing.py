"""Which arrays to be saved share memory, so that they do when they are loaded.

Arrays whose addresses overlap belong together. One that stands alone is written as it is, however large the memory it
is a view of. Equal views of one piece of memory are written once. Different views (`x` and `x[2:]`), and arrays whose
own elements share memory (`x.expand(...)`), are written as that memory and, in the outline, where each lies in it.
"""

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.array_utils import byte_bounds


@dataclass(eq=False)
class Item:
    """An array to be saved, its name in the file, and its place in the outline, still without the array's name."""

    array: np.ndarray
    name: str
    tag: str
    spec: dict[str, Any]


def place(items: list[Item], arrays: dict[str, np.ndarray]) -> None:
    """Add to `arrays` what must be written, in the items' order, and to every item's spec where its elements are."""
    placed: dict[str, np.ndarray] = {}
    low = [(*byte_bounds(item.array), item) for item in items if item.array.size]
    for item in items:
        if not item.array.size:
            _alone(item, placed)
    low.sort(key=lambda each: each[:2])
    group: list[Item] = []
    begin = end = 0
    for first, last, item in low:
        if group and first >= end:
            _place_group(group, begin, end, placed)
            group = []
        begin, end = (begin, max(end, last)) if group else (first, last)
        group.append(item)
    if group:
        _place_group(group, begin, end, placed)
    arrays.update((item.name, placed[item.name]) for item in items if item.name in placed)


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
    """Write the memory from address `begin` to `end` under the first one's name; all are views of it.

    Views that run backwards, or that do not begin at an element, are written as copies: tensors never do.
    """
    views = [item for item in group if _is_view(item.array, begin)]
    for item in group:
        if item not in views:
            item.spec[item.tag] = item.name
            arrays[item.name] = np.ascontiguousarray(item.array)
    if views:
        memory = memoryview((ctypes.c_uint8 * (end - begin)).from_address(begin))
        arrays[views[0].name] = np.frombuffer(memory, np.uint8).copy()
    for item in views:
        array, size = item.array, item.array.itemsize
        where = [(array.ctypes.data - begin) // size, list(array.shape), [s // size for s in array.strides]]
        item.spec.update({item.tag: views[0].name, "dtype": array.dtype.str, "view": where})


def _is_view(array: np.ndarray, begin: int) -> bool:
    """Return whether offset and strides in elements, none negative, say where the array lies."""
    return (array.ctypes.data - begin) % array.itemsize == 0 and all(
        s >= 0 and s % array.itemsize == 0 for s in array.strides
    )
