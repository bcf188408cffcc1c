"""The ops that memory bounds, forward and backward timed apart, through the public API."""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any, NamedTuple

import numpy as np

from benchmarks.case import Case, Work, random, timed
from benchmarks.library import Library

CHANNELS_LAST = frozenset({"channels_last"})
Make = Callable[[Library], list[Any]]
Shape = tuple[int, ...]


class Op(NamedTuple):
    """An op.

    Args:
        name: within "kernels/".
        make: returns the inputs, tensors that require gradients.
        function: returns the function of a library.
        forward, backward: float32 numbers that must at least be read and written.
        features: see `Case`.
    """

    name: str
    make: Make
    function: Callable[[Library], Callable[..., Any]]
    forward: int
    backward: int
    features: frozenset[str] = frozenset()


def cases() -> Iterator[Case]:
    """Yield the two parts of every op."""
    for family in (
        activations,
        pooling,
        normalisation,
        losses,
        *(regression, choices, reductions, lookups, arithmetic),
    ):
        for op in family():
            parts = {"forward": (forward, op.forward), "backward": (backward, op.backward)}
            for part, (build, numbers) in parts.items():
                yield Case(
                    f"kernels/{op.name}/{part}",
                    lambda library, op=op, build=build: build(library, op),
                    features=op.features,
                    traffic=4 * numbers,
                )


def forward(library: Library, op: Op) -> Work:
    """The op with the tape's record of it."""
    arguments, apply = op.make(library), op.function(library)
    return timed(lambda: apply(*arguments))


def backward(library: Library, op: Op) -> Work:
    """The gradients to all inputs."""
    arguments, apply = op.make(library), op.function(library)
    y = apply(*arguments)
    dy = random(*y.shape, seed=9)
    dy = library.images(dy) if y.ndim == 4 else library.tensor(dy)
    grad = library.torch.autograd.grad
    return timed(lambda: grad(y, arguments, dy, retain_graph=True))


def tensors(*shapes: Shape) -> Make:
    """Return a maker of tensors; those with four axes are images."""

    def make(library: Library) -> list[Any]:
        makers = (library.images if len(shape) == 4 else library.tensor for shape in shapes)
        return [
            maker(random(*shape, seed=i), requires_grad=True)
            for i, (maker, shape) in enumerate(zip(makers, shapes, strict=True))
        ]

    return make


def title(shape: Shape) -> str:
    """Return a shape as 8x64x56x56."""
    return "x".join(map(str, shape))


def activations() -> Iterator[Op]:
    """Elementwise functions of 64 thousand and of 2 million numbers."""
    functions: dict[str, Callable[[Library], Callable[..., Any]]] = {
        "relu": lambda library: library.F.relu,
        "gelu-erf": lambda library: library.F.gelu,
        "gelu-tanh": lambda library: lambda x: library.F.gelu(x, approximate="tanh"),
        "tanh": lambda library: library.torch.tanh,
        "sigmoid": lambda library: library.torch.sigmoid,
        "exp": lambda library: library.torch.exp,
    }
    for name, function in functions.items():
        for size, shape in {"64k": (128, 512), "2m": (2048, 1024)}.items():
            yield Op(f"activation/{name}-{size}", tensors(shape), function, 2 * prod(shape), 3 * prod(shape))


def pooling() -> Iterator[Op]:
    """Pooling of the planes of LeNet, VGG, ResNet and AlexNet, and over whole planes."""
    for kind, shape, arguments in [
        *(
            (kind, shape, (2,))
            for shape in [(32, 6, 28, 28), (32, 64, 32, 32), (32, 64, 8, 8)]
            for kind in ("max", "avg")
        ),
        ("max", (8, 64, 112, 112), (3, 2, 1)),
        ("max", (8, 64, 55, 55), (3, 2)),
    ]:

        def function(library: Library, kind: str = kind, arguments: Shape = arguments) -> Callable[[Any], Any]:
            pool = getattr(library.F, f"{kind}_pool2d")
            return lambda x: pool(x, *arguments)

        numbers = prod(shape) * 5 // 4
        yield Op(
            f"pool/{kind}-{'-'.join(map(str, arguments))}-{title(shape)}",
            *(tensors(shape), function, numbers, numbers, CHANNELS_LAST),
        )
    shape = (32, 512, 7, 7)
    yield Op(
        f"pool/avg-all-{title(shape)}",
        tensors(shape),
        lambda library: lambda x: library.F.adaptive_avg_pool2d(x, 1),
        *(prod(shape), prod(shape), CHANNELS_LAST),
    )


def normalisation() -> Iterator[Op]:
    """Batch norm in training, layer norm; with weight and bias."""
    for shape in [(32, 64, 32, 32), (32, 256, 8, 8), (8, 256, 56, 56), (128, 500), (4096, 512)]:
        make = tensors(shape, shape[1:2], shape[1:2])
        yield Op(f"norm/batch-{title(shape)}", make, batch_norm, 2 * prod(shape), 3 * prod(shape), CHANNELS_LAST)
    for shape in [(4096, 512), (1576, 768), (64, 64, 128)]:
        make = tensors(shape, shape[-1:], shape[-1:])
        yield Op(f"norm/layer-{title(shape)}", make, layer_norm, 2 * prod(shape), 3 * prod(shape))


def batch_norm(library: Library) -> Callable[..., Any]:
    """Return batch norm in training, with running statistics."""
    running: dict[int, tuple[Any, Any]] = {}

    def apply(x: Any, weight: Any, bias: Any) -> Any:
        C = x.shape[1]
        if C not in running:
            running[C] = library.torch.zeros(C), library.torch.ones(C)
        return library.F.batch_norm(x, *running[C], weight, bias, training=True)

    return apply


def layer_norm(library: Library) -> Callable[..., Any]:
    """Return layer norm over the last axis."""
    return lambda x, weight, bias: library.F.layer_norm(x, (x.shape[-1],), weight, bias)


def losses() -> Iterator[Op]:
    """Softmax, and cross-entropy of logits."""
    for N, classes in [(128, 10), (128, 1000), (4096, 1000)]:

        def function(library: Library, N: int = N, classes: int = classes) -> Callable[..., Any]:
            labels = library.tensor(np.arange(N) % classes)
            return lambda x: library.F.cross_entropy(x, labels)

        shape = (N, classes)
        yield Op(f"softmax/cross-entropy-{N}x{classes}", tensors(shape), function, prod(shape), 2 * prod(shape))
    shape = (2364, 197)
    yield Op(
        *(f"softmax/softmax-{title(shape)}", tensors(shape), lambda library: lambda x: library.F.softmax(x, -1)),
        *(2 * prod(shape), 3 * prod(shape)),
    )
    shape = (8, 21, 64, 64)

    def pixels(library: Library) -> Callable[..., Any]:
        labels = library.tensor(np.arange(8 * 64 * 64).reshape(8, 64, 64) % 21)
        return lambda x: library.F.cross_entropy(x, labels)

    name = f"softmax/cross-entropy-{title(shape)}"
    yield Op(name, tensors(shape), pixels, prod(shape), 2 * prod(shape), CHANNELS_LAST)
    for kind in ("softmax", "log_softmax"):

        def over_channels(library: Library, kind: str = kind) -> Callable[..., Any]:
            return lambda x: getattr(library.F, kind)(x, 1)

        name = f"softmax/{kind}-channels-{title(shape)}"
        yield Op(name, tensors(shape), over_channels, 2 * prod(shape), 3 * prod(shape), CHANNELS_LAST)


def regression() -> Iterator[Op]:
    """Losses of numbers and of logits against targets."""
    shape = (2048, 1024)
    for kind in ("mse_loss", "l1_loss", "binary_cross_entropy_with_logits"):

        def function(library: Library, kind: str = kind) -> Callable[..., Any]:
            targets = library.tensor(np.random.default_rng(7).random(shape, dtype=np.float32))
            return lambda x: getattr(library.F, kind)(x, targets)

        yield Op(f"loss/{kind}-2m", tensors(shape), function, 2 * prod(shape), 3 * prod(shape))


def choices() -> Iterator[Op]:
    """Limits, choices, norms and running sums."""
    shape = (2048, 1024)
    functions: dict[str, Callable[[Library], Callable[..., Any]]] = {
        "clamp-2m": lambda library: lambda x: library.torch.clamp(x, -0.5, 0.5),
        "abs-2m": lambda library: library.torch.abs,
        "where-2m": lambda library: lambda x: library.torch.where(x > 0, x, 0.5),
        "norm-all": lambda library: library.torch.linalg.vector_norm,
        "cumsum-rows": lambda library: lambda x: library.torch.cumsum(x, 1),
        "cumsum-columns": lambda library: lambda x: library.torch.cumsum(x, 0),
    }
    for name, function in functions.items():
        once = name == "norm-all"
        yield Op(f"choice/{name}", tensors(shape), function, prod(shape) * (1 if once else 2), 3 * prod(shape))


def reductions() -> Iterator[Op]:
    """Sums and maxima over all, the last and the first axis."""
    shape = (2048, 1024)
    for which, options in {"all": {}, "rows": {"dim": 1}, "columns": {"dim": 0}}.items():
        for kind in ("sum", "mean", "amax", "var"):

            def function(library: Library, kind: str = kind, options: dict[str, int] = options) -> Callable[..., Any]:
                reduce = getattr(library.torch, kind)
                return lambda x: reduce(x, **options)

            yield Op(f"reduction/{kind}-{which}", tensors(shape), function, prod(shape), prod(shape))


def lookups() -> Iterator[Op]:
    """Rows of a table: embeddings of 32 sequences of 128 words."""
    words, table = np.random.default_rng(0).integers(0, 10000, (32, 128)), (10000, 256)

    def function(library: Library) -> Callable[..., Any]:
        index = library.tensor(words)
        return lambda rows: library.F.embedding(index, rows)

    looked_up = words.size * table[1]
    yield Op(f"embedding/{title(table)}", tensors(table), function, 2 * looked_up, prod(table) + 3 * looked_up)


def arithmetic() -> Iterator[Op]:
    """Sums and products, with and without broadcasting."""
    large, small = (2048, 1024), (128, 500)
    yield Op(
        "elementwise/add-2m", tensors(large, large), lambda library: library.torch.add, 3 * prod(large), prod(large)
    )
    yield Op(
        "elementwise/mul-2m", tensors(large, large), lambda library: library.torch.mul, 3 * prod(large), 5 * prod(large)
    )
    yield Op(
        *("elementwise/add-row-128x500", tensors(small, small[1:]), lambda library: library.torch.add),
        *(2 * prod(small), prod(small)),
    )
