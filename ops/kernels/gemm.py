"""Matrix products: C[i, j] = sum_k A[i, k] * B[k, j] (+ bias[j]), then max(., 0) if relu.

Three ways through one driver; `gemm_plan` chooses by shape:
    BLOCKED   B is packed, block by block, into panels as wide as a register tile (Goto and van de Geijn, "Anatomy
              of high-performance matrix multiplication", 2008); A is read where it lies, unless its rows alias.
    IN_PLACE  B too is read where it lies: few rows or a short reduction would not repay the packing.
    DOT       rows of A times rows of a transposed B, lanes along the reduction: nothing to transpose.

What a tile reads is fetched ahead where the caches do not foresee it.  Measured, float32, one Zen 4 core (at most 114
GFLOP/s), with and without: A (100000, 128) times B (128, 16) 100 and 40; (100000, 64) times (64, 64) 100 and 91; (4096,
128) times (128, 512) 107 and 94.
"""

import contextvars
import threading
from typing import Any, TypeAlias

import numpy as np

from ops.kernels import gemm_plan
from ops.kernels.arrays import dense
from ops.kernels.gemm_plan import BLOCKED, COPIED, DOT, IN_PLACE, SEGMENT, TABLES
from ops.kernels.jit import kernel, threads_for
from ops.kernels.parallel import RUN_CHUNKS, call_chunks
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker, address_of, call, load_integers
from ops.kernels.threads import register_parallel

__all__ = ["batched_matmul", "linear", "matmul"]

Array: TypeAlias = np.ndarray[Any, Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
NO_BIAS = {dtype: np.zeros(1, dtype) for dtype in FLOATS}

# ---- entries ----


def matmul(a: Array, b: Array, *, bias: Array | None = None, relu: bool = False, out: Array | None = None) -> Array:
    """Return a @ b for a (M, K) and b (K, N), plus bias (N,), then max(., 0) if relu.

    Both float32 or both float64.  Contiguous arrays and their transposes are read in place, others are
    copied.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[0]:
        raise RuntimeError(f"matmul: cannot multiply {a.shape} by {b.shape}, expected (M, K) and (K, N)")
    _check_dtypes("matmul", a, b)
    (M, K), N = a.shape, b.shape[1]
    if bias is not None and (bias.shape != (N,) or bias.dtype != a.dtype):
        raise RuntimeError(f"matmul: bias is {bias.dtype} {bias.shape} but expected {a.dtype} ({N},)")
    if out is not None:
        return _into(out, a, b, bias, relu)
    if gemm_plan.numpy_is_faster(M, N, K):
        return _quiet.run(_small, a, b, bias, relu)
    if bias is None and not relu and gemm_plan.is_better_turned(a, b):
        return dense(matmul(b.T, a.T).T)
    c = np.empty((M, N), a.dtype)
    _multiply(a, b, c, bias, relu)
    return c


def linear(x: Array, w: Array, bias: Array | None = None, relu: bool = False) -> Array:
    """Return x @ w.T + bias for x (N, in), w (out, in) and bias (out,), then max(., 0) if relu."""
    return matmul(x, w.T, bias=bias, relu=relu)


def batched_matmul(a: Array, b: Array) -> Array:
    """Return c[n] = a[n] @ b[n] for a (B, M, K) and b (B, K, N).

    An operand whose batch axis has length 1 or stride 0 serves every n.
    """
    if a.ndim != 3 or b.ndim != 3 or a.shape[2] != b.shape[1] or not _same_batch(a, b):
        raise RuntimeError(f"batched_matmul: cannot multiply {a.shape} by {b.shape}, expected (B, M, K) and (B, K, N)")
    _check_dtypes("batched_matmul", a, b)
    batch = b.shape[0] if a.shape[0] == 1 else a.shape[0]
    (M, K), N = a.shape[1:], b.shape[2]
    if gemm_plan.numpy_is_faster(M, N, batch * K):
        return _quiet.run(np.matmul, a, b)
    c = np.empty((batch, M, N), a.dtype)
    a, a_transposed = _matrices(a)
    b, b_transposed = _matrices(b)
    threads = threads_for(2 * batch * M * N * K, gemm_plan.FLOPS_PER_THREAD)
    plan = gemm_plan.plan_product(a.shape, b.shape, a_transposed, b_transposed, c.dtype, False, False, threads)
    _run(plan, _stacked(a), _stacked(b), _stacked(c), None)
    return c


def _same_batch(a: Array, b: Array) -> bool:
    return a.shape[0] == b.shape[0] or a.shape[0] == 1 or b.shape[0] == 1


def _check_dtypes(name: str, a: Array, b: Array) -> None:
    if a.dtype != b.dtype or a.dtype not in FLOATS:
        raise RuntimeError(f"{name}: expected two float32 or two float64 arrays, got {a.dtype} and {b.dtype}")


class _Quiet(threading.local):
    """A context of this thread in which NumPy does not warn of NaN, for less than `np.errstate` costs."""

    def __init__(self) -> None:
        context = contextvars.Context()
        context.run(np.seterr, all="ignore")
        self.run = context.run


_quiet = _Quiet()


def _small(a: Array, b: Array, bias: Array | None, relu: bool) -> Array:
    c: Array = np.dot(a, b)
    if bias is not None:
        c += bias
    return np.maximum(c, 0, out=c) if relu else c


def _into(out: Array, a: Array, b: Array, bias: Array | None, relu: bool) -> Array:
    expected = (a.shape[0], b.shape[1])
    if out.shape != expected or out.dtype != a.dtype:
        raise RuntimeError(f"matmul: out is {out.dtype} {out.shape} but expected {a.dtype} {expected}")
    inputs = (a, b) if bias is None else (a, b, bias)
    if out.flags.carray and not any(np.may_share_memory(out, x) for x in inputs):
        _multiply(a, b, out, bias, relu)
    else:
        out[...] = matmul(a, b, bias=bias, relu=relu)
    return out


def _multiply(a: Array, b: Array, c: Array, bias: Array | None, relu: bool) -> None:
    if c.shape[1] == 1 and c.shape[0] > 1:  # c.T = b.T @ a.T: one row, for which there are tiles
        a, b, c = b.T, a.T, c.reshape(1, -1)
        bias = None if bias is None else np.full(c.shape[1], bias[0])
    a, a_transposed = _matrix(a)
    b, b_transposed = _matrix(b)
    threads = threads_for(2 * a.size * c.shape[1], gemm_plan.FLOPS_PER_THREAD)
    biased = bias is not None
    plan = gemm_plan.plan_product(a.shape, b.shape, a_transposed, b_transposed, c.dtype, biased, relu, threads)
    _run(plan, a, b, c, bias)


def _matrix(x: Array) -> tuple[Array, bool]:
    """Return a matrix as a dense array and whether that is the transpose."""
    if x.flags.carray:
        return x, False
    return (dense(x.T), True) if x.strides[0] < x.strides[1] else (dense(x), False)


def _matrices(x: Array) -> tuple[Array, bool]:
    """Return a batch as a dense array (one matrix where all are the same) and whether each is the
    transpose."""
    if x.strides[0] == 0 and x.size:  # an empty array's strides mean nothing
        x = x[:1]
    transposed = x.strides[1] < x.strides[2] and not x.flags.c_contiguous
    return dense(x.swapaxes(1, 2) if transposed else x), transposed


def _stacked(x: Array) -> Array:
    return x.reshape(x.shape[0] * x.shape[1], x.shape[2])


def _run(plan: gemm_plan.Plan, a: Array, b: Array, c: Array, bias: Array | None) -> None:
    if c.size == 0:
        return
    bias = NO_BIAS[c.dtype] if bias is None else dense(bias)
    work = scratch(plan.work, c.dtype) if plan.work else bias
    driver = RUN_CHUNKS.address if plan.chunks > 1 else 0
    multiply(a, b, c, bias, work, plan.layout, WORKERS[plan.kind].address, plan.chunks, driver)


# ---- drivers ----


@kernel
def multiply(a, b, c, bias, work, layout, worker, chunks, driver):
    """C = A B in `chunks` pieces."""
    a_at, b_at, c_at, bias_at = address_of(a), address_of(b), address_of(c), address_of(bias)
    work_at, layout_at = address_of(work), address_of(layout)
    if chunks == 1:
        call(worker, a_at, b_at, c_at, bias_at, work_at, layout_at, 0, 1)
    else:
        call_chunks(driver, worker, chunks, a_at, b_at, c_at, bias_at, work_at, layout_at)


register_parallel(multiply)


# Below, operands are addresses and strides count bytes.  The workers compute chunk t of `chunks`: a range of
# the row tiles or column panels of all products of the batch.


@kernel
def portion(n, layout, t, chunks):
    """Return the rows m0 <= i < m1 and columns n0 <= j < n1 that are chunk t's share of product n."""
    batch, units, split_rows, M, N, _, rows, columns = load_integers(layout, 8)
    low = max(batch * units * t // chunks - n * units, 0)
    high = max(low, min(batch * units * (t + 1) // chunks - n * units, units))
    if split_rows != 0:
        return min(low * rows, M), min(high * rows, M), 0, N
    return 0, M, min(low * columns, N), min(high * columns, N)


def multiply_blocked(a, b, c, bias, work, layout, t, chunks):
    """Pack blocks of B into panels, then multiply rows of A by them."""
    (batch, _, _, M, N, K, rows, columns, leaf, packer, a_row, a_step, b_step, a_batch, b_batch, size, lanes,
     first_mode, last_relu, work_size, b_transposed, block_rows, block_depth, block_columns, a_copier,
     a_pitch, b_size) = load_integers(layout, 27)  # fmt: skip
    segment, whole = layout + SEGMENT, layout + TABLES
    last = whole + 24 * (columns // lanes)
    c_row, panel_row = N * size, columns * size
    packed = work + t * work_size
    a_copy = packed + b_size
    for n in range(batch):
        m0, m1, n0, n1 = portion(n, layout, t, chunks)
        a_n, b_n, c_n = a + n * a_batch, b + n * b_batch, c + n * M * c_row
        for j0 in range(n0, n1 if m0 < m1 else n0, block_columns):
            j1 = min(j0 + block_columns, n1)
            for k0 in range(0, max(K, 1), block_depth):
                depth = min(block_depth, K - k0)
                block = b_n + (j0 * b_step + k0 * size if b_transposed != 0 else k0 * b_step + j0 * size)
                pack(block, b_step, b_transposed, packed, depth, j1 - j0, columns, lanes, size, packer)
                mode = first_mode if k0 == 0 else 1
                relu = last_relu if k0 + depth == K else 0
                for i0 in range(m0, m1, block_rows):
                    i1 = min(i0 + block_rows, m1)
                    a_at, row, step = a_n + i0 * a_row + k0 * a_step, a_row, a_step
                    if a_pitch != 0:
                        row, step = copy_block(a_copier, a_at, a_row, a_step, a_copy, a_pitch, i1 - i0, depth, size)
                        a_at = a_copy
                    for j in range(j0, j1, columns):
                        table, edge = (whole, 0) if j + columns <= j1 else (last, 1)
                        panel = packed + (j - j0) * depth * size
                        for i in range(i0, i1, rows):
                            call(
                                leaf, a_at + (i - i0) * row, row, step, panel, panel_row, segment, 1, depth,
                                table, edge, c_n + i * c_row + j * size, c_row, mode, bias + j * size, relu,
                                i1 - i,
                            )  # fmt: skip


@kernel
def copy_block(copier, a, a_row, a_step, copy, pitch, rows, depth, size):
    """Copy rows x depth elements of A, as they lie, to lines `pitch` apart; return the copy's strides."""
    length, lines, line = (depth, rows, a_row) if a_step == size else (rows, depth, a_step)
    for k in range(0, length * size, COPIED):
        call(copier, a + k, line, copy + k, pitch, lines, length - k // size)
    return (pitch, size) if a_step == size else (size, pitch)


@kernel
def pack(b, b_step, b_transposed, packed, depth, width, columns, lanes, size, packer):
    """Copy a depth x width block of B into panels [k][columns], the last one padded with zeros."""
    row = columns * size
    for j in range(0, width, columns):
        panel = packed + j * depth * size
        if b_transposed == 0:
            call(packer, b + j * size, b_step, panel, row, depth, width - j)
        else:
            for v in range(0, columns, lanes):
                for k in range(0, depth, lanes):
                    source, target = b + (j + v) * b_step + k * size, panel + k * row + v * size
                    call(packer, source, b_step, width - j - v, depth - k, target, row, lanes)


def multiply_in_place(a, b, c, bias, _work, layout, t, chunks):
    """Multiply rows of A by column panels of B where they lie."""
    (batch, _, _, M, N, K, rows, columns, leaf, _, a_row, a_step, b_step, a_batch, b_batch, size, lanes,
     first_mode, last_relu, _, _, block_rows, block_depth) = load_integers(layout, 23)  # fmt: skip
    segment, whole = layout + SEGMENT, layout + TABLES
    last = whole + 24 * (columns // lanes)
    c_row = N * size
    for n in range(batch):
        m0, m1, n0, n1 = portion(n, layout, t, chunks)
        a_n, b_n, c_n = a + n * a_batch, b + n * b_batch, c + n * M * c_row
        for k0 in range(0, max(K, 1), block_depth):
            depth = min(block_depth, K - k0)
            mode = first_mode if k0 == 0 else 1
            relu = last_relu if k0 + depth == K else 0
            for i0 in range(m0, m1, block_rows):
                i1 = min(i0 + block_rows, m1)
                for j in range(n0, n1, columns):
                    table, edge = (whole, 0) if j + columns <= n1 else (last, 2)
                    b_at = b_n + k0 * b_step + j * size
                    for i in range(i0, i1, rows):
                        call(
                            leaf, a_n + i * a_row + k0 * a_step, a_row, a_step, b_at, b_step, segment, 1,
                            depth, table, edge, c_n + i * c_row + j * size, c_row, mode, bias + j * size,
                            relu, i1 - i, )  # fmt: skip


def multiply_dot(a, b, c, bias, work, layout, t, chunks):
    """Multiply rows of A by rows of B transposed."""
    (batch, _, _, M, N, K, rows, columns, leaf, store, a_row, _, b_row, a_batch, b_batch, size, lanes, mode,
     relu, sums_size) = load_integers(layout, 20)  # fmt: skip
    whole, last = layout + TABLES, layout + TABLES + 8 * columns
    c_row, sums = N * size, work + t * sums_size
    vectors, tail = K // lanes, K % lanes
    for n in range(batch):
        m0, m1, n0, n1 = portion(n, layout, t, chunks)
        a_n, b_n, c_n = a + n * a_batch, b + n * b_batch, c + n * M * c_row
        for j in range(n0, n1, columns):
            width = min(columns, n1 - j)
            table = whole if width == columns else last
            for i in range(m0, m1, rows):
                a_i, c_i = a_n + i * a_row, c_n + i * c_row + j * size
                call(leaf, a_i, a_row, m1 - i, b_n + j * b_row, table, 1, 0, 0, vectors, tail, 0, sums)
                call(store, sums, c_i, c_row, m1 - i, width, mode, bias + j * size, relu)


WORKERS = {BLOCKED: Worker(multiply_blocked), IN_PLACE: Worker(multiply_in_place), DOT: Worker(multiply_dot)}
