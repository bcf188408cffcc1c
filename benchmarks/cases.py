"""What is measured. A case builds its data and model once and returns the step to time and its result to compare."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.library import Library

Step = Callable[[], Any]


class Case(NamedTuple):
    """A benchmark: `build(library)` returns a step; the step returns arrays that must agree between libraries."""

    name: str
    what: str
    build: Callable[[Library], Step]
    per_call: int = 1  # operations in one step, to state a time per operation


def _random(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return (scale * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def _fill(library: Library, model: Any) -> Any:
    """Give a model the same weights in every library."""
    with library.torch.no_grad():
        for seed, parameter in enumerate(model.parameters()):
            bound = 1 / np.sqrt(max(1, int(np.prod(tuple(parameter.shape)[1:]))))
            parameter.copy_(library.tensor(_random(*parameter.shape, seed=seed, scale=bound)))
    return model


def chain(library: Library) -> Step:
    """1000 ops in a chain on four numbers, forward and backward: what the tape itself costs."""
    scale, shift = library.tensor(_random(4, seed=1) * 0.01 + 1), library.tensor(_random(4, seed=2) * 0.01)
    start = _random(4)

    def step() -> list[np.ndarray]:
        x = y = library.tensor(start, requires_grad=True)
        for _ in range(250):
            y = y * scale
            y = y + shift
            y = y.tanh()
            y = y - shift
        y.sum().backward()
        return [y.detach().numpy(), x.grad.numpy()]

    return step


def _training(library: Library, model: Any, images: np.ndarray, classes: int, optimizer: Any) -> Step:
    x = library.tensor(images)
    labels = library.tensor(np.arange(len(images)) % classes)

    def step() -> list[np.ndarray]:
        optimizer.zero_grad()
        loss = library.F.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        return [loss.detach().numpy(), next(model.parameters()).detach().numpy()]

    return step


def mlp(library: Library, batch: int) -> Step:
    """A training step of a 784-500-10 perceptron with SGD."""
    nn = library.nn
    model = _fill(library, nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10)))
    return _training(library, model, _random(batch, 784), 10, library.optim.SGD(model.parameters(), lr=0.01))


def lenet5(library: Library, batch: int) -> Step:
    """A training step of LeNet-5 on 32×32 images with Adam."""
    nn = library.nn
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    _fill(library, model)
    return _training(library, model, _random(batch, 1, 32, 32), 10, library.optim.Adam(model.parameters(), lr=1e-3))


def matmul(library: Library, size: int) -> Step:
    """A square matrix product."""
    a, b = library.tensor(_random(size, size)), library.tensor(_random(size, size, seed=1))
    return lambda: [(a @ b).numpy()]


def conv2d(library: Library, images: tuple[int, ...], filters: tuple[int, ...], padding: int) -> Step:
    """A convolution, forward and both gradients."""
    x = library.tensor(_random(*images), requires_grad=True)
    w = library.tensor(_random(*filters, seed=1, scale=0.1), requires_grad=True)
    y = library.F.conv2d(x, w, padding=padding)
    weight = library.tensor(_random(*y.shape, seed=2))

    def step() -> list[np.ndarray]:
        grads = library.torch.autograd.grad(library.F.conv2d(x, w, padding=padding), (x, w), weight)
        return [each.numpy() for each in grads]

    return step


CASES = [
    Case("overhead/chain", "1000 chained ops on shape (4,), forward and backward; per op", chain, per_call=1000),
    Case("models/mlp-b8", "training step, MLP 784-500-10, batch 8", lambda library: mlp(library, 8)),
    Case("models/mlp-b128", "training step, MLP 784-500-10, batch 128", lambda library: mlp(library, 128)),
    Case("models/lenet5-b32", "training step, LeNet-5, batch 32", lambda library: lenet5(library, 32)),
    Case("kernels/matmul-512", "512×512 by 512×512", lambda library: matmul(library, 512)),
    Case(
        "kernels/conv-lenet-c1",
        "(32,1,32,32) with 6 filters 5×5, forward and backward",
        lambda library: conv2d(library, (32, 1, 32, 32), (6, 1, 5, 5), 0),
    ),
    Case(
        "kernels/conv-3x3-64",
        "(8,64,32,32) with 64 filters 3×3, forward and backward",
        lambda library: conv2d(library, (8, 64, 32, 32), (64, 64, 3, 3), 1),
    ),
]

STARTUP = Case("startup/import", "import nn, against import torch", lambda _library: lambda: [np.zeros(1)])
