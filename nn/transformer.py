"""The Transformer and the layers it is made of (Vaswani et al., "Attention Is All You Need", 2017)."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.device import check_device
from autograd.tensor import Tensor
from nn import functional as F
from nn import init
from nn.attention import MultiheadAttention
from nn.containers import ModuleList
from nn.dropout import Dropout
from nn.linear import Linear
from nn.module import Module
from nn.normalization import LayerNorm

Activation = Callable[[Tensor], Tensor]


class _Layer(Module):
    """What encoder and decoder layers share: attention and a two-layer perceptron, each with dropout in a residual.

    x = norm(x + f(x)), or x + f(norm(x)) with norm_first (Xiong et al., 2020).
    """

    norm_first: bool
    activation: Any

    def _make_attention(self, d_model: int, nhead: int, dropout: float, **options: Any) -> MultiheadAttention:
        return MultiheadAttention(d_model, nhead, dropout=dropout, **options)

    def _make_perceptron(self, d_model: int, hidden: int, dropout: float, factory: dict[str, Any]) -> None:
        self.linear1 = Linear(d_model, hidden, **factory)
        self.dropout = Dropout(dropout)
        self.linear2 = Linear(hidden, d_model, **factory)

    def _residual(self, x: Tensor, norm: LayerNorm, block: Activation) -> Tensor:
        return x + block(norm(x)) if self.norm_first else norm(x + block(x))

    def _perceptron(self, x: Tensor) -> Tensor:
        return self.linear2(self.dropout(self.activation(self.linear1(x))))


class TransformerEncoderLayer(_Layer):
    """x = norm1(x + attention(x)), y = norm2(x + linear2(activation(linear1(x)))).

    Args:
        d_model: E, features of input and output.
        nhead: heads of attention.
        dim_feedforward: width of the perceptron.
        dropout: probability of dropout, of attention weights too.
        activation: "relu", "gelu" or a function of a tensor.
        layer_norm_eps: ε of the normalisations.
        batch_first: input (N, S, E) instead of (S, N, E).
        norm_first: normalise what enters the two blocks, not their sums: x = x + attention(norm1(x)).
        bias: whether projections and normalisations add biases.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        src (S, N, E), (N, S, E) or (S, E); output the same.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = self._make_attention(d_model, nhead, dropout, batch_first=batch_first, **factory)
        self._make_perceptron(d_model, dim_feedforward, dropout, factory)
        self.norm_first = norm_first
        self.norm1, self.norm2 = (LayerNorm(d_model, layer_norm_eps, **factory) for _ in range(2))
        self.dropout1, self.dropout2 = (Dropout(dropout) for _ in range(2))
        self.activation = _activation(activation)

    def forward(
        self,
        src: Tensor,
        src_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
    ) -> Tensor:
        """Pass src through attention and perceptron; masks as in `MultiheadAttention`."""

        def attend(x: Tensor) -> Tensor:
            masks = {"attn_mask": src_mask, "key_padding_mask": src_key_padding_mask, "is_causal": is_causal}
            return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

        x = self._residual(src, self.norm1, attend)
        return self._residual(x, self.norm2, lambda x: self.dropout2(self._perceptron(x)))


class TransformerDecoderLayer(_Layer):
    """x = norm1(x + attention(x)), x = norm2(x + attention(x, memory)), y = norm3(x + perceptron(x)).

    The second attention takes its keys and values from `memory`, an encoder's output. Arguments are those of
    `TransformerEncoderLayer`.

    Shapes:
        tgt (T, N, E), memory (S, N, E), or batch first, or without N; output as tgt.
    """

    def __init__(
        self,
        d_model: int,
        nhead: int,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        self.self_attn = self._make_attention(d_model, nhead, dropout, batch_first=batch_first, **factory)
        self.multihead_attn = self._make_attention(d_model, nhead, dropout, batch_first=batch_first, **factory)
        self._make_perceptron(d_model, dim_feedforward, dropout, factory)
        self.norm_first = norm_first
        self.norm1, self.norm2, self.norm3 = (LayerNorm(d_model, layer_norm_eps, **factory) for _ in range(3))
        self.dropout1, self.dropout2, self.dropout3 = (Dropout(dropout) for _ in range(3))
        self.activation = _activation(activation)

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool = False,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Pass tgt through both attentions and the perceptron; masks as in `MultiheadAttention`."""

        def attend(x: Tensor) -> Tensor:
            masks = {"attn_mask": tgt_mask, "key_padding_mask": tgt_key_padding_mask, "is_causal": tgt_is_causal}
            return self.dropout1(self.self_attn(x, x, x, need_weights=False, **masks)[0])

        def attend_to_memory(x: Tensor) -> Tensor:
            masks = {"attn_mask": memory_mask, "key_padding_mask": memory_key_padding_mask}
            return self.dropout2(
                self.multihead_attn(x, memory, memory, need_weights=False, is_causal=memory_is_causal, **masks)[0]
            )

        x = self._residual(tgt, self.norm1, attend)
        x = self._residual(x, self.norm2, attend_to_memory)
        return self._residual(x, self.norm3, lambda x: self.dropout3(self._perceptron(x)))


class TransformerEncoder(Module):
    """y = norm(layer_n(… layer_1(x))): copies of one layer, with parameters of their own.

    Args:
        encoder_layer: the layer that is copied.
        num_layers: n.
        norm: a module applied last, or None.
        enable_nested_tensor, mask_check: how PyTorch stores padded batches in its inference path; here all batches are
            stored alike, and the outputs at positions that a mask hides are those of training.
    """

    def __init__(
        self,
        encoder_layer: TransformerEncoderLayer,
        num_layers: int,
        norm: Module | None = None,
        enable_nested_tensor: bool = True,
        mask_check: bool = True,
    ) -> None:
        super().__init__()
        self.layers = _copies(encoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm
        self.enable_nested_tensor = enable_nested_tensor
        self.mask_check = mask_check

    def forward(
        self,
        src: Tensor,
        mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        is_causal: bool | None = None,
    ) -> Tensor:
        """Pass src through all layers; is_causal says that `mask` is the causal one, None: look whether it is."""
        is_causal = _is_causal(mask, is_causal)
        for layer in self.layers:
            src = layer(src, src_mask=mask, is_causal=is_causal, src_key_padding_mask=src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


class TransformerDecoder(Module):
    """y = norm(layer_n(… layer_1(x, memory), memory)): copies of one layer, with parameters of their own.

    Args:
        decoder_layer: the layer that is copied.
        num_layers: n.
        norm: a module applied last, or None.
    """

    def __init__(self, decoder_layer: TransformerDecoderLayer, num_layers: int, norm: Module | None = None) -> None:
        super().__init__()
        self.layers = _copies(decoder_layer, num_layers)
        self.num_layers = num_layers
        self.norm = norm

    def forward(
        self,
        tgt: Tensor,
        memory: Tensor,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Pass tgt through all layers; tgt_is_causal None: look whether tgt_mask is the causal one."""
        masks = {
            "tgt_mask": tgt_mask,
            "memory_mask": memory_mask,
            "tgt_key_padding_mask": tgt_key_padding_mask,
            "memory_key_padding_mask": memory_key_padding_mask,
            "tgt_is_causal": _is_causal(tgt_mask, tgt_is_causal),
            "memory_is_causal": memory_is_causal,
        }
        for layer in self.layers:
            tgt = layer(tgt, memory, **masks)
        return tgt if self.norm is None else self.norm(tgt)


class Transformer(Module):
    """y = decoder(tgt, encoder(src)).

    Args:
        d_model: E, features of inputs and output.
        nhead: heads of every attention.
        num_encoder_layers, num_decoder_layers: how many layers there are.
        custom_encoder, custom_decoder: modules used in place of the usual ones.
        dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first, bias, dtype: as of
            `TransformerEncoderLayer`.

    Shapes:
        src (S, N, E), tgt (T, N, E), or batch first, or without N; output as tgt.

    Weights start as Xavier-uniform.
    """

    def __init__(
        self,
        d_model: int = 512,
        nhead: int = 8,
        num_encoder_layers: int = 6,
        num_decoder_layers: int = 6,
        dim_feedforward: int = 2048,
        dropout: float = 0.1,
        activation: str | Activation = F.relu,
        custom_encoder: Any | None = None,
        custom_decoder: Any | None = None,
        layer_norm_eps: float = 1e-5,
        batch_first: bool = False,
        norm_first: bool = False,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        factory = {"bias": bias, "device": device, "dtype": dtype}
        layer = (d_model, nhead, dim_feedforward, dropout, activation, layer_norm_eps, batch_first, norm_first)
        encoder, decoder = custom_encoder, custom_decoder
        if encoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, **factory)
            encoder = TransformerEncoder(TransformerEncoderLayer(*layer, **factory), num_encoder_layers, norm)
        if decoder is None:
            norm = LayerNorm(d_model, layer_norm_eps, **factory)
            decoder = TransformerDecoder(TransformerDecoderLayer(*layer, **factory), num_decoder_layers, norm)
        self.encoder, self.decoder = encoder, decoder
        self._reset_parameters()
        self.d_model = d_model
        self.nhead = nhead
        self.batch_first = batch_first

    def _reset_parameters(self) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                init.xavier_uniform_(parameter)

    def forward(
        self,
        src: Tensor,
        tgt: Tensor,
        src_mask: Tensor | None = None,
        tgt_mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        src_key_padding_mask: Tensor | None = None,
        tgt_key_padding_mask: Tensor | None = None,
        memory_key_padding_mask: Tensor | None = None,
        src_is_causal: bool | None = None,
        tgt_is_causal: bool | None = None,
        memory_is_causal: bool = False,
    ) -> Tensor:
        """Encode src, decode tgt with it; masks as in `MultiheadAttention`."""
        batch = 0 if self.batch_first else 1
        if src.ndim == 3 and src.shape[batch] != tgt.shape[batch]:
            raise RuntimeError(
                f"the batch number of src and tgt must be equal, got {src.shape[batch]} and {tgt.shape[batch]}"
            )
        if src.shape[-1] != self.d_model or tgt.shape[-1] != self.d_model:
            raise RuntimeError(
                "the feature number of src and tgt must be equal to d_model, got "
                f"{src.shape[-1]} and {tgt.shape[-1]}, expected {self.d_model}"
            )
        memory = self.encoder(src, src_mask, src_key_padding_mask, src_is_causal)
        return self.decoder(
            tgt,
            memory,
            tgt_mask=tgt_mask,
            memory_mask=memory_mask,
            tgt_key_padding_mask=tgt_key_padding_mask,
            memory_key_padding_mask=memory_key_padding_mask,
            tgt_is_causal=tgt_is_causal,
            memory_is_causal=memory_is_causal,
        )

    @staticmethod
    def generate_square_subsequent_mask(sz: int, device: Any = None, dtype: Any = None) -> Tensor:
        """Return the causal mask (sz, sz): 0 where key j ≤ query i, −∞ elsewhere."""
        check_device(device)
        real = dtypes.default_float() if dtype is None else dtypes.as_numpy(dtype)
        return Tensor(np.triu(np.full((sz, sz), -np.inf, real), 1))


def _copies(layer: Module, count: int) -> ModuleList:
    return ModuleList([copy.deepcopy(layer) for _ in range(count)])


def _activation(activation: str | Activation) -> Activation:
    named: dict[Any, Activation] = {"relu": F.relu, "gelu": F.gelu}
    if isinstance(activation, str) and activation not in named:
        raise RuntimeError(f"activation should be relu/gelu, not {activation}")
    return named.get(activation, activation)  # type: ignore[arg-type]  # not a string where it is not a key


def _is_causal(mask: Tensor | None, given: bool | None) -> bool:
    """Return whether a mask, of floats or of bools, is the causal one, unless the caller says so."""
    if given is not None or mask is None:
        return bool(given)
    hidden = mask.array if mask.array.dtype == bool else np.isneginf(mask.array)
    shown = ~hidden if mask.array.dtype == bool else mask.array == 0
    later = np.triu(np.ones(mask.shape[-2:], bool), 1)
    return mask.ndim == 2 and np.array_equal(hidden, later) and np.array_equal(shown, ~later)
