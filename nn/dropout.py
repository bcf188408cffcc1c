"""Dropout: zeros at random in training, the identity otherwise."""

from autograd.tensor import Tensor
from nn import functional as F
from nn.module import Module


class _Dropout(Module):
    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """y = x·m / (1 - p), each mᵢ being 0 with probability p, else 1 (Srivastava et al., 2014).

    Args:
        p: how likely an element becomes zero.
        inplace: write the result over the input.

    Shapes:
        input any, output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop elements, in training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """`Dropout` of whole channels: one m for each row (n, c) (Tompson et al., 2015).

    Args:
        p: how likely a channel becomes zero.
        inplace: write the result over the input.

    Shapes:
        input (N, C, L) or (C, L), output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels, in training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """`Dropout` of whole channels: one m for each plane (n, c) (Tompson et al., 2015).

    Args:
        p: how likely a channel becomes zero.
        inplace: write the result over the input.

    Shapes:
        input (N, C, H, W) or (C, H, W), output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Drop channels, in training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)
