"""Attention with several heads (Vaswani et al. 2017): project, attend with every head, project back.

Shapes: L queries, S keys and values, E features, N batch, H heads.
"""

import math
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from ops.attention import added_to_scores, attend, attend_to_itself, attention_options, shown_weights
from ops.batched import elements
from ops.comparison import isneginf, where
from ops.joining import cat
from ops.linear import linear
from ops.padding import pad
from ops.reduction import all as all_of
from ops.reduction import any as any_of
from ops.shape import expand, permute, reshape, squeeze, transpose, unsqueeze

Projections = tuple[Any, Any, Any]


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
    """Project, attend with every head, project back: query (L, N, E) or (L, E), key and value (S, N, ·) or (S, ·).

    Returns the output, of query's shape, and the weights (N, L, S) averaged over heads, or (N, H, L, S), or None.
    Boolean masks say which keys are left out: key_padding_mask (N, S), attn_mask (L, S) or (N H, L, S).
    is_causal says that attn_mask is the causal one.
    """
    _check_ranks(query, key, value, key_padding_mask, attn_mask, num_heads)
    _check_sizes(query, key, value, embed_dim_to_check, num_heads, use_separate_proj_weight)
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    unbatched = query.ndim == 2
    if unbatched:
        query, key, value = _batches_of_one(query, key, value)
        key_padding_mask = None if key_padding_mask is None else unsqueeze(key_padding_mask, 0)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight
    qkv = _projected(query, key, value, weights, in_proj_bias, num_heads)  # (N, H, ·, E / H) each
    causal = is_causal and key_padding_mask is None and not (need_weights or add_zero_attn or bias_k is not None)
    mask = None if causal else _merged_mask(attn_mask, key_padding_mask, num_heads, query, key)
    if bias_k is not None or static_k is not None or static_v is not None or add_zero_attn:
        qkv, mask = _extended(qkv, mask, bias_k, bias_v, static_k, static_v, add_zero_attn)
    options = attention_options(1 / math.sqrt(qkv[0].shape[-1]), causal, dropout_p if training else 0.0)
    attended, shown = _attend(qkv, mask, options), None
    if need_weights:
        attended, shown = _shown(attended, qkv, mask, options, average_attn_weights)
    output = _linear(_joined(attended), out_proj_weight, out_proj_bias)
    if unbatched:
        return squeeze(output, 1), None if shown is None else squeeze(shown, 0)
    return output, shown


# -- projections ---------------------------------------------------------------------------------------------


def _projected(query: Any, key: Any, value: Any, weights: Any, bias: Any, heads: int) -> Any:
    """Return queries, keys and values, (N, H, ·, E / H) each; those of one input by one product, of all three as one
    tensor (3, N, H, L, E / H).
    """
    if isinstance(weights, Tensor):
        E = weights.shape[0] // 3
        if query is key is value:
            return _heads(_linear(query, weights, bias), heads, 3)
        if key is value:
            of_query, of_pair = (None, None) if bias is None else (bias[:E], bias[E:])
            pair = _heads(_linear(key, weights[E:], of_pair), heads, 2)
            return _heads(_linear(query, weights[:E], of_query), heads)[0], pair[0], pair[1]
        weights = _thirds(weights)
    inputs = zip((query, key, value), weights, _thirds(bias), strict=True)
    return tuple(_heads(_linear(x, w, b), heads)[0] for x, w, b in inputs)


def _thirds(packed: Any) -> Projections:
    """Return the parts for queries, keys and values of what is packed along its first axis."""
    if packed is None:
        return None, None, None
    size = packed.shape[0] // 3
    return packed[:size], packed[size : 2 * size], packed[2 * size :]


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    """x weightᵀ + bias for x (L, N, E), computed, and left in memory, with the batch first if that is how x lies."""
    batch_first = x.array.strides[0] < x.array.strides[1]
    return transpose(linear(transpose(x, 0, 1), weight, bias), 0, 1) if batch_first else linear(x, weight, bias)


def _heads(x: Any, heads: int, count: int = 1) -> Any:
    """(S, N, count E) → (count, N, H, S, E / H)."""
    S, N, E = x.shape
    return permute(reshape(x, (S, N, count, heads, E // (count * heads))), (2, 1, 3, 0, 4))


def _joined(x: Any) -> Any:
    """(N, H, L, E / H) → (L, N, E)."""
    N, H, L, D = x.shape
    return reshape(permute(x, (2, 0, 1, 3)), (L, N, H * D))


# -- attention -----------------------------------------------------------------------------------------------


def _attend(qkv: Any, mask: Any, options: Any) -> Any:
    """Attend with every head: queries (N, H, L, E / H), keys and values (N, H, S, E / H)."""
    if isinstance(qkv, Tensor):
        return attend_to_itself(qkv, mask, options)
    return attend(qkv[0], qkv[1], qkv[2], mask, options)


def _shown(attended: Any, qkv: Any, mask: Any, options: Any, average: bool) -> tuple[Any, Any]:
    """Return what was attended to, and the weights; of a query that may see no key, NaN as in PyTorch."""
    weights = shown_weights(qkv[0], qkv[1], mask, options, average)
    hidden = None if mask is None else all_of(isneginf(mask), -1, keepdim=True)
    if hidden is not None and elements(hidden).any():
        attended = where(hidden, math.nan, attended)
        weights = where(any_of(hidden, 1) if average else hidden, math.nan, weights)
    return attended, weights


def _extended(
    qkv: Any, mask: Any, bias_k: Any, bias_v: Any, static_k: Any, static_v: Any, add_zero_attn: bool
) -> tuple[Projections, Any]:
    """Append a learned key and value, put given ones in the place of those projected, append zeros."""
    q, k, v = qkv[0], qkv[1], qkv[2]
    N, H, _, D = k.shape
    if bias_k is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("multi_head_attention_forward: bias cannot be added to a static key or value.")
        k, v = (cat([x, expand(reshape(b, (1, H, 1, D)), (N, H, 1, D))], 2) for x, b in ((k, bias_k), (v, bias_v)))
        mask = None if mask is None else pad(mask, (0, 1))
    k, v = (x if given is None else _static(given, N, H, D) for x, given in ((k, static_k), (v, static_v)))
    if add_zero_attn:
        k, v = (pad(x, (0, 0, 0, 1)) for x in (k, v))
        mask = None if mask is None else pad(mask, (0, 1))
    return (q, k, v), mask


def _static(given: Any, N: int, H: int, D: int) -> Any:
    """(N H, S, E / H) → (N, H, S, E / H)."""
    if (given.shape[0], given.shape[2]) != (N * H, D):
        raise AssertionError(
            f"multi_head_attention_forward: expecting a static key or value ({N * H}, S, {D}), got {tuple(given.shape)}"
        )
    return reshape(given, (N, H, given.shape[1], D))


# -- masks ---------------------------------------------------------------------------------------------------


def _merged_mask(attn_mask: Any, key_padding_mask: Any, heads: int, query: Any, key: Any) -> Any:
    """Return one mask to add to the scores (N, H, L, S): −∞ where a key is left out, or None."""
    (L, N, _), S, dtype = query.shape, key.shape[0], query.array.dtype
    merged = None
    if attn_mask is not None:
        if attn_mask.shape not in ((L, S), (N * heads, L, S)):
            raise RuntimeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should be "
                f"{(L, S) if attn_mask.ndim == 2 else (N * heads, L, S)}."
            )
        merged = _additive("attn_mask", attn_mask, dtype)
        merged = reshape(merged, (1, 1, L, S) if attn_mask.ndim == 2 else (N, heads, L, S))
    if key_padding_mask is None:
        return merged
    if tuple(key_padding_mask.shape) != (N, S):
        raise AssertionError(f"Expected key_padding_mask of shape {(N, S)}, but got {tuple(key_padding_mask.shape)}")
    padding = reshape(_additive("key_padding_mask", key_padding_mask, dtype), (N, 1, 1, S))
    return padding if merged is None else merged + padding


def _additive(name: str, mask: Any, dtype: Any) -> Any:
    if mask.array.dtype.kind not in "bf":
        raise AssertionError(f"only bool and floating types of {name} are supported, got {mask.dtype}")
    if mask.array.dtype not in (np.bool_, dtype):
        raise RuntimeError(f"Expected {name} dtype to be bool or to match the query's {dtype}, but got {mask.dtype}")
    return added_to_scores(mask, dtype, left_out=True)


# -- arguments -----------------------------------------------------------------------------------------------


def _batches_of_one(query: Any, key: Any, value: Any) -> Projections:
    """(L, E) → (L, 1, E); what was one tensor stays one."""
    q = unsqueeze(query, 1)
    k = q if key is query else unsqueeze(key, 1)
    return q, k, k if value is key else unsqueeze(value, 1)


def _check_ranks(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, heads: int) -> None:
    """Raise PyTorch's errors where the numbers of dimensions do not go together."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    what = "unbatched (2-D)" if query.ndim == 2 else "batched (3-D)"
    for name, x, allowed in (
        ("key", key, (query.ndim,)),
        ("value", value, (query.ndim,)),
        ("key_padding_mask", key_padding_mask, (query.ndim - 1,)),
        ("attn_mask", attn_mask, (2, 3)),
    ):
        if x is not None and x.ndim not in allowed:
            expected = " or ".join(f"{n}-D" for n in allowed)
            raise AssertionError(f"For {what} `query`, expected `{name}` to be {expected} but found {x.ndim}-D tensor")
    if query.ndim == 2 and attn_mask is not None and attn_mask.ndim == 3:
        expected_shape = (heads, query.shape[0], key.shape[0])
        if tuple(attn_mask.shape) != expected_shape:
            raise AssertionError(f"Expected `attn_mask` shape to be {expected_shape} but got {tuple(attn_mask.shape)}")


def _check_sizes(query: Any, key: Any, value: Any, embed_dim: int, heads: int, separate: bool) -> None:
    """Raise PyTorch's errors where sizes do not go together."""
    E = query.shape[-1]
    if embed_dim != E:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim}, but got {E}")
    if E % heads:
        raise AssertionError(f"embed_dim {E} not divisible by num_heads {heads}")
    compared = slice(0, -1) if separate else slice(None)
    if key.shape[compared] != value.shape[compared]:
        raise AssertionError(f"key shape {tuple(key.shape)} does not match value shape {tuple(value.shape)}")
    if query.shape[1:-1] != key.shape[1:-1]:
        raise RuntimeError(f"query {tuple(query.shape)} and key {tuple(key.shape)} differ in their batches")
