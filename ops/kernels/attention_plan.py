"""What the workers of attention are told: how it is cut into tiles, where all lies, how much scratch it needs."""

import functools
import math
from typing import Any, ClassVar, NamedTuple

import numpy as np

from ops.kernels import attention_leaves as leaves
from ops.kernels import simd
from ops.kernels.attention_tiles import (
    ATTEND,
    DIFFERENTIATE,
    MASK_OF_KEYS,
    MASK_OF_PAIRS,
    NO_MASK,
    SEGMENT,
    SHOW,
)
from ops.kernels.gemm_plan import panel_tables
from ops.kernels.jit import threads_for
from ops.kernels.scratch import scratch
from ops.kernels.simd import Worker
from ops.kernels.stages import Int64, pack_layout, run_stages, stage_list
from ops.kernels.tiles import choose_tile

Array = np.ndarray[Any, Any]

QUERIES, KEYS = 128, 128
"""Most queries and keys of a tile: it and its slopes stay in the level-2 cache."""

FEW_QUERIES = 256
"""Up to so many, half of which see half of the keys, tiles are halved: more of them are left out."""

FLOPS_PER_THREAD = 1 << 19
"""A thread with less to do costs more than it saves."""


class Dropout(NamedTuple):
    """Which weights are dropped: those that `random.dropout_forward` drops of all weights (..., L, S) for this key."""

    p: float
    key: int

    @property
    def words(self) -> Int64:
        """The halves of the key and the largest random bits that keep a weight, as in `random.dropout_forward`."""
        limit = max(round((1 - self.p) * 2**32) - 1, 0)
        return np.array([self.key & 0xFFFFFFFF, self.key >> 32 & 0xFFFFFFFF, limit], np.int64)


class Options(NamedTuple):
    """What a call depends on besides its arrays.  causal: query l sees the keys s <= l alone."""

    scale: float
    causal: bool = False
    dropout: Dropout | None = None


Shapes = tuple[Any, ...]


def shapes_of(arrays: list[Any]) -> Shapes:
    """Return shape and strides of each array, None of one that is missing."""
    return tuple([None if x is None else (x.shape, x.strides) for x in arrays])


class Strides(NamedTuple):
    """The strides of q, k, v, mask, output, its gradient, dq, dk and dv, in bytes; of what is missing, zeros."""

    leading: tuple[tuple[int, ...], ...]
    rows: tuple[int, ...]

    @classmethod
    def of(cls, shapes: Shapes) -> "Strides":
        none = (0,) * len(shapes[0][0])
        strides = [none if each is None else each[1] for each in shapes] + [none] * (9 - len(shapes))
        return cls(tuple(s[:-2] for s in strides), tuple(s[-2] for s in strides))

    def places(self, leading: tuple[int, ...]) -> Int64:
        """Return the displacement of each matrix, (batch, 9)."""
        places = np.zeros((*leading, len(self.leading)), np.int64)
        for axis, length in enumerate(leading):
            steps = np.array([strides[axis] for strides in self.leading])
            places += np.arange(length).reshape(-1, *(1,) * (len(leading) - axis)) * steps
        return places.reshape(-1)


class Plan:
    """Tables, layout and scratch of one shape; `attention_tiles` reads the layout.

    `count` says of the backward pass in how many ranges the keys are cut, of shown weights how many heads are averaged.
    """

    worker: ClassVar[Worker]

    def __init__(self, shapes: Shapes, dtype: np.dtype[Any], options: Options, threads: int, count: int) -> None:
        (q_shape, _), _, (v_shape, _), mask, *_ = shapes
        (*leading, L, E), (S, D), strides = q_shape, v_shape[-2:], Strides.of(shapes)
        size, lanes, batch = dtype.itemsize, simd.lanes(dtype), math.prod(leading)
        most = 2 if options.causal and L <= FEW_QUERIES else 1
        self.tile_queries, self.tile_keys = min(QUERIES // most, -(-L // lanes) * lanes), min(KEYS // most, S)
        self.count, self.blocks = count, -(-L // self.tile_queries)
        self.queries = self.blocks * self.tile_queries
        self.width, scores = product(self.tile_keys, self.tile_queries, dtype, fill=True)
        self.keys_width, by_keys = product(self.tile_queries, E, dtype)
        self.values_width, by_values = product(self.tile_queries, D, dtype)
        pitch = self.width + lanes  # not a power of two: the rows would share lines of the caches
        self.tile = self.tile_keys * pitch
        *starts, work = np.cumsum([0, *(-(-part // lanes) * lanes for part in self.parts(E, D))]).tolist()
        kind = NO_MASK if mask is None else MASK_OF_PAIRS if strides.rows[3] else MASK_OF_KEYS
        p = options.dropout.p if options.dropout else 0.0
        numbers = (
            *(size, lanes, batch, L, S, E, D, self.tile_queries, self.tile_keys, pitch * size),
            *(int(options.causal), kind, int(p > 0), self.queries, work * size),
            *_leaves(dtype),
            *strides.rows,
            *(start * size for start in starts + [0] * (9 - len(starts))),
        )
        self.layout = pack_layout(numbers, scores, by_keys, by_values, strides.places(tuple(leading)))
        chunks = max(1, min(threads, self.units(batch)))
        self.stages = stage_list((self.worker, 0, chunks))
        self.work, self.dtype = work * chunks, dtype
        self.numbers = np.array([options.scale, 1 / (1 - p), 1 / count], dtype)

    def units(self, batch: int) -> int:
        """Return into how many pieces the work can be cut."""
        return batch // self.count * self.blocks

    def parts(self, E: int, D: int) -> list[int]:
        """Return what a chunk needs of scratch: queries, x, values, rescale, y, and so on as the workers name them."""
        return [E * self.width, self.tile, self.tile_keys * self.values_width, self.width]


class ForwardPlan(Plan):
    """Of the output and of the statistics that backward needs."""

    worker = ATTEND


class WeightsPlan(Plan):
    """Of weights, averaged over heads, that are shown; statistics of every head are kept."""

    worker = SHOW

    def parts(self, E: int, D: int) -> list[int]:
        statistics = (2 * self.count + 1) * self.tile_queries
        return [E * self.width, self.tile, 0, self.width, self.tile, statistics]


class BackwardPlan(Plan):
    """Of the gradients."""

    worker = DIFFERENTIATE

    def units(self, batch: int) -> int:
        return batch * self.count

    def parts(self, E: int, D: int) -> list[int]:
        right = self.tile_queries * max(self.keys_width, self.values_width)
        tiles = [E * self.width, self.tile, 0, 0, self.tile]
        return [*tiles, self.queries, D * self.width, right, self.tile_keys * self.keys_width]


def plan_of(kind: Any, arrays: list[Any], options: Options, threads: int, count: int = 1) -> Plan:
    """Return the plan for arrays of such shapes: q, k, v, mask, output, its gradient, dq, dk and dv."""
    if options.dropout:
        options = options._replace(dropout=Dropout(options.dropout.p, 0))
    plan: Plan = _kept_plan(kind, shapes_of(arrays), arrays[0].dtype, options, threads, count)
    return plan


@functools.lru_cache(maxsize=256)
def _kept_plan(kind: Any, *what: Any) -> Any:
    return kind(*what)


def threads_of(q: Array, k: Array, v: Array) -> int:
    """Return how many threads are worth their while."""
    return threads_for(2 * q.size // q.shape[-1] * k.shape[-2] * (q.shape[-1] + v.shape[-1]), FLOPS_PER_THREAD)


def run_plan(plan: Any, arrays: list[Any], options: Options, *integers: int) -> None:
    """Call a plan's worker: operands are the addresses of the plan's numbers, of the key, of the arrays, integers."""
    key = options.dropout.words if options.dropout else None
    given = [0 if x is None else x.__array_interface__["data"][0] for x in (plan.numbers, key, *arrays)]
    operands = np.array([*given, *integers], np.int64)
    work = scratch(plan.work, plan.dtype)
    run_stages(operands, operands, operands, operands, work, plan.layout, plan.stages)


@functools.cache
def _leaves(dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the addresses of the leaves, in the layout's order."""
    return simd.transpose(dtype), *(
        leaf(dtype)
        for leaf in (
            leaves.hide_later, leaves.scale_vectors, leaves.drop, leaves.online_softmax, leaves.softmax_factors,
            leaves.scale_rows, leaves.softmax_slope, leaves.row_dots, leaves.add_columns,
        )
    )  # fmt: skip


@functools.lru_cache(maxsize=256)
def product(rows: int, columns: int, dtype: np.dtype[Any], *, fill: bool = False) -> tuple[int, Int64]:
    """Return the width, up to whole register tiles, and the description of products with so many columns.

    With `fill` whole tiles are written.
    """
    lanes, size = simd.lanes(dtype), dtype.itemsize
    height, vectors = choose_tile(rows, -(-columns // lanes))
    width = -(-columns // (vectors * lanes)) * vectors * lanes
    leaf, packer = simd.outer_product(height, vectors, dtype), simd.copy_panel(vectors, dtype)
    whole = SEGMENT + 16
    numbers = (leaf, height, vectors * lanes, packer, lanes, size, whole, whole + 24 * vectors, 0, 0)
    tables = panel_tables(width if fill else columns, vectors, lanes, size)
    return width, np.array([*numbers, *tables], np.int64)
