"""Pooling: one value for each window."""

from collections.abc import Sequence
from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn.arguments import n_tuple
from nn.module import Module

Sizes = int | Sequence[int]


class _MaxPool(Module):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        """Return the windows' geometry."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """yₙ꜀ᵢ = max_r x_{n,c,i·stride + r·dilation - padding}.

    Args:
        kernel_size: R, the window's size.
        stride: step between two windows; default: the window's size.
        padding: positions added at each end, which are never the maximum.
        dilation: step between two positions of a window.
        return_indices: return (output, where in the row each maximum is).
        ceil_mode: round the output's size up: the last window may reach beyond the end.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, OW) or (C, OW).
    """

    def forward(self, input: Tensor) -> Any:
        """Return the maximum of each window."""
        return F.max_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool2d(_MaxPool):
    """yₙ꜀ᵢⱼ = max_{r,s} x_{n,c,i·stride + r·dilation - padding,j·stride + s·dilation - padding}.

    Sizes are given as one number for both dimensions or as (height, width).

    Args:
        kernel_size: (R, S), the window's size.
        stride: step between two windows; default: the window's size.
        padding: positions added on each side, which are never the maximum.
        dilation: step between two positions of a window.
        return_indices: return (output, where in the flattened plane each maximum is).
        ceil_mode: round the output's size up: the last windows may reach beyond the edge.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).
    """

    def forward(self, input: Tensor) -> Any:
        """Return the maximum of each window."""
        return F.max_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class AvgPool1d(Module):
    """yₙ꜀ᵢ = (Σ_r x_{n,c,i·stride + r - padding}) / R.

    Args:
        kernel_size: R, the window's size.
        stride: step between two windows; default: the window's size.
        padding: zeros added at each end.
        ceil_mode: round the output's size up: the last window may reach beyond the end.
        count_include_pad: divide by R also where the window covers padding.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, OW) or (C, OW).
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = n_tuple(kernel_size, 1, "AvgPool1d: kernel_size")
        self.stride = n_tuple(kernel_size if stride is None else stride, 1, "AvgPool1d: stride")
        self.padding = n_tuple(padding, 1, "AvgPool1d: padding")
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Return the mean of each window."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)

    def extra_repr(self) -> str:
        """Return the windows' geometry."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(Module):
    """yₙ꜀ᵢⱼ = (Σ_{r,s} x_{n,c,i·stride + r - padding,j·stride + s - padding}) / (R·S).

    Sizes are given as one number for both dimensions or as (height, width).

    Args:
        kernel_size: (R, S), the window's size.
        stride: step between two windows; default: the window's size.
        padding: zeros added on each side.
        ceil_mode: round the output's size up: the last windows may reach beyond the edge.
        count_include_pad: divide by R·S also where the window covers padding.
        divisor_override: divide by this in place of the window's size.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).
    """

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Return the mean of each window."""
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )

    def extra_repr(self) -> str:
        """Return the windows' geometry."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class _AdaptiveAvgPool(Module):
    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return the output's size."""
        return f"output_size={self.output_size}"


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """Means over `output_size` windows that cover the input: window i reaches from ⌊i·W/OW⌋ to ⌈(i+1)·W/OW⌉.

    Args:
        output_size: OW.

    Shapes:
        input (N, C, W) or (C, W), output (N, C, OW) or (C, OW).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the mean of each window."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """Means over OH × OW windows that cover the input: row i reaches from ⌊i·H/OH⌋ to ⌈(i+1)·H/OH⌉.

    Args:
        output_size: (OH, OW), or one number for both; None keeps the input's size.

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return the mean of each window."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """Maxima over `output_size` windows that cover the input: window i reaches from ⌊i·W/OW⌋ to ⌈(i+1)·W/OW⌉.

    Args:
        output_size: OW.
        return_indices: return (output, where in the row each maximum is).

    Shapes:
        input (N, C, W) or (C, W), output (N, C, OW) or (C, OW).
    """

    def forward(self, input: Tensor) -> Any:
        """Return the maximum of each window."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """Maxima over OH × OW windows that cover the input: row i reaches from ⌊i·H/OH⌋ to ⌈(i+1)·H/OH⌉.

    Args:
        output_size: (OH, OW), or one number for both; None keeps the input's size.
        return_indices: return (output, where in the flattened plane each maximum is).

    Shapes:
        input (N, C, H, W) or (C, H, W), output (N, C, OH, OW) or (C, OH, OW).
    """

    def forward(self, input: Tensor) -> Any:
        """Return the maximum of each window."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)
