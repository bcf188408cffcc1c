"""The models in plain jax.numpy, images as (N, H, W, C): what `jax.jit` makes of the same training steps.

Parameters come in the order and with the values they have in PyTorch's modules, so that losses and gradients agree.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.case import Case, Work, random, thinned
from benchmarks.model_cases import MODELS, Model, weight


class Weights:
    """Hands out parameters and running statistics in the order they are asked for; without any, makes them.

    Attributes:
        key: of the dropout masks; None leaves dropout out.
    """

    def __init__(self, state: dict[str, list[Any]] | None = None, training: bool = True, key: Any = None) -> None:
        self.making, self.training, self.key = state is None, training, key
        self.parameters: list[Any] = [] if state is None else state["parameters"]
        self.running: list[Any] = [] if state is None else state["running"]
        self.updated: list[Any] = []
        self.given = 0

    def __call__(self, *shape: int, bias: bool = False) -> Any:
        """Return the next parameter; filters (K, C, R, S) in the order (R, S, C, K)."""
        if self.making:
            values = weight(shape, len(self.parameters), bias)
            self.parameters.append(values.transpose(2, 3, 1, 0) if len(shape) == 4 else values)
        self.given += 1
        return self.parameters[self.given - 1]

    def statistics(self, channels: int) -> Any:
        """Return the next running mean and variance, (2, channels)."""
        if self.making:
            self.running.append(np.stack([np.zeros(channels, np.float32), np.ones(channels, np.float32)]))
        return self.running[len(self.updated)]


# -- layers --------------------------------------------------------------------------------------------------


def linear(w: Weights, x: Any, outputs: int) -> Any:
    """x Wᵀ + b."""
    return x @ w(outputs, x.shape[-1]).T + w(outputs, bias=True)


def conv(w: Weights, x: Any, filters: int, size: int, stride: int = 1, padding: int = 0, bias: bool = True) -> Any:
    """A convolution of images (N, H, W, C)."""
    kernel = w(filters, x.shape[-1], size, size)
    pads = [(padding, padding)] * 2
    y = lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + w(filters, bias=True) if bias else y


def max_pool(x: Any, size: int, stride: int) -> Any:
    """The largest value of each window."""
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), "VALID")


def batch_norm(w: Weights, x: Any) -> Any:
    """Normalise each channel over the batch, in evaluation by the running statistics."""
    scale, shift, running = w(x.shape[-1]), w(x.shape[-1], bias=True), w.statistics(x.shape[-1])
    mean, variance = running
    if w.training:
        axes = tuple(range(x.ndim - 1))
        count = x.size // x.shape[-1]
        mean, variance = x.mean(axes), x.var(axes)
        running = 0.9 * running + 0.1 * jnp.stack([mean, variance * count / (count - 1)])
    w.updated.append(running)
    return (x - mean) * lax.rsqrt(variance + 1e-5) * scale + shift


def layer_norm(w: Weights, x: Any) -> Any:
    """Normalise over the last axis."""
    scale, shift = w(x.shape[-1]), w(x.shape[-1], bias=True)
    return (x - x.mean(-1, keepdims=True)) * lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * scale + shift


def dropout(w: Weights, x: Any) -> Any:
    """Half of the values, doubled."""
    if w.key is None:
        return x
    w.key, key = jax.random.split(w.key)
    return jnp.where(jax.random.bernoulli(key, 0.5, x.shape), 2 * x, 0)


def flatten(x: Any) -> Any:
    """Images as rows, in PyTorch's order (C, H, W)."""
    return x.transpose(0, 3, 1, 2).reshape(len(x), -1)


# -- nets, see nets.py ---------------------------------------------------------------------------------------

relu = jax.nn.relu


def mlp(w: Weights, x: Any) -> Any:
    """784-500-10."""
    return linear(w, relu(linear(w, x, 500)), 10)


def batch_norm_mlp(w: Weights, x: Any) -> Any:
    """784-500-500-10."""
    for _ in range(2):
        x = relu(batch_norm(w, linear(w, x, 500)))
    return linear(w, x, 10)


def five_by_five(w: Weights, x: Any, activation: Callable[[Any], Any]) -> Any:
    """The layers that LeNet-5 and the CIFAR net share."""
    for filters in (6, 16):
        x = max_pool(activation(conv(w, x, filters, 5)), 2, 2)
    x = flatten(x)
    for outputs in (120, 84):
        x = activation(linear(w, x, outputs))
    return linear(w, x, 10)


def lenet5(w: Weights, x: Any) -> Any:
    """LeNet-5."""
    return five_by_five(w, x, jnp.tanh)


def cifar_net(w: Weights, x: Any) -> Any:
    """The CIFAR net."""
    return five_by_five(w, x, relu)


def six_conv_vgg(w: Weights, x: Any) -> Any:
    """Three pairs of 3 × 3 convolutions."""
    for width in (64, 128, 256):
        x = relu(conv(w, x, width, 3, padding=1))
        x = max_pool(relu(conv(w, x, width, 3, padding=1)), 2, 2)
    return linear(w, relu(linear(w, flatten(x), 256)), 10)


def alexnet(w: Weights, x: Any) -> Any:
    """AlexNet."""
    x = max_pool(relu(conv(w, x, 64, 11, 4, 2)), 3, 2)
    x = max_pool(relu(conv(w, x, 192, 5, padding=2)), 3, 2)
    for filters in (384, 256, 256):
        x = relu(conv(w, x, filters, 3, padding=1))
    x = flatten(max_pool(x, 3, 2))
    for _ in range(2):
        x = relu(linear(w, dropout(w, x), 4096))
    return linear(w, x, 1000)


def resnet18(w: Weights, x: Any) -> Any:
    """ResNet-18 for CIFAR."""
    x = relu(batch_norm(w, conv(w, x, 64, 3, padding=1, bias=False)))
    for width, first_stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
        for stride in (first_stride, 1):
            y = relu(batch_norm(w, conv(w, x, width, 3, stride, 1, bias=False)))
            y = batch_norm(w, conv(w, y, width, 3, padding=1, bias=False))
            if x.shape != y.shape:
                x = batch_norm(w, conv(w, x, width, 1, stride, bias=False))
            x = relu(x + y)
    return linear(w, x.mean((1, 2)), 10)


def mixer(w: Weights, x: Any) -> Any:
    """MLP-Mixer for CIFAR."""

    def mix(x: Any, hidden: int) -> Any:
        return linear(w, jax.nn.gelu(linear(w, x, hidden), approximate=False), x.shape[-1])

    x = conv(w, x, 128, 4, 4)
    x = x.reshape(len(x), -1, 128)
    for _ in range(4):
        x = x + mix(layer_norm(w, x).swapaxes(1, 2), 2 * x.shape[1]).swapaxes(1, 2)
        x = x + mix(layer_norm(w, x), 4 * 128)
    return linear(w, layer_norm(w, x).mean(1), 10)


# -- steps ---------------------------------------------------------------------------------------------------


def build(case: Case) -> Work:
    """Return the work of a case, whose `jax` is "train/NAME/BATCH" or "infer/NAME/BATCH"."""
    kind, name, batch = case.jax.split("/")
    description = MODELS[name]
    net = globals()[description.net]
    x = random(int(batch), *description.sample, seed=1000)
    x = jnp.asarray(x.transpose(0, 2, 3, 1) if x.ndim == 4 else x)
    maker = Weights()
    net(maker, x)
    state = {"parameters": list(map(jnp.asarray, maker.parameters)), "running": list(map(jnp.asarray, maker.running))}
    return (training if kind == "train" else inference)(net, description, state, x)


def inference(net: Callable[..., Any], _description: Model, state: dict[str, Any], x: Any) -> Work:
    """The logits."""
    apply = jax.jit(lambda state, x: net(Weights(state, training=False), x))

    def step() -> Any:
        return apply(state, x).block_until_ready()

    return Work(step, lambda: [np.asarray(step()).reshape(-1)])


def training(net: Callable[..., Any], description: Model, state: dict[str, Any], x: Any) -> Work:
    """A training step, which replaces the state; checked are the loss and the gradients without dropout."""
    labels = jnp.arange(len(x)) % description.classes
    name, options = description.optimizer
    descend = {"SGD": sgd, "Adam": adam}[name]

    def loss(parameters: list[Any], running: list[Any], key: Any) -> Any:
        w = Weights({"parameters": parameters, "running": running}, key=key)
        scores = jax.nn.log_softmax(net(w, x))
        return -scores[jnp.arange(len(x)), labels].mean(), w.updated

    differentiate = jax.value_and_grad(loss, has_aux=True)

    def update(state: dict[str, Any], key: Any) -> dict[str, Any]:
        (_, running), gradients = differentiate(state["parameters"], state["running"], key)
        return descend(state, gradients, **options) | {"running": running}

    update = jax.jit(update, donate_argnums=0)
    zeros = list(map(jnp.zeros_like, state["parameters"]))
    state |= {"first": zeros, "second": list(map(jnp.copy, zeros)), "count": jnp.zeros(())}
    key = jax.random.key(0)

    def step() -> None:
        nonlocal state, key
        key, now = jax.random.split(key)
        state = jax.block_until_ready(update(state, now))

    def check() -> list[np.ndarray]:
        (value, _), gradients = jax.jit(differentiate)(state["parameters"], state["running"], None)
        step()
        return [np.asarray(value).reshape(-1), *map(thinned, map(in_torch_order, gradients))]

    return Work(step, check)


def in_torch_order(gradient: Any) -> np.ndarray:
    """Return a gradient as PyTorch's module has it: filters as (K, C, R, S)."""
    array = np.asarray(gradient)
    return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def sgd(state: dict[str, Any], gradients: list[Any], lr: float, momentum: float = 0.0) -> dict[str, Any]:
    """v ← momentum · v + g; p ← p − lr · v."""
    if not momentum:
        return state | {"parameters": [p - lr * g for p, g in zip(state["parameters"], gradients, strict=True)]}
    first = [momentum * v + g for v, g in zip(state["first"], gradients, strict=True)]
    return state | {"parameters": [p - lr * v for p, v in zip(state["parameters"], first, strict=True)], "first": first}


def adam(state: dict[str, Any], gradients: list[Any], lr: float) -> dict[str, Any]:
    """Adam with PyTorch's defaults (see nn.optim.Adam)."""
    count = state["count"] + 1
    first = [0.9 * m + 0.1 * g for m, g in zip(state["first"], gradients, strict=True)]
    second = [0.999 * v + 0.001 * g * g for v, g in zip(state["second"], gradients, strict=True)]
    scale, root = lr / (1 - 0.9**count), jnp.sqrt(1 - 0.999**count)
    parameters = [
        p - scale * m / (jnp.sqrt(v) / root + 1e-8) for p, m, v in zip(state["parameters"], first, second, strict=True)
    ]
    return {"parameters": parameters, "first": first, "second": second, "count": count}
