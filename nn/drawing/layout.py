"""Places for all that a graph shows: frames are laid out from the innermost to the outermost, each a cell of the next.

An edge that leaves a frame passes through a port at its lower side, one that enters through a port at its upper side.
So within every frame edges are links between cells, and none crosses a box.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from nn.drawing.graph import Frame, Graph, Node
from nn.drawing.layers import Cell, Link, arrange

PLAIN = ("op", "input", "output", "parameter")  # boxes as wide as their text; those of modules are all the same
PADDING = 14.0  # of a frame, left and right
TITLE = 24.0  # room for a frame's title
TITLE_WIDTH = 6.4  # of a letter of it
STEP = 20.0  # between layers
MARGIN = 20.0


class Box(NamedTuple):
    """A rectangle: left, top, width, height."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """The middle."""
        return self.x + self.width / 2, self.y + self.height / 2


class Station(NamedTuple):
    """A vertical piece of an edge, which runs in curves from one to the next."""

    x: float
    top: float
    bottom: float


@dataclass
class _Level:
    """The cells inside a frame (None: the whole picture), and where they are, from the frame's centre and top."""

    cells: list[Cell] = field(default_factory=list)
    links: dict[tuple[Any, Any, Node], Link] = field(default_factory=dict)
    by_item: dict[Any, Cell] = field(default_factory=dict)
    layers: list[list[Cell]] = field(default_factory=list)
    rows: list[tuple[float, float]] = field(default_factory=list)  # top and bottom of each layer
    middle: float = 0.0  # x of the centre


class Layout:
    """A graph with places: `boxes` of nodes, `frames` of frames, `routes` of edges, and the picture's size."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.boxes: dict[Node, Box] = {}
        self.frames: dict[Frame, Box] = {}
        self.width = self.height = 0.0
        self._levels: dict[Frame | None, _Level] = defaultdict(_Level)
        self._rows: dict[Cell, tuple[float, float]] = {}  # of each cell's layer, in the picture
        self._points: dict[Cell, float] = {}  # x of each cell, in the picture
        self._fill()
        size = self._arrange(None)
        self._put(None, MARGIN + size[0] / 2, MARGIN)
        self.width, self.height = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
        self.routes = self._routes()

    # -- cells and links -----------------------------------------------------------------------------------------

    def _fill(self) -> None:
        """Make the cells and links of all frames."""
        modules = [width_of(node) for node in self.graph.nodes if node.kind not in PLAIN]
        common = max(modules, default=0.0)
        for node in self.graph.nodes:
            for inner, outer in pairwise([node, *_around(node)]):
                self._add(outer, inner)
            cell = self._levels[node.frame].by_item[node]
            cell.width = width_of(node) if node.kind in PLAIN else common
            cell.height = height_of(node)
        for source, target in self.graph.edges:
            for frame, a, b in self._pieces(source, target):
                self._link(frame, a, b, source)

    def _add(self, frame: Frame | None, item: Any, kind: str = "item") -> Cell:
        level = self._levels[frame]
        if item not in level.by_item:
            cell = level.by_item[item] = Cell(kind, item)
            level.cells.append(cell)
        return level.by_item[item]

    def _pieces(self, source: Node, target: Node) -> Iterator[tuple[Frame | None, Any, Any]]:
        """Yield the frames an edge passes and between what in each: items, or ports ("exit" or "entry", source)."""
        ups, downs = [source, *_around(source)], [target, *_around(target)]
        common = next(frame for frame in ups[1:] if frame in downs[1:])
        ups, downs = ups[: ups.index(common)], downs[: downs.index(common)]
        for inner, outer in pairwise(ups):
            yield outer, inner, ("exit", source)
        yield common, ups[-1], downs[-1]
        for outer, inner in pairwise(reversed(downs)):
            yield outer, ("entry", source), inner

    def _link(self, frame: Frame | None, a: Any, b: Any, source: Node) -> None:
        level = self._levels[frame]
        for port in (a, b):
            if isinstance(port, tuple):
                self._add(frame, port, port[0])
        if (a, b, source) not in level.links:
            is_side = source.kind == "parameter"
            level.links[a, b, source] = Link(level.by_item[a], level.by_item[b], source, is_side)

    # -- sizes, from the innermost frame to the outermost ----------------------------------------------------------

    def _arrange(self, frame: Frame | None) -> tuple[float, float]:
        """Lay out what is in a frame; return its width and height."""
        level = self._levels[frame]
        for cell in level.cells:
            if isinstance(cell.item, Frame):
                cell.width, cell.height = self._arrange(cell.item)
                for port, inner in self._levels[cell.item].by_item.items():
                    if isinstance(port, tuple):
                        offsets = cell.entries if port[0] == "entry" else cell.exits
                        offsets[port[1]] = inner.x - self._levels[cell.item].middle
        level.cells.sort(key=lambda cell: ("entry", "item", "exit").index(cell.kind))
        level.layers = arrange(level.cells, list(level.links.values()))
        height = self._stack(level, 0.0 if frame is None else TITLE)
        cells = [cell for layer in level.layers for cell in layer]
        left = min((cell.x - cell.width / 2 for cell in cells), default=0.0)
        right = max((cell.x + cell.width / 2 for cell in cells), default=0.0)
        level.middle = (left + right) / 2
        if frame is None:
            return right - left, height
        return max(right - left + 2 * PADDING, TITLE_WIDTH * len(frame.title) + 2 * PADDING), height

    def _stack(self, level: _Level, title: float) -> float:
        """Find the rows of the layers; return the height of all."""
        y = 0.0
        steps = [step for link in level.links.values() for step in link.steps]
        for i, layer in enumerate(level.layers):
            if i:
                reach = max((abs(a.x - b.x) for a, b in steps if b.layer == i), default=0.0)
                y += STEP + min(20.0, reach / 12)
            if i == (1 if level.layers[0] and level.layers[0][0].kind == "entry" else 0):
                y = max(y, title)
            height = max((cell.height for cell in layer), default=0.0)
            level.rows.append((y, y + height))
            y += height
        ends = bool(level.layers) and any(cell.kind == "exit" for cell in level.layers[-1])
        return y if ends or not title else y + PADDING

    # -- places, from the outermost frame to the innermost ---------------------------------------------------------

    def _put(self, frame: Frame | None, x: float, y: float) -> None:
        """Place what is in the frame whose upper side's middle is (x, y)."""
        level = self._levels[frame]
        for layer, (top, bottom) in zip(level.layers, level.rows, strict=True):
            for cell in layer:
                self._rows[cell] = (y + top, y + bottom)
                self._points[cell] = x + cell.x - level.middle
                corner = self._points[cell] - cell.width / 2, y + (top + bottom - cell.height) / 2
                if isinstance(cell.item, Node):
                    self.boxes[cell.item] = Box(*corner, cell.width, cell.height)
                elif isinstance(cell.item, Frame):
                    self.frames[cell.item] = Box(*corner, cell.width, cell.height)
                    self._put(cell.item, self._points[cell], corner[1])

    # -- edges -----------------------------------------------------------------------------------------------------

    def _routes(self) -> dict[tuple[Node, Node], list[Station]]:
        """Return the stations of all edges; those that arrive at one box are spread over its upper side."""
        routes = {edge: list(self._stations(*edge)) for edge in self.graph.edges}
        arriving = defaultdict(list)
        for edge in routes:
            arriving[edge[1]].append(edge)
        for target, edges in arriving.items():
            edges.sort(key=lambda edge: routes[edge][-1].x)
            x, top, _ = self._arrival(target)
            shifts = _shifts([routes[edge][-1].x - x for edge in edges], self.boxes[target].width - 6)
            for edge, shift in zip(edges, shifts, strict=True):
                routes[edge].append(Station(x + shift, top, self._upper_side(target, shift)))
        return routes

    def _arrival(self, target: Node) -> Station:
        row = self._rows[self._levels[target.frame].by_item[target]]
        return Station(self.boxes[target].centre[0], row[0], self.boxes[target].y)

    def _upper_side(self, node: Node, shift: float) -> float:
        """Return y of a box's upper side, which is round at its ends for ops."""
        box = self.boxes[node]
        if node.kind != "op":
            return box.y
        radius = box.height / 2
        beyond = max(0.0, abs(shift) - (box.width / 2 - radius))
        return box.y + radius - float(max(radius**2 - beyond**2, 0.0)) ** 0.5

    def _stations(self, source: Node, target: Node) -> Iterator[Station]:
        """Yield an edge's stations up to the last before its target."""
        box = self.boxes[source]
        yield Station(box.centre[0], box.y + box.height, self._rows[self._levels[source.frame].by_item[source]][1])
        for frame, a, b in self._pieces(source, target):
            link = self._levels[frame].links[a, b, source]
            if isinstance(link.source.item, Frame):
                outer = self.frames[link.source.item]
                x = self._points[link.source] + link.source.exits[source]
                yield Station(x, outer.y + outer.height, self._rows[link.source][1])
            for bend in link.bends:
                yield Station(self._points[bend], *self._rows[bend])
            if isinstance(link.target.item, Frame):
                x = self._points[link.target] + link.target.entries[source]
                yield Station(x, self._rows[link.target][0], self.frames[link.target.item].y)
            elif link.target.kind == "exit":
                yield Station(self._points[link.target], *self._rows[link.target])


def _shifts(origins: Sequence[float], room: float) -> list[float]:
    """Return where edges arrive, from the middle of a side; one that comes straight from above arrives there."""
    count = len(origins)
    straight = min(range(count), key=lambda i: abs(origins[i]))
    centre = float(straight) if abs(origins[straight]) < 1 else (count - 1) / 2
    step = min(14.0, room / 2 / max(centre, count - 1 - centre, 1.0))
    return [(i - centre) * step for i in range(count)]


def _around(node: Node) -> list[Any]:
    """Return the frames around a node, the innermost first; the last is None, the whole picture."""
    frames, frame = [], node.frame
    while frame is not None:
        frames.append(frame)
        frame = frame.parent
    return [*frames, None]


def width_of(node: Node) -> float:
    """Return how wide a node must be for its text."""
    if node.kind == "op":
        return 24.0 if len(node.title) == 1 else 6.2 * len(node.title) + 16
    first = 6.9 * len(node.title) + (5.6 * len(node.shape) + 14 if node.shape else 0)
    return max(first, 5.7 * len(node.detail)) + 20


def height_of(node: Node) -> float:
    """Return how high a node is: one line, or two."""
    return 24.0 if node.kind == "op" else 38.0 if node.detail else 24.0
