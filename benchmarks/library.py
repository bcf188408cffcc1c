"""The libraries compared. Both are used through PyTorch's names, so a benchmark is written once."""

import importlib
import os
from typing import Any, NamedTuple

import numpy as np

MODULES = {
    "magtape": ("autograd", "nn", "nn.functional", "nn.optim"),
    "pytorch": ("torch", "torch.nn", "torch.nn.functional", "torch.optim"),
}


class Library(NamedTuple):
    """A library under the names PyTorch programs use."""

    name: str
    torch: Any
    nn: Any
    F: Any
    optim: Any

    def tensor(self, array: np.ndarray, requires_grad: bool = False) -> Any:
        """Return a tensor with the values of `array`."""
        return self.torch.tensor(array, requires_grad=requires_grad)


def available() -> list[str]:
    """Return the names of the installed libraries."""
    return [name for name, modules in MODULES.items() if importlib.util.find_spec(modules[0]) is not None]


def load(name: str, threads: int) -> Library:
    """Import a library and set its number of threads."""
    library = Library(name, *(importlib.import_module(module) for module in MODULES[name]))
    library.torch.set_num_threads(threads)
    return library


def environment(threads: int) -> dict[str, str]:
    """Return the environment of a process that may use so many threads."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
    return {**os.environ, **dict.fromkeys(names, str(threads))}
