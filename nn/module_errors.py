"""Where in a model an error arose: `features.3 (Conv2d): ...`."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

# Errors whose message may be reworded: whoever catches another kind may look at its arguments.
_REWORDED = (
    *(RuntimeError, ValueError, TypeError, IndexError, NotImplementedError, AssertionError, AttributeError),
    *(ZeroDivisionError, OverflowError, FloatingPointError),
)


class _Location:
    """The modules an error has left so far, the innermost first."""

    __slots__ = ("modules", "note", "text")

    def __init__(self, text: str | None) -> None:
        self.modules: list[Any] = []
        self.text = text  # the message as it was raised; None where a note says what is to be said
        self.note = ""

    def __reduce__(self) -> Any:
        return _Location, (self.text,)  # an error goes to other processes without the model


def locate(error: Exception, module: Any) -> None:
    """Put into an error that leaves `module` the path, from there, of the submodule that raised it.

    Built-in errors get it before their message, others as a note. (Set past `__setattr__`, which an error may forbid.)
    """
    location = vars(error).get("_location")
    if location is None:
        plain = type(error) in _REWORDED and len(error.args) == 1 and isinstance(error.args[0], str)
        location = vars(error)["_location"] = _Location(error.args[0] if plain else None)
    left = location.modules
    if any(each is module for each in left):  # a recursion, or the same object raised anew
        del left[[each is module for each in left].index(True) :]
    left.append(module)
    where = path_of(left[::-1])
    if location.text is not None:
        named = location.text.startswith(f"{where}: ")
        error.args = (location.text if named else f"{where}: {location.text}",)
        return
    notes = vars(error).setdefault("__notes__", [])
    if location.note in notes:
        notes.remove(location.note)
    location.note = f"in {where}"
    notes.append(location.note)


def path_of(modules: Sequence[Any]) -> str:
    """Return the path of the last of `modules`, each called by the one before: `features.3 (Conv2d)`.

    The first is shown by its class, as is one that its caller has not registered: `0 (Net) > Linear`.
    """
    parts, names = [], []
    for parent, child in pairwise(modules):
        name = _name(parent, child)
        if name:
            names.append(name)
        else:
            parts.append(_shown(names, parent))
            names = []
    return " > ".join([*parts, _shown(names, modules[-1])])


def _shown(names: list[str], module: Any) -> str:
    kind = type(module).__name__
    return f"{'.'.join(names)} ({kind})" if names else kind


def _name(parent: Any, child: Any) -> str:
    """Return the name of `child` in `parent`; empty where it has none."""
    return next((name for name, module in parent.named_modules() if module is child), "")
