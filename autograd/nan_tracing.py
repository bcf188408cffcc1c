"""`trace_nans`: stop at the first op whose result is not finite, instead of finding a NaN loss an epoch later.

What counts. A NaN in a result always does: either the op made it, or it came in with data or parameters that no op has
made, and then the op it came in by is named. An infinity counts where no input was infinite: −inf in a mask is the
user's will, the logarithm of 0 is not. Numbers given as NaN or inf are the user's will too, and ops that only move
values (indexing, reshaping, joining) are not blamed for what they move.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Self

import numpy as np

from autograd import tracing
from autograd.anomaly_mode import refuse
from autograd.tensor import Tensor

# Families of ops (files) that only move values.
MOVING = {"autograd.regions", "autograd.views", "ops.conversion", "ops.indexing", "ops.joining", "ops.padding"}
MOVING |= {"ops.rearranging", "ops.scattering", "ops.selecting", "ops.shape", "ops.slicing"}


class trace_nans(contextlib.ContextDecorator):
    """Raise RuntimeError at the first non-finite value: `with trace_nans(): ...`, `@trace_nans()` or `@trace_nans`.

    The error names the op, the path of the module it ran in, its inputs and the user's line; in backward, which is
    watched too, the op whose gradient is not finite and where that op was called. It holds for ops of this thread.

    Args:
        inf: whether infinities count, or NaN alone.
    """

    def __new__(cls, function: Callable[..., Any] | None = None, *, inf: bool = True) -> Any:
        return super().__new__(cls) if function is None else cls(inf=inf)(function)

    def __init__(self, *, inf: bool = True) -> None:
        self.inf = inf
        self._thread = 0

    def _recreate_cm(self) -> Self:
        return type(self)(inf=self.inf)

    def __enter__(self) -> Self:
        self._thread = threading.get_ident()
        tracing.watchers.append(self._watch)
        tracing.tracers.append(self)
        tracing.grad_checks.append(self._check_gradients)
        return self

    def __exit__(self, *error: object) -> None:
        tracing.watchers.remove(self._watch)
        tracing.tracers.remove(self)
        tracing.grad_checks.remove(self._check_gradients)

    def _check_gradients(self, node: Any, grads: Any) -> None:
        if threading.get_ident() == self._thread:
            refuse(node, grads, "nan", np.isnan)
            if self.inf:
                refuse(node, grads, "inf", np.isinf)

    def _watch(self, op: Any, inputs: Sequence[Any], parameters: dict[str, Any], output: np.ndarray) -> None:
        if threading.get_ident() != self._thread or output.dtype.kind != "f" or np.isfinite(output).all():
            return
        arrays = list(_arrays(inputs))
        values = [*inputs, *parameters.values()]
        numbers: list[Any] = [x for x in values if isinstance(x, float) or (type(x) is np.ndarray and x.ndim == 0)]
        given = [*numbers, *(array for _, array in arrays)]
        nan_came_in = any(np.isnan(x).any() for x in given)
        if np.isnan(output).any():
            if not nan_came_in or (op.family not in MOVING and not any(map(np.isnan, numbers))):
                raise _refusal(op, "nan", np.isnan(output), nan_came_in, arrays)
        elif self.inf and not nan_came_in and not any(np.isinf(x).any() for x in given):
            raise _refusal(op, "inf", np.isinf(output), False, arrays)


def _arrays(inputs: Iterable[Any]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the number and the array of each floating input."""
    for index, x in enumerate(inputs):
        array = x.array if isinstance(x, Tensor) else x
        if isinstance(array, np.ndarray) and array.dtype.kind == "f":
            yield index, array


def _refusal(op: Any, what: str, wrong: np.ndarray, came_in: bool, arrays: Any) -> RuntimeError:
    first = tuple(int(i) for i in np.argwhere(wrong)[0])
    made = f"{np.count_nonzero(wrong)} of {wrong.size} values are {what} in the result of shape {wrong.shape}"
    source = "an input held it already, which no op has made" if came_in else f"no input held {what}"
    lines = [f"{op.name}: {made}, the first at {first}; {source}"]
    for index, array in arrays:
        name = op.inputs[index] if index < len(op.inputs) else f"input {index}"
        lines.append(f"  {name}: {_described(array)}")
    lines.append(f"  at {tracing.Trace(sys._getframe(3)).line}")
    return RuntimeError("\n".join(lines))


def _described(array: np.ndarray) -> str:
    finite = array[np.isfinite(array)]
    counts = ((np.count_nonzero(np.isnan(array)), "nan"), (np.count_nonzero(np.isinf(array)), "inf"))
    wrong = ", ".join(f"{count} {what}" for count, what in counts if count)
    extent = f", from {finite.min():.6g} to {finite.max():.6g}" if finite.size else ""
    return f"{array.dtype} of shape {array.shape}, {wrong or 'finite'}{extent}"
