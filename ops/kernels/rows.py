"""Sums of rows into the rows an index names: the gradient of every lookup."""

from typing import Any

import numpy as np

from ops.kernels.arrays import dense
from ops.kernels.jit import kernel, prange, threads_for

__all__ = ["add_rows"]

Array = np.ndarray[Any, Any]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
LEAST_COLUMNS = 16
"""Columns a thread gets at least: below a cache line of them two threads would write to the same line."""


def add_rows(target: Array, index: Array, source: Array) -> None:
    """Add source[i, j] to target[index[i], j] for i = 0, 1, ... in turn; rows named twice receive both.

    target (R, D) in C order, source (N, D) of the same type, index int64 (N,) with 0 <= index[i] < R.
    """
    if target.ndim != 2 or source.shape != (len(index), target.shape[1]) or source.dtype != target.dtype:
        raise RuntimeError(
            f"add_rows: source is {source.dtype} {source.shape}, but the target is {target.dtype} "
            f"{target.shape} and the index has shape {index.shape}"
        )
    if source.size == 0:
        return
    if target.dtype not in FLOATS or not target.flags.carray:
        np.add.at(target, index, source)
        return
    chunks = max(1, min(threads_for(source.size), target.shape[1] // LEAST_COLUMNS))
    index, source = dense(index.astype(np.int64, copy=False)), dense(source)
    if chunks == 1:
        add_columns(target, index, source, 0, target.shape[1])
    else:
        add_rows_chunked(target, index, source, chunks)


@kernel(parallel=True)
def add_rows_chunked(target, index, source, chunks):
    """Every chunk adds a range of columns, so each sum is formed in the order of the index."""
    columns = target.shape[1]
    for t in prange(chunks):
        add_columns(target, index, source, columns * t // chunks, columns * (t + 1) // chunks)


@kernel
def add_columns(target, index, source, first, last):
    """Add a range of columns; a single one without a slice for every number, in a third of the time."""
    if target.shape[1] == 1:
        column, numbers = target.reshape(-1), source.reshape(-1)
        for i in range(index.size):
            column[np.uint64(index[i])] += numbers[i]
        return
    for i in range(index.size):
        row, added = target[index[i], first:last], source[i, first:last]
        for j in range(row.size):
            row[j] += added[j]
