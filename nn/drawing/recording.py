"""The graph of a model: one run, watched by hooks on its modules and by the engine's watchers of ops.

Who made which array is noted by the array's identity, so that tensors that require no gradients are followed as well as
others. A module inside which no other was called becomes a box, and the ops of its forward are forgotten. What a box
gives that is its input itself (dropout in eval mode) is handed on as another view of it, so as to be told apart,
unless the forward records gradients.
"""

import inspect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd import pytree, tracing
from autograd.batching import BatchedTensor, innermost
from autograd.grad_mode import is_recording, no_grad
from autograd.tensor import Tensor
from autograd.views import writes_of
from nn.drawing.graph import Frame, Graph, Node, refuse_above, shown
from nn.drawing.labels import described, kind_of, op_label
from nn.module import Module
from nn.trial_run import materialise, tensors_in, undisturbed


def graph_of_model(model: Module, inputs: Sequence[Any], depth: int | None, limit: int) -> Graph:
    """Run a model on `inputs` and return its graph."""
    if not inputs:
        raise TypeError("draw: give the model's input: a shape such as (1, 3, 32, 32), or the arguments of its forward")
    if depth is not None and (not isinstance(depth, int) or depth < 0):
        raise ValueError(f"draw: depth is {depth!r}, expected an int, at least 0")
    arguments = [materialise(x, model, None) for x in inputs]
    recording = _Recording(model, depth)
    recording.add_inputs(arguments)
    with undisturbed(model), no_grad():
        handles = [hook for module in model.modules() for hook in recording.listen(module)]
        tracing.watchers.append(recording.watch)
        try:
            output = model(*arguments)
        finally:
            tracing.watchers.remove(recording.watch)
            for handle in handles:
                handle.remove()
    recording.add_outputs(output)
    graph = recording.graph
    graph.prune(("op", "parameter"))
    refuse_above(limit, len(graph.nodes), "draw with depth=1 or 2, on a shorter input, or with a larger limit")
    return graph


@dataclass(eq=False)
class _Call:
    """A call of a module that has not returned."""

    module: Module
    path: str
    frame: Frame | None  # around what is called inside
    sources: list[Node]  # that made its arguments
    nodes: int  # how many nodes and edges there were before it
    edges: int
    divided: bool = False  # whether a module was called inside
    parameters: dict[int, Node] = field(default_factory=dict)  # that its forward used itself, by array


class _Recording:
    """Builds the graph while the model runs."""

    def __init__(self, model: Module, depth: int | None) -> None:
        self.model, self.depth = model, depth
        self.thread = threading.get_ident()
        self.graph = Graph(type(model).__name__)
        self.made: dict[int, Node | None] = {}  # by the identity of an array: the node it comes from
        self.arrays: list[np.ndarray] = []  # those arrays, held so that identities stay theirs
        self.sharing: dict[int, list[int]] = {}  # by the identity of the array that owns the memory
        self.running: list[_Call] = []
        self.calls: dict[Module, list[Node]] = {}  # the boxes of modules, by call
        self.count: dict[Module, int] = {}
        self.paths: dict[Module, list[str]] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            self.paths.setdefault(module, []).append(path)
        named = [*model.named_parameters(), *model.named_buffers()]
        self.named = {id(value.array): (name, value) for name, value in named}

    # -- arrays --------------------------------------------------------------------------------------------------

    def note(self, array: np.ndarray, node: Node | None) -> None:
        """Say which node an array comes from."""
        if id(array) not in self.made:
            self.arrays.append(array)
            self.sharing.setdefault(id(_owner(array)), []).append(id(array))
        self.made[id(array)] = node

    def source(self, value: Any) -> Node | None:
        """Return the node that made a tensor or an array, or a parameter's, which is made when first asked for."""
        array = _array(value)
        if not isinstance(array, np.ndarray):
            return None
        lineage = _lineage(array)
        for each in lineage:
            if id(each) in self.made:
                return self.made[id(each)]
        return next((self.parameter(each) for each in lineage if id(each) in self.named), None)

    def sources(self, values: Sequence[Any]) -> list[Node]:
        """Return the nodes that made `values`."""
        return [node for node in map(self.source, values) if node is not None]

    def parameter(self, array: np.ndarray) -> Node | None:
        """Return the node of a parameter or buffer that the running module's forward uses itself."""
        if not self.running:
            return None
        call = self.running[-1]
        if id(array) not in call.parameters:
            name, value = self.named[id(array)]
            note = f"{name}: {type(value).__name__} {shown(value.shape)}"
            title = name.removeprefix(f"{call.path}.")
            node = Node("parameter", title, type(value).__name__, shown(value.shape), note, call.frame)
            call.parameters[id(array)] = self.graph.add(node)
        return call.parameters[id(array)]

    # -- ops -----------------------------------------------------------------------------------------------------

    def watch(self, op: Any, inputs: Sequence[Any], parameters: dict[str, Any], output: np.ndarray) -> None:
        """Take down an op."""
        if threading.get_ident() != self.thread:
            return
        if isinstance(op, tracing.Op) and op.family == tracing.WRITING:
            self._written(op.name, *inputs)
            return
        sources = self.sources(list(_tensors_and_arrays(inputs)))
        self.note(output, self._op(op_label(op, inputs), output.shape, sources))

    def _op(self, label: str, shape: Sequence[int], sources: Sequence[Node]) -> Node:
        call = self.running[-1] if self.running else None
        where = f", in {call.path or type(self.model).__name__}" if call else ""
        note = f"{label} → {shown(shape)}{where}"
        return self.graph.add(Node("op", label, "", shown(shape), note, call.frame if call else None), sources)

    def _written(self, by: str, target: Tensor, value: Any, *positions: Any) -> None:
        """Take down a write into memory, or some positions of it: all arrays that share it come from there now."""
        owner = _owner(target.array)
        for array in (owner, target.array):
            if id(array) not in self.made:
                self.note(array, self.source(array))
        node = self.source(value)
        if positions or target.array.size < owner.size:
            sources = self.sources([target, value, *positions])
            node = self._op(by, target.array.shape, sources) if sources else None
        for each in self.sharing[id(owner)]:
            self.made[each] = node

    # -- modules -------------------------------------------------------------------------------------------------

    def listen(self, module: Module) -> Iterator[Any]:
        """Register the hooks that report the module's calls."""
        yield module.register_forward_pre_hook(self._enter, with_kwargs=True)
        yield module.register_forward_hook(self._leave, with_kwargs=True, always_call=True)

    def _enter(self, module: Module, args: Any, kwargs: Any) -> None:
        number = self.count[module] = self.count.get(module, 0) + 1
        paths = self.paths[module]
        path = paths[min(number, len(paths)) - 1]
        outer = self.running[-1] if self.running else None
        frame = None
        if outer is not None:
            outer.divided = True
            frame = Frame(path, f"{path}: {type(module).__name__}", outer.frame)
        sources = self.sources(list(tensors_in([args, kwargs])))
        sizes = len(self.graph.nodes), len(self.graph.edges)
        self.running.append(_Call(module, path, frame, sources, *sizes))

    def _leave(self, module: Module, args: Any, kwargs: Any, output: Any) -> Any:
        call = self.running.pop()
        at_depth = self.depth is not None and (call.path.count(".") + 1 if call.path else 0) >= self.depth
        if not at_depth and (call.divided or (not call.path and not _is_layer(module))):
            return output
        node = self._collapse(call, output)
        given = {id(_array(x)) for x in tensors_in([args, kwargs])}
        leaves, structure = pytree.flatten(output)
        if not is_recording():  # a view made here has no history
            leaves = [_other_view(x) if isinstance(x, Tensor) and id(_array(x)) in given else x for x in leaves]
        for x in leaves:
            if isinstance(x, Tensor):
                self.note(_array(x), node)
        return pytree.unflatten(leaves, structure)

    def _collapse(self, call: _Call, output: Any) -> Node:
        """Put one box in the place of all that a call did."""
        graph = self.graph
        inner = set(graph.nodes[call.nodes :])
        read = [source for source, _ in graph.edges[call.edges :] if source not in inner]
        del graph.nodes[call.nodes :], graph.edges[call.edges :]
        outer = self.running[-1].frame if self.running else None
        node = graph.add(_box(call, output, outer), [*call.sources, *read])
        for array in self.made:
            if self.made[array] in inner:
                self.made[array] = node
        calls = self.calls.setdefault(call.module, [])
        calls.append(node)
        if len(calls) > 1:
            for number, each in enumerate(calls, 1):
                each.title = each.title.rpartition(" · call ")[0] or each.title
                each.title += f" · call {number}"
        return node

    # -- ends ----------------------------------------------------------------------------------------------------

    def add_inputs(self, arguments: Sequence[Any]) -> None:
        """Add a node for each tensor among the arguments, named as forward names it."""
        for name, value in zip(_argument_names(self.model, len(arguments)), arguments, strict=True):
            for label, x in _labelled(value, name):
                if id(x.array) not in self.made:
                    self.note(x.array, self.graph.add(Node("input", label, "input", shown(x.shape), f"input {label}")))

    def add_outputs(self, output: Any) -> None:
        """Add a node for each tensor the model returned."""
        for label, x in _labelled(output, "output"):
            self.graph.add(Node("output", label, "", shown(x.shape), label), self.sources([x]))


def _box(call: _Call, output: Any, frame: Frame | None) -> Node:
    module = call.module
    kind, name = type(module).__name__, call.path or type(module).__name__
    shapes = [shown(x.shape) for x in tensors_in(output)]
    parameters = sum(p.numel() for p in module.parameters())
    note = "\n".join([f"{name}: {kind}({module.extra_repr()})", f"→ {' '.join(shapes)}", f"{parameters:,} parameters"])
    more = f" +{len(shapes) - 1}" if len(shapes) > 1 else ""
    shape = shapes[0] + more if shapes else ""
    return Node(kind_of(module), _within(name, frame), described(module), shape, note, frame)


def _within(path: str, frame: Frame | None) -> str:
    """Return a path from a frame on; a number is told with the name before it: features.0."""
    name = path if frame is None else path.removeprefix(f"{frame.title}.")
    return ".".join(path.split(".")[-2:]) if name.isdigit() else name


def _tensors_and_arrays(values: Sequence[Any]) -> Iterator[Any]:
    """Yield the tensors and arrays among an op's inputs, which may be lists of them."""
    for value in values:
        if isinstance(value, np.ndarray):
            yield value
        else:
            yield from tensors_in(value)


def _array(value: Any) -> Any:
    return innermost(value).array if isinstance(value, Tensor) else value


def _lineage(array: np.ndarray) -> list[np.ndarray]:
    """Return an array and those it is a view of; the last one owns the memory."""
    lineage = [array]
    while True:
        base = lineage[-1].base
        if isinstance(base, memoryview):  # of another view made below
            base = base.obj
        if not isinstance(base, np.ndarray):
            return lineage
        lineage.append(base)


def _owner(array: np.ndarray) -> np.ndarray:
    return _lineage(array)[-1]


def _other_view(x: Any) -> Tensor:
    """Return a tensor on the same memory, with an array of its own, which NumPy names as the base of its views."""
    if type(x) is BatchedTensor:
        return BatchedTensor(_other_view(x.value), x.level)
    other = Tensor(np.asarray(memoryview(x.array)))
    other._writes = writes_of(x)
    return other


def _is_layer(module: Module) -> bool:
    return type(module).__module__.partition(".")[0] == "nn"


def _argument_names(model: Module, count: int) -> list[str]:
    """Return the names of the first `count` arguments of forward, as far as it gives them names."""
    names = []
    for parameter in inspect.signature(model.forward).parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            names += [f"{parameter.name}[{i}]" for i in range(count)]
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            names.append(parameter.name)
    return (names + [f"input {i}" for i in range(len(names), count)])[:count]


def _labelled(value: Any, label: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors in nested containers and what to call them: output[0], output['loss']."""
    if isinstance(value, Tensor):
        yield label, value
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _labelled(each, f"{label}[{key!r}]")
    elif isinstance(value, (list, tuple)):
        for i, each in enumerate(value):
            yield from _labelled(each, f"{label}[{i}]")
