"""Sliding windows as columns, their sum back, and channels exchanged for pixels."""

import math
from typing import Any, NamedTuple

import numpy as np

from autograd.batching import Batch
from autograd.primitive import primitive
from ops.conv_each import joined, separated
from ops.dims import per_axis
from ops.kernels.geometry import Pair, conv_output_size
from ops.shape import packed, permute, reshape, squeeze, unsqueeze

Array = np.ndarray[Any, Any]


class Blocks(NamedTuple):
    """Where the R × S blocks of a plane (H, W) lie: OH × OW of them."""

    kernel: Pair
    dilation: Pair
    padding: Pair
    stride: Pair
    in_size: Pair
    out_size: Pair

    def tap(self, r: int, s: int) -> tuple[slice, slice]:
        """Return which rows and columns of the padded plane are tap (r, s) of the blocks."""
        starts = (r * self.dilation[0], s * self.dilation[1])
        return tuple(
            [slice(a, a + n * step, step) for a, n, step in zip(starts, self.out_size, self.stride, strict=True)]
        )  # type: ignore[return-value]


@primitive
def unfolded(x: Any, *, blocks: Blocks) -> Array:
    """y[n, (c, r, s), (i, j)] = x[n, c, i stride + r dilation − padding, j stride + s dilation − padding], 0
    outside.
    """
    (R, S), (N, C) = blocks.kernel, x.shape[:2]
    padded = _padded(x, blocks)
    y = np.empty((N, C, R, S, *blocks.out_size), x.dtype)
    for r, s in np.ndindex(R, S):
        rows, columns = blocks.tap(r, s)
        y[:, :, r, s] = padded[:, :, rows, columns]
    return y.reshape(N, C * R * S, math.prod(blocks.out_size))


@primitive
def folded(x: Any, *, blocks: Blocks) -> Array:
    """Add every element of the blocks x (N, C R S, OH OW) where it came from: the adjoint of `unfolded`."""
    (R, S), (H, W), (top, left), N = blocks.kernel, blocks.in_size, blocks.padding, x.shape[0]
    taps = x.reshape(N, x.shape[1] // (R * S), R, S, *blocks.out_size)
    padded = np.zeros((N, taps.shape[1], H + 2 * top, W + 2 * left), x.dtype)
    for r, s in np.ndindex(R, S):
        rows, columns = blocks.tap(r, s)
        padded[:, :, rows, columns] += taps[:, :, r, s]
    return np.ascontiguousarray(padded[:, :, top : top + H, left : left + W])


unfolded.vjp(x=lambda grad, blocks: folded(grad, blocks=blocks))
folded.vjp(x=lambda grad, blocks: unfolded(grad, blocks=blocks))


@unfolded.joint_vmap
def _(batch: Batch, x: Any, blocks: Blocks) -> Any:
    return separated(unfolded(joined(x), blocks=blocks), batch.size)


@folded.joint_vmap
def _(batch: Batch, x: Any, blocks: Blocks) -> Any:
    return separated(folded(joined(x), blocks=blocks), batch.size)


def _padded(x: Array, blocks: Blocks) -> Array:
    (top, left), (H, W) = blocks.padding, blocks.in_size
    if not top and not left:
        return x
    padded = np.zeros((*x.shape[:2], H + 2 * top, W + 2 * left), x.dtype)
    padded[:, :, top : top + H, left : left + W] = x
    return padded


def _blocks(name: str, in_size: Any, options: tuple[Any, Any, Any, Any]) -> Blocks:
    """Check (kernel_size, dilation, padding, stride) for planes of `in_size`."""
    names = ("kernel_size", "dilation", "padding", "stride")
    kernel, dilation, padding, stride = [
        per_axis(name, what, value, 2) for what, value in zip(names, options, strict=True)
    ]
    for what, values, least in (
        ("kernel size", kernel, 1),
        ("dilation", dilation, 1),
        ("padding", padding, 0),
        ("stride", stride, 1),
    ):
        if min(values) < least:
            raise RuntimeError(f"{name}: {what} should be at least {least}, but got {values}")
    in_size = tuple(in_size)
    out_size: Any = tuple(map(conv_output_size, in_size, kernel, stride, padding, dilation))
    if min(out_size) <= 0:
        raise RuntimeError(
            f"{name}: with spatial size {in_size}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, stride={stride}, the calculated shape of the array of sliding blocks is "
            f"{out_size}, but its components must be at least one"
        )
    return Blocks(kernel, dilation, padding, stride, in_size, out_size)


def unfold(input: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Return the blocks under a sliding window as columns: input (N, C, H, W), output (N, C R S, OH OW)."""
    if input.ndim not in (3, 4):
        raise RuntimeError(f"unfold: Expected 3D or 4D (batch mode) tensor for input, but got: {list(input.shape)}")
    blocks = _blocks("unfold", input.shape[-2:], (kernel_size, dilation, padding, stride))
    if input.ndim == 3:
        return squeeze(unfolded(unsqueeze(input, 0), blocks=blocks), 0)
    return unfolded(input, blocks=blocks)


def fold(input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Any:
    """Sum overlapping blocks, the columns of input (N, C R S, L), into planes: output (N, C, H, W)."""
    if input.ndim not in (2, 3):
        raise RuntimeError(f"fold: Expected 2D or 3D (batch mode) tensor for input, but got: {list(input.shape)}")
    size = per_axis("fold", "output_size", output_size, 2)
    blocks = _blocks("fold", size, (kernel_size, dilation, padding, stride))
    area, count = math.prod(blocks.kernel), math.prod(blocks.out_size)
    if input.shape[-2] % area or input.shape[-1] != count:
        raise RuntimeError(
            f"fold: Given output_size={size} and kernel_size={blocks.kernel}, expected input of size (N, a "
            f"multiple of {area}, {count}), but got {list(input.shape)}"
        )
    if input.ndim == 2:
        return squeeze(folded(unsqueeze(input, 0), blocks=blocks), 0)
    return folded(input, blocks=blocks)


def pixel_shuffle(input: Any, upscale_factor: int) -> Any:
    """y[c, h r + i, w r + j] = x[c r² + i r + j, h, w], r the factor (Shi et al. 2016): (..., C r², H, W) →
    (..., C, H r, W r).
    """
    r = upscale_factor
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    *batch, channels, height, width = _image("pixel_shuffle", input)
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of "
            f"upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    split = reshape(input, (*batch, channels // (r * r), r, r, height, width))
    moved = packed(_permute_last(split, (0, 3, 1, 4, 2)))
    return reshape(moved, (*batch, channels // (r * r), height * r, width * r))


def pixel_unshuffle(input: Any, downscale_factor: int) -> Any:
    """y[c r² + i r + j, h, w] = x[c, h r + i, w r + j], r the factor: the inverse of pixel_shuffle."""
    r = downscale_factor
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    *batch, channels, height, width = _image("pixel_unshuffle", input)
    if height % r or width % r:
        raise RuntimeError(
            f"pixel_unshuffle expects height and width to be divisible by downscale_factor, but ({height}, "
            f"{width}) is not divisible by {r}"
        )
    split = reshape(input, (*batch, channels, height // r, r, width // r, r))
    return reshape(_permute_last(split, (0, 2, 4, 1, 3)), (*batch, channels * r * r, height // r, width // r))


def channel_shuffle(input: Any, groups: int) -> Any:
    """y[n, c G + g] = x[n, g C/G + c]: channels of all groups in turn (Zhang et al. 2018); x (N, C, ...)."""
    if input.ndim < 3:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    batch, channels, *sizes = input.shape
    if groups <= 0 or channels % groups:
        raise RuntimeError(
            f"channel_shuffle: number of channels must be divisible by groups. Got {channels} channels and "
            f"{groups} groups."
        )
    split = reshape(input, (batch, groups, channels // groups, *sizes))
    order = (0, 2, 1, *range(3, split.ndim))
    return reshape(permute(split, order), tuple(input.shape))


def _image(name: str, input: Any) -> tuple[int, ...]:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    return tuple(input.shape)


def _permute_last(input: Any, order: tuple[int, ...]) -> Any:
    """Permute the last axes, numbered from 0."""
    first = input.ndim - len(order)
    return permute(input, (*range(first), *(first + i for i in order)))
