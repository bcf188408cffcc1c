"""2-D convolution: forward, gradient of the input, gradient of the weight.

Every entry looks up the plan of its shape (which strategy, its tables, its tile) and runs it.  A strategy
estimates its own cycles; the smallest estimate wins.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import (
    conv_batch,
    conv_columns,
    conv_depthwise,
    conv_dot,
    conv_flattened,
    conv_packed,
    conv_planes,
    conv_pointwise,
    conv_positions,
    conv_weights,
    simd,
    winograd_correlation,
    winograd_weights,
)
from ops.kernels.arrays import dense
from ops.kernels.correlation import Correlation, backward, forward
from ops.kernels.geometry import ConvGeometry, Pair, conv_geometry
from ops.kernels.jit import get_num_threads, threads_for
from ops.kernels.precision import allows_shared_sums
from ops.kernels.stages import Array
from ops.kernels.winograd import TILES

__all__ = ["conv2d_forward", "conv2d_grad_input", "conv2d_grad_weight", "explain"]

Shape = tuple[int, ...]

GRAIN = 250_000
"""Multiply-adds below which another thread costs more than it brings."""

PLANS_KEPT = 512
"""Shapes remembered per direction."""

SENTENCES = {
    "positions": "neighbouring pixels in the vector lanes, image by image",
    "flattened": "neighbouring pixels in the vector lanes, the rows of a padded copy taken as one",
    "packed": "pixels of several small images packed into the vector lanes",
    "planes": "a matrix product over planes where they lie: neighbouring pixels in the vector lanes",
    "pointwise": "a matrix product: neighbouring pixels, across images, in the vector lanes",
    "batch": "the images of the batch in the vector lanes",
    "filters": "the filters in the vector lanes, summed over images and pixels",
    "depthwise": "each filter slides over its own channel, neighbouring pixels in the vector lanes",
    "columns": "the weights of a filter in the vector lanes, summed over images and pixels",
    "dot": "dot products along the output rows, image by image",
    "winograd2": "Winograd's algorithm on tiles of 2 x 2 pixels, the channels in the vector lanes",
    "winograd4": "Winograd's algorithm on tiles of 4 x 4 pixels, the channels in the vector lanes",
}
WINOGRAD = {f"winograd{tile}": tile for tile in TILES}
"""Strategies that share sums among outputs, and their tile."""


class Plan(NamedTuple):
    """How one shape is computed in one direction."""

    strategy: str
    run: Callable[..., None]
    threads: int
    geometry: ConvGeometry
    estimates: dict[str, float]
    """Cycles of one thread by strategy, of those that support the shape; more, where threads get unequal shares."""
    result: Shape
    flat: bool
    """Pointwise: planes are seen as one row."""


def conv2d_forward(
    x: Array,
    w: Array,
    bias: Array | None,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    relu: bool = False,
    strategy: str | None = None,
) -> Array:
    """y[n, k, oh, ow] = bias[k] + sum_{c, r, s} w[k, c, r, s] x[n, c, oh stride + r dilation - padding, ...].

    Shapes: x (N, C, H, W), w (K, C / groups, R, S), bias (K,), y (N, K, OH, OW).  With `relu`, max(y, 0).
    """
    x, w = dense(x), dense(w)
    plan = _plan(
        _forward_plan,
        x.shape,
        w.shape,
        stride,
        padding,
        dilation,
        groups,
        x.dtype,
        bias is not None,
        relu,
        strategy,
    )
    y = np.empty(plan.result, x.dtype)
    if y.size:
        bias = None if bias is None else dense(bias)
        plan.run(*_planes(plan, x), w, bias, *_planes(plan, y))
    return y


def conv2d_grad_input(
    grad: Array,
    w: Array,
    input_shape: Shape,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    strategy: str | None = None,
) -> Array:
    """dx[n, c, h, v] = sum of grad[n, k, oh, ow] w[k, c, r, s] over k and the taps that read x[n, c, h, v].

    Shapes: grad (N, K, OH, OW), w (K, C / groups, R, S), dx input_shape.  What no tap reads gets 0.
    """
    grad, w = dense(grad), dense(w)
    plan = _plan(
        _grad_input_plan,
        grad.shape,
        w.shape,
        stride,
        padding,
        dilation,
        groups,
        grad.dtype,
        tuple(input_shape),
        strategy,
    )
    dx = np.empty(plan.result, grad.dtype)
    if dx.size:
        plan.run(*_planes(plan, grad), w, None, *_planes(plan, dx))
    return dx


def conv2d_grad_weight(
    grad: Array,
    x: Array,
    weight_shape: Shape,
    *,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    strategy: str | None = None,
) -> Array:
    """dw[k, c, r, s] = sum_{n, oh, ow} grad[n, k, oh, ow] x[n, c, oh stride + r dilation - padding, ...].

    Shapes: grad (N, K, OH, OW), x (N, C, H, W), dw weight_shape = (K, C / groups, R, S).
    """
    grad, x = dense(grad), dense(x)
    plan = _plan(
        _grad_weight_plan,
        x.shape,
        tuple(weight_shape),
        stride,
        padding,
        dilation,
        groups,
        x.dtype,
        grad.shape,
        strategy,
    )
    dw = np.empty(plan.result, x.dtype)
    if grad.size:
        plan.run(*_planes(plan, grad), *_planes(plan, x), dw)
    else:
        dw.fill(0)
    return dw


def explain(
    direction: str,
    x_shape: Shape,
    w_shape: Shape,
    *,
    stride: Pair = (1, 1),
    padding: Pair = (0, 0),
    dilation: Pair = (1, 1),
    groups: int = 1,
    dtype: Any = np.float32,
) -> str:
    """Say in one sentence how a shape is computed and why.

    Args:
        direction: "forward", "grad_input" or "grad_weight".
    """
    dtype = np.dtype(dtype)
    common = (stride, padding, dilation, groups, dtype)
    g = conv_geometry(x_shape, w_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
    y_shape = (g.N, g.K, g.OH, g.OW)
    if direction == "forward":
        plan = _plan(_forward_plan, x_shape, w_shape, *common, True, False, None)
    elif direction == "grad_input":
        plan = _plan(_grad_input_plan, y_shape, w_shape, *common, x_shape, None)
    elif direction == "grad_weight":
        plan = _plan(_grad_weight_plan, x_shape, w_shape, *common, y_shape, None)
    else:
        raise ValueError(f"explain: expected forward, grad_input or grad_weight, got {direction!r}")
    others = [f"{name} {cycles / 1e6:.3g}" for name, cycles in plan.estimates.items() if name != plan.strategy]
    reason = f"against {', '.join(others)}" if others else "the only strategy for this shape"
    return (
        f"conv2d {direction} {x_shape} * {w_shape}: {SENTENCES[plan.strategy]} ({plan.strategy}), "
        f"{plan.threads} thread{'s' * (plan.threads > 1)}; "
        f"estimated {plan.estimates[plan.strategy] / 1e6:.3g} million cycles, {reason}"
    )


# ---- plans ----


def _plan(lookup: Callable[..., Plan], *key: Any) -> Plan:
    shared_sums = allows_shared_sums()
    plan = lookup(*key, shared_sums, get_num_threads())
    if plan.threads > 1:
        available = threads_for(plan.threads, 1)  # starts the pool; fewer in a forked child
        if available != plan.threads:
            plan = lookup(*key, shared_sums, available)
    return plan


def _planes(plan: Plan, a: Array) -> tuple[Array]:
    return (a.reshape(a.shape[0], a.shape[1], 1, -1),) if plan.flat else (a,)


def _threads(g: ConvGeometry, available: int) -> int:
    work = g.N * g.K * g.OH * g.OW * g.group_inputs * g.R * g.S
    return max(1, min(available, work // GRAIN))


def _choose(estimates: dict[str, float], strategy: str | None, dtype: np.dtype[Any], shared_sums: bool) -> str:
    """Return the strategy asked for, else the fastest; drop what the precision of float32 does not allow."""
    if strategy is None:
        if dtype != np.float32 or not shared_sums:
            for name in WINOGRAD:
                estimates.pop(name, None)
        return min(estimates, key=estimates.__getitem__)
    if strategy not in estimates:
        raise ValueError(f"conv2d: strategy {strategy!r} does not support this shape; {', '.join(estimates)} would")
    return strategy


def _correlation_estimates(c: Correlation, dtype: np.dtype[Any]) -> dict[str, float]:
    lanes = simd.lanes(dtype)
    estimates = {"batch": conv_batch.cycles(c, lanes)}
    if conv_positions.supports(c):
        estimates["positions"] = conv_positions.cycles(c, lanes)
    if conv_flattened.supports(c):
        estimates["flattened"] = conv_flattened.cycles(c, lanes)
    if conv_packed.supports(c):
        estimates["packed"] = conv_packed.cycles(c, lanes)
    if conv_planes.supports(c, lanes):
        estimates["planes"] = conv_planes.cycles(c, lanes)
    elif conv_pointwise.supports(c):
        estimates["pointwise"] = conv_pointwise.cycles(c, lanes)
    if conv_depthwise.supports(c, lanes):
        estimates["depthwise"] = conv_depthwise.cycles(c, lanes)
    for name, tile in WINOGRAD.items():
        if algorithm := winograd_correlation.algorithm(tile, c):
            estimates[name] = winograd_correlation.cycles(algorithm, c, dtype)
    return estimates


CORRELATIONS: dict[str, Callable[..., Callable[..., None]]] = {
    "positions": conv_positions.PositionsPlan,
    "batch": conv_batch.BatchPlan,
    "depthwise": conv_depthwise.DepthwisePlan,
    "flattened": conv_flattened.FlattenedPlan,
    "packed": conv_packed.PackedPlan,
    "planes": conv_planes.PlanesPlan,
    "pointwise": conv_pointwise.PointwisePlan,
    **{name: functools.partial(winograd_correlation.WinogradPlan, tile) for name, tile in WINOGRAD.items()},
}
WEIGHT_GRADIENTS: dict[str, Callable[..., Callable[..., None]]] = {
    "filters": conv_weights.WeightsPlan,
    "dot": conv_dot.DotPlan,
    "columns": conv_columns.ColumnsPlan,
    "depthwise": conv_depthwise.DepthwiseWeightsPlan,
    **{name: functools.partial(winograd_weights.WinogradWeightsPlan, tile) for name, tile in WINOGRAD.items()},
}


@functools.lru_cache(PLANS_KEPT)
def _forward_plan(
    x_shape: Shape,
    w_shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    dtype: np.dtype[Any],
    biased: bool,
    relu: bool,
    strategy: str | None,
    shared_sums: bool,
    available: int,
) -> Plan:
    g = conv_geometry(x_shape, w_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
    return _correlation_plan(
        g, forward, (g.N, g.K, g.OH, g.OW), dtype, strategy, shared_sums, available, biased=biased, relu=relu
    )


@functools.lru_cache(PLANS_KEPT)
def _grad_input_plan(
    grad_shape: Shape,
    w_shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    dtype: np.dtype[Any],
    input_shape: Shape,
    strategy: str | None,
    shared_sums: bool,
    available: int,
) -> Plan:
    g = conv_geometry(input_shape, w_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
    g = g._replace(OH=grad_shape[2], OW=grad_shape[3])  # fewer than fit, under a large output_padding
    return _correlation_plan(g, backward, input_shape, dtype, strategy, shared_sums, available)


def _correlation_plan(
    g: ConvGeometry,
    direction: Callable[[ConvGeometry], Correlation],
    result: Shape,
    dtype: np.dtype[Any],
    strategy: str | None,
    shared_sums: bool,
    available: int,
    **options: bool,
) -> Plan:
    seen = g.flattened() if g.is_pointwise else g
    c = direction(seen)
    threads = _threads(g, available)
    estimates = _correlation_estimates(c, dtype)
    name = _choose(estimates, strategy, dtype, shared_sums)
    run = CORRELATIONS[name](c, dtype, threads, **options) if 0 not in result else _nothing
    return Plan(name, run, threads, g, estimates, result, seen is not g)


@functools.lru_cache(PLANS_KEPT)
def _grad_weight_plan(
    x_shape: Shape,
    w_shape: Shape,
    stride: Pair,
    padding: Pair,
    dilation: Pair,
    groups: int,
    dtype: np.dtype[Any],
    grad_shape: Shape,
    strategy: str | None,
    shared_sums: bool,
    available: int,
) -> Plan:
    g = conv_geometry(x_shape, w_shape, stride=stride, padding=padding, dilation=dilation, groups=groups)
    g = g._replace(OH=grad_shape[2], OW=grad_shape[3])
    seen = g.flattened() if g.is_pointwise else g
    threads = _threads(g, available)
    lanes = simd.lanes(dtype)
    estimates = {"filters": conv_weights.cycles(seen, lanes), "dot": conv_dot.cycles(seen, lanes, threads)}
    estimates["columns"] = conv_columns.cycles(seen, lanes, threads)
    if conv_depthwise.supports_weights(seen, lanes):
        estimates["depthwise"] = conv_depthwise.cycles(forward(seen), lanes)
    for name, tile in WINOGRAD.items():
        if algorithm := winograd_weights.algorithm(tile, seen):
            estimates[name] = winograd_weights.cycles(algorithm, seen, dtype)
    name = _choose(estimates, strategy, dtype, shared_sums)
    run = WEIGHT_GRADIENTS[name](seen, dtype, threads) if 0 not in grad_shape else _nothing
    return Plan(name, run, threads, g, estimates, w_shape, seen is not g)


def _nothing(*arrays: Array) -> None:
    """Compute no elements."""
