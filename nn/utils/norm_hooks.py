"""The older way of normalising weights: a hook computes the weight before each forward."""

import warnings
from typing import Any

from autograd.grad_mode import no_grad
from autograd.tensor import Tensor
from nn.module import Module
from nn.parameter import Parameter
from nn.utils.norms import (
    as_matrix,
    iterate,
    norm_except_dim,
    output_dim,
    over_largest_singular_value,
    random_unit,
    rescaled,
)


class _Norm:
    """A hook that makes `module.<name>` from parameters and buffers called `<name>_...`."""

    kind = ""
    parts: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def compute_weight(self, module: Any) -> Tensor:
        """Return the weight."""
        raise NotImplementedError

    def part(self, module: Any, which: str) -> Tensor:
        """Return one of the tensors the weight is made of."""
        tensor: Tensor = getattr(module, f"{self.name}_{which}")
        return tensor

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))

    def attach(self, module: Module) -> None:
        """Let the hook run before each forward."""
        module.register_forward_pre_hook(self)

    def remove(self, module: Module) -> None:
        """Leave the weight as a parameter."""
        with no_grad():
            weight = self.compute_weight(module).detach().clone()
        for name in (self.name, *(f"{self.name}_{part}" for part in self.parts)):
            delattr(module, name)
        module.register_parameter(self.name, Parameter(weight))


class WeightNorm(_Norm):
    """w = g · v / ‖v‖."""

    kind = "weight_norm"
    parts = ("g", "v")

    def __init__(self, name: str, dim: int | None) -> None:
        super().__init__(name)
        self.dim = -1 if dim is None else dim

    def compute_weight(self, module: Any) -> Tensor:
        """Return the weight."""
        return rescaled(self.part(module, "v"), self.part(module, "g"), self.dim)


class SpectralNorm(_Norm):
    """w / σ(w)."""

    kind = "spectral_norm"
    parts = ("u", "v", "orig")

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float) -> None:
        super().__init__(name)
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def compute_weight(self, module: Any, iterations: int = 0) -> Tensor:
        """Return the weight, after as many iterations of v, then u."""
        weight, u, v = (self.part(module, which) for which in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        iterate(matrix.T, v, u, self.eps, iterations)
        return over_largest_singular_value(weight, matrix, u, v)

    def __call__(self, module: Module, inputs: Any) -> None:
        iterations = self.n_power_iterations if module.training else 0
        setattr(module, self.name, self.compute_weight(module, iterations))


def _hooks_of(module: Module) -> dict[int, Any]:
    """Return the norms among a module's hooks."""
    hooks = module._hooks.forward_pre if module._hooks is not None else {}
    return {key: hook.function for key, hook in hooks.items() if isinstance(hook.function, _Norm)}


def _check_single(module: Module, kind: type[_Norm], name: str) -> None:
    if any(type(hook) is kind and hook.name == name for hook in _hooks_of(module).values()):
        raise RuntimeError(f"Cannot register two {kind.kind} hooks on the same parameter {name}")


def _remove(module: Module, kind: type[_Norm], name: str) -> Module:
    for key, hook in _hooks_of(module).items():
        if type(hook) is kind and hook.name == name:
            hook.remove(module)
            del module._ensure_hooks().forward_pre[key]
            return module
    raise ValueError(f"{kind.kind} of '{name}' not found in {module}")


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Make `module.<name>` g · v / ‖v‖ before each forward; deprecated, see `nn.utils.parametrizations.weight_norm`."""
    warnings.warn(
        "`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    _check_single(module, WeightNorm, name)
    norm = WeightNorm(name, dim)
    weight = getattr(module, name)
    length = norm_except_dim(weight.detach(), norm.dim)
    delattr(module, name)
    module.register_parameter(f"{name}_g", Parameter(length))
    module.register_parameter(f"{name}_v", Parameter(weight.detach()))
    setattr(module, name, norm.compute_weight(module))
    norm.attach(module)
    return module


def remove_weight_norm(module: Module, name: str = "weight") -> Module:
    """Undo `weight_norm`; the weight keeps its value."""
    return _remove(module, WeightNorm, name)


def spectral_norm(
    module: Module,
    name: str = "weight",
    n_power_iterations: int = 1,
    eps: float = 1e-12,
    dim: int | None = None,
) -> Module:
    """Divide `module.<name>` by its largest singular value before each forward.

    `nn.utils.parametrizations.spectral_norm` does so without a hook.
    """
    _check_single(module, SpectralNorm, name)
    norm = SpectralNorm(name, n_power_iterations, output_dim(module, dim), eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    sizes = as_matrix(weight.detach(), norm.dim).shape
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.detach())
    for buffer, size in zip("uv", sizes, strict=True):
        module.register_buffer(f"{name}_{buffer}", random_unit(size, weight, eps))
    norm.attach(module)
    return module


def remove_spectral_norm(module: Module, name: str = "weight") -> Module:
    """Undo `spectral_norm`; the weight keeps its value."""
    return _remove(module, SpectralNorm, name)
