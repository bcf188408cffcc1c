"""What a Module is made of: named parameters, buffers and submodules, which form a tree.

All of them are plain attributes, as quick to reach as any other. What kind each one is stands in `_kinds`, in
the order they were registered.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Self

from autograd.tensor import Tensor
from nn.parameter import Buffer, Parameter, typename

PARAMETER, BUFFER, TRANSIENT, MODULE = "parameter", "buffer", "non-persistent buffer", "module"
BUFFERS = (BUFFER, TRANSIENT)

# By kind: what an assignment may put there, and how PyTorch words the refusal of anything else.
_ACCEPTED: dict[str, tuple[Any, str]] = {
    PARAMETER: (Parameter, "as parameter {name!r} (nn.Parameter or None expected)"),
    BUFFER: (Tensor, "as buffer {name!r} (nn.Buffer, Tensor or None expected)"),
    TRANSIENT: (Tensor, "as buffer {name!r} (nn.Buffer, Tensor or None expected)"),
}


class Registry:
    """A node of the tree. A Parameter, a Buffer or a module is registered when it becomes an attribute."""

    _kinds: dict[str, str]

    def __init__(self) -> None:
        vars(self)["_kinds"] = {}

    # -- attributes ------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        kind = vars(self).get("_kinds", {}).get(name)
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._make_room(name, PARAMETER)
            self.register_parameter(name, value)
        elif isinstance(value, Registry) and kind != PARAMETER:
            self._require_init("module")
            self._make_room(name, MODULE)
            self._register(name, value, MODULE)
        elif isinstance(value, Buffer) and kind not in (PARAMETER, MODULE):
            self._require_init("buffer")
            self._make_room(name, *BUFFERS)
            self.register_buffer(name, value, value.persistent)
        elif kind is None:
            object.__setattr__(self, name, value)
        else:
            accepted, wording = _ACCEPTED.get(kind) or (
                Registry,
                "as child module {name!r} (nn.Module or None expected)",
            )
            if value is not None and not isinstance(value, accepted):
                raise TypeError(f"cannot assign '{typename(value)}' {wording.format(name=name)}")
            vars(self)[name] = value

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        vars(self).get("_kinds", {}).pop(name, None)

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).copy()
        if "_kinds" in state:
            state["_kinds"] = state["_kinds"].copy()  # a shallow copy of a module registers for itself
        return state

    def __dir__(self) -> list[str]:
        return [name for name in super().__dir__() if not name[:1].isdigit()]

    def _require_init(self, what: str) -> None:
        if "_kinds" not in vars(self):
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _make_room(self, name: str, *kinds: str) -> None:
        """Drop an attribute that is of another kind than these."""
        if self._kinds.get(name) not in kinds:
            self._kinds.pop(name, None)
            vars(self).pop(name, None)

    def _register(self, name: str, value: Any, kind: str) -> None:
        self._kinds[name] = kind
        vars(self)[name] = value

    def _check_name(self, name: Any, kind: str, kinds: tuple[str, ...]) -> None:
        """Check a name before something of one of `kinds` is registered under it."""
        self._require_init(kind)
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if hasattr(self, name) and self._kinds.get(name) not in kinds:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain ".", got: {name}')
        if not name:
            raise KeyError(f'{kind} name can\'t be empty string ""')

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None stands for one that is switched off, and is not part of `state_dict`."""
        self._check_name(name, "parameter", (PARAMETER,))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' (nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created "
                f"explicitly. To express '{name}' as a function of another Tensor, compute the value in the "
                "forward() method."
            )
        self._register(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but not trained; if `persistent`, it is part of `state_dict`."""
        self._check_name(name, "buffer", BUFFERS)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"cannot assign '{typename(tensor)}' object to buffer '{name}' (Tensor or None required)")
        self._register(name, tensor, BUFFER if persistent else TRANSIENT)

    def add_module(self, name: str, module: "Registry | None") -> None:
        """Add a submodule."""
        if module is not None and not isinstance(module, Registry):
            raise TypeError(f"add_module: {typename(module)} is not a Module subclass")
        self._check_name(name, "module", (MODULE,))
        self._register(name, module, MODULE)

    def register_module(self, name: str, module: "Registry | None") -> None:
        """Add a submodule: another name of `add_module`."""
        self.add_module(name, module)

    # -- this module's own -----------------------------------------------------------------------------------

    def _of_kind(self, *kinds: str) -> dict[str, Any]:
        """Return this module's own members of some kinds, those that are None too."""
        own = vars(self)
        return {name: own[name] for name, kind in self._kinds.items() if kind in kinds}

    @property
    def _parameters(self) -> Mapping[str, Parameter | None]:
        return MappingProxyType(self._of_kind(PARAMETER))

    @property
    def _buffers(self) -> Mapping[str, Tensor | None]:
        return MappingProxyType(self._of_kind(*BUFFERS))

    @property
    def _modules(self) -> Mapping[str, Any]:
        return MappingProxyType(self._of_kind(MODULE))

    def named_children(self) -> Iterator[tuple[str, Any]]:
        """Yield the direct submodules with their names, each once."""
        seen = set()
        for name, module in self._of_kind(MODULE).items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Any]:
        """Yield the direct submodules."""
        for _, module in self.named_children():
            yield module

    # -- the whole tree --------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set["Registry"] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield this module, under the name `prefix`, and all below it with their paths, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._of_kind(MODULE).items():
            if module is not None:
                yield from module.named_modules(memo, join(prefix, name), remove_duplicate)

    def modules(self) -> Iterator[Any]:
        """Yield this module and all below it, each once, parents first."""
        seen: set[Registry] = set()
        stack: list[Any] = [self]
        while stack:
            module = stack.pop()
            if module is not None and module not in seen:
                seen.add(module)
                yield module
                own = vars(module)
                stack += [own[name] for name, kind in reversed(module._kinds.items()) if kind == MODULE]

    def _members(self, kinds: tuple[str, ...], recurse: bool) -> Iterator[Any]:
        """Yield the tensors of some kinds, each once; this runs every training step, and needs no names."""
        seen: set[Tensor] = set()
        for module in self.modules() if recurse else (self,):
            own = vars(module)
            for name, kind in module._kinds.items():
                if kind in kinds and own[name] is not None and own[name] not in seen:
                    seen.add(own[name])
                    yield own[name]

    def _named_members(
        self,
        get_members_fn: Callable[[Any], Iterable[tuple[str, Any]]],
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        memo = set()
        modules = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in get_members_fn(module):
                if value is None or value in memo:
                    continue
                if remove_duplicate:
                    memo.add(value)
                yield join(path, name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Yield the parameters with their paths, a shared one once; `recurse=False` leaves submodules out."""
        return self._named_members(lambda m: m._of_kind(PARAMETER).items(), prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Yield the parameters, as an optimiser takes them."""
        return self._members((PARAMETER,), recurse)

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Yield the buffers with their paths, a shared one once."""
        return self._named_members(lambda m: m._of_kind(*BUFFERS).items(), prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Yield the buffers."""
        return self._members(BUFFERS, recurse)

    def apply(self, fn: Callable[[Any], Any]) -> Self:
        """Call `fn(module)` for every module below this one, then for this one; return it."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # -- by path ---------------------------------------------------------------------------------------------

    def get_submodule(self, target: str) -> Any:
        """Return the submodule at a path such as `features.3`; the empty path is the module itself."""
        module: Any = self
        for name in target.split(".") if target else ():
            module = module._member(name)
            if not isinstance(module, Registry):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: "Registry", strict: bool = False) -> None:
        """Put a module at a path; with `strict`, only where there is one already."""
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if not isinstance(module, Registry):
            raise ValueError(f"`module` is not an nn.Module, found {type(module).__name__}")
        if strict:
            parent._member(name)
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Registry):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """Return the parameter at a path such as `features.3.weight`."""
        path, _, name = target.rpartition(".")
        value = self.get_submodule(path)._member(name)
        if not isinstance(value, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return value

    def get_buffer(self, target: str) -> Tensor:
        """Return the buffer at a path such as `features.4.running_mean`."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        value = module._member(name)
        if module._kinds.get(name) not in BUFFERS:
            raise AttributeError(f"`{name}` is not a buffer")
        return value

    def _member(self, name: str) -> Any:
        if not hasattr(self, name):
            raise AttributeError(f"{type(self).__name__} has no attribute `{name}`")
        return getattr(self, name)


def join(path: str, name: str) -> str:
    """Return the path of the member `name` of the module at `path`."""
    return f"{path}.{name}" if path else name
