"""Modules as functions of their parameters and buffers."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from autograd import batching
from autograd.tensor import Tensor


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Return module(*args, **kwargs) with tensors in the place of its parameters and buffers, by name.

    Args:
        parameter_and_buffer_dicts: one dict of names and tensors, or a sequence of dicts without common names.
        args: a tuple, or the only argument.
        tie_weights: give a tensor also to the other names of a parameter that has several.
        strict: refuse names that are missing or unknown.
    """
    tensors = _one_dict(parameter_and_buffer_dicts)
    given = args if isinstance(args, tuple) else () if args is None else (args,)
    with _replaced(module, tensors, tie_weights, strict):
        return module(*given, **(kwargs or {}))


def _one_dict(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, Sequence) or not all(isinstance(each, dict) for each in dicts):
        raise ValueError(
            f"functional_call: Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(dicts).__name__}"
        )
    names = [name for each in dicts for name in each]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(
            f"functional_call: {repeated} appeared in multiple dictionaries; behavior of functional call is ambiguous"
        )
    return {name: x for each in dicts for name, x in each.items()}


def _places(module: Any) -> dict[str, tuple[dict[str, Any], str]]:
    """Return for every name of a parameter or buffer the attributes it is among, and its name there."""
    places = {}
    for path, part in module.named_modules(remove_duplicate=False):
        for key in (*part._parameters, *part._buffers):
            places[f"{path}.{key}" if path else key] = (vars(part), key)
    return places


@contextmanager
def _replaced(module: Any, tensors: dict[str, Any], tie_weights: bool, strict: bool) -> Iterator[None]:
    places = _places(module)
    chosen = dict(tensors)
    unknown = sorted(chosen.keys() - places.keys())
    if tie_weights:
        chosen = _tied(places, chosen)
    missing = sorted(name for name in places.keys() - chosen.keys() if places[name][0][places[name][1]] is not None)
    if strict and (unknown or missing):
        raise RuntimeError(
            f"functional_call: Error(s) in loading tensors for {type(module).__name__}: unexpected key(s) {unknown}, "
            f"missing key(s) {missing}"
        )
    if unknown:
        raise AttributeError(f"functional_call: {type(module).__name__} has no parameter or buffer {unknown[0]!r}")
    before = {name: places[name][0][places[name][1]] for name in chosen}
    try:
        for name, x in chosen.items():
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(f"functional_call: {name} is a {type(x).__name__}, expected a Tensor")
            table, key = places[name]
            table[key] = x
        yield
    finally:
        for name, x in before.items():
            table, key = places[name]
            table[key] = x


def _tied(places: dict[str, tuple[dict[str, Any], str]], tensors: dict[str, Any]) -> dict[str, Any]:
    """Give every tensor also to the other names of the parameter it stands for."""
    names: dict[int, list[str]] = {}
    for name, (table, key) in places.items():
        if table[key] is not None:
            names.setdefault(id(table[key]), []).append(name)
    result = dict(tensors)
    for same in names.values():
        given = [name for name in same if name in tensors]
        if len({id(tensors[name]) for name in given}) > 1:
            raise ValueError(
                f"functional_call: got different tensors for {given}, which are tied: one tensor by several names"
            )
        for name in same if given else ():
            result[name] = tensors[given[0]]
    return result


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters and the buffers of modules of one kind, by name, each stacked along a new first dimension.

    The stacked parameters are leaves that require gradients where the modules' do.
    """
    modules = list(models)
    if not modules:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in modules) or not any(m.training for m in modules)):
        raise RuntimeError("stack_module_state: Expected all models to have the same training/eval mode.")
    if any(type(m) is not type(modules[0]) for m in modules):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    return (
        _stacked_leaves([dict(m.named_parameters()) for m in modules]),
        _stacked_leaves([dict(m.named_buffers()) for m in modules]),
    )


def _stacked_leaves(states: list[dict[str, Any]]) -> dict[str, Any]:
    stacked = {}
    for name in states[0]:
        tensors = [state[name] for state in states]
        wants = [x.requires_grad for x in tensors]
        if any(wants) != all(wants):
            raise RuntimeError(f"stack_module_state: {name} has requires_grad in some models and not in others")
        leaf = batching.join([x.detach()[None] for x in tensors], 0).detach()
        stacked[name] = leaf.requires_grad_() if all(wants) else leaf
    return stacked
