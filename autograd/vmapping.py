"""`vmap`: a function of one sample made a function of a batch."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

from autograd import batching
from autograd.batching import BatchedTensor, Level, active, running, spread_out
from autograd.pytree import Structure, broadcast_prefix, flatten, unflatten
from autograd.tensor import Tensor

RANDOMNESS = ("error", "different", "same")


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """Return `func` mapped over a dimension of its arguments: all samples at once, not one after the other.

    `func` is written for one sample. Its ops compute on the whole batch, each by its batching rule. Keyword arguments
    are handed on as they are.

    Args:
        in_dims: the dimension of each argument that is mapped over, None where all samples share the argument; one
            for all arguments, or nested like them.
        out_dims: where that dimension is to be in each output, likewise; None for what is the same for all samples.
        randomness: what random functions inside do: raise ("error"), draw for each sample ("different"), or draw
            once for all ("same").
        chunk_size: how many samples are computed at once; None: all.
    """
    if randomness not in RANDOMNESS:
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")
    name = getattr(func, "__name__", type(func).__name__)

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, dims, structure = _arguments(name, in_dims, args)
        size = _batch_size(name, leaves, dims)

        def compute(start: int, stop: int) -> tuple[list[Any], list[Any], Structure]:
            level, part = Level(stop - start, randomness), slice(start, stop)
            with running((*active(), level)):
                samples = [_sample(x, dim, level, part) for x, dim in zip(leaves, dims, strict=True)]
                return _results(name, func(*unflatten(samples, structure), **kwargs), out_dims, level)

        step = chunk_size or size or 1
        chunks = [compute(start, min(start + step, size)) for start in range(0, size, step)] or [compute(0, 0)]
        parts = zip(*[outputs for outputs, _, _ in chunks], strict=True)
        _, places, output_structure = chunks[0]
        return unflatten([_joined(x, dim) for x, dim in zip(parts, places, strict=True)], output_structure)

    return mapped


def _joined(parts: Sequence[Any], dim: int | None) -> Any:
    return parts[0] if len(parts) == 1 or dim is None else batching.join(parts, dim)


def _sample(x: Any, dim: int | None, level: Level, part: slice) -> Any:
    """Return what the function is given for an argument."""
    if dim is None:
        return x
    x = x.movedim(dim, 0)
    return BatchedTensor(x if level.size == x.shape[0] else x[part], level)


def _results(name: str, output: Any, out_dims: Any, level: Level) -> tuple[list[Any], list[Any], Structure]:
    """Return what the function returned, with the batch where it is wanted."""
    leaves, structure = flatten(output)
    dims = broadcast_prefix(out_dims, output)
    if dims is None and isinstance(output, Tensor) and isinstance(out_dims, tuple) and len(out_dims) == 1:
        dims = list(out_dims)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with the structure of "
            "outputs."
        )
    return [_result(name, x, dim, level) for x, dim in zip(leaves, dims, strict=True)], dims, structure


def _result(name: str, x: Any, dim: Any, level: Level) -> Any:
    if dim is None:
        if type(x) is BatchedTensor and x.level is level:
            raise ValueError(f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None")
        return x
    if not isinstance(x, Tensor):
        raise ValueError(f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(x)}.")
    y = spread_out(x, level)
    if not isinstance(dim, int) or not -y.ndim <= dim < y.ndim:
        raise IndexError(f"vmap({name}, ...): out_dims {dim!r} is out of range for an output of {y.ndim} dimensions")
    return y.movedim(0, dim)


def _arguments(name: str, in_dims: Any, args: tuple[Any, ...]) -> tuple[list[Any], list[Any], Structure]:
    """Return the arguments' leaves, the dimension of each that is mapped over, and how they nest."""
    call = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>)"
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(f"{call}: expected `in_dims` to be int or a (potentially nested) tuple, got: {type(in_dims)}.")
    if not args:
        raise ValueError(f"{call}: got no inputs. Maybe you forgot to add inputs, or the function has none.")
    leaves, structure = flatten(args)
    dims = broadcast_prefix(in_dims, args)
    if dims is None:
        raise ValueError(f"{call}: in_dims is not compatible with the structure of `inputs`.")
    for i, (x, dim) in enumerate(zip(leaves, dims, strict=True)):
        if dim is None:
            continue
        if not isinstance(dim, int):
            raise ValueError(f"{call}: Got in_dim={dim} for an input but in_dim must be either an int or None.")
        if not isinstance(x, Tensor):
            raise ValueError(
                f"{call}: Got in_dim={dim} for an input but the input is of type {type(x)}. We cannot vmap over "
                "non-Tensor arguments, please use None as the respective in_dim"
            )
        if not -x.ndim <= dim < x.ndim:
            raise ValueError(
                f"{call}: Got in_dim={dim} for input {i}, but that input is a Tensor of dimensionality {x.ndim} so "
                f"expected in_dim to satisfy -{x.ndim} <= in_dim < {x.ndim}."
            )
    return leaves, dims, structure


def _batch_size(name: str, leaves: list[Any], dims: list[Any]) -> int:
    sizes = [x.shape[dim] for x, dim in zip(leaves, dims, strict=True) if dim is not None]
    if not sizes:
        raise ValueError(f"vmap({name}): at least one input must be mapped over, but every in_dim is None.")
    if len(set(sizes)) > 1:
        raise ValueError(
            f"vmap({name}): Expected all tensors to have the same size in the mapped dimension, got sizes {sizes} for "
            "the mapped dimension"
        )
    return sizes[0]
