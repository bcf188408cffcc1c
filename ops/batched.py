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
from autograd.tensor import Tensor
from ops.dims import wrap_dims


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
