"""How modules and ops are called in a picture, and their kinds, which decide their colours."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nn.module import Module

# By the file that defines a module's class, or the nearest of its bases that is a layer.
KINDS = {
    "nn.conv": "convolution",
    "nn.linear": "linear",
    "nn.normalization": "normalisation",
    "nn.activation": "activation",
    "nn.pooling": "pooling",
    "nn.dropout": "dropout",
    "nn.recurrent": "recurrent",
    "nn.recurrent_cells": "recurrent",
    "nn.attention": "attention",
    "nn.transformer": "attention",
    "nn.sparse": "embedding",
    "nn.flatten": "shape",
    "nn.padding": "shape",
    "nn.resampling": "shape",
}

# Primitives are named for what they give; here is what the user called.
OPS = {
    "add": "+", "sub": "−", "mul": "×", "div": "÷", "neg": "−", "matmul": "@", "reshaped": "reshape",
    "permuted": "permute", "expanded": "expand", "joined": "cat", "sliced": "slice", "indexed": "index",
    "overwritten": "index_put", "looked_up": "embedding", "gathered": "gather", "scattered": "scatter",
    "scattered_sum": "scatter_add", "scattered_extremum": "scatter_reduce", "averaged": "mean",
    "ops.pool.averaged": "avg_pool", "convolution": "conv", "max_pooled": "max_pool",
    "adaptive_averaged": "adaptive_avg_pool", "adaptive_max_pooled": "adaptive_max_pool",
    "batch_normalized": "batch_norm", "channelwise_affine": "batch_norm", "layer_normalized": "layer_norm",
    "group_normalized": "group_norm", "dropped": "dropout", "masked_scale": "dropout", "attended": "attention",
    "attended_by_few": "attention", "self_attended": "attention", "contracted": "einsum", "unfolded": "unfold",
    "windows": "unfold", "folded": "fold", "flipped": "flip", "rolled": "roll", "bordered": "pad",
    "diagonal_of": "diagonal", "embedded_diagonal": "diag_embed", "class_cross_entropy": "cross_entropy",
    "picked": "nll_loss", "bernoulli_nll": "binary_cross_entropy", "logit_loss": "binary_cross_entropy_with_logits",
    "gelu_tanh": "gelu", "lower_triangle": "tril", "upper_triangle": "triu", "recurrent_layer": "recurrent",
    "part_of": "slice", "cast": "to", "bitcast": "view", "packed": "contiguous", "close": "isclose",
    "is_member": "isin", "replaced": "nan_to_num",
}  # fmt: skip

ESSENTIAL: dict[str, Callable[[Any], str]] = {}  # of a kind of layer, its essential arguments


def kind_of(module: Module) -> str:
    """Return a module's kind."""
    files = (base.__module__ for base in type(module).__mro__)
    return next((KINDS[name] for name in files if name in KINDS), "module")


def described(module: Module) -> str:
    """Return a module's type with its essential arguments: "Conv2d 64 → 128, 3×3, stride 2"."""
    describe = ESSENTIAL.get(kind_of(module), _extra)
    try:
        essential = describe(module)
    except AttributeError:  # a layer of this kind with other arguments
        essential = _extra(module)
    return f"{type(module).__name__} {essential}".rstrip()


def op_name(op: Any) -> str:
    """Return how an op, a primitive or another, is called in a picture."""
    return OPS.get(f"{op.family}.{op.name}") or OPS.get(op.name, op.name)


def op_label(op: Any, inputs: Sequence[Any]) -> str:
    """Return an op's name, or its sign; with the number it was given, if there was one."""
    label = op_name(op)
    if len(label) > 1 or len(inputs) != 2:
        return label
    left, right = (_number(x) for x in inputs)
    return f"{left} {label} {right}".strip()


def _number(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    return f"{value:.4g}" if isinstance(value, (int, float)) else ""


def _extra(module: Any) -> str:
    text = " ".join(module.extra_repr().split())
    return text if len(text) <= 34 else text[:33] + "…"


def _sides(sizes: Any) -> str:
    """Return "3×3" for a window."""
    return "×".join(map(str, sizes)) if isinstance(sizes, tuple) else f"{sizes}"


def _window(module: Any, dims: int) -> list[str]:
    """Return the window of a convolution or pooling, and of its stride and padding what is not the default."""
    size, stride, padding = (
        value if isinstance(value, (tuple, str)) else (value,) * dims
        for value in (module.kernel_size, module.stride, module.padding)
    )
    moves = module.kernel_size if hasattr(module, "ceil_mode") else 1
    usual = moves if isinstance(moves, tuple) else (moves,) * dims
    parts = [_sides(size)]
    if stride != usual:
        parts.append(f"stride {_same(stride)}")
    if padding not in ((0,) * dims, "valid"):
        parts.append(f"padding {_same(padding)}")
    return parts


def _same(sizes: Any) -> str:
    return str(sizes[0]) if isinstance(sizes, tuple) and len(set(sizes)) == 1 else _sides(sizes)


def _convolution(module: Any) -> str:
    groups = [f"groups {module.groups}"] if module.groups > 1 else []
    parts = _window(module, len(module.kernel_size))
    return ", ".join([f"{module.in_channels} → {module.out_channels}", *parts, *groups])


def _linear(module: Any) -> str:
    return f"{module.in_features} → {module.out_features}"


def _normalisation(module: Any) -> str:
    for name in ("num_features", "num_channels", "normalized_shape"):
        if hasattr(module, name):
            return _sides(getattr(module, name))
    return _extra(module)


def _pooling(module: Any) -> str:
    if hasattr(module, "output_size"):
        return f"to {_sides(module.output_size)}"
    layer = next(base.__name__ for base in type(module).__mro__ if base.__module__ == "nn.pooling")
    dims = int(layer[-2])  # of MaxPool2d, also for a class made from it
    return ", ".join(_window(module, dims))


def _recurrent(module: Any) -> str:
    more = [f"{module.num_layers} layers"] if getattr(module, "num_layers", 1) > 1 else []
    more += ["bidirectional"] if getattr(module, "bidirectional", False) else []
    return ", ".join([f"{module.input_size} → {module.hidden_size}", *more])


def _attention(module: Any) -> str:
    return f"{module.embed_dim}, {module.num_heads} heads"


def _activation(module: Any) -> str:
    return _extra(module).replace("inplace=True", "in place").replace("approximate='none'", "")


ESSENTIAL.update(
    convolution=_convolution,
    linear=_linear,
    normalisation=_normalisation,
    pooling=_pooling,
    recurrent=_recurrent,
    attention=_attention,
    activation=_activation,
    embedding=lambda module: f"{module.num_embeddings} × {module.embedding_dim}",
    dropout=lambda module: f"p = {module.p:g}",
)
