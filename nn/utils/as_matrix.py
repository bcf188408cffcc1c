"""A convolution written out as the matrix it is."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import block_diag, cat
from autograd.tensor import Tensor
from nn.arguments import n_tuple
from nn.conv import _ConvNd, _ConvTranspose


def conv_matrix(
    conv: _ConvNd | Tensor,
    input_size: Sequence[int],
    *,
    stride: int | Sequence[int] = 1,
    padding: str | int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Tensor:
    """Return the matrix M of a convolution, its bias left out: conv(x).flatten() = M @ x.flatten().

    M[(k, i), (c, h)] = wₖ꜀ᵣ where input h meets tap r in output i, h = i·stride + r·dilation - padding; 0 elsewhere.
    It is banded, mostly zeros, and holds each weight once for every output: what shared weights and local windows
    save. It is dense here: K·OH·OW × C·H·W numbers. Gradients flow through it to the weight.

    Args:
        conv: a Conv1d, Conv2d, ConvTranspose1d or ConvTranspose2d (whose matrix is the transpose of a convolution's),
            or the weight (K, C / groups, R) or (K, C / groups, R, S) of a convolution with the options that follow.
        input_size: (C, W) or (C, H, W), one input without the batch.
        stride: as in `F.conv2d`, with a weight only; so are padding, dilation and groups.
        padding: zeros on each side, "same" or "valid".
        dilation: step between two taps.
        groups: blocks of channels; M is block diagonal.

    Shapes:
        M (K·OH·OW, C·H·W).
    """
    if not isinstance(conv, _ConvNd):
        return _of_weight(conv, input_size, stride, padding, dilation, groups)
    if (stride, padding, dilation, groups) != (1, 0, 1, 1):
        raise TypeError(
            f"conv_matrix: a {type(conv).__name__} has its own stride, padding, dilation and groups; "
            "they are given with a weight only"
        )
    sizes = _checked(input_size, conv.weight, conv.in_channels)
    return _transposed(conv, sizes) if isinstance(conv, _ConvTranspose) else _of_layer(conv, sizes)


def _checked(input_size: Sequence[int], weight: Tensor, channels: int) -> tuple[int, ...]:
    """Return the spatial sizes of an input that fits the weight."""
    size, n = tuple(input_size), weight.ndim - 2
    if len(size) != n + 1:
        raise ValueError(f"conv_matrix: input_size must be {('(C, W)', '(C, H, W)')[n - 1]}, got {size}")
    if size[0] != channels:
        raise ValueError(
            f"conv_matrix: input_size {size} has {size[0]} channels but weight {tuple(weight.shape)} expects {channels}"
        )
    return size[1:]


def _widths(padding: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> list[Any]:
    """Return the zeros (before, after) each dimension."""
    if padding == "same":
        if any(s != 1 for s in stride):
            raise RuntimeError("padding='same' is not supported for strided convolutions")
        totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    if isinstance(padding, str) and padding != "valid":
        raise RuntimeError(f"Invalid padding string: '{padding}'")
    sizes = n_tuple(0 if padding == "valid" else padding, len(kernel), "conv_matrix: padding")
    return [(p, p) for p in sizes]


def _of_weight(weight: Any, input_size: Sequence[int], stride: Any, padding: Any, dilation: Any, groups: int) -> Tensor:
    if not isinstance(weight, Tensor) or weight.ndim not in (3, 4):
        got = f"a weight of shape {tuple(weight.shape)}" if isinstance(weight, Tensor) else type(weight).__name__
        raise TypeError(f"conv_matrix: expected a convolution, or a weight of 3 or 4 dimensions, got {got}")
    if groups < 1 or weight.shape[0] % groups:
        raise ValueError(f"conv_matrix: {weight.shape[0]} output channels are not divisible into {groups} groups")
    n, kernel = weight.ndim - 2, tuple(weight.shape[2:])
    sizes = _checked(input_size, weight, weight.shape[1] * groups)
    steps, gaps = n_tuple(stride, n, "conv_matrix: stride"), n_tuple(dilation, n, "conv_matrix: dilation")
    if min(*steps, *gaps) < 1:
        raise ValueError(f"conv_matrix: stride and dilation must be positive, got {steps} and {gaps}")
    return _matrix(weight, sizes, steps, _widths(padding, kernel, steps, gaps), gaps, groups)


def _of_layer(conv: Any, sizes: tuple[int, ...]) -> Tensor:
    """Return the matrix of a layer; padding other than by zeros is a matrix of its own, applied first."""
    geometry = conv.stride, _widths(conv.padding, conv.kernel_size, conv.stride, conv.dilation), conv.dilation
    if conv.padding_mode == "zeros" or conv.padding == "valid":
        return _matrix(conv.weight, sizes, *geometry, conv.groups)
    units = Tensor(np.eye(math.prod(sizes), dtype=conv.weight.array.dtype).reshape(-1, 1, *sizes))
    padded = conv._pad(units)  # what becomes of each unit image
    matrix = _matrix(
        conv.weight, tuple(padded.shape[2:]), conv.stride, [(0, 0)] * len(sizes), conv.dilation, conv.groups
    )
    blocks = matrix.reshape(matrix.shape[0], conv.in_channels, -1)
    return (blocks @ padded.flatten(1).T).flatten(1)


def _transposed(conv: _ConvTranspose, sizes: tuple[int, ...]) -> Tensor:
    """Return the transpose of the matrix of the convolution that takes this layer's outputs to its inputs."""
    geometry = zip(sizes, conv.stride, conv.padding, conv.dilation, conv.kernel_size, conv.output_padding, strict=True)
    outputs = tuple((w - 1) * s - 2 * p + d * (k - 1) + more + 1 for w, s, p, d, k, more in geometry)
    widths = [(p, p) for p in conv.padding]
    return _matrix(conv.weight, outputs, conv.stride, widths, conv.dilation, conv.groups, sizes).T


def _matrix(
    weight: Tensor,
    inputs: tuple[int, ...],
    stride: Sequence[int],
    widths: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    groups: int,
    outputs: tuple[int, ...] | None = None,
) -> Tensor:
    """Look up the weight at every place of the matrix; where no tap is, at a zero appended behind the last one."""
    kernel = tuple(weight.shape[2:])
    geometry = list(zip(inputs, kernel, stride, widths, dilation, strict=True))
    if outputs is None:
        outputs = tuple((n + sum(p) - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in geometry)
        if min(outputs) < 1:
            raise RuntimeError(
                f"conv_matrix: the filter {kernel} is larger than the input {inputs} with its padding {tuple(widths)}"
            )
    taps = np.zeros((1, 1), np.intp)
    for (n, k, s, p, d), out in zip(geometry, outputs, strict=True):
        taps = _product(taps, _taps(n, out, k, s, p[0], d), k)
    flat = weight.flatten(2)
    table = cat([flat, flat.new_zeros(*flat.shape[:2], 1)], 2)[:, :, Tensor(taps)]  # (K, C / groups, O, I)
    rows = table.permute(0, 2, 1, 3).flatten(2)  # (K, O, C / groups · I)
    return block_diag(*(group.flatten(0, 1) for group in rows.chunk(groups, 0)))


def _taps(inputs: int, outputs: int, kernel: int, stride: int, before: int, dilation: int) -> np.ndarray:
    """Return T (outputs, inputs): T[i, h] = r where h = i·stride + r·dilation - before, -1 where there is no such r."""
    r, rest = np.divmod(np.arange(inputs) - stride * np.arange(outputs)[:, None] + before, dilation)
    return np.where((rest == 0) & (r >= 0) & (r < kernel), r, -1)


def _product(a: np.ndarray, b: np.ndarray, kernel: int) -> np.ndarray:
    """Return the taps over two dimensions, numbered row by row, from those of each."""
    a, b = a[:, None, :, None], b[None, :, None, :]
    both = np.where((a >= 0) & (b >= 0), a * kernel + b, -1)
    return both.reshape(both.shape[0] * both.shape[1], -1)
