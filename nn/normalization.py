"""Normalisation: subtract a mean, divide by a standard deviation, scale and shift."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.batching import innermost
from autograd.tensor import Tensor
from autograd.views import write
from nn import functional as F
from nn import init
from nn.module import Module
from nn.parameter import Parameter, empty, empty_parameter


class _Affine(Module):
    """A module with a weight and a bias, γ and β, either of which may be switched off."""

    weight: Parameter | None
    bias: Parameter | None

    def _set_affine(self, shape: Sequence[int], affine: bool, bias: bool, factory: dict[str, Any]) -> None:
        self.register_parameter("weight", empty_parameter(*shape, **factory) if affine else None)
        self.register_parameter("bias", empty_parameter(*shape, **factory) if affine and bias else None)

    def reset_parameters(self) -> None:
        """Set γ to 1 and β to 0."""
        if self.weight is not None:
            init.ones_(self.weight)
        if self.bias is not None:
            init.zeros_(self.bias)


class _ChannelNorm(_Affine):
    """What BatchNorm and InstanceNorm share: statistics of each channel, and running estimates of them."""

    _version = 2  # from 2 on, num_batches_tracked is part of the state
    running_mean: Any
    running_var: Any
    num_batches_tracked: Any
    dims: tuple[int, ...]  # how many dimensions an input may have

    def __init__(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        *,
        bias: bool,
        device: Any,
        dtype: Any,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        factory = {"device": device, "dtype": dtype}
        self._set_affine((num_features,), affine, bias, factory)
        track = track_running_stats
        self.register_buffer("running_mean", empty(num_features, **factory) if track else None)
        self.register_buffer("running_var", empty(num_features, **factory) if track else None)
        self.register_buffer("num_batches_tracked", Tensor(np.zeros((), np.int64)) if track else None)
        self.reset_running_stats()
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """Forget the running estimates: mean 0, variance 1, no batches."""
        if self.track_running_stats:
            init.zeros_(self.running_mean)
            init.ones_(self.running_var)
            init.zeros_(self.num_batches_tracked)

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            expected = " or ".join(f"{n}D" for n in self.dims)
            raise ValueError(f"expected {expected} input (got {input.ndim}D input)")

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        """Read checkpoints without `num_batches_tracked`, as older ones are."""
        if self.track_running_stats and (local_metadata.get("version") or 1) < 2:
            state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


class _BatchNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias=bias, device=device, dtype=dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by the batch's statistics, or outside training by the running estimates, if kept."""
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            count = innermost(self.num_batches_tracked)
            write(count, count.array + 1, "batch_norm")
            if self.momentum is None:
                momentum = 1.0 / float(self.num_batches_tracked)
        use_running = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if use_running else None,
            self.running_var if use_running else None,
            self.weight,
            self.bias,
            self.training or (self.running_mean is None and self.running_var is None),
            momentum,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    """yₙ꜀ = (xₙ꜀ - μ꜀) / √(σ²꜀ + eps)·γ꜀ + β꜀, with μ and σ² over the batch (Ioffe and Szegedy, 2015).

    Outside training, running estimates take their place: running ← (1 - momentum)·running + momentum·batch,
    where the batch's variance is the unbiased one.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: weight of a new batch in the running estimates; None: plain means over all batches.
        affine: whether γ and β are learned.
        track_running_stats: keep running estimates; without them, the batch's statistics are used always.
        dtype: type of parameters and estimates; default: the default floating type.
        bias: whether an affine layer has a β.

    Shapes:
        input (N, C) or (N, C, L), output the same, weight and bias (C,).
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """yₙ꜀ᵢⱼ = (xₙ꜀ᵢⱼ - μ꜀) / √(σ²꜀ + eps)·γ꜀ + β꜀, with μ and σ² over n, i and j (Ioffe and Szegedy, 2015).

    Outside training, running estimates take their place: running ← (1 - momentum)·running + momentum·batch,
    where the batch's variance is the unbiased one.

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: weight of a new batch in the running estimates; None: plain means over all batches.
        affine: whether γ and β are learned.
        track_running_stats: keep running estimates; without them, the batch's statistics are used always.
        dtype: type of parameters and estimates; default: the default floating type.
        bias: whether an affine layer has a β.

    Shapes:
        input (N, C, H, W), output the same, weight and bias (C,).
    """

    dims = (4,)


class _InstanceNorm(_ChannelNorm):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, bias=bias, device=device, dtype=dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by each image's statistics, or outside training by the running estimates, if kept."""
        self._check_input_dim(input)
        unbatched = input.ndim == self.dims[0]
        self._check_channels(input, 0 if unbatched else 1)
        y = F.instance_norm(
            input.unsqueeze(0) if unbatched else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return y.squeeze(0) if unbatched else y

    def _check_channels(self, input: Tensor, dim: int) -> None:
        if input.shape[dim] == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features ({self.num_features}), "
                f"but got: {input.shape[dim]}."
            )
        warnings.warn(
            f"input's size at dim={dim} does not match num_features. You can silence this warning by not "
            "passing in num_features, which is not used because affine=False",
            stacklevel=4,
        )


class InstanceNorm1d(_InstanceNorm):
    """yₙ꜀ᵢ = (xₙ꜀ᵢ - μₙ꜀) / √(σ²ₙ꜀ + eps)·γ꜀ + β꜀, with μ and σ² over i (Ulyanov et al., 2016).

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: weight of a new batch in the running estimates.
        affine: whether γ and β are learned.
        track_running_stats: keep running estimates, and use them outside training.
        dtype: type of parameters and estimates; default: the default floating type.
        bias: whether an affine layer has a β.

    Shapes:
        input (N, C, L) or (C, L), output the same, weight and bias (C,).
    """

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """yₙ꜀ᵢⱼ = (xₙ꜀ᵢⱼ - μₙ꜀) / √(σ²ₙ꜀ + eps)·γ꜀ + β꜀, with μ and σ² over i and j (Ulyanov et al., 2016).

    Args:
        num_features: C, the number of channels.
        eps: added to the variance.
        momentum: weight of a new batch in the running estimates.
        affine: whether γ and β are learned.
        track_running_stats: keep running estimates, and use them outside training.
        dtype: type of parameters and estimates; default: the default floating type.
        bias: whether an affine layer has a β.

    Shapes:
        input (N, C, H, W) or (C, H, W), output the same, weight and bias (C,).
    """

    dims = (3, 4)


def _as_shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (int(normalized_shape),) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)


class LayerNorm(_Affine):
    """y = (x - μ) / √(σ² + eps)·γ + β, with μ and σ² over the last dimensions (Ba et al., 2016).

    Args:
        normalized_shape: the sizes of the dimensions that are normalised, or of the last one alone.
        eps: added to the variance.
        elementwise_affine: whether γ and β are learned.
        bias: whether an affine layer has a β.
        dtype: type of the parameters; default: the default floating type.

    Shapes:
        input (..., *normalized_shape), output the same, weight and bias normalized_shape.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        self._set_affine(self.normalized_shape, elementwise_affine, bias, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over the last dimensions."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}, "
            f"bias={self.bias is not None}"
        )


class GroupNorm(_Affine):
    """y = (x - μ) / √(σ² + eps)·γ꜀ + β꜀, with μ and σ² over each group of channels (Wu and He, 2018).

    Args:
        num_groups: how many groups the channels are split into.
        num_channels: C, the number of channels.
        eps: added to the variance.
        affine: whether γ and β are learned, one per channel.
        dtype: type of the parameters; default: the default floating type.
        bias: whether an affine layer has a β.

    Shapes:
        input (N, C, ...), output the same, weight and bias (C,).
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups:
            raise ValueError(f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})")
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        self._set_affine((num_channels,), affine, bias, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over each group of channels."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """y = x / √(mean(x²) + eps)·γ, over the last dimensions (Zhang and Sennrich, 2019).

    Args:
        normalized_shape: the sizes of the dimensions that are normalised, or of the last one alone.
        eps: added to the mean square; default: the input type's machine epsilon.
        elementwise_affine: whether γ is learned.
        dtype: type of the parameter; default: the default floating type.

    Shapes:
        input (..., *normalized_shape), output the same, weight normalized_shape.
    """

    weight: Parameter | None

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _as_shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        weight = empty_parameter(*self.normalized_shape, device=device, dtype=dtype) if elementwise_affine else None
        self.register_parameter("weight", weight)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set γ to 1."""
        if self.weight is not None:
            init.ones_(self.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last dimensions."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class LocalResponseNorm(Module):
    """yₙ꜀ = xₙ꜀ / (k + alpha / size·Σ x²ₙ꜀′)^beta, over `size` channels around c (Krizhevsky et al., 2012).

    Args:
        size: how many neighbouring channels are summed over.
        alpha: factor of their mean square.
        beta: exponent.
        k: added to it.

    Shapes:
        input (N, C, ...), output the same.
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by the neighbouring channels."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """Return the constructor's arguments."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"
