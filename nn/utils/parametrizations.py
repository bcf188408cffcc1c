"""Parametrizations of layers' weights: by direction and length, and by their largest singular value."""

from typing import Any

from autograd.tensor import Tensor
from nn.functional import normalize
from nn.module import Module
from nn.utils.norms import (
    as_matrix,
    iterate,
    norm_except_dim,
    output_dim,
    over_largest_singular_value,
    random_unit,
    rescaled,
)
from nn.utils.parametrize import register_parametrization

__all__ = ["spectral_norm", "weight_norm"]


class _WeightNorm(Module):
    """w = g · v / ‖v‖ from `original0` g and `original1` v."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Tensor, weight_v: Tensor) -> Tensor:
        """Return w."""
        return rescaled(weight_v, weight_g, self.dim)

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the length of a weight, and the weight."""
        return norm_except_dim(weight, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Let a module train the length and the direction of a weight apart; return the module.

    w = g · v / ‖v‖, with one length for each index of dimension `dim`, or one for all if it is None. Checkpoints with
    the keys of the older `nn.utils.weight_norm` load, too.

    Source: Salimans & Kingma, Weight normalization, 2016.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(_module: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
        old = [f"{prefix}{name}_{which}" for which in "gv"]
        if all(key in state_dict for key in old):
            for i, key in enumerate(old):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module.register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    """w / σ(w), σ being estimated by power iteration at each call in training."""

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        super().__init__()
        n = weight.ndim
        if not -n <= dim < n:
            raise IndexError(f"Dimension out of range (expected to be in range of [-{n}, {n - 1}] but got {dim})")
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim = dim % n
        self.eps = eps
        if n > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            for buffer, size in zip(("_u", "_v"), matrix.shape, strict=True):
                self.register_buffer(buffer, random_unit(size, weight, eps))
            iterate(matrix, self._u, self._v, eps, 15)

    def forward(self, weight: Tensor) -> Tensor:
        """Return w / σ(w)."""
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            iterate(matrix, self._u, self._v, self.eps, self.n_power_iterations)
        return over_largest_singular_value(weight, matrix, self._u, self._v)

    def right_inverse(self, value: Tensor) -> Tensor:
        """Return the value: it is taken to be normalised."""
        return value


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide a module's weight by its largest singular value; return the module.

    Args:
        n_power_iterations: how often the estimate is improved at each call in training.
        eps: what norms are at least.
        dim: the weight's dimension of outputs; default: 0, 1 for transposed convolutions.

    Source: Miyato et al., Spectral normalization for generative adversarial networks, 2018.
    """
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    parametrization = _SpectralNorm(weight, n_power_iterations, output_dim(module, dim), eps)
    register_parametrization(module, name, parametrization)
    return module
