"""Views, in-place ops, and the versions that keep both honest.

Tensors that share memory share a `Writes`: who wrote last, and where on the tape. A saved value is stale when its
memory was written at a later position than the node that saved it.

An in-place op is the out-of-place one, written over its target. The target then stands for the new value: it takes over
the node of the result. When the target is a view, its base was changed instead: the base's new history is
`overwrite(old base, value)` on the region the view covers, and every view of that base, finding its memory written
since it was made, takes a fresh node `as_strided(base)` the next time it is used.
"""

import functools
from collections import deque
from collections.abc import Callable
from typing import Any
from weakref import ref

import numpy as np

from autograd.batching import BATCHED, BatchedTensor, innermost, is_batched, spread_out
from autograd.grad_mode import enable_grad, is_recording
from autograd.node import Leaf, positions
from autograd.primitive import FIRST, SECOND, cast, primitive, zeros_of
from autograd.recorded import Recorded, record
from autograd.regions import Region, as_strided, overlaps, overwrite
from autograd.tensor import Tensor, computed
from autograd.tracing import Trace, tracers, watch_write, watchers

CATEGORY = {"b": 0, "u": 1, "i": 1, "f": 2}  # an in-place result may not be of a higher one than its target


class Writes:
    """The in-place writes to one piece of memory."""

    __slots__ = ("_recent", "by", "count", "place", "sequence")

    def __init__(self) -> None:
        self.count = 0
        self.sequence = -1  # the tape's position at the last write
        self.by = ""
        self.place: Trace | None = None  # of the last write, in debugging modes
        self._recent: deque[int] = deque(maxlen=8)

    def mark(self, by: str) -> None:
        """Note a write by the op `by`."""
        self.count += 1
        self.sequence = next(positions)
        self.by = by
        self.place = Trace.here() if tracers else None
        self._recent.append(self.sequence)

    def version_at(self, sequence: int) -> int:
        """Return the version the memory had at a position of the tape (of the last eight)."""
        return self.count - sum(each > sequence for each in self._recent)


class View:
    """How a tensor shares another's memory. `base` is where its history comes from; None cuts it off.

    `hidden` is the base of a view made under no_grad, held weakly: a write to the view would not reach its history.
    """

    __slots__ = ("base", "hidden", "seen")

    def __init__(self, base: Tensor | None, seen: int, hidden: "ref[Tensor] | None" = None) -> None:
        self.base = base
        self.seen = seen
        self.hidden = hidden

    def refresh(self, tensor: Tensor) -> bool:
        """Give `tensor` a new node if its memory was written since it got the one it has; say it is not batched."""
        if self.base is None or tensor._writes.sequence <= self.seen or type(tensor._node) is Leaf:
            return False
        self.seen = tensor._writes.sequence
        base = base_of(tensor)
        if base is None:
            return False
        node = base._node
        if node is None:
            tensor._node = None
            return False
        plan = as_strided.primitive.plans[FIRST]
        region = Region.of(base.array, tensor.array)
        _set_history(tensor, record(plan, (node,), tensor.array, (region,), (None,))._node)
        return False


def writes_of(tensor: Tensor) -> Writes:
    """Return the record of writes to a tensor's memory, starting one at the first view or write."""
    if tensor._writes is None:
        tensor._writes = Writes()
        if tensor._node is not None:
            tensor._node.share_output(tensor._writes)  # it may have saved the memory as its output
    return tensor._writes


def mark_written(tensor: Tensor, by: str) -> None:
    """Note that the op `by` wrote to the tensor's memory."""
    writes_of(tensor).mark(by)


def base_of(view: Tensor) -> Tensor | None:
    """Return the tensor whose history a view's is part of, unless it was given other memory since (`base.data = x`)."""
    base = None if view._view is None else view._view.base
    return base if base is not None and base._writes is view._writes else None


@primitive
def forgotten(x: np.ndarray, value: np.ndarray) -> np.ndarray:
    """The value, which takes the place of x: the gradient of x is 0."""
    return value


forgotten.vjp(x=lambda grad: zeros_of(grad), value=lambda grad: grad)
forgotten.vmap()


# -- making views -----------------------------------------------------------------------------------------------------


def view_primitive(forward: Callable[..., Any]) -> Any:
    """Make a primitive whose output shares its input's memory (where the forward did not have to copy)."""
    compute = primitive(forward)
    plans = compute.primitive.plans

    @functools.wraps(forward)
    def call(input: Any, **parameters: Any) -> Any:
        batched_or_array = not isinstance(input, Tensor) or (input._view is not None and input._view.refresh(input))
        if batched_or_array or watchers:
            output = compute(input, **parameters)
            if isinstance(output, Tensor) and output._view is not BATCHED:
                _share(output, input, is_recording())
            return output
        # What `compute` would do, written out: views are small and many.
        array, node, recording = forward(input.array, **parameters), input._node, is_recording()
        if node is not None and recording and (plan := plans[FIRST]).indices:
            saved, sources = plan.save_light(input.array, parameters)
            output = record(plan, (node,), array, saved, sources)
        else:
            output = computed(array, None)
        _share(output, input, recording)
        return output

    made: Any = call
    made.primitive, made.vjp, made.vmap = compute.primitive, compute.vjp, compute.vmap
    made.joint_vmap, made.primitive.call = compute.joint_vmap, call
    return made


def _share(output: Tensor, input: Tensor, recording: bool) -> None:
    """Note that `output` shares the memory of `input`, if it does; what NumPy notes of a view says so soonest."""
    x, y = input.array, output.array
    base = y.base
    if (base is None or (base is not x and base is not x.base)) and not np.may_share_memory(y, x) and y.size:
        return
    writes = output._writes = input._writes or writes_of(input)
    origin = input if input._view is None or input._view.base is None else input._view.base
    hidden = None if recording else _hidden(origin) or ref(origin)
    output._view = View(origin if recording else None, writes.sequence, hidden)


def _hidden(target: Tensor) -> "ref[Tensor] | None":
    """Return the base that a tensor, or the view it is a view of, was made from under no_grad."""
    view = target._view
    if view is not None and view.base is not None:
        view = view.base._view
    return None if view is None else view.hidden


def detach(input: Tensor) -> Tensor:
    """Return a tensor on the same memory, cut off from the history; writes to either are seen by both."""
    if type(input) is BatchedTensor:
        return BatchedTensor(detach(input.value), input.level)
    output = Tensor(input.array)
    output._writes = writes_of(input)
    output._view = View(None, output._writes.sequence)
    return output


def hidden_view(input: Tensor) -> Tensor:
    """Return the tensor as a view of itself made under no_grad."""
    output = computed(input.array, None)
    _share(output, input, recording=False)
    return output


def detach_(input: Tensor) -> Tensor:
    """Cut the tensor off from its history."""
    if type(input) is BatchedTensor:
        detach_(input.value)
        return input
    if input._view is not None and input._view.base is not None:
        raise RuntimeError("detach_: Can't detach views in-place. Use detach() instead.")
    input._node = None
    return input


# -- writing in place -------------------------------------------------------------------------------------------------


def in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the in-place form of an op whose first argument is the target."""

    @functools.wraps(function)
    def method(input: Any, *args: Any, **parameters: Any) -> Any:
        start = next(positions)
        value = function(input, *args, **parameters)
        if value._node is not None and isinstance(input, Tensor):
            _snapshot(innermost(input), value._node, start)
        assign(input, value, name)
        return input

    method.__name__ = name
    return method


def view_in_place(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return the in-place form of an op that makes views: the tensor itself gets the view's shape and strides."""

    @functools.wraps(function)
    def method(input: Any, *args: Any, **parameters: Any) -> Any:
        with enable_grad():  # whatever the mode, its history leads to its new shape
            view = function(input, *args, **parameters)
        refuse_hidden(input, name)
        if is_recording() and input.requires_grad:
            check_history(input, name)
        input.array = view.array
        if type(input._node) is Leaf:
            input._node.shape = view.array.shape
        elif input._node is not None:
            _set_history(input, view._node)
        mark_written(input, name)
        if input._view is not None:
            input._view.seen = input._writes.sequence
        return input

    method.__name__ = name
    return method


def _snapshot(target: Tensor, node: Any, start: int) -> None:
    """Give the nodes recorded from `start` on that saved `target` a copy: it is about to be overwritten."""
    copy = None
    stack = [node]
    while stack:
        node = stack.pop()
        if node.sequence < start:
            continue
        stack.extend(node.parents)
        if isinstance(node, Recorded) and node.saves(target):
            if copy is None:
                copy = Tensor(target.array.copy(), node=target._node)
            node.exchange(target, copy)


def assign(target: Tensor, value: Tensor, by: str) -> None:
    """Write `value`, computed by the op `by`, over `target`, and let the target take over its history."""
    if not isinstance(target, Tensor):
        raise TypeError(f"{by}: expected a Tensor, got {type(target).__name__}")
    if value.array.shape != target.array.shape:
        raise RuntimeError(
            f"{by}: output with shape {list(target.shape)} doesn't match the broadcast shape {list(value.shape)}"
        )
    if is_batched(target, value):
        _assign_batched(target, value, by)
        return
    if CATEGORY[value.array.dtype.kind] > CATEGORY[target.array.dtype.kind]:
        raise RuntimeError(f"{by}: result type {value.dtype} can't be cast to the desired output type {target.dtype}")
    tracked = is_recording() and (value.requires_grad or target.requires_grad)
    if tracked:
        check_history(target, by)
        if value.array.dtype != target.array.dtype:
            value = cast(value, dtype=target.array.dtype)
    write(target, value.array, by)
    if tracked:
        take_over_history(target, value)


def _assign_batched(target: Tensor, value: Tensor, by: str) -> None:
    if type(target) is not BatchedTensor:
        raise RuntimeError(
            f"{by}: vmap: inplace arithmetic is not possible because the written-to tensor is not being vmapped over, "
            "but what is written to it is: it would have to hold the values of all samples. Use the out-of-place "
            "operator, or make the target with zeros_like or new_zeros of a tensor that is vmapped over."
        )
    assign(target.value, spread_out(value, target.level), by)


def write(target: Tensor, values: Any, by: str) -> None:
    """Write an array into the target's memory and count the write; no history is kept."""
    refuse_hidden(target, by)
    check_memory(target.array, by)
    np.copyto(target.array, values, casting="unsafe")
    mark_written(target, by)
    if watchers:
        watch_write(by, target, values)


def check_memory(array: np.ndarray, by: str) -> None:
    """Raise where the op `by` cannot write to every element by itself."""
    if not array.flags.writeable:
        raise RuntimeError(f"{by}: the tensor's memory is read-only")
    if 0 in array.strides and array.size and overlaps(array):
        raise RuntimeError(
            f"{by}: unsupported operation: more than one element of the written-to tensor refers to a single memory "
            "location. Please clone() the tensor before performing the operation."
        )


def check_history(target: Tensor, by: str) -> None:
    """Raise where a write by the op `by` that is recorded would be lost."""
    if type(target._node) is Leaf:
        raise RuntimeError(f"{by}: a leaf Variable that requires grad is being used in an in-place operation.")
    base = base_of(target)
    if base is not None and type(base._node) is Leaf:
        raise RuntimeError(
            f"{by}: a view of a leaf Variable that requires grad is being used in an in-place operation."
        )
    refuse_hidden(target, by, tracked=True)


def refuse_hidden(target: Tensor, by: str, tracked: bool = False) -> None:
    """Raise for a recorded write, through a view made under no_grad, to memory with a history, or of `tracked` values.

    The history of the base would not know of it.
    """
    if target._view is None or not is_recording():
        return
    hidden = _hidden(target)
    base = None if hidden is None else hidden()
    if hidden is not None and (tracked or (base is not None and base.requires_grad)):
        raise RuntimeError(
            f"{by}: A view was created in no_grad mode, or by a custom Function, and is being modified inplace with "
            "grad mode enabled. Make the view and the change both inside, or both outside, or clone() the view."
        )


def take_over_history(target: Tensor, value: Tensor) -> None:
    """Let a tensor stand for `value`, which was written over it: itself, or as a part of its base."""
    base = base_of(target)
    if base is None:
        _set_history(target, value._node if value._node is not None else forgotten(target, target.array)._node)
        return
    plan = overwrite.primitive.plans[FIRST * (base._node is not None) + SECOND * (value._node is not None)]
    region = Region.of(base.array, target.array)
    parents = [node for node in (base._node, value._node) if node is not None]
    _set_history(base, record(plan, parents, base.array, (region,), (None,))._node)


def _set_history(tensor: Tensor, node: Any) -> None:
    """Give a tensor the node of its new value; a gradient that it retains is that of the new value from now on."""
    before, tensor._node = tensor._node, node
    if before is not None and before.hooks is not None and before.hooks.retains:
        before.hooks.retain(None)
        node.ensure_hooks().retain(tensor)
