"""A group's parameters of one element type as the update kernels see them: addresses, walked in one pass."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from ops.lazy_kernels import optim


class Table:
    """Parameters, and their states as views of the kernel's memory.

    States a parameter already has, such as those of a loaded checkpoint, are taken over.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        states: tuple[str, ...],
        state: dict[Tensor, dict[str, Any]],
        group: dict[str, Any],
    ) -> None:
        self.params = list(params)
        self.states = states
        # The kernels want C order; a parameter in another order is stepped in a copy.
        self.parameters = optim.Parameters([np.asarray(p.array, order="C") for p in self.params], states)
        for i, param in enumerate(self.params):
            self._adopt(i, state[param], group)

    def _adopt(self, i: int, entry: dict[str, Any], group: dict[str, Any]) -> None:
        """Copy what a parameter's state holds into the kernel's memory, and let the state show that memory."""
        if "step" in entry:
            self.parameters.steps[i] = int(entry["step"])
        elif entry:
            self.parameters.steps[i] = 1  # PyTorch's SGD saves a momentum buffer without a count
        entry["step"] = Tensor(self.parameters.steps[i : i + 1].reshape(()))
        for name in self.states:
            memory = self.parameters.state[name][i]
            if name in entry:
                memory[...] = entry[name].array
            elif name == "sum":
                memory[...] = group["initial_accumulator_value"]
            entry[name] = Tensor(memory)

    def take_gradients(self) -> list[Tensor]:
        """Point the kernel at this step's gradients; return the parameters that have one."""
        parameters = self.parameters
        for i, param in enumerate(self.params):
            if param.array is not parameters.arrays[i]:  # moved since the last step, or stepped in a copy
                parameters.rebind(i, np.asarray(param.array, order="C"))
        parameters.set_grads([None if p._grad is None else p._grad.array for p in self.params])
        return [p for p in self.params if p._grad is not None]

    def write_back(self) -> None:
        """Copy parameters that were stepped in a copy to where they live."""
        for param, array in zip(self.params, self.parameters.arrays, strict=True):
            if param.array is not array:
                param.array[...] = array
