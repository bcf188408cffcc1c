"""What the tape itself costs: chains of ops on four numbers, forward and backward."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random
from benchmarks.library import Library


def chain(library: Library, length: int) -> Work:
    """A chain of `length` ops, forward and backward; every eight of them return to the number they began with."""
    scale, shift = library.tensor(np.float32([0.5, 1, 2, 4])), library.tensor(random(4, seed=2))
    start = library.tensor(random(4), requires_grad=True)

    def step() -> list[Any]:
        start.grad = None
        y = start
        for _ in range(length // 4):
            y = y * scale
            y = -y
            y = y / scale
            y = y + shift
        y.sum().backward()
        return [y, start.grad]

    return Work(step, lambda: [each.detach().numpy() for each in step()])


def cases() -> Iterator[Case]:
    """Yield chains of 10³ to 10⁶ ops, timed per op."""
    for power in range(3, 7):
        length = 10**power
        yield Case(
            f"overhead/chain/1e{power}",
            lambda library, length=length: chain(library, length),
            f"{length} chained ops on shape (4,), forward and backward, per op",
            operations=length,
        )
