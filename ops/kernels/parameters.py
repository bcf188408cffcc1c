"""What every optimiser step works on: a table of addresses, one column per parameter, walked in one pass.

A column holds where the elements, the gradient and the states of one parameter lie; the states of a group share one
block of memory. A step has two parts. `advance` goes over the columns, counts the update and turns the options into
the rates of each parameter, in double precision. The loop then walks the elements in blocks that the threads divide.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ops.kernels.jit import kernel, threads_for
from ops.kernels.memory import address_of, elements

Array = np.ndarray[Any, Any]

BLOCK = 8192
"""Elements of a parameter that one thread updates at a time."""

GRAIN = 32768
"""Elements per thread below which a second thread costs more than it saves."""

RATES = 4
"""Numbers that `advance` may hand to the loop for each parameter."""

PARAM, GRAD, STATE = 0, 1, 2
"""Rows of the table; states take the rows from STATE on."""


class Parameters:
    """The arrays of one group: equal dtype (float32 or float64), C-contiguous, updated in place.

    `state[name][i]` is a zero-initialised array shaped like parameter i, `scalar[name][i]` a number kept for it, and
    `steps[i]`, alias `scalar["step"][i]`, counts its updates (a parameter without gradient is left out of a step, as in
    PyTorch). Write into these arrays to restore them.
    """

    def __init__(
        self,
        arrays: Sequence[Array],
        states: Sequence[str] = (),
        scalars: Sequence[str] = (),
        scalar_type: Any = np.float32,
    ) -> None:
        self.arrays: list[Array] = list(arrays)
        self.dtype = self.arrays[0].dtype if self.arrays else np.dtype(np.float32)
        for x in self.arrays:
            self._check(x)
        self.sizes = np.array([x.size for x in self.arrays], np.int64)
        self.scalars = np.zeros((1 + len(scalars), len(self.arrays)), scalar_type)
        self.scalar = dict(zip(("step", *scalars), self.scalars, strict=True))
        self.steps = self.scalar["step"]
        self.rates = np.zeros((len(self.arrays), RATES))
        self.table = np.zeros((STATE + len(states), len(self.arrays)), np.int64)
        self.table[PARAM] = [x.ctypes.data for x in self.arrays]
        self.state = {name: self._allocate(STATE + row) for row, name in enumerate(states)}
        self.blocks = blocks_of(self.sizes)
        self.like = np.empty(0, self.dtype)
        self.real: type = self.dtype.type
        self._sizes: list[int] = self.sizes.tolist()
        self._grads: list[Array] = []

    def _check(self, x: Array) -> None:
        if x.dtype != self.dtype or self.dtype not in (np.float32, np.float64):
            raise TypeError(f"Parameters: expected arrays of one type, float32 or float64, got {x.dtype}")
        if not x.flags.carray:
            raise ValueError(f"Parameters: array {x.shape} is not C-contiguous, aligned and writeable")

    def _allocate(self, row: int) -> list[Array]:
        """Carve one zeroed block into arrays shaped like the parameters, each on a cache line of its own."""
        line = 64 // self.dtype.itemsize
        ends = np.cumsum(-(-self.sizes // line) * line)
        block = np.zeros(int(ends[-1]) + line if len(ends) else 0, self.dtype)
        first = -block.ctypes.data % 64 // self.dtype.itemsize
        starts = [first, *(ends[:-1] + first).tolist()]
        arrays = [block[a : a + x.size].reshape(x.shape) for a, x in zip(starts, self.arrays, strict=False)]
        self.table[row] = [x.ctypes.data for x in arrays]
        return arrays

    def rebind(self, i: int, array: Array) -> None:
        """Let parameter i live in another array of its shape; its states stay."""
        self._check(array)
        if array.shape != self.arrays[i].shape:
            raise ValueError(f"Parameters: array {array.shape} does not match parameter {self.arrays[i].shape}")
        self.arrays[i] = array
        self.table[PARAM, i] = array.ctypes.data

    def set_grads(self, grads: Sequence[Array | None]) -> None:
        """Use these gradients in the next step, None for a parameter to be left alone."""
        if len(grads) != len(self._sizes):
            raise ValueError(f"Parameters: got {len(grads)} gradients for {len(self._sizes)} parameters")
        dtype, kept, addresses = self.dtype, [], []
        for i, (grad, size) in enumerate(zip(grads, self._sizes, strict=True)):
            if grad is None:
                addresses.append(0)
                continue
            if grad.dtype != dtype or grad.size != size:
                self._refuse(i, grad)
            dense = grad.ravel()  # a copy only where it is not contiguous
            kept.append(dense)
            addresses.append(address_of(dense))
        self._grads = kept  # keeps the memory alive
        self.table[GRAD] = addresses

    def _refuse(self, i: int, grad: Array) -> None:
        if grad.dtype != self.dtype:
            raise TypeError(f"Parameters: gradient {i} is {grad.dtype}, its parameter {self.dtype}")
        raise ValueError(f"Parameters: gradient {i} {grad.shape} does not match {self.arrays[i].shape}")

    def update(
        self,
        advance: Callable[..., None],
        rate_options: Sequence[float],
        loop: Callable[..., None],
        options: Sequence[float],
    ) -> None:
        """Run advance, then the loop, over all parameters that have a gradient; then let go of the gradients."""
        advance(self.table[GRAD], self.scalars, self.rates, *map(float, rate_options))
        loop(
            threads_for(len(self.blocks) * BLOCK, GRAIN),
            len(self.blocks),
            self.blocks,
            self.table,
            self.sizes,
            self.rates,
            self.like,
            *map(float, options),
        )
        self.table[GRAD] = 0
        self._grads = []


def blocks_of(sizes: Array) -> Array:
    """Return the number of an array and of its first element for every block of arrays of some sizes."""
    counts = -(-sizes // BLOCK)
    owners = np.repeat(np.arange(len(sizes)), counts)
    before = np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([owners, (np.arange(len(owners)) - before) * BLOCK], 1)


@kernel
def count_steps(grads, scalars, _rates):
    """Count one more update of every parameter that has a gradient."""
    for i in range(grads.size):
        scalars[0, i] += grads[i] != 0


@kernel(inline=True)
def block_of(table, sizes, row, i, first, like):
    """Return the elements of one block of one row of the table."""
    return elements(table[row, i] + first * like.itemsize, min(BLOCK, sizes[i] - first), like)


@kernel(inline=True)
def decayed(d, weight_decay, p):
    """Return d + weight_decay p; an infinite p is left in peace by a weight decay of 0."""
    return d + weight_decay * p if weight_decay != 0 else d


def sign_of(maximize: bool) -> float:
    """Return what gradients are multiplied by."""
    return -1.0 if maximize else 1.0
