"""Functions of neural networks, with PyTorch's signatures: the only door from `nn` to the primitives of
`ops`.

Most are the functions of `ops` under their own names. Defined here is what only PyTorch's signature adds:
`inplace` forms, the implicit `dim` of softmax, and a few compositions.
"""

import math
import warnings
from typing import Any

from autograd.views import in_place
from ops import activation
from ops import softmax as exponential
from ops.activation import (
    gelu,
    glu,
    hardshrink,
    logsigmoid,
    prelu,
    softplus,
    softshrink,
    softsign,
    tanhshrink,
)
from ops.attention import scaled_dot_product_attention
from ops.class_loss import cross_entropy, nll_loss
from ops.contraction import einsum
from ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from ops.conv import explain_convolution as explain_convolution  # for nn.conv; not a name of PyTorch's
from ops.distance import cosine_similarity, normalize, pairwise_distance
from ops.dropout import alpha_dropout, dropout, dropout1d, dropout2d, dropout3d, feature_alpha_dropout
from ops.elementary import sigmoid, tanh
from ops.embedding import embedding, one_hot
from ops.fold import channel_shuffle, fold, pixel_shuffle, pixel_unshuffle, unfold
from ops.linear import linear
from ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from ops.margin_loss import (
    cosine_embedding_loss,
    gaussian_nll_loss,
    hinge_embedding_loss,
    margin_ranking_loss,
    multi_margin_loss,
    multilabel_margin_loss,
    multilabel_soft_margin_loss,
    poisson_nll_loss,
    soft_margin_loss,
    triplet_margin_loss,
    triplet_margin_with_distance_loss,
)
from ops.multi_head_attention import multi_head_attention_forward
from ops.norm import batch_norm, group_norm, instance_norm, layer_norm, local_response_norm, rms_norm
from ops.padding import pad
from ops.pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
    max_unpool1d,
    max_unpool2d,
)
from ops.recurrent import RecurrentWeights as RecurrentWeights  # this and the next two: for nn.recurrent
from ops.recurrent import recurrent_cell as recurrent_cell
from ops.recurrent import recurrent_network as recurrent_network
from ops.refusing import refuse_others
from ops.resampling import interpolate, upsample, upsample_bilinear, upsample_nearest
from ops.sampling import gumbel_softmax

__all__ = [
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "alpha_dropout", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "bilinear", "binary_cross_entropy", "binary_cross_entropy_with_logits", "celu", "celu_",
    "channel_shuffle", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "cosine_embedding_loss", "cosine_similarity", "cross_entropy", "dropout", "dropout1d",
    "dropout2d", "dropout3d", "elu", "elu_", "embedding", "feature_alpha_dropout", "fold",
    "gaussian_nll_loss", "gelu", "glu", "group_norm", "gumbel_softmax", "hardshrink", "hardsigmoid",
    "hardswish", "hardtanh", "hardtanh_", "hinge_embedding_loss", "huber_loss", "instance_norm",
    "interpolate", "kl_div", "l1_loss", "layer_norm", "leaky_relu", "leaky_relu_", "linear",
    "local_response_norm", "log_softmax", "logsigmoid", "lp_pool1d", "lp_pool2d", "lp_pool3d",
    "margin_ranking_loss", "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d", "mish",
    "mse_loss", "multi_head_attention_forward", "multi_margin_loss", "multilabel_margin_loss",
    "multilabel_soft_margin_loss", "nll_loss", "normalize", "one_hot", "pad", "pairwise_distance",
    "pixel_shuffle", "pixel_unshuffle", "poisson_nll_loss", "prelu", "relu", "relu6", "relu_", "rms_norm",
    "rrelu", "rrelu_", "scaled_dot_product_attention", "selu", "selu_", "sigmoid", "silu", "smooth_l1_loss",
    "soft_margin_loss", "softmax", "softmin", "softplus", "softshrink", "softsign", "tanh", "tanhshrink",
    "threshold", "threshold_", "triplet_margin_loss", "triplet_margin_with_distance_loss", "unfold",
    "upsample", "upsample_bilinear", "upsample_nearest",
]  # fmt: skip

# -- activations ---------------------------------------------------------------------------------------------

celu_ = in_place(activation.celu, "celu_")
elu_ = in_place(activation.elu, "elu_")
hardtanh_ = in_place(activation.hardtanh, "hardtanh_")
leaky_relu_ = in_place(activation.leaky_relu, "leaky_relu_")
relu_ = in_place(activation.relu, "relu_")
rrelu_ = in_place(activation.rrelu, "rrelu_")
selu_ = in_place(activation.selu, "selu_")
threshold_ = in_place(activation.threshold, "threshold_")
_hardsigmoid_ = in_place(activation.hardsigmoid, "hardsigmoid_")
_hardswish_ = in_place(activation.hardswish, "hardswish_")
_mish_ = in_place(activation.mish, "mish_")
_relu6_ = in_place(activation.relu6, "relu6_")
_silu_ = in_place(activation.silu, "silu_")


def relu(input: Any, inplace: bool = False) -> Any:
    """Return max(x, 0)."""
    return relu_(input) if inplace else activation.relu(input)


def relu6(input: Any, inplace: bool = False) -> Any:
    """Return min(max(x, 0), 6)."""
    return (_relu6_ if inplace else activation.relu6)(input)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Return x where x > 0, else negative_slope · x."""
    return (leaky_relu_ if inplace else activation.leaky_relu)(input, negative_slope)


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    """Return x where x > 0, else a · x, a drawn from [lower, upper) in training, their mean otherwise."""
    return (rrelu_ if inplace else activation.rrelu)(input, lower, upper, training)


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Return x where x > threshold, else value."""
    return (threshold_ if inplace else activation.threshold)(input, threshold, value)


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Return min(max(x, min_val), max_val)."""
    return (hardtanh_ if inplace else activation.hardtanh)(input, min_val, max_val)


def hardsigmoid(input: Any, inplace: bool = False) -> Any:
    """Return min(max(x + 3, 0), 6) / 6."""
    return (_hardsigmoid_ if inplace else activation.hardsigmoid)(input)


def hardswish(input: Any, inplace: bool = False) -> Any:
    """Return x · hardsigmoid(x)."""
    return (_hardswish_ if inplace else activation.hardswish)(input)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return x where x > 0, else alpha · (e^x − 1)."""
    return (elu_ if inplace else activation.elu)(input, alpha)


def selu(input: Any, inplace: bool = False) -> Any:
    """Return λ elu(x, α) with the constants that keep mean 0 and variance 1 (Klambauer et al. 2017)."""
    return (selu_ if inplace else activation.selu)(input)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return x where x > 0, else alpha · (e^(x / alpha) − 1)."""
    return (celu_ if inplace else activation.celu)(input, alpha)


def silu(input: Any, inplace: bool = False) -> Any:
    """Return x σ(x)."""
    return (_silu_ if inplace else activation.silu)(input)


def mish(input: Any, inplace: bool = False) -> Any:
    """Return x tanh(softplus(x))."""
    return (_mish_ if inplace else activation.mish)(input)


# -- softmax -------------------------------------------------------------------------------------------------


def softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return e^x[i] / Σ_j e^x[j] along `dim`."""
    dim = _implicit_dim("softmax", input, _stacklevel) if dim is None else dim
    return exponential.softmax(input, dim, dtype=dtype)


def log_softmax(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return x[i] − log Σ_j e^x[j] along `dim`."""
    dim = _implicit_dim("log_softmax", input, _stacklevel) if dim is None else dim
    return exponential.log_softmax(input, dim, dtype=dtype)


def softmin(input: Any, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return softmax(−x) along `dim`."""
    dim = _implicit_dim("softmin", input, _stacklevel) if dim is None else dim
    return exponential.softmin(input, dim, dtype=dtype)


def _implicit_dim(name: str, input: Any, stacklevel: int) -> int:
    dim = 0 if input.ndim in (0, 1, 3) else 1
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim={dim} as "
        "an argument.",
        stacklevel=stacklevel + 1,  # the frame of `ops.refusing` lies between
    )
    return dim


# -- compositions --------------------------------------------------------------------------------------------


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    """y[..., k] = Σ_i,j x₁[..., i] w[k, i, j] x₂[..., j] + bias[k]."""
    if input1.shape[:-1] != input2.shape[:-1]:
        raise RuntimeError(
            f"bilinear: leading sizes of the inputs do not match: {list(input1.shape)} and {list(input2.shape)}"
        )
    if (input1.shape[-1], input2.shape[-1]) != tuple(weight.shape[1:]):
        raise RuntimeError(
            f"bilinear: inputs have {input1.shape[-1]} and {input2.shape[-1]} features but weight "
            f"{tuple(weight.shape)} expects {list(weight.shape[1:])}"
        )
    y = einsum("...i,kij,...j->...k", input1, weight, input2)
    return y if bias is None else y + bias


def lp_pool1d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return (Σ x^p)^(1/p) of each window of input (N, C, W), p = norm_type."""
    average = avg_pool1d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return (average * _window_size(kernel_size, 1)) ** (1 / norm_type)


def lp_pool2d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return (Σ x^p)^(1/p) of each window of input (N, C, H, W), p = norm_type."""
    average = avg_pool2d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return (average * _window_size(kernel_size, 2)) ** (1 / norm_type)


def lp_pool3d(input: Any, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> Any:
    """Return (Σ x^p)^(1/p) of each window of input (N, C, D, H, W), p = norm_type."""
    average = avg_pool3d(input**norm_type, kernel_size, stride, 0, ceil_mode)
    return (average * _window_size(kernel_size, 3)) ** (1 / norm_type)


def _window_size(kernel_size: Any, dims: int) -> int:
    return math.prod(kernel_size) if isinstance(kernel_size, (tuple, list)) else kernel_size**dims


# These refuse what is no tensor by themselves, before anything else.
refuse_others(globals(), {*__all__} - {
    "adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool1d",
    "adaptive_max_pool2d", "adaptive_max_pool3d", "alpha_dropout", "avg_pool1d", "avg_pool2d", "avg_pool3d",
    "batch_norm", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
    "dropout", "elu", "embedding", "feature_alpha_dropout", "gelu", "group_norm", "hardtanh",
    "instance_norm", "layer_norm", "leaky_relu", "linear", "local_response_norm",
    "max_pool1d", "max_pool2d", "max_pool3d", "max_unpool1d", "max_unpool2d", "relu",
    "rms_norm", "scaled_dot_product_attention", "silu", "softplus",
})  # fmt: skip
