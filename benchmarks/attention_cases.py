"""Attention: the function alone, then blocks of width 256 with 8 heads over 128 positions, and decoding."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random, timed, values
from benchmarks.library import Library
from benchmarks.model_cases import fill

SHAPES = {  # batch, heads, positions, features of a head
    "vit-8x12x197x64": (8, 12, 197, 64),
    "8x8x128x32": (8, 8, 128, 32),
    "2x8x512x64": (2, 8, 512, 64),
    "1x2x4096x64": (1, 2, 4096, 64),
}
WIDTH, HEADS, POSITIONS = 256, 8, 128


def cases() -> Iterator[Case]:
    """Yield all cases."""
    yield from function_cases()
    yield from block_cases()
    for keys in (128, 2048):
        shape = (8, 8, keys, 64)
        yield Case(
            f"kernels/attention-decode/{keys}", lambda library, shape=shape: decoding(library, shape),
            what="one query per sequence and head", traffic=8 * int(np.prod(shape)),
        )  # fmt: skip


# ---- the function ----


def function_cases() -> Iterator[Case]:
    """Forward, and forward with backward, with and without the causal mask."""
    for name, shape in SHAPES.items():
        for causal in (False, True):
            for part in ("forward", "both"):
                products, share = 2 if part == "forward" else 7, 0.5 if causal else 1.0
                yield Case(
                    f"kernels/attention/{name}{'-causal' if causal else ''}/{part}",
                    lambda library, shape=shape, causal=causal, part=part: function(library, shape, causal, part),
                    flops=2 * products * share * float(np.prod(shape)) * shape[2],
                    traffic=4 * (4 if part == "forward" else 8) * int(np.prod(shape)),
                )


def function(library: Library, shape: tuple[int, ...], causal: bool, part: str) -> Work:
    """Scaled dot-product attention, alone or with the gradients to queries, keys and values."""
    attend, both = library.F.scaled_dot_product_attention, part == "both"
    q, k, v = (library.tensor(random(*shape, seed=seed), requires_grad=both) for seed in range(3))
    if not both:
        return timed(lambda: attend(q, k, v, is_causal=causal))
    dy = library.tensor(random(*shape, seed=3))
    return timed(lambda: library.torch.autograd.grad(attend(q, k, v, is_causal=causal), [q, k, v], dy))


def decoding(library: Library, shape: tuple[int, ...]) -> Work:
    """One more query for keys and values that are kept."""
    q = library.tensor(random(*shape[:2], 1, shape[3]))
    k, v = (library.tensor(random(*shape, seed=seed)) for seed in (1, 2))
    return timed(lambda: library.F.scaled_dot_product_attention(q, k, v))


# ---- blocks ----


def block_cases() -> Iterator[Case]:
    """A training step (forward and backward) and inference of each block."""
    for batch in (8, 32):
        for name, (build, _) in BLOCKS.items():
            for part, run in (("step", step), ("infer", inference)):
                yield Case(
                    f"kernels/attention-block/{name}-b{batch}/{part}",
                    lambda library, build=build, run=run, batch=batch: run(library, build(library.nn), batch),
                    what=BLOCKS[name][1],
                    features=frozenset({"compiled"}),
                    # Where a sum is nearly 0, a rounding decides whether a ReLU passes its gradient.
                    tolerance=1e-2 if run is step and name.startswith("encoder") else 1e-4,
                )


def attention_block(nn: Any, need_weights: bool = False) -> Any:
    """y = LayerNorm(x + attention(x))."""

    class Block(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
            self.norm = nn.LayerNorm(WIDTH)

        def forward(self, x: Any) -> Any:
            return self.norm(x + self.attention(x, x, x, need_weights=need_weights)[0])

    return Block()


def encoder_layer(nn: Any, dropout: float = 0.0) -> Any:
    """A layer of a transformer's encoder."""
    return nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout, batch_first=True)


BLOCKS: dict[str, tuple[Any, str]] = {
    "attention": (attention_block, "attention with a residual and layer norm"),
    "attention-weights": (lambda nn: attention_block(nn, True), "the same, which returns the weights too"),
    "encoder": (encoder_layer, "an encoder layer without dropout"),
    "encoder-dropout": (lambda nn: encoder_layer(nn, 0.1), "an encoder layer with dropout 0.1"),
}


def step(library: Library, plain: Any, batch: int) -> Work:
    """Forward and backward; the gradients are compared without dropout."""
    model, parameters = library.model(fill(library, plain)), list(plain.parameters())
    x = library.tensor(random(batch, POSITIONS, WIDTH), requires_grad=True)
    dy = library.tensor(random(batch, POSITIONS, WIDTH, seed=1))

    def run() -> list[Any]:
        return list(library.torch.autograd.grad(model(x), [x, *parameters], dy))

    def check() -> list[np.ndarray]:
        plain.eval()
        found = [values(grad) for grad in run()]
        plain.train()
        return found

    return Work(run, check)


def inference(library: Library, plain: Any, batch: int) -> Work:
    """The output, without gradients."""
    model = library.model(fill(library, plain)).eval()
    x = library.tensor(random(batch, POSITIONS, WIDTH))

    def run() -> Any:
        with library.torch.no_grad():
            return model(x)

    return timed(run)
