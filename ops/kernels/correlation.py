"""What the forward pass and the pass back to the input have in common, and the tables both walk by.

Both compute  target[n, o, p] = sum over i, tap of w[o, i, tap] source[n, i, q(p, tap)]:  forward, o are the
filters and i the channels; backward, the roles are swapped, and q inverts the map from outputs to inputs.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ops.kernels.geometry import Axis, ConvGeometry, Pair
from ops.kernels.stages import Int64


class Correlation(NamedTuple):
    """A convolution in one direction.  Channel counts are one group's, weight strides count elements."""

    N: int
    groups: int
    sources: int
    targets: int
    source_plane: Pair
    target_plane: Pair
    rows: Axis
    columns: Axis
    backward: bool
    target_stride: int
    source_stride: int

    @property
    def group_stride(self) -> int:
        """Distance between the weights of two groups."""
        return self.sources * self.targets * self.taps

    @property
    def taps(self) -> int:
        """R S."""
        return self.rows.taps * self.columns.taps


def forward(g: ConvGeometry) -> Correlation:
    """Return y from x: w[o, i, tap] is w[k, c, tap]."""
    taps = g.R * g.S
    return Correlation(
        N=g.N,
        groups=g.groups,
        sources=g.group_inputs,
        targets=g.group_outputs,
        source_plane=(g.H, g.W),
        target_plane=(g.OH, g.OW),
        rows=g.rows,
        columns=g.columns,
        backward=False,
        target_stride=g.group_inputs * taps,
        source_stride=taps,
    )


def backward(g: ConvGeometry) -> Correlation:
    """Return dx from the gradient of y: w[o, i, tap] is w[i as k, o as c, tap]."""
    taps = g.R * g.S
    return Correlation(
        N=g.N,
        groups=g.groups,
        sources=g.group_outputs,
        targets=g.group_inputs,
        source_plane=(g.OH, g.OW),
        target_plane=(g.H, g.W),
        rows=g.rows,
        columns=g.columns,
        backward=True,
        target_stride=taps,
        source_stride=g.group_inputs * taps,
    )


def walk(c: Correlation) -> tuple[Axis, Axis]:
    """Return the axes along which source pixels are visited; backward they belong to the mirrored filter."""
    return (_mirrored(c.rows), _mirrored(c.columns)) if c.backward else (c.rows, c.columns)


def _mirrored(axis: Axis) -> Axis:
    return Axis(axis.outputs, axis.size, axis.taps, 1, axis.reach - axis.padding, axis.dilation)


class AxisClasses(NamedTuple):
    """Targets along one axis, sorted by what they read.

    A target p of class kind[p] reads source base[p] + shift through tap, for every (tap, shift) in
    patterns[kind[p]].  Inside the plane all targets of one stride phase share a class, so there are few.
    """

    kind: Int64
    base: Int64
    patterns: list[tuple[Pair, ...]]

    @property
    def reads(self) -> int:
        """Number of (target, tap) pairs inside the source."""
        sizes = np.array([len(pattern) for pattern in self.patterns])
        return int(sizes[self.kind].sum()) if self.kind.size else 0


def classify(axis: Axis, *, backward: bool) -> AxisClasses:
    """Sort the outputs of an axis (backward: its inputs) by the taps that fall inside and where they lie."""
    targets = axis.size if backward else axis.outputs
    reads: list[list[Pair]] = [[] for _ in range(targets)]
    for tap, o, i in axis.reads():
        if backward:
            reads[i].append((tap, o))
        else:
            reads[o].append((tap, i))
    patterns: dict[tuple[Pair, ...], int] = {}
    kind, base = np.zeros(targets, np.int64), np.zeros(targets, np.int64)
    for p, pairs in enumerate(reads):
        base[p] = pairs[0][1] if pairs else 0
        pattern = tuple((tap, int(source - base[p])) for tap, source in pairs)
        kind[p] = patterns.setdefault(pattern, len(patterns))
    return AxisClasses(kind, base, list(patterns))


def outer_segments(
    row_patterns: Sequence[tuple[Pair, ...]],
    column_patterns: Sequence[tuple[Pair, ...]],
    taps_per_row: int,
    source_width: int,
) -> tuple[Int64, Int64]:
    """Return, per pair of a row and a column class, the (tap, pixel shift) read, and where each list starts.

    Pairs are numbered row class * len(column_patterns) + column class; list q is segments[start[q] : start[q
    + 1]].
    """
    lists = [
        [(r * taps_per_row + s, dh * source_width + dw) for r, dh in row for s, dw in column]
        for row in row_patterns
        for column in column_patterns
    ]
    start = np.cumsum([0] + [len(pairs) for pairs in lists], dtype=np.int64)
    segments = np.array([pair for pairs in lists for pair in pairs], np.int64).reshape(-1, 2)
    return segments, start
