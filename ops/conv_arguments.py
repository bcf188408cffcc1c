"""The arguments of convolutions: brought to one form, checked, and refused with what was got and what
expected.

Checked arguments are remembered by their shapes: a training loop pays for a lookup.
"""

import functools
import operator
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from ops.conv_nd import ConvSettings
from ops.dims import per_axis
from ops.kernels.geometry import conv_output_size, conv_transpose_output_size, same_padding

Shape = tuple[int, ...]


def operand_shapes(name: str, operands: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
    """Return the shapes of input, weight and bias, once their types agree."""
    for what, operand in zip(("input", "weight", "bias"), operands, strict=True):
        if not isinstance(operand, (Tensor, np.ndarray)) and (operand is not None or what != "bias"):
            raise TypeError(f"{name}: {what} must be a Tensor, not {type(operand).__name__}")
    x, w, bias = [x.array if isinstance(x, Tensor) else x for x in operands]
    for what, array in (("weight", w), ("bias", bias)):
        if array is not None and array.dtype != x.dtype:
            raise RuntimeError(f"{name}: Input type ({x.dtype}) and {what} type ({array.dtype}) should be the same")
    if x.dtype.kind != "f" or x.dtype.itemsize == 2:
        raise RuntimeError(f"{name}: expected float32 or float64, got {x.dtype}")
    return x.shape, w.shape, None if bias is None else bias.shape


@functools.lru_cache(maxsize=1024, typed=True)
def conv_settings(
    name: str, dims: int, shapes: tuple[Any, Any, Any], options: tuple[Any, ...]
) -> tuple[ConvSettings, list[int] | None]:
    """Check (stride, padding, dilation, groups); return the settings, and what `pad` must add beforehand."""
    x_shape, w_shape, bias_shape = shapes
    stride, padding, dilation, groups = options
    _check_ranks(name, dims, x_shape, w_shape)
    stride, dilation = per_axis(name, "stride", stride, dims), per_axis(name, "dilation", dilation, dims)
    more: Shape = (0,) * dims
    if isinstance(padding, str):
        padding, more = _named_padding(name, padding, w_shape[2:], stride, dilation)
    else:
        padding = per_axis(name, "padding", padding, dims)
    settings = ConvSettings(stride, padding, dilation, _as_groups(name, groups))
    _check_settings(name, settings)
    _check_channels(name, x_shape[-dims - 1], w_shape, settings.groups)
    _check_bias(name, w_shape, bias_shape, w_shape[0])
    _check_sizes(name, tuple(map(operator.add, x_shape[-dims:], more)), w_shape[2:], settings)
    extra = [n for count in reversed(more) for n in (0, count)] if any(more) else None
    return settings, extra


@functools.lru_cache(maxsize=1024, typed=True)
def transposed_settings(
    name: str, dims: int, shapes: tuple[Any, Any, Any], options: tuple[Any, ...]
) -> tuple[ConvSettings, Shape]:
    """Check (stride, padding, dilation, output_padding, groups); return the settings and the output's spatial
    sizes.
    """
    x_shape, w_shape, bias_shape = shapes
    _check_ranks(name, dims, x_shape, w_shape)
    names = ("stride", "padding", "dilation", "output_padding")
    stride, padding, dilation, output_padding = [
        per_axis(name, what, value, dims) for what, value in zip(names, options, strict=False)
    ]
    settings = ConvSettings(stride, padding, dilation, _as_groups(name, options[-1]))
    _check_settings(name, settings)
    _check_output_padding(name, output_padding, settings)
    channels = x_shape[-dims - 1]
    if w_shape[0] != channels or channels % settings.groups:
        raise RuntimeError(
            f"{name}: input has {channels} channels but weight {tuple(w_shape)} expects {w_shape[0]}, a "
            f"multiple of groups={settings.groups}"
        )
    _check_bias(name, w_shape, bias_shape, w_shape[1] * settings.groups)
    sizes = tuple(
        map(
            conv_transpose_output_size,
            x_shape[-dims:],
            w_shape[2:],
            stride,
            padding,
            dilation,
            output_padding,
        )
    )
    if min(sizes) <= 0:
        raise RuntimeError(
            f"{name}: Given input size per channel: {list(x_shape[-dims:])}. Calculated output size per "
            f"channel: {list(sizes)}. Output size is too small"
        )
    return settings, sizes


def _as_groups(name: str, groups: Any) -> int:
    try:
        return operator.index(groups)
    except TypeError:
        raise TypeError(f"{name}: groups must be an int, got {groups!r}") from None


def _named_padding(name: str, padding: str, taps: Shape, stride: Shape, dilation: Shape) -> tuple[Shape, Shape]:
    """Return the padding on both sides that "valid" or "same" stands for, and what "same" adds at the far end
    alone.
    """
    if padding == "valid":
        return (0,) * len(taps), (0,) * len(taps)
    if padding != "same":
        raise RuntimeError(f"{name}: Invalid padding string: {padding!r}, expected 'same' or 'valid'")
    if any(s != 1 for s in stride):
        raise RuntimeError(f"{name}: padding='same' is not supported for strided convolutions, got stride={stride}")
    both = [same_padding(*pair) for pair in zip(taps, dilation, strict=True)]
    return tuple([before for before, _ in both]), tuple([after - before for before, after in both])


def _check_ranks(name: str, dims: int, x_shape: Shape, w_shape: Shape) -> None:
    if len(x_shape) not in (dims + 1, dims + 2):
        raise RuntimeError(
            f"Expected {dims + 1}D (unbatched) or {dims + 2}D (batched) input to {name}, but got input of "
            f"size: {list(x_shape)}"
        )
    if len(w_shape) != dims + 2:
        raise RuntimeError(f"{name}: expected a weight with {dims + 2} dimensions, got one of size {list(w_shape)}")
    if 0 in x_shape[-dims:] or 0 in w_shape[2:]:
        raise RuntimeError(
            f"{name}: Only zero batch or zero channel inputs are supported, but got input of size "
            f"{list(x_shape)} and weight of size {list(w_shape)}"
        )


def _check_settings(name: str, settings: ConvSettings) -> None:
    if min(settings.stride) <= 0:
        raise RuntimeError(f"{name}: non-positive stride is not supported, got {settings.stride}")
    if min(settings.padding) < 0:
        raise RuntimeError(f"{name}: negative padding is not supported, got {settings.padding}")
    if min(settings.dilation) <= 0:
        raise RuntimeError(f"{name}: non-positive dilation is not supported, got {settings.dilation}")
    if settings.groups <= 0:
        raise RuntimeError(f"{name}: non-positive groups is not supported, got {settings.groups}")


def _check_channels(name: str, channels: int, w_shape: Shape, groups: int) -> None:
    filters, group_inputs = w_shape[:2]
    if filters == 0 or filters % groups:
        raise RuntimeError(
            f"{name}: Given groups={groups}, expected weight to be divisible by {groups}, and at least "
            f"{groups}, at dimension 0, but got weight of size {list(w_shape)} instead"
        )
    if channels != group_inputs * groups:
        among = f" with groups={groups}" if groups > 1 else ""
        raise RuntimeError(
            f"{name}: input has {channels} channels but weight {tuple(w_shape)}{among} expects {group_inputs * groups}"
        )


def _check_bias(name: str, w_shape: Shape, bias_shape: Shape | None, filters: int) -> None:
    if bias_shape is not None and bias_shape != (filters,):
        raise RuntimeError(
            f"{name}: Given weight of size {list(w_shape)}, expected bias to be 1-dimensional with "
            f"{filters} elements, but got bias of size {list(bias_shape)} instead"
        )


def _check_sizes(name: str, sizes: Shape, taps: Shape, settings: ConvSettings) -> None:
    if min(map(conv_output_size, sizes, taps, settings.stride, settings.padding, settings.dilation)) <= 0:
        padded = [n + 2 * p for n, p in zip(sizes, settings.padding, strict=True)]
        reach = [d * (r - 1) + 1 for d, r in zip(settings.dilation, taps, strict=True)]
        raise RuntimeError(
            f"{name}: Calculated padded input size per channel: ({' x '.join(map(str, padded))}). Kernel "
            f"size: ({' x '.join(map(str, reach))}). Kernel size can't be greater than actual input size"
        )


def _check_output_padding(name: str, output_padding: Shape, settings: ConvSettings) -> None:
    if min(output_padding) < 0:
        raise RuntimeError(f"{name}: negative output_padding is not supported, got {output_padding}")
    if any(map(operator.ge, output_padding, map(max, settings.stride, settings.dilation))):
        raise RuntimeError(
            f"{name}: output padding must be smaller than either stride or dilation, but got output_padding "
            f"{output_padding}, stride {settings.stride}, dilation {settings.dilation}"
        )
