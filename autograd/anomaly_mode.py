"""Anomaly mode: a backward that fails, or makes a NaN, says where in the forward its op was called.

While it is on every node remembers the calls that led to it, which takes longer than most ops.
"""

from typing import Any, Self

import numpy as np

from autograd import tracing
from autograd.tensor import Tensor


class _State:
    """The mode, for all threads as in PyTorch."""

    on = False
    check_nan = True


def is_anomaly_enabled() -> bool:
    """Return whether anomaly mode is on."""
    return _State.on


def is_anomaly_check_nan_enabled() -> bool:
    """Return whether anomaly mode, if on, looks for NaN."""
    return _State.check_nan


class set_detect_anomaly:
    """Turn anomaly mode on or off at once; as a context manager, put the old mode back at the end.

    With the mode on, an error in backward carries the traceback of the forward call of the op it arose in, errors
    about values changed in place name the lines of both ops, and (`check_nan`) a NaN in a gradient raises RuntimeError.
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _State.on, _State.check_nan
        _set(bool(mode), check_nan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        _set(*self._before)


class detect_anomaly(set_detect_anomaly):
    """Turn anomaly mode on inside: `with detect_anomaly(): ...`; see `set_detect_anomaly`."""

    def __init__(self, check_nan: bool = True) -> None:
        self._before = _State.on, _State.check_nan
        self._mode = True, check_nan

    def __enter__(self) -> Self:
        _set(*self._mode)
        return self


def _set(on: bool, check_nan: bool) -> None:
    if _State.on:
        tracing.tracers.remove(_State)
    if _State.on and _State.check_nan:
        tracing.grad_checks.remove(refuse_nan)
    _State.on, _State.check_nan = on, check_nan
    if on:
        tracing.tracers.append(_State)
    if on and check_nan:
        tracing.grad_checks.append(refuse_nan)


def refuse_nan(node: Any, grads: Any) -> None:
    """Raise RuntimeError if a gradient that `node` hands on holds a NaN."""
    refuse(node, grads, "nan", np.isnan)


def refuse(node: Any, grads: Any, what: str, is_wrong: Any) -> None:
    """Raise RuntimeError if `is_wrong` of any element of the gradients that `node` hands on."""
    for index, grad in enumerate(grads):
        array = grad.array if isinstance(grad, Tensor) else grad
        if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
            continue
        count = int(np.count_nonzero(is_wrong(array)))
        if count:
            trace = tracing.trace_of(node)
            place = f"; its op was called at {trace}" if trace is not None else ""
            raise RuntimeError(
                f"Function '{node.name()}' returned {what} values in its {index}th output: {count} of the "
                f"{array.size} elements of a gradient of shape {array.shape}{place}"
            )
