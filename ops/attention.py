"""Scaled dot-product attention, with one head and with several (Vaswani et al. 2017).

Shapes: L queries, S keys and values, E features of a query or key, N batch, H heads.
"""

import math
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from ops.comparison import where
from ops.dropout import dropout
from ops.joining import cat
from ops.linear import linear, matmul
from ops.padding import pad
from ops.rearranging import repeat_interleave
from ops.reduction import mean
from ops.shape import permute, reshape, squeeze, transpose, unsqueeze
from ops.softmax import softmax


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

    A boolean mask says which keys take part, any other is added; scale is 1/√E by default; enable_gqa lets
    groups of query heads share a key head (axis −3).
    """
    if enable_gqa:
        key, value = (repeat_interleave(x, query.shape[-3] // x.shape[-3], -3) for x in (key, value))
    if is_causal:
        if attn_mask is not None:
            raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
        attn_mask = Tensor(np.tri(query.shape[-2], key.shape[-2], dtype=bool))
    weights = _attention_weights(query, key, attn_mask, scale)
    return matmul(dropout(weights, dropout_p), value)


def _attention_weights(query: Any, key: Any, mask: Any, scale: float | None) -> Any:
    """Return softmax(query keyᵀ · scale + mask) over the keys, 0 for a query that may see no key."""
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = matmul(query * scale, transpose(key, -2, -1))
    if mask is None:
        return softmax(scores, -1)
    if mask.array.dtype != bool:
        return softmax(scores + mask, -1)
    weights = softmax(where(mask, scores, -math.inf), -1)
    none = ~mask.array.any(axis=-1, keepdims=True)
    return where(Tensor(none), 0.0, weights) if none.any() else weights


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Project, attend with every head, project back: query (L, N, E) or (L, E), key and value (S, N, ·) or
    (S, ·).

    Returns the output, of query's shape, and the weights (N, L, S) averaged over heads, or (N, H, L, S), or
    None. Boolean masks say which keys are left out: key_padding_mask (N, S), attn_mask (L, S) or (N H, L, S).
    """
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    unbatched = query.ndim == 2
    if unbatched:
        query, key, value = (unsqueeze(x, 1) for x in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    L, N, E = query.shape
    if embed_dim_to_check != E or E % num_heads:
        raise AssertionError(
            f"multi_head_attention_forward: was expecting embedding dimension of {embed_dim_to_check}, a "
            f"multiple of {num_heads} heads, but got {E}"
        )
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else _thirds(in_proj_weight)
    q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, _thirds(in_proj_bias), strict=True))
    mask = _merged_mask(attn_mask, key_padding_mask, (N, num_heads, L, k.shape[0]), q.array.dtype)
    if bias_k is not None:
        k, v = (cat([x, b.expand(1, N, E)]) for x, b in ((k, bias_k), (v, bias_v)))
        mask = None if mask is None else pad(mask, (0, 1))
    q, k, v = (_heads(x, num_heads) for x in (q, k, v))  # (N, H, ·, E / H)
    k, v = (
        x if given is None else reshape(given, (N, num_heads, *given.shape[1:]))
        for x, given in ((k, static_k), (v, static_v))
    )
    if add_zero_attn:
        k, v = (pad(x, (0, 0, 0, 1)) for x in (k, v))
        mask = None if mask is None else pad(mask, (0, 1))
    attention = dropout(_attention_weights(q, k, mask, None), dropout_p if training else 0.0)
    joined = reshape(permute(matmul(attention, v), (2, 0, 1, 3)), (L, N, E))
    output = linear(joined, out_proj_weight, out_proj_bias)
    shown = None
    if need_weights:
        shown = mean(attention, dim=1) if average_attn_weights else attention
        shown = squeeze(shown, 0) if unbatched else shown
    return squeeze(output, 1) if unbatched else output, shown


def _thirds(packed: Any) -> tuple[Any, Any, Any]:
    """Return the parts for queries, keys and values of a projection packed along its first axis."""
    if packed is None:
        return None, None, None
    size = packed.shape[0] // 3
    return packed[:size], packed[size : 2 * size], packed[2 * size :]


def _heads(x: Any, heads: int) -> Any:
    """(S, N, E) → (N, H, S, E / H)."""
    S, N, E = x.shape
    return permute(reshape(x, (S, N, heads, E // heads)), (1, 2, 0, 3))


def _merged_mask(attn_mask: Any, key_padding_mask: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Return one mask to add to the scores (N, H, L, S): −∞ where a key is left out, or None."""
    N, H, L, S = shape
    merged = None
    if attn_mask is not None:
        if attn_mask.shape not in ((L, S), (N * H, L, S)):
            raise RuntimeError(
                f"The shape of the attn_mask is {list(attn_mask.shape)}, but should be {[L, S]} or {[N * H, L, S]}."
            )
        merged = _additive(attn_mask, dtype)
        merged = reshape(merged, (1, 1, L, S) if attn_mask.ndim == 2 else shape)
    if key_padding_mask is None:
        return merged
    if key_padding_mask.shape != (N, S):
        raise AssertionError(f"expecting key_padding_mask shape of {(N, S)}, but got {tuple(key_padding_mask.shape)}")
    padding = reshape(_additive(key_padding_mask, dtype), (N, 1, 1, S))
    return padding if merged is None else merged + padding


def _additive(mask: Any, dtype: Any) -> Any:
    """Return a mask to add: −∞ where a boolean one is true."""
    if mask.array.dtype != bool:
        return mask
    return Tensor(np.where(mask.array, -math.inf, 0.0).astype(dtype))
