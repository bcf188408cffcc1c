"""Scaled dot-product attention (Vaswani et al. 2017).

Shapes: L queries, S keys and values, E features of a query or key, D of a value; leading axes broadcast.
"""

import math
from typing import Any, NoReturn

import numpy as np

from autograd.batching import Batch, active
from autograd.grad_mode import is_recording
from autograd.primitive import cast, primitive
from autograd.random import default_generator
from autograd.tensor import Tensor
from ops.batched import elements
from ops.comparison import eq, isneginf, where
from ops.dropout import dropout, dropped
from ops.joining import stack
from ops.lazy_kernels import attention as kernels
from ops.lazy_kernels import attention_rows
from ops.linear import KERNEL_TYPES, matmul
from ops.rearranging import repeat_interleave
from ops.reduction import all as all_of
from ops.reduction import mean
from ops.shape import expand, movedim, reshape, transpose, unsqueeze
from ops.softmax import softmax, softmax_grad

Sizes = tuple[int, ...]

FEW_QUERIES = 8
"""With fewer, most lanes of a tile of scores would be empty: there is a kernel for inference, else the composition."""


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(query keyᵀ · scale + mask) value: (..., L, E), (..., S, E), (..., S, D) → (..., L, D).

    A boolean mask says which keys take part, any other is added; is_causal lets query l see the keys s ≤ l. A query
    that may see no key gets 0. scale is 1/√E by default; enable_gqa lets groups of query heads share a key head (axis
    −3).
    """
    _check_call(query, key, value, attn_mask, dropout_p, is_causal)
    scale = 1 / math.sqrt(query.shape[-1] or 1) if scale is None else scale
    options = attention_options(scale, is_causal, dropout_p)
    mask = None if attn_mask is None else added_to_scores(attn_mask, query.array.dtype, left_out=False)
    if not enable_gqa:
        _check_shapes(query, key, value, mask)
        return attend(query, key, value, mask, options)
    heads, groups = query.shape[-3], _query_heads_per_key_head(query, key, value)
    query = reshape(query, (*query.shape[:-3], heads // groups, groups, *query.shape[-2:]))
    key, value = (unsqueeze(_repeated(x, heads // groups), -3) for x in (key, value))
    mask = _mask_of_groups(mask, heads, groups)
    _check_shapes(query, key, value, mask)
    y = attend(query, key, value, mask, options)
    return reshape(y, (*y.shape[:-4], heads, *y.shape[-2:]))


def attend(query: Any, key: Any, value: Any, mask: Any, options: Any) -> Any:
    """Return softmax(query keyᵀ · scale + mask) value, by tiles where that is faster."""
    if _by_tiles(query, key, value, mask, options):
        return attended(query, key, value, mask, options=options)
    if _by_rows(query, key, value, mask, options):
        return attended_by_few(query, key, value, mask, options=options)
    return matmul(attention_weights(query, key, mask, options), value)


def attend_to_itself(packed: Any, mask: Any, options: Any) -> Any:
    """Return `attend` of the queries, keys and values packed (3, ..., L, E), whose gradient is one array too."""
    if _by_tiles(packed, packed, packed, mask, options):
        return self_attended(packed, mask, options=options)
    return attend(packed[0], packed[1], packed[2], mask, options)


def attention_weights(query: Any, key: Any, mask: Any, options: Any) -> Any:
    """Return softmax(query keyᵀ · scale + mask), some of it dropped as `attend` with these options does."""
    weights = _weights(query, key, mask, options)
    return dropout(weights, options.dropout.p) if _drops_as_vmap_says(options) else _dropped(weights, options)


def _drops_as_vmap_says(options: Any) -> bool:
    """Return whether each sample of a vmap, or all of them together, draw what they drop."""
    return options.dropout is not None and active() != ()


def shown_weights(query: Any, key: Any, mask: Any, options: Any, average: bool) -> Any:
    """Return `attention_weights`, or their averages over the heads, axis −3."""
    if _by_tiles(query, key, key, mask, options):
        return weighed(query, key, mask, options=options, average=average)
    weights = attention_weights(query, key, mask, options)
    return mean(weights, dim=-3) if average else weights


def attention_options(scale: float, is_causal: bool, dropout_p: float) -> Any:
    """Return what both are told; the key names the dropped weights, so that they can be dropped again."""
    dropout = kernels.Dropout(dropout_p, default_generator.key()) if dropout_p else None
    return kernels.Options(scale, is_causal, dropout)


def added_to_scores(mask: Tensor, dtype: Any, *, left_out: bool) -> Tensor:
    """Return a mask to add: −∞ where a boolean one leaves a key out, which is where it is `left_out`."""
    if mask.array.dtype != bool:
        return mask
    return cast(where(eq(mask, left_out), -math.inf, 0.0), dtype=dtype)


def _by_tiles(query: Any, key: Any, value: Any, mask: Any, options: Any) -> bool:
    """Return whether the kernel can compute this, and sooner."""
    drops_all = options.dropout is not None and options.dropout.p == 1
    drops_all = drops_all or _drops_as_vmap_says(options)
    many = query.array.shape[-2] >= FEW_QUERIES and not drops_all and (mask is None or not mask.requires_grad)
    return many and _has_kernel(query, key, value)


def _by_rows(query: Any, key: Any, value: Any, mask: Any, options: Any) -> bool:
    """Return whether few queries are to be answered, and nothing is to be differentiated."""
    recorded = is_recording() and any(x is not None and x.requires_grad for x in (query, key, value, mask))
    few = query.array.shape[-2] < FEW_QUERIES and options.dropout is None and not recorded
    return few and _has_kernel(query, key, value)


def _has_kernel(*inputs: Any) -> bool:
    return inputs[0].array.dtype in KERNEL_TYPES and all(x.array.size for x in inputs)


# -- by tiles ------------------------------------------------------------------------------------------------


@primitive(residual=True)
def attended(query: Any, key: Any, value: Any, mask: Any = None, *, options: Any) -> Any:
    """y[l, d] = Σₛ p[l, s] value[s, d], p[l, ·] = softmax(scale · query[l] · key[·] + mask[l, ·])."""
    return kernels.attention_forward(query, key, value, mask, options)


@attended.joint_vjp
def _(grad: Any, _: Any, query: Any, key: Any, value: Any, mask: Any, output: Any, residual: Any, options: Any) -> Any:
    if isinstance(grad, Tensor):
        return *_composed_grad(grad, query, key, value, mask, options), None
    forward = kernels.Attention(output, residual)
    return *kernels.attention_backward(grad, query, key, value, mask, forward, options), None


@primitive(residual=True)
def self_attended(packed: Any, mask: Any = None, *, options: Any) -> Any:
    """`attended` of queries, keys and values packed (3, ..., L, E)."""
    return kernels.attention_forward(packed[0], packed[1], packed[2], mask, options)


@self_attended.joint_vjp
def _(grad: Any, _: Any, packed: Any, mask: Any, output: Any, residual: Any, options: Any) -> Any:
    if isinstance(grad, Tensor):
        return stack(_composed_grad(grad, packed[0], packed[1], packed[2], mask, options)), None
    slopes = kernels.in_order_of(packed, packed.shape[-1])
    forward = kernels.Attention(output, residual)
    kernels.attention_backward(grad, packed[0], packed[1], packed[2], mask, forward, options, out=tuple(slopes))
    return slopes, None


@primitive
def attended_by_few(query: Any, key: Any, value: Any, mask: Any = None, *, options: Any) -> Any:
    """`attended` without a derivative."""
    return attention_rows.attention_of_few(query, key, value, mask, options)


attended.vmap()
attended_by_few.vmap()


@self_attended.joint_vmap
def _(batch: Batch, packed: Any, mask: Any, options: Any) -> Any:
    packed, mask = batch.everywhere((packed, mask))
    if mask is not None:
        mask = reshape(mask, (batch.size, *[1] * (packed.ndim - 1 - mask.ndim), *mask.shape[1:]))
    return self_attended(movedim(packed, 0, 1), mask, options=options)


@primitive
def weighed(query: Any, key: Any, mask: Any = None, *, options: Any, average: bool) -> Any:
    """p[l, ·] = softmax(scale · query[l] · key[·] + mask[l, ·]), or the average of p over axis −3."""
    return kernels.attention_weights(query, key, mask, options, average=average)


@weighed.joint_vjp
def _(grad: Any, _: Any, query: Any, key: Any, mask: Any, options: Any, average: bool) -> Any:
    recorded = isinstance(grad, Tensor)
    dp, q, k, m = (x if x is None or recorded else Tensor(x) for x in (grad, query, key, mask))
    weights = _weights(q, k, m, options)
    if average:
        dp = expand(unsqueeze(dp * (1 / weights.shape[-3]), -3), weights.shape)
    slopes = _composed_slopes(dp, weights, q, k, options)
    return (*(slopes if recorded else (x.array for x in slopes)), None)


weighed.vmap()


# -- composed ------------------------------------------------------------------------------------------------


def _composed_grad(grad: Any, query: Any, key: Any, value: Any, mask: Any, options: Any) -> Any:
    """Return dquery, dkey, dvalue: dvalue = pᵀ dy, dp = dy valueᵀ."""
    weights = _weights(query, key, mask, options)
    dweights = matmul(grad, transpose(value, -2, -1))
    dvalue = matmul(transpose(_dropped(weights, options), -2, -1), grad)
    return *_composed_slopes(dweights, weights, query, key, options), dvalue


def _composed_slopes(dweights: Any, weights: Any, query: Any, key: Any, options: Any) -> tuple[Any, Any]:
    """dquery = scale · dx key, dkey = scale · dxᵀ query, x the scores: dx = p (dp − Σ p dp)."""
    dscores = softmax_grad(_dropped(dweights, options), weights, dim=weights.ndim - 1) * options.scale
    return matmul(dscores, key), matmul(transpose(dscores, -2, -1), query)


def _weights(query: Any, key: Any, mask: Any, options: Any) -> Any:
    """p = softmax(query keyᵀ · scale + mask) over the keys, 0 for a query that may see none."""
    scores = matmul(query * options.scale, transpose(key, -2, -1))
    if options.causal:
        later = ~np.tri(query.shape[-2], key.shape[-2], dtype=bool)
        scores = where(Tensor(later), -math.inf, scores)
    if mask is None:
        return softmax(scores, -1)
    hidden = all_of(isneginf(mask), -1, keepdim=True)
    if not elements(hidden).any():
        return softmax(scores + mask, -1)
    weights = softmax(scores + where(hidden, 0.0, mask), -1)
    return where(hidden, 0.0, weights)


def _dropped(weights: Any, options: Any) -> Any:
    if options.dropout is None:
        return weights
    return dropped(weights, p=options.dropout.p, key=options.dropout.key)


# -- arguments -----------------------------------------------------------------------------------------------


def _check_call(query: Any, key: Any, value: Any, mask: Any, dropout_p: float, is_causal: bool) -> None:
    """Raise PyTorch's errors for wrong types."""
    name, tensors = "scaled_dot_product_attention", {"query": query, "key": key, "value": value}
    for which, x in {**tensors, **({} if mask is None else {"attn_mask": mask})}.items():
        if not isinstance(x, Tensor):
            raise TypeError(f"{name}: {which} must be a Tensor, not {type(x).__name__}")
    if min(x.ndim for x in tensors.values()) < 2:
        found = ", ".join(f"{which}.dim: {x.ndim}" for which, x in tensors.items())
        raise RuntimeError(f"{name}: Expected query, key, and value to all be at least 2 dimensional, but got {found}")
    if query.array.dtype.kind != "f" or {x.array.dtype for x in tensors.values()} != {query.array.dtype}:
        found = ", ".join(f"{which}.dtype: {x.dtype}" for which, x in tensors.items())
        raise RuntimeError(f"{name}: Expected query, key, and value to have the same floating dtype, but got {found}")
    if mask is not None and mask.array.dtype not in (np.bool_, query.array.dtype):
        raise RuntimeError(
            f"{name}: Expected attn_mask dtype to be bool or to match query dtype, but got attn_mask.dtype: "
            f"{mask.dtype} and query.dtype: {query.dtype}"
        )
    if is_causal and mask is not None:
        raise RuntimeError(f"{name}: Explicit attn_mask should not be set when is_causal=True")
    if not 0 <= dropout_p <= 1:
        raise RuntimeError(f"{name}: dropout probability has to be between 0 and 1, but got {dropout_p}")


def _check_shapes(query: Any, key: Any, value: Any, mask: Any) -> None:
    """Raise PyTorch's errors for shapes that do not go together."""
    q, k, v = query.array.shape, key.array.shape, value.array.shape
    if q[-1] != k[-1]:
        _refuse(q, k, v, "mat1 and mat2 shapes cannot be multiplied, query and key differ in their features")
    if k[-2] != v[-2]:
        _refuse(q, k, v, "mat1 and mat2 shapes cannot be multiplied, there must be a value for every key")
    leading = q[:-2]
    if not leading == k[:-2] == v[:-2]:
        try:
            leading = np.broadcast_shapes(leading, k[:-2], v[:-2])
        except ValueError:
            _refuse(q, k, v, "their leading dimensions cannot be broadcast together")
    scores = (*leading, q[-2], k[-2])
    if mask is not None and not _broadcasts(mask.array.shape, scores):
        _refuse(q, k, v, f"attn_mask {mask.array.shape} does not broadcast to the scores {scores}")


def _refuse(q: Sizes, k: Sizes, v: Sizes, why: str) -> NoReturn:
    raise RuntimeError(f"scaled_dot_product_attention: query {q}, key {k}, value {v}: {why}")


def _broadcasts(shape: Sizes, target: Sizes) -> bool:
    fits = all(n in (1, m) for n, m in zip(shape[::-1], target[::-1], strict=False))
    return fits and len(shape) <= len(target)


def _query_heads_per_key_head(query: Any, key: Any, value: Any) -> int:
    if min(x.ndim for x in (query, key, value)) < 3:
        raise RuntimeError(
            "scaled_dot_product_attention: enable_gqa expects heads, query, key and value of 3 or more axes"
        )
    heads, of_key, of_value = (x.shape[-3] for x in (query, key, value))
    if not of_key or not of_value or heads % of_key or heads % of_value:
        raise RuntimeError(
            "scaled_dot_product_attention: Number of heads in key and value must divide the number of heads in query, "
            f"got {of_key} and {of_value} for {heads}"
        )
    return int(heads // of_key) if of_key == of_value else 1


def _mask_of_groups(mask: Any, heads: int, groups: int) -> Any:
    """(..., heads or 1, L, S) → (..., heads / groups or 1, groups or 1, L, S)."""
    if mask is None or mask.ndim < 3:
        return mask
    if mask.shape[-3] not in (1, heads):
        raise RuntimeError(
            f"scaled_dot_product_attention: attn_mask {tuple(mask.shape)} does not broadcast to {heads} query heads"
        )
    split = (heads // groups, groups) if mask.shape[-3] == heads else (1, 1)
    return reshape(mask, (*mask.shape[:-3], *split, *mask.shape[-2:]))


def _repeated(x: Any, heads: int) -> Any:
    """Repeat heads of keys or values until there are as many of both."""
    return x if x.shape[-3] == heads else repeat_interleave(x, heads // x.shape[-3], -3)
