"""What a picture shows, before anything has a place: nodes, the frames around them, and edges."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(eq=False)
class Frame:
    """A container's call; it encloses the nodes and frames of what was called inside."""

    title: str
    note: str
    parent: "Frame | None" = None


@dataclass(eq=False)
class Node:
    """A box, or (kind "op") a small round one.

    kind decides the colour; the title stands in the first line, `shape` at its end, `detail` below; `note` is told
    when the mouse rests on it.
    """

    kind: str
    title: str
    detail: str = ""
    shape: str = ""
    note: str = ""
    frame: Frame | None = None


@dataclass
class Graph:
    """Nodes and the edges between them, in the order they came about; edges go from earlier to later nodes."""

    title: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[tuple[Node, Node]] = field(default_factory=list)

    def add(self, node: Node, sources: Sequence[Node] = ()) -> Node:
        """Add a node with edges from `sources`, one for each."""
        self.nodes.append(node)
        self.edges += [(source, node) for source in dict.fromkeys(sources)]
        return node

    def prune(self, kinds: Sequence[str]) -> None:
        """Take away the nodes of these kinds from which no output is reached."""
        kept = {node for node in self.nodes if node.kind not in kinds}
        for source, target in reversed(self.edges):
            if target in kept:
                kept.add(source)
        self.nodes = [node for node in self.nodes if node in kept]
        self.edges = [(source, target) for source, target in self.edges if source in kept and target in kept]


def shown(shape: Sequence[int]) -> str:
    """Return a shape as the picture shows it: (1, 64, 56, 56)."""
    return f"({', '.join(map(str, shape))})"


def refuse_above(limit: int, count: int, advice: str) -> None:
    """Raise ValueError for more boxes than anybody could read."""
    if count > limit:
        raise ValueError(f"draw: the picture would have {count:,} boxes, limit is {limit:,}: {advice}")
