"""How the cost grows: training steps against batch, width and depth, products and convolutions against threads."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks import conv_cases, model_cases, product_cases
from benchmarks.case import Case, Work, random
from benchmarks.library import Library
from benchmarks.model_cases import MODELS


def cases() -> Iterator[Case]:
    """Yield the cases; figures are per sample, unit of width or layer: equal ones mean linear growth."""
    for name in ("mlp", "cifar-net", "vgg6"):
        for batch in (1, 2, 4, 8, 16, 32, 64, 128, 256):
            yield growth(
                f"batch-{name}",
                batch,
                lambda library, name=name, batch=batch: model_cases.training(library, MODELS[name], batch),
            )
    for width in (64, 128, 256, 512, 1024, 2048):
        yield growth("width-mlp", width, lambda library, width=width: deep_mlp(library, width, 2))
    for depth in (1, 2, 4, 8, 16, 32, 64):
        yield growth("depth-mlp", depth, lambda library, depth=depth: deep_mlp(library, 128, depth))
    yield from over_threads()


def growth(group: str, size: int, build: Any) -> Case:
    """Return a training step of a size, timed per unit of it."""
    return Case(
        f"scaling/{group}/{size}",
        build,
        tolerance=2e-2,
        operations=size,
        features=frozenset({"channels_last", "fused"}),
    )


def over_threads() -> Iterator[Case]:
    """Yield what is to be run with several counts in --threads."""
    yield product_cases.gemm_case("scaling/threads/gemm-1024", "nn", (1024, 1024, 1024), np.float32)
    for part in conv_cases.PARTS:
        layer = conv_cases.Layer(128, 128, 28, 3, padding=1)
        case = conv_cases.case("threads", layer, 32, part)
        yield Case(f"scaling/threads/conv-128-28x28-{part}", case.build, features=case.features, flops=case.flops)
    for name, batch in (("mlp", 128), ("vgg6", 64)):
        build = lambda library, name=name, batch=batch: model_cases.training(library, MODELS[name], batch)  # noqa: E731
        yield Case(
            f"scaling/threads/{name}-b{batch}", build, tolerance=2e-2, features=frozenset({"channels_last", "fused"})
        )


def deep_mlp(library: Library, width: int, depth: int) -> Work:
    """A training step of `depth` hidden layers of `width` units, batch 64, with SGD."""
    nn, batch = library.nn, 64
    hidden = [layer for _ in range(depth) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = model_cases.fill(library, nn.Sequential(*hidden, nn.Linear(width, 10)))
    return model_cases.training_step(library, model, library.tensor(random(batch, width)), model_cases.PLAIN_SGD, 10)
