"""Models, with torchvision's names for them and for the modules inside."""

from nn.models.lenet import LeNet5, lenet5
from nn.models.mlp_mixer import (
    MLPMixer,
    mlp_mixer,
    mlp_mixer_b16,
    mlp_mixer_b32,
    mlp_mixer_h14,
    mlp_mixer_l16,
    mlp_mixer_l32,
    mlp_mixer_s16,
    mlp_mixer_s32,
)
from nn.models.recurrent import RecurrentClassifier, gru_classifier, lstm_classifier, rnn_classifier
from nn.models.vision_transformer import VisionTransformer, vit_b_16, vit_b_32, vit_l_16, vit_l_32

__all__ = [
    "LeNet5",
    "MLPMixer",
    "RecurrentClassifier",
    "VisionTransformer",
    "gru_classifier",
    "lenet5",
    "lstm_classifier",
    "mlp_mixer",
    "mlp_mixer_b16",
    "mlp_mixer_b32",
    "mlp_mixer_h14",
    "mlp_mixer_l16",
    "mlp_mixer_l32",
    "mlp_mixer_s16",
    "mlp_mixer_s32",
    "rnn_classifier",
    "vit_b_16",
    "vit_b_32",
    "vit_l_16",
    "vit_l_32",
]
