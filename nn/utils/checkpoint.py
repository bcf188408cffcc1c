"""Checkpointing: less memory for more time. What a part of a network saved is computed again in backward."""

import contextlib
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any

from autograd.grad_mode import is_grad_enabled
from autograd.random import Generator, default_generator, drawing_from
from autograd.recomputation import CheckpointError, Segment, tensors_in
from nn.containers import Sequential

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential", "noop_context_fn"]

ContextPair = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]


def noop_context_fn() -> ContextPair:
    """Return two contexts that do nothing."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = False,
    context_fn: Callable[[], ContextPair] = noop_context_fn,
    determinism_check: str = "default",
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """Return `function(*args, **kwargs)`, of which only the arguments are kept for backward.

    Backward calls the function again, so it must do the same again. What it changes beside its result it changes twice:
    the running statistics of a batch norm, for example. Gradients are those without checkpoint, bit for bit.

    Args:
        context_fn: returns two context managers, for the first call and for the calls in backward.
        determinism_check: "default" compares the ops of both calls, with shapes and types; "none" their number.
        preserve_rng_state: let the calls in backward draw the same from the default generator: the same dropout.

    Raises:
        CheckpointError: in backward, where the function did not do the same again.
        RuntimeError: in backward, where an argument was written to since.
    """
    if use_reentrant:
        raise NotImplementedError("checkpoint: there is no use_reentrant=True; False gives the same gradients")
    if determinism_check not in ("default", "none"):
        raise ValueError(f"checkpoint: determinism_check should be 'default' or 'none', got {determinism_check!r}")
    context, context_again = context_fn()
    if not is_grad_enabled():
        with context:
            return function(*args, **kwargs)
    state = default_generator.get_state() if preserve_rng_state else None

    def again() -> Any:
        random = drawing_from(Generator().set_state(state)) if state is not None else contextlib.nullcontext()
        with context_again, random:
            return function(*args, **kwargs)

    segment = Segment(again, tensors_in([args, kwargs]), compare=determinism_check == "default")
    with context:
        return segment.run(lambda: function(*args, **kwargs))


def checkpoint_sequential(
    functions: Sequential | Iterable[Callable[..., Any]],
    segments: int,
    input: Any,
    use_reentrant: bool | None = False,
    preserve_rng_state: bool = True,
) -> Any:
    """Return `input` after all the functions, called one after the other in so many segments of equal length.

    All segments but the last, which backward needs first, are checkpointed.
    """
    steps = list(functions)
    if not 1 <= segments <= len(steps):
        raise ValueError(f"checkpoint_sequential: segments should be 1 to {len(steps)}, got {segments}")
    size = len(steps) // segments
    for start in range(0, size * (segments - 1), size):
        part = steps[start : start + size]
        input = checkpoint(_in_turn, part, input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return _in_turn(steps[size * (segments - 1) :], input)


def _in_turn(functions: Iterable[Callable[..., Any]], input: Any) -> Any:
    for function in functions:
        input = function(input)
    return input
