"""Elements at other places: repeats, flips, rolls, triangles."""

from typing import Any

import numpy as np

from autograd.batching import next_dim
from autograd.primitive import primitive
from autograd.tensor import Tensor
from ops.dims import array_of, as_sizes, wrap_dim, wrap_dims
from ops.indexing import indexed
from ops.shape import clone, expand, packed, ravel, reshape, transpose

Sizes = tuple[int, ...]


@primitive
def flipped(x: np.ndarray, *, dims: Sizes) -> np.ndarray:
    """y[..., i, ...] = x[..., n − 1 − i, ...] along `dims`."""
    return np.flip(x, dims).copy()


flipped.vjp(x=lambda grad, dims: flipped(grad, dims=dims))
flipped.vmap(dims=next_dim)


@primitive
def rolled(x: np.ndarray, *, shifts: Sizes, dims: Sizes) -> np.ndarray:
    """y[..., (i + shift) mod n, ...] = x[..., i, ...] along `dims`."""
    return np.roll(x, shifts, dims)


rolled.vjp(x=lambda grad, shifts, dims: rolled(grad, shifts=tuple([-shift for shift in shifts]), dims=dims))
rolled.vmap(dims=next_dim)


@primitive
def lower_triangle(x: np.ndarray, *, diagonal: int) -> np.ndarray:
    """y[..., i, j] = x[..., i, j] where j − i ≤ diagonal, else 0."""
    return np.tril(x, diagonal)


lower_triangle.vjp(x=lambda grad, diagonal: lower_triangle(grad, diagonal=diagonal))
lower_triangle.vmap()


@primitive
def upper_triangle(x: np.ndarray, *, diagonal: int) -> np.ndarray:
    """y[..., i, j] = x[..., i, j] where j − i ≥ diagonal, else 0."""
    return np.triu(x, diagonal)


upper_triangle.vjp(x=lambda grad, diagonal: upper_triangle(grad, diagonal=diagonal))
upper_triangle.vmap()


# -- repeats -------------------------------------------------------------------------------------------------


def repeat(input: Any, *sizes: Any, repeats: Any = None) -> Any:
    """Return the tensor laid out `repeats[k]` times along each dimension, new dimensions first."""
    times = as_sizes("repeat", sizes, repeats)
    extra = len(times) - input.ndim
    if extra < 0:
        raise RuntimeError(
            "repeat: Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor, got {list(times)} for shape {list(input.shape)}"
        )
    if any(n < 0 for n in times):
        raise RuntimeError(f"repeat: Trying to create tensor with negative dimension, got repeats {list(times)}")
    shape = (1,) * extra + tuple(input.shape)
    split = reshape(input, [size for n in shape for size in (1, n)])
    copies = expand(split, [size for pair in zip(times, shape, strict=True) for size in pair])
    # A copy even where a reshape could share memory: PyTorch's repeat always copies.
    return reshape(packed(copies), [n * size for n, size in zip(times, shape, strict=True)])


def tile(input: Any, *sizes: Any, dims: Any = None) -> Any:
    """Return `repeat` with as many leading ones in `dims` as are missing."""
    times = as_sizes("tile", sizes, dims)
    return repeat(input, (1,) * (input.ndim - len(times)) + times)


def repeat_interleave(
    input: Any, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Any:
    """Return every element, or slice along `dim`, `repeats` times (one number, or one for each).

    Called with the repeats alone, return each i as often as repeats[i] says. `output_size` must be their sum.
    """
    if repeats is None:
        repeats = array_of(input)
        input, dim = Tensor(np.arange(repeats.size)), 0
    if dim is None:
        input, dim = ravel(input), 0
    elif not input.ndim:
        raise IndexError(f"repeat_interleave: Dimension specified as {dim} but tensor has no dimensions")
    dim = wrap_dim("repeat_interleave", dim, input.ndim)
    size = input.shape[dim] if input.ndim else 1
    times = _times(repeats, size)
    positions = np.repeat(np.arange(size), times)
    if output_size is not None and output_size != positions.size:
        raise RuntimeError(f"repeat_interleave: output_size is {output_size}, but repeats sum to {positions.size}")
    return indexed(input if input.ndim else ravel(input), positions, dims=(dim,))


def _times(repeats: Any, size: int) -> np.ndarray:
    times = np.asarray(repeats) if isinstance(repeats, int) else array_of(repeats, "repeat_interleave")
    if times.dtype.kind not in "iu":
        raise RuntimeError(f"repeat_interleave: repeats has to be Long or Int tensor, got {times.dtype}")
    if times.ndim > 1 or (times.size not in (1, size)):
        raise RuntimeError(
            "repeat_interleave: repeats must have the same size as input along dim, but got repeats.size(0) "
            f"= {times.size} and input.size(dim) = {size}"
        )
    if (times < 0).any():
        raise RuntimeError("repeat_interleave: repeats can not be negative")
    return np.broadcast_to(times.reshape(-1), (size,))


# -- flips, rolls, turns -------------------------------------------------------------------------------------


def flip(input: Any, *order: Any, dims: Any = None) -> Any:
    """Return a copy with the order along `dims` reversed."""
    wrapped = wrap_dims("flip", as_sizes("flip", order, dims), input.ndim)
    return flipped(input, dims=wrapped if input.ndim else ())


def fliplr(input: Any) -> Any:
    """Return a copy with dimension 1 reversed."""
    if input.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Any) -> Any:
    """Return a copy with dimension 0 reversed."""
    if input.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Return a copy moved along by `shifts`, what leaves at the end coming back at the start.

    Without `dims` the tensor is moved as if flat.
    """
    steps = as_sizes("roll", (shifts,))
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        if len(steps) != 1:
            raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(steps)}, dims:0")
        return reshape(rolled(ravel(input), shifts=steps, dims=(0,)), tuple(input.shape))
    if not input.ndim:
        raise IndexError(f"roll: Dimension specified as {dims} but tensor has no dimensions")
    axes = tuple([wrap_dim("roll", dim, input.ndim) for dim in as_sizes("roll", (dims,))])
    if len(steps) != len(axes):
        raise RuntimeError(f"roll: shifts and dimensions must align. shifts: {len(steps)}, dims:{len(axes)}")
    return rolled(input, shifts=steps, dims=axes)


def rot90(input: Any, k: int = 1, dims: Any = (0, 1)) -> Any:
    """Return a copy turned by k quarters in the plane of two dims, from the first towards the second."""
    if len(dims) != 2 or input.ndim < 2:
        raise RuntimeError(f"rot90: expected two dims of at least 2 dimensions, got dims {list(dims)} of {input.ndim}")
    first, second = wrap_dims("rot90", tuple(dims), input.ndim)
    if k % 4 == 0:
        return clone(input)
    if k % 4 == 2:
        return flip(input, (first, second))
    return flip(transpose(input, first, second), first if k % 4 == 1 else second)


# -- triangles -----------------------------------------------------------------------------------------------


def tril(input: Any, diagonal: int = 0) -> Any:
    """Return the matrices with zeros above a diagonal."""
    return lower_triangle(_matrices("tril", input), diagonal=diagonal)


def triu(input: Any, diagonal: int = 0) -> Any:
    """Return the matrices with zeros below a diagonal."""
    return upper_triangle(_matrices("triu", input), diagonal=diagonal)


def _matrices(name: str, input: Any) -> Any:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions, got {input.ndim}")
    return input
