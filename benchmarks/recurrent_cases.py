"""Recurrent layers and cells, forward and a training step without the optimiser's, through the public API."""

from collections.abc import Iterator
from typing import Any

from benchmarks.case import Case, Work, random, timed, values
from benchmarks.library import Library

SIZES = [  # steps, sequences, inputs, units
    (28, 64, 28, 128),
    (28, 1, 28, 128),
    (35, 20, 128, 128),
    (28, 8, 28, 32),
    (64, 32, 64, 64),
    (28, 32, 64, 512),
]
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


def cases() -> Iterator[Case]:
    """Yield all cases: layers of several sizes, some in two directions or packed, and single steps."""
    for kind in GATES:
        for sizes in SIZES:
            yield from layer_cases(kind, "x".join(map(str, sizes)), sizes)
        yield from layer_cases(kind, "28x64x28x128-bidirectional", SIZES[0], bidirectional=True)
        yield from layer_cases(kind, "28x64x28x128-packed", SIZES[0], packed=True)
        yield from layer_cases(kind, "1x1x28x128", (1, 1, 28, 128))
        yield cell_case(kind, 1)
        yield cell_case(kind, 64)


def layer_cases(kind: str, name: str, sizes: tuple[int, ...], packed: bool = False, **options: Any) -> Iterator[Case]:
    """A layer over all steps: outputs without gradients, and the gradients of all parameters from the last step's."""
    T, B, I, H = sizes

    def make(library: Library) -> tuple[Any, Any]:
        library.torch.manual_seed(0)
        layer = getattr(library.nn, kind)(I, H, **options)
        for i, parameter in enumerate(layer.parameters()):
            parameter.data.copy_(library.tensor(random(*parameter.shape, seed=i, scale=H**-0.5)))
        x = library.tensor(random(T, B, I, seed=99))
        if packed:
            lengths = [T - T * b // (2 * B) for b in range(B)]
            x = library.nn.utils.rnn.pack_padded_sequence(x, lengths)
        return layer, x

    def forward(library: Library) -> Work:
        layer, x = make(library)

        def step() -> Any:
            with library.torch.no_grad():
                y, _ = layer(x)
            return y.data

        return timed(step)

    def train(library: Library) -> Work:
        layer, x = make(library)

        def step() -> None:
            y, _ = layer(x)
            layer.zero_grad()
            (y.data if packed else y[-1]).sum().backward()

        def check() -> Any:
            step()
            return [values(parameter.grad) for parameter in layer.parameters()]

        return Work(step, check)

    rows = T * B * (0.75 if packed else 1) * (2 if options.get("bidirectional") else 1)
    flops = 2 * rows * GATES[kind] * H * (I + H)
    yield Case(f"kernels/recurrent/{kind}-{name}/forward", forward, flops=flops)
    yield Case(f"kernels/recurrent/{kind}-{name}/train", train, flops=2 * flops + 2 * rows * GATES[kind] * H * H)


def cell_case(kind: str, B: int) -> Case:
    """One step of B sequences, without gradients, as text is generated."""
    I, H = 28, 128

    def build(library: Library) -> Work:
        library.torch.manual_seed(0)
        cell = getattr(library.nn, f"{kind}Cell")(I, H)
        for i, parameter in enumerate(cell.parameters()):
            parameter.data.copy_(library.tensor(random(*parameter.shape, seed=i, scale=H**-0.5)))
        x, h = library.tensor(random(B, I, seed=8)), library.tensor(random(B, H, seed=9))

        def step() -> Any:
            with library.torch.no_grad():
                return cell(x, (h, h) if kind == "LSTM" else h)

        return timed(step)

    return Case(f"kernels/recurrent/{kind}Cell-{B}x{I}x{H}", build, flops=2 * B * GATES[kind] * H * (I + H))
