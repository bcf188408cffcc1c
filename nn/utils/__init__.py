"""Helpers around gradients, parameters and the geometry of layers."""

from nn.utils import checkpoint, parametrizations, parametrize, rnn
from nn.utils.as_convolution import fully_convolutional, linear_to_conv
from nn.utils.as_matrix import conv_matrix
from nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from nn.utils.fusion import fuse_conv_bn_eval, fuse_conv_bn_weights, fuse_linear_bn_eval, fuse_linear_bn_weights
from nn.utils.norm_hooks import remove_spectral_norm, remove_weight_norm, spectral_norm, weight_norm
from nn.utils.receptive_fields import receptive_field

__all__ = [
    "checkpoint",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "conv_matrix",
    "fully_convolutional",
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
    "get_total_norm",
    "linear_to_conv",
    "parameters_to_vector",
    "parametrizations",
    "parametrize",
    "receptive_field",
    "remove_spectral_norm",
    "remove_weight_norm",
    "rnn",
    "spectral_norm",
    "vector_to_parameters",
    "weight_norm",
]
