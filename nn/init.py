"""Initial values of parameters. Every function fills its tensor in place, unrecorded, and returns it.

`fan_in` keeps the variance of the signal from layer to layer, `fan_out` that of the gradient.
For a weight (K, C, R, S): fan_in = C·R·S and fan_out = K·R·S.
"""

import math
import warnings
from typing import Any

import numpy as np

from autograd.random import Generator, resolve
from autograd.tensor import Tensor
from autograd.views import write

_UNIT_GAIN = (
    "linear", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "sigmoid",
)  # fmt: skip


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return the gain recommended before an activation.

    √2 for relu, √(2 / (1 + param²)) for leaky_relu, 5/3 for tanh, 3/4 for selu, otherwise 1.
    """
    if nonlinearity in _UNIT_GAIN:
        return 1.0
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(f"negative_slope {slope} not a valid number")
        return math.sqrt(2.0 / (1.0 + slope**2))
    gains = {"tanh": 5.0 / 3.0, "relu": math.sqrt(2.0), "selu": 3.0 / 4.0}
    if nonlinearity not in gains:
        raise ValueError(f"calculate_gain: Unsupported nonlinearity {nonlinearity}")
    return gains[nonlinearity]


def fans(tensor: Tensor) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a weight (K, C, ...): the inputs that reach an output, and the reverse."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions, got shape "
            f"{list(tensor.shape)}"
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(tensor: Tensor, mode: str) -> int:
    modes = ("fan_in", "fan_out")
    if not isinstance(mode, str) or mode.lower() not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {list(modes)}")
    return fans(tensor)[modes.index(mode.lower())]


def _precision(tensor: Tensor, name: str) -> Any:
    """Return the type random numbers are drawn in."""
    if not tensor.is_floating_point():
        raise NotImplementedError(f"{name}: expected a floating-point tensor, got {tensor.dtype}")
    return np.float64 if tensor.array.dtype == np.float64 else np.float32


# -- distributions -------------------------------------------------------------------------------------------


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from U(a, b)."""
    if not a <= b:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}")
    values = resolve(generator).numpy.random(tensor.array.shape, dtype=_precision(tensor, "uniform_"))
    values *= b - a
    values += a
    write(tensor, values, "uniform_")
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from N(mean, std²)."""
    if not std >= 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    values = resolve(generator).numpy.standard_normal(tensor.array.shape, dtype=_precision(tensor, "normal_"))
    values *= std
    values += mean
    write(tensor, values, "normal_")
    return tensor


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """Draw from N(mean, std²) restricted to [a, b]."""
    if not std > 0 or not a <= b:
        raise RuntimeError(f"trunc_normal_: expected std > 0 and a <= b, got std={std}, a={a}, b={b}")
    _precision(tensor, "trunc_normal_")
    rng = resolve(generator).numpy
    values = _truncated(rng, tensor.array.size, (a - mean) / std, (b - mean) / std)
    write(tensor, np.clip(values * std + mean, a, b).reshape(tensor.array.shape), "trunc_normal_")
    return tensor


def _truncated(rng: np.random.Generator, count: int, low: float, high: float) -> np.ndarray:
    """Draw from N(0, 1) restricted to [low, high], by rejection.

    Around the mode, standard normal numbers are proposed. In a narrow window or a tail they would hardly ever
    hit: there, uniform ones are, and x stays with probability exp((m² - x²) / 2), m being the window's
    likeliest point.
    """
    m = min(max(0.0, low), high)
    reach = min(9.0, 40.0 / abs(m)) if m else 9.0  # what lies beyond is less likely than 1e-17
    low, high = max(low, m - reach), min(high, m + reach)
    around_mode = m == 0.0 and high - low > 2.5
    accepted = [np.empty(0)]
    missing = count
    while missing > 0:
        if around_mode:
            x = rng.standard_normal(2 * missing)
            keep = (x >= low) & (x <= high)
        else:
            x = rng.uniform(low, high, 2 * missing)
            keep = rng.random(2 * missing) <= np.exp((m - x) * (m + x) / 2)
        accepted.append(x[keep][:missing])
        missing -= accepted[-1].size
    return np.concatenate(accepted)


# -- constants -----------------------------------------------------------------------------------------------


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    if not isinstance(val, (int, float, np.number, Tensor)):
        raise TypeError(f"constant_: expected a number, got {type(val).__name__}")
    val = val.item() if isinstance(val, Tensor) else val
    write(tensor, val, "constant_")
    return tensor


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity, so that Linear hands its input on as far as the sizes allow."""
    if tensor.ndim != 2:
        raise ValueError(f"eye_: Only tensors with 2 dimensions are supported, got shape {list(tensor.shape)}")
    write(tensor, np.eye(*tensor.array.shape), "eye_")
    return tensor


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill a weight (K, C / groups, ...) so that output channel i of each group is its input channel i."""
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            f"dirac_: Only tensors with 3, 4, or 5 dimensions are supported, got shape {list(tensor.shape)}"
        )
    K, C, *field = tensor.array.shape
    if K % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tensor.array.shape)
    centre = tuple(n // 2 for n in field)
    for group in range(groups):
        for i in range(min(K // groups, C)):
            values[(group * (K // groups) + i, i, *centre)] = 1.0
    write(tensor, values, "dirac_")
    return tensor


# -- by fan --------------------------------------------------------------------------------------------------


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from U(-a, a), a = gain·√(6 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Draw from N(0, std²), std = gain·√(2 / (fan_in + fan_out)) (Glorot and Bengio, 2010)."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def _is_empty(tensor: Tensor) -> bool:
    if tensor.array.size == 0:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return True
    return False


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw from U(-b, b), b = gain·√(3 / fan), with leaky_relu's slope `a` (He et al., 2015)."""
    if _is_empty(tensor):
        return tensor
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan(tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """Draw from N(0, std²), std = gain / √fan, with leaky_relu's slope `a` (He et al., 2015)."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode)), generator)


def inverse_root_(tensor: Tensor, fan_in: int, generator: Generator | None = None) -> Tensor:
    """Draw from U(-1/√fan_in, 1/√fan_in), as linear and convolution layers do for weight and bias."""
    bound = 1.0 / math.sqrt(fan_in) if fan_in > 0 else 0.0
    return uniform_(tensor, -bound, bound, generator)


# -- matrices ------------------------------------------------------------------------------------------------


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """Fill with a random orthogonal matrix times `gain` (Saxe et al., 2013).

    W·Wᵀ = gain²·I or Wᵀ·W = gain²·I, by which side is shorter; dimensions from the second on count as one.
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"orthogonal_: Only tensors with 2 or more dimensions are supported, got shape {list(tensor.shape)}"
        )
    if tensor.array.size == 0:
        return tensor
    rows = tensor.array.shape[0]
    columns = tensor.array.size // rows
    q, r = np.linalg.qr(resolve(generator).numpy.standard_normal((max(rows, columns), min(rows, columns))))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # makes the distribution uniform (Mezzadri, 2006)
    write(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.array.shape), "orthogonal_")
    return tensor


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> Tensor:
    """Draw a matrix from N(0, std²), and set a share `sparsity` of each column to zero (Martens, 2010)."""
    if tensor.ndim != 2:
        raise ValueError(f"sparse_: Only tensors with 2 dimensions are supported, got shape {list(tensor.shape)}")
    rng = resolve(generator).numpy
    rows, columns = tensor.array.shape
    values = rng.standard_normal((rows, columns)) * std
    zeros = math.ceil(sparsity * rows)
    for column in range(columns):
        values[rng.permutation(rows)[:zeros], column] = 0.0
    write(tensor, values, "sparse_")
    return tensor
