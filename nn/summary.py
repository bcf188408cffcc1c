"""A table of a model's layers: output shapes, parameters, multiply-adds and memory."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from autograd.grad_mode import no_grad
from autograd.tensor import Tensor
from nn.conv import _Conv, _ConvTranspose
from nn.linear import Bilinear, Linear
from nn.module import Module
from nn.trial_run import materialise, tensors_in, undisturbed

Shape = tuple[int, ...]

# Multiply-adds of a call, by type of layer, given its first input and its output; other layers have none.
MULTIPLY_ADDS: dict[type[Module], Callable[[Any, Tensor, Tensor], int]] = {
    Linear: lambda layer, _, y: y.numel() * layer.in_features,
    Bilinear: lambda layer, _, y: y.numel() * layer.in1_features * layer.in2_features,
    _Conv: lambda layer, _, y: y.numel() * math.prod(layer.weight.shape[1:]),
    _ConvTranspose: lambda layer, x, _: x.numel() * math.prod(layer.weight.shape[1:]),
}


@dataclass
class Row:
    """One call of one module, or a module that holds parameters and was not called itself."""

    path: str
    kind: str
    depth: int
    parameters: int  # its own, not those of submodules
    repeated: bool  # whether its parameters are counted in an earlier row
    is_leaf: bool  # whether it has no submodules
    output_shapes: list[Shape] = field(default_factory=list)
    multiply_adds: int = 0
    memory: int = 0  # bytes of the output, as far as it does not share the input's

    @property
    def output_shape(self) -> Shape | None:
        """The first output's shape."""
        return self.output_shapes[0] if self.output_shapes else None

    @property
    def volume(self) -> str:
        """The output of one sample: "32x32x10" for an image, height × width × channels; "10" for a vector."""
        if self.output_shape is None:
            return "-"
        sizes = self.output_shape[1:]
        return "x".join(str(n) for n in (sizes[1:] + sizes[:1] if len(sizes) == 3 else sizes))


@dataclass
class Summary:
    """What `summary` returns; it prints as a table."""

    name: str
    rows: list[Row]
    total_parameters: int
    trainable_parameters: int
    total_multiply_adds: int
    input_bytes: int
    activation_bytes: int  # of the outputs of all layers that have no submodules
    parameter_bytes: int  # of parameters and buffers

    def __str__(self) -> str:
        header = ("layer", "type", "output shape", "volume", "parameters", "multiply-adds", "memory")
        cells = [header, *(_cells(row) for row in self.rows)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(header))]
        lines = [
            "  ".join(
                cell.ljust(w) if i < 4 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in cells
        ]
        rule = "-" * len(lines[0])
        repeated = ["(n): counted in an earlier row"] if any(row.repeated for row in self.rows) else []
        totals = [
            f"parameters       {self.total_parameters:,} ({self.trainable_parameters:,} trainable)",
            f"multiply-adds    {self.total_multiply_adds:,}",
            f"memory           input {_bytes(self.input_bytes)}, activations "
            f"{_bytes(self.activation_bytes)}, parameters and buffers {_bytes(self.parameter_bytes)}",
        ]
        return "\n".join([self.name, rule, lines[0], rule, *lines[1:], rule, *repeated, *totals])

    __repr__ = __str__


def summary(model: Module, *inputs: Any, dtype: Any = None, depth: int | None = None) -> Summary:
    """Run a model once and return the table of its layers.

        print(summary(model, (1, 3, 32, 32)))

    The model runs in eval mode, unrecorded, and is afterwards as it was: modes, buffers, hooks, random state.

    Args:
        model: any module.
        inputs: the arguments of its forward, or for a tensor its shape, a tuple of ints.
        dtype: type of the inputs given by their shape, which are zeros; default: that of the parameters.
        depth: leave out modules below this depth; the rows that remain at it stand for all below them.
    """
    if not inputs:
        raise TypeError(
            "summary: give the model's input: a shape such as (1, 3, 32, 32), or the arguments of its forward"
        )
    arguments = [materialise(x, model, dtype) for x in inputs]
    table = _Table(model)
    with undisturbed(model), no_grad():
        handles = [hook for module in model.modules() for hook in table.watch(module)]
        try:
            model(*arguments)
        finally:
            for handle in handles:
                handle.remove()
    table.add_uncalled()
    parameters = list(model.parameters())
    return Summary(
        name=type(model).__name__,
        total_parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        total_multiply_adds=sum(row.multiply_adds for row in table.rows),
        input_bytes=sum(x.nbytes for x in tensors_in(arguments)),
        activation_bytes=sum(row.memory for row in table.rows if row.is_leaf),
        parameter_bytes=sum(x.nbytes for x in (*parameters, *model.buffers())),
        rows=_down_to(depth, table.rows, model),
    )


class _Table:
    """Collects the rows while the model runs."""

    def __init__(self, model: Module) -> None:
        self.rows: list[Row] = []
        self.paths: dict[Module, list[str]] = {}
        for path, module in model.named_modules(remove_duplicate=False):
            self.paths.setdefault(module, []).append(path)
        self.calls: dict[Module, int] = {}
        self.counted: set[Tensor] = set()
        self.running: list[Row] = []

    def watch(self, module: Module) -> Iterator[Any]:
        """Register the hooks that report the module's calls."""
        yield module.register_forward_pre_hook(self._enter)
        yield module.register_forward_hook(self._leave, with_kwargs=True, always_call=True)

    def _row(self, module: Module) -> Row:
        paths = self.paths[module]
        call = self.calls[module] = self.calls.get(module, 0) + 1
        path = paths[min(call, len(paths)) - 1]
        own = [p for p in module._parameters.values() if p is not None]
        repeated = bool(own) and all(p in self.counted for p in own)
        self.counted.update(own)
        row = Row(
            path=path,
            kind=type(module).__name__,
            depth=path.count(".") + 1 if path else 0,
            parameters=sum(p.numel() for p in own),
            repeated=repeated,
            is_leaf=next(module.children(), None) is None,
        )
        self.rows.append(row)
        return row

    def _enter(self, module: Module, _: tuple[Any, ...]) -> None:
        self.running.append(self._row(module))

    def _leave(self, module: Module, args: Any, kwargs: Any, output: Any) -> None:
        row = self.running.pop()
        inputs, tensors = list(tensors_in([args, kwargs])), list(tensors_in(output))
        row.output_shapes = [tuple(y.shape) for y in tensors]
        row.memory = sum(y.nbytes for y in tensors if not any(_shared(x, y) for x in inputs))
        for kind, count in MULTIPLY_ADDS.items():
            if isinstance(module, kind) and tensors:  # a call that failed has none
                row.multiply_adds = count(module, inputs[0], tensors[0])

    def add_uncalled(self) -> None:
        """Add a row for each module that holds parameters but was never called."""
        for module in self.paths:
            if module not in self.calls and any(p is not None for p in module._parameters.values()):
                self._row(module)


def _shared(x: Tensor, y: Tensor) -> bool:
    return np.may_share_memory(x.array, y.array)


def _down_to(depth: int | None, rows: Sequence[Row], model: Module) -> list[Row]:
    """Return the rows to show: the model's own only where it tells something, and none below `depth`."""
    shown: list[Row] = []
    for row in rows:
        if depth is not None and row.depth > depth:
            _absorb(shown, row, ".".join(row.path.split(".")[:depth]), model)
        elif row.depth or row.is_leaf or row.parameters or depth == 0:
            shown.append(row)
    return shown


def _absorb(shown: list[Row], row: Row, above: str, model: Module) -> None:
    """Add a hidden row's numbers to the last row at the path `above`."""
    parent = next((each for each in reversed(shown) if each.path == above), None)
    if parent is None:  # a container that is never called itself
        kind = type(model.get_submodule(above)).__name__
        parent = Row(above, kind, above.count(".") + 1, parameters=0, repeated=False, is_leaf=False)
        shown.append(parent)
    parent.parameters += 0 if row.repeated else row.parameters
    parent.multiply_adds += row.multiply_adds


# -- text ----------------------------------------------------------------------------------------------------


def _cells(row: Row) -> tuple[str, ...]:
    blank = "0" if row.is_leaf else "-"  # what a container costs stands in the rows of its parts
    return (
        "  " * max(row.depth - 1, 0) + row.path,
        row.kind,
        " ".join(str(shape) for shape in row.output_shapes) or "-",
        row.volume,
        f"({row.parameters})" if row.repeated else str(row.parameters or blank),
        str(row.multiply_adds or blank),
        _bytes(row.memory) if row.is_leaf else "-",
    )


def _bytes(count: int) -> str:
    """Return a number of bytes in a unit that suits it: "512 B", "40.0 KiB"."""
    if count < 1024:
        return f"{count} B"
    size, units = count / 1024, iter(("KiB", "MiB", "GiB", "TiB"))
    unit = next(units)
    while size >= 1024 and unit != "TiB":
        size, unit = size / 1024, next(units)
    return f"{size:.1f} {unit}"
