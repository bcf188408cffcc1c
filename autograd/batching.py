"""Batched tensors: what a function sees under `vmap`, and how primitives compute on them.

A `BatchedTensor` stands for one sample of a batch. It looks like the sample, and holds all of them: `value`, a Tensor
with the samples along its first dimension. A primitive that meets one hands the values of its inputs to its batching
rule, which is written with primitives too; so what happens is recorded on the same tape, and derivatives need no rules
of their own. Under several vmaps the values are batched tensors themselves, of the levels further out.

A rule is declared beside the vjp:

    summed.vmap(dim=next_dim)  # the primitive itself on the values, its parameter `dim` counted one further

    @matmul.joint_vmap         # or a function of the values
    def _(batch, x, y): ...

An elementwise primitive needs none. One without a rule is called for one sample after the other.
"""

import functools
import itertools
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NoReturn

import numpy as np

from autograd import dtypes
from autograd.tensor import Tensor

Shape = tuple[int, ...]


class Level:
    """One vmap that is running: its place among those around it, its size, and what its samples draw at random."""

    __slots__ = ("number", "randomness", "size")

    counter = itertools.count(1)

    def __init__(self, size: int, randomness: str) -> None:
        self.number = next(Level.counter)
        self.size = size
        self.randomness = randomness


levels: ContextVar[tuple[Level, ...]] = ContextVar("levels", default=())  # from the outermost to the innermost
active = levels.get


@contextmanager
def running(now: tuple[Level, ...]) -> Iterator[None]:
    """Let these vmaps, from the outermost to the innermost, be those that run."""
    token = levels.set(now)
    try:
        yield
    finally:
        levels.reset(token)


class Outline:
    """What is known of a sample without looking at its elements: the `array` of a batched tensor.

    Whoever asks for elements gets an error that says so: they differ from sample to sample.
    """

    __slots__ = ("whole",)

    def __init__(self, whole: Any) -> None:
        self.whole = whole  # the array, or outline, of all samples

    shape = property(lambda self: self.whole.shape[1:])
    ndim = property(lambda self: self.whole.ndim - 1)
    dtype = property(lambda self: self.whole.dtype)
    itemsize = property(lambda self: self.whole.itemsize)
    strides = property(lambda self: self.whole.strides[1:])
    flags = property(lambda self: self.whole.flags)

    @property
    def size(self) -> int:
        count = 1
        for n in self.shape:
            count *= n
        return count

    nbytes = property(lambda self: self.size * self.itemsize)

    def reshape(self, shape: Shape, copy: bool = False) -> "Outline":
        """Return the outline of a view under another shape."""
        return Outline(self.whole.reshape((self.whole.shape[0], *shape), copy=copy))

    def refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(
            "vmap: It looks like you're attempting to use the elements of a Tensor (in data-dependent control flow, "
            "with .item() or as a NumPy array): they differ from sample to sample. Use torch.where in place of a "
            "branch, or call the function outside of vmap."
        )

    __array__ = __bool__ = __int__ = __float__ = __index__ = __iter__ = __getitem__ = __len__ = refuse
    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = __add__ = __radd__ = __sub__ = __rsub__ = refuse
    __mul__ = __rmul__ = __truediv__ = __rtruediv__ = __and__ = __or__ = __neg__ = __invert__ = refuse
    __hash__ = object.__hash__

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.refuse()


class _NoView:
    """Stands where a tensor keeps how it shares memory, and tells primitives that it is batched."""

    base = None

    def refresh(self, tensor: Tensor) -> bool:
        """Say that the tensor is batched; it has no history of its own."""
        return True


BATCHED = _NoView()


class BatchedTensor(Tensor):
    """One sample, of all those along the first dimension of `value`."""

    __slots__ = ("level", "value")

    _view: Any = BATCHED  # of the class, where a Tensor has a slot

    def __init__(self, value: Any, level: Level) -> None:
        self.value = value
        self.level = level
        self._grad = None

    @property
    def array(self) -> Any:
        return Outline(self.value.array)

    @property
    def _node(self) -> Any:
        return self.value._node if self.value.requires_grad else None

    @property
    def _writes(self) -> Any:
        return self.value._writes

    @property  # type: ignore[misc]  # what is written to the data of a sample would be written to none
    def data(self) -> Tensor:
        return BatchedTensor(self.value.data, self.level)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        raise RuntimeError(
            "You are attempting to call Tensor.requires_grad_() (or perhaps using torch.autograd.functional.* APIs) "
            "inside of a function being transformed by vmap. This is unsupported: use func.grad, vjp or jacrev."
        )

    def numpy(self, *, force: bool = False) -> Any:
        return self.array.refuse()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.array.refuse()

    def __repr__(self) -> str:
        return f"BatchedTensor(level={self.level.number}, value=\n    {self.value!r}\n)"

    def __format__(self, spec: str) -> str:
        return repr(self)


def batched(value: Any, level: Level) -> Any:
    """Return the sample of a Tensor whose first dimension is the batch of `level`; inner batches stay outside."""
    if type(value) is BatchedTensor and value.level.number > level.number:
        return BatchedTensor(batched(value.value.movedim(1, 0), level), value.level)
    return BatchedTensor(value, level)


def spread_out(x: Any, level: Level) -> Any:
    """Return x with the batch of `level` as its first dimension, repeated where x has none."""
    if type(x) is BatchedTensor:
        if x.level is level:
            return x.value
        if x.level.number > level.number:
            return BatchedTensor(spread_out(x.value, level).movedim(0, 1), x.level)
    return x.expand((level.size, *x.shape))


def all_spread_out(x: Any, along: Sequence[Level]) -> Any:
    """Return x with the batches of all of the levels as its first dimensions, the outermost first."""
    for level in reversed(along):
        x = spread_out(x, level)
    return x


def all_batched(x: Any, along: Sequence[Level]) -> Any:
    """Undo `all_spread_out`."""
    for level in along:
        x = batched(x, level)
    return x


def innermost(x: Any) -> Any:
    """Return the Tensor that holds the elements."""
    while type(x) is BatchedTensor:
        x = x.value
    return x


def levels_of(x: Any) -> list[Level]:
    """Return the levels a tensor is batched at, from the outermost to the innermost."""
    found: list[Level] = []
    while type(x) is BatchedTensor:
        found.insert(0, x.level)
        x = x.value
    return found


def innermost_level(values: Sequence[Any]) -> Level:
    """Return the level of the innermost vmap that batched tensors among values belong to."""
    level: Any = None
    for x in values:
        if type(x) is BatchedTensor and (level is None or x.level.number > level.number):
            level = x.level
    return level


def is_batched(*values: Any) -> bool:
    """Return whether one of several values is a batched tensor."""
    return any(type(x) is BatchedTensor for x in values)


# -- rules -----------------------------------------------------------------------------------------------------------


class Batch:
    """What a rule is told beside the values: how many samples there are, and which inputs have their own per sample."""

    __slots__ = ("of", "size")

    def __init__(self, size: int, of: tuple[bool, ...]) -> None:
        self.size = size
        self.of = of

    def everywhere(self, values: Sequence[Any], start: int = 0) -> list[Any]:
        """Return the values of inputs from number `start` on, the batch first: repeated where samples share one."""
        own = self.of[start:]
        return [x if mine or x is None else _repeated(x, self.size) for x, mine in zip(values, own, strict=False)]


def _repeated(x: Any, size: int) -> Any:
    x = x if isinstance(x, Tensor) else Tensor(np.asarray(x))
    return x.expand((size, *x.shape))


def run(primitive: Any, inputs: Sequence[Any], parameters: dict[str, Any]) -> BatchedTensor:
    """Call a primitive on inputs some of which are batched tensors."""
    level = innermost_level(inputs)
    own = tuple([type(x) is BatchedTensor and x.level is level for x in inputs])
    if primitive.promotion is not None:
        inputs = _promoted(primitive, inputs)
    values = [x.value if yes else x for x, yes in zip(inputs, own, strict=True)]
    rule = primitive.batching or (_aligned if primitive.elementwise else _one_by_one)
    return BatchedTensor(rule(primitive, Batch(level.size, own), values, parameters), level)


def _promoted(primitive: Any, inputs: Sequence[Any]) -> Sequence[Any]:
    """Give tensors the type the result is computed in: decided here, as a single number per sample looks like many."""
    given = [x.array if isinstance(x, Tensor) else x for x in inputs if x is not None]
    target = dtypes.result_dtype(given)
    if primitive.promotion == "float" and target.kind != "f":
        target = dtypes.default_float()
    return [x.to(target) if isinstance(x, Tensor) else x for x in inputs]


def _aligned(primitive: Any, batch: Batch, values: Sequence[Any], parameters: dict[str, Any]) -> Any:
    """The rule of elementwise primitives: the batch first, then as many dimensions for all as the longest has."""
    ndims = [(x.ndim if isinstance(x, Tensor) else np.ndim(x)) - own for x, own in zip(values, batch.of, strict=True)]
    longest = max(ndims)
    aligned = [
        x.reshape((x.shape[0], *(1,) * (longest - n), *x.shape[1:])) if own and n < longest and x is not None else x
        for x, own, n in zip(values, batch.of, ndims, strict=True)
    ]
    return primitive.call(*aligned, **parameters)


def by_parameters(changes: dict[str, Callable[[Any, int], Any]]) -> Callable[..., Any]:
    """Return the rule that calls the primitive itself, with some parameters changed for values with a batch."""

    def rule(primitive: Any, batch: Batch, values: Sequence[Any], parameters: dict[str, Any]) -> Any:
        if not changes:
            return _aligned(primitive, Batch(batch.size, (True,) * len(values)), batch.everywhere(values), parameters)
        given = {**primitive.parameters, **parameters}
        changed = {name: change(given[name], batch.size) for name, change in changes.items()}
        wide = batch.everywhere(values)
        if isinstance(changed.get("dim"), int) and all(x.ndim == 1 for x in wide):
            # Samples of no dimension, which `dim=0` takes for vectors of one element.
            if "shape" in changed:
                changed["shape"] = (*changed["shape"], 1)
            return primitive.call(*[x[:, None] for x in wide], **{**parameters, **changed})[:, 0]
        return primitive.call(*wide, **{**parameters, **changed})

    return rule


def by_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the rule that calls a function of the batch, the values and the parameters."""

    def rule(primitive: Any, batch: Batch, values: Sequence[Any], parameters: dict[str, Any]) -> Any:
        return function(batch, *values, **parameters)

    return rule


_warned: set[str] = set()
_warning = threading.Lock()


def _one_by_one(primitive: Any, batch: Batch, values: Sequence[Any], parameters: dict[str, Any]) -> Any:
    """The rule of primitives that have none: one sample after the other."""
    with _warning:
        first = primitive.name not in _warned
        _warned.add(primitive.name)
    if first:
        warnings.warn(
            f"There is a performance drop because {primitive.name} has no batching rule: it is called for one sample "
            "after the other.",
            stacklevel=4,
        )
    return stacked(functools.partial(primitive.call, **parameters), batch, values)


def stacked(function: Callable[..., Any], batch: Batch, values: Sequence[Any]) -> Any:
    """Call a function for one sample after the other, and stack the results."""
    refuse_empty(batch.size)
    results = []
    for i in range(batch.size):
        results.append(function(*[x[i] if own else x for x, own in zip(values, batch.of, strict=True)]))
    return join([x[None] for x in results], 0)


def refuse_empty(size: int) -> None:
    """Raise for a batch of no samples."""
    if not size:
        raise RuntimeError("vmap: a function that is called for one sample after the other needs at least one")


def join(tensors: Sequence[Any], dim: int) -> Any:
    """Concatenate tensors along a dimension. `ops` puts `cat` in its place, which `autograd` alone does not know of."""
    raise NotImplementedError("importing ops defines how tensors are joined")


# -- parameters of primitives, for values with a batch ---------------------------------------------------------------


def next_dim(dim: Any, _: int) -> Any:
    """Count a dimension, or several, one further."""
    return dim + 1 if isinstance(dim, int) else tuple([d + 1 for d in dim])


def with_batch(shape: Any, size: int) -> Any:
    """Put the batch before a shape."""
    return (size, *shape)


def after_all(index: Any, _: int) -> Any:
    """Put a dimension that is taken whole before an index."""
    return (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
