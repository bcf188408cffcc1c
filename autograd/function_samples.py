"""A custom `Function` under vmap."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from autograd import batching
from autograd.batching import BatchedTensor, Level, active, innermost_level, running
from autograd.tensor import Tensor


class VmapInfo(NamedTuple):
    """What a Function's `vmap` is told of the vmap it computes."""

    batch_size: int
    randomness: str


def apply_to_samples(function: Any, args: Sequence[Any]) -> Any:
    """Call a Function with batched tensors among its arguments: by its own `vmap`, or for each sample."""
    level = innermost_level(args)
    own = [type(x) is BatchedTensor and x.level is level for x in args]
    values = [x.value if mine else x for x, mine in zip(args, own, strict=True)]
    with running(tuple([each for each in active() if each is not level])):
        if function.vmap is not None:
            in_dims = tuple([0 if mine else None for mine in own])
            result, out_dims = function.vmap(VmapInfo(level.size, level.randomness), in_dims, *values)
            return _wrapped(result, out_dims, level)
        if not function.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {function.__name__}, but it does not have vmap support. Please override and "
                f"implement the vmap staticmethod or set generate_vmap_rule=True."
            )
        batching.refuse_empty(level.size)
        results = [
            function.apply(*[x[i] if mine else x for x, mine in zip(values, own, strict=True)])
            for i in range(level.size)
        ]
    many = isinstance(results[0], tuple)
    columns = zip(*results, strict=True) if many else [results]
    outputs = [BatchedTensor(batching.join([y[None] for y in ys], 0), level) for ys in columns]
    return tuple(outputs) if many else outputs[0]


def _wrapped(result: Any, out_dims: Any, level: Level) -> Any:
    """Return what a Function's own `vmap` returned as batched tensors."""
    if isinstance(result, tuple):
        dims = out_dims if isinstance(out_dims, tuple) else (out_dims,) * len(result)
        return tuple([_wrapped(y, dim, level) for y, dim in zip(result, dims, strict=True)])
    if out_dims is None or not isinstance(result, Tensor):
        return result
    return BatchedTensor(result.movedim(out_dims, 0), level)
