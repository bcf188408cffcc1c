"""Convolutions (cross-correlations, as in PyTorch) and their transposes."""

import math
from collections.abc import Sequence
from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn import init
from nn.arguments import n_tuple
from nn.module import Module
from nn.parameter import Parameter, empty_parameter

_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What all convolutions share: the parameters and their first values."""

    spatial: int  # how many dimensions the filter has
    weight: Parameter
    bias: Parameter | None
    padding_mode: str
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    padding: str | tuple[int, ...]

    def _set_channels(self, in_channels: int, out_channels: int, groups: int) -> None:
        kind = type(self).__name__
        if groups <= 0:
            raise ValueError(f"{kind}: groups must be a positive integer, got {groups}")
        if in_channels % groups:
            raise ValueError(f"{kind}: in_channels must be divisible by groups, got {in_channels} and {groups}")
        if out_channels % groups:
            raise ValueError(f"{kind}: out_channels must be divisible by groups, got {out_channels} and {groups}")
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups

    def _set_geometry(self, **sizes: Any) -> None:
        for name, size in sizes.items():
            setattr(self, name, n_tuple(size, self.spatial, f"{type(self).__name__}: {name}"))

    def _set_parameters(self, shape: Sequence[int], bias: bool, device: Any, dtype: Any) -> None:
        self.weight = empty_parameter(*shape, *self.kernel_size, device=device, dtype=dtype)
        self.register_parameter(
            "bias", empty_parameter(self.out_channels, device=device, dtype=dtype) if bias else None
        )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        fan_in = math.prod(self.weight.shape[1:])
        init.inverse_root_(self.weight, fan_in)
        if self.bias is not None:
            init.inverse_root_(self.bias, fan_in)

    def extra_repr(self) -> str:
        """Return the sizes, and what differs from the defaults."""
        n = self.spatial
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Conv(_ConvNd):
    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set_channels(in_channels, out_channels, groups)
        self._set_geometry(kernel_size=kernel_size, stride=stride, dilation=dilation, output_padding=0)
        if isinstance(padding, str):
            self._check_padding_string(padding)
            self.padding = padding
        else:
            self._set_geometry(padding=padding)
        if padding_mode not in _PADDING_MODES:
            raise ValueError(
                f"{type(self).__name__}: padding_mode must be one of {_PADDING_MODES}, but got "
                f"padding_mode='{padding_mode}'"
            )
        self.padding_mode = padding_mode
        self._set_parameters((out_channels, in_channels // groups), bias, device, dtype)

    def _check_padding_string(self, padding: str) -> None:
        if padding not in ("same", "valid"):
            raise ValueError(
                f"{type(self).__name__}: Invalid padding string {padding!r}, should be one of ('same', 'valid')"
            )
        if padding == "same" and any(s != 1 for s in self.stride):
            raise ValueError("padding='same' is not supported for strided convolutions")

    def _pad(self, input: Tensor) -> Tensor:
        """Pad by the padding mode."""
        return input if self.padding == "valid" else F.pad(input, self._pad_widths(), mode=self.padding_mode)

    def _pad_widths(self) -> list[int]:
        """Return the padding before and after each dimension, the last one first, as `F.pad` counts."""
        widths: list[int] = []
        for i in reversed(range(self.spatial)):
            if isinstance(self.padding, str):
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                widths += [total // 2, total - total // 2]
            else:
                widths += [self.padding[i]] * 2
        return widths

    def explain(self, input_size: Sequence[int]) -> str:
        """Say how this layer is computed for an input of some size, (N, C, ...) or (C, ...), and why.

        A sentence each for the output, the input's gradient and the weight's: the strategy, its threads and
        estimated cycles, and those of the other strategies.
        """
        size = tuple(input_size)
        padding: Any = self.padding
        if self.padding_mode != "zeros" and padding != "valid":
            widths, padding = self._pad_widths(), 0
            added = [widths[i] + widths[i + 1] for i in range(0, len(widths), 2)][::-1]
            size = (*size[: -self.spatial], *(n + more for n, more in zip(size[-self.spatial :], added, strict=True)))
        return F.explain_convolution(size, self.weight, self.stride, padding, self.dilation, self.groups)


class Conv1d(_Conv):
    """yₙₖᵢ = bₖ + Σ_{c,r} wₖ꜀ᵣ·x_{n,c,i·stride + r·dilation - padding}.

    Args:
        in_channels: C, channels of the input.
        out_channels: K, channels of the output.
        kernel_size: R, the filter's size.
        stride: step between two windows.
        padding: positions added at each end, "same" (as many as keep the length) or "valid" (none).
        dilation: step between two taps of the filter.
        groups: channels are split into this many groups that do not see each other.
        bias: whether b is added.
        padding_mode: what the added positions hold: "zeros", "reflect", "replicate" or "circular".
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (N, C, W) or (C, W), output (N, K, OW) or (K, OW), weight (K, C / groups, R), bias (K,).

    Weight and bias start as U(-1/√fan_in, 1/√fan_in), fan_in = C·R / groups.
    """

    spatial = 1

    def forward(self, input: Tensor) -> Tensor:
        """Return the correlation with the filters."""
        if self.padding_mode != "zeros":
            return F.conv1d(self._pad(input), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return F.conv1d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class Conv2d(_Conv):
    """yₙₖᵢⱼ = bₖ + Σ_{c,r,s} wₖ꜀ᵣₛ·x_{n,c,i·stride + r·dilation - padding,j·stride + s·dilation - padding}.

    Sizes are given as one number for both dimensions or as (height, width).

    Args:
        in_channels: C, channels of the input.
        out_channels: K, channels of the output.
        kernel_size: (R, S), the filter's size.
        stride: step between two windows.
        padding: positions added on each side, "same" (as many as keep the size) or "valid" (none).
        dilation: step between two taps of the filter.
        groups: channels are split into this many groups that do not see each other.
        bias: whether b is added.
        padding_mode: what the added positions hold: "zeros", "reflect", "replicate" or "circular".
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, K, OH, OW) or (K, OH, OW),
        weight (K, C / groups, R, S), bias (K,).

    Weight and bias start as U(-1/√fan_in, 1/√fan_in), fan_in = C·R·S / groups.
    """

    spatial = 2

    def forward(self, input: Tensor) -> Tensor:
        """Return the correlation with the filters."""
        if self.padding_mode != "zeros":
            return F.conv2d(self._pad(input), self.weight, self.bias, self.stride, 0, self.dilation, self.groups)
        return F.conv2d(input, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)


class _ConvTranspose(_ConvNd):
    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self.padding_mode = padding_mode
        self._set_channels(in_channels, out_channels, groups)
        self._set_geometry(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
        )
        self._set_parameters((in_channels, out_channels // groups), bias, device, dtype)

    def _output_padding(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[int, ...]:
        """Return the padding that makes the output `output_size`, one of the sizes the stride allows."""
        if output_size is None:
            return self.output_padding
        n = self.spatial
        leading = input.ndim - n
        wanted = list(output_size)
        if len(wanted) == leading + n:
            wanted = wanted[leading:]
        if len(wanted) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.ndim}D input, output_size must have {n} or "
                f"{leading + n} elements (got {len(wanted)})"
            )
        smallest = [
            (input.shape[leading + i] - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i in range(n)
        ]
        largest = [size + self.stride[i] - 1 for i, size in enumerate(smallest)]
        if any(not low <= size <= high for low, size, high in zip(smallest, wanted, largest, strict=True)):
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {smallest} to {largest} "
                f"(for an input of {tuple(input.shape[leading:])})"
            )
        return tuple(size - low for size, low in zip(wanted, smallest, strict=True))


class ConvTranspose1d(_ConvTranspose):
    """The adjoint of `Conv1d` in its input: each input position adds a scaled copy of the filter.

    Args:
        in_channels: C, channels of the input.
        out_channels: K, channels of the output.
        kernel_size: R, the filter's size.
        stride: step in the output between two copies.
        padding: positions cut off at each end of the output.
        output_padding: positions added at the output's far end.
        groups: channels are split into this many groups that do not see each other.
        bias: whether b is added.
        dilation: step between two taps of the filter.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (N, C, W) or (C, W), output (N, K, OW) or (K, OW), weight (C, K / groups, R), bias (K,);
        OW = (W - 1)·stride - 2·padding + dilation·(R - 1) + output_padding + 1.

    Weight and bias start as U(-1/√fan, 1/√fan), fan = K·R / groups.
    """

    spatial = 1

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the sum of the filter's copies; `output_size` chooses among the sizes the stride allows."""
        output_padding = self._output_padding(input, output_size)
        return F.conv_transpose1d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose2d(_ConvTranspose):
    """The adjoint of `Conv2d` in its input: each input position adds a scaled copy of the filter.

    Sizes are given as one number for both dimensions or as (height, width).

    Args:
        in_channels: C, channels of the input.
        out_channels: K, channels of the output.
        kernel_size: (R, S), the filter's size.
        stride: step in the output between two copies.
        padding: positions cut off on each side of the output.
        output_padding: positions added on the output's far sides.
        groups: channels are split into this many groups that do not see each other.
        bias: whether b is added.
        dilation: step between two taps of the filter.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, K, OH, OW) or (K, OH, OW),
        weight (C, K / groups, R, S), bias (K,);
        OH = (H - 1)·stride - 2·padding + dilation·(R - 1) + output_padding + 1.

    Weight and bias start as U(-1/√fan, 1/√fan), fan = K·R·S / groups.
    """

    spatial = 2

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """Return the sum of the filter's copies; `output_size` chooses among the sizes the stride allows."""
        output_padding = self._output_padding(input, output_size)
        return F.conv_transpose2d(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )
