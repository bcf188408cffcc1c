"""Activations: functions of each element, and softmax.

`inplace=True` writes the result over the input, which must then not be needed by what came before.
"""

import warnings
from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn import init as initial
from nn.module import Module
from nn.parameter import empty_parameter

_CALLER = 5  # whom a warning about softmax without `dim` is for, in frames: who calls the module


class _InPlace(Module):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Say whether it works in place."""
        return "inplace=True" if self.inplace else ""

    def _with_inplace(self, text: str) -> str:
        return f"{text}, inplace=True" if self.inplace else text


class ReLU(_InPlace):
    """y = max(x, 0)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return max(x, 0)."""
        return F.relu(input, self.inplace)


class LeakyReLU(_InPlace):
    """y = x for x > 0, negative_slope·x otherwise."""

    def __init__(self, negative_slope: float = 1e-2, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Return the rectified input."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the slope."""
        return self._with_inplace(f"negative_slope={self.negative_slope}")


class PReLU(Module):
    """y = x for x > 0, w·x otherwise, with a learned slope w, or one for each channel (He et al., 2015).

    Args:
        num_parameters: 1, or the number C of channels.
        init: first value of the slopes.
        dtype: type of the slopes; default: the default floating type.

    Shapes:
        input (N, C, ...), output the same, weight (num_parameters,).
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = empty_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slopes to their first value."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Return the rectified input."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"


class RReLU(_InPlace):
    """y = x for x > 0, a·x otherwise (Xu et al., 2015).

    In training each element has its own a ~ U(lower, upper); otherwise a = (lower + upper) / 2.
    """

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower = lower
        self.upper = upper

    def forward(self, input: Tensor) -> Tensor:
        """Return the rectified input."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)

    def extra_repr(self) -> str:
        """Return the bounds of the slope."""
        return self._with_inplace(f"lower={self.lower}, upper={self.upper}")


class ELU(_InPlace):
    """y = x for x > 0, alpha·(eˣ - 1) otherwise (Clevert et al., 2015)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Return elu(x)."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return alpha."""
        return self._with_inplace(f"alpha={self.alpha}")


class SELU(_InPlace):
    """y = λ·elu(x, α), mean 0 and variance 1 being a fixed point (Klambauer et al., 2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return selu(x)."""
        return F.selu(input, self.inplace)


class CELU(_InPlace):
    """y = max(0, x) + min(0, alpha·(e^(x / alpha) - 1)) (Barron, 2017)."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Return celu(x)."""
        return F.celu(input, self.alpha, self.inplace)

    def extra_repr(self) -> str:
        """Return alpha."""
        return self._with_inplace(f"alpha={self.alpha}")


class GELU(Module):
    """y = x·Φ(x), Φ being the normal distribution function; `approximate="tanh"`: a formula close to it.

    Hendrycks and Gimpel, 2016.
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Return x·Φ(x)."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """Return which formula."""
        return f"approximate={self.approximate!r}"


class SiLU(_InPlace):
    """y = x·sigmoid(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return x·sigmoid(x)."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """y = x·tanh(softplus(x)) (Misra, 2019)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return mish(x)."""
        return F.mish(input, self.inplace)


class Softplus(Module):
    """y = log(1 + e^(beta·x)) / beta; y = x where beta·x > threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Return softplus(x)."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return beta and the threshold."""
        return f"beta={self.beta}, threshold={self.threshold}"


class Sigmoid(Module):
    """y = 1 / (1 + e⁻ˣ)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return sigmoid(x)."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """y = log(1 / (1 + e⁻ˣ))."""

    def forward(self, input: Tensor) -> Tensor:
        """Return log(sigmoid(x))."""
        return F.logsigmoid(input)


class Tanh(Module):
    """y = tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return tanh(x)."""
        return F.tanh(input)


class Hardtanh(_InPlace):
    """y = min(max(x, min_val), max_val)."""

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        self.min_val = self._renamed("min_val", min_val, min_value)
        self.max_val = self._renamed("max_val", max_val, max_value)
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    @staticmethod
    def _renamed(name: str, value: float, by_old_name: float | None) -> float:
        if by_old_name is None:
            return value
        warnings.warn(f"keyword argument `{name}ue` is deprecated and renamed to `{name}`", FutureWarning, stacklevel=3)
        return by_old_name

    def forward(self, input: Tensor) -> Tensor:
        """Return the clipped input."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """Return the bounds."""
        return self._with_inplace(f"min_val={self.min_val}, max_val={self.max_val}")


class ReLU6(Hardtanh):
    """y = min(max(x, 0), 6)."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """Say whether it works in place."""
        return "inplace=True" if self.inplace else ""


class _Hard(Module):
    """PyTorch shows no arguments of these two."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class Hardsigmoid(_Hard):
    """y = min(max(x + 3, 0), 6) / 6."""

    def forward(self, input: Tensor) -> Tensor:
        """Return hardsigmoid(x)."""
        return F.hardsigmoid(input, self.inplace)


class Hardswish(_Hard):
    """y = x·min(max(x + 3, 0), 6) / 6 (Howard et al., 2019)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return hardswish(x)."""
        return F.hardswish(input, self.inplace)


class Threshold(_InPlace):
    """y = x for x > threshold, value otherwise."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold = threshold
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Return the input where it exceeds the threshold."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """Return threshold and value."""
        return self._with_inplace(f"threshold={self.threshold}, value={self.value}")


class Hardshrink(Module):
    """y = x for |x| > lambd, 0 otherwise."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Return the input where it is large."""
        return F.hardshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return lambd."""
        return f"{self.lambd}"


class Softshrink(Module):
    """y = sign(x)·max(|x| - lambd, 0)."""

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Return the input moved towards 0."""
        return F.softshrink(input, self.lambd)

    def extra_repr(self) -> str:
        """Return lambd."""
        return f"{self.lambd}"


class Tanhshrink(Module):
    """y = x - tanh(x)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return x - tanh(x)."""
        return F.tanhshrink(input)


class Softsign(Module):
    """y = x / (1 + |x|)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return x / (1 + |x|)."""
        return F.softsign(input)


class _AlongDim(Module):
    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def extra_repr(self) -> str:
        """Return the dimension."""
        return f"dim={self.dim}"


class Softmax(_AlongDim):
    """yᵢ = e^xᵢ / Σⱼ e^xⱼ along the dimension `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return softmax(x)."""
        return F.softmax(input, self.dim, _CALLER)


class LogSoftmax(_AlongDim):
    """yᵢ = xᵢ - log Σⱼ e^xⱼ along the dimension `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return log(softmax(x))."""
        return F.log_softmax(input, self.dim, _CALLER)


class Softmin(_AlongDim):
    """yᵢ = e^-xᵢ / Σⱼ e^-xⱼ along the dimension `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return softmin(x)."""
        return F.softmin(input, self.dim, _CALLER)


class Softmax2d(Module):
    """Softmax over the channels of each position.

    Shapes:
        input (N, C, H, W) or (C, H, W), output the same.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return softmax(x) along the channels."""
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class GLU(_AlongDim):
    """y = a·sigmoid(b), a and b being the halves of x along `dim` (Dauphin et al., 2016)."""

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        """Return a·sigmoid(b)."""
        return F.glu(input, self.dim)
