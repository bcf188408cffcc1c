"""Rows of `nn.functional`: activations, losses, and what layers compute."""

from collections.abc import Callable
from typing import Any

import numpy as np

from tests.conformance.call import Arr
from tests.conformance.draw import FLOATS, NUMBERS, Draw, Shape
from tests.conformance.runner import Row

LOSS = ("mean", "sum", "none")


def real(d: Draw) -> tuple[str, ...]:
    """Return the floating types, or now and then all."""
    return FLOATS if d.chance(0.95) else NUMBERS


def one_type(d: Draw) -> tuple[str, ...]:
    return (d.choice("float64", "float64", "float32"),)


# -- activations -------------------------------------------------------------------------------------------------------


def activation(special: float = 0.15, **parameters: Callable[[Draw], Any]) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        given = {"input": d.tensor(dtypes=real(d), low=-5.0, high=5.0, special=special)}
        return given | {name: value(d) for name, value in parameters.items() if d.chance(0.6)}

    return draw


def inplace(special: float = 0.15, **parameters: Callable[[Draw], Any]) -> Callable[[Draw], dict[str, Any]]:
    drawn = activation(special, **parameters)

    def draw(d: Draw) -> dict[str, Any]:
        given = drawn(d)
        x = given["input"]
        return given | ({} if x.requires_grad or 0 in x.array.strides else d.some(inplace=lambda: d.chance(0.5)))

    return draw


def prelu(d: Draw) -> dict[str, Any]:
    dtypes = one_type(d)
    x = d.tensor(d.shape(0, 4), dtypes)
    shape = x.array.shape
    channels = shape[1] if len(shape) > 1 else 1
    return {"input": x, "weight": d.tensor((d.choice(1, channels) + d.chance(0.03),), dtypes, special=0.0)}


def glu(d: Draw) -> dict[str, Any]:
    shape = d.shape(1, 3)
    dim = d.dim(len(shape), wrong=0.02)
    sizes = list(shape)
    if d.chance(0.95) and -len(shape) <= dim < len(shape):
        sizes[dim] *= 2
    return {"input": d.tensor(tuple(sizes), FLOATS)} | ({"dim": dim} if dim != -1 or d.chance(0.5) else {})


def normalized_exponential(d: Draw) -> dict[str, Any]:
    x = d.floats()
    return {"input": x} | d.some(dim=lambda: d.dim(x.array.ndim))


# -- losses ------------------------------------------------------------------------------------------------------------


def reduction(d: Draw) -> dict[str, Any]:
    if d.chance(0.1):
        return {"size_average": d.chance(0.5), "reduce": d.chance(0.5)}
    return d.some(reduction=lambda: d.choice(*LOSS) if d.chance(0.97) else "median")


def against(low: float = -3.0, high: float = 3.0, **parameters: Callable[[Draw], Any]) -> Any:
    """Draw an input and a target of one shape (now and then of shapes that broadcast)."""

    def draw(d: Draw) -> dict[str, Any]:
        shape, dtypes = d.shape(), one_type(d)
        x = d.tensor(shape, dtypes, low=low, high=high, special=0.0)
        target = d.tensor(shape if d.chance(0.9) else d.shrunk(shape), dtypes, low=low, high=high, special=0.0)
        more = {name: value(d) for name, value in parameters.items() if d.chance(0.5)}
        return {"input": x, "target": target} | reduction(d) | more

    return draw


def weighted(low: float, high: float, **parameters: Callable[[Draw], Any]) -> Any:
    def draw(d: Draw) -> dict[str, Any]:
        given = against(low, high)(d)
        x = given["input"]
        dtypes = (str(x.array.dtype),)
        more = (
            {"weight": d.tensor(d.shrunk(x.array.shape), dtypes, low=0.1, special=0.0, grad=0.0)}
            if d.chance(0.4)
            else {}
        )
        if "pos_weight" in parameters and d.chance(0.4):
            more["pos_weight"] = d.tensor(d.shrunk(x.array.shape), dtypes, low=0.1, special=0.0, grad=0.0)
        if given["target"].array.shape != x.array.shape:
            given["target"] = d.tensor(
                x.array.shape if d.chance(0.9) else d.shape(), dtypes, low=low, high=high, special=0.0
            )
        return given | more

    return draw


def mse(d: Draw) -> dict[str, Any]:
    given = against()(d)
    x = given["input"]
    same = given["target"].array.shape == x.array.shape
    weight = d.tensor(x.array.shape, (str(x.array.dtype),), low=0.1, special=0.0, grad=0.0)
    return given | ({"weight": weight} if same and d.chance(0.2) else {})


def huber(d: Draw) -> dict[str, Any]:
    given = against(delta=lambda d: d.choice(0.5, 2.0))(d)
    given = {k: v for k, v in given.items() if k not in ("size_average", "reduce")}
    x = given["input"]
    same = given["target"].array.shape == x.array.shape
    weight = d.tensor(x.array.shape, (str(x.array.dtype),), low=0.1, special=0.0, grad=0.0)
    return given | ({"weight": weight} if same and d.chance(0.2) else {})


def classes(d: Draw) -> dict[str, Any]:
    """Draw scores of C classes, and a class for each position."""
    c, dtypes = d.integer(1, 4), one_type(d)
    batch = d.choice((), (d.integer(0 if d.chance(0.1) else 1, 3),), (2, 2), (2, 1, 3))
    shape = (*batch[:1], c, *batch[1:]) if batch else (c,)
    x = d.tensor(shape, dtypes, special=0.0)
    target = d.indices(batch, c + d.chance(0.03))
    given: dict[str, Any] = {"input": x, "target": target}
    if d.chance(0.4):
        given["weight"] = d.tensor((c + d.chance(0.03),), dtypes, low=0.1, special=0.0, grad=0.0)
    return given | d.some(ignore_index=lambda: d.integer(0, c)) | reduction(d)


def cross_entropy(d: Draw) -> dict[str, Any]:
    given = classes(d)
    x = given["input"]
    if d.chance(0.3):
        given["target"] = d.tensor(x.array.shape, (str(x.array.dtype),), low=0.0, high=1.0, special=0.0)
        given.pop("ignore_index", None)
    return given | d.some(label_smoothing=lambda: d.choice(0.0, 0.1, 0.5, 1.5 if d.chance(0.1) else 0.2))


def divergence(d: Draw) -> dict[str, Any]:
    given = against(0.0, 3.0)(d)
    if given.get("reduction") == "median":
        del given["reduction"]
    if "reduction" in given and d.chance(0.3):
        given["reduction"] = "batchmean"
    return given | d.some(log_target=lambda: d.chance(0.6))


# -- windows -----------------------------------------------------------------------------------------------------------


def per_dim(d: Draw, n: int, low: int, high: int) -> Any:
    """Return one number, or one for each of n dimensions."""
    return d.integer(low, high) if d.chance(0.6) else tuple(d.integer(low, high) for _ in range(n))


def batch(d: Draw) -> Shape:
    return () if d.chance(0.2) else (0 if d.chance(0.05) else d.integer(1, 2),)


def conv(n: int, transposed: bool = False) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        groups, dtypes = d.choice(1, 1, 2), one_type(d)
        inner, outer = groups * d.integer(1, 2), groups * d.integer(1, 2)
        shape = (*batch(d), inner + d.chance(0.02), *(d.integer(3, 6) for _ in range(n)))
        kernel = tuple(d.integer(1, 3) for _ in range(n))
        weight = (inner, outer // groups, *kernel) if transposed else (outer, inner // groups, *kernel)
        given: dict[str, Any] = {
            "input": d.tensor(shape, dtypes, special=0.0),
            "weight": d.tensor(weight, dtypes, special=0.0),
        }
        if d.chance(0.5):
            given["bias"] = d.tensor((outer + d.chance(0.02),), dtypes, special=0.0) if d.chance(0.8) else None
        stride = per_dim(d, n, 1, 2)
        given |= {"stride": stride} if d.chance(0.6) else {}
        padding = d.choice(0, per_dim(d, n, 0, 2), "same" if "stride" not in given and not transposed else 1)
        given |= {"padding": padding} if d.chance(0.6) else {}
        if transposed and given.get("stride", 1) == 2:
            given |= {"output_padding": 1} if d.chance(0.5) else {}
        given |= {"groups": groups} if groups > 1 else {}
        return given | d.some(dilation=lambda: per_dim(d, n, 1, 2))

    return draw


def pooled(n: int, maximum: bool) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        shape = (*batch(d), d.integer(1, 2), *(d.integer(3, 7) for _ in range(n)))
        x = d.distinct(shape)
        kernel = per_dim(d, n, 1, 3)
        given: dict[str, Any] = {"input": x, "kernel_size": kernel}
        given |= (
            {"stride": d.choice(per_dim(d, n, 1, 3), per_dim(d, n, 1, 3), None if n > 1 or maximum else 2)}
            if d.chance(0.5)
            else {}
        )
        least = kernel if isinstance(kernel, int) else min(kernel)
        given |= {"padding": d.integer(0, least // 2 + d.chance(0.05))} if d.chance(0.5) else {}
        if maximum:
            given |= d.some(dilation=lambda: per_dim(d, n, 1, 2))
        given |= d.some(ceil_mode=lambda: d.chance(0.7))
        if maximum:
            return given | d.some(return_indices=lambda: d.chance(0.7))
        given |= d.some(count_include_pad=lambda: d.chance(0.3))
        return given | (d.some(divisor_override=lambda: d.choice(1, 3, 5)) if n > 1 and d.chance(0.5) else {})

    return draw


def adaptive(n: int, maximum: bool = False) -> Callable[[Draw], dict[str, Any]]:
    def draw(d: Draw) -> dict[str, Any]:
        shape = (*batch(d), d.integer(1, 2), *(d.integer(1, 6) for _ in range(n)))
        size = d.choice(d.integer(1, 4), tuple(d.choice(d.integer(1, 4), None if n > 1 else 2) for _ in range(n)))
        return {"input": d.distinct(shape), "output_size": size} | (
            d.some(return_indices=lambda: d.chance(0.7)) if maximum else {}
        )

    return draw


def unfold(d: Draw) -> dict[str, Any]:
    x = d.floats((*batch(d), d.integer(1, 2), d.integer(3, 6), d.integer(3, 6)), special=0.0)
    return {"input": x, "kernel_size": per_dim(d, 2, 1, 3)} | d.some(
        dilation=lambda: per_dim(d, 2, 1, 2), padding=lambda: per_dim(d, 2, 0, 2), stride=lambda: per_dim(d, 2, 1, 2)
    )


# -- norms -------------------------------------------------------------------------------------------------------------


def channels(d: Draw, n: int, dtypes: tuple[str, ...], **options: Any) -> Arr:
    return d.tensor((n,), dtypes, special=0.0, **options)


def affine(d: Draw, shape: Shape, dtypes: tuple[str, ...], bias: bool = True) -> dict[str, Any]:
    given = {"weight": d.tensor(shape, dtypes, special=0.0)} if d.chance(0.6) else {}
    if bias and given and d.chance(0.7):
        given["bias"] = d.tensor(shape, dtypes, special=0.0)
    return given


def epsilon(d: Draw) -> dict[str, Any]:
    return d.some(eps=lambda: d.choice(1e-3, 1e-5, 0.1))


def batch_norm(d: Draw) -> dict[str, Any]:
    dtypes, c = one_type(d), d.integer(1, 3)
    x = d.tensor((d.integer(3, 4), c, *d.shape(0, 3, empty=0.0)), dtypes, special=0.0, expanded=False)
    running = {"running_mean": channels(d, c, dtypes, grad=0.0, layout=False),
               "running_var": channels(d, c, dtypes, grad=0.0, layout=False, low=0.2)}  # fmt: skip
    if d.chance(0.3):
        running = {"running_mean": None, "running_var": None}
    training = d.chance(0.6) or running["running_mean"] is None
    return {"input": x} | running | affine(d, (c,), dtypes) | {"training": training} | d.some(momentum=0.3) | epsilon(d)


def instance_norm(d: Draw) -> dict[str, Any]:
    dtypes, c = one_type(d), d.integer(1, 3)
    x = d.tensor((d.integer(1, 3), c, d.integer(2, 4), *d.shape(0, 1, empty=0.0)), dtypes, special=0.0, expanded=False)
    given: dict[str, Any] = {"input": x}
    if d.chance(0.5):
        given |= {"running_mean": channels(d, c, dtypes, grad=0.0, layout=False),
                  "running_var": channels(d, c, dtypes, grad=0.0, layout=False, low=0.2)}  # fmt: skip
    given |= affine(d, (c,), dtypes)
    use = True if "running_mean" not in given else d.chance(0.6)
    return given | ({"use_input_stats": use} if not use or d.chance(0.5) else {}) | d.some(momentum=0.3) | epsilon(d)


def trailing(d: Draw) -> tuple[Arr, Shape, tuple[str, ...]]:
    dtypes = one_type(d)
    shape = (*d.shape(0, 2), d.integer(2, 4))
    x = d.tensor(shape, dtypes, special=0.0, expanded=False)
    return x, shape[d.integer(0, len(shape) - 1) :] if d.chance(0.97) else (7,), dtypes


def layer_norm(d: Draw) -> dict[str, Any]:
    x, shape, dtypes = trailing(d)
    return {"input": x, "normalized_shape": d.choice(tuple, list)(shape)} | affine(d, shape, dtypes) | epsilon(d)


def rms_norm(d: Draw) -> dict[str, Any]:
    x, shape, dtypes = trailing(d)
    return {"input": x, "normalized_shape": d.choice(tuple, list)(shape)} | affine(d, shape, dtypes, False) | epsilon(d)


def group_norm(d: Draw) -> dict[str, Any]:
    dtypes, groups = one_type(d), d.integer(1, 3)
    c = groups * d.integer(1, 2) + d.chance(0.03)
    x = d.tensor((d.integer(1, 3), c, d.integer(3, 4), *d.shape(0, 1, empty=0.0)), dtypes, special=0.0, expanded=False)
    return {"input": x, "num_groups": groups} | affine(d, (c,), dtypes) | epsilon(d)


# -- the rest ----------------------------------------------------------------------------------------------------------


def dropped(d: Draw, x: Arr) -> dict[str, Any]:
    given = {"input": x} | d.some(p=lambda: d.choice(0.0, 0.3, 1.0, 1.5 if d.chance(0.1) else 0.5))
    return given | d.some(training=lambda: d.chance(0.5)) | written(d, x)


def certain(d: Draw, x: Arr) -> dict[str, Any]:
    """Draw probabilities that leave nothing to chance."""
    training = d.chance(0.6)
    return {"input": x, "p": d.choice(0.0, 1.0) if training else 0.4, "training": training} | written(d, x)


def written(d: Draw, x: Arr) -> dict[str, Any]:
    """Return `inplace` for an input that can be written to."""
    return d.some(inplace=True) if not x.requires_grad and 0 not in x.array.strides else {}


def images(d: Draw) -> Arr:
    return d.floats((d.integer(1, 2), d.integer(1, 3), d.integer(1, 3), d.integer(1, 3)), special=0.0)


def embedding(d: Draw) -> dict[str, Any]:
    rows = d.integer(1, 5)
    index = d.indices(d.shape(), rows + d.chance(0.03), d.choice("int64", "int32"))
    given = {"input": index, "weight": d.floats((rows, d.integer(1, 3)), special=0.0, layout=False)}
    return given | d.some(padding_idx=lambda: d.integer(-rows, rows - 1), scale_grad_by_freq=lambda: d.chance(0.5))


def clipped_embedding(d: Draw) -> dict[str, Any]:
    given = embedding(d)
    given["weight"] = Arr(given["weight"].array)
    return given | {"max_norm": d.choice(0.5, 1.0, 2.0)} | d.some(norm_type=lambda: d.choice(1.0, 2.0, 3.0))


def one_hot(d: Draw) -> dict[str, Any]:
    x = d.indices(d.shape(), 4) if d.chance(0.95) else d.tensor()
    return {"input": x} | d.some(num_classes=lambda: d.choice(-1, 4, 6, 2 if d.chance(0.2) else 5))


def pad(d: Draw) -> dict[str, Any]:
    mode = d.choice("constant", "constant", "reflect", "replicate", "circular")
    if mode == "constant":
        x = d.tensor(d.shape(1, 4))
        n = d.integer(1, x.array.ndim)
        pads = [d.integer(-1, 2) for _ in range(2 * n)]
        given: dict[str, Any] = {"input": x, "pad": d.choice(tuple, list)(pads)} | d.some(mode="constant")
        return given | ({"value": d.choice(0.0, 1.0, 2)} if d.chance(0.5) else {})
    n = d.integer(1, 2)
    shape = (*batch(d), d.integer(1, 2), *(d.integer(2, 4) for _ in range(n)))
    return {
        "input": d.floats(shape),
        "pad": tuple(d.integer(-1 if mode == "circular" and d.chance(0.2) else 0, 2) for _ in range(2 * n)),
        "mode": mode,
    }


def interpolate(d: Draw) -> dict[str, Any]:
    n = d.integer(1, 3)
    mode = d.choice(
        "nearest",
        "nearest-exact",
        "area",
        ("linear", "bilinear", "trilinear")[n - 1],
        "bicubic" if n == 2 else "nearest",
    )
    shape = (d.integer(1, 2), d.integer(1, 2), *(d.integer(1, 4) for _ in range(n)))
    x = d.tensor(shape, one_type(d), special=0.0)
    given: dict[str, Any] = {"input": x}
    if d.chance(0.5):
        given["size"] = d.choice(d.integer(1, 6), tuple(d.integer(1, 6) for _ in range(n)))
    else:
        # Of sizes that stay the same PyTorch's gradient is another function's, and of none left it depends on the mode.
        factor = d.choice(2, 2.5, 0.6 if min(shape[2:]) > 1 else 2.0)
        given["scale_factor"] = d.choice(factor, tuple(d.choice(2.0, float(factor)) for _ in range(n)))
    given |= {"mode": mode} if mode != "nearest" or d.chance(0.5) else {}
    if "linear" in mode or mode == "bicubic":
        given |= d.some(align_corners=lambda: d.chance(0.5))
        if mode in ("bilinear", "bicubic") and not x.requires_grad:
            given |= d.some(antialias=lambda: d.chance(0.7))
    return given | (d.some(recompute_scale_factor=lambda: d.chance(0.6)) if "scale_factor" in given else {})


def pixel_shuffle(d: Draw) -> dict[str, Any]:
    r = d.integer(1, 3)
    shape = (*d.shape(0, 2), d.integer(1, 2) * r * r + d.chance(0.05), d.integer(1, 3), d.integer(1, 3))
    return {"input": d.tensor(shape), "upscale_factor": r if d.chance(0.97) else 0}


def normalize(d: Draw) -> dict[str, Any]:
    x = d.floats(d.shape(1, 3), special=0.0)
    return {"input": x} | d.some(
        p=lambda: d.choice(1, 2.0, 3, float("inf")), dim=lambda: d.dim(x.array.ndim), eps=lambda: d.choice(1e-12, 1.0)
    )


def cosine(d: Draw) -> dict[str, Any]:
    shape, dtypes = d.shape(1, 3), one_type(d)
    xs = [d.tensor(shape if d.chance(0.6) else d.shrunk(shape), dtypes, special=0.0) for _ in range(2)]
    return {"x1": xs[0], "x2": xs[1]} | d.some(
        dim=lambda: d.dim(len(shape), wrong=0.0), eps=lambda: d.choice(1e-8, 0.5)
    )


def attention(d: Draw) -> dict[str, Any]:
    dtypes, e, n, m = one_type(d), d.integer(1, 4), d.integer(1, 4), d.integer(1, 4)
    lead = (d.integer(1, 2), d.choice(2, 4)) if d.chance(0.7) else d.shape(0, 1, empty=0.0)
    grouped = len(lead) == 2 and d.chance(0.2)
    keys = (lead[0], lead[1] // 2) if grouped else lead
    given: dict[str, Any] = {
        "query": d.tensor((*lead, n, e), dtypes, special=0.0),
        "key": d.tensor((*keys, m, e), dtypes, special=0.0),
        "value": d.tensor((*keys, m, d.integer(1, 3)), dtypes, special=0.0),
    }
    mask = d.choice("none", "none", "bool", "float", "causal")
    if mask == "bool":
        allowed = d.array((n, m), "bool")
        allowed[:, 0] = True  # a row that may look nowhere has no mean
        given["attn_mask"] = Arr(allowed)
    elif mask == "float":
        given["attn_mask"] = d.tensor(d.choice((n, m), (*lead, n, m)), dtypes, special=0.0)
    given |= {"dropout_p": 0.0} if d.chance(0.3) else {}
    given |= {"is_causal": True} if mask == "causal" else {}
    return given | d.some(scale=lambda: d.choice(0.5, 1.0)) | ({"enable_gqa": True} if grouped else {})


def heads(d: Draw) -> dict[str, Any]:
    dtypes, h, n, m, b = one_type(d), d.integer(1, 2), d.integer(1, 3), d.integer(1, 3), d.integer(1, 2)
    e = h * d.integer(1, 2)
    t = lambda *shape: d.tensor(shape, dtypes, low=-1.0, high=1.0, special=0.0)  # noqa: E731
    given: dict[str, Any] = {
        "query": t(n, b, e), "key": t(m, b, e), "value": t(m, b, e), "embed_dim_to_check": e, "num_heads": h,
        "in_proj_weight": t(3 * e, e), "in_proj_bias": t(3 * e) if d.chance(0.7) else None,
        "bias_k": None, "bias_v": None, "add_zero_attn": d.chance(0.3), "dropout_p": 0.0,
        "out_proj_weight": t(e, e), "out_proj_bias": t(e) if d.chance(0.7) else None,
    }  # fmt: skip
    if d.chance(0.3):
        given |= {"bias_k": t(1, 1, e), "bias_v": t(1, 1, e)}
    given |= d.some(
        training=lambda: d.chance(0.5), need_weights=lambda: d.chance(0.5), average_attn_weights=lambda: d.chance(0.5)
    )
    if d.chance(0.3):
        given["attn_mask"] = d.tensor(d.choice((n, m), (b * h, n, m)), dtypes, special=0.0, grad=0.0)
    if d.chance(0.3):
        padding = d.array((b, m), "bool")
        padding[:, 0] = False
        given["key_padding_mask"] = Arr(padding)
    if d.chance(0.2):
        given |= {"use_separate_proj_weight": True, "q_proj_weight": t(e, e), "k_proj_weight": t(e, e),
                  "v_proj_weight": t(e, e), "in_proj_weight": None}  # fmt: skip
    if d.chance(0.1) and "attn_mask" not in given:
        given |= {"attn_mask": Arr(np.triu(np.full((n, m), -np.inf, dtypes[0]), 1)), "is_causal": True}
    return given


ROWS = [
    *(Row(f"F.{name}", inplace()) for name in ("relu", "silu", "hardswish", "mish")),
    Row("F.selu", inplace(special=0.0)),
    # The gradient at NaN of these hangs in PyTorch on where in the tensor it stands.
    Row("F.relu6", inplace(special=0.0)),
    Row(
        "F.hardsigmoid", inplace(special=0.0), tolerance=(1e-7, 1e-5)
    ),  # PyTorch's gradient has a factor 1/6 of float32
    Row("F.leaky_relu", inplace(negative_slope=lambda d: d.choice(0.2, 0.0, -0.1 if d.chance(0.1) else 0.5))),
    Row("F.elu", inplace(special=0.0, alpha=lambda d: d.choice(0.5, 2.0))),
    Row(
        "F.hardtanh",
        inplace(special=0.0, min_val=lambda d: d.choice(-2.0, -0.5, 0.5), max_val=lambda d: d.choice(0.5, 2.0)),
    ),
    Row(
        "F.gelu",
        activation(approximate=lambda d: d.choice("none", "tanh", "erf" if d.chance(0.1) else "tanh")),
        keyword=("approximate",),
    ),
    Row("F.softplus", activation(beta=lambda d: d.choice(0.5, 2.0), threshold=lambda d: d.choice(1.0, 5.0))),
    Row("F.logsigmoid", activation()),
    Row("F.softsign", activation()),
    Row("relu", activation()),
    Row("F.prelu", prelu),
    Row("F.glu", glu),
    Row("F.softmax", normalized_exponential, samples=0.5),
    Row("F.log_softmax", normalized_exponential, samples=0.5),
    Row("F.cross_entropy", cross_entropy, samples=3),
    Row("F.nll_loss", classes, samples=2),
    Row("F.mse_loss", mse),
    Row("F.l1_loss", mse),
    Row("F.smooth_l1_loss", against(beta=lambda d: d.choice(0.5, 2.0, 0.0))),
    Row("F.huber_loss", huber),
    Row("F.binary_cross_entropy", weighted(0.01, 0.99)),
    Row("F.binary_cross_entropy_with_logits", weighted(0.0, 1.0, pos_weight=lambda d: None)),
    Row("F.kl_div", divergence),
    Row("F.conv1d", conv(1)),
    Row("F.conv2d", conv(2)),
    Row("F.conv_transpose2d", conv(2, transposed=True)),
    Row("F.max_pool1d", pooled(1, maximum=True)),
    Row("F.max_pool2d", pooled(2, maximum=True)),
    Row("F.avg_pool1d", pooled(1, maximum=False)),
    Row("F.avg_pool2d", pooled(2, maximum=False)),
    Row("F.adaptive_avg_pool1d", adaptive(1)),
    Row("F.adaptive_avg_pool2d", adaptive(2)),
    Row("F.adaptive_max_pool2d", adaptive(2, maximum=True)),
    Row("F.unfold", unfold),
    Row("F.batch_norm", batch_norm),
    Row("F.instance_norm", instance_norm),
    Row("F.layer_norm", layer_norm),
    Row("F.rms_norm", rms_norm),
    Row("F.group_norm", group_norm),
    Row("F.dropout", lambda d: dropped(d, d.floats()), values=False),
    Row("F.dropout", lambda d: certain(d, d.floats(special=0.0)), label="certain"),
    Row("F.dropout2d", lambda d: dropped(d, images(d)), values=False),
    Row("F.dropout2d", lambda d: certain(d, images(d)), label="certain"),
    Row("F.embedding", embedding),
    Row("F.embedding", clipped_embedding, label="max_norm"),
    Row("F.one_hot", one_hot),
    Row("F.pad", pad, samples=2),
    Row("F.interpolate", interpolate, samples=2),
    Row("F.pixel_shuffle", pixel_shuffle),
    Row("F.normalize", normalize),
    Row("F.cosine_similarity", cosine),
    Row("F.scaled_dot_product_attention", attention, keyword=("scale", "enable_gqa")),
    Row("F.multi_head_attention_forward", heads),
]
