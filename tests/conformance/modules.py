"""Modules: how each is made, and what it is called with. `MADE[name](draw)` returns both."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.call import Arr
from tests.conformance.draw import Draw
from tests.conformance.functional import batch, per_dim, reduction

Made = tuple[dict[str, Any], list[Arr]]


def real(d: Draw, *shape: int, low: float = -3.0, high: float = 3.0) -> Arr:
    return d.tensor(shape, ("float64",), special=0.0, low=low, high=high, expanded=False)


def pointwise(**options: Callable[[Draw], Any]) -> Callable[[Draw], Made]:
    """Draw a module of elements: some of its options, and a tensor of any shape."""
    return lambda d: (d.some(**{k: (lambda v=v: v(d)) for k, v in options.items()}), [real(d, *d.shape(1, 3))])


def of(*values: Any) -> Callable[[Draw], Any]:
    return lambda d: d.choice(*values)


def linear(d: Draw) -> Made:
    i = d.integer(1, 3)
    return {"in_features": i, "out_features": d.integer(1, 3)} | d.some(bias=False), [real(d, *d.shape(0, 2), i)]


def conv(n: int, transposed: bool = False) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        groups = d.choice(1, 2)
        given: dict[str, Any] = {"in_channels": groups * d.integer(1, 2), "out_channels": groups * d.integer(1, 2),
                                 "kernel_size": per_dim(d, n, 1, 3)}  # fmt: skip
        given |= {"groups": groups} if groups > 1 else {}
        given |= d.some(stride=lambda: per_dim(d, n, 1, 2), padding=lambda: per_dim(d, n, 0, 2), bias=False)
        given |= d.some(dilation=lambda: per_dim(d, n, 1, 2))
        if transposed:
            given |= d.some(output_padding=1) if given.get("stride") == 2 else {}
            given |= d.some(padding_mode="zeros")
        else:
            given |= d.some(padding_mode=lambda: d.choice("zeros", "reflect", "replicate", "circular"))
        return given, [real(d, *batch(d), given["in_channels"], *(d.integer(5, 6) for _ in range(n)))]

    return draw


def pool(n: int, maximum: bool) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        given: dict[str, Any] = {"kernel_size": per_dim(d, n, 2, 3)} | d.some(
            stride=lambda: per_dim(d, n, 1, 3), padding=1, ceil_mode=True
        )
        if maximum:
            given |= d.some(dilation=lambda: per_dim(d, n, 1, 2), return_indices=True)
        else:
            given |= d.some(count_include_pad=False) | (d.some(divisor_override=3) if n > 1 else {})
        return given, [d.distinct((*batch(d), 2, *(d.integer(5, 7) for _ in range(n))), ("float64",))]

    return draw


def adaptive(n: int, maximum: bool = False) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        size = d.choice(2, 3, (2,) * n, (3, None) if n == 2 else 1)
        more = d.some(return_indices=True) if maximum else {}
        return {"output_size": size} | more, [
            d.distinct((*batch(d), 2, *(d.integer(3, 6) for _ in range(n))), ("float64",))
        ]

    return draw


def batch_norm(n: int) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        c = d.integer(1, 3)
        sizes = (3, 2) if n == 2 else d.choice((), (3,))
        options = d.some(eps=1e-3, momentum=lambda: d.choice(0.3, None), affine=False, track_running_stats=False)
        if d.chance(0.3) and options.get("affine", True):
            options["bias"] = False
        return {"num_features": c} | options, [real(d, d.integer(3, 4), c, *sizes)]

    return draw


def instance_norm(d: Draw) -> Made:
    c = d.integer(1, 3)
    options = d.some(eps=1e-3, momentum=0.3, affine=True, track_running_stats=True)
    if options.get("affine") and d.chance(0.3):
        options["bias"] = False
    return {"num_features": c} | options, [real(d, *((2,) if d.chance(0.8) else ()), c, 3, 2)]


def trailing(**options: Any) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        shape = (*d.shape(0, 2, empty=0.0), 3)
        kept = shape[d.integer(0, len(shape) - 1) :]
        given = {"normalized_shape": d.choice(kept, list(kept), *kept[-1:] if len(kept) == 1 else [kept])}
        return given | d.some(eps=1e-3, elementwise_affine=False, **options), [real(d, *shape)]

    return draw


def group_norm(d: Draw) -> Made:
    groups = d.integer(1, 2)
    c = groups * d.integer(1, 2)
    given = {"num_groups": groups, "num_channels": c} | d.some(eps=1e-3, affine=False)
    given |= {"bias": False} if given.get("affine", True) and d.chance(0.3) else {}
    return given, [real(d, 2, c, 3, *d.shape(0, 1, empty=0.0))]


def dropout(*shape: int) -> Callable[[Draw], Made]:
    return lambda d: ({"p": d.choice(0.0, 1.0)} | d.some(inplace=False), [real(d, *shape)])


def embedding(d: Draw) -> Made:
    rows = d.integer(1, 4)
    given = {"num_embeddings": rows, "embedding_dim": d.integer(1, 3)}
    return given | d.some(padding_idx=lambda: d.integer(-rows, rows - 1), scale_grad_by_freq=True), [
        d.indices(d.shape(), rows)
    ]


def softmax(d: Draw) -> Made:
    shape = d.shape(1, 3)
    return d.some(dim=lambda: d.dim(len(shape), wrong=0.0)), [real(d, *shape)]


def glu(d: Draw) -> Made:
    return d.some(dim=lambda: d.choice(-1, 1)), [real(d, 2, 4)]


def prelu(d: Draw) -> Made:
    return d.some(num_parameters=3, init=0.1), [real(d, 2, 3, *d.shape(0, 1))]


def flatten(d: Draw) -> Made:
    return d.some(start_dim=lambda: d.choice(0, 1, 2), end_dim=lambda: d.choice(-1, 2)), [real(d, 2, 1, 3)]


def unflatten(d: Draw) -> Made:
    return {"dim": 1, "unflattened_size": d.choice((2, 3), [3, 2], (6, 1), (-1, 2))}, [real(d, 2, 6)]


def upsample(d: Draw) -> Made:
    mode = d.choice("nearest", "bilinear", "bicubic", "nearest-exact")
    given: dict[str, Any] = {"mode": mode} if mode != "nearest" or d.chance(0.5) else {}
    given = d.choice({"size": d.choice(5, (4, 6))}, {"scale_factor": d.choice(2, 1.5, (2.0, 1.5))}) | given
    if mode.startswith("bi"):
        given |= d.some(align_corners=lambda: d.chance(0.5))
    if "scale_factor" in given:
        given |= d.some(recompute_scale_factor=lambda: d.chance(0.5))
    return given, [real(d, 1, 2, 3, 4)]


def padding(*options: str) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        given = {"padding": d.choice(1, (1, 0, 2, 1))}
        return given | ({"value": d.choice(0.0, 1.5)} if options else {}), [real(d, *batch(d), 2, 3, 4)]

    return draw


def loss(low: float = -3.0, high: float = 3.0, **options: Callable[[Draw], Any]) -> Callable[[Draw], Made]:
    """Draw a loss of an input and a target of its shape."""

    def draw(d: Draw) -> Made:
        shape = d.shape(1, 3, empty=0.0)
        chosen = reduction(d) if "delta" not in options else d.some(reduction=lambda: d.choice("sum", "none"))
        more = {name: value(d) for name, value in options.items() if d.chance(0.5)}
        for name in ("weight", "pos_weight"):
            if name in more:
                more[name] = Arr(real(d, shape[-1], low=0.1).array)
        return more | chosen, [real(d, *shape, low=low, high=high), Arr(real(d, *shape, low=low, high=high).array)]

    return draw


def classes(smoothing: bool) -> Callable[[Draw], Made]:
    def draw(d: Draw) -> Made:
        c = d.integer(2, 4)
        given = d.some(ignore_index=lambda: d.integer(0, c - 1)) | reduction(d)
        given |= {"weight": Arr(real(d, c, low=0.1).array)} if d.chance(0.4) else {}
        given |= d.some(label_smoothing=0.2) if smoothing else {}
        n = d.integer(1, 3)
        return given, [real(d, n, c), d.indices((n,), c)]

    return draw


def divergence(d: Draw) -> Made:
    given, inputs = loss(0.1, 3.0)(d)
    return given | d.some(log_target=True), inputs


SLOPES = {"inplace": of(False)}
MADE: dict[str, Callable[[Draw], Made]] = {
    "Linear": linear,
    "Conv1d": conv(1),
    "Conv2d": conv(2),
    "ConvTranspose2d": conv(2, transposed=True),
    "BatchNorm1d": batch_norm(1),
    "BatchNorm2d": batch_norm(2),
    "LayerNorm": trailing(bias=False),
    "GroupNorm": group_norm,
    "InstanceNorm2d": instance_norm,
    "RMSNorm": trailing(),
    "MaxPool1d": pool(1, maximum=True),
    "MaxPool2d": pool(2, maximum=True),
    "AvgPool1d": pool(1, maximum=False),
    "AvgPool2d": pool(2, maximum=False),
    "AdaptiveAvgPool1d": adaptive(1),
    "AdaptiveAvgPool2d": adaptive(2),
    "AdaptiveMaxPool2d": adaptive(2, maximum=True),
    "Dropout": dropout(2, 3),
    "Dropout2d": dropout(2, 3, 2, 2),
    "Embedding": embedding,
    **{name: pointwise(**SLOPES) for name in ("ReLU", "SELU", "SiLU", "ReLU6", "Hardswish", "Hardsigmoid", "Mish")},
    **{name: pointwise() for name in ("Sigmoid", "Tanh", "LogSigmoid", "Softsign")},
    "LeakyReLU": pointwise(negative_slope=of(0.2, 0.0), inplace=of(False)),
    "ELU": pointwise(alpha=of(0.5, 2.0), inplace=of(False)),
    "GELU": pointwise(approximate=of("none", "tanh")),
    "Softplus": pointwise(beta=of(0.5, 2.0), threshold=of(1.0, 5.0)),
    "Hardtanh": pointwise(min_val=of(-2.0, 0.5), max_val=of(0.6, 2.0), inplace=of(False)),
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "PReLU": prelu,
    "GLU": glu,
    "Identity": lambda d: ({}, [real(d, *d.shape())]),
    "Flatten": flatten,
    "Unflatten": unflatten,
    "Upsample": upsample,
    "PixelShuffle": lambda d: ({"upscale_factor": 2}, [real(d, 1, 8, 2, 3)]),
    "ZeroPad2d": padding(),
    "ReflectionPad2d": padding(),
    "ReplicationPad2d": padding(),
    "ConstantPad2d": padding("value"),
    "CrossEntropyLoss": classes(smoothing=True),
    "NLLLoss": classes(smoothing=False),
    "MSELoss": loss(),
    "L1Loss": loss(),
    "SmoothL1Loss": loss(beta=of(0.5, 2.0)),
    "HuberLoss": loss(delta=of(0.5, 2.0)),
    "BCELoss": loss(0.01, 0.99, weight=of(None)),
    "BCEWithLogitsLoss": loss(0.0, 1.0, weight=of(None), pos_weight=of(None)),
    "KLDivLoss": divergence,
}
"""Recurrent layers and attention have tests of their own."""


def state_like(shapes: dict[str, Any], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return positive float64 numbers, and zeros for counts, of the shapes of a state."""
    return {
        key: np.array(0) if key.endswith("num_batches_tracked") else rng.uniform(0.3, 1.5, shape)
        for key, shape in shapes.items()
    }
