"""Matrix products through the public API: square ones, those of recurrent and attention layers, and linear layers."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.case import Case, Work, random, timed
from benchmarks.library import Library


def cases() -> Iterator[Case]:
    """Yield all cases."""
    yield from gemm_cases()
    yield from linear_cases()


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
