"""MLP-Mixer (Tolstikhin et al., 2021, MLP-Mixer: an all-MLP architecture for vision).

An image is cut into patches, each projected to C channels; the blocks mix by turns all tokens of a channel and all
channels of a token, by MLPs with one hidden layer; the mean over tokens goes to a linear head.

    image ─ stem ─ [blocks.0 ─ … ─ blocks.11] ─ norm ─ mean over tokens ─ head

    block:   x ─┬─ norm1 ─ transpose ─ mlp_tokens ─ transpose ─ + ─┬─ norm2 ─ mlp_channels ─ + ─ y
                └─────────────────────────────────────────────────┘└─────────────────────────┘

`mlp_mixer_b16()` on images of 3 × 224 × 224, with S = 14·14 tokens and C = 768 channels:

    layer                   output          parameters
    stem                    (N, 196, 768)      590,592
    blocks.0.mlp_tokens     (N, 768, 196)      151,108
    blocks.0.mlp_channels   (N, 196, 768)    4,722,432
    blocks.0                (N, 196, 768)    4,876,612
    blocks.11               (N, 196, 768)    4,876,612
    norm                    (N, 196, 768)        1,536
    head                    (N, 1000)          769,000

Together 59,880,472 parameters. The names of modules are those of Wightman's `timm`, whose weights load.
"""

from typing import Any

from autograd.tensor import Tensor
from nn.activation import GELU
from nn.containers import Sequential
from nn.conv import Conv2d
from nn.dropout import Dropout
from nn.linear import Linear
from nn.models.initial_values import draw_by_fan_in, draw_xavier, set_to_zero
from nn.module import Module
from nn.normalization import LayerNorm


class PatchEmbed(Module):
    """Patches of P × P pixels as tokens: (N, C₀, H, W) → (N, H·W/P², C)."""

    def __init__(self, patch_size: int, in_channels: int, hidden_dim: int) -> None:
        super().__init__()
        self.proj = Conv2d(in_channels, hidden_dim, kernel_size=patch_size, stride=patch_size)
        draw_by_fan_in(self.proj, in_channels * patch_size**2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the tokens, row by row."""
        return self.proj(x).flatten(2).transpose(1, 2)


class Mlp(Module):
    """y = W₂·GELU(W₁·x + b₁) + b₂ over the last dimension, with dropout behind both.

    Weights start Xavier-uniform, biases as N(0, 10⁻¹²).
    """

    def __init__(self, in_features: int, hidden_features: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = Linear(in_features, hidden_features)
        self.act = GELU()
        self.drop1 = Dropout(dropout)
        self.fc2 = Linear(hidden_features, in_features)
        self.drop2 = Dropout(dropout)
        draw_xavier(self.fc1)
        draw_xavier(self.fc2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the MLP's output."""
        return self.drop2(self.fc2(self.drop1(self.act(self.fc1(x)))))


class MixerBlock(Module):
    """x ← x + mlp_tokens(norm₁(x)ᵀ)ᵀ; x ← x + mlp_channels(norm₂(x)): (N, S, C) → (N, S, C), equations 1."""

    def __init__(self, tokens: int, hidden_dim: int, tokens_dim: int, channels_dim: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = LayerNorm(hidden_dim, eps=1e-6)
        self.mlp_tokens = Mlp(tokens, tokens_dim, dropout)
        self.norm2 = LayerNorm(hidden_dim, eps=1e-6)
        self.mlp_channels = Mlp(hidden_dim, channels_dim, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        x = x + self.mlp_tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
        return x + self.mlp_channels(self.norm2(x))


class MLPMixer(Module):
    """Tokens from patches, blocks that mix tokens and channels, a linear head on the tokens' mean.

    Args:
        image_size: height and width of the images, a multiple of `patch_size`.
        patch_size: P, height and width of the patches: there are S = (image_size / P)² tokens.
        num_layers: number of blocks.
        hidden_dim: C, channels of a token.
        tokens_dim: D_S, hidden units of the MLP over tokens.
        channels_dim: D_C, hidden units of the MLP over channels.
        num_classes: K, the number of classes.
        in_channels: channels of the images.
        dropout: how likely outputs of the MLPs' layers become zero in training.

    Shapes:
        input (N, in_channels, image_size, image_size), output (N, K): logits.

    The head starts as zeros, the projection of patches as truncated N(0, 1 / (in_channels·P²)).
    """

    def __init__(
        self,
        image_size: int,
        patch_size: int,
        num_layers: int,
        hidden_dim: int,
        tokens_dim: int,
        channels_dim: int,
        num_classes: int = 1000,
        in_channels: int = 3,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if patch_size <= 0 or image_size <= 0 or image_size % patch_size:
            raise ValueError(
                f"MLPMixer: an image of {image_size} × {image_size} pixels cannot be cut into patches of "
                f"{patch_size} × {patch_size}: image_size must be a positive multiple of patch_size"
            )
        tokens = (image_size // patch_size) ** 2
        self.image_shape = (in_channels, image_size, image_size)
        self.stem = PatchEmbed(patch_size, in_channels, hidden_dim)
        self.blocks = Sequential(
            *(MixerBlock(tokens, hidden_dim, tokens_dim, channels_dim, dropout) for _ in range(num_layers))
        )
        self.norm = LayerNorm(hidden_dim, eps=1e-6)
        self.head = Linear(hidden_dim, num_classes)
        set_to_zero(self.head)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits of the classes."""
        if tuple(x.shape[1:]) != self.image_shape:
            expected = ", ".join(map(str, self.image_shape))
            raise ValueError(f"MLPMixer: input has shape {tuple(x.shape)}, expected (N, {expected})")
        return self.head(self.norm(self.blocks(self.stem(x))).mean(1))


# Table 1 of the paper: layers, C, D_S, D_C.
_SIZES = {
    "S": (8, 512, 256, 2048),
    "B": (12, 768, 384, 3072),
    "L": (24, 1024, 512, 4096),
    "H": (32, 1280, 640, 5120),
}


def mlp_mixer(size: str = "B", patch_size: int = 16, image_size: int = 224, **options: Any) -> MLPMixer:
    """Return a Mixer of a size of the paper's, "S", "B", "L" or "H"; `options` replace arguments of `MLPMixer`.

    mlp_mixer("S", 4, 32, num_layers=4, num_classes=10) is one for CIFAR-10.
    """
    if size not in _SIZES:
        raise ValueError(f"mlp_mixer: size is {size!r}, expected one of {', '.join(map(repr, _SIZES))}")
    sizes = zip(("num_layers", "hidden_dim", "tokens_dim", "channels_dim"), _SIZES[size], strict=True)
    return MLPMixer(image_size, patch_size, **{**dict(sizes), **options})


def mlp_mixer_s32(**options: Any) -> MLPMixer:
    """Return Mixer-S/32."""
    return mlp_mixer("S", 32, **options)


def mlp_mixer_s16(**options: Any) -> MLPMixer:
    """Return Mixer-S/16."""
    return mlp_mixer("S", 16, **options)


def mlp_mixer_b32(**options: Any) -> MLPMixer:
    """Return Mixer-B/32."""
    return mlp_mixer("B", 32, **options)


def mlp_mixer_b16(**options: Any) -> MLPMixer:
    """Return Mixer-B/16."""
    return mlp_mixer("B", 16, **options)


def mlp_mixer_l32(**options: Any) -> MLPMixer:
    """Return Mixer-L/32."""
    return mlp_mixer("L", 32, **options)


def mlp_mixer_l16(**options: Any) -> MLPMixer:
    """Return Mixer-L/16."""
    return mlp_mixer("L", 16, **options)


def mlp_mixer_h14(**options: Any) -> MLPMixer:
    """Return Mixer-H/14."""
    return mlp_mixer("H", 14, **options)
