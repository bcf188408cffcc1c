"""Run a kernel in stages: each is a worker, called for every chunk of its work before the next one begins.

Workers take nothing but integers: the addresses of four operands, of the scratch memory and of a layout
(numbers, then tables), the round (for a stage that comes again with other data), the chunk and how many there
are.  So this driver is compiled once for all of them.
"""

from typing import Any, TypeAlias

import numpy as np

from ops.kernels.jit import kernel
from ops.kernels.parallel import RUN_CHUNKS, call_chunks
from ops.kernels.simd import Worker, address_of, call
from ops.kernels.threads import register_parallel

Array: TypeAlias = np.ndarray[Any, Any]
Int64: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]


def pack_layout(numbers: tuple[int, ...], *tables: Int64) -> Int64:
    """Return the numbers, then the displacement of every table from the start, in bytes, then the tables."""
    start = len(numbers) + len(tables)
    displacements = []
    for table in tables:
        displacements.append(8 * start)
        start += table.size
    return np.concatenate([np.array([*numbers, *displacements], np.int64), *(t.reshape(-1) for t in tables)])


def stage_list(*stages: tuple[Worker, int, int]) -> Int64:
    """Return stages (worker, round, chunks) as `run_stages` takes them."""
    rows = [(worker.address, step, chunks, RUN_CHUNKS.address if chunks > 1 else 0) for worker, step, chunks in stages]
    return np.array(rows, np.int64)


@kernel
def run_stages(a, b, c, d, work, layout, stages):
    """Call every stage's worker for every chunk."""
    a_at, b_at, c_at, d_at = address_of(a), address_of(b), address_of(c), address_of(d)
    work_at, layout_at = address_of(work), address_of(layout)
    for s in range(stages.shape[0]):
        worker, step, chunks, driver = stages[s, 0], stages[s, 1], stages[s, 2], stages[s, 3]
        if chunks == 1:
            call(worker, a_at, b_at, c_at, d_at, work_at, layout_at, step, 0, 1)
        else:
            call_chunks(driver, worker, chunks, a_at, b_at, c_at, d_at, work_at, layout_at, step)


register_parallel(run_stages)
