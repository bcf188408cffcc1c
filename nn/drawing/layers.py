"""Layered drawing of one level of a graph, from above to below (Sugiyama, Tagawa and Toda, 1981).

Each cell's layer is the length of the longest path to it; links over several layers get a bend in each between, so that
no link crosses a cell; cells are ordered within their layers by the barycentres of their neighbours; then each takes,
as far as order and gaps allow, the place below or above its neighbours that minimises the squared distances.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

GAP = 16.0  # between cells of a layer
SWEEPS = 12
LIGHT = 1e-4  # weight of links that are not of the longest path, which stays straight


@dataclass(eq=False)
class Cell:
    """What takes a place in a layer: a node or a frame (its item), a port of the frame around, or a bend of a link."""

    kind: str  # "item", "entry", "exit" or "bend"
    item: Any = None
    width: float = 0.0
    height: float = 0.0
    x: float = 0.0  # of the centre
    layer: int = 0
    entries: dict[Any, float] = field(default_factory=dict)  # where links arrive at a frame, from its centre, by key
    exits: dict[Any, float] = field(default_factory=dict)


@dataclass(eq=False)
class Link:
    """A link from a cell to a later one; key says what flows along it."""

    source: Cell
    target: Cell
    key: Hashable
    is_side: bool = False  # whether it comes from a parameter, and not from the stream of data
    bends: list[Cell] = field(default_factory=list)

    @property
    def steps(self) -> list[tuple[Cell, Cell]]:
        """The links between adjacent layers of which it consists."""
        return list(pairwise([self.source, *self.bends, self.target]))


Steps = dict[tuple[Cell, Cell, Hashable], float]  # links between adjacent layers, by key, and their weights


def arrange(cells: Sequence[Cell], links: Sequence[Link]) -> list[list[Cell]]:
    """Give cells, in an order in which all links go forward, their layers and x; return the layers."""
    _rank(cells, links)
    lengths = _lengths(cells, links)
    longest = max(lengths.values(), default=0.0) - 1e-6
    layers: list[list[Cell]] = [[] for _ in range(max((cell.layer for cell in cells), default=-1) + 1)]
    for cell in sorted(cells, key=lambda cell: -lengths[cell]):
        layers[cell.layer].append(cell)
    _bend(layers, links)
    steps: Steps = {}
    for link in links:
        weight = 1.0 if lengths[link] >= longest else LIGHT
        steps.update({(a, b, link.key): weight for a, b in link.steps})
    _order(layers, steps)
    _place(layers, steps)
    _straighten(layers, links)
    return layers


def _rank(cells: Sequence[Cell], links: Sequence[Link]) -> None:
    """Find the layers; entries come first and exits last, and what has no source stands right above its target."""
    before, after = defaultdict(list), defaultdict(list)
    for link in links:
        before[link.target].append(link.source)
        after[link.source].append(link.target)
    first = 1 if any(cell.kind == "entry" for cell in cells) else 0
    for cell in cells:
        cell.layer = max([each.layer + 1 for each in before[cell]], default=0 if cell.kind == "entry" else first)
    for cell in cells:
        if cell.kind == "item" and not before[cell] and after[cell]:
            cell.layer = max(first, min(each.layer for each in after[cell]) - 1)
    last = max((cell.layer for cell in cells if cell.kind != "exit"), default=0) + 1
    for cell in cells:
        if cell.kind == "exit":
            cell.layer = last


def _lengths(cells: Sequence[Cell], links: Sequence[Link]) -> dict[Cell | Link, float]:
    """Return how long the longest path through each cell and link is, by the heights on it.

    Paths that begin at a parameter do not count.
    """
    before, after = (dict.fromkeys(cells, 0.0) for _ in range(2))
    first = {cell: i for i, cell in enumerate(cells)}
    counted = [link for link in links if not link.is_side]
    for link in sorted(counted, key=lambda link: first[link.source]):
        before[link.target] = max(before[link.target], before[link.source] + link.source.height + 1)
    for link in sorted(counted, key=lambda link: -first[link.target]):
        after[link.source] = max(after[link.source], after[link.target] + link.target.height + 1)
    lengths: dict[Cell | Link, float] = {cell: before[cell] + cell.height + after[cell] for cell in cells}
    for link in counted:
        ends = before[link.source] + link.source.height + link.target.height + after[link.target]
        lengths[link] = ends + 1
    return lengths | {link: 0.0 for link in links if link.is_side}


def _bend(layers: list[list[Cell]], links: Sequence[Link]) -> None:
    """Add the bends; links with one source and key share them."""
    shared: dict[tuple[Cell, Hashable, int], Cell] = {}
    for link in links:
        for layer in range(link.source.layer + 1, link.target.layer):
            place = (link.source, link.key, layer)
            if place not in shared:
                shared[place] = Cell("bend", layer=layer)
                layers[layer].append(shared[place])
            link.bends.append(shared[place])


# -- order -------------------------------------------------------------------------------------------------------


def _order(layers: list[list[Cell]], steps: Steps) -> None:
    """Order each layer by barycentres, downwards and upwards by turns; keep the order with the fewest crossings."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, steps)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            _sort(layer, _positions(layers), steps, down)
        count = _crossings(layers, steps)
        if count < fewest:
            best, fewest = [list(layer) for layer in layers], count
    layers[:] = best


def _positions(layers: list[list[Cell]]) -> dict[Cell, float]:
    return {cell: float(i) for layer in layers for i, cell in enumerate(layer)}


def _ends(step: tuple[Cell, Cell, Hashable], position: dict[Cell, float]) -> tuple[float, float]:
    """Return the positions between which a step runs; the ports of a frame are at fractions."""
    a, b, key = step
    return (
        position[a] + a.exits.get(key, 0.0) / (a.width + 1),
        position[b] + b.entries.get(key, 0.0) / (b.width + 1),
    )


def _sort(layer: list[Cell], position: dict[Cell, float], steps: Steps, down: bool) -> None:
    near = defaultdict(list)
    for step in steps:
        a, b = _ends(step, position)
        near[step[down]].append(a if down else b)
    barycentre = {cell: sum(near[cell]) / len(near[cell]) if near[cell] else position[cell] for cell in layer}
    layer.sort(key=barycentre.__getitem__)


def _crossings(layers: list[list[Cell]], steps: Steps) -> int:
    """Return how often steps between the same layers cross."""
    position = _positions(layers)
    gaps = defaultdict(list)
    for step in steps:
        gaps[step[0].layer].append(_ends(step, position))
    return sum(
        (a - c) * (b - d) < 0 for ends in gaps.values() for i, (a, b) in enumerate(ends) for c, d in ends[i + 1 :]
    )


# -- places ------------------------------------------------------------------------------------------------------


def _place(layers: list[list[Cell]], steps: Steps) -> None:
    """Move each layer to where its neighbours above, then below, want it, some times over."""
    wishes: dict[bool, dict[Cell, list[tuple[Cell, float, float]]]] = {
        True: defaultdict(list),
        False: defaultdict(list),
    }
    for (a, b, key), weight in steps.items():
        shift = a.exits.get(key, 0.0) - b.entries.get(key, 0.0)
        wishes[True][b].append((a, shift, weight))
        wishes[False][a].append((b, -shift, weight))
    for layer in layers:
        _settle(layer, dict.fromkeys(layer, (0.0, 1.0)))
    for sweep in range(SWEEPS + 1):
        down = sweep % 2 == 0
        for layer in layers if down else reversed(layers):
            _settle(layer, {cell: _wish(cell, wishes[down][cell]) for cell in layer})


def _wish(cell: Cell, neighbours: Sequence[tuple[Cell, float, float]]) -> tuple[float, float]:
    """Return where a cell's neighbours want it, and with what weight."""
    total = sum(weight for _, _, weight in neighbours)
    if not total:
        return cell.x, LIGHT
    return sum((other.x + shift) * weight for other, shift, weight in neighbours) / total, total


def distance(a: Cell, b: Cell) -> float:
    """Return how far apart the centres of neighbours in a layer must be."""
    return (a.width + b.width) / 2 + GAP


def _settle(layer: Sequence[Cell], wishes: dict[Cell, tuple[float, float]]) -> None:
    """Minimise Σ weight · (x - wish)² in the given order with gaps: isotonic regression by pooling neighbours."""
    offsets = [0.0]
    for a, b in pairwise(layer):
        offsets.append(offsets[-1] + distance(a, b))
    pools: list[list[float]] = []  # mean of wish - offset, weight, number of cells
    for cell, offset in zip(layer, offsets, strict=False):
        wish, weight = wishes[cell]
        pools.append([wish - offset, weight, 1])
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            mean, weight, count = pools.pop()
            other = pools[-1]
            other[0] = (other[0] * other[1] + mean * weight) / (other[1] + weight)
            other[1], other[2] = other[1] + weight, other[2] + count
    places = [mean for mean, _, count in pools for _ in range(int(count))]
    for cell, offset, place in zip(layer, offsets, places, strict=False):
        cell.x = place + offset


def _straighten(layers: list[list[Cell]], links: Sequence[Link]) -> None:
    """Put all bends of a link at one x where that leaves room for their neighbours."""
    position = {cell: i for layer in layers for i, cell in enumerate(layer)}
    for link in links:
        for x in sorted({bend.x for bend in link.bends}, key=lambda x: -abs(x - link.source.x)):
            if all(_fits(layers[bend.layer], position[bend], x) for bend in link.bends):
                for bend in link.bends:
                    bend.x = x
                break


def _fits(layer: Sequence[Cell], i: int, x: float) -> bool:
    left, right = layer[:i], layer[i + 1 :]
    return (not left or x - left[-1].x >= distance(left[-1], layer[i]) - 1e-6) and (
        not right or right[0].x - x >= distance(layer[i], right[0]) - 1e-6
    )
