"""Running a model once to look at it, so that it is afterwards as it was."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.random import get_rng_state, set_rng_state
from autograd.tensor import Tensor
from nn.module import Module


def materialise(given: Any, model: Module, dtype: Any) -> Any:
    """Return zeros for a shape, and anything else as it is."""
    if not (isinstance(given, (tuple, list)) and given and all(isinstance(n, (int, np.integer)) for n in given)):
        return given
    if dtype is None:
        floating = (p.array.dtype for p in model.parameters() if p.is_floating_point())
        return Tensor(np.zeros(given, next(floating, dtypes.default_float())))
    return Tensor(np.zeros(given, dtypes.as_numpy(dtype)))


@contextmanager
def undisturbed(model: Module) -> Iterator[None]:
    """Put the model into eval mode for a while; then put back modes, hooks, buffers and the random state."""
    modules = list(model.modules())
    states = [(vars(module), module.training, module._hooks) for module in modules]
    buffers = [
        (vars(module), name, buffer, buffer.array.copy())
        for module in modules
        for name, buffer in module._buffers.items()
        if buffer is not None
    ]
    random = get_rng_state()
    try:
        model.eval()
        yield
    finally:
        set_rng_state(random)
        for own, training, hooks in states:
            own.update(training=training, _hooks=hooks)
        for own, name, buffer, values in buffers:
            own[name] = buffer
            if buffer.array.flags.writeable:  # else nobody wrote to it
                buffer.array[...] = values


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Yield the tensors in nested tuples, lists and dictionaries."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from tensors_in(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from tensors_in(each)
