"""Attention with several heads: `MultiheadAttention`."""

from typing import Any

from autograd.tensor import Tensor
from nn import functional as F
from nn import init
from nn.linear import Linear
from nn.module import Module
from nn.parameter import Parameter, empty_parameter


class NonDynamicallyQuantizableLinear(Linear):
    """A Linear, under the name that PyTorch shows for the output projection of attention."""


class MultiheadAttention(Module):
    """Concat(head₁, …, head_H)·Wᵒ + bᵒ with headᵢ = Attention(q·Wᵢ^q, k·Wᵢᵏ, v·Wᵢᵛ) (Vaswani et al., 2017).

    Args:
        embed_dim: E, features of the queries and of the output; each head has E / num_heads of them.
        num_heads: H.
        dropout: how likely an attention weight becomes zero in training.
        bias: whether all four projections add a bias.
        add_bias_kv: whether a learned key and value are appended to the projected ones.
        add_zero_attn: whether a key and value of zeros are appended.
        kdim: features of the keys, vdim: of the values; default: E.
        batch_first: whether the batch is the first dimension, not the second.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        query (L, N, E), key (S, N, kdim), value (S, N, vdim), or without N, or (N, L, E) and so on with batch_first;
        output as query, weights (N, L, S).

    Projection weights start as Xavier-uniform (Wᵒ as a Linear's), biases as zeros.
    """

    in_proj_weight: Parameter | None
    q_proj_weight: Parameter | None
    k_proj_weight: Parameter | None
    v_proj_weight: Parameter | None
    in_proj_bias: Parameter | None
    bias_k: Parameter | None
    bias_v: Parameter | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        super().__init__()
        self.embed_dim = embed_dim
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        self._qkv_same_embed_dim = self.kdim == embed_dim == self.vdim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        if self.head_dim * num_heads != embed_dim:
            raise AssertionError(f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}")
        factory = {"device": device, "dtype": dtype}
        self._make_projections(bias, factory)
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, empty_parameter(1, 1, embed_dim, **factory) if add_bias_kv else None)
        self.add_zero_attn = add_zero_attn
        self._reset_parameters()

    def _make_projections(self, bias: bool, factory: dict[str, Any]) -> None:
        E, packed = self.embed_dim, self._qkv_same_embed_dim
        for name, size in (("q_proj_weight", E), ("k_proj_weight", self.kdim), ("v_proj_weight", self.vdim)):
            self.register_parameter(name, None if packed else empty_parameter(E, size, **factory))
        self.register_parameter("in_proj_weight", empty_parameter(3 * E, E, **factory) if packed else None)
        self.register_parameter("in_proj_bias", empty_parameter(3 * E, **factory) if bias else None)
        self.out_proj = NonDynamicallyQuantizableLinear(E, E, bias=bias, **factory)

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None and self.out_proj.bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for appended in (self.bias_k, self.bias_v):
            if appended is not None:
                init.xavier_normal_(appended)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Return the output, and the attention weights (averaged over heads) or, faster, None.

        Boolean masks say which keys are left out, others are added to the scores: key_padding_mask (N, S), attn_mask
        (L, S) or (N·H, L, S). is_causal says that attn_mask is the causal one, which must be given all the same.
        """
        swapped = self.batch_first and query.ndim == 3
        if swapped:
            query, key, value = _sequence_first(query, key, value)
        output, weights = F.multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return (output.transpose(1, 0) if swapped else output), weights


def _sequence_first(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Swap batch and positions; what was one tensor stays one, which is then projected at once."""
    q = query.transpose(1, 0)
    k = q if key is query else key.transpose(1, 0)
    return q, k, k if value is key else value.transpose(1, 0)
