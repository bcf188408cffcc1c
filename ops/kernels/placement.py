"""Vector code that puts a tile of results, computed over rows taken as one, in its places in the result."""

import functools

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import LINE, Emitter, vector_leaf


def place_rows(pieces: int, phases: int, dtype: DTypeLike) -> int:
    """Return a leaf that stores pieces of vectors.

    A vector of the result is one of the source, or the interleaved elements of two or four: `phases` vectors again, of
    which up to `pieces` ranges are stored, each at a displacement of its own.

    Arguments, 8 of them:
        source, source_row, source_phase: address; distance of rows and of the vectors that are interleaved.
        rows, vectors: how many of each; vectors of a row follow each other.
        target, target_row: address; distance of rows.
        table: address of int64[vectors, pieces, 1 + phases]: displacement in the target, then a mask, as bits, per
            vector of the result.
    """
    return vector_leaf("place_rows", 8, dtype, functools.partial(_emit, pieces=pieces, phases=phases), pieces, phases)


FETCHED = 64
"""Terms of a sum that hide how long it takes to fetch the lines its tile goes to."""


def fetch_places(vectors: int, terms: int, dtype: DTypeLike) -> int:
    """Return a leaf that fetches the lines which `vectors` vectors are stored to, 0 if sums of `terms` are too short.

    From the first piece's place on, neighbours; where a row breaks off, lines of the next one, which will be needed.
    Arguments, 4: rows, target, target_row, table, as `place_rows` takes them.
    """
    if terms < FETCHED:
        return 0
    return vector_leaf("fetch_places", 4, dtype, functools.partial(_emit_fetch, vectors=vectors), vectors)


def _emit_fetch(e: Emitter, vectors: int) -> None:
    rows, target, target_row, table = e.arguments
    row = e.variable(e.add(target, e.load_integer(table, 0)))
    with e.repeat(rows):
        for at in range(0, vectors * e.vector_size + LINE, LINE):  # a row that begins inside a line has one more
            e.prefetch(e.add(e.get(row), at), write=True)
        e.advance(row, target_row)


def _emit(e: Emitter, pieces: int, phases: int) -> None:
    source, source_row, source_phase, rows, vectors, target, target_row, table = e.arguments
    source_at, entry = e.variable(source), e.variable(table)
    with e.repeat(vectors):
        for piece in range(pieces):
            numbers = [e.load_integer(e.get(entry), piece * (1 + phases) + i) for i in range(1 + phases)]
            with e.when(functools.reduce(e.builder.or_, numbers[1:]), "!=", 0):
                masks = [e.bit_mask(bits) for bits in numbers[1:]]
                read, write = e.variable(e.get(source_at)), e.variable(e.add(target, numbers[0]))
                with e.repeat(rows):
                    values = _interleaved(
                        e, [e.load(e.add(e.get(read), e.multiply(source_phase, i))) for i in range(phases)]
                    )
                    for i, (value, mask) in enumerate(zip(values, masks, strict=True)):
                        e.store(value, e.add(e.get(write), i * e.vector_size), mask)
                    e.advance(read, source_row)
                    e.advance(write, target_row)
        e.advance(source_at, e.vector_size)
        e.advance(entry, 8 * pieces * (1 + phases))


def _interleaved(e: Emitter, vectors: list[ir.Value]) -> list[ir.Value]:
    """The first elements of 1, 2, 4 ... vectors, then their second elements ..."""
    if len(vectors) == 1:
        return vectors
    even, odd = _interleaved(e, vectors[::2]), _interleaved(e, vectors[1::2])
    return [part for pair in zip(even, odd, strict=True) for part in e.interleaved(*pair)]
