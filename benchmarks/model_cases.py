"""Training steps and inference of whole models."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks import nets
from benchmarks.case import Case, Work, random, values
from benchmarks.library import Library

SGD = ("SGD", {"lr": 0.01, "momentum": 0.9})
PLAIN_SGD = ("SGD", {"lr": 0.01})
ADAM = ("Adam", {"lr": 1e-3})


class Model(NamedTuple):
    """A net, the shape of one sample, its classes, and the optimiser it is trained with."""

    net: str
    sample: tuple[int, ...]
    optimizer: tuple[str, dict[str, Any]] = SGD
    classes: int = 10


MODELS = {
    "mlp": Model("mlp", (784,), PLAIN_SGD),
    "bn-mlp": Model("batch_norm_mlp", (784,), ADAM),
    "lenet5": Model("lenet5", (1, 32, 32), ADAM),
    "cifar-net": Model("cifar_net", (3, 32, 32)),
    "vgg6": Model("six_conv_vgg", (3, 32, 32)),
    "resnet18": Model("resnet18", (3, 32, 32)),
    "mixer": Model("mixer", (3, 32, 32), ADAM),
    "alexnet": Model("alexnet", (3, 224, 224), classes=1000),
}
BATCHES = {"mlp": (8, 128), "bn-mlp": (128,), "lenet5": (32,), "cifar-net": (4, 32, 128), "vgg6": (64,), "mixer": (64,),
           "alexnet": (4,)}  # fmt: skip
TRAINED = BATCHES | {"resnet18": (32,)}
INFERRED = BATCHES | {"resnet18": (1, 64)}


def cases() -> Iterator[Case]:
    """Yield the training steps, then inference."""
    for names, kind, build in ((TRAINED, "train", training), (INFERRED, "infer", inference)):
        for name, batch in ((name, batch) for name, batches in names.items() for batch in batches):
            model = MODELS[name]
            images = frozenset({"channels_last"}) if len(model.sample) == 3 else frozenset()
            yield Case(
                f"models/{kind}/{name}-b{batch}",
                lambda library, model=model, batch=batch, build=build: build(library, model, batch),
                features=images | {"compiled"} | ({"fused"} if kind == "train" else frozenset()),
                tolerance=2e-2,
                jax=f"{kind}/{name}/{batch}",
            )


def fill(library: Library, model: Any) -> Any:
    """Give a model the same weights in every library: He's law for matrices and filters, small biases, norms near 1."""
    with library.torch.no_grad():
        for seed, (name, parameter) in enumerate(model.named_parameters()):
            parameter.copy_(library.tensor(weight(tuple(parameter.shape), seed, name.endswith("bias"))))
    return model


def weight(shape: tuple[int, ...], seed: int, bias: bool) -> np.ndarray:
    """Return the values of the seed-th parameter of a model."""
    if len(shape) == 1:
        return random(*shape, seed=seed, scale=0.05) + np.float32(not bias)
    return random(*shape, seed=seed, scale=float(np.sqrt(2 / np.prod(shape[1:]))))


def batch_of(library: Library, model: Model, batch: int) -> Any:
    """Return a batch of samples."""
    x = random(batch, *model.sample, seed=1000)
    return library.images(x) if x.ndim == 4 else library.tensor(x)


def training(library: Library, description: Model, batch: int) -> Work:
    """A training step of a model."""
    model = fill(library, getattr(nets, description.net)(library.nn))
    x = batch_of(library, description, batch)
    return training_step(library, model, x, description.optimizer, description.classes)


def training_step(library: Library, plain: Any, x: Any, optimizer: tuple[str, dict[str, Any]], classes: int) -> Work:
    """Forward, cross-entropy, backward, optimiser; the loss and the gradients are compared without dropout."""
    model = library.model(plain)
    labels = library.tensor(np.arange(len(x)) % classes)
    name, options = optimizer
    descent = library.optimizer(name, plain.parameters(), **options)

    def step() -> Any:
        descent.zero_grad()
        loss = library.F.cross_entropy(model(x), labels)
        loss.backward()
        descent.step()
        return loss

    def check() -> list[np.ndarray]:
        dropouts = {module: module.p for module in plain.modules() if hasattr(module, "p")}
        for module in dropouts:
            module.p = 0.0
        loss = values(step())
        for module, p in dropouts.items():
            module.p = p
        return [loss, *(values(parameter.grad) for parameter in plain.parameters())]

    return Work(step, check)


def inference(library: Library, description: Model, batch: int) -> Work:
    """The logits, in evaluation mode."""
    model = library.model(fill(library, getattr(nets, description.net)(library.nn)).eval())
    x = batch_of(library, description, batch)

    def step() -> Any:
        with library.torch.no_grad():
            return model(x)

    return Work(step, lambda: [values(step())])
