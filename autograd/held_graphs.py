"""A graph that only grows, as `total += loss` in a training loop makes it, is noticed and said once.

Every backward that frees its graph notes its root, weakly. A loss whose graph backward has freed is of no more use;
when many of them are alive, each built after the backward of the one before, something keeps the graphs of all past
steps. A single long graph has one root, losses computed before the first backward are not built after it, and a
backward that retains its graph is not counted: none of these is taken for a leak.
"""

import threading
import warnings
import weakref
from collections import deque
from collections.abc import Iterator
from types import FrameType
from typing import Any

from autograd.node import Leaf, Node, positions
from autograd.tensor import Tensor
from autograd.tracing import user_frames

LIMIT = 128  # losses of past steps; who averages the last hundred holds no more


class _Past(threading.local):
    """The roots of this thread's backward passes that may be alive."""

    def __init__(self) -> None:
        self.roots: list[weakref.ref[Node]] = []
        self.position = -1  # on the tape, when the last backward ended
        self.said = False


_past = _Past()


def note_backward(root: Node) -> None:
    """Note that the graph of `root` was used up; warn, once, when those of too many steps are held."""
    past = _past
    if root.sequence > past.position and not past.said and type(root) is not Leaf:
        past.roots.append(weakref.ref(root))
        if len(past.roots) > LIMIT:
            past.roots = [each for each in past.roots if each() is not None]
            if len(past.roots) > LIMIT:
                past.said = True
                _warn(past.roots)
                past.roots = []
    past.position = next(positions)


def _warn(roots: list[Any]) -> None:
    frames = user_frames()
    names = (f"`{name}`" for frame in frames for name in _holders(frame, roots[0]()))
    holder = next(names, "something, such as a sum or a list of losses,")
    place = f" ({frames[0].f_code.co_filename}:{frames[0].f_lineno})" if frames else ""
    warnings.warn(
        f"backward: {holder} holds the losses of {len(roots)} past steps with their graphs, and memory grows with "
        f"every step{place}. Add or keep loss.item() or loss.detach() instead of loss.",
        stacklevel=5,
    )


def _holders(frame: FrameType, root: Any) -> Iterator[str]:
    """Yield the names of a frame's variables that lead to the node `root`."""
    for name, value in list(frame.f_locals.items()):
        items = list(value.values()) if isinstance(value, dict) else value
        items = list(items) if isinstance(items, (list, tuple, set, deque)) else [items]
        if any(isinstance(x, Tensor) and _leads_to(x._node, root) for x in items):
            yield name


def _leads_to(node: Any, root: Node) -> bool:
    seen = {node}
    stack = [node]
    while stack:
        node = stack.pop()
        if node is root:
            return True
        if node is None or node.sequence < root.sequence:
            continue  # parents are earlier still
        stack.extend(parent for parent in node.parents if parent not in seen)
        seen.update(node.parents)
    return False
