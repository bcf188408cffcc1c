"""Views by shape: the same elements in the same memory, laid out otherwise.

Three primitives (`reshaped`, `permuted`, `expanded`) carry most functions below. `reshape`, `flatten` and their
relatives copy only where no strides describe the result; `clone`, `packed` and `contiguous` are there to copy.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from autograd import dtypes
from autograd.batching import Batch, next_dim, with_batch
from autograd.elementwise import SMALL
from autograd.primitive import primitive
from autograd.tensor import Size, Tensor
from autograd.views import detach, view_primitive
from ops.dims import array_of, as_sizes, named, wrap_dim, wrap_dims
from ops.lazy_kernels import transposing

Sizes = tuple[int, ...]


def with_shape(x: np.ndarray, shape: Sizes) -> np.ndarray:
    """Return x.reshape(shape), a view where there is one; a large copy is made by a kernel."""
    if x.flags.c_contiguous or x.size <= SMALL:
        return x.reshape(shape)
    try:
        return x.reshape(shape, copy=False)
    except ValueError:
        return transposing.c_order(x).reshape(shape)


@view_primitive
def reshaped(x: np.ndarray, *, shape: Sizes) -> np.ndarray:
    """The elements of x, in C order, under another shape."""
    return with_shape(x, shape)


reshaped.vjp(x=lambda grad, x_shape: reshaped(grad, shape=x_shape))
reshaped.vmap(shape=with_batch)


@view_primitive
def permuted(x: np.ndarray, *, dims: Sizes) -> np.ndarray:
    """y[i₀, i₁, ...] = x with dimension dims[k] of x as dimension k of y."""
    return x.transpose(dims)


permuted.vjp(x=lambda grad, dims: permuted(grad, dims=inverse_permutation(dims)))
permuted.vmap(dims=lambda dims, n: (0, *next_dim(dims, n)))


def strided(x: np.ndarray, shape: Sequence[int], strides: Sequence[int]) -> np.ndarray:
    """Return a view of x by strides, writeable if x is."""
    if x.flags.c_contiguous:
        return np.ndarray(shape, x.dtype, x, 0, strides)  # a tenth of the time as_strided takes
    return as_strided(x, shape, strides, writeable=x.flags.writeable)


@view_primitive
def expanded(x: np.ndarray, *, shape: Sizes) -> np.ndarray:
    """x repeated along new dimensions and along those of size 1, all repeats in the same memory."""
    extra = len(shape) - x.ndim
    strides = [0] * extra + [
        s if n == shape[extra + i] else 0 for i, (n, s) in enumerate(zip(x.shape, x.strides, strict=True))
    ]
    return strided(x, shape, strides)


expanded.vjp(x=lambda grad: grad)  # summing the repeats is the tape's work


@expanded.joint_vmap
def _(batch: Batch, x: Any, shape: Sizes) -> Any:
    new = (1,) * (len(shape) + 1 - x.ndim)
    return expanded(reshaped(x, shape=(batch.size, *new, *x.shape[1:])), shape=(batch.size, *shape))


@view_primitive
def bitcast(x: np.ndarray, *, dtype: np.dtype) -> np.ndarray:
    """The same bytes read as another element type."""
    return x.view(dtype)


bitcast.vmap()


@primitive
def clone(input: np.ndarray) -> np.ndarray:
    """y = x in memory of its own, in the same order of dimensions."""
    return input.copy(order="C" if 0 in input.strides else "K")


clone.vjp(input=lambda grad: grad)
clone.vmap()


@primitive
def packed(x: np.ndarray) -> np.ndarray:
    """y = x in memory of its own, in C order."""
    return x.copy() if x.size <= SMALL else transposing.c_order(x)


packed.vjp(x=lambda grad: grad)
packed.vmap()


def contiguous(input: Any) -> Any:
    """Return the tensor itself if its elements lie in C order, else a copy that does."""
    return input if array_of(input).flags.c_contiguous else packed(input)


# -- reshape and its kin -------------------------------------------------------------------------------------


def complete_shape(shape: Sizes, count: int, name: str = "reshape") -> Sizes:
    """Return `shape` with its -1, if any, replaced by the size that makes `count` elements."""
    if math.prod(shape) == count and min(shape, default=0) >= 0:
        return shape
    unknown = -1
    known = 1
    for i, size in enumerate(shape):
        if size == -1:
            if unknown >= 0:
                raise RuntimeError(
                    f"{name}: only one dimension can be inferred, got -1 more than once in {list(shape)}"
                )
            unknown = i
        elif size < 0:
            raise RuntimeError(f"{name}: invalid shape dimension {size} at index {i} of shape {list(shape)}")
        else:
            known *= size
    if unknown >= 0 and known == 0 == count:
        raise RuntimeError(
            f"{name}: cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension "
            "size -1 can be any value and is ambiguous"
        )
    if (known != count) if unknown < 0 else (known == 0 or count % known):
        raise RuntimeError(f"{name}: shape '{list(shape)}' is invalid for input of size {count}")
    return shape if unknown < 0 else (*shape[:unknown], count // known, *shape[unknown + 1 :])


def reshape(input: Any, *sizes: Any, shape: Any = None) -> Any:
    """Return the elements under another shape, a view where strides allow it; one size may be -1."""
    target = as_sizes("reshape", sizes, shape)
    return reshaped(input, shape=complete_shape(target, array_of(input).size))


def view(input: Tensor, *sizes: Any, size: Any = None, dtype: Any = None) -> Tensor:
    """Return a view under another shape, one size may be -1; or of the same bytes as another `dtype`."""
    if dtype is None and len(sizes) == 1 and isinstance(sizes[0], (dtypes.dtype, np.dtype, type)):
        dtype = sizes[0]
    if dtype is not None:
        return _view_dtype(input, dtypes.as_numpy(dtype))
    target = complete_shape(as_sizes("view", sizes, size), input.array.size, "view")
    array = input.array
    if array.size and not array.flags.c_contiguous:
        try:
            array.reshape(target, copy=False)
        except ValueError:
            raise RuntimeError(
                "view: view size is not compatible with input tensor's size and stride (at least one dimension "
                "spans across two contiguous subspaces). Use .reshape(...) instead."
            ) from None
    return reshaped(input, shape=target)


def _view_dtype(input: Tensor, dtype: np.dtype) -> Tensor:
    array = input.array
    if array.ndim and dtype.itemsize != array.itemsize != array.strides[-1]:
        raise RuntimeError(f"view: stride(-1) must be 1 to view {input.dtype} as {dtype}, got {input.stride(-1)}")
    try:
        return bitcast(detach(input), dtype=dtype)
    except (ValueError, TypeError) as error:
        raise RuntimeError(f"view: cannot read {input.dtype} {list(input.shape)} as {dtype}: {error}") from None


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input.view(other.shape)`."""
    return view(input, other.shape)


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """Return `input.reshape(other.shape)`."""
    return reshape(input, other.shape)


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return dims `start_dim` to `end_dim` made one; a 0-d tensor becomes one of shape (1,)."""
    ndim = len(input.shape)
    first, last = wrap_dim("flatten", start_dim, ndim), wrap_dim("flatten", end_dim, ndim)
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last and ndim:
        return input
    shape = tuple(input.shape)
    return reshaped(input, shape=(*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


def ravel(input: Any) -> Any:
    """Return all elements, in C order, as one dimension."""
    return reshape(input, (-1,) if math.prod(input.shape) else (0,))


def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """Return dimension `dim` split into `sizes`, one of which may be -1."""
    sizes = as_sizes("unflatten", (sizes,))
    dim = wrap_dim("unflatten", dim, len(input.shape))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    shape = tuple(input.shape)
    try:
        inner = complete_shape(sizes, shape[dim])
    except RuntimeError:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[dim]}) in the input tensor"
        ) from None
    return reshaped(input, shape=(*shape[:dim], *inner, *shape[dim + 1 :]))


def squeeze(input: Any, dim: Any = None) -> Any:
    """Return the tensor without its dimensions of size 1: all of them, or those among `dim`."""
    shape = tuple(input.shape)
    dims = range(len(shape)) if dim is None else wrap_dims("squeeze", dim, len(shape))
    return reshaped(input, shape=tuple([n for i, n in enumerate(shape) if n != 1 or i not in dims]))


def unsqueeze(input: Any, dim: int) -> Any:
    """Return the tensor with a dimension of size 1 inserted before `dim`."""
    shape = input.shape
    dim = wrap_dim("unsqueeze", dim, len(shape) + 1)
    return reshaped(input, shape=(*shape[:dim], 1, *shape[dim:]))


def atleast_1d(*tensors: Any) -> Any:
    """Return each tensor with at least one dimension."""
    return _each(tensors, lambda x: x if x.ndim else reshape(x, (1,)))


def atleast_2d(*tensors: Any) -> Any:
    """Return each tensor with at least two dimensions, new ones first."""
    return _each(tensors, lambda x: x if x.ndim > 1 else reshape(x, (1, -1) if math.prod(x.shape) else (1, 0)))


def atleast_3d(*tensors: Any) -> Any:
    """Return each tensor with at least three dimensions: (N,) as (1, N, 1), (M, N) as (M, N, 1)."""
    return _each(tensors, lambda x: x if x.ndim > 2 else unsqueeze(atleast_2d(x), -1))


def _each(tensors: tuple[Any, ...], function: Any) -> Any:
    if len(tensors) == 1 and not isinstance(tensors[0], (tuple, list)):
        return function(tensors[0])
    return tuple([function(x) for x in (tensors[0] if len(tensors) == 1 else tensors)])


# -- transposition -------------------------------------------------------------------------------------------


def inverse_permutation(dims: Sizes) -> Sizes:
    """Return the permutation that undoes `dims`."""
    inverse = [0] * len(dims)
    for i, dim in enumerate(dims):
        inverse[dim] = i
    return tuple(inverse)


def permute(input: Any, *order: Any, dims: Any = None) -> Any:
    """Return the tensor with its dimensions in the order `dims`."""
    given = as_sizes("permute", order, dims)
    ndim = input.ndim
    if len(given) != ndim:
        raise RuntimeError(
            "permute: number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(given)}"
        )
    wrapped = tuple([wrap_dim("permute", dim, ndim) for dim in given])
    if len(set(wrapped)) != ndim:
        raise RuntimeError(f"permute: duplicate dims are not allowed, got {list(given)}")
    return permuted(input, dims=wrapped)


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Return the tensor with two dimensions exchanged."""
    ndim = input.ndim
    first, second = wrap_dim("transpose", dim0, ndim), wrap_dim("transpose", dim1, ndim)
    dims = list(range(ndim))
    if ndim:
        dims[first], dims[second] = second, first
    return permuted(input, dims=tuple(dims))


swapdims = transpose


def swapaxes(input: Any, axis0: int, axis1: int) -> Any:
    """Return the tensor with two dimensions exchanged: `transpose` by NumPy's name."""
    return transpose(input, axis0, axis1)


def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Return the tensor with dimensions `source` moved to the positions `destination`."""
    ndim = len(input.shape)
    sources, targets = _moved("source", source, ndim), _moved("destination", destination, ndim)
    if len(sources) != len(targets):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the "
            f"same number of dims as destination ({list(targets)} dims)"
        )
    rest = iter([dim for dim in range(ndim) if dim not in sources])
    place = dict(zip(targets, sources, strict=True))
    return permuted(input, dims=tuple([place[i] if i in place else next(rest) for i in range(ndim)]))


def _moved(which: str, dims: Any, ndim: int) -> Sizes:
    given = dims if isinstance(dims, (tuple, list)) else (dims,)
    wrapped = tuple([wrap_dim("movedim", dim, ndim) for dim in given])
    if len(set(wrapped)) != len(wrapped):
        raise RuntimeError(f"movedim: repeated dim in `{which}` ({list(given)})")
    return wrapped if ndim else ()


moveaxis = movedim


def t(input: Any) -> Any:
    """Return the transpose of a matrix; tensors of fewer dimensions as they are."""
    ndim = input.ndim
    if ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {ndim}D")
    return permuted(input, dims=(1, 0) if ndim == 2 else tuple(range(ndim)))


def reversed_dims(input: Tensor) -> Tensor:
    """Return the tensor with its dimensions reversed: the property `T`, meant for matrices."""
    if input.ndim not in (0, 2):
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated. "
            "Consider `x.mT` to transpose batches of matrices or `x.permute(*torch.arange(x.ndim - 1, -1, "
            "-1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return permuted(input, dims=tuple(range(input.ndim))[::-1])


def matrix_transpose(input: Any) -> Any:
    """Return every matrix of a batch transposed: the property `mT`."""
    ndim = len(input.shape)
    if ndim == 0:
        return permuted(input, dims=())
    if ndim < 2:
        raise RuntimeError(f"tensor.mT is only supported on matrices or batches of matrices. Got {ndim}-D tensor.")
    return permuted(input, dims=(*range(ndim - 2), ndim - 1, ndim - 2))


def hermitian(input: Tensor) -> Tensor:
    """Return the transpose of a matrix: the property `H`, for real numbers the same as `T`."""
    if input.ndim not in (0, 2):
        raise RuntimeError(f"tensor.H is only supported on matrices (2-D tensors). Got {input.ndim}-D tensor.")
    return t(input)


# -- expansion -----------------------------------------------------------------------------------------------


def expand(input: Any, *sizes: Any, size: Any = None) -> Any:
    """Return the tensor broadcast to a larger size without copying; -1 keeps a dimension's size."""
    target = as_sizes("expand", sizes, size)
    return expanded(input, shape=_expanded_shape(tuple(input.shape), target))


def _expanded_shape(shape: Sizes, target: Sizes) -> Sizes:
    extra = len(target) - len(shape)
    if extra < 0:
        raise RuntimeError(
            f"expand: the number of sizes provided ({len(target)}, of {list(target)}) must be greater or equal to the "
            f"number of dimensions in the tensor ({len(shape)}, of {list(shape)})"
        )
    result = list(target)
    for i, wanted in enumerate(target):
        if i < extra:
            if wanted < 0:
                raise RuntimeError(
                    f"expand: The expanded size of the tensor ({wanted}) isn't allowed in a leading, non-existing "
                    f"dimension {i}"
                )
        elif wanted == -1:
            result[i] = shape[i - extra]
        elif wanted != shape[i - extra] and (shape[i - extra] != 1 or wanted < 0):
            raise RuntimeError(
                f"expand: The expanded size of the tensor ({wanted}) must match the existing size "
                f"({shape[i - extra]}) at non-singleton dimension {i}.  Target sizes: {list(target)}.  "
                f"Tensor sizes: {list(shape)}"
            )
    return tuple(result)


def expand_as(input: Any, other: Any) -> Any:
    """Return `input.expand(other.shape)`."""
    return expand(input, tuple(other.shape))


def broadcast_to(input: Any, size: Any) -> Any:
    """Return `input.expand(size)`."""
    return expand(input, size)


def broadcast_shapes(*shapes: Any) -> Any:
    """Return the shape that tensors of the given shapes broadcast to."""
    from_ints = [(shape,) if isinstance(shape, int) else tuple(shape) for shape in shapes]
    try:
        return Size(np.broadcast_shapes(*from_ints))
    except ValueError:
        listed = ", ".join(str(list(shape)) for shape in from_ints)
        raise RuntimeError(f"broadcast_shapes: sizes {listed} cannot be broadcast to a single shape") from None


def check_broadcast(name: str, *shapes: Sizes) -> None:
    """Raise RuntimeError, in the name of a function, for shapes that do not broadcast."""
    try:
        broadcast_shapes(*shapes)
    except RuntimeError as error:
        raise named(error, name) from None


def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """Return the tensors, all expanded to their common shape."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)) else tensors
    shape = broadcast_shapes(*[x.shape for x in given])
    return tuple([expand(x, shape) for x in given])
