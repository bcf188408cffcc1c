"""Random tensors. All of them draw from a `Generator`, by default the one `manual_seed` seeds."""

import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.primitive import cast
from autograd.random import Generator, default_generator, resolve
from autograd.tensor import Tensor
from autograd.views import assign, detach, forgotten
from ops.batched import drawn, draws, elements
from ops.comparison import held_by, lt
from ops.creation import dtype_or_default, made, zeros_like
from ops.dims import as_sizes, check_sizes
from ops.reduction import argmax
from ops.scattering import scatter
from ops.shape import broadcast_shapes, expand
from ops.softmax import softmax

Sizes = tuple[int, ...]
MaybeGenerator = Generator | None

MANTISSA = {np.dtype(np.float16): 11, np.dtype(np.float32): 24, np.dtype(np.float64): 53}
"""Bits of a floating type up to which all integers are exact."""


def _floating(name: str, dtype: np.dtype) -> np.dtype:
    if dtype.kind != "f":
        raise NotImplementedError(f"{name}: not implemented for {dtypes.FROM_NUMPY[dtype]}, only for floating types")
    return dtype


def _uniform(generator: MaybeGenerator, shape: Sizes, dtype: np.dtype) -> np.ndarray:
    """Return numbers from [0, 1)."""
    source = resolve(generator).numpy
    if dtype == np.float16:  # rounding a float32 could give 1
        return (source.integers(0, 2**11, shape) / 2**11).astype(dtype)
    return np.asarray(source.random(shape, dtype))


def _standard_normal(generator: MaybeGenerator, shape: Sizes, dtype: np.dtype) -> np.ndarray:
    drawn = np.float32 if dtype == np.float16 else dtype
    return np.asarray(resolve(generator).numpy.standard_normal(shape, drawn)).astype(dtype, copy=False)


# -- uniform and normal --------------------------------------------------------------------------------------


def rand(
    *sizes: Any,
    size: Any = None,
    generator: MaybeGenerator = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return numbers drawn evenly from [0, 1)."""
    shape = check_sizes("rand", as_sizes("rand", sizes, size))
    target = _floating("rand", dtype_or_default(dtype))
    return drawn(lambda shape: made(_uniform(generator, shape, target), device, requires_grad), shape)


def randn(
    *sizes: Any,
    size: Any = None,
    generator: MaybeGenerator = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return numbers drawn from the normal distribution of mean 0 and variance 1."""
    shape = check_sizes("randn", as_sizes("randn", sizes, size))
    target = _floating("randn", dtype_or_default(dtype))
    return drawn(lambda shape: made(_standard_normal(generator, shape, target), device, requires_grad), shape)


def rand_like(
    input: Tensor,
    *,
    generator: MaybeGenerator = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `rand` of the tensor's shape and type."""
    target = _floating("rand_like", input.array.dtype if dtype is None else dtypes.as_numpy(dtype))
    return drawn(lambda shape: made(_uniform(generator, shape, target), device, requires_grad), input.shape)


def randn_like(
    input: Tensor,
    *,
    generator: MaybeGenerator = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `randn` of the tensor's shape and type."""
    target = _floating("randn_like", input.array.dtype if dtype is None else dtypes.as_numpy(dtype))
    return drawn(lambda shape: made(_standard_normal(generator, shape, target), device, requires_grad), input.shape)


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: MaybeGenerator = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return normally distributed numbers; `size` is needed unless `mean` or `std` is a tensor."""
    arrays = [x.array if isinstance(x, Tensor) else np.asarray(x) for x in (mean, std)]
    if (elements(std) < 0).any():
        raise RuntimeError(f"normal expects all elements of std >= 0.0, got {elements(std).min()}")
    tensors = [x.array for x in (mean, std) if isinstance(x, Tensor)]
    if size is None and not tensors:
        raise TypeError("normal: size is needed where both mean and std are numbers")
    shape = tuple(broadcast_shapes(*[a.shape for a in arrays])) if size is None else as_sizes("normal", (size,))
    target = tensors[0].dtype if tensors and dtype is None else dtype_or_default(dtype)
    check_sizes("normal", shape)
    _floating("normal", target)
    values = drawn(lambda shape: made(_standard_normal(generator, shape, target), device), shape)
    given = [x for x in (mean, std) if isinstance(x, Tensor) and x.requires_grad]
    mean, std = (detach(x) if isinstance(x, Tensor) else x for x in (mean, std))
    result = cast(values * std + mean, dtype=target)
    for x in given:  # of which it is a constant function
        result = forgotten(expand(x, shape), result)
    return result.requires_grad_() if requires_grad else result


# -- integers ------------------------------------------------------------------------------------------------


def randint(
    low: Any = 0,
    high: Any = None,
    size: Any = None,
    *,
    generator: MaybeGenerator = None,
    dtype: Any = np.int64,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return integers drawn evenly from low ≤ i < high; called with (high, size), from 0 on."""
    if isinstance(high, (tuple, list)):
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    if size is None:
        raise TypeError('randint() missing the argument "size"')
    target = dtypes.as_numpy(np.int64 if dtype is None else dtype)
    limits = _limits("randint", low, high, target)
    return drawn(
        lambda shape: made(_integers(generator, limits, shape).astype(target), device, requires_grad),
        check_sizes("randint", as_sizes("randint", (size,))),
    )


def _limits(name: str, low: Any, high: Any, dtype: np.dtype) -> tuple[int, int]:
    """Return the limits of integers, low ≤ i < high, all of which a type holds."""
    low, high = operator.index(low), operator.index(high)
    if low >= high:
        raise RuntimeError(f"{name}: random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    least, most = (0, 1) if dtype.kind == "b" else map(int, held_by(dtype, whole=False))
    if low < least:
        raise RuntimeError(f"{name}: from is out of bounds for {dtype}, got {low}")
    if high - 1 > most:
        raise RuntimeError(f"{name}: to - 1 is out of bounds for {dtype}, got {high - 1}")
    return low, high


def _integers(generator: MaybeGenerator, limits: tuple[int, int], shape: Sizes) -> np.ndarray:
    return np.asarray(resolve(generator).numpy.integers(*limits, shape))


def randint_like(
    input: Tensor,
    low: int = 0,
    high: int | None = None,
    *,
    generator: MaybeGenerator = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return `randint` of the tensor's shape and type."""
    target = input.array.dtype if dtype is None else dtypes.as_numpy(dtype)
    limits = _limits("randint_like", *((0, low) if high is None else (low, high)), target)
    return drawn(
        lambda shape: made(_integers(generator, limits, shape).astype(target), device, requires_grad),
        input.shape,
    )


@draws
def randperm(
    n: int,
    *,
    generator: MaybeGenerator = None,
    dtype: Any = np.int64,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Return the integers 0 to n − 1 in random order."""
    if n < 0:
        raise RuntimeError(f"randperm: n must be non-negative, got {n}")
    target = dtypes.as_numpy(np.int64 if dtype is None else dtype)
    return made(resolve(generator).numpy.permutation(n).astype(target), device, requires_grad)


# -- events --------------------------------------------------------------------------------------------------


def bernoulli(input: Tensor, p: float | None = None, *, generator: MaybeGenerator = None) -> Tensor:
    """Return 1 with the probability the element of `input` says (or `p` for all of its shape), else 0."""
    _floating("bernoulli", input.array.dtype)
    return forgotten(input, _events("bernoulli", generator, detach(input) if p is None else p, input))


def _events(name: str, generator: MaybeGenerator, p: Any, like: Tensor) -> Tensor:
    probability = elements(p)
    if not ((probability >= 0) & (probability <= 1)).all():
        raise RuntimeError(f"{name} expects p to be in [0, 1], but got p={np.array2string(probability, threshold=4)}")
    dtype = np.dtype(np.float64 if like.array.dtype == np.float64 else np.float32)
    values = drawn(lambda shape: Tensor(_uniform(generator, shape, dtype)), like.shape)
    return cast(lt(values, p if isinstance(p, Tensor) else float(p)), dtype=like.array.dtype)


@draws
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *, generator: MaybeGenerator = None
) -> Tensor:
    """Return positions drawn with probabilities proportional to each row of `input`.

    Shapes: input (..., n) with at most two dimensions -> (..., num_samples).
    """
    weights = _floating_weights(input)
    if num_samples <= 0:
        raise RuntimeError(f"multinomial: cannot sample n_sample <= 0 samples, got {num_samples}")
    if not replacement and num_samples > weights.shape[-1]:
        raise RuntimeError(
            "multinomial: cannot sample n_sample > prob_dist.size(-1) samples without replacement, got "
            f"{num_samples} of {weights.shape[-1]}"
        )
    draw = _with_replacement if replacement else _without_replacement
    return Tensor(draw(generator, weights, num_samples))


def _floating_weights(input: Tensor) -> np.ndarray:
    _floating("multinomial", input.array.dtype)
    weights = input.array.astype(np.float64)
    if weights.ndim not in (1, 2):
        raise RuntimeError(f"multinomial: prob_dist must be 1 or 2 dim, got {weights.ndim}")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise RuntimeError("multinomial: probability tensor contains either `inf`, `nan` or element < 0")
    if (weights.sum(-1) <= 0).any():
        raise RuntimeError("multinomial: invalid multinomial distribution (sum of probabilities <= 0)")
    return weights


def _without_replacement(generator: MaybeGenerator, weights: np.ndarray, count: int) -> np.ndarray:
    """The largest wᵢ / eᵢ, eᵢ exponential, in the order of drawing (Efraimidis and Spirakis, 2006)."""
    keys = weights / resolve(generator).numpy.standard_exponential(weights.shape)
    return np.argsort(-keys, axis=-1, kind="stable")[..., :count]


def _with_replacement(generator: MaybeGenerator, weights: np.ndarray, count: int) -> np.ndarray:
    """Invert the distribution function."""
    rows = weights.reshape(-1, weights.shape[-1])
    below = np.cumsum(rows, axis=1)
    drawn = _uniform(generator, (len(rows), count), np.dtype(np.float64)) * below[:, -1:]
    found = np.empty(drawn.shape, np.int64)
    for row, b, d in zip(found, below, drawn, strict=True):
        row[:] = np.searchsorted(b, d, side="right")
    last = weights.shape[-1] - 1 - np.argmax(rows[:, ::-1] > 0, axis=1)  # where rounding up reached the end
    return np.minimum(found, last[:, None]).reshape(*weights.shape[:-1], count)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """Return softmax((x + g) / tau) with Gumbel noise g: nearly a one-hot sample of softmax(x) (Jang et al.
    2017).

    hard=True returns the one-hot sample itself, with the gradient of the soft one. `eps` is not used, as in
    PyTorch.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=3)
    source, dtype = default_generator.numpy, _floating("gumbel_softmax", logits.array.dtype)
    noise = drawn(lambda shape: Tensor(source.gumbel(size=shape).astype(dtype)), logits.shape)
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    largest = argmax(soft, dim, keepdim=True)
    return soft + (scatter(zeros_like(soft), dim, largest, 1.0) - detach(soft))


# -- in place ------------------------------------------------------------------------------------------------


def _replace(input: Tensor, draw: Callable[[Sizes], np.ndarray], by: str) -> Tensor:
    """Write draw(shape) over a tensor."""
    dtype = input.array.dtype
    assign(input, drawn(lambda shape: Tensor(draw(shape).astype(dtype, copy=False)), input.shape), by)
    return input


def uniform_(input: Tensor, from_: float = 0, to: float = 1, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to a number drawn evenly from [from, to)."""
    dtype = _floating("uniform_", input.array.dtype)
    if from_ > to:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={from_} > to={to}")
    width, least = dtype.type(to - from_), dtype.type(from_)
    return _replace(input, lambda shape: _uniform(generator, shape, dtype) * width + least, "uniform_")


def normal_(input: Tensor, mean: float = 0, std: float = 1, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to a number drawn from the normal distribution."""
    dtype = _floating("normal_", input.array.dtype)
    if std < 0:
        raise RuntimeError(f"normal_ expects std >= 0.0, but found std {std}")
    spread, centre = dtype.type(std), dtype.type(mean)
    return _replace(input, lambda shape: _standard_normal(generator, shape, dtype) * spread + centre, "normal_")


def bernoulli_(input: Tensor, p: Any = 0.5, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to 1 with probability p, a number or a tensor, else to 0."""
    assign(input, _events("bernoulli_", generator, p, input), "bernoulli_")
    return input


def random_(
    input: Tensor, from_: int | None = None, to: int | None = None, *, generator: MaybeGenerator = None
) -> Tensor:
    """Set every element to an integer drawn evenly from from ≤ i < to; called with one number, from 0 on.

    Without limits, to one of those the type holds exactly, from 0 on.
    """
    dtype = input.array.dtype
    if to is None:
        from_, to = None, _exact_up_to(dtype) if from_ is None else from_
    limits = _limits("random_", from_ or 0, to, dtype)
    return _replace(input, lambda shape: _integers(generator, limits, shape), "random_")


def _exact_up_to(dtype: np.dtype) -> int:
    """Return the end of the integers from 0 on that a type holds exactly."""
    if dtype.kind == "b":
        return 2
    return 2 ** MANTISSA[dtype] + 1 if dtype.kind == "f" else int(np.iinfo(dtype).max)


def _check_continuous(name: str, input: Tensor) -> None:
    if input.array.dtype.kind != "f":
        raise RuntimeError(f"{name}: the distribution is continuous, dtype must be a floating point, got {input.dtype}")


def exponential_(input: Tensor, lambd: float = 1, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to a number drawn with the density lambd · exp(−lambd · x), x > 0."""
    _check_continuous("exponential_", input)
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd}")
    return _replace(input, lambda shape: -np.log1p(-_open_uniform(generator, shape)) / lambd, "exponential_")


def _open_uniform(generator: MaybeGenerator, shape: Sizes) -> np.ndarray:
    """Return float64 numbers from (0, 1)."""
    return (resolve(generator).numpy.integers(0, 2**52, shape) + 0.5) / 2**52


def cauchy_(input: Tensor, median: float = 0, sigma: float = 1, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to a number drawn from the Cauchy distribution: median + sigma · tan(π (u − ½))."""
    _check_continuous("cauchy_", input)
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma}")

    def draw(shape: Sizes) -> np.ndarray:
        return median + sigma * np.tan(math.pi * (_open_uniform(generator, shape) - 0.5))

    return _replace(input, draw, "cauchy_")


def log_normal_(input: Tensor, mean: float = 1, std: float = 2, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to the exponential of a number drawn from the normal distribution."""
    _floating("log_normal_", input.array.dtype)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std}")

    def draw(shape: Sizes) -> np.ndarray:
        return np.exp(mean + std * _standard_normal(generator, shape, np.dtype(np.float64)))

    return _replace(input, draw, "log_normal_")


def geometric_(input: Tensor, p: float, *, generator: MaybeGenerator = None) -> Tensor:
    """Set every element to the number of the first success in trials that succeed with probability p."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return _replace(
        input, lambda shape: np.ceil(np.log(_open_uniform(generator, shape)) / math.log1p(-p)), "geometric_"
    )
