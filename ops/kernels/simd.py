"""Vector code for the inner loops of matrix products and convolutions; `emitter` writes LLVM IR for these and others.

Every function below returns the address of a leaf for one element type and tile shape, compiled at the first
request and kept on disk (see `native`).  Drivers receive the address as an argument and write `call(address,
...)` with the arguments listed, all of them integers.  Addresses, strides and displacements count BYTES,
everything else counts elements; a "vector" is `lanes(dtype)` elements.  Leaves touch no memory but the
elements they are told of.
"""

from collections.abc import Callable, Iterator
from functools import cache, partial

from llvmlite import ir
from numpy.typing import DTypeLike

from ops.kernels.emitter import LINE, Emitter, lanes, registers, vector_bytes, vector_leaf
from ops.kernels.native import INT, Worker, address_of, call, load_integers

__all__ = [
    "Worker",
    "address_of",
    "call",
    "copy_panel",
    "dot_store",
    "dot_tile",
    "lane_sums",
    "lanes",
    "load_integers",
    "outer_product",
    "registers",
    "sum_lanes",
    "transpose",
    "vector_bytes",
]


# ---- sums of outer products ----

AHEAD = 16
"""Steps of a reduction between fetching a line and reading it: 400 cycles of a tile of 12 rows and 2 vectors."""

BYTES_AHEAD = 3 * LINE
"""How far on the rows of a transposed block are fetched, whose neighbours come next."""

ROWS_AHEAD = 4
"""Rows of a copied panel between fetching and reading: the caches foresee what follows in a row, not the next row."""


def outer_product(rows: int, vectors: int, dtype: DTypeLike, *, prefetch: str = "") -> int:
    """Return a leaf that adds outer products to a tile of C, the heart of every GEMM and convolution.

    C[i, j] = init[i, j] + sum_s sum_k A_s[i, k] * B_s[k, j],  i < rows, j a vector of columns,
    then max(., 0) if relu.

    Keep rows * vectors + vectors + 1 <= registers().  `prefetch` names what is fetched ahead: "c", the lines of the
    whole tile of C; "a" and "b", those of A and B `AHEAD` steps on, which suits an A whose rows are neighbours in
    memory; "r", A's next `rows` rows, which suits one whose steps are; "n" or "nn", a line or two per step of what
    another product will read.  Arguments, 16 of them, with "n" 21:
        a, a_row_stride, a_step: A_s[i, k] is at a + segments[s, 0] + i * a_row_stride + k * a_step.
        b, b_step: B_s[k, j] is at b + segments[s, 1] + table[0, j] + k * b_step.
        segments, n_segments, steps: address of int64[n_segments, 2]; the sum over k has `steps` terms.
        table: address of int64[3, vectors]: displacement in B, displacement in C, valid lanes of each vector.
        edge: 0 = all vectors are full; 1 = C is written up to the valid lanes, B is padded and read whole;
            2 = B also is read up to the valid lanes only.  Vectors with no valid lane are allowed.
        c, c_row_stride: C[i, j] is at c + i * c_row_stride + table[1, j].
        mode, bias: init is 0 = zero, 1 = C, 2 = bias[i] (one number per row), 3 = bias[j] (vector j starts at
            bias + j * lanes * itemsize).
        relu: 0 or 1; NaN passes through.
        rows_valid: rows i >= rows_valid >= 1 of A, C and bias are not touched.
        next, position, next_step, next_row_stride, next_row_bytes: lines at next + position, next + position +
            next_step ... are fetched; where a row ends, the next one begins next_row_stride further on.
    """

    def emit(e: Emitter) -> None:
        _OuterProduct(e, rows, vectors, prefetch).emit()

    parameters = 21 if "n" in prefetch else 16
    return vector_leaf("_".join(["outer_product", *prefetch]), parameters, dtype, emit, rows, vectors)


class _OuterProduct:
    def __init__(self, e: Emitter, rows: int, vectors: int, prefetch: str) -> None:
        self.e, self.rows, self.vectors, self.prefetch = e, range(rows), range(vectors), prefetch
        (self.a, self.a_row_stride, self.a_step, self.b, self.b_step, self.segments, self.n_segments,
         self.steps, self.table, self.edge, self.c, self.c_row_stride, self.mode, self.bias, self.relu,
         self.rows_valid) = e.arguments[:16]  # fmt: skip
        if "n" in prefetch:
            fetched, position, self.next_step, self.next_row_stride, self.next_row_bytes = e.arguments[16:]
            self.next_row, self.position = e.variable(fetched), e.variable(position)
        self.b_shift = [e.load_integer(self.table, j) for j in self.vectors]
        self.whole = e.builder.and_(e.compare(self.edge, "==", 0), e.compare(self.rows_valid, ">=", rows))
        self.sums = [[e.variable(e.zero) for _ in self.vectors] for _ in self.rows]

    def emit(self) -> None:
        e = self.e
        if "c" in self.prefetch:
            self.fetch_c()
        self.initialise()
        e.choose(e.compare(self.edge, "==", 2), self.accumulate_masked, self.accumulate_unmasked)
        low = e.relu_bound(self.relu)
        for slot in (slot for row in self.sums for slot in row):
            e.set(slot, e.at_least(e.get(slot), low))
        self.visit_c(self.store)

    def fetch_c(self) -> None:
        """Fetch the tile's lines; a row that begins inside a line ends in one more."""
        e, row = self.e, self.c
        shift = [e.load_integer(self.table, len(self.vectors) + j) for j in self.vectors]
        for _ in self.rows:
            for place in (*shift, e.add(shift[-1], e.vector_size - 1)):
                e.prefetch(e.add(row, place), write=True)
            row = e.add(row, self.c_row_stride)

    def fetch_ahead(self, a: ir.Value, a_offset: list[ir.Value], b: ir.Value, next_row: ir.Value) -> None:
        """Fetch what is read `AHEAD` steps on, or by the tile below."""
        e = self.e
        if "n" in self.prefetch:
            self.fetch_next(self.prefetch.count("n"))
        if "r" in self.prefetch:
            self.fetch_next_rows(a, next_row)
        if "a" in self.prefetch:
            line = e.add(a, e.multiply(self.a_step, AHEAD))
            for offset in (a_offset[0], a_offset[-1]):
                e.prefetch(e.add(line, offset))
        if "b" in self.prefetch:
            line = e.add(b, e.multiply(self.b_step, AHEAD))
            for shift in self.b_shift:
                e.prefetch(e.add(line, shift))

    def fetch_next(self, lines: int) -> None:
        """Fetch some lines of what another product will read."""
        e = self.e
        for _ in range(lines):
            e.prefetch(e.add(e.get(self.next_row), e.get(self.position)), level=2)
            e.advance(self.position, self.next_step)
        at_end = e.builder.icmp_signed(">=", e.get(self.position), self.next_row_bytes)
        e.advance(self.next_row, e.builder.select(at_end, self.next_row_stride, INT(0)))
        e.advance(self.position, e.builder.select(at_end, e.builder.neg(self.next_row_bytes), INT(0)))

    def fetch_next_rows(self, a: ir.Value, displacement: ir.Value) -> None:
        """Fetch what the next row, of those below this tile by turns, holds for this step.

        A line holds as many numbers as steps pass it, in which every row must have its turn.
        """
        e, count = self.e, len(self.rows)
        first, end = (e.multiply(self.a_row_stride, n) for n in (count, 2 * count))
        for _ in range(-(-count * e.size // LINE)):
            e.prefetch(e.add(a, e.get(displacement)))
            e.advance(displacement, self.a_row_stride)
            at_end = e.builder.icmp_signed("==", e.get(displacement), end)
            e.set(displacement, e.builder.select(at_end, first, e.get(displacement)))

    def initialise(self) -> None:
        e = self.e
        with e.when(self.mode, "==", 1):
            self.visit_c(self.load)
        with e.when(self.mode, "==", 2):
            for i in self.rows:
                existing = e.minimum(e.add(self.rows_valid, -1), i)
                row = e.load_broadcast(e.add(self.bias, e.multiply(existing, e.size)))
                for j in self.vectors:
                    e.set(self.sums[i][j], row)
        with e.when(self.mode, "==", 3):
            for j in self.vectors:
                column = e.load(e.add(self.bias, j * e.vector_size), e.mask(self.valid(j)))
                for i in self.rows:
                    e.set(self.sums[i][j], column)

    def valid(self, j: int) -> ir.Value:
        """The lanes of vector j that exist."""
        counted = self.e.load_integer(self.table, 2 * len(self.vectors) + j)
        return self.e.where(self.e.compare(self.edge, "!=", 0), counted, self.e.lanes)

    def accumulate_masked(self) -> None:
        masks = [self.e.mask(self.valid(j)) for j in self.vectors]
        self.accumulate(self.clamped_rows(), masks)

    def accumulate_unmasked(self) -> None:
        """Rows at a regular distance need no register each, so the common case has a loop of its own."""
        e = self.e
        regular = [e.multiply(self.a_row_stride, i) for i in self.rows]
        e.choose(
            e.compare(self.rows_valid, ">=", len(self.rows)),
            lambda: self.accumulate(regular),
            lambda: self.accumulate(self.clamped_rows()),
        )

    def clamped_rows(self) -> list[ir.Value]:
        """Displacements of A's rows; those that do not exist read the last one that does."""
        return _clamped(self.e, len(self.rows), self.rows_valid, self.a_row_stride)

    def accumulate(self, a_offset: list[ir.Value], masks: list[ir.Value] | None = None) -> None:
        e = self.e
        segment = e.variable(self.segments)
        with e.repeat(e.where(e.compare(self.steps, ">", 0), self.n_segments)):
            a = e.variable(e.add(self.a, e.load_integer(e.get(segment), 0)))
            b = e.variable(e.add(self.b, e.load_integer(e.get(segment), 1)))
            next_row = e.variable(e.multiply(self.a_row_stride, len(self.rows)))
            with e.repeat(self.steps):
                self.fetch_ahead(e.get(a), a_offset, e.get(b), next_row)
                columns = [e.load(e.add(e.get(b), self.b_shift[j]), masks and masks[j]) for j in self.vectors]
                for i in self.rows:
                    row = e.load_broadcast(e.add(e.get(a), a_offset[i]))
                    for j in self.vectors:
                        e.set(self.sums[i][j], e.multiply_add(row, columns[j], e.get(self.sums[i][j])))
                e.advance(a, self.a_step)
                e.advance(b, self.b_step)
            e.advance(segment, 16)

    def visit_c(self, action: Callable[[ir.Value, ir.Value, ir.Value | None], None]) -> None:
        self.e.choose(self.whole, lambda: self.visit(action, False), lambda: self.visit(action, True))

    def visit(self, action: Callable[[ir.Value, ir.Value, ir.Value | None], None], masked: bool) -> None:
        e = self.e
        shift = [e.load_integer(self.table, len(self.vectors) + j) for j in self.vectors]
        valid = [self.valid(j) for j in self.vectors]
        row = self.c
        for i in self.rows:
            exists = e.compare(self.rows_valid, ">", i)
            for j in self.vectors:
                mask = e.mask(e.where(exists, valid[j])) if masked else None
                action(self.sums[i][j], e.add(row, shift[j]), mask)
            row = e.add(row, self.c_row_stride)

    def load(self, slot: ir.Value, address: ir.Value, mask: ir.Value | None) -> None:
        self.e.set(slot, self.e.load(address, mask))

    def store(self, slot: ir.Value, address: ir.Value, mask: ir.Value | None) -> None:
        self.e.store(self.e.get(slot), address, mask)


def _clamped(e: Emitter, rows: int, rows_valid: ir.Value, stride: ir.Value) -> list[ir.Value]:
    """min(i, rows_valid - 1) * stride for i < rows."""
    offsets = [INT(0)]
    for i in range(1, rows):
        offsets.append(e.add(offsets[-1], e.where(e.compare(rows_valid, ">", i), stride)))
    return offsets


# ---- dot products ----


def dot_tile(rows: int, columns: int, dtype: DTypeLike) -> int:
    """Return a leaf that adds products of rows to a tile of vector sums; the lanes run along the reduction.

    sums[i, j, l] = (start ? sums[i, j, l] : 0) + sum_r sum_v A[i, r, v * lanes + l] * B[j, r, v * lanes + l]

    `dot_store` or `lane_sums` then adds the lanes.  Keep rows * columns + rows + 1 <= registers().
    Arguments, 12 of them:
        a, a_row_stride, rows_valid: A[i] is at a + i * a_row_stride; rows i >= rows_valid >= 1 are not
            touched, their sums repeat those of the last valid row.
        b, b_table: address of int64[columns]: B[j] is at b + b_table[j].
        n_runs, a_run_stride, b_run_stride: run r of a row starts r * run_stride further on.
        n_vectors, tail: each run is n_vectors whole vectors and `tail` < lanes elements; neither operand is
            read further, so that 0 * NaN cannot arise.
        start: 0 = begin at zero, 1 = add to what `sums` holds.
        sums: address of rows * columns vectors.
    """
    return vector_leaf("dot_tile", 12, dtype, partial(_emit_dot_tile, rows=rows, columns=columns), rows, columns)


def _emit_dot_tile(e: Emitter, rows: int, columns: int) -> None:
    (a, a_row_stride, rows_valid, b, b_table, n_runs, a_run_stride, b_run_stride, n_vectors, tail, start,
     sums) = e.arguments  # fmt: skip
    a_offset = _clamped(e, rows, rows_valid, a_row_stride)
    b_offset = [e.load_integer(b_table, j) for j in range(columns)]
    totals = [e.variable(e.zero) for _ in range(rows * columns)]
    with e.when(start, "!=", 0):
        for q, slot in enumerate(totals):
            e.set(slot, e.load(e.add(sums, q * e.vector_size)))

    def add_products(a_at: ir.Value, b_at: ir.Value, mask: ir.Value | None) -> None:
        left = [e.load(e.add(a_at, offset), mask) for offset in a_offset]
        for j in range(columns):
            right = e.load(e.add(b_at, b_offset[j]), mask)
            for i in range(rows):
                slot = totals[i * columns + j]
                e.set(slot, e.multiply_add(left[i], right, e.get(slot)))

    a_run, b_run, tail_mask = e.variable(a), e.variable(b), e.mask(tail)
    with e.repeat(n_runs):
        a_at, b_at = e.variable(e.get(a_run)), e.variable(e.get(b_run))
        with e.repeat(n_vectors):
            add_products(e.get(a_at), e.get(b_at), None)
            e.advance(a_at, e.vector_size)
            e.advance(b_at, e.vector_size)
        with e.when(tail, ">", 0):
            add_products(e.get(a_at), e.get(b_at), tail_mask)
        e.advance(a_run, a_run_stride)
        e.advance(b_run, b_run_stride)
    for q, slot in enumerate(totals):
        e.store(e.get(slot), e.add(sums, q * e.vector_size))


def dot_store(rows: int, columns: int, dtype: DTypeLike) -> int:
    """Return a leaf that adds the lanes of a dot tile's sums and stores them.

    C[i, j] = init[i, j] + sum_l sums[i, j, l],  i < rows_valid, j < columns_valid, then max(., 0) if relu.

    Arguments, 8 of them: sums, c, c_row_stride, rows_valid, columns_valid, mode, bias, relu.
        mode, bias: init is 0 = zero, 1 = C, 2 = bias[i] (one number per row), 3 = bias[j] (one per column).
    """
    return vector_leaf("dot_store", 8, dtype, partial(_emit_dot_store, rows=rows, columns=columns), rows, columns)


def _emit_dot_store(e: Emitter, rows: int, columns: int) -> None:
    sums, c, c_row_stride, rows_valid, columns_valid, mode, bias, relu = e.arguments
    groups = range(0, columns, e.lanes)
    masks, low = [e.mask(e.add(columns_valid, -j)) for j in groups], e.relu_bound(relu)
    source, row, row_bias = e.variable(sums), e.variable(c), e.variable(bias)
    totals = [e.variable(e.zero) for _ in groups]

    def add(values: Iterator[ir.Value]) -> None:
        for slot, value in zip(totals, values, strict=True):
            e.set(slot, e.builder.fadd(e.get(slot), value))

    with e.repeat(e.minimum(rows_valid, rows)):
        for slot, j in zip(totals, groups, strict=True):
            group = range(j, min(j + e.lanes, columns))
            e.set(slot, sum_lanes(e, [e.load(e.add(e.get(source), q * e.vector_size)) for q in group]))
        with e.when(mode, "==", 1):
            add(e.load(e.add(e.get(row), j * e.size), mask) for j, mask in zip(groups, masks, strict=True))
        with e.when(mode, "==", 2):
            add(e.load_broadcast(e.get(row_bias)) for _ in groups)
        with e.when(mode, "==", 3):
            add(e.load(e.add(bias, j * e.size), mask) for j, mask in zip(groups, masks, strict=True))
        for slot, j, mask in zip(totals, groups, masks, strict=True):
            e.store(e.at_least(e.get(slot), low), e.add(e.get(row), j * e.size), mask)
        e.advance(source, columns * e.vector_size)
        e.advance(row, c_row_stride)
        e.advance(row_bias, e.size)


def lane_sums(dtype: DTypeLike) -> int:
    """Return a leaf that adds the lanes of each of `count` vectors: out[q] = sum_l sums[q, l].

    Arguments: sums (address of count vectors), count, out (address of count elements).
    """
    return vector_leaf("lane_sums", 3, dtype, _emit_lane_sums)


def _emit_lane_sums(e: Emitter) -> None:
    sums, count, out = e.arguments
    source, target, left = e.variable(sums), e.variable(out), e.variable(count)
    with e.repeat(e.builder.sdiv(e.add(count, e.lanes - 1), INT(e.lanes))):
        exists = [e.mask(e.where(e.compare(e.get(left), ">", q), INT(e.lanes))) for q in range(e.lanes)]
        block = [e.load(e.add(e.get(source), q * e.vector_size), mask) for q, mask in enumerate(exists)]
        e.store(sum_lanes(e, block), e.get(target), e.mask(e.get(left)))
        e.advance(source, e.lanes * e.vector_size)
        e.advance(target, e.vector_size)
        e.advance(left, -e.lanes)


def sum_lanes(e: Emitter, vectors: list[ir.Value]) -> ir.Value:
    """Return the vector whose lane j is the sum of the lanes of vector j, of at most `lanes` vectors.

    After the step of distance d, lane l of the q-th vector left is a partial sum of vector q * 2d + l mod 2d.
    """
    distance = 1
    while distance < e.lanes:
        if len(vectors) % 2:
            vectors = [*vectors, vectors[-1] if len(vectors) == 1 else e.zero]
        vectors = [_add_across(e, a, b, distance) for a, b in zip(vectors[::2], vectors[1::2], strict=True)]
        distance *= 2
    return vectors[0]


def _add_across(e: Emitter, a: ir.Value, b: ir.Value, distance: int) -> ir.Value:
    """Lane l: v[l] + v[l ^ distance] with v = b where l & distance, else a."""
    own = [lane + e.lanes * bool(lane & distance) for lane in range(e.lanes)]
    other = [(lane ^ distance) + e.lanes * bool(lane & distance) for lane in range(e.lanes)]
    return e.builder.fadd(e.shuffle(a, b, own), e.shuffle(a, b, other))


# ---- copies ----


@cache
def transpose(dtype: DTypeLike, *, table: bool = False, prefetch: str = "") -> int:
    """Return a leaf that transposes a block of at most lanes x lanes elements.

    destination[c, r] = source[r, c] for r < n_rows, c < n_columns, and 0 for n_rows <= r < n_store.

    Arguments: source, source_row_stride, n_rows, n_columns, destination, destination_row_stride, n_store.
    Counts may exceed `lanes` (they are cut to it) and may be zero or negative; each row of the destination
    gets n_store elements.  With `table`, row r starts at source + table[r], and source_row_stride is the address of
    int64[lanes].

    `prefetch` names what is fetched ahead, `BYTES_AHEAD` on in every row: "s", the source; "d", the destination.
    """
    emit = partial(_emit_transpose, table=table, prefetch=prefetch)
    return vector_leaf("_".join(["transpose", *prefetch]), 7, dtype, emit, int(table))


def _emit_transpose(e: Emitter, table: bool, prefetch: str) -> None:
    source, source_stride, n_rows, n_columns, destination, destination_stride, n_store = e.arguments
    whole = [e.compare(count, ">=", e.lanes) for count in (n_rows, n_columns, n_store)]

    def mask(exists: ir.Value, count: ir.Value) -> ir.Value:
        return e.mask(e.where(exists, count))

    def move(masked: bool) -> None:
        block, at = [], source
        for r in range(e.lanes):
            at = e.add(source, e.load_integer(source_stride, r)) if table else at
            block.append(e.load(at, mask(e.compare(n_rows, ">", r), n_columns) if masked else None))
            if "s" in prefetch:
                e.prefetch(e.add(at, BYTES_AHEAD))
            at = at if table else e.add(at, source_stride)
        at = destination
        for c, column in enumerate(_transposed(e, block)):
            if "d" in prefetch:
                e.prefetch(e.add(at, BYTES_AHEAD), write=True)
            e.store(column, at, mask(e.compare(n_columns, ">", c), n_store) if masked else None)
            at = e.add(at, destination_stride)

    e.choose(e.builder.and_(e.builder.and_(*whole[:2]), whole[2]), lambda: move(False), lambda: move(True))


def _transposed(e: Emitter, block: list[ir.Value]) -> list[ir.Value]:
    """Swap the off-diagonal quarters of every 2d x 2d block, for d = 1, 2, 4 ..."""
    block, d = list(block), 1
    while d < e.lanes:
        upper = [(lane ^ d) + e.lanes if lane & d else lane for lane in range(e.lanes)]
        lower = [lane + e.lanes if lane & d else lane | d for lane in range(e.lanes)]
        for i in (i for i in range(e.lanes) if not i & d):
            a, b = block[i], block[i | d]
            block[i], block[i | d] = e.shuffle(a, b, upper), e.shuffle(a, b, lower)
        d *= 2
    return block


def copy_panel(vectors: int, dtype: DTypeLike, step: int = 1, *, prefetch: bool = False) -> int:
    """Return a leaf that copies rows of at most vectors * lanes elements and pads them with zeros.

    destination[k, j] = source[k, j * step], k < n_rows, j < n_columns, and 0 for n_columns <= j < vectors * lanes.

    With `prefetch`, rows are fetched `ROWS_AHEAD`, which suits sources in memory.
    Arguments: source, source_row_stride, destination, destination_row_stride, n_rows, n_columns.
    """
    emit = partial(_emit_copy_panel, vectors=vectors, step=step, prefetch=prefetch)
    return vector_leaf("copy_panel_ahead" if prefetch else "copy_panel", 6, dtype, emit, vectors, step)


def _emit_copy_panel(e: Emitter, vectors: int, step: int, prefetch: bool) -> None:
    source, source_stride, destination, destination_stride, n_rows, n_columns = e.arguments
    n_elements = e.add(e.multiply(n_columns, step), 1 - step)

    def copy(masked: bool) -> None:
        loads = range(vectors * step)
        masks = [e.mask(e.add(n_elements, -j * e.lanes)) if masked else None for j in loads]
        read, write = e.variable(source), e.variable(destination)
        with e.repeat(n_rows):
            ahead = e.add(e.get(read), e.multiply(source_stride, ROWS_AHEAD))
            for j in loads if prefetch else ():
                e.prefetch(e.add(ahead, j * e.vector_size))
            row = [e.load(e.add(e.get(read), j * e.vector_size), mask) for j, mask in enumerate(masks)]
            for j in range(vectors):
                value = _every(e, row[j * step : (j + 1) * step])
                e.store(value, e.add(e.get(write), j * e.vector_size))
            e.advance(read, source_stride)
            e.advance(write, destination_stride)

    e.choose(e.compare(n_elements, ">=", vectors * step * e.lanes), lambda: copy(False), lambda: copy(True))


def _every(e: Emitter, vectors: list[ir.Value]) -> ir.Value:
    """Pick every len(vectors)-th element of neighbouring vectors."""
    places = [divmod(lane * len(vectors), e.lanes) for lane in range(e.lanes)]
    value = vectors[0]
    for m, vector in enumerate(vectors[1:], 1):
        own = [lane if m > 1 else place for lane, (_, place) in enumerate(places)]
        value = e.shuffle(value, vector, [o if v < m else e.lanes + p for o, (v, p) in zip(own, places, strict=True)])
    return value
