"""Optimiser steps over constant gradients, their clipping, and dropout, whose masks agree only in their statistics."""

from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random, values
from benchmarks.library import Library

MODELS: dict[str, list[tuple[int, ...]]] = {
    "mlp": [(500, 784), (500,), (10, 500), (10,)],
    "11m": [(512, 512, 3, 3)] * 4 + [(256, 256, 3, 3)] * 3 + [(64,)] * 40,  # about ResNet-18
}
KINDS: dict[str, tuple[str, dict[str, Any], int]] = {  # name, options, numbers read and written per parameter
    "sgd": ("SGD", {"lr": 0.01}, 3),
    "sgd-momentum": ("SGD", {"lr": 0.01, "momentum": 0.9}, 5),
    "asgd": ("ASGD", {"lr": 0.01}, 5),
    "rprop": ("Rprop", {"lr": 0.01}, 7),
    "adam": ("Adam", {"lr": 1e-3}, 7),
    "adam-amsgrad": ("Adam", {"lr": 1e-3, "amsgrad": True}, 9),
    "adamw": ("AdamW", {"lr": 1e-3}, 7),
    "adamax": ("Adamax", {"lr": 1e-3}, 7),
    "nadam": ("NAdam", {"lr": 1e-3}, 7),
    "radam": ("RAdam", {"lr": 1e-3}, 7),
    "rmsprop": ("RMSprop", {"lr": 1e-3}, 5),
    "rmsprop-centered-momentum": ("RMSprop", {"lr": 1e-3, "centered": True, "momentum": 0.9}, 9),
    "adagrad": ("Adagrad", {"lr": 0.01}, 5),
    "adadelta": ("Adadelta", {"lr": 1.0}, 7),
}
FUSED = ("SGD", "Adam", "AdamW", "Adagrad")
"""The optimisers of which PyTorch has a fused step."""


def cases() -> Iterator[Case]:
    """Yield all cases."""
    for model, shapes in MODELS.items():
        for kind, (name, options, numbers) in KINDS.items():
            yield Case(
                f"kernels/optimizer/{kind}-{model}",
                lambda library, shapes=shapes, name=name, options=options: update(library, shapes, name, options),
                features=frozenset({"foreach", "fused"} if name in FUSED else {"foreach"}),
                traffic=4 * numbers * sum(map(prod, shapes)),
            )
        yield Case(
            f"kernels/clip-norm/{model}",
            lambda library, shapes=shapes: clip(library, shapes),
            features=frozenset({"foreach"}),
            traffic=4 * 3 * sum(map(prod, shapes)),
        )
    for size, shape in {"64k": (128, 512), "2m": (2048, 1024)}.items():
        yield Case(
            f"kernels/dropout/{size}",
            lambda library, shape=shape: dropout(library, shape),
            tolerance=0.05,
            traffic=8 * prod(shape),
        )


def update(library: Library, shapes: list[tuple[int, ...]], name: str, options: dict[str, Any]) -> Work:
    """A step of an optimiser."""
    parameters = with_gradients(library, shapes)
    optimizer = library.optimizer(name, parameters, **options)

    def check() -> list[np.ndarray]:
        for _ in range(3):
            optimizer.step()
        return [values(parameter) for parameter in parameters]

    return Work(optimizer.step, check)


def with_gradients(library: Library, shapes: list[tuple[int, ...]]) -> list[Any]:
    """Return parameters that have gradients."""
    parameters = [library.tensor(random(*shape, seed=i), requires_grad=True) for i, shape in enumerate(shapes)]
    for i, parameter in enumerate(parameters):
        parameter.grad = library.tensor(random(*parameter.shape, seed=100 + i))
    return parameters


def clip(library: Library, shapes: list[tuple[int, ...]]) -> Work:
    """Clipping of gradients by their norm; each time it has to shrink them a little."""
    parameters = with_gradients(library, shapes)
    how = {"foreach": True} if "foreach" in library.features else {}
    limit = 0.9 * float(library.nn.utils.get_total_norm([parameter.grad for parameter in parameters]))

    def step() -> None:
        nonlocal limit
        limit *= 0.9999
        library.nn.utils.clip_grad_norm_(parameters, limit, **how)

    def check() -> list[np.ndarray]:
        step()
        return [values(parameter.grad) for parameter in parameters]

    return Work(step, check)


def dropout(library: Library, shape: tuple[int, ...]) -> Work:
    """Dropout's forward; the share of zeros and the mean of the squares are compared."""
    x = library.tensor(random(*shape), requires_grad=True)

    def step() -> Any:
        return library.F.dropout(x, 0.5)

    def check() -> list[np.ndarray]:
        y = values(step())
        return [np.array([(y == 0).mean()]), np.array([(y**2).mean()])]

    return Work(step, check)
