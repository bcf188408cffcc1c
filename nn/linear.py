"""Linear maps."""

from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn import init
from nn.module import Module
from nn.parameter import Parameter, empty_parameter


class Identity(Module):
    """y = x. Arguments are accepted and ignored, so that it can stand in for any layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # a placeholder takes what its original takes
        super().__init__()

    def forward(self, input: Any) -> Any:
        """Return the input."""
        return input


class Linear(Module):
    """yₙₖ = Σ_c xₙ꜀·wₖ꜀ + bₖ: y = x·Wᵀ + b.

    Args:
        in_features: size of the input's last dimension.
        out_features: size of the output's.
        bias: whether b is added.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (..., in_features), output (..., out_features),
        weight (out_features, in_features), bias (out_features,).

    Weight and bias start as U(-1/√in_features, 1/√in_features).
    """

    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = empty_parameter(out_features, in_features, device=device, dtype=dtype)
        self.register_parameter("bias", empty_parameter(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.inverse_root_(self.weight, self.in_features)
        if self.bias is not None:
            init.inverse_root_(self.bias, self.in_features)

    def forward(self, input: Tensor) -> Tensor:
        """Return x·Wᵀ + b."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """yₙₖ = Σᵢⱼ x1ₙᵢ·wₖᵢⱼ·x2ₙⱼ + bₖ.

    Args:
        in1_features: size of the first input's last dimension.
        in2_features: size of the second input's.
        out_features: size of the output's.
        bias: whether b is added.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        inputs (..., in1_features) and (..., in2_features), output (..., out_features),
        weight (out_features, in1_features, in2_features), bias (out_features,).

    Weight and bias start as U(-1/√in1_features, 1/√in1_features).
    """

    bias: Parameter | None

    def __init__(
        self,
        in1_features: int,
        in2_features: int,
        out_features: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        self.weight = empty_parameter(out_features, in1_features, in2_features, device=device, dtype=dtype)
        self.register_parameter("bias", empty_parameter(out_features, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init.inverse_root_(self.weight, self.in1_features)
        if self.bias is not None:
            init.inverse_root_(self.bias, self.in1_features)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        """Return x1·W·x2 + b."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Return the sizes."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
