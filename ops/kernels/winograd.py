"""Winograd's fast convolution F(m x m, 3 x 3): what its forward pass and its weight gradient share.

A tile of m x m outputs of a 3 x 3 filter g at stride 1 reads a patch d of n x n inputs, n = m + 2, and is

    y = A^T [ sum over channels of (G g G^T) * (B^T d B) ] A        (* elementwise)

with (n / m)^2 products per output and pair of channels instead of 9: 2.25 for m = 4, 4 for m = 2.  For each of
the n^2 positions the sum over channels is a matrix product, over all tiles, channels and filters.  The
gradient of the weight transposes the same identity:  dg = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G.

The matrices follow from n - 1 points at which polynomials are evaluated, and infinity (Winograd 1980; Lavin and
Gray 2016).  The usual points for m = 4 are 0, 1, -1, 2, -2.  Here they are 0, and plus and minus the square
roots of 1/2 and 2, with which the rounding errors in float32 are four times smaller (Alam, Anderson, Barabasz
and Gregg 2022, on the choice of points) for the same number of products.

Channels lie in the lanes throughout: a patch is copied, channels innermost, from planes to a small buffer with
its border of zeros, transformed there, and the transformed tiles are the rows of the matrix products.

An infinity or NaN makes the outputs that read it non-finite, and most others of their tiles, too.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from ops.kernels import simd
from ops.kernels.transforms import Matrix, linear_transform

LINE = 64
"""Bytes of a cache line."""

POSITION_CYCLES = 4.5
"""Cycles per vector of a transformed patch or filter."""

WEIGHT_CYCLES = 0.5
"""Cycles per weight moved between its place and the lanes."""

TRANSPOSE_CYCLES = 1.0
"""Cycles per element moved between planes and channels innermost."""

S, T = math.sqrt(0.5), math.sqrt(2.0)


class Variant(NamedTuple):
    """F(m x m, 3 x 3): the transposed A and B, and G."""

    tile: int
    outputs: Matrix
    inputs: Matrix
    weights: Matrix

    @property
    def patch(self) -> int:
        """n = m + 2."""
        return self.tile + 2

    def transform(self, kind: str, dtype: np.dtype[Any]) -> int:
        """Return the leaf of one of the five transforms."""
        matrix = {
            "inputs": self.inputs,
            "weights": self.weights,
            "outputs": self.outputs,
            "output_gradients": _transposed(self.outputs),
            "weight_gradients": _transposed(self.weights),
        }[kind]
        return linear_transform(f"{kind}{self.tile}", matrix, dtype, epilogue=kind == "outputs")


def _transposed(matrix: Matrix) -> Matrix:
    return tuple(zip(*matrix, strict=True))


VARIANTS = {
    2: Variant(
        tile=2,
        outputs=((1, 1, 1, 0), (0, 1, -1, 1)),
        inputs=((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, -1, 0, 1)),
        weights=((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, 1)),
    ),
    4: Variant(
        tile=4,
        outputs=(
            (1, 1, 1, 1, 1, 0),
            (0, S, -S, T, -T, 0),
            (0, 1 / 2, 1 / 2, 2, 2, 0),
            (0, S / 2, -S / 2, 2 * T, -2 * T, 1),
        ),
        inputs=(
            (1, 0, -5 / 2, 0, 1, 0),
            (0, -T, -2, S, 1, 0),
            (0, T, -2, -S, 1, 0),
            (0, -S, -1 / 2, T, 1, 0),
            (0, S, -1 / 2, -T, 1, 0),
            (0, 1, 0, -5 / 2, 0, 1),
        ),
        weights=(
            (1, 0, 0),
            (-2 / 3, -2 / 3 * S, -1 / 3),
            (-2 / 3, 2 / 3 * S, -1 / 3),
            (1 / 6, T / 6, 1 / 3),
            (1 / 6, -T / 6, 1 / 3),
            (0, 0, 1),
        ),
    ),
}


def transform_cycles(v: Variant, tiles: int, channels: int, filters: int, lanes: int) -> float:
    """Estimate the cycles of all transforms: of tiles on both sides, and of the weights."""
    channel_vectors, filter_vectors = -(-channels // lanes), -(-filters // lanes)
    vectors = tiles * (channel_vectors + filter_vectors) + channels * filter_vectors
    return POSITION_CYCLES * v.patch**2 * vectors + WEIGHT_CYCLES * 9 * channels * filters


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
