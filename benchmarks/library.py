"""The libraries compared. Magtape and PyTorch are used through PyTorch's names, so a benchmark is written once."""

import importlib
from typing import Any, NamedTuple

import numpy as np

MODULES = {
    "magtape": ("autograd", "nn", "nn.functional", "nn.optim"),
    "pytorch": ("torch", "torch.nn", "torch.nn.functional", "torch.optim"),
}


class Library(NamedTuple):
    """A library under the names PyTorch programs use.

    `features` are the ways of using PyTorch better than by default: "channels_last", "fused", "foreach",
    "compiled".
    """

    name: str
    torch: Any
    nn: Any
    F: Any
    optim: Any
    features: frozenset[str] = frozenset()

    def tensor(self, array: np.ndarray, requires_grad: bool = False) -> Any:
        """Return a tensor with the values of `array`."""
        return self.torch.tensor(array, requires_grad=requires_grad)

    def images(self, array: np.ndarray, requires_grad: bool = False) -> Any:
        """Return a tensor (N, C, H, W), in memory as N, H, W, C where the variant says so; filters likewise."""
        tensor = self.torch.tensor(array)
        if "channels_last" in self.features:
            tensor = tensor.contiguous(memory_format=self.torch.channels_last)
        return tensor.requires_grad_(requires_grad)

    def model(self, model: Any) -> Any:
        """Return the model as the variant uses it."""
        if "channels_last" in self.features:
            model = model.to(memory_format=self.torch.channels_last)
        return self.torch.compile(model) if "compiled" in self.features else model

    def optimizer(self, name: str, parameters: Any, **options: Any) -> Any:
        """Return an optimiser of `nn.optim`."""
        for how in self.features & {"fused", "foreach"}:
            options[how] = True
        return getattr(self.optim, name)(parameters, **options)


def load(name: str, features: frozenset[str], threads: int) -> Library:
    """Import a library and set its number of threads."""
    modules = [importlib.import_module(module) for module in MODULES[name]]
    modules[0].set_num_threads(threads)
    return Library(name, *modules, features)
