"""Containers of modules: in a row, called one after the other; in a list; in a dictionary."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, Self

from nn.arguments import pairs, position
from nn.module import Module, indent
from nn.module_registry import MODULE
from nn.parameter import typename


class _Modules(Module):
    """What Sequential and ModuleList share: submodules in a row."""

    def _named(self) -> list[tuple[str, Any]]:
        return list(self._of_kind(MODULE).items())

    def _fill(self, modules: Iterable[Any]) -> None:
        """Hold these modules, numbered, and no others."""
        modules = list(modules)
        for name, _ in self._named():
            delattr(self, name)
        for number, module in enumerate(modules):
            self.add_module(str(number), module)

    def __len__(self) -> int:
        return len(self._of_kind(MODULE))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._of_kind(MODULE).values())

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._named()[position(idx, len(self))][0], module)

    def __delitem__(self, idx: int | slice) -> None:
        modules = list(self)
        del modules[idx if isinstance(idx, slice) else position(idx, len(self))]
        self._fill(modules)

    def append(self, module: Module) -> Self:
        """Add a module at the end; return the container."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Any:
        """Remove and return a module, or a slice of them."""
        value = self[key]  # type: ignore[index]  # defined by both subclasses
        del self[key]
        return value


class Sequential(_Modules):
    """y = fₙ(… f₂(f₁(x))): modules called one after the other.

        nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
        nn.Sequential(OrderedDict(hidden=nn.Linear(64, 32), relu=nn.ReLU(), out=nn.Linear(32, 10)))

    It is indexed like a list; a slice is a Sequential of the same modules, under the same names.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = args[0].items() if len(args) == 1 and isinstance(args[0], OrderedDict) else enumerate(args)
        for name, module in named:
            self.add_module(str(name), module)

    def forward(self, input: Any) -> Any:
        """Hand the input from module to module."""
        own = vars(self)
        for name, kind in self._kinds.items():
            if kind == MODULE:
                input = own[name](input)
        return input

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return self.__class__(OrderedDict(self._named()[idx]))
        return self._named()[position(idx, len(self))][1]

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before position `index`; those behind it are renumbered."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        if not -len(self) <= index <= len(self):
            raise IndexError(f"Index out of range: {index}")
        modules = list(self)
        modules.insert(index, module)
        self._fill(modules)
        return self

    def extend(self, sequential: Iterable[Module]) -> Self:
        """Add the modules of an iterable at the end; return the container."""
        for module in list(sequential):
            self.append(module)
        return self

    def __add__(self, other: Any) -> "Sequential":
        return Sequential(*self, *_layers(other))

    def __iadd__(self, other: Any) -> Self:
        return self.extend(_layers(other))

    def __mul__(self, other: int) -> "Sequential":
        return Sequential(*(list(self) * _repetitions(other)))

    __rmul__ = __mul__

    def __imul__(self, other: int) -> Self:
        return self.extend(list(self) * (_repetitions(other) - 1))


def _layers(other: Any) -> list[Any]:
    if not isinstance(other, Sequential):
        raise ValueError(f"add operator supports only objects of Sequential class, but {type(other)} is given.")
    return list(other)


def _repetitions(count: Any) -> int:
    if not isinstance(count, int):
        raise TypeError(f"unsupported operand type(s) for *: {Sequential} and {type(count)}")
    if count <= 0:
        raise ValueError(f"Non-positive multiplication factor {count} for {Sequential}")
    return count


class ModuleList(_Modules):
    """Submodules in a list; what calls them, and in which order, is the owner's affair."""

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return self.__class__(list(self)[idx])
        return vars(self)[str(position(idx, len(self)))]

    def insert(self, index: int, module: Module) -> None:
        """Put a module before position `index`."""
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"insert: {typename(module)} is not a Module subclass")
        modules = list(self)
        modules.insert(index, module)
        self._fill(modules)

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add the modules of an iterable at the end; return the list."""
        if not isinstance(modules, Iterable):
            raise TypeError(f"ModuleList.extend should be called with an iterable, but got {type(modules).__name__}")
        for module in list(modules):
            self.append(module)
        return self

    def __iadd__(self, modules: Iterable[Module]) -> Self:
        return self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        return ModuleList([*self, *other])

    def __repr__(self) -> str:
        """Show equal neighbours once: `(0-3): 4 x Linear(...)`."""
        blocks: list[tuple[int, int, str]] = []  # first, last, what they look like
        for number, module in enumerate(self):
            text = repr(module)
            if blocks and blocks[-1][2] == text:
                blocks[-1] = (blocks[-1][0], number, text)
            else:
                blocks.append((number, number, text))
        if not blocks:
            return f"{self._get_name()}()"
        lines = [
            f"({first}): {indent(text)}" if first == last else f"({first}-{last}): {last - first + 1} x {indent(text)}"
            for first, last, text in blocks
        ]
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


class ModuleDict(Module):
    """Submodules in a dictionary, in the order they were put in."""

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        if key not in self:
            raise KeyError(key)
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: object) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """Remove all items."""
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove and return a module."""
        module = self[key]
        del self[key]
        return module

    def keys(self) -> Iterable[str]:
        """Return the keys."""
        return self._modules.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the (key, module) pairs."""
        return self._modules.items()

    def values(self) -> Iterable[Any]:
        """Return the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """Put in the items of a mapping, or (key, module) pairs, over existing ones."""
        for key, module in pairs(modules, "ModuleDict"):
            self[key] = module
