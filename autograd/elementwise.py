"""How an elementwise forward calls NumPy: results as IEEE 754 has them, errors as PyTorch words them.

1 / 0 is inf and log(-1) is NaN, without NumPy's warnings. `np.errstate` around every op would cost more than the op;
each thread keeps one context in which NumPy is silent and runs its forwards there.
"""

import contextvars
import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np


def _first(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Make this thread's silent context, and run `function` in it."""
    context = contextvars.Context()
    context.run(np.seterr, all="ignore")
    _run.set(context.run)
    return context.run(function, *args, **kwargs)


_run: ContextVar[Callable[..., Any]] = ContextVar("run", default=_first)

silent = _run.get
"""`silent()(function, *args)` calls a function that calls no other primitive while NumPy does not warn."""


def silently(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call `function` while NumPy does not warn, also where another thread is in the context.

    That is so where a context was copied to a thread, as `asyncio.to_thread` does: the copy then gets one of its own.
    """
    try:
        return silent()(function, *args, **kwargs)
    except RuntimeError as error:
        if not str(error).startswith("cannot enter context"):
            raise
        return _first(function, *args, **kwargs)


SMALL = 2048
"""Elements up to which NumPy beats a fused kernel: its calls start sooner, but make one pass over memory each."""


def elementwise(forward: Callable[..., Any] | None = None, *, small: Callable[..., Any] | None = None) -> Any:
    """Mark a forward whose inputs broadcast with each other: primitives run it quietly and explain its errors.

    `small` is the NumPy ufunc that computes the same, and does so for up to `SMALL` elements.
    """
    if forward is None:
        return functools.partial(elementwise, small=small)
    chosen = forward if small is None else _by_size(small, forward)
    chosen.elementwise = True  # type: ignore[attr-defined]  # functions take attributes
    chosen.small = small or chosen  # type: ignore[attr-defined]
    return chosen


def _by_size(small: Callable[..., Any], large: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of one or two arrays that is `small` up to SMALL elements of the result, `large` beyond."""

    @functools.wraps(large)
    def unary(x: np.ndarray) -> Any:
        return small(x) if x.size <= SMALL else large(x)

    @functools.wraps(large)
    def binary(x: np.ndarray, y: np.ndarray) -> Any:
        fits = x.shape[x.ndim - y.ndim :] == y.shape  # then the result has the shape of x, and that is soon said
        size = x.size if fits else np.broadcast(x, y).size
        return small(x, y) if size <= SMALL else large(x, y)

    return unary if len(inspect.signature(large).parameters) == 1 else binary


def explained(name: str, error: Exception, arrays: Any) -> Exception:
    """Return what PyTorch raises where NumPy raised `error`: shapes do not broadcast, or no loop for the type."""
    given = [np.asarray(x) for x in arrays if x is not None]
    if isinstance(error, ValueError) and "broadcast" in str(error):
        return RuntimeError(f"{name}: {_mismatch([x.shape for x in given])}")
    if isinstance(error, TypeError) and "boolean negative" in str(error):
        return RuntimeError(f"{name}: a bool tensor cannot be negated, use the `~` or `logical_not()` operator instead")
    if isinstance(error, TypeError) and "ufunc" in str(error):
        return NotImplementedError(f"{name}: not implemented for {', '.join({str(x.dtype): 0 for x in given})}")
    return error


def _mismatch(shapes: list[tuple[int, ...]]) -> str:
    """Say where two of several shapes do not broadcast."""
    for i, a in enumerate(shapes):
        for b in shapes[i + 1 :]:
            ndim = max(len(a), len(b))
            sizes = zip((1,) * (ndim - len(a)) + a, (1,) * (ndim - len(b)) + b, strict=True)
            for dim, (m, n) in enumerate(sizes):
                if m != n and 1 not in (m, n):
                    return (
                        f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton "
                        f"dimension {dim}: shapes {list(a)} and {list(b)}"
                    )
    return f"shapes {', '.join(str(list(shape)) for shape in shapes)} do not broadcast"
