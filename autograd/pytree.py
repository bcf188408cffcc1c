"""Nested tuples, lists and dicts of tensors as a flat list and a structure, and back."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Structure(NamedTuple):
    """How leaves nest; `kind` is None for a leaf, else the type of the container."""

    kind: Any
    keys: tuple[Any, ...] = ()
    children: tuple["Structure", ...] = ()

    def __len__(self) -> int:
        """Return the number of leaves."""
        return 1 if self.kind is None else sum(map(len, self.children))


LEAF = Structure(None)


def _is_namedtuple(kind: type) -> bool:
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def _items(tree: Any) -> tuple[tuple[Any, ...], list[Any]] | None:
    """Return the keys of a container and what it holds, None for a leaf."""
    kind = type(tree)
    if kind in (tuple, list) or _is_namedtuple(kind):
        return (), list(tree)
    if kind in (dict, OrderedDict):
        return tuple(tree), list(tree.values())
    return None


def flatten(tree: Any) -> tuple[list[Any], Structure]:
    """Return the leaves of a tree from left to right, and how they nest."""
    items = _items(tree)
    if items is None:
        return [tree], LEAF
    keys, values = items
    parts = [flatten(value) for value in values]
    structure = Structure(type(tree), keys, tuple([each for _, each in parts]))
    return [leaf for leaves, _ in parts for leaf in leaves], structure


def unflatten(leaves: Sequence[Any], structure: Structure) -> Any:
    """Return the tree of `structure` with the given leaves."""
    kind, keys, children = structure
    if kind is None:
        return leaves[0]
    values, start = [], 0
    for child in children:
        values.append(unflatten(leaves[start : start + len(child)], child))
        start += len(child)
    if kind in (dict, OrderedDict):
        return kind(zip(keys, values, strict=True))
    return kind(*values) if _is_namedtuple(kind) else kind(values)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """Return the tree with `function` of each leaf in its place."""
    leaves, structure = flatten(tree)
    return unflatten([function(leaf) for leaf in leaves], structure)


def broadcast_prefix(prefix: Any, tree: Any) -> list[Any] | None:
    """Return a value for each leaf of `tree`, those of `prefix` standing for all below; None if they do not match."""
    items = _items(tree)
    if items is None:
        return [prefix] if _items(prefix) is None else None
    if _items(prefix) is None:
        return [prefix] * len(flatten(tree)[0])
    keys, values = items
    prefix_keys, prefixes = _items(prefix) or ((), [])
    alike = type(prefix) is type(tree) and keys == prefix_keys and len(values) == len(prefixes)
    parts = [broadcast_prefix(p, value) for p, value in zip(prefixes, values, strict=True)] if alike else [None]
    if any(part is None for part in parts):
        return None
    return [leaf for part in parts for leaf in part or ()]
