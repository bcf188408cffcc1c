"""What functions that look at elements do under vmap, where every sample has its own.

Functions made of primitives need nothing of this.
"""

import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import batching
from autograd.batching import BatchedTensor, active, innermost, is_batched
from autograd.pytree import flatten, tree_map, unflatten
from autograd.random import resolve
from autograd.tensor import Tensor
from ops.dims import wrap_dims
from ops.shape import packed

Sizes = tuple[int, ...]


def elements(x: Any) -> np.ndarray:
    """Return the elements of all samples, to check that each of them is right."""
    return innermost(x).array if isinstance(x, Tensor) else np.asarray(x)


def each_sample(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function be called for one sample after the other, and its results be stacked."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not active():
            return function(*args, **kwargs)
        leaves, structure = flatten((args, kwargs))
        if not is_batched(*leaves):
            return function(*args, **kwargs)
        level = batching.innermost_level(leaves)
        results = []
        for i in range(level.size):
            sample = [x.value[i] if type(x) is BatchedTensor and x.level is level else x for x in leaves]
            positional, named = unflatten(sample, structure)
            results.append(flatten(call(*positional, **named)))
        if not results:
            raise RuntimeError(f"vmap: {function.__name__} is called for one sample after the other; there is none")
        columns = zip(*[outputs for outputs, _ in results], strict=True)
        return unflatten(
            [BatchedTensor(batching.join([y[None] for y in ys], 0), level) for ys in columns], results[0][1]
        )

    return call


def along_dim(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function of a tensor and its parameter `dim` compute all samples at once: `dim` is counted one further."""
    signature = inspect.signature(function)
    one_by_one = each_sample(function)

    @functools.wraps(function)
    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        if type(input) is not BatchedTensor or is_batched(*args, *kwargs.values()):
            return function(input, *args, **kwargs)
        if not input.ndim:
            return one_by_one(input, *args, **kwargs)
        bound = signature.bind(input, *args, **kwargs)
        bound.apply_defaults()
        dim = bound.arguments["dim"]
        dims = range(input.ndim) if dim is None else wrap_dims(function.__name__, dim, input.ndim)
        further = tuple([d + 1 for d in dims])
        bound.arguments["input"] = input.value
        bound.arguments["dim"] = further[0] if isinstance(dim, int) else further
        return tree_map(lambda y: BatchedTensor(y, input.level), call(*bound.args, **bound.kwargs))

    return call


def batched_like(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function that makes a tensor like another make one for every sample that the other has."""

    @functools.wraps(function)
    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        made = function(input, *args, **kwargs)
        if type(input) is not BatchedTensor:
            return made
        along = batching.levels_of(input)
        return batching.all_batched(packed(batching.all_spread_out(made, along)), along)

    return call


# -- random numbers ----------------------------------------------------------------------------------------------------


def drawn(make: Callable[[Sizes], Tensor], shape: Sizes) -> Tensor:
    """Return make(shape), random numbers, once for all samples or for each, as the vmaps say that are running."""
    own = [level for level in active() if _draws_for_each(level)]
    if not own:
        return make(tuple(shape))
    return batching.all_batched(make((*[level.size for level in own], *shape)), own)


def _draws_for_each(level: batching.Level) -> bool:
    if level.randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )
    return level.randomness == "different"


def draws(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a random function be called for one sample after the other, or once for all, as the vmaps say."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not active():
            return function(*args, **kwargs)
        *outer, level = active()
        each = _draws_for_each(level)
        leaves, structure = flatten((args, kwargs))
        own = [type(x) is BatchedTensor and x.level is level for x in leaves]
        generator = resolve(kwargs.get("generator"))
        state = generator.get_state()
        results = []
        for i in range(level.size if each or any(own) else 1):
            if not each:
                generator.set_state(state)
            positional, named = unflatten(
                [x.value[i] if mine else x for x, mine in zip(leaves, own, strict=True)], structure
            )
            with batching.running(tuple(outer)):
                results.append(call(*positional, **named))
        if not each and not any(own):
            return results[0]
        return BatchedTensor(batching.join([y[None] for y in results], 0), level)

    return call
