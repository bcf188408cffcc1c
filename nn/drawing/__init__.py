"""`nn.draw`: a model, or the tape behind a tensor, as an SVG picture.

`recording` runs the model and notes what its modules and ops read and wrote, `tape` reads a tensor's history; both
give a `graph`, which `layers` and `layout` place and `svg` writes.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from autograd.tensor import Tensor
from nn.drawing.graph import Graph
from nn.drawing.layout import Layout
from nn.drawing.recording import graph_of_model
from nn.drawing.svg import write
from nn.drawing.tape import graph_of_tape
from nn.module import Module


class Drawing:
    """A picture: `svg` is its text. Notebooks show it, `save` writes it to a file."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.layout = Layout(graph)
        self.svg = write(self.layout)

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the picture to a file, which every browser shows."""
        Path(path).write_text(self.svg, encoding="utf-8")

    def _repr_svg_(self) -> str:
        return self.svg

    def __repr__(self) -> str:
        graph = self.graph
        return f"<drawing of {graph.title}: {len(graph.nodes)} boxes, {len(graph.edges)} arrows; save('NAME.svg')>"


def draw(
    model: "Module | Tensor",
    *inputs: Any,
    depth: int | None = None,
    names: "dict[str, Tensor] | Iterable[tuple[str, Tensor]] | None" = None,
    limit: int = 500,
) -> Drawing:
    """Draw a model, or the tape behind a tensor.

        nn.draw(model, (1, 3, 224, 224)).save("model.svg")
        nn.draw(loss, names=model.named_parameters()).save("tape.svg")

    A model runs once in eval mode, unrecorded, and is afterwards as it was. Its layers are boxes, with a frame around
    those of one container; what its forwards compute beside their layers are small round ones. Arrows follow the
    tensors.

    Args:
        model: any module, or a tensor that requires gradients.
        inputs: the arguments of the module's forward, or for a tensor its shape, a tuple of ints.
        depth: draw modules at this depth as one box, whatever is in them.
        names: of the leaves of a tensor's tape, as `named_parameters()` gives them.
        limit: how many boxes the picture may have; more raise a ValueError.
    """
    if isinstance(model, Tensor):
        if inputs or depth is not None:
            raise TypeError("draw: inputs and depth belong to a module; a tensor is drawn with its own history")
        return Drawing(graph_of_tape(model, names, limit))
    if not isinstance(model, Module):
        raise TypeError(f"draw: expected a Module or a Tensor, got {type(model).__name__}")
    if names is not None:
        raise TypeError("draw: names are those of a tensor's leaves; the layers of a module have their own")
    return Drawing(graph_of_model(model, inputs, depth, limit))


__all__ = ["Drawing", "draw"]
