"""Attention, tile by tile: the workers of `attention`, where the method is described.

Operands are addresses; steps, strides and displacements count bytes.  A tile has a row per key and a lane per query.
A layout begins with 15 sizes and choices; `attention_plan.Plan` packs what the names below mark.
"""

from ops.kernels.gemm import pack
from ops.kernels.jit import kernel
from ops.kernels.simd import Worker, call, load_integers

NO_MASK, MASK_OF_KEYS, MASK_OF_PAIRS = 0, 1, 2
"""What is added to the scores: nothing, a number per key, a number per query and key."""

LEAVES, STRIDES, PARTS, PRODUCTS = 8 * 15, 8 * 25, 8 * 34, 8 * 43
"""Where, in a layout, the leaves, the strides of rows, the parts of the scratch memory and the tables begin."""

SEGMENT = 8 * 8
"""Where, in the description of a product, its one segment (0, 0) lies; the tables of its columns follow."""


# ---- products ----


@kernel
def multiply(product, a, a_row, a_step, panels, depth, rows, width, c, c_row, mode, bias):
    """C[i, j] = init + sum_k A[i, k] B[k, j], B in panels [j][k][columns]; mode and bias as of `outer_product`."""
    leaf, tile_rows, columns, _, _, size, whole, last = load_integers(product, 8)
    for i in range(0, rows, tile_rows):
        for j in range(0, width, columns):
            table, edge = (product + whole, 0) if j + columns <= width else (product + last, 1)
            call(
                leaf, a + i * a_row, a_row, a_step, panels + j * depth * size, columns * size, product + SEGMENT, 1,
                depth, table, edge, c + i * c_row + j * size, c_row, mode, bias + i * size, 0, rows - i,
            )  # fmt: skip


@kernel
def pack_rows(product, x, x_row, depth, width, panels):
    """Copy rows x[k], k < depth, to the panels of a product's right factor."""
    _, _, columns, packer, lanes, size, _, _ = load_integers(product, 8)
    pack(x, x_row, 0, panels, depth, width, columns, lanes, size, packer)


@kernel
def pack_columns(product, transpose, x, x_row, depth, width, panels):
    """Copy the transpose of rows x[j], j < width, to the panels of a product's right factor."""
    _, _, columns, _, lanes, size, _, _ = load_integers(product, 8)
    pack(x, x_row, 1, panels, depth, width, columns, lanes, size, transpose)


# ---- scores ----


@kernel
def pack_queries(layout, q, l0, rows, panels, scale):
    """Copy the transpose of queries l0 <= l < l0 + rows, times the scale, to the panels of the scores' right factor."""
    _, lanes, _, _, _, E = load_integers(layout, 6)
    transpose, _, scale_vectors = load_integers(layout + LEAVES, 3)
    (q_row,) = load_integers(layout + STRIDES, 1)
    (scores,) = load_integers(layout + PRODUCTS, 1)
    _, _, columns = load_integers(layout + scores, 3)
    pack_columns(layout + scores, transpose, q + l0 * q_row, q_row, E, rows, panels)
    call(scale_vectors, panels, (rows + columns - 1) // columns * columns * E // lanes, scale)


@kernel
def score(layout, k, queries, mask, l0, s0, rows, keys, x):
    """x[s, l] = k[s] . queries[l] + mask[l, s]; -inf for keys later than the query, where those may not be seen."""
    size, lanes, _, _, _, E, _, _, _, pitch, causal, mask_kind = load_integers(layout, 12)
    transpose, hide = load_integers(layout + LEAVES, 2)
    _, k_row, _, mask_row = load_integers(layout + STRIDES, 4)
    (scores,) = load_integers(layout + PRODUCTS, 1)
    mask_at, mode = mask + l0 * mask_row + s0 * size, 0
    if mask_kind == MASK_OF_KEYS:
        mode = 2
    elif mask_kind == MASK_OF_PAIRS:
        mode = 1
        for j in range(0, rows, lanes):
            for i in range(0, keys, lanes):
                call(
                    transpose, mask_at + j * mask_row + i * size, mask_row, rows - j, keys - i,
                    x + i * pitch + j * size, pitch, lanes,
                )  # fmt: skip
    multiply(layout + scores, k + s0 * k_row, k_row, size, queries, E, keys, rows, x, pitch, mode, mask_at)
    if causal != 0 and s0 + keys - 1 > l0:
        call(hide, x, pitch, keys, (rows + lanes - 1) // lanes, s0 - l0)


@kernel
def drop_weights(layout, b, l0, s0, rows, keys, x, key, numbers):
    """Drop weights of a tile, as dropout would of all weights (batch, L, S); numbers[1] = 1 / (1 - p)."""
    size, lanes, _, L, S, _, _, _, _, pitch = load_integers(layout, 10)
    _, _, _, drop = load_integers(layout + LEAVES, 4)
    call(drop, x, pitch, keys, (rows + lanes - 1) // lanes, (b * L + l0) * S + s0, S, key, numbers + size)


# ---- forward ----


def attend(operands, _b, _c, _d, work, layout, _step, t, chunks):
    """Compute every chunks-th block of queries: o, and for each query its largest score and 1 / sum of weights."""
    scale, key, q, k, v, mask, o, statistics = load_integers(operands, 8)
    (size, lanes, batch, L, S, _, D, tile_queries, tile_keys, pitch, causal, _, dropped, padded,
     work_size) = load_integers(layout, 15)  # fmt: skip
    _, _, _, _, online_softmax, softmax_factors, scale_rows = load_integers(layout + LEAVES, 7)
    _, _, v_row, _, o_row = load_integers(layout + STRIDES, 5)
    queries, x, values, rescale = load_integers(layout + PARTS, 4)
    _, _, by_values, places = load_integers(layout + PRODUCTS, 4)
    start = work + t * work_size
    queries, x, values, rescale = start + queries, start + x, start + values, start + rescale
    blocks = (L + tile_queries - 1) // tile_queries
    for u in range(t, batch * blocks, chunks):
        b, l0 = u // blocks, u % blocks * tile_queries
        rows = min(tile_queries, L - l0)
        vectors = (rows + lanes - 1) // lanes
        q_b, k_b, v_b, mask_b, o_b = load_integers(layout + places + b * 72, 5)
        target = o + o_b + l0 * o_row
        top = statistics + (2 * b * padded + l0) * size
        total = top + padded * size
        pack_queries(layout, q + q_b, l0, rows, queries, scale)
        for s0 in range(0, min(S, l0 + rows) if causal != 0 else S, tile_keys):
            keys = min(tile_keys, S - s0)
            score(layout, k + k_b, queries, mask + mask_b, l0, s0, rows, keys, x)
            call(online_softmax, x, pitch, keys, vectors, top, total, rescale, 1 if s0 == 0 else 0)
            if dropped != 0:
                drop_weights(layout, b, l0, s0, rows, keys, x, key, scale)
            if s0 > 0:
                call(scale_rows, target, o_row, rows, D, rescale)
            pack_rows(layout + by_values, v + v_b + s0 * v_row, v_row, keys, D, values)
            mode = 1 if s0 > 0 else 0
            multiply(layout + by_values, x, size, pitch, values, keys, rows, D, target, o_row, mode, 0)
        call(softmax_factors, top, total, vectors)
        call(scale_rows, target, o_row, rows, D, total)


# ---- weights ----


def show(operands, _b, _c, _d, work, layout, _step, t, chunks):
    """Compute the weights of every chunks-th block of queries, averaged over `heads` neighbours in the batch.

    If all keys make one tile, its weights are final; else they are computed again when the statistics are known.
    """
    scale, key, q, k, mask, out, heads = load_integers(operands, 7)
    (size, lanes, batch, L, S, _, _, tile_queries, tile_keys, pitch, _, _, dropped, _,
     work_size) = load_integers(layout, 15)  # fmt: skip
    _, _, _, _, online_softmax, softmax_factors, _, _, _, add_columns = load_integers(layout + LEAVES, 10)
    queries, x, _, rescale, y, statistics = load_integers(layout + PARTS, 6)
    _, _, _, places = load_integers(layout + PRODUCTS, 4)
    start, row = work + t * work_size, tile_queries * size
    queries, x, rescale, y, statistics = start + queries, start + x, start + rescale, start + y, start + statistics
    blocks, unused = (L + tile_queries - 1) // tile_queries, statistics + 2 * heads * row
    for u in range(t, batch // heads * blocks, chunks):
        first, l0 = u // blocks * heads, u % blocks * tile_queries
        rows = min(tile_queries, L - l0)
        vectors = (rows + lanes - 1) // lanes
        for step in range(0 if tile_keys < S else 1, 2):
            for s0 in range(0, S, tile_keys):
                keys = min(tile_keys, S - s0)
                for h in range(heads):
                    q_b, k_b, _, mask_b = load_integers(layout + places + (first + h) * 72, 4)
                    top = statistics + 2 * h * row
                    pack_queries(layout, q + q_b, l0, rows, queries, scale)
                    score(layout, k + k_b, queries, mask + mask_b, l0, s0, rows, keys, x)
                    total, begin = (unused, 0) if tile_keys < S and step == 1 else (top + row, 1 if s0 == 0 else 0)
                    call(online_softmax, x, pitch, keys, vectors, top, total, rescale, begin)
                    if total != unused and s0 + keys == S:
                        call(softmax_factors, top, total, vectors)
                    if step == 1:
                        if dropped != 0:
                            drop_weights(layout, first + h, l0, s0, rows, keys, x, key, scale)
                        begin = 1 if h == 0 else 0
                        call(add_columns, y, x, pitch, keys, vectors, top + row, scale + 2 * size, begin)
                if step == 1:
                    place_weights(layout, y, out, first, l0, s0, rows, keys)


@kernel
def place_weights(layout, y, out, b, l0, s0, rows, keys):
    """Copy the transpose of a tile to its place in the weights (..., L, S)."""
    size, lanes, _, _, _, _, _, _, _, pitch = load_integers(layout, 10)
    (transpose,) = load_integers(layout + LEAVES, 1)
    _, _, _, _, out_row = load_integers(layout + STRIDES, 5)
    _, _, _, places = load_integers(layout + PRODUCTS, 4)
    _, _, _, _, out_b = load_integers(layout + places + b * 72, 5)
    for j in range(0, rows, lanes):
        for i in range(0, keys, lanes):
            target = out + out_b + (l0 + j) * out_row + (s0 + i) * size
            call(transpose, y + i * pitch + j * size, pitch, keys - i, rows - j, target, out_row, min(lanes, keys - i))


# ---- backward ----


def differentiate(operands, _b, _c, _d, work, layout, _step, t, chunks):
    """Compute dq, dk and dv of every chunks-th range of keys; each range has a sum of dq of its own."""
    scale, key, q, k, v, mask, o, statistics, grad, dq, dk, dv, ranges, range_size = load_integers(operands, 14)
    (size, lanes, batch, L, S, E, D, tile_queries, tile_keys, pitch, causal, _, dropped, padded,
     work_size) = load_integers(layout, 15)  # fmt: skip
    transpose, _, _, _, _, _, _, softmax_slope, row_dots = load_integers(layout + LEAVES, 9)
    q_row, k_row, v_row, _, o_row, grad_row, dq_row, dk_row, dv_row = load_integers(layout + STRIDES, 9)
    start = work + t * work_size
    parts = load_integers(layout + PARTS, 9)
    queries, x, _, _, y, means, slopes, right, keys_right = parts
    queries, x, y, means = start + queries, start + x, start + y, start + means
    slopes, right, keys_right = start + slopes, start + right, start + keys_right
    scores, by_keys, by_values, places = load_integers(layout + PRODUCTS, 4)
    scores, by_keys, by_values = layout + scores, layout + by_keys, layout + by_values
    for u in range(t, batch * ranges, chunks):
        b, part = u // ranges, u % ranges
        q_b, k_b, v_b, mask_b, o_b, grad_b, dq_b, dk_b, dv_b = load_integers(layout + places + b * 72, 9)
        dq_b += part * range_size
        call(row_dots, grad + grad_b, grad_row, o + o_b, o_row, L, D, means)
        for s0 in range(part * tile_keys, S, ranges * tile_keys):
            keys = min(tile_keys, S - s0)
            pack_rows(by_keys, k + k_b + s0 * k_row, k_row, keys, E, keys_right)
            first = s0 // tile_queries * tile_queries if causal != 0 else 0
            for l0 in range(first, L, tile_queries):
                rows = min(tile_queries, L - l0)
                vectors = (rows + lanes - 1) // lanes
                mode = 1 if l0 > first else 0
                top = statistics + (2 * b * padded + l0) * size
                pack_queries(layout, q + q_b, l0, rows, queries, scale)
                score(layout, k + k_b, queries, mask + mask_b, l0, s0, rows, keys, x)
                slope = grad + grad_b + l0 * grad_row
                pack_columns(scores, transpose, slope, grad_row, D, rows, slopes)
                multiply(scores, v + v_b + s0 * v_row, v_row, size, slopes, D, keys, rows, y, pitch, 0, 0)
                if dropped != 0:
                    drop_weights(layout, b, l0, s0, rows, keys, y, key, scale)
                call(softmax_slope, x, y, pitch, keys, vectors, top, top + padded * size, means + l0 * size, scale)
                if dropped != 0:
                    drop_weights(layout, b, l0, s0, rows, keys, x, key, scale)
                pack_rows(by_values, slope, grad_row, rows, D, right)
                multiply(by_values, x, pitch, size, right, rows, keys, D, dv + dv_b + s0 * dv_row, dv_row, mode, 0)
                pack_rows(by_keys, q + q_b + l0 * q_row, q_row, rows, E, right)
                multiply(by_keys, y, pitch, size, right, rows, keys, E, dk + dk_b + s0 * dk_row, dk_row, mode, 0)
                mode = 1 if s0 > 0 else 0
                multiply(by_keys, y, size, pitch, keys_right, keys, rows, E, dq + dq_b + l0 * dq_row, dq_row, mode, 0)


ATTEND, SHOW, DIFFERENTIATE = Worker(attend), Worker(show), Worker(differentiate)
