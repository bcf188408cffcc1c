"""Winograd's fast convolution: what its forward pass, its pass back to the input and its weight gradient share.

Along one axis m neighbouring targets of a filter g read a patch d of the source, and are

    y = A^T [ (G g) * (B^T d) ]        (* elementwise),

in two dimensions, with one product per pair of channels at every position,

    y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A.

For each position the sum over channels is a matrix product, over all tiles, channels and filters.  The gradient of
the weight transposes the same identity:  dg = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.

Stride 1, F(m, r): the matrices follow from n - 1 points, n = m + r - 1, at which polynomials are evaluated, and
infinity (Winograd 1980; Lavin and Gray 2016).  An output takes (n / m)^2 products instead of r^2: with 3 x 3 filters
2.25 at m = 4 and 4 at m = 2 instead of 9; with 5 x 5 filters 9 at m = 2 instead of 25.

Stride 2, 3 x 3: an output reads the two outer taps from the even elements of its patch, where they are F(m, 2), and
the middle one from the odd elements, where nothing is shared: ((2 m + 1) / m)^2 products, 5.1 at m = 4 and 6.3 at m = 2
instead of 9.  Back to the input the same holds for the outputs: odd ones, of 2 m, are F(m, 2) of the gradient, even
ones products with the middle tap.  All positions of the middle tap share one transformed weight.

The usual points for n = 6 are 0, 1, -1, 2, -2.  Here they are 0, and plus and minus the square roots of 1/2 and 2, with
which the rounding errors in float32 are four times smaller (Alam, Anderson, Barabasz and Gregg 2022, on the choice of
points) for the same number of products.

Channels lie in the lanes throughout: a patch is copied, channels innermost, from planes to a small buffer with
its border of zeros, transformed there, and the transformed tiles are the rows of the matrix products.

An infinity or NaN makes the outputs that read it non-finite, and most others of their tiles, too.
"""

import functools
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import simd
from ops.kernels.geometry import Axis
from ops.kernels.stages import Int64
from ops.kernels.transforms import Matrix, linear_transform

LINE = 64
"""Bytes of a cache line."""

POSITION_CYCLES = 4.5
"""Cycles per vector of a transformed patch or filter."""

WEIGHT_CYCLES = 0.5
"""Cycles per weight moved between its place and the lanes."""

TRANSPOSE_CYCLES = 1.0
"""Cycles per element moved between planes and channels innermost."""

TILES = (2, 4)
"""Sizes m, in elements of y: of its tiles, and of the tiles of its gradient."""


class Variant(NamedTuple):
    """One algorithm: the transposed A and B, and G."""

    name: str
    outputs: Matrix
    inputs: Matrix
    weights: Matrix
    """G without rows that would occur again."""
    filters: tuple[int, ...]
    """The row of G that each position multiplies."""
    step: int
    """Source elements from tile to tile."""

    @property
    def tile(self) -> int:
        """Targets of one tile along an axis."""
        return len(self.outputs)

    @property
    def patch(self) -> int:
        """Positions along an axis."""
        return len(self.inputs)

    @property
    def reads(self) -> int:
        """Source elements of one tile along an axis."""
        return len(self.inputs[0])

    @property
    def taps(self) -> int:
        """Taps of the filter along an axis."""
        return len(self.weights[0])

    @property
    def weight_positions(self) -> int:
        """Different transformed weights of one filter and channel."""
        return len(self.weights) ** 2

    def weight_table(self, distance: int) -> Int64:
        """Return where the transformed weights of every position are, `distance` apart."""
        filters = np.array(self.filters)
        return (filters[:, None] * len(self.weights) + filters).reshape(-1).astype(np.int64) * distance

    def transform(self, kind: str, dtype: np.dtype[Any]) -> int:
        """Return the leaf of one of the five transforms."""
        matrix = {
            "inputs": self.inputs,
            "weights": self.weights,
            "outputs": self.outputs,
            "output_gradients": _transposed(self.outputs),
            "weight_gradients": _transposed(self.weights),
        }[kind]
        return linear_transform(f"{kind}_{self.name}", matrix, dtype, epilogue=kind == "outputs")


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


Wide: TypeAlias = np.ndarray[Any, np.dtype[np.longdouble]]
"""Numbers of more digits than a float, from which the matrices are rounded once."""

S, T = np.sqrt(np.array([0.5, 2], np.longdouble))
POINTS = {2: (0, -1), 3: (0, 1, -1), 4: (1 / 2, -1 / 2, 1, -1), 5: (0, S, -S, T, -T)}
"""The finite points, by their number."""


def toom_cook(outputs: int, taps: int) -> tuple[Wide, Wide, Wide]:
    """Return A^T, B^T and G of F(outputs, taps).

    Row p of G evaluates g, a polynomial, at point a_p and divides by prod_{q != p} (a_p - a_q); row p of B^T holds the
    coefficients of prod_{q != p} (z - a_q), the last one those of the product over all points; A^T[i, p] is a_p^i.
    """
    points = np.array(POINTS[outputs + taps - 2], np.longdouble)
    n = len(points) + 1
    a, b, g = (np.zeros(shape, np.longdouble) for shape in ((outputs, n), (n, n), (n, taps)))
    for p, point in enumerate(points):
        others = np.delete(points, p)
        a[:, p] = point ** np.arange(outputs)
        b[p, :-1] = _polynomial(others)
        g[p] = point ** np.arange(taps) / np.prod(point - others)
    a[-1, -1] = g[-1, -1] = 1
    b[-1] = _polynomial(points)
    return a, b, g


def _polynomial(roots: Wide) -> Wide:
    """Return the coefficients of prod (z - root), the constant one first."""
    product = np.ones(1, np.longdouble)
    for root in roots:
        product = np.convolve(product, [-root, 1])
    return product


def _matrix(a: Wide) -> Matrix:
    """Return numbers without the rounding errors of their computation, so that equal and opposite ones are found."""
    return tuple(tuple(float(number) for number in row) for row in np.round(a, 17) + 0)


@functools.cache
def variant(tile: int, taps: int, stride: int, *, backward: bool = False) -> Variant | None:
    """Return the algorithm on tiles of outputs, or at stride 2 `backward`: of inputs, twice as large."""
    if stride == 1 and (tile, taps) in ((2, 3), (4, 3), (2, 5)):
        a, b, g = toom_cook(tile, taps)
        return Variant(f"{tile}_{taps}", _matrix(a), _matrix(b), _matrix(g), tuple(range(len(g))), tile)
    if (taps, stride) != (3, 2):
        return None
    return _at_stride_2(tile, backward)


def _at_stride_2(tile: int, backward: bool) -> Variant:
    """Put F(tile, 2), of the outer taps, and the products with the middle tap side by side."""
    a, b, g = toom_cook(tile, 2)
    middle, n = np.eye(tile), tile + 1
    weights = np.zeros((n + 1, 3), np.longdouble)
    weights[:n, ::2], weights[n, 1] = g, 1
    if backward:
        outputs, inputs = np.zeros((2 * tile, n + tile), np.longdouble), np.zeros((n + tile, n), np.longdouble)
        outputs[1::2, :n], outputs[::2, n:] = a, middle
        inputs[:n], inputs[n:, :tile] = b, middle
    else:
        outputs, inputs = np.hstack([a, middle]), np.zeros((n + tile, n + tile), np.longdouble)
        inputs[:n, ::2], inputs[n:, 1::2] = b, middle
    name, step = (f"{tile}_3_2_back", tile) if backward else (f"{tile}_3_2", 2 * tile)
    return Variant(name, _matrix(outputs), _matrix(inputs), _matrix(weights), (*range(n), *[n] * tile), step)


def find_variant(tile: int, rows: Axis, columns: Axis, *, backward: bool = False) -> Variant | None:
    """Return the algorithm for both axes.

    Back to the input at stride 2 the padding is odd: then even inputs are those that the middle tap reads.
    """
    taps, stride = rows.taps, rows.stride
    if (columns.taps, columns.stride) != (taps, stride) or (rows.dilation, columns.dilation) != (1, 1):
        return None
    if backward and stride == 2 and not rows.padding % 2 == columns.padding % 2 == 1:
        return None
    return variant(tile, taps, stride, backward=backward and stride == 2)


def transform_cycles(v: Variant, tiles: int, channels: int, filters: int, lanes: int) -> float:
    """Estimate the cycles of all transforms: of tiles on both sides, and of the weights."""
    channel_vectors, filter_vectors = -(-channels // lanes), -(-filters // lanes)
    vectors = v.patch**2 * tiles * (channel_vectors + filter_vectors) + v.weight_positions * channels * filter_vectors
    return POSITION_CYCLES * vectors + WEIGHT_CYCLES * v.taps**2 * channels * filters


def copy_cycles(
    images: int, source: tuple[int, tuple[int, int]], target: tuple[int, tuple[int, int]], lanes: int
) -> float:
    """Estimate the cycles of copying planes, given as (channels, (H, W)), between layouts."""
    blocks = sum(-(-channels // lanes) * height * -(-width // lanes) for channels, (height, width) in (source, target))
    return TRANSPOSE_CYCLES * images * blocks * lanes * lanes


class Strips(NamedTuple):
    """The tiles of a batch of planes, cut into strips of whole tile rows of one image."""

    tiles_h: int
    tiles_w: int
    rows: int
    """Tile rows of a strip; the last strip of an image may have fewer."""
    per_image: int
    number: int

    @property
    def tiles(self) -> int:
        """Tiles of one strip, at most."""
        return self.rows * self.tiles_w


def cut(plane: tuple[int, int], tile: int, images: int, wanted: int) -> Strips:
    """Cut planes into strips of about `wanted` tiles, or a whole image if it has fewer."""
    tiles_h, tiles_w = (-(-size // tile) for size in plane)
    per_image = -(-tiles_h // max(1, wanted // tiles_w))
    rows = -(-tiles_h // per_image)
    per_image = -(-tiles_h // rows)
    return Strips(tiles_h, tiles_w, rows, per_image, images * per_image)


def odd_lines(size: int) -> int:
    """Round bytes up to an odd number of cache lines: at that distance matrices do not share sets."""
    return (-(-size // LINE) | 1) * LINE


def pixel_bytes(channels: int, dtype: np.dtype[Any]) -> int:
    """Return the distance of pixels or tiles with the channels innermost, and room for one vector more."""
    lanes = simd.lanes(dtype)
    return (-(-channels // lanes) + 1) * lanes * dtype.itemsize
