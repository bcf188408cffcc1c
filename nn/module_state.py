"""A Module's state as a dictionary of tensors, and back."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from autograd.hooks import HookTable, RemovableHandle
from autograd.tensor import Tensor
from autograd.views import detach, write
from nn.module_registry import BUFFER, MODULE, PARAMETER, Registry
from nn.parameter import Parameter, typename

EXTRA = "_extra_state"
PENDING = "copy_later"  # in the metadata a module is told: what takes copies to be made once everything fits


class IncompatibleKeys(NamedTuple):
    """The keys `load_state_dict` did not find, and those it had no use for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


class StateHooks:
    """Functions called around `state_dict` and `load_state_dict`."""

    def __init__(self) -> None:
        self.save_pre = HookTable()
        self.save_post = HookTable()
        self.load_pre = HookTable()
        self.load_post = HookTable()


class State(Registry):
    """The tree's `state_dict` and `load_state_dict`."""

    _version: int = 1  # of the layout of this class's own entries
    _state_hooks: StateHooks | None = None

    # -- saving ----------------------------------------------------------------------------------------------

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """Return every parameter and persistent buffer by its path; the tensors share the module's memory.

        Args:
            destination: the dictionary to add to; default: a new one.
            prefix: what every path starts with.
            keep_vars: give the parameters themselves, not tensors detached from them.
        """
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        hooks = self._state_hooks
        metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = metadata
        for hook in list(hooks.save_pre.values()) if hooks else ():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._of_kind(MODULE).items():
            if module is not None:
                module.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in list(hooks.save_post.values()) if hooks else ():
            if hook(self, destination, prefix, metadata) is not None:
                raise RuntimeError("state_dict post-hook must return None")
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Add this module's own entries."""
        for name, value in self._of_kind(PARAMETER, BUFFER).items():
            if value is not None:
                destination[prefix + name] = value if keep_vars else detach(value)
        if type(self).get_extra_state is not State.get_extra_state:
            destination[prefix + EXTRA] = self.get_extra_state()

    def get_extra_state(self) -> Any:
        """Return what else goes into `state_dict`; a subclass that overrides this is asked for it."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: override get_extra_state and set_extra_state")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: override get_extra_state and set_extra_state")

    # -- loading ---------------------------------------------------------------------------------------------

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy the values of a `state_dict` into this module; return the missing and the unexpected keys.

        Values of another shape raise RuntimeError, and so do missing and unexpected keys if `strict`: one
        error names them all, and nothing is copied. (Two exceptions: a subclass's own `_load_from_state_dict` copies
        when it is called, and hooks called after loading, which may change the lists of keys, see all values copied.)

        Args:
            state_dict: tensors by their path.
            strict: whether the keys must be exactly this module's.
            assign: let the module take over the given tensors, types included, in place of copying from them.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", {})
        loading = _Loading(metadata, assign, IncompatibleKeys([], []), [], [], [])
        _load(self, OrderedDict(state_dict), "", loading)
        if loading.errors or (strict and not loading.hooks):
            loading.check(self, strict)
        for copy in loading.pending:
            copy()
        for module, hook in loading.hooks:
            if hook(module, loading.keys) is not None:
                raise AssertionError(
                    "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                    "values, if incompatible_keys need to be modified, it should be done inplace."
                )
        loading.check(self, strict)
        return loading.keys

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Take this module's own entries; subclasses override this to read older layouts."""
        hooks = self._state_hooks
        for hook in list(hooks.load_pre.values()) if hooks else ():
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign, later = local_metadata.get("assign_to_params_buffers", False), local_metadata.get(PENDING, _now)
        own = self._of_kind(PARAMETER, BUFFER)
        for name, value in own.items():
            key = prefix + name
            if key in state_dict:
                if value is not None:
                    _take(self, name, state_dict[key], key, assign, error_msgs, later)
            elif value is not None and strict:
                missing_keys.append(key)
        has_extra = type(self).set_extra_state is not State.set_extra_state
        if has_extra and prefix + EXTRA in state_dict:
            extra = state_dict[prefix + EXTRA]
            later(lambda: self.set_extra_state(extra))
        elif strict and has_extra != (prefix + EXTRA in state_dict):
            (missing_keys if has_extra else unexpected_keys).append(prefix + EXTRA)
        if strict:
            known = {name for name, value in own.items() if value is not None} | {EXTRA}
            unexpected_keys.extend(_unexpected(state_dict, prefix, known, set(self._of_kind(MODULE))))

    # -- hooks -----------------------------------------------------------------------------------------------

    def _ensure_state_hooks(self) -> StateHooks:
        if self._state_hooks is None:
            self._state_hooks = StateHooks()
        return self._state_hooks

    def register_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before `state_dict` gathers anything."""
        return self._ensure_state_hooks().save_pre.add(hook)

    def register_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` when `state_dict` is complete."""
        return self._ensure_state_hooks().save_post.add(hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, metadata, strict, missing, unexpected, errors)` first."""
        return self._ensure_state_hooks().load_pre.add(hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., None]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading; it may change the lists of keys."""
        return self._ensure_state_hooks().load_post.add(hook)


class _Loading(NamedTuple):
    """What one `load_state_dict` carries from module to module."""

    metadata: Any
    assign: bool
    keys: IncompatibleKeys
    errors: list[str]
    pending: list[Callable[[], None]]  # the copies to be made when everything is known to fit
    hooks: list[tuple[Any, Callable[..., Any]]]  # and what is to be called then

    def check(self, module: Any, strict: bool) -> None:
        """Raise one error for everything that does not fit."""
        errors = list(self.errors)
        if strict:
            for what, names in (("Unexpected", self.keys.unexpected_keys), ("Missing", self.keys.missing_keys)):
                if names:
                    quoted = ", ".join(f'"{name}"' for name in names)
                    errors.insert(0, f"{what} key(s) in state_dict: {quoted}. ")
        if errors:
            listed = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{listed}")

    def metadata_of(self, module: Any, path: str) -> dict[str, Any]:
        """Return what `_load_from_state_dict` is told of one module's entries."""
        known = self.metadata.get(path) if isinstance(self.metadata, Mapping) else None
        local = dict(known) if isinstance(known, Mapping) else {}
        if self.assign:
            local["assign_to_params_buffers"] = True
        if type(module)._load_from_state_dict.__module__.partition(".")[0] == __package__:
            local[PENDING] = self.pending.append  # other libraries' may look at the values after super()
        return local


def _load(module: Any, state_dict: dict[str, Any], prefix: str, loading: _Loading) -> None:
    """Prepare the loading of a module and those below it."""
    local_metadata = loading.metadata_of(module, prefix[:-1])
    module._load_from_state_dict(state_dict, prefix, local_metadata, True, *loading.keys, loading.errors)
    for name, child in module._of_kind(MODULE).items():
        if child is not None:
            below = f"{prefix}{name}."
            own = {key: value for key, value in state_dict.items() if key.startswith(below)}
            _load(child, own, below, loading)
    hooks = module._state_hooks
    loading.hooks.extend((module, hook) for hook in (hooks.load_post.values() if hooks else ()))


def _now(copy: Callable[[], None]) -> None:
    copy()


def _take(
    module: Any,
    name: str,
    given: Any,
    key: str,
    assign: bool,
    errors: list[str],
    later: Callable[[Callable[[], None]], None],
) -> None:
    """Copy or assign one entry, now or later, if it fits."""
    value = getattr(module, name)
    if not isinstance(given, Tensor):
        errors.append(
            f'While copying the parameter named "{key}", expected a Tensor from checkpoint but received '
            f"{typename(given)}"
        )
        return
    if value.ndim == 0 and given.shape == (1,):
        given = Tensor(given.array.reshape(()))
    if given.shape != value.shape:
        errors.append(
            f"size mismatch for {key}: copying a param with shape {given.shape} from checkpoint, the shape "
            f"in current model is {value.shape}."
        )
    elif assign:
        later(lambda: _assign(module, name, value, given))
    elif not value.array.flags.writeable:
        errors.append(f'While copying the parameter named "{key}", the parameter\'s memory is read-only')
    else:
        later(lambda: write(value, given.array, "load_state_dict"))


def _assign(module: Any, name: str, value: Tensor, given: Tensor) -> None:
    """Put the given tensor in the place of `value`; a parameter stays one that wants gradients or not."""
    if isinstance(value, Parameter) and not (
        isinstance(given, Parameter) and given.requires_grad == value.requires_grad
    ):
        given = Parameter(given, value.requires_grad)
    setattr(module, name, given)


def _unexpected(state_dict: Mapping[str, Any], prefix: str, known: set[str], children: set[str]) -> list[str]:
    """Return the keys under `prefix` that belong neither to the module nor to a child."""
    unexpected = []
    for key in state_dict:
        if key.startswith(prefix):
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (children if dot else known):
                unexpected.append(key)
    return unexpected
