"""Normalisation: by the statistics of a channel, of a layer, of a group of channels, of one image's channel.

All standardise x over some axes, h = (x − mean) / √(var + eps) with the biased variance, then scale and
shift, y = weight · h + bias. The gradient of x goes through mean and variance:

    dx = (dh − avg(dh) − h · avg(dh · h)) / √(var + eps),  dh = weight · dy,

with averages over the same axes (Ioffe and Szegedy 2015, section 3).
"""

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.batching import Batch, BatchedTensor, is_batched
from autograd.primitive import primitive
from autograd.tensor import Tensor
from autograd.views import write
from ops.conv_each import joined, separated
from ops.elementary import rsqrt
from ops.lazy_kernels import norm, row_norm
from ops.padding import pad
from ops.pool import avg_pool2d
from ops.reduction import mean, sum
from ops.shape import movedim, ravel, reshape, with_shape

Array = np.ndarray[Any, Any]
Shape = tuple[int, ...]
Observer = Callable[[Array, Array], None]


# -- primitives ----------------------------------------------------------------------------------------------


@primitive(residual=True)
def batch_normalized(x: Any, weight: Any, bias: Any, *, eps: float, observe: Observer) -> Any:
    """y[n, c, p] = weight[c] · h[n, c, p] + bias[c], h standardised over n and p; x (N, C, ...).

    `observe` is told the mean and the biased variance of every channel.
    """
    result = norm.batch_norm_forward(_channels(x), weight, bias, eps=eps)
    observe(result.mean, result.var)
    return result.y.reshape(x.shape), (result.mean, result.invstd)


@batch_normalized.joint_vjp
def _(grad: Any, _: Any, x: Any, weight: Any, residual: Any, eps: float) -> tuple[Any, Any, Any]:
    if isinstance(grad, Tensor):
        dy, lines = (reshape(each, _channels_shape(x.shape)) for each in (grad, x))
        dx, dweight, dbias = _standardized_grad(dy, lines, _column(weight), (0, 2), (0, 2), eps)
        return reshape(dx, x.shape), dweight, dbias
    result = norm.batch_norm_backward(_channels(grad), _channels(x), weight, *residual, training=True)
    return result.dx.reshape(x.shape), result.dweight, result.dbias


@primitive
def channelwise_affine(x: Any, weight: Any, bias: Any, *, mean: Array, invstd: Array) -> Array:
    """y[n, c, p] = weight[c] · (x[n, c, p] − mean[c]) · invstd[c] + bias[c]: batch norm by constants; x (N,
    C, ...).
    """
    return norm.batch_norm_apply(_channels(x), weight, bias, mean, invstd).reshape(x.shape)


@channelwise_affine.joint_vjp
def _(grad: Any, _: Any, x: Any, weight: Any, mean: Array, invstd: Array) -> tuple[Any, Any, Any]:
    if isinstance(grad, Tensor):
        dy, lines = (reshape(each, _channels_shape(x.shape)) for each in (grad, x))
        centre, slope = Tensor(mean.reshape(-1, 1)), Tensor(invstd.reshape(-1, 1))
        dh = dy if weight is None else dy * _column(weight)
        dweight = sum(dy * ((lines - centre) * slope), dim=(0, 2))
        return reshape(dh * slope, x.shape), dweight, sum(dy, dim=(0, 2))
    result = norm.batch_norm_backward(_channels(grad), _channels(x), weight, mean, invstd, training=False)
    return result.dx.reshape(x.shape), result.dweight, result.dbias


@primitive(residual=True)
def layer_normalized(x: Any, weight: Any, bias: Any, *, dims: int, eps: float) -> Any:
    """y[m, d] = weight[d] · h[m, d] + bias[d], h standardised over d, all of the last `dims` axes."""
    result = row_norm.layer_norm_forward(_rows(x, dims), _flat(weight), _flat(bias), eps=eps)
    return result.y.reshape(x.shape), (result.mean, result.invstd)


@layer_normalized.joint_vjp
def _(grad: Any, _: Any, x: Any, weight: Any, residual: Any, dims: int, eps: float) -> tuple[Any, Any, Any]:
    if isinstance(grad, Tensor):
        last, first = tuple(range(grad.ndim - dims, grad.ndim)), tuple(range(grad.ndim - dims))
        return _standardized_grad(grad, x, weight, last, first, eps)
    size = x.shape[x.ndim - dims :]
    result = row_norm.layer_norm_backward(_rows(grad, dims), _rows(x, dims), _flat(weight), *residual)
    return result.dx.reshape(x.shape), result.dweight.reshape(size), result.dbias.reshape(size)


@primitive(residual=True)
def group_normalized(x: Any, weight: Any, bias: Any, *, groups: int, eps: float) -> Any:
    """y[n, c, p] = weight[c] · h[n, c, p] + bias[c], h standardised over p and the channels of c's group; x
    (N, C, ...).
    """
    result = row_norm.group_norm_forward(_channels(x), groups, weight, bias, eps=eps)
    return result.y.reshape(x.shape), (result.mean, result.invstd)


@group_normalized.joint_vjp
def _(grad: Any, _: Any, x: Any, weight: Any, residual: Any, groups: int, eps: float) -> tuple[Any, Any, Any]:
    if isinstance(grad, Tensor):
        images, channels, positions = _channels_shape(x.shape)
        shape = (images, groups, channels // groups, positions)
        scale = None if weight is None else reshape(weight, (*shape[1:3], 1))
        dy, blocks = (reshape(each, shape) for each in (grad, x))
        dx, dweight, dbias = _standardized_grad(dy, blocks, scale, (2, 3), (0, 3), eps)
        return reshape(dx, x.shape), reshape(dweight, (channels,)), reshape(dbias, (channels,))
    result = row_norm.group_norm_backward(_channels(grad), _channels(x), groups, weight, *residual)
    return result.dx.reshape(x.shape), result.dweight, result.dbias


def _standardized_grad(
    grad: Any, x: Any, weight: Any, axes: Shape, weight_axes: Shape, eps: float
) -> tuple[Any, Any, Any]:
    """Return dx, dweight, dbias by recordable ops: x is standardised over `axes`, weight repeats over
    `weight_axes`.
    """
    centred = x - mean(x, dim=axes, keepdim=True)
    invstd = rsqrt(mean(centred * centred, dim=axes, keepdim=True) + eps)
    h = centred * invstd
    dh = grad if weight is None else grad * weight
    dx = invstd * (dh - mean(dh, dim=axes, keepdim=True) - h * mean(dh * h, dim=axes, keepdim=True))
    if not weight_axes:
        return dx, grad * h, grad
    return dx, sum(grad * h, dim=weight_axes), sum(grad, dim=weight_axes)


# Under vmap.


@batch_normalized.joint_vmap
def _(batch: Batch, x: Any, weight: Any, bias: Any, eps: float, observe: Observer) -> Any:
    """The channels of all samples are channels of one batch of images."""
    if not batch.of[0]:
        y = batch_normalized(x, None, None, eps=eps, observe=observe)
        return _each_affine(batch, reshape(y, (1, *y.shape)), weight, bias, (1, -1, *[1] * (x.ndim - 2)))
    _, images, channels, positions = shape = (*x.shape[:3], math.prod(x.shape[3:]))
    affine = [None if each is None else ravel(each) for each in batch.everywhere((weight, bias), 1)]
    wide = reshape(movedim(reshape(x, shape), 0, 1), (images, batch.size * channels, positions))

    def observe_each(mean: Array, var: Array) -> None:
        observe(mean.reshape(batch.size, channels), var.reshape(batch.size, channels))

    y = batch_normalized(wide, *affine, eps=eps, observe=observe_each)
    return reshape(movedim(reshape(y, (images, batch.size, channels, positions)), 1, 0), x.shape)


@channelwise_affine.joint_vmap
def _(batch: Batch, x: Any, weight: Any, bias: Any, mean: Array, invstd: Array) -> Any:
    if batch.of == (True, False, False):
        return separated(channelwise_affine(joined(x), weight, bias, mean=mean, invstd=invstd), batch.size)
    (x,) = batch.everywhere((x,))
    y = separated(channelwise_affine(joined(x), None, None, mean=mean, invstd=invstd), batch.size)
    return _each_affine(batch, y, weight, bias, (1, -1, *[1] * (x.ndim - 3)))


@layer_normalized.joint_vmap
def _(batch: Batch, x: Any, weight: Any, bias: Any, dims: int, eps: float) -> Any:
    if batch.of == (True, False, False):
        return layer_normalized(x, weight, bias, dims=dims, eps=eps)
    (x,) = batch.everywhere((x,))
    y = layer_normalized(x, None, None, dims=dims, eps=eps)
    return _each_affine(batch, y, weight, bias, (*[1] * (x.ndim - 1 - dims), *x.shape[x.ndim - dims :]))


@group_normalized.joint_vmap
def _(batch: Batch, x: Any, weight: Any, bias: Any, groups: int, eps: float) -> Any:
    if batch.of == (True, False, False):
        return separated(group_normalized(joined(x), weight, bias, groups=groups, eps=eps), batch.size)
    (x,) = batch.everywhere((x,))
    y = separated(group_normalized(joined(x), None, None, groups=groups, eps=eps), batch.size)
    return _each_affine(batch, y, weight, bias, (1, -1, *[1] * (x.ndim - 3)))


def _each_affine(batch: Batch, y: Any, weight: Any, bias: Any, shape: Shape) -> Any:
    """Return weight · y + bias, the two of `shape` for each sample."""
    weight, bias = (
        None if each is None else reshape(each, (batch.size if own else 1, *shape))
        for each, own in zip((weight, bias), batch.of[1:], strict=True)
    )
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _channels_shape(shape: Shape) -> Shape:
    """Return (N, C, P), P all positions of an image."""
    return (shape[0], shape[1], math.prod(shape[2:]))


def _channels(x: Array) -> Array:
    return with_shape(x, _channels_shape(x.shape))


def _rows(x: Array, dims: int) -> Array:
    split = x.ndim - dims
    return with_shape(x, (math.prod(x.shape[:split]), math.prod(x.shape[split:])))


def _flat(weight: Array | None) -> Array | None:
    return None if weight is None else weight.reshape(weight.size)


def _column(weight: Any) -> Any:
    return None if weight is None else weight.reshape((-1, 1))


# -- public functions ----------------------------------------------------------------------------------------


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise every channel of input (N, C, ...): by the batch's statistics in training, else by the
    running ones.

    Training also moves the running statistics, running ← (1 − momentum) running + momentum · statistic, with
    the unbiased variance.
    """
    _check_batch_norm(input, running_mean, running_var, (weight, bias), eps)
    if not training:
        if running_mean is None or running_var is None:
            missing = "running_mean" if running_mean is None else "running_var"
            raise RuntimeError(f"batch_norm: {missing} must be defined in evaluation mode")
        if is_batched(running_mean, running_var):
            shape = (1, -1, *[1] * (input.ndim - 2))
            mean, var = (reshape(x, shape) for x in (running_mean, running_var))
            return _affine((input - mean) * rsqrt(var + eps), weight, bias, shape)
        slope = 1 / np.sqrt(running_var.array.astype(np.float64) + eps)
        return channelwise_affine(
            input, weight, bias, mean=running_mean.array.copy(), invstd=slope.astype(input.array.dtype)
        )
    count = math.prod(input.array.shape) // max(input.array.shape[1], 1)
    if count == 1:
        raise ValueError(
            f"batch_norm: Expected more than 1 value per channel when training, got input size {list(input.shape)}"
        )

    _check_running("batch_norm", input, running_mean, running_var)

    def observe(mean: Array, var: Array) -> None:
        if count:
            _move(running_mean, mean, momentum)
            _move(running_var, var * (count / (count - 1)), momentum)

    return batch_normalized(input, weight, bias, eps=eps, observe=observe)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """Normalise every channel of every image of input (N, C, ...) by itself (Ulyanov, Vedaldi and Lempitsky
    2016).

    Running statistics move towards the average over the images; `use_input_stats=False` normalises by them.
    """
    shape = _shape_of("instance_norm", input)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError("instance_norm: Expected running_mean and running_var when use_input_stats is false")
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    _check_batch_norm(input, running_mean, running_var, (weight, bias), eps, "instance_norm")
    images, channels, positions = _channels_shape(shape)
    if positions == 1:
        raise ValueError(
            f"instance_norm: Expected more than 1 spatial element when training, got input size {list(shape)}"
        )

    _check_running("instance_norm", input, running_mean, running_var)

    def observe(mean: Array, var: Array) -> None:
        if images and running_mean is not None:
            _move(running_mean, mean.reshape(images, channels).mean(0), momentum)
            _move(running_var, var.reshape(images, channels).mean(0) * (positions / (positions - 1)), momentum)

    weight, bias = (None if x is None else x.expand(images, channels).reshape((-1,)) for x in (weight, bias))
    y = batch_normalized(input.reshape((1, images * channels, positions)), weight, bias, eps=eps, observe=observe)
    return y.reshape(shape)


def layer_norm(input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise over the last axes, of sizes `normalized_shape`; weight and bias have that shape (Ba et al.
    2016).
    """
    dims = _check_normalized_shape("layer_norm", input, normalized_shape, (("weight", weight), ("bias", bias)))
    return layer_normalized(input, weight, bias, dims=dims, eps=eps)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    """Normalise groups of channels of every image of input (N, C, ...); weight and bias (C,) (Wu and He
    2018).
    """
    shape = _shape_of("group_norm", input)
    if len(shape) < 2:
        raise RuntimeError(f"group_norm: Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if num_groups <= 0 or shape[1] % num_groups:
        raise RuntimeError(
            "group_norm: Expected number of channels in input to be divisible by num_groups, but got input "
            f"of shape {list(shape)} and num_groups={num_groups}"
        )
    if shape[0] * math.prod(shape[2:]) * (shape[1] // num_groups) == 1:
        raise ValueError(
            f"group_norm: Expected more than 1 value per channel when training, got input size {list(shape)}"
        )
    for what, vector in (("weight", weight), ("bias", bias)):
        _check_vector("group_norm", what, vector, input, (shape[1],))
    return group_normalized(input, weight, bias, groups=num_groups, eps=eps)


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: float | None = None) -> Any:
    """y = weight · x / √(avg(x²) + eps) over the last axes (Zhang and Sennrich 2019).

    eps is by default the machine epsilon of the type.
    """
    dims = _check_normalized_shape("rms_norm", input, normalized_shape, (("weight", weight),))
    eps = float(np.finfo(input.array.dtype).eps) if eps is None else eps
    y = input * rsqrt(mean(input * input, dim=tuple(range(-dims, 0)), keepdim=True) + eps)
    return y if weight is None else y * weight


def local_response_norm(input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Any:
    """y[n, c] = x[n, c] / (k + alpha/size · Σ_j x[n, j]²)^beta, j the `size` channels about c (Krizhevsky et
    al. 2012).
    """
    shape = _shape_of("local_response_norm", input)
    if len(shape) < 3:
        raise ValueError(
            f"local_response_norm: Expected 3D or higher dimensionality input (got {len(shape)} dimensions)"
        )
    if not math.prod(shape):
        return input
    planes = (input * input).reshape((shape[0], 1, shape[1], math.prod(shape[2:])))
    averages = avg_pool2d(pad(planes, (0, 0, size // 2, (size - 1) // 2)), (size, 1), stride=1).reshape(shape)
    return input / (k + alpha * averages) ** beta


# -- arguments -----------------------------------------------------------------------------------------------


def _shape_of(name: str, input: Any) -> Shape:
    """Return the shape of an input that can be normalised."""
    if not isinstance(input, Tensor):
        raise TypeError(f"{name}: input must be a Tensor, not {type(input).__name__}")
    dtype = input.array.dtype
    if dtype.kind != "f" or dtype.itemsize == 2:
        raise NotImplementedError(f"{name}: expected float32 or float64, got {dtype}")
    return input.array.shape


def _check_vector(name: str, what: str, vector: Any, input: Tensor, shape: Shape) -> None:
    if vector is None:
        return
    if vector.array.shape != shape:
        raise RuntimeError(
            f"{name}: {what} should contain {math.prod(shape)} elements, shape {list(shape)}, but got shape "
            f"{list(vector.array.shape)}"
        )
    if vector.array.dtype != input.array.dtype:
        raise RuntimeError(f"{name}: mixed dtype: input is {input.dtype} but {what} is {vector.dtype}")


def _check_batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    affine: tuple[Any, Any],
    eps: float,
    name: str = "batch_norm",
) -> None:
    shape = _shape_of(name, input)
    if len(shape) < 2:
        raise RuntimeError(f"{name}: Expected at least 2 dimensions for input tensor but received {len(shape)}")
    if eps < 0:
        raise ValueError(f"{name} eps must be non-negative, but got {eps}")
    vectors = (
        ("running_mean", running_mean),
        ("running_var", running_var),
        ("weight", affine[0]),
        ("bias", affine[1]),
    )
    for what, vector in vectors:
        _check_vector(name, what, vector, input, (shape[1],))


def _check_normalized_shape(name: str, input: Any, normalized_shape: Any, vectors: tuple[tuple[str, Any], ...]) -> int:
    """Return how many axes are normalised."""
    shape = _shape_of(name, input)
    if not isinstance(normalized_shape, (tuple, list)):
        raise TypeError(f"{name}: normalized_shape must be a tuple of ints, not {type(normalized_shape).__name__}")
    sizes = tuple(map(operator.index, normalized_shape))
    if not sizes:
        raise RuntimeError(f"{name}: Expected normalized_shape to be at least 1-dimensional, but got []")
    if shape[max(len(shape) - len(sizes), 0) :] != sizes:
        raise RuntimeError(
            f"{name}: Given normalized_shape={list(sizes)}, expected input with shape [*, "
            f"{', '.join(map(str, sizes))}], but got input of size {list(shape)}"
        )
    for what, vector in vectors:
        _check_vector(name, what, vector, input, sizes)
    return len(sizes)


def _affine(y: Any, weight: Any, bias: Any, shape: Shape) -> Any:
    """Return weight · y + bias, the two under another shape."""
    y = y if weight is None else y * reshape(weight, shape)
    return y if bias is None else y + reshape(bias, shape)


def _check_running(name: str, input: Any, running_mean: Any, running_var: Any) -> None:
    """Refuse to move one running statistic towards those of every sample of a vmap."""
    for running in (running_mean, running_var):
        if is_batched(input) and running is not None and not is_batched(running):
            raise RuntimeError(
                f"{name}: vmap: inplace arithmetic on the running statistics is not possible: they are not vmapped "
                "over, but the input is. Use track_running_stats=False, or eval()."
            )


def _move(running: Any, statistic: Array, momentum: float) -> None:
    """Move a running statistic, where one is kept, towards the batch's; under vmap there is one per sample."""
    while type(running) is BatchedTensor:
        running = running.value
    if running is not None:
        write(running, (1 - momentum) * running.array + momentum * statistic, "batch_norm")
