"""A layout as SVG text: plain shapes and text, no scripts, nothing from elsewhere."""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import pairwise

from nn.drawing.graph import Frame, Node
from nn.drawing.layout import MARGIN, TITLE_WIDTH, Box, Layout, Station

# Fill and line of each kind, in the order of the legend; told apart also by those who see few colours.
COLOURS = {
    "input": ("#ffffff", "#57606a"),
    "convolution": ("#dbe9ff", "#2f6fd0"),
    "linear": ("#d3f1ec", "#12857a"),
    "normalisation": ("#f1f1f4", "#8b8f9c"),
    "activation": ("#fff0cf", "#c98a00"),
    "pooling": ("#ece2fb", "#7d4fc4"),
    "dropout": ("#f7f7f2", "#a8a58f"),
    "recurrent": ("#fde1ea", "#c43d72"),
    "attention": ("#ffe0d3", "#d1571f"),
    "embedding": ("#e2f3d6", "#55902a"),
    "shape": ("#f2efe9", "#94846a"),
    "module": ("#e8edf2", "#5d7389"),
    "parameter": ("#fffbe0", "#a08a12"),
    "tape": ("#e6eefb", "#4b6fa8"),
    "op": ("#ffffff", "#57606a"),
    "output": ("#24292f", "#24292f"),
}
NAMES = {"op": "function", "module": "other module", "tape": "recorded op", "input": "tensor"}
HEAD, LEGEND, COLUMN = 26.0, 22.0, 104.0

ARROWHEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="6.5" markerHeight="6.5" '
    'orient="auto"><path d="M0 0.8 8 4 0 7.2z" fill="#6e7781"/></marker></defs>'
)
STYLE = """
text { font: 10.5px 'DejaVu Sans', Verdana, sans-serif; fill: #24292f; }
.t { font-size: 11px; font-weight: 600; }
.s, .d { font-size: 9.5px; fill: #57606a; }
.s { text-anchor: end; }
.o { text-anchor: middle; }
.h { font-size: 14px; font-weight: 600; }
.f { font-size: 10px; font-weight: 600; fill: #57606a; }
.halo { fill: #fff; fill-opacity: 0.85; }
.frame { fill: #6e7781; fill-opacity: 0.05; stroke: #afb8c1; stroke-dasharray: 4 3; }
.edge { fill: none; stroke: #6e7781; stroke-width: 1.3; marker-end: url(#head); }
.output text { fill: #fff; }
"""


def write(layout: Layout) -> str:
    """Return the picture's text."""
    kinds = [kind for kind in COLOURS if any(node.kind == kind for node in layout.graph.nodes)]
    width = max(layout.width, 8.6 * len(layout.graph.title) + 2 * MARGIN, 260.0)
    columns = max(1, min(len(kinds), int((width - 2 * MARGIN) // COLUMN)))
    rows = -(-len(kinds) // columns)
    height = HEAD + layout.height + LEGEND * rows
    shift = (width - layout.width) / 2
    title = escape(layout.graph.title)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_n(width)}" height="{_n(height)}" '
        f'viewBox="0 0 {_n(width)} {_n(height)}" role="img">',
        f"<title>{title}</title>",
        f"<style>{STYLE}{_colours(kinds)}</style>",
        ARROWHEAD,
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#fff"/>',
        f'<text class="h" x="{_n(MARGIN)}" y="26">{title}</text>',
        f'<g transform="translate({_n(shift)} {_n(HEAD)})">',
        *(_frame(box) for box in layout.frames.values()),
        *(_edge(edge, stations) for edge, stations in layout.routes.items()),
        *(_frame_title(frame, box) for frame, box in layout.frames.items()),
        *(_node(node, box) for node, box in layout.boxes.items()),
        "</g>",
        *_legend(kinds, columns, HEAD + layout.height),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _n(number: float) -> str:
    """Return a number with one decimal at most."""
    return f"{number:.1f}".removesuffix(".0")


def _colours(kinds: Sequence[str]) -> str:
    return "".join(f".{kind} rect {{ fill: {COLOURS[kind][0]}; stroke: {COLOURS[kind][1]}; }}\n" for kind in kinds)


def _node(node: Node, box: Box) -> str:
    x, y, width, height = box
    radius = height / 2 if node.kind == "op" else 5
    lines = [f'<g class="{node.kind}"><title>{escape(node.note)}</title>', _rect(box, radius)]
    if node.kind == "op":
        line = box.centre[1] + 3.8  # on which the text stands; not all viewers know dominant-baseline
        lines.append(f'<text class="o" x="{_n(box.centre[0])}" y="{_n(line)}">{escape(node.title)}</text>')
    else:
        first = y + 16
        lines.append(f'<text class="t" x="{_n(x + 10)}" y="{_n(first)}">{escape(node.title)}</text>')
        if node.shape:
            lines.append(f'<text class="s" x="{_n(x + width - 10)}" y="{_n(first)}">{escape(node.shape)}</text>')
        if node.detail:
            lines.append(f'<text class="d" x="{_n(x + 10)}" y="{_n(first + 15)}">{escape(node.detail)}</text>')
    return "".join([*lines, "</g>"])


def _rect(box: Box, radius: float, attributes: str = "") -> str:
    x, y, width, height = map(_n, box)
    return f'<rect{attributes} x="{x}" y="{y}" width="{width}" height="{height}" rx="{_n(radius)}"/>'


def _frame(box: Box) -> str:
    return _rect(box, 8, ' class="frame"')


def _frame_title(frame: Frame, box: Box) -> str:
    note, width = f"<title>{escape(frame.note)}</title>", TITLE_WIDTH * len(frame.title) + 6
    halo = _rect(Box(box.x + 5, box.y + 4, width, 14), 3, ' class="halo"')  # edges pass below the title
    return f'{halo}<text class="f" x="{_n(box.x + 8)}" y="{_n(box.y + 14)}">{note}{escape(frame.title)}</text>'


def _edge(edge: tuple[Node, Node], stations: Sequence[Station]) -> str:
    source, target = edge
    note = escape(f"{source.title} → {target.title} {source.shape}")
    return f'<path class="edge" d="{path_of(stations)}"><title>{note}</title></path>'


def path_of(stations: Sequence[Station]) -> str:
    """Return an edge's path: vertical through its stations, with curves from one to the next."""
    parts = [f"M{_n(stations[0].x)} {_n(stations[0].top)}"]
    for here, there in pairwise(stations):
        if abs(here.x - there.x) < 0.05:
            parts.append(f"V{_n(there.top)}")
            continue
        middle = _n((here.bottom + there.top) / 2)
        parts.append(f"V{_n(here.bottom)}")
        parts.append(f"C{_n(here.x)} {middle} {_n(there.x)} {middle} {_n(there.x)} {_n(there.top)}")
    return "".join([*parts, f"V{_n(stations[-1].bottom)}"])


def _legend(kinds: Sequence[str], columns: int, top: float) -> Iterator[str]:
    for i, kind in enumerate(kinds):
        x, y = MARGIN + COLUMN * (i % columns), top + LEGEND * (i // columns)
        name = NAMES.get(kind, kind)
        label = f'<text x="{_n(x + 20)}" y="{_n(y + 10)}" style="fill:#24292f">{name}</text>'
        yield f'<g class="{kind}">{_rect(Box(x, y, 14, 12), 3)}{label}</g>'
