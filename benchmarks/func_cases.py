"""Functions of functions: gradients of each sample, Jacobians and Hessians."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random, timed
from benchmarks.library import Library
from benchmarks.model_cases import fill

BATCH, CLASSES, WIDTH = 64, 10, 32


def cases() -> Iterator[Case]:
    """Yield all cases."""
    for name, (build, shape) in NETS.items():
        yield Case(
            f"func/per-sample/{name}-b{BATCH}",
            lambda library, build=build, shape=shape: per_sample(library, build(library.nn), shape),
            what="vmap of grad: a gradient of all weights for each sample",
        )
    for name in ("jacrev", "jacfwd", "hessian"):
        yield Case(
            f"func/derivative/{name}-{WIDTH}",
            lambda library, name=name: derivative(library, name),
            what="of two layers of this width, in their input",
        )


def mlp(nn: Any) -> Any:
    """Three linear layers."""
    return nn.Sequential(
        nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, CLASSES)
    )  # fmt: skip


def cnn(nn: Any) -> Any:
    """Two convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 7 * 7, CLASSES),
    )  # fmt: skip


NETS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {"mlp": (mlp, (64,)), "cnn": (cnn, (1, 28, 28))}


def per_sample(library: Library, net: Any, shape: tuple[int, ...]) -> Work:
    """Gradients as in DP-SGD (Abadi et al. 2016): one for each sample of a batch."""
    func = library.torch.func
    model = fill(library, net)
    x = library.tensor(random(BATCH, *shape))
    y = library.tensor(np.arange(BATCH) % CLASSES)
    params = {name: p.detach() for name, p in model.named_parameters()}

    def loss(params: Any, x: Any, y: Any) -> Any:
        return library.F.cross_entropy(func.functional_call(model, params, (x[None],)), y[None])

    each = func.vmap(func.grad(loss), in_dims=(None, 0, 0))
    return timed(lambda: list(each(params, x, y).values()))


def derivative(library: Library, name: str) -> Work:
    """The Jacobian of a small net's outputs, or the Hessian of their sum, in one input."""
    func, tanh = library.torch.func, library.torch.tanh
    first, second = (library.tensor(random(WIDTH, WIDTH, seed=seed, scale=0.2)) for seed in (1, 2))
    x = library.tensor(random(WIDTH))

    def net(x: Any) -> Any:
        y = tanh(second @ tanh(first @ x))
        return y.sum() if name == "hessian" else y

    derive = getattr(func, name)(net)
    return timed(lambda: derive(x))
