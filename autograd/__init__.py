"""The names people use, as PyTorch has them: `import autograd as torch`.

Everything here is defined elsewhere: tensors, the tape and grad modes in this package, functions of tensors
in `ops`.
"""

__distribution__ = "magtape"  # first of all: by it `ops` tells this package from another distribution's

import sys
from math import e, inf, nan, pi

from autograd import cuda, dtypes, func, functional
from autograd.anomaly_mode import (
    detect_anomaly,
    is_anomaly_check_nan_enabled,
    is_anomaly_enabled,
    set_detect_anomaly,
)
from autograd.checking import gradcheck, gradgradcheck
from autograd.device import device
from autograd.dtypes import (
    dtype,
    float16,
    float32,
    float64,
    get_default_dtype,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)
from autograd.function import Function
from autograd.grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from autograd.interop import from_dlpack
from autograd.limits import finfo, iinfo
from autograd.memory import empty_cache, keep_freed_memory, memory_summary
from autograd.nan_tracing import trace_nans
from autograd.printing import set_printoptions
from autograd.random import (
    Generator,
    default_generator,
    get_rng_state,
    initial_seed,
    manual_seed,
    seed,
    set_rng_state,
)
from autograd.serialization import load, save
from autograd.tape import backward, grad
from autograd.tensor import Size, Tensor
from autograd.views import detach
from autograd.vmapping import vmap
from ops import linalg
from ops.activation import celu, hardshrink, prelu, relu, rrelu, selu, threshold
from ops.arithmetic import (
    abs,
    absolute,
    add,
    addcdiv,
    addcmul,
    copysign,
    div,
    divide,
    float_power,
    floor_divide,
    fmod,
    hypot,
    lerp,
    mul,
    multiply,
    neg,
    negative,
    positive,
    pow,
    remainder,
    rsub,
    sgn,
    sign,
    sub,
    subtract,
    true_divide,
)
from ops.comparison import (
    allclose,
    bitwise_and,
    bitwise_left_shift,
    bitwise_not,
    bitwise_or,
    bitwise_right_shift,
    bitwise_xor,
    clamp,
    clamp_max,
    clamp_min,
    clip,
    eq,
    equal,
    fmax,
    fmin,
    gcd,
    ge,
    greater,
    greater_equal,
    gt,
    heaviside,
    isclose,
    isfinite,
    isin,
    isinf,
    isnan,
    isneginf,
    isposinf,
    isreal,
    lcm,
    le,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    masked_fill,
    maximum,
    minimum,
    nan_to_num,
    ne,
    not_equal,
    signbit,
    where,
)
from ops.contraction import chain_matmul, einsum, kron, matrix_power, tensordot
from ops.conv import conv1d, conv2d, conv3d, conv_transpose1d, conv_transpose2d, conv_transpose3d
from ops.conversion import can_cast, is_floating_point, is_tensor, numel, result_type
from ops.creation import (
    arange,
    as_tensor,
    asarray,
    empty,
    empty_like,
    empty_strided,
    eye,
    fill,
    from_numpy,
    full,
    full_like,
    linspace,
    logspace,
    ones,
    ones_like,
    scalar_tensor,
    tensor,
    tril_indices,
    triu_indices,
    zeros,
    zeros_like,
)
from ops.distance import cosine_similarity, pairwise_distance
from ops.dropout import alpha_dropout, dropout, feature_alpha_dropout
from ops.elementary import (
    acos,
    acosh,
    arccos,
    arccosh,
    arcsin,
    arcsinh,
    arctan,
    arctan2,
    arctanh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    ceil,
    cos,
    cosh,
    deg2rad,
    erf,
    erfc,
    exp,
    exp2,
    expm1,
    fix,
    floor,
    frac,
    log,
    log1p,
    log2,
    log10,
    logaddexp,
    logaddexp2,
    logit,
    rad2deg,
    reciprocal,
    round,
    rsqrt,
    sigmoid,
    sin,
    sinc,
    sinh,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
    xlogy,
)
from ops.fold import channel_shuffle, pixel_shuffle, pixel_unshuffle
from ops.joining import (
    block_diag,
    cartesian_prod,
    cat,
    column_stack,
    concat,
    concatenate,
    dstack,
    hstack,
    meshgrid,
    row_stack,
    stack,
    vstack,
)
from ops.lazy_kernels import (
    get_float32_matmul_precision,
    get_num_threads,
    set_float32_matmul_precision,
    set_num_threads,
)
from ops.linear import addbmm, addmm, addmv, addr, baddbmm, bmm, dot, ger, inner, matmul, mm, mv, outer, vdot
from ops.methods import METHODS
from ops.norm import group_norm, layer_norm, rms_norm
from ops.padding import constant_pad_nd
from ops.rearranging import flip, fliplr, flipud, repeat_interleave, roll, rot90, tile, tril, triu
from ops.reduction import (
    all,
    amax,
    amin,
    aminmax,
    any,
    argmax,
    argmin,
    count_nonzero,
    dist,
    logsumexp,
    max,
    mean,
    min,
    nanmean,
    nansum,
    norm,
    prod,
    std,
    std_mean,
    sum,
    var,
    var_mean,
)
from ops.refusing import refuse_others
from ops.sampling import (
    bernoulli,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
)
from ops.scan import cummax, cummin, cumprod, cumsum, diff
from ops.scattering import gather, scatter, scatter_add, scatter_reduce, take_along_dim
from ops.selecting import (
    argwhere,
    index_add,
    index_copy,
    index_fill,
    index_put,
    index_select,
    masked_scatter,
    masked_select,
    nonzero,
    put,
    take,
)
from ops.shape import (
    atleast_1d,
    atleast_2d,
    atleast_3d,
    broadcast_shapes,
    broadcast_tensors,
    broadcast_to,
    clone,
    flatten,
    moveaxis,
    movedim,
    permute,
    ravel,
    reshape,
    squeeze,
    swapaxes,
    swapdims,
    t,
    transpose,
    unflatten,
    unsqueeze,
)
from ops.slicing import (
    chunk,
    diag,
    diag_embed,
    diagflat,
    diagonal,
    dsplit,
    hsplit,
    narrow,
    select,
    split,
    split_with_sizes,
    tensor_split,
    unbind,
    vsplit,
)
from ops.softmax import log_softmax, softmax
from ops.sorting import argsort, kthvalue, msort, sort, topk

keep_freed_memory()

autograd = sys.modules[__name__]  # so that torch.autograd.grad is found where torch is this package

# In-place methods that are functions too.
(
    abs_, acos_, acosh_, addmv_, arccos_, arccosh_, arcsin_, arcsinh_, arctan_, arctanh_, asin_, asinh_, atan_,
    atanh_, ceil_, clamp_, clamp_max_, clamp_min_, clip_, cos_, cosh_, deg2rad_, detach_, erf_, erfc_, exp2_,
    exp_, expm1_, fill_, fix_, floor_, frac_, gcd_, index_put_, lcm_, log10_, log1p_, log2_, log_, logit_,
    nan_to_num_, neg_, negative_, rad2deg_, reciprocal_, relu_, round_, rsqrt_, sigmoid_, sin_, sinc_, sinh_,
    sqrt_, square_, tan_, tanh_, trunc_, xlogy_, zero_,
) = (METHODS[name] for name in (
    "abs_", "acos_", "acosh_", "addmv_", "arccos_", "arccosh_", "arcsin_", "arcsinh_", "arctan_", "arctanh_",
    "asin_", "asinh_", "atan_", "atanh_", "ceil_", "clamp_", "clamp_max_", "clamp_min_", "clip_", "cos_",
    "cosh_", "deg2rad_", "detach_", "erf_", "erfc_", "exp2_", "exp_", "expm1_", "fill_", "fix_", "floor_",
    "frac_", "gcd_", "index_put_", "lcm_", "log10_", "log1p_", "log2_", "log_", "logit_", "nan_to_num_", "neg_",
    "negative_", "rad2deg_", "reciprocal_", "relu_", "round_", "rsqrt_", "sigmoid_", "sin_", "sinc_", "sinh_",
    "sqrt_", "square_", "tan_", "tanh_", "trunc_", "xlogy_", "zero_",
))  # fmt: skip

newaxis = None

# Last, and as attributes alone: these hide Python's own names.
bool = dtypes.bool_
double = dtypes.float64
float = dtypes.float32
half = dtypes.float16
int = dtypes.int32
long = dtypes.int64
short = dtypes.int16

__all__ = [
    "Function", "Generator", "Size", "Tensor", "abs", "absolute", "acos", "acosh", "add", "addbmm",
    "addcdiv", "addcmul", "addmm", "addmv", "addr", "all", "allclose", "alpha_dropout", "amax", "amin",
    "aminmax", "any", "arange", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh",
    "argmax", "argmin", "argsort", "argwhere", "as_tensor", "asarray", "asin", "asinh", "atan", "atan2",
    "atanh", "atleast_1d", "atleast_2d", "atleast_3d", "autograd", "backward", "baddbmm", "bernoulli",
    "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift",
    "bitwise_xor", "block_diag", "bmm", "bool", "broadcast_shapes", "broadcast_tensors", "broadcast_to",
    "can_cast", "cartesian_prod", "cat", "ceil", "celu", "chain_matmul", "channel_shuffle", "chunk",
    "clamp", "clamp_max", "clamp_min", "clip", "clone", "column_stack", "concat", "concatenate",
    "constant_pad_nd", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "copysign", "cos", "cosh", "cosine_similarity", "count_nonzero", "cuda", "cummax",
    "cummin", "cumprod", "cumsum", "default_generator", "deg2rad", "detach", "detect_anomaly", "device", "diag",
    "diag_embed", "diagflat", "diagonal", "diff", "dist", "div", "divide", "dot", "double", "dropout",
    "dsplit", "dstack", "dtype", "e", "einsum", "empty", "empty_cache", "empty_like", "empty_strided", "enable_grad",
    "eq", "equal", "erf", "erfc", "exp", "exp2", "expm1", "eye", "feature_alpha_dropout", "fill", "finfo",
    "fix", "flatten", "flip", "fliplr", "flipud", "float", "float16", "float32", "float64", "float_power",
    "floor", "floor_divide", "fmax", "fmin", "fmod", "frac", "from_dlpack", "from_numpy", "full",
    "full_like", "func", "functional", "gather", "gcd", "ge", "ger", "get_default_dtype",
    "get_float32_matmul_precision", "get_num_threads", "get_rng_state",
    "grad", "gradcheck", "gradgradcheck", "greater", "greater_equal", "group_norm", "gt", "half",
    "hardshrink", "heaviside", "hsplit", "hstack", "hypot", "iinfo", "index_add", "index_copy",
    "index_fill", "index_put", "index_select", "inf", "inference_mode", "initial_seed", "inner", "int",
    "int8", "int16", "int32", "int64", "is_anomaly_check_nan_enabled", "is_anomaly_enabled",
    "is_floating_point", "is_grad_enabled", "is_tensor", "isclose",
    "isfinite", "isin", "isinf", "isnan", "isneginf", "isposinf", "isreal", "kron", "kthvalue",
    "layer_norm", "lcm", "le", "lerp", "less", "less_equal", "linalg", "linspace", "load", "log", "log1p",
    "log2", "log10", "log_softmax", "logaddexp", "logaddexp2", "logical_and", "logical_not", "logical_or",
    "logical_xor", "logit", "logspace", "logsumexp", "long", "lt", "manual_seed", "masked_fill",
    "masked_scatter", "masked_select", "matmul", "matrix_power", "max", "maximum", "mean", "memory_summary", "meshgrid",
    "min", "minimum", "mm", "moveaxis", "movedim", "msort", "mul", "multinomial", "multiply", "mv", "nan",
    "nan_to_num", "nanmean", "nansum", "narrow", "ne", "neg", "negative", "newaxis", "no_grad", "nonzero",
    "norm", "normal", "not_equal", "numel", "ones", "ones_like", "outer", "pairwise_distance", "permute",
    "pi", "pixel_shuffle", "pixel_unshuffle", "positive", "pow", "prelu", "prod", "promote_types", "put",
    "rad2deg", "rand", "rand_like", "randint", "randint_like", "randn", "randn_like", "randperm", "ravel",
    "reciprocal", "relu", "remainder", "repeat_interleave", "reshape", "result_type", "rms_norm", "roll",
    "rot90", "round", "row_stack", "rrelu", "rsqrt", "rsub", "save", "scalar_tensor", "scatter",
    "scatter_add", "scatter_reduce", "seed", "select", "selu", "set_default_dtype", "set_detect_anomaly",
    "set_float32_matmul_precision", "set_grad_enabled",
    "set_num_threads", "set_printoptions", "set_rng_state", "sgn", "short", "sigmoid", "sign", "signbit",
    "sin", "sinc", "sinh", "softmax", "sort", "split", "split_with_sizes", "sqrt", "square", "squeeze",
    "stack", "std", "std_mean", "sub", "subtract", "sum", "swapaxes", "swapdims", "t", "take",
    "take_along_dim", "tan", "tanh", "tensor", "tensor_split", "tensordot", "threshold", "tile", "topk",
    "trace_nans", "transpose", "tril", "tril_indices", "triu", "triu_indices", "true_divide", "trunc", "uint8",
    "unbind", "unflatten", "unsqueeze", "var", "var_mean", "vdot", "vmap", "vsplit", "vstack", "where", "xlogy",
    "zeros", "zeros_like",
]  # fmt: skip

# Those that ask for it refuse what is no tensor by themselves; element types are none.
refuse_others(globals(), {*__all__, "detach_", "fill_", "index_put_", "zero_"} - {
    "add", "alpha_dropout", "bmm", "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d",
    "conv_transpose3d", "div", "dropout", "feature_alpha_dropout", "group_norm", "layer_norm", "log_softmax",
    "matmul", "mean", "mm", "mv", "outer", "pow", "promote_types", "rms_norm", "round", "softmax", "sub",
})  # fmt: skip
