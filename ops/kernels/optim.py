"""Optimiser steps: all arrays of a group updated by one call in one pass.

`Parameters` holds a table of addresses, one column per parameter: of its elements, its gradient and its
states. The states of a group lie in one block of memory.  Each step walks the columns in blocks that the
threads divide. Formulas, argument names and the order of operations are those of the optimisers of
`torch.optim`.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from ops.kernels.jit import kernel, split, threads_for
from ops.kernels.memory import address_of, elements
from ops.kernels.scalar import Function

Array = np.ndarray[Any, Any]

BLOCK = 8192
"""Elements of a parameter that one thread updates at a time."""

GRAIN = 32768
"""Elements per thread below which a second thread costs more than it saves."""

PARAM, GRAD, STATE = 0, 1, 2
"""Rows of the table; states take the rows from STATE on."""


class Parameters:
    """The arrays of one group: equal dtype (float32 or float64), C-contiguous, updated in place.

    `state[name][i]` is a zero-initialised array shaped like parameter i, `steps[i]` counts its updates (a
    parameter without gradient is left out of a step, as in PyTorch).  Write into these arrays to restore
    them.
    """

    def __init__(self, arrays: Sequence[Array], states: Sequence[str] = ()) -> None:
        self.arrays: list[Array] = list(arrays)
        self.dtype = self.arrays[0].dtype if self.arrays else np.dtype(np.float32)
        for x in self.arrays:
            self._check(x)
        self.sizes = np.array([x.size for x in self.arrays], np.int64)
        self.steps = np.zeros(len(self.arrays), np.int64)
        self.table = np.zeros((STATE + len(states), len(self.arrays)), np.int64)
        self.table[PARAM] = [x.ctypes.data for x in self.arrays]
        self.state = {name: self._allocate(STATE + row) for row, name in enumerate(states)}
        self.blocks = np.array(
            [(i, a) for i, size in enumerate(self.sizes.tolist()) for a in range(0, size, BLOCK)], np.int64
        ).reshape(-1, 2)
        self.like = np.empty(0, self.dtype)
        self.real: type = self.dtype.type
        self._sizes: list[int] = self.sizes.tolist()
        self._grads: list[Array | None] = []

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
        self._grads = list(grads)  # keeps the memory alive
        addresses = [
            0 if grad is None else self._locate(i, grad, size)
            for i, (grad, size) in enumerate(zip(self._grads, self._sizes, strict=True))
        ]
        self.table[GRAD] = addresses

    def _locate(self, i: int, grad: Array, size: int) -> int:
        if grad.dtype != self.dtype:
            raise TypeError(f"Parameters: gradient {i} is {grad.dtype}, its parameter {self.dtype}")
        if grad.size != size:
            raise ValueError(f"Parameters: gradient {i} {grad.shape} does not match {self.arrays[i].shape}")
        dense = self._grads[i] = grad.ravel()  # a copy only where it is not contiguous
        address: int = address_of(dense)
        return address

    def update(self, loop: Function, *hyper: float) -> None:
        """Run one step of a loop over all parameters that have a gradient; then let go of the gradients."""
        count_steps(self.table[GRAD], self.steps)
        loop(
            threads_for(len(self.blocks) * BLOCK, GRAIN),
            len(self.blocks),
            self.blocks,
            self.table,
            self.sizes,
            self.steps,
            self.like,
            *hyper,
        )
        self.table[GRAD] = 0
        self._grads = []


@kernel
def count_steps(grads, steps):
    """Count one more update of every parameter that has a gradient."""
    for i in range(steps.size):
        steps[i] += grads[i] != 0


@kernel(inline=True)
def block_of(table, sizes, row, i, first, like):
    """Return the elements of one block of one row of the table."""
    return elements(table[row, i] + first * like.itemsize, min(BLOCK, sizes[i] - first), like)


@functools.cache
def sgd_loop(real: type, momentum: bool, nesterov: bool) -> Function:
    """Compile the update of `sgd`."""

    @kernel
    def part(start, stop, blocks, table, sizes, steps, like, sign, lr, mu, damping, weight_decay):
        sign, lr, mu, damping, weight_decay = (
            real(sign),
            real(lr),
            real(mu),
            real(damping),
            real(weight_decay),
        )
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            if not momentum:
                for j in range(p.size):
                    p[j] -= lr * (sign * g[j] + weight_decay * p[j])
                continue
            buf = block_of(table, sizes, STATE, i, a, like)
            keep, gain = (real(0), real(1)) if steps[i] == 1 else (mu, real(1) - damping)
            for j in range(p.size):
                d = sign * g[j] + weight_decay * p[j]
                b = keep * buf[j] + gain * d
                buf[j] = b
                p[j] -= lr * ((d + mu * b) if nesterov else b)

    return split(part)


@functools.cache
def adam_loop(real: type, amsgrad: bool) -> Function:
    """Compile the update of `adam`."""

    @kernel
    def part(start, stop, blocks, table, sizes, steps, like, sign, lr, beta1, beta2, eps, l2, decay):
        b1, b2, gain1, gain2 = real(beta1), real(beta2), real(1 - beta1), real(1 - beta2)
        sign, eps, l2, shrink = real(sign), real(eps), real(l2), real(1 - lr * decay)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            step = real(lr / (1 - beta1 ** steps[i]))
            scale = real(1 / math.sqrt(1 - beta2 ** steps[i]))
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            m = block_of(table, sizes, STATE, i, a, like)
            v = block_of(table, sizes, STATE + 1, i, a, like)
            if amsgrad:
                top = block_of(table, sizes, STATE + 2, i, a, like)
                for j in range(p.size):
                    d = sign * g[j] + l2 * p[j]
                    m[j] = b1 * m[j] + gain1 * d
                    v[j] = b2 * v[j] + gain2 * d * d
                for j in range(p.size):
                    w, t = v[j], top[j]
                    top[j] = w if w > t else t
                for j in range(p.size):
                    p[j] = p[j] * shrink - step * m[j] / (math.sqrt(top[j]) * scale + eps)
            else:
                for j in range(p.size):
                    d = sign * g[j] + l2 * p[j]
                    first = b1 * m[j] + gain1 * d
                    second = b2 * v[j] + gain2 * d * d
                    m[j], v[j] = first, second
                    p[j] = p[j] * shrink - step * first / (math.sqrt(second) * scale + eps)

    return split(part)


@functools.cache
def rmsprop_loop(real: type, momentum: bool, centered: bool) -> Function:
    """Compile the update of `rmsprop`."""
    middle = STATE + int(centered)
    last = middle + int(momentum)

    @kernel
    def part(start, stop, blocks, table, sizes, _steps, like, sign, lr, alpha, eps, weight_decay, mu):
        sign, lr, eps, weight_decay, mu = real(sign), real(lr), real(eps), real(weight_decay), real(mu)
        keep, gain = real(alpha), real(1 - alpha)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            v = block_of(table, sizes, STATE, i, a, like)
            mean = block_of(table, sizes, middle, i, a, like)
            buf = block_of(table, sizes, last, i, a, like)
            for j in range(p.size):
                d = sign * g[j] + weight_decay * p[j]
                square = keep * v[j] + gain * d * d
                v[j] = square
                if centered:
                    average = keep * mean[j] + gain * d
                    mean[j] = average
                    square -= average * average
                d /= math.sqrt(square) + eps
                if momentum:
                    d += mu * buf[j]
                    buf[j] = d
                p[j] -= lr * d

    return split(part)


@functools.cache
def adagrad_loop(real: type) -> Function:
    """Compile the update of `adagrad`."""

    @kernel
    def part(start, stop, blocks, table, sizes, steps, like, sign, lr, lr_decay, weight_decay, eps):
        sign, weight_decay, eps = real(sign), real(weight_decay), real(eps)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            if table[GRAD, i] == 0:
                continue
            rate = real(lr / (1 + (steps[i] - 1) * lr_decay))
            p = block_of(table, sizes, PARAM, i, a, like)
            g = block_of(table, sizes, GRAD, i, a, like)
            total = block_of(table, sizes, STATE, i, a, like)
            for j in range(p.size):
                d = sign * g[j] + weight_decay * p[j]
                s = total[j] + d * d
                total[j] = s
                p[j] -= rate * d / (math.sqrt(s) + eps)

    return split(part)


def sgd(
    parameters: Parameters,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
) -> None:
    """Step along the gradient d = g + weight_decay p; states: momentum_buffer, if momentum is not 0.

    b = momentum b + (1 - dampening) d (b = d at first), p -= lr b, or p -= lr (d + momentum b) with nesterov.
    """
    loop = sgd_loop(parameters.real, momentum != 0, nesterov)
    parameters.update(loop, -1.0 if maximize else 1.0, lr, momentum, dampening, weight_decay)


def adam(
    parameters: Parameters,
    *,
    lr: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    maximize: bool = False,
    decoupled: bool = False,
) -> None:
    """Step by Adam (Kingma and Ba 2015); states: exp_avg m, exp_avg_sq v and, with amsgrad, max_exp_avg_sq.

    m = b1 m + (1 - b1) d, v = b2 v + (1 - b2) d^2, p -= lr / (1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps),
    where d = g + weight_decay p; or, decoupled (AdamW, Loshchilov and Hutter 2019), d = g and p is first
    scaled by 1 - lr weight_decay.  amsgrad replaces v by its maximum so far.
    """
    loop = adam_loop(parameters.real, amsgrad)
    l2, decay = (0.0, weight_decay) if decoupled else (weight_decay, 0.0)
    parameters.update(loop, -1.0 if maximize else 1.0, lr, *betas, eps, l2, decay)


def rmsprop(
    parameters: Parameters,
    *,
    lr: float,
    alpha: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> None:
    """Step by RMSprop; states: square_avg, grad_avg if centered, momentum_buffer if momentum is not 0.

    v = alpha v + (1 - alpha) d^2 with d = g + weight_decay p, u = d / (sqrt(v) + eps), or with centered
    u = d / (sqrt(v - m^2) + eps), m = alpha m + (1 - alpha) d; b = momentum b + u, p -= lr b.
    """
    loop = rmsprop_loop(parameters.real, momentum != 0, centered)
    parameters.update(loop, -1.0 if maximize else 1.0, lr, alpha, eps, weight_decay, momentum)


def adagrad(
    parameters: Parameters,
    *,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float = 1e-10,
    maximize: bool = False,
) -> None:
    """Step by Adagrad (Duchi, Hazan and Singer 2011); state: sum.

    s += d^2 with d = g + weight_decay p, p -= lr / (1 + (t - 1) lr_decay) d / (sqrt(s) + eps).
    """
    loop = adagrad_loop(parameters.real)
    parameters.update(loop, -1.0 if maximize else 1.0, lr, lr_decay, weight_decay, eps)


STATES: dict[str, tuple[Callable[..., None], dict[str, Any], tuple[str, ...]]] = {
    "sgd": (sgd, {}, ()),
    "sgd momentum": (sgd, {"momentum": 0.9}, ("momentum_buffer",)),
    "sgd nesterov": (sgd, {"momentum": 0.9, "nesterov": True}, ("momentum_buffer",)),
    "adam": (adam, {}, ("exp_avg", "exp_avg_sq")),
    "adam amsgrad": (adam, {"amsgrad": True}, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")),
    "rmsprop": (rmsprop, {}, ("square_avg",)),
    "rmsprop centered": (rmsprop, {"centered": True}, ("square_avg", "grad_avg")),
    "rmsprop momentum": (rmsprop, {"momentum": 0.9}, ("square_avg", "momentum_buffer")),
    "rmsprop centered momentum": (
        rmsprop,
        {"centered": True, "momentum": 0.9},
        ("square_avg", "grad_avg", "momentum_buffer"),
    ),
    "adagrad": (adagrad, {}, ("sum",)),
}
"""Every compiled variant: its function, the options that select it and the states it needs, in order."""


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        for name, (function, options, states) in STATES.items():
            yield f"optim.{name} {dtype}", functools.partial(_step_once, dtype, function, options, states)


def _step_once(dtype: str, function: Callable[..., None], options: dict[str, Any], states: tuple[str, ...]) -> None:
    shapes = ((1,), (1, 1), (1, 1, 1, 1))
    parameters = Parameters([np.ones(shape, dtype) for shape in shapes], states)
    parameters.set_grads([np.ones(shape, dtype) for shape in shapes])
    function(parameters, lr=0.1, **options)
