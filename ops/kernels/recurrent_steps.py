"""The two passes of a recurrent layer over time, and the drivers that run them.

Sequences do not know of each other, so every thread takes some of them through all steps, without waiting for the
rest.  Before a step, [x | h] of its sequences lie side by side; one product with the packed [W_ih | W_hh] gives all
gates, which the vector code of `recurrent_leaves` turns into the next h while they are in cache.

Backward, the gates' gradients D of a step give those of h, D W_hh, and of x, D W_ih.  They are collected, with
[x | h], until there are enough rows for the gradients of the weights, D^T [x | h], to be added to.  Large products
after the loop would write D to memory and read it again: 3.5 ms where this takes 2.7 (28 steps of 64 sequences, LSTM of
128 units, Zen 4, one thread).
"""

from ops.kernels.gemm import pack
from ops.kernels.jit import kernel
from ops.kernels.parallel import call_chunks
from ops.kernels.recurrent_plan import BUFFERS, EDGES, FLAGS, FORWARD_LEAVES, FORWARD_PLACES, LEAVES, PLACES
from ops.kernels.simd import Worker, address_of, call, load_integers
from ops.kernels.threads import register_parallel

__all__ = ["BACKWARD", "FORWARD", "PACK_BACKWARD", "PACK_FORWARD", "call_cell", "run_backward", "run_forward"]

# ---- drivers ----


@kernel
def run_forward(
    x, joined, gates, kept, raw, y, h, c, w_ih, w_hh, w_hr, bias, work, layout, packer, worker, chunks, driver
):
    """Pack the weights, then take all sequences through all steps, in `chunks` pieces."""
    w_ih_at, w_hh_at, w_hr_at, work_at, layout_at = (
        address_of(w_ih), address_of(w_hh), address_of(w_hr), address_of(work), address_of(layout)
    )  # fmt: skip
    joined_at, gates_at, kept_at, raw_at = address_of(joined), address_of(gates), address_of(kept), address_of(raw)
    y_at, h_at, c_at, bias_at = address_of(y), address_of(h), address_of(c), address_of(bias)
    if chunks == 1:
        call(packer, w_ih_at, w_hh_at, w_hr_at, work_at, layout_at, 0, 1)
        call(
            worker, x, joined_at, gates_at, kept_at, raw_at, y_at, h_at, c_at, bias_at, work_at, layout_at, 0, 1
        )  # fmt: skip
    else:
        call_chunks(driver, packer, chunks, w_ih_at, w_hh_at, w_hr_at, work_at, layout_at)
        call_chunks(
            driver, worker, chunks, x, joined_at, gates_at, kept_at, raw_at, y_at, h_at, c_at, bias_at, work_at,
            layout_at,
        )  # fmt: skip


register_parallel(run_forward)


@kernel
def run_backward(
    grad, joined, gates, kept, raw, dx, dh, dc, draw, dw_ih, dw_hh, db_ih, db_hh, dw_hr, w_ih, w_hh, w_hr, one, work,
    layout, packer, worker, chunks, driver,
):  # fmt: skip
    """Pack the weights, then take the gradients of all sequences back through all steps, in `chunks` pieces."""
    w_ih_at, w_hh_at, w_hr_at, work_at, layout_at = (
        address_of(w_ih), address_of(w_hh), address_of(w_hr), address_of(work), address_of(layout)
    )  # fmt: skip
    grad_at, joined_at, gates_at, kept_at, raw_at = (
        address_of(grad), address_of(joined), address_of(gates), address_of(kept), address_of(raw)
    )  # fmt: skip
    dx_at, dh_at, dc_at, draw_at, one_at = (
        address_of(dx), address_of(dh), address_of(dc), address_of(draw), address_of(one)
    )  # fmt: skip
    dw_ih_at, dw_hh_at, db_ih_at, db_hh_at, dw_hr_at = (
        address_of(dw_ih), address_of(dw_hh), address_of(db_ih), address_of(db_hh), address_of(dw_hr)
    )  # fmt: skip
    if chunks == 1:
        call(packer, w_ih_at, w_hh_at, w_hr_at, work_at, layout_at, 0, 1)
        call(
            worker, grad_at, joined_at, gates_at, kept_at, raw_at, dx_at, dh_at, dc_at, draw_at, dw_ih_at, dw_hh_at,
            db_ih_at, db_hh_at, dw_hr_at, one_at, work_at, layout_at, 0, 1,
        )  # fmt: skip
    else:
        call_chunks(driver, packer, chunks, w_ih_at, w_hh_at, w_hr_at, work_at, layout_at)
        call_chunks(
            driver, worker, chunks, grad_at, joined_at, gates_at, kept_at, raw_at, dx_at, dh_at, dc_at, draw_at,
            dw_ih_at, dw_hh_at, db_ih_at, db_hh_at, dw_hr_at, one_at, work_at, layout_at,
        )  # fmt: skip


register_parallel(run_backward)


@kernel
def call_cell(leaf, rows, columns, gates, kept, joined, column, pitch, after, c):
    """Take rows one step on; h before it stands in `joined` from byte `column` of each row on."""
    before = address_of(joined) + column
    call(leaf, rows, columns, address_of(gates), address_of(kept), before, pitch, address_of(after), address_of(c))


# Below, operands are addresses and strides count bytes.  The workers compute chunk t of `chunks`.


@kernel
def product(tile, last, edge, a, a_row, a_step, b, b_panel, b_step, depth, M, N, c, c_row, mode, bias):
    """C = A B over `depth` terms, B in panels `b_panel` apart; `mode` says what C starts from, `last` what of the last
    panel exists."""
    leaf, rows, columns, size = load_integers(tile, 4)
    segment, whole = tile + 40, tile + 56
    for j in range(0, N, columns):
        panel = b + j // columns * b_panel
        table, at_edge = (whole, 0) if j + columns <= N else (last, edge)
        for i in range(0, M, rows):
            call(
                leaf, a + i * a_row, a_row, a_step, panel, b_step, segment, 1, depth, table, at_edge,
                c + i * c_row + j * size, c_row, mode, bias + j * size, 0, M - i,
            )  # fmt: skip


# ---- forward ----


def pack_forward(w_ih, w_hh, w_hr, work, layout, t, chunks):
    """Pack the transposes of [W_ih | W_hh] and of the projection; chunk t takes every chunks-th panel."""
    _, I, H, P, _, size, _ = load_integers(layout, 7)
    _, _, tile, n_products, products, projected, projection, _, _ = load_integers(layout + FORWARD_PLACES, 9)
    _, _, packer = load_integers(layout + FORWARD_LEAVES, 3)
    _, _, columns, _, lanes = load_integers(layout + tile, 5)
    turn = 0
    for p in range(n_products):
        first, depth, _, row, at, N, _, _, _, _ = load_integers(layout + products + 80 * p, 10)
        of_x = min(max(I - first, 0), depth)
        for j in range(0, N, columns):
            if turn % chunks == t:
                panel, width = work + (at + j * depth) * size, min(columns, N - j)
                pack(w_ih + (row + j) * I * size, I * size, 1, panel, of_x, width, columns, lanes, size, packer)
                panel += of_x * columns * size
                pack(w_hh + (row + j) * P * size, P * size, 1, panel, depth - of_x, width, columns, lanes, size, packer)
            turn += 1
    if projected != 0:
        for j in range(columns * t, P, columns * chunks):
            panel, width = work + projection + j * H * size, min(columns, P - j)
            pack(w_hr + j * H * size, H * size, 1, panel, H, width, columns, lanes, size, packer)


def take_steps(x, joined, gates, kept, raw, y, h, c, bias, work, layout, t, chunks):
    """Take the sequences of chunk t through all steps."""
    T, I, H, P, G, size, pitch = load_integers(layout, 7)
    steps, bounds, tile, n_products, products, projected, projection, last, x_row = load_integers(
        layout + FORWARD_PLACES, 9
    )
    cell, copy, _ = load_integers(layout + FORWARD_LEAVES, 3)
    low, high = load_integers(layout + bounds + 8 * t, 2)
    _, _, columns, _ = load_integers(layout + tile, 4)
    begun = 0
    for s in range(T):
        first, n, x_at = load_integers(layout + steps + 24 * s, 3)
        count = min(n, high) - low
        if count > 0:
            at = first + low
            row, out = joined + at * pitch, y + at * P * size
            call(copy, x + x_at + low * x_row, x_row, row, pitch, count, I)
            old = max(begun - low, 0)  # the other sequences begin here, with h0
            call(copy, h + (low + old) * P * size, P * size, row + old * pitch + I * size, pitch, count - old, P)
            for p in range(n_products):
                column, depth, depth_0, _, place, N, aside, to, c_row, last_p = load_integers(
                    layout + products + 80 * p, 10
                )
                target = kept if aside != 0 else gates
                product(
                    layout + tile, layout + last_p, 1, row + column * size, pitch, size, work + place * size,
                    depth * columns * size, columns * size, depth_0 if s == 0 else depth, count, N,
                    target + at * c_row + to * size, c_row, 3, bias + (3 * H if aside != 0 else to) * size,
                )  # fmt: skip
            of_cell = raw + at * H * size if projected != 0 else out
            call(
                cell, count, H, gates + at * G * size, kept + at * H * size, row + I * size, pitch, of_cell,
                c + low * H * size,
            )  # fmt: skip
            if projected != 0:
                product(
                    layout + tile, layout + last, 1, of_cell, H * size, size, work + projection, H * columns * size,
                    columns * size, H, count, P, out, P * size, 0, 0,
                )  # fmt: skip
            next_first, next_n = load_integers(layout + steps + 24 * s + 24, 2)
            going = max(min(min(next_n, high) - low, count), 0)
            call(copy, out, P * size, joined + (next_first + low) * pitch + I * size, pitch, going, P)
            call(copy, out + going * P * size, P * size, h + (low + going) * P * size, P * size, count - going, P)
        begun = n


PACK_FORWARD, FORWARD = Worker(pack_forward), Worker(take_steps)

# ---- backward ----


def pack_backward(w_ih, w_hh, w_hr, work, layout, t, chunks):
    """Pack W_hh, W_ih if the input's gradient is wanted, and the projection; chunk t takes every chunks-th panel."""
    _, I, H, P, G, _, _ = load_integers(layout, 7)
    _, projected, want_x, _, _, _ = load_integers(layout + FLAGS, 6)
    _, _, _, _, x_at, projection_at = load_integers(layout + BUFFERS, 6)
    _, _, step, _, _ = load_integers(layout + PLACES, 5)
    _, _, _, packer = load_integers(layout + LEAVES, 4)
    pack_panels(layout + step, packer, w_hh, G, P, work, t, chunks)
    if want_x != 0:
        pack_panels(layout + step, packer, w_ih, G, I, work + x_at, t, chunks)
    if projected != 0:
        pack_panels(layout + step, packer, w_hr, P, H, work + projection_at, t, chunks)


@kernel
def pack_panels(tile, packer, w, K, N, packed, t, chunks):
    """Copy W (K, N) into panels."""
    _, _, columns, size, lanes = load_integers(tile, 5)
    for j in range(columns * t, N, columns * chunks):
        panel = packed + j * K * size
        pack(w + j * size, N * size, 0, panel, K, min(columns, N - j), columns, lanes, size, packer)


def retrace_steps(
    grad, joined, gates, kept, raw, dx, dh, dc, draw, dw_ih, dw_hh, db_ih, db_hh, dw_hr, one, work, layout, t, _chunks
):
    """Take the gradients of the sequences of chunk t back through all steps."""
    T, I, H, P, G, size, joined_row = load_integers(layout, 7)
    is_gru, projected, want_x, want_start, want_weights, zero = load_integers(layout + FLAGS, 6)
    d_row, capacity, collected, packed, x_at, projection_at = load_integers(layout + BUFFERS, 6)
    steps, bounds, step, outer, _ = load_integers(layout + PLACES, 5)
    last_p, last_i, last_h, _, _, outer_h, _ = load_integers(layout + EDGES, 7)
    cell, copy, add, _ = load_integers(layout + LEAVES, 4)
    low, high = load_integers(layout + bounds + 8 * t, 2)
    _, _, columns, _ = load_integers(layout + step, 4)
    _, _, outer_columns, _ = load_integers(layout + outer, 4)
    tile, panel_row, h_row, p_row = layout + step, columns * size, H * size, P * size
    d_0 = work + packed + t * collected
    hidden_0 = d_0 + is_gru * capacity * d_row
    x_0 = hidden_0 + capacity * d_row
    state, cells, raw_state = dh + low * p_row, dc + low * h_row, draw + low * h_row
    filled, mode, projection_mode = 0, 0, 0  # the first rows' share is stored, that of others added
    for s in range(T - 1, -1, -1):
        first, n = load_integers(layout + steps + 16 * s, 2)
        count = min(n, high) - low
        if count > 0:
            at, d, hidden = first + low, d_0 + filled * d_row, hidden_0 + filled * d_row
            row = joined + at * joined_row
            call(add, grad + at * p_row, p_row, state, p_row, count, P)
            if projected != 0:
                product(tile, layout + last_h, 1, state, p_row, size, work + projection_at, P * panel_row, panel_row,
                        P, count, H, raw_state, h_row, 0, 0)  # fmt: skip
                if want_weights != 0:
                    product(layout + outer, layout + outer_h, 2, state, size, p_row, raw + at * h_row,
                            outer_columns * size, h_row, count, P, H, dw_hr + t * P * h_row, h_row, projection_mode,
                            0)  # fmt: skip
                    projection_mode = 1
            call(cell, count, H, gates + at * G * size, kept + at * h_row, row + I * size, joined_row,
                 raw_state if projected != 0 else state, cells, d, hidden, d_row)  # fmt: skip
            if s > 0 or want_start != 0:
                product(tile, layout + last_p, 1, hidden, d_row, size, work, G * panel_row, panel_row, G, count, P,
                        state, p_row, is_gru, 0)  # fmt: skip
            if want_x != 0:
                product(tile, layout + last_i, 1, d, d_row, size, work + x_at, G * panel_row, panel_row, G, count, I,
                        dx + at * I * size, I * size, 0, 0)  # fmt: skip
            if want_weights != 0:
                call(copy, row, joined_row, x_0 + filled * joined_row, joined_row, count, I + P)
                filled += count
        if filled > 0 and (s == 0 or filled + high - low > capacity):
            with_h = filled - (max(count, 0) if s == 0 and zero != 0 else 0)  # before the first step h was zero
            add_weights(d_0, hidden_0, x_0, filled, with_h, dw_ih, dw_hh, db_ih, db_hh, one, layout, t, mode)
            filled, mode = 0, 1


@kernel
def add_weights(d, hidden, x, rows, with_h, dw_ih, dw_hh, db_ih, db_hh, one, layout, t, mode):
    """Store (mode 0) or add (mode 1) the collected rows' share of chunk t's gradients of weights and biases.

    Rows from `with_h` on have no share in that of W_hh.
    """
    _, I, _, P, G, size, x_row = load_integers(layout, 7)
    is_gru, _, _, _, _, _ = load_integers(layout + FLAGS, 6)
    (d_row,) = load_integers(layout + BUFFERS, 1)
    _, _, _, outer, total = load_integers(layout + PLACES, 5)
    _, _, _, outer_i, outer_p, _, total_g = load_integers(layout + EDGES, 7)
    _, _, columns, _ = load_integers(layout + outer, 4)
    _, _, wide, _ = load_integers(layout + total, 4)
    panel, sums = columns * size, layout + total
    product(layout + outer, layout + outer_i, 1, d, size, d_row, x, panel, x_row, rows, G, I, dw_ih + t * G * I * size,
            I * size, mode, 0)  # fmt: skip
    product(layout + outer, layout + outer_p, 1, hidden, size, d_row, x + I * size, panel, x_row, with_h, G, P,
            dw_hh + t * G * P * size, P * size, mode, 0)  # fmt: skip
    # A sum over rows is their product with ones.
    product(sums, layout + total_g, 2, one, 0, 0, d, wide * size, d_row, rows, 1, G, db_ih + t * G * size, 0, mode,
            0)  # fmt: skip
    if is_gru != 0:
        product(sums, layout + total_g, 2, one, 0, 0, hidden, wide * size, d_row, rows, 1, G, db_hh + t * G * size, 0,
                mode, 0)  # fmt: skip


PACK_BACKWARD, BACKWARD = Worker(pack_backward), Worker(retrace_steps)
