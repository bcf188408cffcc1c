"""How a matrix product of given shape is computed: which way, which register tile, how it is cut."""

import functools
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from ops.kernels import simd
from ops.kernels.tiles import choose_tile, unevenness

Array: TypeAlias = np.ndarray[Any, Any]

BLOCKED, IN_PLACE, DOT = 0, 1, 2

NUMPY_PRODUCT, NUMPY_VECTOR = 64**3, 96**2
"""Products of at most so many multiply-adds, matrix times matrix and matrix times vector, go to NumPy: its
BLAS has answered before our call is dispatched.  Beyond these sizes OpenBLAS wakes threads, which spin beside
ours."""

BLOCK_ROWS, BLOCK_DEPTH, BLOCK_COLUMNS = 120, 512, 1024
"""A block of A (BLOCK_ROWS x BLOCK_DEPTH) stays in the level-2 cache while the panels of packed B pass by."""

COPIED = 128
"""Bytes of a row of A that are copied at a time."""

ALIASING = 4096
"""Rows a multiple of so many bytes apart share lines of the caches: blocks of A are copied first, B is packed."""

CACHE = 1 << 24
"""A larger B is read, a larger C written a few rows at a time: nearly in the order of addresses."""

LONG, LONG_DEPTH, NARROW = 1024, 256, 1024
"""A sum of more than LONG terms is taken LONG_DEPTH at a time, so that both operands stay in the level-2 cache; rows
of B of at most NARROW bytes are then read where they lie.  C (512, 128), 4096 terms: 105 GFLOP/s, 89 from packed B."""

TURNED = 256
"""Bytes of a row of A, as it lies transposed, below which C is too narrow for its transpose to be worth a copy."""

PREFETCH_DEPTH = 64
"""Steps of a reduction that hide how long it takes to fetch a tile of C."""

FLOPS_PER_THREAD = 1 << 19
"""A thread with less to do costs more than it saves."""


class Plan(NamedTuple):
    """What the driver is given besides the operands."""

    kind: int
    layout: Array  # int64: HEADER numbers, the segment (0, 0), the tables of a whole and of the last tile
    work: int  # elements of scratch
    chunks: int


class Blocks(NamedTuple):
    """How the loops around the register tile are cut, and the scratch they need."""

    rows: int
    depth: int
    columns: int
    b_work: int = 0  # elements of packed B per chunk
    a_pitch: int = 0  # bytes from line to line of A's copy, 0 for none
    work: int = 0  # elements per chunk, of both


HEADER = 27
SEGMENT = 8 * HEADER
TABLES = SEGMENT + 16
"""Where the segment and the tables lie in a layout, in bytes."""


@functools.lru_cache(maxsize=1024)
def plan_product(
    a_shape: tuple[int, ...],
    b_shape: tuple[int, ...],
    a_transposed: bool,
    b_transposed: bool,
    dtype: np.dtype[Any],
    biased: bool,
    relu: bool,
    threads: int,
) -> Plan:
    """Return the plan of a product of dense operands, stored as (..., rows, columns) or transposed.

    A leading axis counts the products; where it is 1 in one operand only, that operand serves all of them.
    """
    *a_batch, M, K = swapped(a_shape) if a_transposed else a_shape
    *b_batch, K, N = swapped(b_shape) if b_transposed else b_shape
    batch = max(a_batch + b_batch, default=1)
    size, lanes = dtype.itemsize, simd.lanes(dtype)
    kind = choose_kind(M, N, K, size, lanes, a_transposed, b_transposed)
    rows, vectors = choose_shape(kind, M, N, lanes)
    columns = vectors if kind == DOT else vectors * lanes
    split_rows, units, chunks = cut(batch, M, N, rows, columns, threads)
    blocks = choose_blocks(kind, M, N, K, rows, columns, size, a_transposed)
    if kind == DOT:
        tables = dot_tables(N, columns, K * size)
        leaf, helper = simd.dot_tile(rows, columns, dtype), simd.dot_store(rows, columns, dtype)
        blocks = blocks._replace(work=rows * columns * lanes)
    else:
        tables = panel_tables(N, vectors, lanes, size)
        prefetch = choose_prefetch(M, K, vectors, size, a_transposed, blocks.a_pitch > 0, kind == IN_PLACE)
        leaf = simd.outer_product(rows, vectors, dtype, prefetch=prefetch)
        helper = simd.transpose(dtype) if b_transposed else simd.copy_panel(vectors, dtype)
    header = (
        *(batch, units, split_rows, M, N, K, rows, columns, leaf, helper),
        *((size, M * size) if a_transposed else (K * size, size)),  # strides of A: row, step
        (K if b_transposed else N) * size,  # stride of B
        M * K * size if a_batch and a_batch[0] == batch else 0,
        K * N * size if b_batch and b_batch[0] == batch else 0,
        *(size, lanes, 3 if biased else 0, relu, blocks.work * size, b_transposed),
        *(blocks.rows, blocks.depth, blocks.columns),
        *(simd.copy_panel(COPIED // (lanes * size), dtype), blocks.a_pitch, blocks.b_work * size),
    )
    assert len(header) == HEADER
    return Plan(kind, np.array((*header, 0, 0, *tables), np.int64), chunks * blocks.work, chunks)


def swapped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Exchange the last two lengths."""
    return (*shape[:-2], shape[-1], shape[-2])


def numpy_is_faster(M: int, N: int, K: int) -> bool:
    """Whether a product is so small that NumPy's BLAS wins."""
    limit = NUMPY_VECTOR if M == 1 or N == 1 else NUMPY_PRODUCT
    return limit >= M * N * K


def choose_kind(M: int, N: int, K: int, size: int, lanes: int, a_transposed: bool, b_transposed: bool) -> int:
    """Choose the way, as measured: packing B reads and writes all of it, which many rows of A must repay."""
    if not b_transposed:
        fits = K <= LONG and N * size % ALIASING != 0  # a panel of B stays in the level-2 cache
        narrow = is_long(K, a_transposed) and N * size <= NARROW  # and here so many rows of B
        return IN_PLACE if M <= 24 or K <= 64 or narrow or (M <= 256 and fits) else BLOCKED
    few_rows = min(160, K // 5) >= M  # a dot product ends with a sum across lanes
    few_columns = 3 * lanes // 4 >= N and K >= 128 and M * K * size <= CACHE
    return DOT if (few_rows or few_columns) and not a_transposed else BLOCKED


def is_long(K: int, a_transposed: bool) -> bool:
    """Whether a product is of the kind of a layer's weight gradient: a sum over many samples, A read down them."""
    return a_transposed and K > LONG


def is_better_turned(a: Array, b: Array) -> bool:
    """Whether the transpose of a b is found faster: a sum over many samples reads the narrower operand in place."""
    a_row, b_row = a.itemsize * len(a), b.itemsize * b.shape[1]
    return len(b) > LONG and TURNED <= a_row <= NARROW < b_row and a.T.flags.carray and b.flags.carray


def choose_prefetch(M: int, K: int, vectors: int, size: int, a_transposed: bool, copied: bool, b_in_place: bool) -> str:
    """Return what is fetched ahead, as measured (letters of `simd.outer_product`).

    C: where the tile's sum is long enough to hide it. A, read down its columns or along many rows at once, and B, read
    where it lies: in strides that the caches do not foresee. A panel one vector wide leaves few cycles for it.
    """
    if K < PREFETCH_DEPTH:
        return ""
    if a_transposed:
        return "abc" if b_in_place and is_long(K, a_transposed) else "ac"
    return "rc" if not copied and (vectors > 1 or M * K * size > CACHE // 4) else "c"


def choose_shape(kind: int, M: int, N: int, lanes: int) -> tuple[int, int]:
    """Return the register tile: rows and vectors, or for dot products rows and columns."""
    many = simd.registers() == 32
    if kind == DOT:
        return (1, 8) if M == 1 else (4, 6) if many else (2, 4)
    if kind == BLOCKED and M > 96 and lanes < N:
        return (12, 2) if many else (6, 2)
    return choose_tile(M, -(-N // lanes))


def cut(batch: int, M: int, N: int, rows: int, columns: int, threads: int) -> tuple[bool, int, int]:
    """Return (whether rows are split, pieces of one product, chunks).

    The longer axis is split, unless the threads would get shares that are more uneven by a tenth.
    """
    units = {True: -(-M // rows), False: -(-N // columns)}

    def cost(split_rows: bool) -> float:
        return unevenness(batch * units[split_rows], threads) * (1.0 if split_rows == (M > N) else 1.1)

    split_rows = min((True, False), key=cost)
    return split_rows, units[split_rows], max(1, min(threads, batch * units[split_rows]))


def choose_blocks(kind: int, M: int, N: int, K: int, rows: int, columns: int, size: int, a_transposed: bool) -> Blocks:
    """Cut the loops to the caches."""
    if kind != BLOCKED:
        block_rows = rows if K <= 64 and M * N * size > CACHE else BLOCK_ROWS
        depth = 8 if M <= 8 and K * N * size > CACHE else LONG_DEPTH if is_long(K, a_transposed) else max(K, 1)
        return Blocks(block_rows, depth, N)
    block_columns = BLOCK_COLUMNS // columns * columns
    work = min(K, BLOCK_DEPTH) * min(-(-N // columns) * columns, block_columns)
    blocks = Blocks(BLOCK_ROWS, BLOCK_DEPTH, block_columns, work, 0, work)
    strided = a_transposed and M * K * size > CACHE // 4  # read down its columns, out of reach of the prefetcher
    if not strided and (M if a_transposed else K) * size % ALIASING:
        return blocks
    length, lines = (BLOCK_ROWS, BLOCK_DEPTH) if a_transposed else (BLOCK_DEPTH, BLOCK_ROWS)
    a_pitch = -(-length * size // COPIED) * COPIED + 64
    return blocks._replace(a_pitch=a_pitch, work=work + lines * a_pitch // size)


def panel_tables(N: int, vectors: int, lanes: int, size: int) -> list[int]:
    """Return the tables of a whole and of the last column panel: displacements in B and in C, valid lanes."""
    shift = [j * lanes for j in range(vectors)]
    bytes_shift = [j * size for j in shift]
    last = (N - 1) % (vectors * lanes) + 1
    valid = [min(max(last - j, 0), lanes) for j in shift]
    return [*bytes_shift, *bytes_shift, *[lanes] * vectors, *bytes_shift, *bytes_shift, *valid]


def dot_tables(N: int, columns: int, b_row: int) -> list[int]:
    """Return displacements of B's rows for a whole and for the last tile, whose missing rows repeat the
    last."""
    last = (N - 1) % columns
    return [*(j * b_row for j in range(columns)), *(min(j, last) * b_row for j in range(columns))]
