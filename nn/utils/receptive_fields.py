"""What a unit of a convolutional net sees of the input.

A unit of a layer sees r pixels along a dimension, its neighbour's window starts j pixels further (the jump), and that
of the first unit starts at pixel o, negative where it reaches into the padding. For the input r = j = 1 and o = 0;
behind a layer with kernel k, stride s, padding p and dilation d

    r ← r + (k - 1)·d·j    o ← o - p·j    j ← s·j

It is the recursion n = k + s·(m - 1), from the last layer to the first, of how many inputs n the windows of m
neighbours cover, read forwards. Source: Araujo, Norris and Sim 2019, Computing receptive fields of convolutional neural
networks, Distill.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nn import activation, dropout, normalization
from nn.arguments import n_tuple
from nn.containers import Sequential
from nn.conv import _Conv
from nn.linear import Identity
from nn.module import Module
from nn.padding import _Pad
from nn.pooling import AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d

POINTWISE = (
    activation.CELU, activation.ELU, activation.GELU, activation.Hardshrink, activation.Hardsigmoid,
    activation.Hardswish, activation.Hardtanh, activation.LeakyReLU, activation.LogSigmoid, activation.Mish,
    activation.PReLU, activation.RReLU, activation.ReLU, activation.SELU, activation.SiLU, activation.Sigmoid,
    activation.Softplus, activation.Softshrink, activation.Softsign, activation.Tanh, activation.Tanhshrink,
    activation.Threshold, dropout.Dropout, Identity,
)  # fmt: skip
"""Layers that compute each element from itself alone."""

AT_EACH_POSITION = (
    *POINTWISE, activation.Softmax2d, dropout.Dropout1d, dropout.Dropout2d, normalization.BatchNorm1d,
    normalization.BatchNorm2d, normalization.LocalResponseNorm,
)  # fmt: skip
"""Layers that compute each position from itself alone: batch norm as in evaluation."""


class Geometry(NamedTuple):
    """The windows of a layer, a number for each spatial dimension; `before` is the padding at the near end."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    dilation: tuple[int, ...]


@dataclass(frozen=True)
class FieldRow:
    """What a unit behind a layer sees, a number for each spatial dimension."""

    path: str
    kind: str
    geometry: Geometry
    size: tuple[int, ...]
    jump: tuple[int, ...]
    start: tuple[int, ...]

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle of the first unit's window."""
        return tuple(o + (r - 1) / 2 for o, r in zip(self.start, self.size, strict=True))


@dataclass(frozen=True)
class ReceptiveField:
    """What `receptive_field` returns; it prints as a table with a row for each layer that has windows.

    Along each dimension unit i of the model's output sees pixels start + i·jump to start + i·jump + size - 1.
    """

    rows: list[FieldRow]

    @property
    def size(self) -> tuple[int, ...]:
        """How many pixels a unit sees."""
        return self.rows[-1].size

    @property
    def jump(self) -> tuple[int, ...]:
        """How many pixels lie between the windows of two neighbours: the model's stride."""
        return self.rows[-1].jump

    @property
    def start(self) -> tuple[int, ...]:
        """The first pixel that the first unit sees, negative where it is padding."""
        return self.rows[-1].start

    @property
    def centre(self) -> tuple[float, ...]:
        """The middle of the first unit's window."""
        return self.rows[-1].centre

    def window(self, *unit: int) -> tuple[slice, ...]:
        """Return the pixels that a unit sees, its padding left out: `image[..., *field.window(i, j)]`."""
        if len(unit) != len(self.size) or min(unit) < 0:
            raise ValueError(f"window: expected {len(self.size)} positions from 0, got {unit}")
        first = [o + i * j for o, i, j in zip(self.start, unit, self.jump, strict=True)]
        return tuple(slice(max(a, 0), max(a + r, 0)) for a, r in zip(first, self.size, strict=True))

    def __str__(self) -> str:
        header = ("layer", "type", "kernel", "stride", "size", "jump", "start", "centre")
        cells = [header, *(_cells(row) for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        lines = [
            "  ".join(
                f"{cell:{'<' if i < 2 else '>'}{w}}" for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in cells
        ]
        return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])

    __repr__ = __str__


def receptive_field(model: Module) -> ReceptiveField:
    """Return what a unit of the model's output sees of the input: size, jump and start, and the same behind each layer.

        receptive_field(nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.Conv2d(8, 8, 3))).size  # (7, 7)

    Args:
        model: a convolution, a pooling or a Sequential of such layers, padding, activations, dropout, batch norm (as
            in evaluation) and further Sequentials. Behind any other layer, such as Flatten or Linear, a receptive
            field is not defined here: ValueError.
    """
    rows: list[FieldRow] = []
    for path, layer in layers(model, "receptive_field"):
        geometry = _geometry(path, layer)
        if geometry is not None:
            rows.append(_behind(rows[-1] if rows else None, path, layer, geometry))
    if not rows:
        raise ValueError(f"receptive_field: {type(model).__name__} has no convolution, pooling or padding")
    return ReceptiveField(rows)


def layers(model: Module, who: str, path: str = "") -> Iterator[tuple[str, Module]]:
    """Yield the layers of nested Sequentials in the order of their calls, with their paths."""
    if not isinstance(model, Module):
        raise TypeError(f"{who}: expected a module, got {type(model).__name__}")
    if isinstance(model, Sequential) and type(model).forward is Sequential.forward:
        for name, child in model._modules.items():
            yield from layers(child, who, f"{path}.{name}" if path else name)
    else:
        yield path, model


def _geometry(path: str, layer: Module) -> Geometry | None:
    """Return a layer's windows, or None where each position is computed from itself."""
    if isinstance(layer, _Conv):
        widths = [0, 0] * layer.spatial if layer.padding == "valid" else layer._pad_widths()
        return Geometry(layer.kernel_size, layer.stride, tuple(widths[::2][::-1]), layer.dilation)
    if isinstance(layer, (MaxPool1d, MaxPool2d, AvgPool1d, AvgPool2d)):
        n = 2 if isinstance(layer, (MaxPool2d, AvgPool2d)) else 1
        sizes = (layer.kernel_size, layer.stride, layer.padding, getattr(layer, "dilation", 1))
        return Geometry(*(n_tuple(size, n, type(layer).__name__) for size in sizes))
    if isinstance(layer, _Pad):
        ones = (1,) * layer.spatial
        return Geometry(ones, ones, tuple(layer.padding[::2][::-1]), ones)
    if isinstance(layer, AT_EACH_POSITION):
        return None
    raise ValueError(
        f"receptive_field: {path or 'the model'} ({type(layer).__name__}) is neither a convolution, a pooling nor a "
        "layer that keeps positions apart; give a Sequential of the layers before it"
    )


def _behind(row: FieldRow | None, path: str, layer: Module, geometry: Geometry) -> FieldRow:
    """Return what a unit behind a layer sees, from what one before it does."""
    n = len(geometry.stride)
    if row is not None and len(row.size) != n:
        raise ValueError(
            f"receptive_field: {path} ({type(layer).__name__}) has {n} spatial dimensions, the layers before it have "
            f"{len(row.size)}"
        )
    size, jump, start = (row.size, row.jump, row.start) if row else ((1,) * n, (1,) * n, (0,) * n)
    return FieldRow(
        path,
        type(layer).__name__,
        geometry,
        tuple(
            r + (k - 1) * d * j for r, k, d, j in zip(size, geometry.kernel_size, geometry.dilation, jump, strict=True)
        ),
        tuple(j * s for j, s in zip(jump, geometry.stride, strict=True)),
        tuple(o - p * j for o, p, j in zip(start, geometry.before, jump, strict=True)),
    )


def _cells(row: FieldRow) -> tuple[str, ...]:
    numbers = (row.geometry.kernel_size, row.geometry.stride, row.size, row.jump, row.start, row.centre)
    return (row.path, row.kind, *map(_number, numbers))


def _number(values: Sequence[float]) -> str:
    """Return "7" where all dimensions agree, otherwise "7x5"."""
    values = values[:1] if len(set(values)) == 1 else values
    return "x".join(f"{value:g}" for value in values)
