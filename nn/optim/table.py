"""A group's parameters of one element type as the update kernels see them: addresses, walked in one pass."""

from collections.abc import Mapping, Sequence
from itertools import chain
from operator import attrgetter, is_
from typing import Any, NamedTuple

import numpy as np

from autograd import dtypes
from autograd.tensor import Tensor
from autograd.views import write
from ops.lazy_kernels import optim

State = dict[Any, Any]
_array_of = attrgetter("array")


class Layout(NamedTuple):
    """What an optimiser keeps for each parameter.

    Attributes:
        states: names of arrays shaped like the parameter, in the kernel's order.
        scalars: names of numbers, in the kernel's order after the count of steps.
        starts: what they are at first, where it is not 0.
        counts: whether the count of steps is part of the state.
    """

    states: tuple[str, ...] = ()
    scalars: tuple[str, ...] = ()
    starts: Mapping[str, float] = {}  # never written
    counts: bool = True


class Table:
    """Parameters, and their states as views of the kernel's memory.

    States a parameter already has, such as those of a loaded checkpoint, are taken over; others appear in the
    optimiser's `state` at the parameter's first step. Replacing a state there, or its tensor's array, makes the table
    out of date.
    """

    def __init__(self, optimizer: str, params: Sequence[Tensor], layout: Layout, state: State) -> None:
        self.params = list(params)
        self.layout = layout
        kind = self.params[0].array.dtype
        if kind not in (np.float32, np.float64):
            raise TypeError(f"{optimizer}: parameters must be float32 or float64, got {kind}")
        found = {i: state[p] for i, p in enumerate(self.params) if state.get(p)}
        # The kernels want C order; a parameter in another order is stepped in a copy.
        arrays = [np.asarray(p.array, order="C") for p in self.params]
        self.parameters = optim.Parameters(arrays, layout.states, layout.scalars, _scalar_type(layout, found.values()))
        self._moved = self._find_moved()
        self._new = set(range(len(self.params)))  # parameters without a state
        self._owners: list[Tensor] = []  # parameters with one, their states, and the tensors and arrays therein
        self._entries: list[dict[str, Any]] = []
        self._values: list[Any] = []
        self._tensors: list[Tensor] = []
        self._arrays: list[np.ndarray] = []
        for i, entry in found.items():
            self._show(i, entry, layout)

    def _show(self, i: int, entry: dict[str, Any], layout: Layout) -> None:
        """Copy what a parameter's state holds into the kernel's memory, and let the state show that memory."""
        self._new.discard(i)
        parameters = self.parameters
        memory = {name: array[i : i + 1].reshape(()) for name, array in parameters.scalar.items()}
        memory |= {name: arrays[i] for name, arrays in parameters.state.items()}
        for name, array in memory.items():
            value = entry.get(name)
            array[...] = layout.starts.get(name, 0) if value is None else _number_or_array(value)
        if not layout.counts:  # PyTorch's SGD saves a momentum buffer without a count
            memory.pop("step")[...] = any(entry.get(name) is not None for name in layout.states)
        if not memory:
            return
        for name, array in memory.items():
            entry[name] = Tensor(array)
        self._owners.append(self.params[i])
        self._entries.append(entry)
        self._values.extend(entry.values())
        self._tensors.extend(entry[name] for name in memory)
        self._arrays.extend(memory.values())

    def holds(self, params: Sequence[Tensor]) -> bool:
        """Say whether these are the parameters."""
        return len(self.params) == len(params) and all(map(is_, self.params, params))

    def is_current(self, layout: Layout, state: State) -> bool:
        """Say whether states and parameters are still those the table was made for; note which parameters moved."""
        self._moved = self._find_moved()
        return (
            self.layout.states == layout.states
            and all(map(is_, map(state.get, self._owners), self._entries))
            and sum(map(len, self._entries)) == len(self._values)
            and all(map(is_, chain.from_iterable(map(dict.values, self._entries)), self._values))
            and all(map(is_, map(_array_of, self._tensors), self._arrays))
            and all(self._fits(i) for i in self._moved)
        )

    def _find_moved(self) -> list[int]:
        """Return which parameters do not lie where the kernel steps them."""
        return [i for i, (p, x) in enumerate(zip(self.params, self.parameters.arrays, strict=True)) if p.array is not x]

    def _fits(self, i: int) -> bool:
        old, new = self.parameters.arrays[i], self.params[i].array
        return old.dtype == new.dtype and old.shape == new.shape

    def follow(self) -> None:
        """Point the kernel at parameters that moved since the last step, or are stepped in a copy."""
        for i in self._moved:
            self.parameters.rebind(i, np.asarray(self.params[i].array, order="C"))

    def take_gradients(self, layout: Layout, state: State) -> list[Tensor]:
        """Point the kernel at this step's gradients; return the parameters that have one."""
        self.follow()
        for i in sorted(self._new):
            if self.params[i]._grad is not None:
                self._start(i, layout, state)
        self.parameters.set_grads([None if p._grad is None else p._grad.array for p in self.params])
        return [p for p in self.params if p._grad is not None]

    def _start(self, i: int, layout: Layout, state: State) -> None:
        entry: dict[str, Any] = {}
        self._show(i, entry, layout)
        if entry:
            state[self.params[i]] = entry

    def write_back(self, by: str) -> None:
        """Copy parameters that were stepped in a copy to where they live."""
        for i in self._moved:
            if self.params[i].array is not self.parameters.arrays[i]:
                write(self.params[i], self.parameters.arrays[i], by)


def _number_or_array(value: Any) -> Any:
    return value.array if isinstance(value, Tensor) else value


def _scalar_type(layout: Layout, entries: Any) -> Any:
    """Return the type of the numbers kept: float32, or float64 where that is the default or what was saved."""
    names = (*layout.scalars, "step") if layout.counts else layout.scalars
    saved = (_number_or_array(entry.get(name)) for entry in entries for name in names)
    doubles = any(isinstance(value, np.ndarray) and value.dtype == np.float64 for value in saved)
    return np.float64 if doubles or dtypes.default_float() == np.float64 else np.float32
