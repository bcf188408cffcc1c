"""Which register tile a convolution uses, and how its cost is estimated."""

import functools

from ops.kernels import simd

TILES_32 = (
    (12, 2),
    (8, 3),
    (6, 4),
    (8, 2),
    (6, 2),
    (5, 4),
    (4, 4),
    (3, 6),
    (2, 8),
    (12, 1),
    (8, 1),
    (6, 1),
    (4, 2),
    (2, 4),
    (1, 8),
    (1, 2),
)
TILES_16 = ((6, 2), (4, 3), (4, 2), (3, 3), (2, 4), (1, 6), (6, 1), (3, 1), (1, 2))
PIPELINE = 8
"""Fused multiply-adds in flight that hide their latency."""


CALL_CYCLES = 50
"""Cycles to start a tile and to write it."""


@functools.lru_cache(maxsize=4096)
def choose_tile(rows: int, vectors: int, multiple: int = 0) -> tuple[int, int]:
    """Return the (rows, vectors) tile that covers rows x vectors in the fewest cycles.

    If `multiple` is given, it is to be a multiple of the tile's rows.
    """
    tiles = TILES_32 if simd.registers() == 32 else TILES_16
    return min((tile for tile in tiles if multiple % tile[0] == 0), key=lambda tile: tile_cycles(rows, vectors, tile))


def tile_cycles(rows: int, vectors: int, tile: tuple[int, int]) -> int:
    """Return the cycles that one step of the reduction over all tiles takes, one multiply-add per cycle.

    A tile spends a cycle per product, at least a cycle per number and two per vector it loads, and at least
    `PIPELINE` in all.
    """
    height, width = tile
    per_tile = max(height * width, height + width, 2 * width, PIPELINE)
    return -(-rows // height) * -(-vectors // width) * per_tile


def unevenness(pieces: int, threads: int) -> float:
    """Return how much longer threads take that share some equal pieces than if each could be divided."""
    return -(-pieces // threads) * threads / pieces if pieces else 1.0


CACHED_BYTES, MEMORY_CYCLES = 9 << 19, 8
"""Operands that stay in the caches; cycles per vector from beyond them that is waited for."""


def memory_cycles(awaited: int, touched: int, lanes: int) -> float:
    """Estimate the cycles that elements not fetched ahead are waited for: 0 if the caches hold all that is touched."""
    beyond = touched // lanes * simd.vector_bytes() > CACHED_BYTES
    return MEMORY_CYCLES * awaited / lanes if beyond else 0.0
