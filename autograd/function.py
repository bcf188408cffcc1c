"""Custom ops: a `Function` with a forward and a backward of the user's own."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Self

import numpy as np

from autograd.batching import is_batched
from autograd.function_samples import apply_to_samples
from autograd.grad_mode import is_recording, no_grad
from autograd.node import Leaf, Node, OutputOf
from autograd.saved import freed, overwritten
from autograd.tensor import Tensor, computed
from autograd.tracing import Op, Trace, tracers, watch, watchers
from autograd.views import base_of, check_history, detach, hidden_view, mark_written, take_over_history


class Context:
    """What a Function's forward hands to its backward; attributes of the user's may be set on it."""

    def __init__(self, needs_input_grad: tuple[bool, ...]) -> None:
        self.needs_input_grad = needs_input_grad
        self.materialize_grads = True
        self._saved: tuple[Any, ...] | None = ()
        self._dirty: tuple[Any, ...] = ()
        self._non_differentiable: tuple[Any, ...] = ()
        self._name = ""

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for backward, where `saved_tensors` gives them back if none was overwritten."""
        for tensor in tensors:
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(f"save_for_backward can only save variables, but got {type(tensor).__name__}")
        self._saved = tuple(_Saved(tensor) for tensor in tensors)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`."""
        if self._saved is None:
            raise freed(self._name)
        return tuple(saved.unpack(self._name) for saved in self._saved)

    def copy(self, copied: Callable[[Any], Any]) -> "Context":
        """Return a context with what `copied` makes of each saved and user-set value."""
        clone = Context(self.needs_input_grad)
        for name, value in vars(self).items():
            setattr(clone, name, copied(value))
        if self._saved is not None:
            clone._saved = tuple(saved.copy(copied) for saved in self._saved)
        return clone

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say which inputs the forward wrote to; they must be returned as outputs."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Choose whether backward sees zeros (True) or None for outputs nothing depends on."""
        self.materialize_grads = value


class _Saved:
    """A tensor kept for backward, with the version it had."""

    __slots__ = ("array", "index", "node", "tensor", "trace", "version", "writes")

    def __init__(self, tensor: Tensor | None) -> None:
        self.tensor = tensor
        self.array: np.ndarray | None = None
        self.node: Any = None
        self.index = -1  # of the output it is, if it is one
        self.writes: Any = None
        self.version = 0 if tensor is None else tensor._version
        self.trace = Trace.here() if tracers else None

    def keep_array_only(self, index: int) -> None:
        """Keep output `index` without its tensor, which holds the node that holds this."""
        assert self.tensor is not None
        self.index = index
        self.array, self.writes = self.tensor.array, self.tensor._writes
        self.version = self.tensor._version  # of an input written in place: the version it has as an output
        self.tensor = None

    def copy(self, copied: Callable[[Any], Any]) -> "_Saved":
        """Return the same with its tensor, or array, copied."""
        clone = _Saved(copied(self.tensor))
        clone.array, clone.index = copied(self.array), self.index
        return clone

    def unpack(self, name: str) -> Tensor | None:
        tensor = self.tensor
        if tensor is None and self.array is None:
            return None
        writes = self.writes if tensor is None else tensor._writes
        version = 0 if writes is None else writes.count
        if version != self.version:
            shape = tuple(self.array.shape if tensor is None else tensor.shape)  # type: ignore[union-attr]
            raise overwritten(f"{name} saved a tensor of shape {shape}", writes, self.version, self.trace)
        if tensor is None:
            tensor = Tensor(self.array)
            tensor._node = self.node
        return tensor


def _other(x: Tensor) -> Tensor:
    """Return another tensor on the memory of an input that forward returned as it is; not for writes where x is a leaf.

    Those would change a leaf behind its back. Otherwise the input is most often done with, and PyTorch is stricter.
    """
    base = base_of(x)
    return hidden_view(x) if type((x if base is None else base)._node) is Leaf else detach(x)


class FunctionNode(Node):
    """A call of a custom Function."""

    __slots__ = ("ctx", "function", "needs", "outputs")

    def __init__(self, function: type["Function"], ctx: Context, args: Sequence[Any], outputs: Sequence[Any]) -> None:
        wanted = [x for x, needs in zip(args, ctx.needs_input_grad, strict=True) if needs]
        self.place([x._node for x in wanted], next(x.array for x in outputs if isinstance(x, Tensor)))
        self.function = function
        self.ctx = ctx
        self.needs = ctx.needs_input_grad
        self.outputs = [(x.array.shape, x.array.dtype) if isinstance(x, Tensor) else None for x in outputs]

    def output(self, index: int, array: np.ndarray) -> Node:
        """Return the node at which gradients of output number `index`, these values, arrive."""
        count = len(self.outputs)
        return self if count == 1 else OutputOf(self, index, count, array)

    def pull(self, grad: Any, recording: bool, retain_graph: bool) -> Sequence[Any]:
        grads = [self._as_tensor(g, i) for i, g in enumerate(grad if type(grad) is list else [grad])]
        for saved in self.ctx._saved or ():
            if saved.array is not None:
                saved.node = self.output(saved.index, saved.array)
        try:
            results = self.function.backward(self.ctx, *grads)
        finally:
            for saved in self.ctx._saved or ():
                saved.node = None
        if self.ctx._saved and not retain_graph:
            self.ctx._saved = None
        results = results if isinstance(results, tuple) else (results,)
        while len(results) > len(self.needs) and results[-1] is None:
            results = results[:-1]
        if len(results) != len(self.needs):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {len(self.needs)}, got {len(results)})"
            )
        return [self._checked(g, i, recording) for i, g in enumerate(results) if self.needs[i]]

    def _as_tensor(self, grad: Any, index: int) -> Any:
        like = self.outputs[index]
        if grad is None and self.ctx.materialize_grads and like is not None:
            grad = np.zeros(*like)
        return Tensor(grad) if type(grad) is np.ndarray else grad

    def _checked(self, grad: Any, index: int, recording: bool) -> Any:
        if grad is None:
            return None
        if not isinstance(grad, Tensor):
            raise RuntimeError(f"{self.name()}: gradient {index} is a {type(grad).__name__}, expected a Tensor or None")
        return grad if recording else grad.array

    def clone(self, parents: Sequence[Node], copied: Callable[[Any], Any]) -> Self:
        node = super().clone(parents, copied)
        node.function, node.needs, node.outputs = self.function, self.needs, self.outputs
        node.ctx = self.ctx.copy(copied)
        return node

    def share_output(self, writes: Any, index: int = 0) -> None:
        for saved in self.ctx._saved or ():
            if saved.index == index:
                saved.writes = writes

    def name(self) -> str:
        return f"{self.function.__name__}Backward"


class Function:
    """A differentiable function of the user's: write `forward` and `backward`, call `apply`.

        class Exp(Function):
            @staticmethod
            def forward(ctx, x):
                y = x.exp()
                ctx.save_for_backward(y)
                return y

            @staticmethod
            def backward(ctx, grad):
                (y,) = ctx.saved_tensors
                return grad * y

    `forward` runs unrecorded. `backward` gets a gradient per output and returns one (or None) per argument of forward;
    written with tensor ops, it is itself differentiable. `setup_context(ctx, inputs, output)`, where defined, takes the
    context's place in `forward(*args)`.

    Under `autograd.func.vmap`, `vmap(info, in_dims, *args)` is called, where it is defined: it gets whole batches, and
    returns the outputs and where their batch is, `out_dims`. With `generate_vmap_rule = True` samples are taken one
    after the other.
    """

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Compute the gradients of forward's arguments."""
        raise NotImplementedError("You must implement the backward function for your custom autograd.Function.")

    setup_context: Callable[..., None] | None = None
    vmap: Callable[..., Any] | None = None
    generate_vmap_rule = False

    def __init__(self) -> None:
        raise RuntimeError(f"{type(self).__name__}: call {type(self).__name__}.apply(...), not the class")

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """Compute and, where an argument requires gradients, record."""
        if is_batched(*args):
            return apply_to_samples(cls, args)
        needs = tuple(isinstance(x, Tensor) and x.requires_grad for x in args)
        ctx = Context(needs)
        ctx._name = cls.__name__
        with no_grad():
            if cls.setup_context is None:
                result = cls.forward(ctx, *args)
            else:
                result = cls.forward(*args)
                cls.setup_context(ctx, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        if watchers:
            for x in outputs:
                watch(Op(cls.__name__), args, {}, x.array if isinstance(x, Tensor) else np.asarray(x))
        if any(needs) and is_recording():
            outputs = cls._record(ctx, args, outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    @classmethod
    def _record(cls, ctx: Context, args: Sequence[Any], outputs: Sequence[Any]) -> tuple[Any, ...]:
        dirty = {id(x) for x in ctx._dirty}
        skip = {id(x) for x in ctx._non_differentiable}
        given = {id(x) for x in args}
        if not dirty <= {id(x) for x in outputs}:
            raise RuntimeError(f"{cls.__name__}: inputs that were written to, as mark_dirty says, must be outputs, too")
        results = []
        for x in outputs:
            if not isinstance(x, Tensor):
                results.append(x)
                continue
            results.append(_other(x) if id(x) in given and id(x) not in dirty else x)
        tracked = [
            isinstance(new, Tensor) and id(old) not in skip and new.array.dtype.kind == "f"
            for old, new in zip(outputs, results, strict=True)
        ]
        if not any(tracked):
            return tuple(results)
        node = FunctionNode(cls, ctx, args, results)
        for index, (new, wanted) in enumerate(zip(results, tracked, strict=True)):
            if not wanted:
                continue
            output = node.output(index, new.array)
            if id(new) in dirty:
                check_history(new, cls.__name__)
                mark_written(new, cls.__name__)
                take_over_history(new, computed(new.array, output))
            else:
                new._node = output
        made_here = {id(x): index for index, (x, wanted) in enumerate(zip(results, tracked, strict=True)) if wanted}
        for saved in ctx._saved or ():
            if saved.tensor is not None and id(saved.tensor) in made_here:
                saved.keep_array_only(made_here[id(saved.tensor)])
        return tuple(results)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a backward that is not differentiable itself: a second derivative through it raises RuntimeError."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        recording = is_recording()
        with no_grad():
            results = backward(ctx, *grads)
        if not recording:
            return results
        results = results if isinstance(results, tuple) else (results,)
        return tuple(x if x is None else _Once.apply(x, *grads) for x in results)

    return wrapper


class _Once(Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, *grads: Any) -> Tensor:
        return Tensor(value.array)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> NoReturn:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")
