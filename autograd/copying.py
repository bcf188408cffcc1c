"""Copies of tensors: deepcopy and pickle.

The copy of a computed tensor has a copy of its graph, down to copies of the leaves, to which its gradients flow; hooks
stay with the original. The graph is walked by loops, so its depth does not matter.
"""

import copy
from typing import Any

import numpy as np

from autograd.node import Leaf, Node, behind
from autograd.tensor import Tensor


def deepcopy(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """`copy.deepcopy(tensor)`: values, gradient and history."""
    return _Copier(memo).run(self)


class _Copier:
    def __init__(self, memo: dict[int, Any]) -> None:
        self.memo = memo
        self.nodes: dict[Node, Node] = memo.setdefault(id(_Copier), {})  # shared by one deepcopy's tensors

    def run(self, tensor: Tensor) -> Tensor:
        if tensor.requires_grad:
            for node in sorted(behind([tensor._node]), key=lambda node: node.sequence):
                if node not in self.nodes:
                    self.nodes[node] = self._node(node)
        return self.tensor(tensor)

    def tensor(self, tensor: Tensor) -> Tensor:
        """Return the copy of a tensor whose nodes are copied already."""
        found = self.memo.get(id(tensor))
        if found is not None:
            return found
        result = type(tensor).__new__(type(tensor))
        Tensor.__init__(result, self.array(tensor.array))
        self.memo[id(tensor)] = result
        self.memo.setdefault(id(self.memo), []).append(tensor)  # keeps the id from being used again
        if type(tensor._node) is Leaf:
            result.requires_grad_()
            self.nodes[tensor._node] = result._node
        elif tensor._node is not None:
            result._node = self.nodes.get(tensor._node)
        if tensor._grad is not None:
            result._grad = copy.deepcopy(tensor._grad, self.memo)
        return result

    def array(self, array: np.ndarray) -> np.ndarray:
        """Return one copy for each array, however many tensors and nodes hold it."""
        found = self.memo.get(id(array))
        if found is None:
            found = self.memo[id(array)] = array.copy(order="K")
            self.memo.setdefault(id(self.memo), []).append(array)
        return found

    def value(self, value: Any) -> Any:
        """Return the copy of something a node saved."""
        if isinstance(value, Tensor):
            return self.tensor(value)
        if type(value) is np.ndarray:
            return self.array(value)
        if type(value) in (list, tuple):
            return type(value)([self.value(each) for each in value])
        return value

    def _node(self, node: Node) -> Node:
        if isinstance(node, Leaf):
            tensor = node.tensor()
            copied = None if tensor is None else self.tensor(tensor)._node
            return node if copied is None else copied  # whose gradients go nowhere
        return node.clone([self.nodes[parent] for parent in node.parents], self.value)


def reduce(self: Tensor, _protocol: Any) -> tuple[Any, ...]:
    """Pickle the values, whether gradients are wanted, and the gradient; a history is not kept."""
    return _rebuild, (type(self), self.array, self.requires_grad, self._grad)


def _rebuild(kind: type[Tensor], array: np.ndarray, requires_grad: bool, grad: Tensor | None) -> Tensor:
    result = kind.__new__(kind)
    Tensor.__init__(result, array, requires_grad)
    result._grad = grad
    return result
