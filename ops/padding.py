"""Padding: a border of a constant, of the mirror image, of the edge, or of the opposite side."""

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.primitive import primitive
from ops.comparison import as_filling
from ops.dims import array_of
from ops.indexing import indexed
from ops.shape import clone
from ops.slicing import sliced

Sizes = tuple[int, ...]


@primitive
def bordered(x: np.ndarray, *, before: Sizes, after: Sizes, value: float) -> np.ndarray:
    """x inside a border of `value`, `before[k]` and `after[k]` elements wide along dimension k."""
    shape = [b + n + a for b, n, a in zip(before, x.shape, after, strict=True)]
    y = np.full(shape, value, x.dtype) if value else np.zeros(shape, x.dtype)
    y[_inside(before, x.shape)] = x
    return y


def _inside(before: Sizes, shape: Sizes) -> tuple[slice, ...]:
    return tuple([slice(b, b + n) for b, n in zip(before, shape, strict=True)])


bordered.vjp(x=lambda grad, x_shape, before: sliced(grad, index=_inside(before, x_shape)))
bordered.vmap(before=lambda widths, _: (0, *widths), after=lambda widths, _: (0, *widths))


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Return the tensor with a border; `pad` is (left, right, top, bottom, ...), the last dimension first.

    Args:
        pad: two widths per dimension; a negative one cuts off ("constant" and "circular" alone take those).
        mode: "constant"; "reflect", the mirror image without the edge itself; "replicate", the edge;
        "circular". value: of the border in mode "constant"; 0 if None.
    """
    before, after = _widths(pad, input.ndim)
    if mode == "constant":
        return _constant(input, before, after, value or 0)
    if mode not in POSITIONS:
        raise NotImplementedError(f"pad: Unrecognised padding mode {mode}")
    if value is not None and value != 0:
        raise RuntimeError(f"pad: Padding mode {mode!r} doesn't take in value argument")
    if not any(before + after):
        return clone(input)
    for dim, (b, a) in enumerate(zip(before, after, strict=True)):
        if b or a:
            input = indexed(input, POSITIONS[mode](b, input.shape[dim], a, dim), dims=(dim,))
    return input


def constant_pad_nd(input: Any, pad: Sequence[int], value: float = 0) -> Any:
    """Return `pad` in mode "constant"."""
    return _constant(input, *_widths(pad, input.ndim), value)


def _widths(pad: Sequence[int], ndim: int) -> tuple[Sizes, Sizes]:
    """Return the widths before and after each dimension, the first dimension first."""
    widths = [operator.index(width) for width in pad]
    if len(widths) % 2 or len(widths) // 2 > ndim:
        raise RuntimeError(
            "pad: Padding length must be divisible by 2 and at most twice the number of dimensions of the "
            f"input, got {len(widths)} for {ndim} dimensions"
        )
    missing = [0] * (ndim - len(widths) // 2)
    return tuple(missing + widths[::2][::-1]), tuple(missing + widths[1::2][::-1])


def _constant(input: Any, before: Sizes, after: Sizes, value: float) -> Any:
    sizes = [b + n + a for b, n, a in zip(before, input.shape, after, strict=True)]
    cut = [n + min(b, 0) + min(a, 0) for b, n, a in zip(before, input.shape, after, strict=True)]
    if any(size < 0 for size in sizes + cut):
        raise RuntimeError(f"pad: the padding {list(before)} and {list(after)} leaves {sizes} of {list(input.shape)}")
    if any(width < 0 for width in before + after):
        cut = [slice(max(-b, 0), n - max(-a, 0)) for b, n, a in zip(before, input.shape, after, strict=True)]
        input = sliced(input, index=tuple(cut))
        before, after = (tuple([max(width, 0) for width in widths]) for widths in (before, after))
    filling = as_filling("pad", value, array_of(input).dtype) if value else 0
    return bordered(input, before=before, after=after, value=filling)


def _reflected(before: int, size: int, after: int, dim: int) -> np.ndarray:
    if before >= size or after >= size or before < 0 or after < 0:
        raise RuntimeError(
            "pad: Padding size should be less than the corresponding input dimension, but got: padding "
            f"({before}, {after}) at dimension {dim} of size {size}"
        )
    inner = np.arange(-before, size + after)
    return size - 1 - np.abs(size - 1 - np.abs(inner))


def _replicated(before: int, size: int, after: int, dim: int) -> np.ndarray:
    if size == 0 or before < 0 or after < 0:
        raise RuntimeError(f"pad: cannot replicate the edge by ({before}, {after}) at dimension {dim} of size {size}")
    return np.clip(np.arange(-before, size + after), 0, size - 1)


def _wrapped(before: int, size: int, after: int, dim: int) -> np.ndarray:
    if before > size or after > size:
        raise RuntimeError(
            f"pad: Padding value causes wrapping around more than once, got ({before}, {after}) at dimension "
            f"{dim} of size {size}"
        )
    if before + size + after < 0:
        raise RuntimeError(f"pad: the padding ({before}, {after}) is larger than dimension {dim} of size {size}")
    kept = np.arange(max(-before, 0), size - max(-after, 0))  # what a negative width cuts off does not come again
    return kept[np.arange(-max(before, 0), len(kept) + max(after, 0)) % max(len(kept), 1)]


POSITIONS = {"reflect": _reflected, "replicate": _replicated, "circular": _wrapped}
