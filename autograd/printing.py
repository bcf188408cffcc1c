"""How tensors print: `tensor([1., 2.], requires_grad=True)`."""

from typing import Any

import numpy as np

from autograd import dtypes
from autograd.node import Leaf
from autograd.tensor import Tensor

_DEFAULTS: dict[str, Any] = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
_PROFILES: dict[str, dict[str, Any]] = {
    "default": _DEFAULTS,
    "short": {**_DEFAULTS, "precision": 2, "edgeitems": 2},
    "full": {**_DEFAULTS, "threshold": np.inf},
}
_options: dict[str, Any] = dict(_DEFAULTS)


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Set how tensors print; `profile` is "default", "short" or "full"."""
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions: profile must be one of {sorted(_PROFILES)}, got {profile!r}")
        _options.update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


def _scientific(values: np.ndarray) -> bool:
    """PyTorch's rule: e-notation where the finite, non-zero magnitudes span too much for fixed notation."""
    if _options["sci_mode"] is not None:
        return _options["sci_mode"]
    magnitudes = np.abs(values[np.isfinite(values) & (values != 0)].astype(np.float64))
    if magnitudes.size == 0:
        return False
    low, high = magnitudes.min(), magnitudes.max()
    return bool(high / low > 1000.0 or high > 1.0e8 or low < 1.0e-4)


def _shown(array: np.ndarray) -> np.ndarray:
    """Return the values that will be printed: all, or the edges of a large array."""
    if array.size <= _options["threshold"]:
        return array.reshape(-1)
    edge = _options["edgeitems"]
    for axis, n in enumerate(array.shape):
        if n > 2 * edge:
            array = np.take(array, [*range(edge), *range(n - edge, n)], axis)
    return array.reshape(-1)


def _formatter(array: np.ndarray) -> Any:
    """Return NumPy's `formatter`: decimals as PyTorch shows them, padded to the widest finite number other than 0."""
    values = _shown(array)
    if array.dtype.kind == "b" and values.all():
        return {"bool": str}  # NumPy leaves room for False
    if array.dtype.kind != "f":
        return {}
    precision = _options["precision"]
    finite = values[np.isfinite(values)]
    if _scientific(values):
        spec = f".{precision}e"
    elif np.all(finite == np.ceil(finite)):
        spec = ".0f"
    else:
        spec = f".{precision}f"
    suffix = "." if spec == ".0f" else ""

    def text(value: Any) -> str:
        return format(float(value), spec) + (suffix if np.isfinite(value) else "")

    width = max((len(text(v)) for v in finite if v != 0), default=0) if array.ndim else 0
    return {"float_kind": lambda value: text(value).rjust(width)}


def to_string(self: Tensor) -> str:
    """Return `tensor(values, what is not obvious from them)`."""
    array = self.array
    notes = []
    if array.size == 0 and array.ndim != 1:
        notes.append(f"size={tuple(array.shape)}")
    obvious = (dtypes.default_float(), np.int64, np.bool_) if array.size else (dtypes.default_float(),)
    if array.dtype not in obvious:
        notes.append(f"dtype={self.dtype}")
    node = self.grad_fn
    if node is not None:
        notes.append(f"grad_fn=<{node.name()}>")
    elif type(self._node) is Leaf:
        notes.append("requires_grad=True")
    body = "[]" if array.size == 0 else _body(array)
    return f"tensor({', '.join([body, *notes])})"


def _body(array: np.ndarray) -> str:
    return np.array2string(
        array,
        max_line_width=_options["linewidth"],
        threshold=_options["threshold"],
        edgeitems=_options["edgeitems"],
        separator=", ",
        prefix="tensor(",
        formatter=_formatter(array),
    )
