"""Matrix products and the ops that memory bounds, through the public API; forward and backward timed apart."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random, timed, values
from benchmarks.library import Library

CHANNELS_LAST, FUSED = frozenset({"channels_last"}), frozenset({"fused"})


def cases() -> Iterator[Case]:
    """Yield all cases."""
    yield from gemm_cases()
    yield from linear_cases()
    for family in (activations, pooling, normalisation, losses, reductions, lookups, arithmetic):
        for name, features, inputs, function in family():
            yield from both_parts(name, features, inputs, function)
    yield from optimizer_cases()


# -- matrix products -----------------------------------------------------------------------------------------


def gemm_cases() -> Iterator[Case]:
    """Square products of both element types, then those of recurrent and attention layers."""
    for dtype in (np.float32, np.float64):
        for form in ("nn", "nt", "tn"):
            for size in (512, 1024, 2048):
                name = f"kernels/gemm-{np.dtype(dtype).name}/{form}-{size}"
                yield gemm_case(name, form, (size, size, size), dtype)
    for name, form, sizes in [
        ("lstm-32x512x2048", "nt", (32, 2048, 512)),
        ("lstm-128x1024x4096", "nt", (128, 4096, 1024)),
        ("vit-mlp-1576x768x3072", "nt", (1576, 3072, 768)),
        ("vit-head-96x197x64", "nt", (96, 197, 197, 64)),
        ("vit-values-96x197x197", "nn", (96, 197, 64, 197)),
        ("mixer-tokens-64x64x256", "nn", (64, 256, 128, 64)),
        ("vector-784x500", "nt", (1, 500, 784)),
    ]:
        yield gemm_case(f"kernels/gemm-nets/{name}", form, sizes, np.float32)


def gemm_case(name: str, form: str, sizes: tuple[int, ...], dtype: Any) -> Case:
    """A product of (..., M, K) by (..., K, N), sizes (..., M, N, K); "t" marks an operand stored transposed."""
    *batch, M, N, K = sizes

    def build(library: Library) -> Work:
        a = library.tensor(random(*batch, *((K, M) if form[0] == "t" else (M, K)), dtype=dtype))
        b = library.tensor(random(*batch, *((N, K) if form[1] == "t" else (K, N)), seed=1, dtype=dtype))
        if form == "nn":
            return timed(lambda: a @ b)
        if form == "nt":
            return timed(lambda: a @ b.transpose(-1, -2))
        return timed(lambda: a.transpose(-1, -2) @ b)

    count, itemsize = int(np.prod(batch)), np.dtype(dtype).itemsize
    flops, traffic = 2 * count * M * N * K, itemsize * count * (M * K + K * N + M * N)
    tolerance = 1e-4 if itemsize == 4 else 1e-11
    return Case(name, build, tolerance=tolerance, flops=flops, traffic=traffic)


def linear_cases() -> Iterator[Case]:
    """A linear layer with bias: output, gradient to the input, gradient to the weight."""
    for N, inputs, outputs in [(8, 784, 500), (128, 784, 500), (64, 512, 10), (4, 9216, 4096)]:
        for part in ("forward", "grad_input", "grad_weight"):

            def build(library: Library, shape: tuple[int, int, int] = (N, inputs, outputs), part: str = part) -> Work:
                N, inputs, outputs = shape
                x = library.tensor(random(N, inputs), requires_grad=part != "grad_weight")
                w = library.tensor(random(outputs, inputs, seed=1, scale=0.03), requires_grad=part != "grad_input")
                b = library.tensor(random(outputs, seed=2), requires_grad=part == "forward")
                if part == "forward":
                    return timed(lambda: library.F.linear(x, w, b))
                y, dy = library.F.linear(x, w, b), library.tensor(random(N, outputs, seed=3))
                grad, wanted = library.torch.autograd.grad, x if part == "grad_input" else w
                return timed(lambda: grad(y, wanted, dy, retain_graph=True))

            traffic = 4 * (N * inputs + inputs * outputs + N * outputs)
            yield Case(
                f"kernels/linear/{N}x{inputs}x{outputs}/{part}", build,
                flops=2 * N * inputs * outputs, traffic=traffic,
            )  # fmt: skip


# -- ops that memory bounds ----------------------------------------------------------------------------------

Op = tuple[str, frozenset[str], Callable[[Library], list[Any]], Callable[[Library], Callable[..., Any]]]


def both_parts(
    name: str,
    features: frozenset[str],
    inputs: Callable[[Library], list[Any]],
    function: Callable[[Library], Callable[..., Any]],
) -> Iterator[Case]:
    """Yield an op's forward, and its gradients to all inputs that require one."""

    def forward(library: Library) -> Work:
        arguments, apply = inputs(library), function(library)
        return timed(lambda: apply(*arguments))

    def backward(library: Library) -> Work:
        arguments, apply = inputs(library), function(library)
        y = apply(*arguments)
        dy = random(*y.shape, seed=9)
        dy = library.images(dy) if y.ndim == 4 else library.tensor(dy)
        wanted, grad = [each for each in arguments if each.requires_grad], library.torch.autograd.grad
        return timed(lambda: grad(y, wanted, dy, retain_graph=True))

    yield Case(f"kernels/{name}/forward", forward, features=features)
    yield Case(f"kernels/{name}/backward", backward, features=features)


def image_inputs(*shape: int) -> Callable[[Library], list[Any]]:
    """Return a maker of one image tensor that requires a gradient."""
    return lambda library: [library.images(random(*shape), requires_grad=True)]


def inputs(*shape: int) -> Callable[[Library], list[Any]]:
    """Return a maker of one tensor that requires a gradient."""
    return lambda library: [library.tensor(random(*shape), requires_grad=True)]


def activations() -> Iterator[Op]:
    """Elementwise functions of 64 thousand and of 2 million elements."""
    functions: dict[str, Callable[[Library], Callable[..., Any]]] = {
        "relu": lambda library: library.F.relu,
        "gelu-erf": lambda library: library.F.gelu,
        "gelu-tanh": lambda library: lambda x: library.F.gelu(x, approximate="tanh"),
        "tanh": lambda library: library.torch.tanh,
        "sigmoid": lambda library: library.torch.sigmoid,
        "exp": lambda library: library.torch.exp,
    }
    for name, function in functions.items():
        for title, shape in {"64k": (128, 512), "2m": (32, 64, 32, 32)}.items():
            yield f"activation/{name}-{title}", frozenset(), inputs(*shape), function


def pooling() -> Iterator[Op]:
    """Pooling of LeNet's, VGG's, ResNet's and AlexNet's planes, and over whole planes."""
    for title, shape in {"32x6x28x28": (32, 6, 28, 28), "32x64x32x32": (32, 64, 32, 32)}.items():
        yield f"pool/max-2x2-{title}", CHANNELS_LAST, image_inputs(*shape), lambda library: pool(library, "max", 2)
        yield f"pool/avg-2x2-{title}", CHANNELS_LAST, image_inputs(*shape), lambda library: pool(library, "avg", 2)
    yield (
        *("pool/max-3x3-s2-8x64x112x112", CHANNELS_LAST, image_inputs(8, 64, 112, 112)),
        lambda library: pool(library, "max", 3, 2, 1),
    )
    yield (
        *("pool/max-3x3-s2-8x64x55x55", CHANNELS_LAST, image_inputs(8, 64, 55, 55)),
        lambda library: pool(library, "max", 3, 2),
    )
    yield (
        *("pool/avg-all-32x512x7x7", CHANNELS_LAST, image_inputs(32, 512, 7, 7)),
        lambda library: lambda x: library.F.adaptive_avg_pool2d(x, 1),
    )


def pool(library: Library, kind: str, *arguments: int) -> Callable[[Any], Any]:
    """Return max_pool2d or avg_pool2d with its arguments."""
    function = getattr(library.F, f"{kind}_pool2d")
    return lambda x: function(x, *arguments)


def normalisation() -> Iterator[Op]:
    """Batch norm in training, layer norm."""
    for shape in [(32, 64, 32, 32), (32, 256, 8, 8), (8, 256, 56, 56), (128, 500)]:
        yield f"norm/batch-{'x'.join(map(str, shape))}", CHANNELS_LAST, affine(shape, shape[1]), batch_norm
    for shape in [(4096, 512), (1576, 768), (64, 64, 128)]:
        yield f"norm/layer-{'x'.join(map(str, shape))}", frozenset(), affine(shape, shape[-1]), layer_norm


def affine(shape: tuple[int, ...], channels: int) -> Callable[[Library], list[Any]]:
    """Return a maker of x, weight and bias."""

    def make(library: Library) -> list[Any]:
        x = random(*shape)
        first = library.images(x, requires_grad=True) if len(shape) == 4 else library.tensor(x, requires_grad=True)
        weight, bias = random(channels, seed=1) + 1, random(channels, seed=2)
        return [first, library.tensor(weight, requires_grad=True), library.tensor(bias, requires_grad=True)]

    return make


def batch_norm(library: Library) -> Callable[..., Any]:
    """Return batch norm in training, with running statistics."""
    running: list[Any] = []

    def apply(x: Any, weight: Any, bias: Any) -> Any:
        if not running:
            running.extend([library.torch.zeros(x.shape[1]), library.torch.ones(x.shape[1])])
        return library.F.batch_norm(x, *running, weight, bias, training=True)

    return apply


def layer_norm(library: Library) -> Callable[..., Any]:
    """Return layer norm over the last axis."""
    return lambda x, weight, bias: library.F.layer_norm(x, (x.shape[-1],), weight, bias)


def losses() -> Iterator[Op]:
    """Softmax and cross-entropy of logits."""
    for N, classes in [(128, 10), (128, 1000), (4096, 1000)]:
        labels = np.arange(N) % classes

        def loss(library: Library, labels: np.ndarray = labels) -> Callable[..., Any]:
            target = library.tensor(labels)
            return lambda x: library.F.cross_entropy(x, target)

        yield f"softmax/cross-entropy-{N}x{classes}", frozenset(), inputs(N, classes), loss
    yield (
        *("softmax/softmax-2364x197", frozenset(), inputs(2364, 197)),
        lambda library: lambda x: library.F.softmax(x, -1),
    )
    yield (
        *("attention/8x12x197x64", frozenset(), query_key_value),
        lambda library: library.F.scaled_dot_product_attention,
    )


def query_key_value(library: Library) -> list[Any]:
    """Return the three inputs of ViT-Base's attention, batch 8."""
    return [library.tensor(random(8, 12, 197, 64, seed=seed), requires_grad=True) for seed in range(3)]


def reductions() -> Iterator[Op]:
    """Sums and maxima over all, the last and the first axis."""
    shape = (2048, 1024)
    for axis, title in ((None, "all"), (1, "rows"), (0, "columns")):
        for kind in ("sum", "mean", "amax", "var"):
            options = {} if axis is None else {"dim": axis}
            yield (
                *(f"reduction/{kind}-{title}", frozenset(), inputs(*shape)),
                lambda library, kind=kind, options=options: lambda x: getattr(library.torch, kind)(x, **options),
            )


def lookups() -> Iterator[Op]:
    """Rows of a table: embeddings of 32 sequences of 128 words."""
    words = np.random.default_rng(0).integers(0, 10000, (32, 128))

    def lookup(library: Library) -> Callable[..., Any]:
        index = library.tensor(words)
        return lambda table: library.F.embedding(index, table)

    yield "embedding/10000x256", frozenset(), inputs(10000, 256), lookup


def arithmetic() -> Iterator[Op]:
    """Sums and products, with and without broadcasting."""
    for name, function, shapes in [
        ("add-2m", "add", [(2048, 1024), (2048, 1024)]),
        ("mul-2m", "mul", [(2048, 1024), (2048, 1024)]),
        ("add-row-128x500", "add", [(128, 500), (500,)]),
    ]:
        yield (
            *(f"elementwise/{name}", frozenset(), tensors(*shapes)),
            lambda library, function=function: getattr(library.torch, function),
        )


def tensors(*shapes: tuple[int, ...]) -> Callable[[Library], list[Any]]:
    """Return a maker of tensors that require gradients."""
    return lambda library: [library.tensor(random(*each, seed=i), requires_grad=True) for i, each in enumerate(shapes)]


# -- dropout and optimisers ----------------------------------------------------------------------------------


def optimizer_cases() -> Iterator[Case]:
    """One step over the parameters of an MLP (398 510), of ResNet-18 on CIFAR (11.2 million), and dropout."""
    shapes = {
        "mlp": [(500, 784), (500,), (10, 500), (10,)],
        "11m": [(512, 512, 3, 3)] * 4 + [(256, 256, 3, 3)] * 3 + [(64,)] * 40,
    }
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "sgd": ("SGD", {"lr": 0.01}),
        "sgd-momentum": ("SGD", {"lr": 0.01, "momentum": 0.9}),
        "adam": ("Adam", {"lr": 1e-3}),
    }
    for title, each in shapes.items():
        for kind, (name, options) in kinds.items():
            yield Case(
                f"kernels/optimizer/{kind}-{title}",
                lambda library, each=each, name=name, options=options: update(library, each, name, options),
                features=FUSED,
            )
    for title, shape in {"64k": (128, 512), "2m": (32, 64, 32, 32)}.items():
        yield Case(f"kernels/dropout/{title}", lambda library, shape=shape: dropout(library, shape), tolerance=0.05)


def update(library: Library, shapes: list[tuple[int, ...]], name: str, options: dict[str, Any]) -> Work:
    """A step of an optimiser with constant gradients."""
    parameters = [library.tensor(random(*shape, seed=i), requires_grad=True) for i, shape in enumerate(shapes)]
    for i, parameter in enumerate(parameters):
        parameter.grad = library.tensor(random(*parameter.shape, seed=100 + i))
    optimizer = library.optimizer(name, parameters, **options)

    def check() -> list[np.ndarray]:
        for _ in range(3):
            optimizer.step()
        return [values(parameter) for parameter in parameters]

    return Work(optimizer.step, check)


def dropout(library: Library, shape: tuple[int, ...]) -> Work:
    """Dropout's forward; what is compared is the share of zeros and the mean of the squares."""
    x = library.tensor(random(*shape), requires_grad=True)

    def step() -> Any:
        return library.F.dropout(x, 0.5)

    def check() -> list[np.ndarray]:
        y = values(step())
        return [np.array([(y == 0).mean()]), np.array([(y**2).mean()])]

    return Work(step, check)
