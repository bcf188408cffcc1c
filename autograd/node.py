"""Nodes: what the tape is made of.

Nothing global holds a node: a tensor holds the node that made it and a node holds its parents, so dropping the loss
frees the graph by reference count. The sequence number is the position on the tape: parents always have smaller ones.
"""

import itertools
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from autograd.hooks import Hooks
from autograd.tracing import Trace, tracers

positions = itertools.count()  # on the tape; shared by all threads


class Node:
    """A place gradients arrive at. `pull` hands them on to its `parents`."""

    __slots__ = ("__weakref__", "dtype", "hooks", "parents", "sequence", "shape", "trace")

    parents: "Sequence[Node]"
    hooks: Hooks | None
    trace: Trace  # where it was made; set in debugging modes alone

    def place(self, parents: "Sequence[Node]", output: np.ndarray) -> None:
        """Take the next position on the tape, behind `parents`."""
        self.parents = parents
        self.shape = output.shape
        self.dtype = output.dtype
        self.hooks = None
        self.sequence = next(positions)
        if tracers:
            self.trace = Trace.here()

    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        """Return a gradient (or None) for each parent, given the output's: vectorᵀ · Jacobian.

        `recording`: gradients are Tensors, else arrays. Unless `retain_graph`, saved values are let go.
        """
        raise NotImplementedError(f"{type(self).__name__} has no gradient to hand on")

    def share_output(self, writes: Any, index: int = 0) -> None:
        """Note that the memory of output `index` is shared or written from now on, as `writes` will tell."""

    def clone(self, parents: "Sequence[Node]", copied: Callable[[Any], Any]) -> Self:
        """Return the same node over other parents, without hooks, with what `copied` makes of each saved value."""
        node = object.__new__(type(self))
        node.parents, node.shape, node.dtype, node.hooks = parents, self.shape, self.dtype, None
        node.sequence = next(positions)
        return node

    def name(self) -> str:
        """Return the name as PyTorch forms it: `MulBackward`."""
        return type(self).__name__

    @property
    def next_functions(self) -> "tuple[tuple[Node, int], ...]":
        """The parents, in pairs as PyTorch has them; inputs that require no gradients have no node here."""
        return tuple((parent, 0) for parent in self.parents)

    def ensure_hooks(self) -> Hooks:
        """Return the node's hooks, an empty set at first."""
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Leaf(Node):
    """The end of the line: gradients that arrive here are added to `tensor.grad`."""

    __slots__ = ("tensor",)

    resting: ClassVar[dict[int, "Leaf"]] = {}  # those with hooks whose tensors require no gradients for now, by id

    def __init__(self, tensor: Any) -> None:
        self.place((), tensor.array)
        self.tensor = weakref.ref(tensor)  # the tensor holds its node, not the other way round

    @classmethod
    def of(cls, tensor: Any) -> "Leaf":
        """Return the node of a tensor that requires gradients from now on: the one it had before, if that has hooks."""
        rested = cls.resting.pop(id(tensor), None)
        if rested is None:
            return cls(tensor)
        rested.shape, rested.dtype = tensor.array.shape, tensor.array.dtype
        return rested

    def rest(self, tensor: Any) -> None:
        """Keep the hooks until the tensor requires gradients again, or is gone."""
        key = id(tensor)
        self.resting[key] = self
        self.tensor = weakref.ref(tensor, lambda _: self.resting.pop(key, None))

    def name(self) -> str:
        return "AccumulateGrad"


class OutputOf(Node):
    """Output number `index` of a node with several outputs: it hands its gradient on with that number."""

    __slots__ = ("count", "index")

    def __init__(self, node: Node, index: int, count: int, output: np.ndarray) -> None:
        self.place((node,), output)
        self.index = index
        self.count = count

    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        grads: list[Any] = [None] * self.count
        grads[self.index] = grad
        return (grads,)

    def share_output(self, writes: Any, index: int = 0) -> None:
        self.parents[0].share_output(writes, self.index)

    def clone(self, parents: Sequence[Node], copied: Callable[[Any], Any]) -> Self:
        node = super().clone(parents, copied)
        node.index, node.count = self.index, self.count
        return node

    def name(self) -> str:
        return self.parents[0].name()


def behind(roots: Iterable[Node]) -> set[Node]:
    """Return the nodes that gradients of `roots` may reach, those themselves among them."""
    seen = set(roots)
    stack = list(seen)
    while stack:
        for parent in stack.pop().parents:
            if parent not in seen:
                seen.add(parent)
                stack.append(parent)
    return seen
