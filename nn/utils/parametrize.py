"""Parameters that are functions of others: `module.weight` is computed from what is trained, at every access.

A module with parametrized tensors belongs to a subclass of its class, in which these tensors are properties. What is
trained lies in `module.parametrizations.<name>` as `original`, or `original0`, `original1`, ...
"""

import copy
import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from autograd.grad_mode import no_grad
from autograd.tensor import Tensor
from nn.containers import ModuleDict, ModuleList
from nn.module import Module
from nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]


class _Cache(threading.local):
    """What tensors this thread computed inside `cached`, by module and name."""

    def __init__(self) -> None:
        self.depth = 0
        self.tensors: dict[tuple[int, str], Any] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once inside: `with parametrize.cached(): ...`."""
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.tensors = {}


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and the tensors they start from.

    Attributes:
        original: what the first is applied to; or, where its `right_inverse` gives several tensors, `original0`, ...
    """

    original: Tensor

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        before, dtype, shape = original.data, original.dtype, original.shape
        new = self._inverse(original, lenient=True)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype: "
                    f"original {dtype}, right_inverse(original) {new.dtype}"
                )
            original.data = new
            _register(self, "original", original)
        else:
            for i, each in enumerate(new):
                _register(self, f"original{i}", _like(original, each))
        if not unsafe:
            try:
                check_unchanged(self(), dtype, shape)
            except Exception:
                original.data = before
                raise

    def _inverse(self, value: Any, lenient: bool = False) -> Any:
        """Return what the parametrizations make `value` from; if `lenient`, passing over those without one."""
        with no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    if lenient:
                        continue
                    raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:
                    if not lenient:
                        raise
        if isinstance(value, Tensor):
            return value
        if not isinstance(value, Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(value).__name__}"
            )
        for i, each in enumerate(value):
            if not isinstance(each, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                    f"Got element {i} of the sequence with type {type(each).__name__}."
                )
        return value

    def originals(self) -> list[Tensor]:
        """Return the tensors the first parametrization is applied to."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{i}") for i in range(self.ntensors)]

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the parametrized tensor becomes `value`."""
        new = self._inverse(value)
        if isinstance(new, Tensor) != self.is_tensor:
            expected = "a tensor" if self.is_tensor else "a sequence of tensors"
            raise ValueError(f"`right_inverse` should return {expected}. Got {type(new).__name__}")
        values = [new] if self.is_tensor else new
        if len(values) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                f"Got a sequence of length {len(values)}."
            )
        for i, (original, each) in enumerate(zip(self.originals(), values, strict=True)):
            if each.dtype != original.dtype:
                raise ValueError(
                    f"The tensor returned by `right_inverse` has dtype {each.dtype} while `original` {i} "
                    f"has dtype {original.dtype}"
                )
        for original, each in zip(self.originals(), values, strict=True):
            original.data = Tensor(each.array.copy())

    def forward(self) -> Any:
        """Return the parametrized tensor."""
        first, *others = self
        value = first(*self.originals())
        for module in others:
            value = module(value)
        return value


def check_unchanged(value: Any, dtype: Any, shape: Any) -> None:
    """Raise ValueError unless a parametrization has kept type and shape."""
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    for what, before, now in (("dtype", dtype, value.dtype), ("shape", tuple(shape), tuple(value.shape))):
        if before != now:
            raise ValueError(
                f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag is "
                f"enabled: unparametrized {what} {before}, parametrized {what} {now}"
            )


def _like(original: Tensor, value: Tensor) -> Tensor:
    if isinstance(original, Parameter):
        return Parameter(value, original.requires_grad)
    return value.detach().requires_grad_(original.requires_grad)


def _register(module: Module, name: str, value: Any) -> None:
    if isinstance(value, Parameter):
        module.register_parameter(name, value)
    else:
        module.register_buffer(name, value)


# -- classes in which tensors are properties --------------------------------------------------------------------------


@functools.cache
def _class_with(base: type, names: frozenset[str]) -> type:
    """Return the subclass of `base` in which these names are parametrized tensors."""
    special = {"__getstate__": _refuse_pickle, "__deepcopy__": _deepcopy}
    return type(f"Parametrized{base.__name__}", (base,), {**{name: _computed(name) for name in names}, **special})


def _computed(name: str) -> property:
    def get(module: Any) -> Any:
        if not _cache.depth:
            return module.parametrizations[name]()
        key = (id(module), name)
        if key not in _cache.tensors:
            _cache.tensors[key] = module.parametrizations[name]()
        return _cache.tensors[key]

    def set_(module: Any, value: Tensor) -> None:
        module.parametrizations[name].right_inverse(value)

    return property(get, set_)


def _refuse_pickle(module: Any) -> Any:
    raise RuntimeError("Serialization of parametrized modules is only supported through state_dict().")


def _deepcopy(module: Any, memo: dict[int, Any]) -> Any:
    result = memo[id(module)] = object.__new__(type(module))
    vars(result).update(copy.deepcopy(vars(module), memo))
    return result


def _set_class(module: Any) -> None:
    names = frozenset(module.parametrizations)
    module.__class__ = _class_with(type_before_parametrizations(module), names)


# -- registering ------------------------------------------------------------------------------------------------------


def register_parametrization(module: Any, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Any:
    """Make a parameter or buffer of a module the result of `parametrization`; return the module.

    `module.<tensor_name> = value` afterwards needs the parametrization's `right_inverse`, as does keeping the tensor's
    present value. Further parametrizations of a tensor are applied upon the earlier ones.

    Args:
        unsafe: whether type and shape of the tensor may change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        parametrizations = module.parametrizations[tensor_name]
        if not unsafe:
            _check_further(getattr(module, tensor_name), parametrization)
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
        return module
    if tensor_name not in module._parameters and tensor_name not in module._buffers:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    parametrizations = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.parametrizations = ModuleDict()
    module.parametrizations[tensor_name] = parametrizations
    _set_class(module)
    return module


def _check_further(value: Tensor, parametrization: Any) -> None:
    result = parametrization(value)
    check_unchanged(result, value.dtype, value.shape)
    if not hasattr(parametrization, "right_inverse"):
        return
    try:
        inverse = parametrization.right_inverse(result)
    except NotImplementedError:
        return
    if not isinstance(inverse, Tensor) or (inverse.dtype, inverse.shape) != (value.dtype, value.shape):
        found = f"{inverse.dtype} {tuple(inverse.shape)}" if isinstance(inverse, Tensor) else type(inverse).__name__
        raise ValueError(
            "parametrization.right_inverse must return a tensor of the same dtype and shape as the parametrized one, "
            f"unless the `unsafe` flag is enabled: expected {value.dtype} {tuple(value.shape)}, got {found}"
        )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Say whether a tensor of the module, or any, is parametrized."""
    parametrizations = vars(module).get("parametrizations")
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a parametrized tensor a plain parameter or buffer again; return the module.

    Args:
        leave_parametrized: whether it keeps its present value, in place of the original's.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations = module.parametrizations[tensor_name]
    if not parametrizations.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    value = getattr(module, tensor_name)
    if parametrizations.is_tensor:
        plain = parametrizations.original
        if leave_parametrized:
            plain.data = Tensor(value.array.copy())
    else:
        plain = Parameter(value.detach().clone()) if value.requires_grad else value
    del module.parametrizations[tensor_name]
    if is_parametrized(module):
        _set_class(module)
    else:
        module.__class__ = type_before_parametrizations(module)
        del module.parametrizations
    _register(module, tensor_name, plain)
    return module


def type_before_parametrizations(module: Module) -> type:
    """Return the class of a module without its parametrizations."""
    kind = type(module)
    return kind.__bases__[0] if vars(kind).get("__getstate__") is _refuse_pickle else kind


def transfer_parametrizations_and_params(from_module: Any, to_module: Any, tensor_name: str | None = None) -> Any:
    """Register the parametrizations of one module on another, which then shares them and their originals; return it.

    Args:
        tensor_name: the one tensor meant; default: all.
    """
    if not is_parametrized(from_module):
        return to_module
    for name in list(from_module.parametrizations) if tensor_name is None else [tensor_name]:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach().clone()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        names = ["original"] if source.is_tensor else [f"original{i}" for i in range(source.ntensors)]
        for each in names:
            setattr(target, each, getattr(source, each))
    return to_module
