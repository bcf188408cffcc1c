"""Padding of the last one or two dimensions."""

from collections.abc import Sequence

from autograd.tensor import Tensor
from nn import functional as F
from nn.arguments import n_tuple
from nn.module import Module

Widths = int | Sequence[int]


class _Pad(Module):
    """`padding` is one number for all sides, or (left, right, top, bottom) as far as the dimensions go."""

    spatial: int
    mode: str

    def __init__(self, padding: Widths) -> None:
        super().__init__()
        self.padding = n_tuple(padding, 2 * self.spatial, f"{type(self).__name__}: padding")

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Return the widths."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    mode = "constant"

    def __init__(self, padding: Widths, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Return the padded input."""
        return F.pad(input, self.padding, self.mode, self.value)

    def extra_repr(self) -> str:
        """Return the widths and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """Add positions that hold `value`: `padding` is (left, right), or one number for both."""

    spatial = 1


class ConstantPad2d(_ConstantPad):
    """Add positions that hold `value`: `padding` is (left, right, top, bottom), or one number for all."""

    spatial = 2


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Widths) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the widths."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Add zeros: `padding` is (left, right), or one number for both."""

    spatial = 1


class ZeroPad2d(_ZeroPad):
    """Add zeros: `padding` is (left, right, top, bottom), or one number for all."""

    spatial = 2


class ReflectionPad1d(_Pad):
    """Mirror the input at its first and last value: `padding` is (left, right), or one number for both."""

    spatial = 1
    mode = "reflect"


class ReflectionPad2d(_Pad):
    """Mirror the input at its edges: `padding` is (left, right, top, bottom), or one number for all."""

    spatial = 2
    mode = "reflect"


class ReplicationPad1d(_Pad):
    """Repeat the first and last value: `padding` is (left, right), or one number for both."""

    spatial = 1
    mode = "replicate"


class ReplicationPad2d(_Pad):
    """Repeat the values at the edges: `padding` is (left, right, top, bottom), or one number for all."""

    spatial = 2
    mode = "replicate"


class CircularPad1d(_Pad):
    """Go on from the other end: `padding` is (left, right), or one number for both."""

    spatial = 1
    mode = "circular"


class CircularPad2d(_Pad):
    """Go on from the opposite edge: `padding` is (left, right, top, bottom), or one number for all."""

    spatial = 2
    mode = "circular"
