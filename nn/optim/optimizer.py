"""Optimizer: parameters in groups with options, the state kept for them, and how both are saved."""

import copy
import functools
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from autograd.hooks import HookTable, RemovableHandle
from autograd.tensor import Tensor
from nn.module_hooks import add
from nn.parameter import forget_gradients, typename

HOOKS = ("step_pre", "step_post", "state_dict_pre", "state_dict_post", "load_state_dict_pre", "load_state_dict_post")


def hooked(step: Callable[..., Any]) -> Callable[..., Any]:
    """Run the hooks around a `step`; one that calls its base's step runs them once."""

    @functools.wraps(step)
    def run(self: "Optimizer", *args: Any, **kwargs: Any) -> Any:
        if self._stepping:
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in list(self._hooks["step_pre"].values()):
            args, kwargs = _replaced(hook(self, args, kwargs), args, kwargs)
        self._stepping = True
        try:
            result = step(*args, **kwargs)
        finally:
            self._stepping = False
        self._opt_called = True
        for hook in list(self._hooks["step_post"].values()):
            hook(self, args, kwargs)
        return result

    return run


def _replaced(result: Any, args: Any, kwargs: Any) -> Any:
    if result is None:
        return args, kwargs
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(f"step pre-hook: expected None or a tuple (new_args, new_kwargs), got {result!r}")
    return result


class Optimizer:
    """Base of all optimisers. One of your own defines `step`, which walks `param_groups` and may use `state`.

    Args:
        params: parameters, (name, parameter) pairs, or dicts {"params": ..., option: value} that make groups.
        defaults: the options of groups that do not set them.
    """

    _scalar_names: tuple[str, ...] = ("step",)  # states that are no arrays shaped like the parameter

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "step" in vars(cls):
            cls.step = hooked(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, but got "
                + typename(params)
            )
        self.defaults = defaults
        self.state: defaultdict[Any, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._set_up()
        self._check_options(defaults)
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _set_up(self) -> None:
        """Make what copies and pickles do not take along."""
        self._hooks = {name: HookTable() for name in HOOKS}
        self._stepping = False
        self._opt_called = False  # schedulers warn where they are stepped first

    def _check_options(self, group: dict[str, Any]) -> None:
        """Raise ValueError for an option out of range."""

    def _check_implementation(self, group: dict[str, Any]) -> None:
        """Raise for options that no step here can follow."""

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what `closure`, which computes the loss anew, returns."""
        raise NotImplementedError(f"{type(self).__name__} must define step")

    # -- groups -------------------------------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with options of its own."""
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        group = {**param_group, **_listed(param_group["params"])}
        self._check_parameters(group["params"])
        for other in self.param_groups:
            if ("param_names" in group) != ("param_names" in other):
                which = "with names" if "param_names" in group else "without names"
                raise ValueError(
                    "all optimizer param groups should be with/without names. "
                    f"cannot add param group {which} to the optimizer"
                )
        for name, value in self.defaults.items():
            group.setdefault(name, value)
        self._check_options(group)
        self.param_groups.append(group)

    def _check_parameters(self, params: list[Any]) -> None:
        seen = set(map(id, self._all_params()))
        for param in params:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize Tensors, but one of the params is {typename(param)}")
            if not param.is_leaf and not param.retains_grad:
                raise ValueError("can't optimize a non-leaf Tensor")
            if id(param) in seen:
                raise ValueError("some parameters appear in more than one parameter group, or twice in one")
            seen.add(id(param))

    def _all_params(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or (`set_to_none=False`) overwrite them with zeros."""
        forget_gradients(self._all_params(), set_to_none)

    # -- hooks --------------------------------------------------------------------------------------------------------

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` before each step; it may return other (args, kwargs)."""
        return self._hooks["step_pre"].add(hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(optimizer, args, kwargs)` after each step."""
        return self._hooks["step_post"].add(hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` before each `state_dict`."""
        return add(self._hooks["state_dict_pre"], hook, prepend)

    def register_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` after each `state_dict`; it may return another one."""
        return add(self._hooks["state_dict_post"], hook, prepend)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer, state_dict)` before each `load_state_dict`; it may return another one."""
        return add(self._hooks["load_state_dict_pre"], hook, prepend)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """Call `hook(optimizer)` after each `load_state_dict`."""
        return add(self._hooks["load_state_dict_post"], hook, prepend)

    def _through_hooks(self, name: str, state_dict: dict[str, Any]) -> dict[str, Any]:
        for hook in list(self._hooks[name].values()):
            result = hook(self, state_dict)
            state_dict = state_dict if result is None else result
        return state_dict

    # -- saving -------------------------------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return {"state": {number of the parameter: its state}, "param_groups": options and parameter numbers}.

        The tensors are those of the state, not copies.
        """
        for hook in list(self._hooks["state_dict_pre"].values()):
            hook(self)
        number = {id(p): i for i, p in enumerate(self._all_params())}
        groups = [{**group, "params": [number[id(p)] for p in group["params"]]} for group in self.param_groups]
        state = {
            number.get(id(key), key): dict(entry) if isinstance(entry, dict) else entry
            for key, entry in self.state.items()
        }
        return self._through_hooks("state_dict_post", {"state": state, "param_groups": groups})

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over options and state saved by `state_dict`; state tensors are copied in their parameter's type."""
        state_dict = self._through_hooks("load_state_dict_pre", dict(state_dict))
        saved = copy.deepcopy(state_dict["param_groups"])
        self._check_saved(saved)
        numbers = [number for group in saved for number in group["params"]]
        by_number = dict(zip(numbers, self._all_params(), strict=True))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, entry in state_dict["state"].items():
            param = by_number.get(key)
            state[key if param is None else param] = entry if param is None else self._taken_over(entry, param)
        for group, new in zip(self.param_groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in list(self._hooks["load_state_dict_post"].values()):
            hook(self)

    def _check_saved(self, saved: list[dict[str, Any]]) -> None:
        if len(saved) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(saved)}, "
                f"the optimizer has {len(self.param_groups)}"
            )
        for i, (group, new) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(group["params"]) != len(new["params"]):
                raise ValueError(
                    f"loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"group {i} has {len(new['params'])} parameters, the optimizer's has {len(group['params'])}"
                )
            self._check_implementation(new)

    def _taken_over(self, value: Any, param: Tensor, name: str = "") -> Any:
        """Return a copy of a saved state in which arrays have the parameter's type."""
        if isinstance(value, Tensor):
            kind = value.array.dtype if name in self._scalar_names else param.array.dtype
            return Tensor(value.array.astype(kind))
        if isinstance(value, dict):
            return {key: self._taken_over(each, param, key) for key, each in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)([self._taken_over(each, param) for each in value])
        return value

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_hooks", "_stepping", "_opt_called")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "_hooks" not in vars(self):
            self._set_up()
        for group in self.param_groups:  # a file may be older than an option
            for name, value in self.defaults.items():
                group.setdefault(name, value)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines.extend(f"    {name}: {group[name]}" for name in sorted(group) if name != "params")
        return "\n".join([*lines, ")"])


def _listed(params: Any) -> dict[str, list[Any]]:
    """Return a group's parameters and, where they were given as pairs, their names."""
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering of tensors in sets "
            "will change between runs. Please use a list instead."
        )
    params = [params] if isinstance(params, Tensor) else list(params)
    names = [each[0] for each in params if isinstance(each, tuple)]
    if not names:
        return {"params": params}
    if len(names) != len(params):
        raise ValueError("all optimizer params should be with/without names. Some param names are missing")
    return {"params": [each[1] for each in params], "param_names": names}
