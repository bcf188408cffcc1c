"""Vision transformer (Dosovitskiy et al., 2021, An image is worth 16x16 words).

An image is cut into patches of P × P pixels; each is projected to a vector, a class token is put in front, positions
are added, and an encoder of pre-norm blocks mixes them. The class token's output decides the class.

    image ─ conv_proj ─ reshape ─ cat ─ + ─ dropout ─ [encoder_layer_0 ─ … ─ encoder_layer_11] ─ ln ─ token 0 ─ heads
                                   │    │
                         class_token    encoder.pos_embedding

    encoder_layer:   x ─┬─ ln_1 ─ self_attention ─ dropout ─ + ─┬─ ln_2 ─ mlp ─ + ─ y        mlp: 768 ─ 3072 ─ 768, GELU
                        └────────────────────────────────────┘  └───────────────┘

`vit_b_16()` on images of 3 × 224 × 224:

    layer                            output              parameters
    conv_proj                        (N, 768, 14, 14)       590,592
    encoder.dropout                  (N, 197, 768)                0
    encoder.layers.encoder_layer_0   (N, 197, 768)        7,087,872
    encoder.layers.encoder_layer_11  (N, 197, 768)        7,087,872
    encoder.ln                       (N, 197, 768)            1,536
    encoder                          (N, 197, 768)       85,207,296
    heads.head                       (N, 1000)              769,000

With the class token's 768 these are 86,567,656 parameters. The names are torchvision's: its weights load.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from typing import Any

from autograd import cat, empty, zeros
from autograd.tensor import Tensor
from nn import init
from nn.activation import GELU, Tanh
from nn.attention import MultiheadAttention
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.models.initial_values import draw_by_fan_in, draw_xavier, set_to_zero
from nn.module import Module
from nn.normalization import LayerNorm
from nn.parameter import Parameter

Norm = Callable[[int], Module]
_NORM: Norm = partial(LayerNorm, eps=1e-6)


class MLPBlock(Sequential):
    """y = W₂·GELU(W₁·x + b₁) + b₂ with dropout behind both; weights start Xavier-uniform, biases as N(0, 10⁻¹²)."""

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(Linear(in_dim, mlp_dim), GELU(), Dropout(dropout), Linear(mlp_dim, in_dim), Dropout(dropout))
        draw_xavier(self[0])
        draw_xavier(self[3])


class EncoderBlock(Module):
    """x ← x + attention(ln₁(x)); x ← x + mlp(ln₂(x)): a block of the encoder, (N, L, E) → (N, L, E)."""

    def __init__(
        self,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = MultiheadAttention(hidden_dim, num_heads, dropout=attention_dropout, batch_first=True)
        self.dropout = Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        """Return the block's output."""
        x = self.ln_1(input)
        x, _ = self.self_attention(x, x, x, need_weights=False)
        x = self.dropout(x) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(Module):
    """ln(block ∘ … ∘ block(dropout(x + pos_embedding))), (N, L, E) → (N, L, E)."""

    def __init__(
        self,
        seq_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float,
        attention_dropout: float,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        self.pos_embedding = Parameter(init.normal_(empty(1, seq_length, hidden_dim), std=0.02))
        self.dropout = Dropout(dropout)
        layers: OrderedDict[str, Module] = OrderedDict()
        for i in range(num_layers):
            layers[f"encoder_layer_{i}"] = EncoderBlock(
                num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
            )
        self.layers = Sequential(layers)
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        """Return the outputs of all tokens."""
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(Module):
    """Tokens from patches, an encoder, a linear head on the class token.

    Args:
        image_size: height and width of the images, a multiple of `patch_size`.
        patch_size: P, height and width of the patches.
        num_layers: blocks of the encoder.
        num_heads: heads of the attention in each.
        hidden_dim: E, features of a token.
        mlp_dim: units of the hidden layer of each block's MLP.
        dropout: how likely outputs of embedding, attention and MLP become zero in training.
        attention_dropout: how likely attention weights do.
        num_classes: K, the number of classes.
        representation_size: units of a tanh layer before the last one; default: there is none.
        norm_layer: makes the normalisations from their number of features.

    Shapes:
        input (N, 3, image_size, image_size), output (N, K): logits.

    The head starts as zeros, the projection of patches as truncated N(0, 1 / (3·P²)), positions as N(0, 0.02²).
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        mlp_dim: int,
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        num_classes: int = 1000,
        representation_size: int | None = None,
        norm_layer: Norm = _NORM,
    ) -> None:
        super().__init__()
        if patch_size <= 0 or image_size <= 0 or image_size % patch_size:
            raise ValueError(
                f"VisionTransformer: an image of {image_size} × {image_size} pixels cannot be cut into patches of "
                f"{patch_size} × {patch_size}: image_size must be a positive multiple of patch_size"
            )
        self.image_size = image_size
        self.patch_size = patch_size
        self.hidden_dim = hidden_dim
        self.conv_proj = Conv2d(3, hidden_dim, kernel_size=patch_size, stride=patch_size)
        self.class_token = Parameter(zeros(1, 1, hidden_dim))
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer
        )
        self.heads = _heads(hidden_dim, num_classes, representation_size)
        draw_by_fan_in(self.conv_proj, 3 * patch_size**2)

    def _tokens(self, images: Tensor) -> Tensor:
        """Return the projected patches, row by row: (N, L - 1, E)."""
        size = self.image_size
        if images.ndim != 4 or tuple(images.shape[1:]) != (3, size, size):
            raise ValueError(
                f"VisionTransformer: input has shape {tuple(images.shape)}, expected (N, 3, {size}, {size})"
            )
        return self.conv_proj(images).flatten(2).permute(0, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        patches = self._tokens(x)
        token = self.class_token.expand(patches.shape[0], -1, -1)
        return self.heads(self.encoder(cat([token, patches], dim=1))[:, 0])


def _heads(hidden_dim: int, num_classes: int, representation_size: int | None) -> Sequential:
    layers: OrderedDict[str, Module] = OrderedDict()
    if representation_size is not None:
        layers["pre_logits"] = draw_by_fan_in(Linear(hidden_dim, representation_size), hidden_dim)
        layers["act"] = Tanh()
        hidden_dim = representation_size
    layers["head"] = Linear(hidden_dim, num_classes)
    set_to_zero(layers["head"])
    return Sequential(layers)


def _of_size(size: str, patch_size: int, options: dict[str, Any]) -> VisionTransformer:
    """Return a net of the sizes of table 1 of the paper."""
    num_layers, num_heads, hidden_dim, mlp_dim = {"B": (12, 12, 768, 3072), "L": (24, 16, 1024, 4096)}[size]
    image_size = options.pop("image_size", 224)
    return VisionTransformer(image_size, patch_size, num_layers, num_heads, hidden_dim, mlp_dim, **options)


def vit_b_16(**options: Any) -> VisionTransformer:
    """Return ViT-Base with patches of 16 × 16; `options` are `image_size` (224) and what follows `mlp_dim`."""
    return _of_size("B", 16, options)


def vit_b_32(**options: Any) -> VisionTransformer:
    """Return ViT-Base with patches of 32 × 32; options as of `vit_b_16`."""
    return _of_size("B", 32, options)


def vit_l_16(**options: Any) -> VisionTransformer:
    """Return ViT-Large with patches of 16 × 16; options as of `vit_b_16`."""
    return _of_size("L", 16, options)


def vit_l_32(**options: Any) -> VisionTransformer:
    """Return ViT-Large with patches of 32 × 32; options as of `vit_b_16`."""
    return _of_size("L", 32, options)
