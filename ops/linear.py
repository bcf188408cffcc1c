"""Matrix products. Everything that multiplies matrices ends in `_product`, which chooses the kernel."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.batching import Batch
from autograd.primitive import primitive
from autograd.views import forgotten
from ops.dims import named
from ops.lazy_kernels import gemm
from ops.shape import expand, ravel, reshape, squeeze, transpose, unsqueeze, with_shape

KERNEL_TYPES = (np.dtype(np.float32), np.dtype(np.float64))


def _product(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """z[..., m, n] = Σₖ x[..., m, k] y[..., k, n], leading dimensions broadcast."""
    if x.dtype not in KERNEL_TYPES:
        return np.matmul(x, y)
    if x.ndim > 2 and y.ndim > 2:
        if x.shape[-1] == 1:
            return np.multiply(x, y)  # columns times rows
        while 2 < y.ndim <= x.ndim and len(y) and not y.strides[0] and x.shape[-y.ndim] == y.shape[0]:
            y = y[0]  # one matrix for the whole batch
    if x.ndim == 2 == y.ndim:
        return gemm.matmul(x, y)
    if y.ndim == 2:
        rows = with_shape(x, (math.prod(x.shape[:-1]), x.shape[-1]))
        return gemm.matmul(rows, y).reshape(*x.shape[:-1], y.shape[1])
    batch = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    flat = [_flat_batch(each, batch) for each in (x, y)]
    return gemm.batched_matmul(*flat).reshape(*batch, x.shape[-2], y.shape[-1])


def _flat_batch(x: np.ndarray, batch: tuple[int, ...]) -> np.ndarray:
    """Return a batch of matrices with one batch dimension, of length 1 if they are all the same."""
    count = math.prod(x.shape[:-2])
    if count != math.prod(batch) and count != 1:
        x = np.broadcast_to(x, batch + x.shape[-2:])
        count = math.prod(batch)
    return x.reshape(count, *x.shape[-2:])


def _check_types(name: str, x: np.ndarray, y: np.ndarray) -> None:
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"{name}: expected both matrices to have the same dtype, but got: {dtypes.FROM_NUMPY[x.dtype]} "
            f"!= {dtypes.FROM_NUMPY[y.dtype]}"
        )


# -- matmul --------------------------------------------------------------------------------------------------


@primitive
def matmul(input: np.ndarray, other: np.ndarray) -> np.ndarray:
    """z[..., m, n] = Σₖ input[..., m, k] other[..., k, n].

    Leading dimensions broadcast. A vector on the left is one row, on the right one column; z is without it.
    """
    if input.ndim == 2 == other.ndim and input.shape[1] == other.shape[0] and input.dtype == other.dtype:
        return _product(input, other)
    _check_matmul(input, other)
    x = input if input.ndim > 1 else input[None, :]
    y = other if other.ndim > 1 else other[:, None]
    z = _product(x, y)
    if input.ndim > 1 and other.ndim > 1:
        return z
    kept = [
        *z.shape[:-2],
        *([z.shape[-2]] if input.ndim > 1 else []),
        *([z.shape[-1]] if other.ndim > 1 else []),
    ]
    return z.reshape(kept)


def _check_matmul(x: np.ndarray, y: np.ndarray) -> None:
    if x.ndim == 0 or y.ndim == 0:
        raise RuntimeError(
            f"matmul: both arguments to matmul need to be at least 1D, but they are {x.ndim}D and {y.ndim}D"
        )
    _check_types("matmul", x, y)
    if x.shape[-1] != y.shape[-2 if y.ndim > 1 else 0]:
        raise RuntimeError(f"matmul: {_mismatch(x.shape, y.shape)}")
    for n, m in zip(x.shape[-3::-1], y.shape[-3::-1], strict=False):
        if n != m and 1 not in (n, m):
            raise RuntimeError(
                f"matmul: the batch dimensions of {list(x.shape)} and {list(y.shape)} cannot be broadcast together"
            )


def _mismatch(x: Sequence[int], y: Sequence[int]) -> str:
    """Say in PyTorch's words why two shapes cannot be multiplied."""
    if len(x) == 1 == len(y):
        return (
            f"inconsistent tensor size, expected tensor [{x[0]}] and src [{y[0]}] to have the same number of "
            f"elements, but got {x[0]} and {y[0]} elements respectively"
        )
    if len(y) == 1 and len(x) == 2:
        return f"size mismatch, got input ({x[0]}), mat ({x[0]}x{x[1]}), vec ({y[0]})"
    if len(x) <= 2 or len(y) <= 2:
        rows = math.prod(x[:-1])
        columns = y[1] if len(y) > 1 else 1
        depth = y[-2] if len(y) > 1 else y[0]
        return f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x[-1]} and {depth}x{columns})"
    return (
        f"Expected size for first two dimensions of batch2 tensor to be: [{math.prod(x[:-2])}, {x[-1]}] but "
        f"got: [{math.prod(y[:-2])}, {y[-2]}]."
    )


def _as_matrices(grad: Any, x_ndim: int, y_ndim: int) -> Any:
    """Give z's gradient back the row, or column, that stood for a vector."""
    if y_ndim == 1:
        grad = unsqueeze(grad, -1)
    return unsqueeze(grad, -2) if x_ndim == 1 else grad


def _matmul_grad_input(grad: Any, input_shape: Any, other: Any) -> Any:
    """dx = dz yᵀ."""
    grad = _as_matrices(grad, len(input_shape), other.ndim)
    y = other if other.ndim > 1 else unsqueeze(other, -1)
    return matmul(grad, y.mT)  # of a vector: (..., 1, K), which is summed down to (K,)


def _matmul_grad_other(grad: Any, input: Any, other_shape: Any) -> Any:
    """dy = xᵀ dz."""
    grad = _as_matrices(grad, input.ndim, len(other_shape))
    x = input if input.ndim > 1 else unsqueeze(input, 0)
    if len(other_shape) < 3 and x.ndim > 2:  # one matrix for all rows: sum over them inside the product
        x, grad = (reshape(each, (math.prod(each.shape[:-1]), each.shape[-1])) for each in (x, grad))
    dy = matmul(x.mT, grad)
    return reshape(dy, dy.shape[:-1]) if len(other_shape) == 1 else dy


matmul.vjp(input=_matmul_grad_input, other=_matmul_grad_other)


@matmul.joint_vmap
def _(batch: Batch, input: Any, other: Any) -> Any:
    left, right = (x.ndim - own for x, own in zip((input, other), batch.of, strict=True))
    if not batch.of[1] and (right < 3 or left >= right):
        return matmul(input, other)  # a sample more is a row more
    if not batch.of[0] and left == 2 == right and other.shape[2] == 1:
        return unsqueeze(matmul(squeeze(other, -1), input.mT), -1)  # a column is a row of the transposed product
    if not batch.of[0] and right > 1 and left <= right:
        return matmul(input, other)
    ndim = max(left, right, 2)
    x, y = (_as_batch(x, n, own, ndim) for x, n, own in zip((input, other), (left, right), batch.of, strict=True))
    z = matmul(x if left > 1 else x.mT, y)
    return squeeze(z, (-2,) * (left == 1) + (-1,) * (right == 1))


def _as_batch(x: Any, ndim: int, own: bool, longest: int) -> Any:
    """Return samples of matrices as (batch, ...) of `longest` dimensions after it; a vector as a column."""
    sizes = x.shape[own:] if ndim > 1 else (*x.shape[own:], 1)
    return reshape(x, (x.shape[0] if own else 1, *[1] * (longest - len(sizes)), *sizes))


def rmatmul(input: Any, other: Any) -> Any:
    """Return other @ input."""
    return matmul(other, input)


def _matmul_as(name: str, x: Any, y: Any) -> Any:
    """Return x @ y; what is wrong with them is said in the name of the function that was called."""
    try:
        return matmul(x, y)
    except RuntimeError as error:
        raise named(error, name) from None


def mm(input: Any, mat2: Any) -> Any:
    """z[m, n] = Σₖ input[m, k] mat2[k, n]."""
    _expect("mm", self=(input, 2), mat2=(mat2, 2))
    return _matmul_as("mm", input, mat2)


def bmm(input: Any, mat2: Any) -> Any:
    """z[b, m, n] = Σₖ input[b, m, k] mat2[b, k, n]."""
    _expect("bmm", batch1=(input, 3), batch2=(mat2, 3))
    expected, got = [input.shape[0], input.shape[2]], list(mat2.shape[:2])
    if expected != got:
        raise RuntimeError(
            f"bmm: Expected size for first two dimensions of batch2 tensor to be: {expected} but got: {got}."
        )
    return matmul(input, mat2)


def mv(input: Any, vec: Any) -> Any:
    """z[m] = Σₖ input[m, k] vec[k]."""
    _expect("mv", input=(input, 2), vec=(vec, 1))
    return _matmul_as("mv", input, vec)


def dot(input: Any, tensor: Any) -> Any:
    """z = Σₖ input[k] tensor[k]."""
    if input.ndim != 1 or tensor.ndim != 1:
        raise RuntimeError(f"dot: 1D tensors expected, but got {input.ndim}D and {tensor.ndim}D tensors")
    return _matmul_as("dot", input, tensor)


vdot = dot


def _expect(name: str, **arguments: tuple[Any, int]) -> None:
    """Raise RuntimeError unless every argument has its number of dimensions."""
    for which, (x, ndim) in arguments.items():
        if not hasattr(x, "ndim"):
            raise TypeError(f"{name}: {which} must be a Tensor, not {type(x).__name__}")
        if x.ndim != ndim:
            raise RuntimeError(f"{name}: {which} must be {ndim}-D, got {x.ndim}-D of shape {list(x.shape)}")


def inner(input: Any, other: Any) -> Any:
    """z[..., ...] = Σₖ input[..., k] other[..., k], over all pairs of leading positions."""
    if input.ndim == 0 or other.ndim == 0:
        return input * other
    if input.shape[-1] != other.shape[-1]:
        raise RuntimeError(
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} "
            f"and {list(other.shape)}"
        )
    rows = reshape(other, (math.prod(other.shape[:-1]), other.shape[-1]))
    return reshape(matmul(input, transpose(rows, 0, 1)), (*input.shape[:-1], *other.shape[:-1]))


def outer(input: Any, vec2: Any) -> Any:
    """z[m, n] = input[m] vec2[n]."""
    _expect("outer", self=(input, 1), vec2=(vec2, 1))
    return unsqueeze(input, 1) * vec2


ger = outer


def _combine(input: Any, product: Any, beta: float, alpha: float) -> Any:
    """beta · input + alpha · product; input is ignored, NaN or not, where beta is 0."""
    if product.dtype.kind != "f" if isinstance(product, np.ndarray) else not product.is_floating_point():
        for name, scale in (("beta", beta), ("alpha", alpha)):
            if isinstance(scale, float):
                raise RuntimeError(
                    f"For integral input tensors, argument {name} must not be a floating point number, got {scale}"
                )
    if input.dtype != product.dtype:
        raise RuntimeError(f"input and the product must have the same dtype, but got {input.dtype} and {product.dtype}")
    if tuple(input.shape) != tuple(product.shape):
        input = expand(input, product.shape)
    product = product if alpha == 1 else product * alpha
    if beta == 0:
        return forgotten(input, product)
    return (input if beta == 1 else input * beta) + product


def addmm(input: Any, mat1: Any, mat2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """z = beta · input + alpha · mat1 mat2."""
    try:
        return _combine(input, mm(mat1, mat2), beta, alpha)
    except RuntimeError as error:
        raise named(error, "addmm") from None


def baddbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """z[b] = beta · input[b] + alpha · batch1[b] batch2[b]."""
    return _combine(input, bmm(batch1, batch2), beta, alpha)


def addbmm(input: Any, batch1: Any, batch2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """z = beta · input + alpha · Σ_b batch1[b] batch2[b]."""
    _expect("addbmm", batch1=(batch1, 3), batch2=(batch2, 3))
    b, m, k = batch1.shape
    if tuple(batch2.shape[:2]) != (b, k):
        raise RuntimeError(
            f"addbmm: Expected size for first two dimensions of batch2 tensor to be: {[b, k]} but got: "
            f"{list(batch2.shape[:2])}."
        )
    wide = reshape(transpose(batch1, 0, 1), (m, b * k))
    return _combine(input, matmul(wide, reshape(batch2, (b * k, batch2.shape[2]))), beta, alpha)


def addmv(input: Any, mat: Any, vec: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """z = beta · input + alpha · mat vec."""
    return _combine(input, mv(mat, vec), beta, alpha)


def addr(input: Any, vec1: Any, vec2: Any, *, beta: float = 1, alpha: float = 1) -> Any:
    """z[m, n] = beta · input[m, n] + alpha · vec1[m] vec2[n]."""
    return _combine(input, outer(vec1, vec2), beta, alpha)


# -- the layer -----------------------------------------------------------------------------------------------


@primitive
def linear(input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None = None) -> np.ndarray:
    """y[..., o] = Σᵢ input[..., i] weight[o, i] + bias[o].

    Shapes: input (..., in), weight (out, in), bias (out,) -> y (..., out); weight (in,) and a bias of one
    element give y (...).
    """
    _check_linear(input, weight, bias)
    if input.dtype not in KERNEL_TYPES:
        y = np.matmul(input, weight.T)
        return y if bias is None else y + bias
    if input.ndim == 2 == weight.ndim:
        return gemm.linear(input, weight, bias)
    rows = with_shape(input, (math.prod(input.shape[:-1]), input.shape[-1]))
    if weight.ndim == 1:
        y = gemm.linear(rows, weight[None], None if bias is None else bias.reshape(1))
    else:
        y = gemm.linear(rows, weight, bias)
    return y.reshape(input.shape[:-1] + weight.shape[:-1])


def _check_linear(x: np.ndarray, w: np.ndarray, bias: np.ndarray | None) -> None:
    if w.ndim not in (1, 2) or x.ndim == 0:
        raise RuntimeError(f"linear: expected input (..., in) and weight (out, in), got {x.shape} and {w.shape}")
    _check_types("linear", x, w)
    if x.shape[-1] != w.shape[-1]:
        rows, turned = math.prod(x.shape[:-1]), "x".join(str(n) for n in w.shape[::-1])
        raise RuntimeError(
            f"linear: mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and {turned}): input "
            f"has {x.shape[-1]} features but weight {w.shape} expects {w.shape[-1]}"
        )
    if bias is not None:
        if bias.shape != w.shape[:-1]:
            raise RuntimeError(f"linear: bias has shape {bias.shape} but weight {w.shape} expects {w.shape[:-1]}")
        _check_types("linear", x, bias)


def _as_rows(x: Any) -> Any:
    return x if x.ndim == 2 else reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _linear_grad_weight(grad: Any, input: Any, weight_shape: Any) -> Any:
    """dw[o, i] = Σ dy[..., o] x[..., i]."""
    if len(weight_shape) == 1:
        return matmul(ravel(grad), _as_rows(input))
    return matmul(_as_rows(grad).T, _as_rows(input))


def _linear_grad_input(grad: Any, weight: Any) -> Any:
    """dx[..., i] = Σₒ dy[..., o] w[o, i]."""
    return matmul(grad, weight) if weight.ndim == 2 else unsqueeze(grad, -1) * weight


linear.vjp(input=_linear_grad_input, weight=_linear_grad_weight, bias=lambda grad: grad)


@linear.joint_vmap
def _(batch: Batch, input: Any, weight: Any, bias: Any) -> Any:
    if batch.of == (True, False, False):
        return linear(input, weight, bias)
    x, w = batch.everywhere((input, weight))
    rows = reshape(x, (batch.size, math.prod(x.shape[1:-1]), x.shape[-1]))
    y = matmul(rows, w.mT if w.ndim == 3 else unsqueeze(w, -1))
    if bias is not None:
        y = y + (reshape(bias, (batch.size, 1, -1)) if batch.of[2] else bias)
    return reshape(y, (batch.size, *x.shape[1:-1], *w.shape[1:-1]))
