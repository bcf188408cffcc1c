"""The last look at a value that a PyTorch file's pickle built, before anybody gets it."""

from collections.abc import Iterator
from typing import Any

from autograd.serialization.errors import FileError, RefusedError
from autograd.serialization.torch_pickle import DICTS, Global, Refused, printable
from autograd.serialization.torch_storages import Storage

DEEPEST = 500  # containers in containers
UNFOLDED = 100  # times as many values as the pickle has bytes: what memory shares, every walk over the value repeats


def check(root: Any, size: int) -> None:
    """Walk once over the value of a pickle of `size` bytes: refuse what was not built, circles, great depth, unfolding.

    A value that holds one list twice, which holds another one twice, and so on, is small; whoever prints it is not done
    before the sun burns out.
    """
    limit = UNFOLDED * size
    unfolded: dict[int, int] = {}
    above: set[int] = set()
    stack: list[tuple[Any, Any, bool]] = [(root, None, False)]
    while stack:
        value, path, done = stack.pop()
        if isinstance(value, (Refused, Global, Storage)):
            reason = value.reason if isinstance(value, Refused) else getattr(value, "name", "a storage")
            raise RefusedError(f"{_spelled(path)} is {reason}")
        items = list(_items(value))
        key = id(value)
        if done:
            above.discard(key)
            unfolded[key] = 1 + sum(unfolded.get(id(each), 1) for _, each in items)
            if unfolded[key] > limit:
                raise FileError(f"{_spelled(path)} unfolds to more than {limit} values")
        elif items and key not in unfolded:
            if key in above or len(above) > DEEPEST:
                raise FileError(f"{_spelled(path)} holds itself, or is nested more than {DEEPEST} deep")
            above.add(key)
            stack.append((value, path, True))
            stack.extend((each, (path, name), False) for name, each in items)


def _items(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a container's parts with their names."""
    if type(value) in (list, tuple):
        yield from enumerate(value)
    elif type(value) in DICTS:
        yield from value.items()
        if "_metadata" in getattr(value, "__dict__", ()):
            yield "_metadata", value._metadata
    elif "Parameter" in type(value).__name__:
        yield from vars(value).items()


def _spelled(path: Any) -> str:
    """Return a path as messages have it, at most its last 20 names."""
    names: list[str] = []
    while path is not None and len(names) < 20:
        path, name = path
        names.append(printable(str(name)[:100]))
    return "/".join(reversed(names)) or "the file's value"
