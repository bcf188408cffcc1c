"""Moving averages of many arrays in one pass."""

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ops.kernels.jit import kernel, split
from ops.kernels.parameters import GRAD, PARAM, Array, Parameters, block_of, count_steps
from ops.kernels.scalar import Function


@functools.cache
def average_loop(real: type) -> Function:
    """Compile the update of `average`."""

    @kernel
    def part(start, stop, blocks, table, sizes, _rates, like, weight):
        weight = real(weight)
        for block in range(start, stop):
            i, a = blocks[block, 0], blocks[block, 1]
            p = block_of(table, sizes, PARAM, i, a, like)
            x = block_of(table, sizes, GRAD, i, a, like)
            for j in range(p.size):
                p[j] += weight * (x[j] - p[j])

    return split(part)


def average(averages: Sequence[Array], values: Sequence[Array], weight: float) -> None:
    """Move averages towards values: a += weight (x - a); all of one type, float32 or float64, averages C-contiguous."""
    parameters = Parameters(averages)
    parameters.set_grads(values)
    parameters.update(count_steps, (), average_loop(parameters.real), (weight,))


def warmup_cases() -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield a name and a call that compiles it, for every kernel of this module."""
    for dtype in ("float32", "float64"):
        yield f"averaging.average {dtype}", functools.partial(average, [np.ones(3, dtype)], [np.ones(3, dtype)], 0.5)
