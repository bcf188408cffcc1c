"""Optimisers with every combination of their options that changes a step, and what is compared with PyTorch's."""

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

from autograd.tensor import Tensor

FLAGS = [False, True]
BETAS = [(0.9, 0.999), (0.8, 0.95)]
GRID: dict[str, dict[str, list[Any]]] = {
    "SGD": {
        "lr": [0.1],
        "momentum": [0, 0.9],
        "dampening": [0, 0.3],
        "weight_decay": [0, 0.1],
        "nesterov": FLAGS,
        "maximize": FLAGS,
    },
    "ASGD": {
        "lr": [0.1],
        "lambd": [1e-4, 0.2],
        "alpha": [0.75, 0.5],
        "t0": [1e6, 5],
        "weight_decay": [0, 0.1],
        "maximize": FLAGS,
    },
    "Rprop": {
        "lr": [0.01, 0.2],
        "etas": [(0.5, 1.2), (0.3, 2.0)],
        "step_sizes": [(1e-6, 50), (0.02, 0.3)],
        "maximize": FLAGS,
    },
    "Adagrad": {
        "lr": [0.1],
        "lr_decay": [0, 0.1],
        "weight_decay": [0, 0.1],
        "initial_accumulator_value": [0, 0.5],
        "eps": [1e-10, 1e-2],
        "maximize": FLAGS,
    },
    "RMSprop": {
        "lr": [0.05],
        "alpha": [0.99, 0.8],
        "eps": [1e-8, 1e-2],
        "weight_decay": [0, 0.1],
        "momentum": [0, 0.9],
        "centered": FLAGS,
        "maximize": FLAGS,
    },
    "Adadelta": {
        "lr": [1.0, 0.3],
        "rho": [0.9, 0.5],
        "eps": [1e-6, 1e-2],
        "weight_decay": [0, 0.1],
        "maximize": FLAGS,
    },
    "Adam": {
        "lr": [0.05],
        "betas": BETAS,
        "eps": [1e-8, 1e-2],
        "weight_decay": [0, 0.1],
        "amsgrad": FLAGS,
        "maximize": FLAGS,
        "decoupled_weight_decay": FLAGS,
    },
    "AdamW": {
        "lr": [0.05],
        "betas": BETAS,
        "eps": [1e-8, 1e-2],
        "weight_decay": [0, 1e-2, 0.2],
        "amsgrad": FLAGS,
        "maximize": FLAGS,
    },
    "Adamax": {"lr": [0.05], "betas": BETAS, "eps": [1e-8, 1e-2], "weight_decay": [0, 0.1], "maximize": FLAGS},
    "NAdam": {
        "lr": [0.05],
        "betas": BETAS,
        "eps": [1e-8, 1e-2],
        "weight_decay": [0, 0.1],
        "momentum_decay": [4e-3, 0.2],
        "maximize": FLAGS,
        "decoupled_weight_decay": FLAGS,
    },
    "RAdam": {
        "lr": [0.05],
        "betas": [*BETAS, (0.9, 0.5)],
        "eps": [1e-8, 1e-2],
        "weight_decay": [0, 0.1],
        "maximize": FLAGS,
        "decoupled_weight_decay": FLAGS,
    },
}
HOW = {
    "Adam": ("foreach", "fused"),
    "AdamW": ("foreach", "fused"),
    "SGD": ("foreach", "fused"),
    "Adagrad": ("foreach", "fused"),
}
"""The choices of implementation an optimiser has, where it is not `foreach` alone."""

SHAPES = [(3, 4), (5,), (), (2, 0)]


def cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the name of an optimiser and valid options."""
    for name, grid in GRID.items():
        for values in itertools.product(*grid.values()):
            options = dict(zip(grid, values, strict=True))
            if not options.get("nesterov") or (options["momentum"] > 0 and options["dampening"] == 0):
                yield name, options


def parameters(lib: Any, seed: int = 0) -> list[Any]:
    """Return parameters, the same in both libraries."""
    rng = np.random.default_rng(seed)
    return [lib.tensor(np.asarray(rng.standard_normal(shape)), requires_grad=True) for shape in SHAPES]


GRADIENTS = [
    [
        None if i == 1 and step % 3 == 0 else np.random.default_rng((step, i)).standard_normal(shape)
        for i, shape in enumerate(SHAPES)
    ]
    for step in range(20)
]
"""What the parameters get at each step: the second one nothing at every third."""


def give_gradients(lib: Any, params: list[Any], step: int) -> None:
    """Set the same gradients in both libraries."""
    for param, grad in zip(params, GRADIENTS[step], strict=True):
        param.grad = None if grad is None else lib.tensor(np.asarray(grad))


def run(lib: Any, params: list[Any], optimizer: Any, steps: range) -> None:
    """Take steps with drawn gradients."""
    for step in steps:
        give_gradients(lib, params, step)
        optimizer.step()


def values(params: list[Any]) -> np.ndarray:
    """Return a copy of all values, in one vector."""
    return np.concatenate([param.detach().numpy().ravel() for param in params])


def assert_close(ours: list[Any], theirs: list[Any]) -> None:
    """Assert equality to 1e-12."""
    np.testing.assert_allclose(values(ours), values(theirs), rtol=1e-12, atol=1e-12)


def assert_same(ours: list[Any], theirs: list[Any]) -> None:
    """Assert equality bit for bit."""
    np.testing.assert_array_equal(values(ours), values(theirs))


def convert(value: Any, tensor: Any) -> Any:
    """Return a state dict with the tensors of the other library, made by its `tensor`."""
    if isinstance(value, dict):
        return {key: convert(each, tensor) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(convert(each, tensor) for each in value)
    if isinstance(value, Tensor) or hasattr(value, "detach"):
        return tensor(np.array(value.detach().numpy()))
    return value


def assert_states_equal(ours: Any, theirs: Any, path: str = "") -> None:
    """Assert that two state dicts have the same keys, types and shapes, and values equal to 1e-12."""
    if isinstance(theirs, dict):
        assert sorted(map(str, ours)) == sorted(map(str, theirs)), path
        for key, value in theirs.items():
            assert_states_equal(ours[key], value, f"{path}/{key}")
    elif isinstance(theirs, (list, tuple)):
        assert type(ours) is type(theirs), path
        assert len(ours) == len(theirs), path
        for i, value in enumerate(theirs):
            assert_states_equal(ours[i], value, f"{path}/{i}")
    elif hasattr(theirs, "detach"):
        expected = theirs.detach().numpy()
        assert isinstance(ours, Tensor), path
        assert (ours.array.dtype, ours.array.shape) == (expected.dtype, expected.shape), path
        assert (abs(ours.array - expected) <= 1e-12 * (1 + abs(expected))).all(), path
    else:
        assert ours == theirs, path


if __name__ == "__main__":
    counts = {name: sum(each == name for each, _ in cases()) for name in GRID}
    print(sum(counts.values()), "combinations of options:", counts)
