"""Models. What torchvision has, too, is named as there, and so are the modules inside."""

from nn.models.alexnet import AlexNet, alexnet
from nn.models.lenet import LeNet5, ScaledTanh, lenet5
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
from nn.models.mobilenet import MobileNetV2, mobilenet_v2
from nn.models.rbf import RBFLoss, RBFOutput
from nn.models.recurrent import RecurrentClassifier, gru_classifier, lstm_classifier, rnn_classifier
from nn.models.resnet import (
    ResNet,
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
    resnext50_32x4d,
    wide_resnet50_2,
)
from nn.models.vgg import VGG, vgg11, vgg11_bn, vgg13, vgg13_bn, vgg16, vgg16_bn, vgg19, vgg19_bn
from nn.models.vision_transformer import VisionTransformer, vit_b_16, vit_b_32, vit_l_16, vit_l_32

__all__ = [
    "VGG",
    "AlexNet",
    "LeNet5",
    "MLPMixer",
    "MobileNetV2",
    "RBFLoss",
    "RBFOutput",
    "RecurrentClassifier",
    "ResNet",
    "ScaledTanh",
    "VisionTransformer",
    "alexnet",
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
    "mobilenet_v2",
    "plain18",
    "plain34",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "resnext50_32x4d",
    "rnn_classifier",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
    "vit_b_16",
    "vit_b_32",
    "vit_l_16",
    "vit_l_32",
    "wide_resnet50_2",
]
