"""Reverse traversal: gradients walk the tape from the latest node to the earliest.

A gradient that arrives at a node schedules it. Every consumer of a node has a larger sequence number, so when a node is
the latest one scheduled, its gradient is complete. The walk is a loop: a chain of any length needs no recursion.
"""

import sys
import threading
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np
from numpy import ndarray

from autograd.batching import is_batched
from autograd.grad_mode import set_grad_enabled
from autograd.held_graphs import note_backward
from autograd.node import Leaf, Node, behind
from autograd.tensor import Tensor
from autograd.tracing import check_gradients, explain, grad_checks
from autograd.views import check_memory, mark_written

_accumulating = threading.Lock()  # separate graphs may share leaves and run backward in several threads


class _Arrivals:
    """The gradients that have arrived at nodes, and those nodes, to be visited from the latest to the earliest."""

    def __init__(self, recording: bool, needed: set[Node] | None) -> None:
        self.recording = recording
        self.needed = needed  # gradients for other nodes are dropped; None: there are no others
        self.pending: dict[Node, Any] = {}
        self.queue: list[tuple[int, Node]] = []
        self.owned: set[Node] = set()  # nodes whose gradient was summed here, and may be added to in place

    def hand_on(self, parents: Sequence[Node], grads: Sequence[Any]) -> None:
        """Deliver a node's gradients to its parents."""
        pending, needed = self.pending, self.needed
        for parent, grad in zip(parents, grads, strict=True):
            if grad is None or (needed is not None and parent not in needed):
                continue
            fits = type(grad) is ndarray and grad.shape == parent.shape and grad.dtype is parent.dtype
            if fits and parent not in pending:
                pending[parent] = grad  # the common case of `deliver`, written out
                heappush(self.queue, (-parent.sequence, parent))
            else:
                self.deliver(parent, grad)

    def deliver(self, node: Node, grad: Any) -> None:
        """Add `grad` to what has arrived at `node`."""
        pending = self.pending
        if type(grad) is not list:
            grad = _conform(node, grad, self.recording)
        earlier = pending.get(node)
        if earlier is None:
            pending[node] = grad
            heappush(self.queue, (-node.sequence, node))
        elif type(grad) is list:  # of the outputs of one node, each at its number
            pending[node] = [b if a is None else a if b is None else a + b for a, b in zip(earlier, grad, strict=True)]
        elif self.recording:
            pending[node] = earlier + grad
        elif node in self.owned:
            np.add(earlier, grad, out=earlier)
        else:
            pending[node] = np.asarray(np.add(earlier, grad))
            self.owned.add(node)


def _walk(
    roots: Sequence[tuple[Node, Any]],
    recording: bool,
    retain_graph: bool,
    needed: set[Node] | None = None,
    targets: frozenset[Node] = frozenset(),
) -> dict[Node, Any]:
    """Walk the tape backwards from `roots`; return the gradients that arrived at `targets`.

    Leaves store their gradient, unless only the `needed` nodes are to be visited.
    """
    arrivals = _Arrivals(recording, needed)
    pending, queue = arrivals.pending, arrivals.queue
    captured: dict[Node, Any] = {}
    grad: Any
    for root, grad in roots:
        arrivals.deliver(root, grad)
    node: Node | None = None  # the next one, where it is known without the queue
    while queue or node is not None:
        if node is None:
            node = heappop(queue)[1]
            if type(node) is Leaf and needed is None:
                grads = grad = each = None  # so that nothing here holds the gradient the leaf may keep
                _store(node, pending, recording)
                node = None
                continue
            grad = pending.pop(node)
        if node.hooks is not None:
            grad = _call_hooks(node, grad, recording)
        if needed is not None and node in targets:
            captured[node] = grad
            if needed.isdisjoint(node.parents):
                node = None
                continue
        try:
            grads = node.pull(grad, recording, retain_graph)
            if grad_checks:
                check_gradients(node, grads)
        except Exception as error:
            explain(error, node)
            raise
        parents, node = node.parents, None
        if len(parents) == 1 and not queue and needed is None:
            parent, each = parents[0], grads[0]
            fits = type(each) is ndarray and each.shape == parent.shape and each.dtype is parent.dtype
            if fits and type(parent) is not Leaf:
                node, grad = parent, each  # a chain: nothing else is waiting
                continue
        arrivals.hand_on(parents, grads)
    return captured


def _conform(node: Node, grad: Any, recording: bool) -> Any:
    """Sum a broadcast gradient down to the node's shape, and give it the node's type."""
    if recording:
        grad = grad if isinstance(grad, Tensor) else Tensor(np.asarray(grad))
    else:
        grad = np.asarray(grad.array if isinstance(grad, Tensor) else grad)
    if grad.shape != node.shape:
        grad = sum_to_shape(grad, node.shape)
    array = grad.array if recording else grad
    if array.dtype != node.dtype:
        grad = grad.to(node.dtype) if recording else grad.astype(node.dtype)
    return grad


def _call_hooks(node: Node, grad: Any, recording: bool) -> Any:
    assert node.hooks is not None
    if recording:
        return node.hooks(grad)
    return node.hooks(Tensor(grad)).array


def _references(arrays: dict[Any, np.ndarray], key: Any) -> int:
    array = arrays.pop(key)
    return sys.getrefcount(array)


_SOLE = _references({0: np.empty(0)}, 0)  # measured: interpreters differ by the stack's own reference


def _take(arrays: dict[Any, np.ndarray], key: Any) -> np.ndarray:
    """Remove and return an array nobody else holds: the array itself where that is so, else a copy."""
    array = arrays.pop(key)
    return array if array.base is None and sys.getrefcount(array) <= _SOLE else array.copy()


def _store(leaf: Leaf, pending: dict[Node, Any], recording: bool) -> None:
    """Add a leaf's complete gradient to `tensor.grad`."""
    if leaf.hooks is not None:
        pending[leaf] = _call_hooks(leaf, pending.pop(leaf), recording)
    grad = pending.pop(leaf) if recording else _take(pending, leaf)
    tensor = leaf.tensor()
    if tensor is None or tensor._node is None:  # nobody can see it, or no longer wants it
        return
    _accumulate(tensor, grad)
    if leaf.hooks is not None:
        leaf.hooks.after_accumulate(tensor)


def _accumulate(tensor: Tensor, grad: Any) -> None:
    """Add an array nobody else holds (or, under create_graph, a Tensor) to `tensor.grad`."""
    with _accumulating:
        earlier = tensor._grad
        if isinstance(grad, Tensor):
            tensor._grad = grad.clone() if earlier is None else earlier + grad
        elif earlier is None:
            tensor._grad = Tensor(grad)
        else:
            check_memory(earlier.array, "backward")
            np.add(earlier.array, grad, out=earlier.array)
            mark_written(earlier, "backward")


def reduce_sum(grad: np.ndarray, axes: tuple[int, ...]) -> Any:
    """Sum over axes. `ops` puts a kernel in its place, which `autograd` alone does not know of."""
    return np.add.reduce(grad, axis=axes)


def sum_to_shape(grad: Any, shape: tuple[int, ...]) -> Any:
    """Sum out the axes along which a value of `shape` was broadcast: the adjoint of broadcasting."""
    sizes = tuple(grad.shape)
    extra = len(sizes) - len(shape)
    axes = tuple(range(extra))
    if extra < 0 or sizes[extra:] != shape:
        if extra < 0 or any(n not in (1, sizes[extra + i]) for i, n in enumerate(shape)):
            raise RuntimeError(f"backward: a gradient of shape {sizes} arrived where {tuple(shape)} was expected")
        axes += tuple([extra + i for i, n in enumerate(shape) if n == 1 and sizes[extra + i] != 1])
    if isinstance(grad, Tensor):
        return grad.sum(axes).reshape(shape)
    return reduce_sum(grad, axes).reshape(shape)


def _leading_to(roots: Iterable[Node], targets: frozenset[Node]) -> set[Node]:
    """Return the targets and every node behind `roots` from which a target is reached."""
    needed = set(targets)
    for node in sorted(behind(roots), key=lambda node: node.sequence):
        if not needed.isdisjoint(node.parents):
            needed.add(node)
    return needed


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Return tensors, from a list or whatever yields them, as a tuple; one tensor, or None, becomes a tuple of one."""
    several = isinstance(value, Iterable) and not isinstance(value, (Tensor, ndarray))
    return tuple(value) if several else (value,)


def _seeds(grads: Any, outputs: Sequence[Any]) -> tuple[Any, ...]:
    """Return the gradient given for each output, or None."""
    seeds = (None,) * len(outputs) if grads is None else as_tuple(grads)
    if len(seeds) != len(outputs):
        raise RuntimeError(f"backward: got {len(outputs)} tensors and {len(seeds)} gradients")
    return seeds


def _roots(outputs: Sequence[Any], grads: Sequence[Any], recording: bool) -> list[tuple[Node, Any]]:
    roots = []
    for index, (output, grad) in enumerate(zip(outputs, grads, strict=True)):
        if not isinstance(output, Tensor):
            raise TypeError(f"backward: element {index} is a {type(output).__name__}, expected a Tensor")
        if not output.requires_grad:
            raise RuntimeError(
                f"backward: element {index} of tensors does not require grad and does not have a grad_fn"
            )
        seed = _seed(index, output, grad)
        roots.append((output._node, seed if recording else seed.array))
    return roots


def _refuse_batched(tensors: Sequence[Any], what: str) -> None:
    if is_batched(*tensors):
        raise RuntimeError(
            f"{what}() called inside of a function being transformed by vmap. This is unsupported: use func.grad or "
            "func.vjp instead, or call it outside of vmap."
        )


def _seed(index: int, output: Tensor, grad: Any) -> Tensor:
    """Return the gradient a backward starts with: the caller's, or 1 for an output of one element."""
    if grad is None:
        if output.array.size != 1:
            raise RuntimeError(
                "backward: grad can be implicitly created only for scalar outputs, got one of shape "
                f"{tuple(output.shape)}"
            )
        return Tensor(np.ones(output.array.shape, output.array.dtype))
    if not isinstance(grad, Tensor):
        raise TypeError(f"backward: gradients can be either Tensors or None, but got {type(grad).__name__}")
    if grad.array.shape != output.array.shape:
        raise RuntimeError(
            f"backward: Mismatch in shape: grad_output[{index}] has a shape of {tuple(grad.shape)} and "
            f"output[{index}] has a shape of {tuple(output.shape)}."
        )
    return grad


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add d(Σ tensors · grad_tensors)/d(leaf) to the `grad` of every leaf, or of `inputs` alone.

    Args:
        grad_tensors: a gradient per tensor, of its shape; may be None for tensors of one element.
        retain_graph: keep saved values for another backward; default: as `create_graph`.
        create_graph: record this pass too, for higher derivatives.
    """
    outputs = as_tuple(tensors)
    _refuse_batched(outputs, "backward")
    retain = create_graph if retain_graph is None else retain_graph
    if inputs is not None:
        _backward_into(as_tuple(inputs), outputs, grad_tensors, retain, create_graph)
    else:
        seeds = _seeds(grad_tensors, outputs)
        with set_grad_enabled(create_graph), np.errstate(all="ignore"):
            _walk(_roots(outputs, seeds, create_graph), create_graph, retain)
    if not retain and outputs:
        note_backward(outputs[0]._node)


def _backward_into(
    inputs: Sequence[Any], outputs: Sequence[Any], grad_tensors: Any, retain_graph: bool, create_graph: bool
) -> None:
    """Add the gradients of the given tensors alone to their `grad`, once for each tensor."""
    if not inputs:
        raise RuntimeError("backward: 'inputs' argument cannot be empty")
    inputs = list({id(x): x for x in inputs}.values())
    grads = grad(outputs, inputs, grad_tensors, retain_graph, create_graph, allow_unused=True)
    with set_grad_enabled(create_graph):
        for x, each in zip(inputs, grads, strict=True):
            if each is None:
                continue
            _accumulate(x, each if create_graph else each.array.copy())
            if x.is_leaf and x._node.hooks is not None:
                x._node.hooks.after_accumulate(x)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    *,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return d(Σ outputs · grad_outputs)/d(input) for each input, leaving every `.grad` as it is.

    An input the outputs do not depend on raises RuntimeError, or gives None (`allow_unused`) or zeros
    (`materialize_grads`).
    """
    if materialize_grads and allow_unused is False:
        raise ValueError("grad: materialize_grads=True needs allow_unused to be None or True")
    ys, wanted = as_tuple(outputs), as_tuple(inputs)
    seeds = _seeds(grad_outputs, ys)
    if not wanted:
        raise RuntimeError("grad: 'inputs' argument cannot be empty")
    for index, tensor in enumerate(wanted):
        if not isinstance(tensor, Tensor):
            raise TypeError(f"grad: input {index} is a {type(tensor).__name__}, expected a Tensor")
        if not tensor.requires_grad:
            raise RuntimeError(f"grad: One of the differentiated Tensors does not require grad (input {index})")
    _refuse_batched(ys, "autograd.grad")
    targets = frozenset(tensor._node for tensor in wanted)
    retain = create_graph if retain_graph is None else retain_graph
    recording = create_graph or is_batched(*seeds)  # gradients are Tensors, if only to be batched
    with set_grad_enabled(create_graph), np.errstate(all="ignore"):
        roots = _roots(ys, seeds, recording)
        needed = _leading_to([node for node, _ in roots], targets)
        captured = _walk([root for root in roots if root[0] in needed], recording, retain, needed, targets)
    results: list[Any] = []
    for index, tensor in enumerate(wanted):
        found = captured.get(tensor._node)
        if found is None and materialize_grads:
            found = np.zeros_like(tensor.array)
        if found is None and not allow_unused:
            raise RuntimeError(
                f"grad: One of the differentiated Tensors appears to not have been used in the graph (input {index}). "
                "Set allow_unused=True if this is the desired behavior."
            )
        results.append(found if found is None or isinstance(found, Tensor) else Tensor(found))
    return tuple(results)


def tensor_backward(
    self: Tensor,
    gradient: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """`tensor.backward()`: add d(self · gradient)/d(leaf) to the `grad` of every leaf; see `autograd.backward`."""
    backward(self, gradient, retain_graph, create_graph, inputs)
