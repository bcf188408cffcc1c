"""Integer arithmetic of sliding windows: output sizes, padding amounts, which taps fall inside."""

from collections.abc import Iterator
from typing import NamedTuple

Pair = tuple[int, int]


def conv_output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return OH = floor((H + 2 padding - dilation (R - 1) - 1) / stride) + 1."""
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def conv_transpose_output_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int, output_padding: int
) -> int:
    """Return H = (OH - 1) stride - 2 padding + dilation (R - 1) + output_padding + 1."""
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def pool_output_size(
    size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil_mode: bool = False
) -> int:
    """Return the number of windows; under ceil_mode the last may stick out but starts before the padding."""
    span = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil_mode:
        return span // stride + 1
    windows = -(-span // stride) + 1
    return windows - 1 if (windows - 1) * stride >= size + padding else windows


def same_padding(kernel: int, dilation: int) -> Pair:
    """Return (before, after) such that a stride-1 convolution keeps the size; the odd element goes after."""
    total = dilation * (kernel - 1)
    return total // 2, total - total // 2


def valid_outputs(size: int, outputs: int, stride: int, shift: int) -> Pair:
    """Return the range [first, last) of o in 0..outputs-1 with 0 <= o stride + shift < size."""
    first = max(0, -(shift // stride))
    last = min(outputs, -((shift - size) // stride))
    return first, max(first, last)


class Axis(NamedTuple):
    """One spatial axis of a convolution: output o reads input i = o stride + tap dilation - padding."""

    size: int
    outputs: int
    taps: int
    stride: int
    padding: int
    dilation: int

    @property
    def reach(self) -> int:
        """Distance from the first to the last tap."""
        return (self.taps - 1) * self.dilation

    def outputs_of_tap(self, tap: int) -> Pair:
        """Return the range of outputs whose `tap` falls inside the input."""
        return valid_outputs(self.size, self.outputs, self.stride, tap * self.dilation - self.padding)

    def reads(self) -> Iterator[tuple[int, int, int]]:
        """Yield every (tap, o, i) inside the input."""
        for tap in range(self.taps):
            for o in range(*self.outputs_of_tap(tap)):
                yield tap, o, o * self.stride + tap * self.dilation - self.padding


class ConvGeometry(NamedTuple):
    """Sizes of a 2-D convolution: x (N, C, H, W), w (K, C/groups, R, S), y (N, K, OH, OW)."""

    N: int
    C: int
    H: int
    W: int
    K: int
    R: int
    S: int
    OH: int
    OW: int
    stride: Pair
    padding: Pair
    dilation: Pair
    groups: int

    @property
    def rows(self) -> Axis:
        """The vertical axis."""
        return Axis(self.H, self.OH, self.R, self.stride[0], self.padding[0], self.dilation[0])

    @property
    def columns(self) -> Axis:
        """The horizontal axis."""
        return Axis(self.W, self.OW, self.S, self.stride[1], self.padding[1], self.dilation[1])

    @property
    def group_inputs(self) -> int:
        """C / groups: input channels of one group."""
        return self.C // self.groups

    @property
    def group_outputs(self) -> int:
        """K / groups: output channels of one group."""
        return self.K // self.groups

    @property
    def is_pointwise(self) -> bool:
        """Whether every output pixel reads the input pixel of the same index, and only that."""
        return (self.R, self.S, self.stride, self.padding, self.H, self.W) == (
            1,
            1,
            (1, 1),
            (0, 0),
            self.OH,
            self.OW,
        )

    @property
    def is_depthwise(self) -> bool:
        """Whether every output channel reads one input channel of several."""
        return self.groups > 1 and self.groups == self.C

    def flattened(self) -> "ConvGeometry":
        """Return a pointwise geometry with its plane seen as one row."""
        return self._replace(H=1, W=self.H * self.W, OH=1, OW=self.OH * self.OW)

    def refolded(self, most: int) -> "ConvGeometry":
        """Return a pointwise geometry with its pixels in rows, as long as they can equally be, of at most `most`."""
        pixels = self.OH * self.OW
        rows = next((r for r in range(1, pixels + 1) if pixels % r == 0 and pixels // r <= most), 1)
        return self._replace(H=rows, W=pixels // rows, OH=rows, OW=pixels // rows)


def conv_geometry(
    x_shape: tuple[int, ...],
    w_shape: tuple[int, ...],
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
) -> ConvGeometry:
    """Return the geometry of the convolution of x (N, C, H, W) with w (K, C/groups, R, S)."""
    N, C, H, W = x_shape
    K, _, R, S = w_shape
    OH = conv_output_size(H, R, stride[0], padding[0], dilation[0])
    OW = conv_output_size(W, S, stride[1], padding[1], dilation[1])
    return ConvGeometry(N, C, H, W, K, R, S, OH, OW, stride, padding, dilation, groups)
