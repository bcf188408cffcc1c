"""Indexing, order and sums of products, forward and backward timed apart, through the public API."""

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np

from benchmarks.case import Case
from benchmarks.library import Library
from benchmarks.memory_bound_cases import Op, backward, forward, tensors

SHAPE = (1024, 512)


def cases() -> Iterator[Case]:
    """Yield the two parts of every op."""
    for op in (*indexing(), *order(), *products()):
        for part, build, numbers in (("forward", forward, op.forward), ("backward", backward, op.backward)):
            yield Case(
                f"kernels/{op.name}/{part}",
                lambda library, op=op, build=build: build(library, op),
                traffic=4 * numbers,
            )


def _op(name: str, function: Callable[[Library], Callable[..., Any]], *shapes: tuple[int, ...]) -> Op:
    size = sum(map(prod, shapes))
    return Op(name, tensors(*shapes), function, size, size)


def indexing() -> Iterator[Op]:
    """Parts chosen by slices, masks and positions."""
    rng = np.random.default_rng(0)
    rows, columns, mask = rng.integers(0, 1024, 4096), rng.integers(0, 512, 4096), rng.random(SHAPE) < 0.3
    along = rng.integers(0, 512, SHAPE)
    yield _op("index/slices", lambda library: lambda x: x[1:-1, ::2], SHAPE)
    yield _op("index/rows", lambda library: _indexed(library.tensor(rows)), SHAPE)
    yield _op("index/pairs", lambda library: _indexed((library.tensor(rows), library.tensor(columns))), SHAPE)
    yield _op("index/mask", lambda library: _indexed(library.tensor(mask)), SHAPE)
    yield _op("gather/1024x512", lambda library: _gathered(library.tensor(along)), SHAPE)
    yield _op("scatter-add/1024x512", lambda library: _scattered(library.tensor(along)), SHAPE, SHAPE)


def _indexed(index: Any) -> Callable[[Any], Any]:
    return lambda x: x[index]


def _gathered(index: Any) -> Callable[[Any], Any]:
    return lambda x: x.gather(1, index)


def _scattered(index: Any) -> Callable[[Any, Any], Any]:
    return lambda x, source: x.scatter_add(1, index, source)


def order() -> Iterator[Op]:
    """Rows in order, and the largest of each."""
    yield _op("sort/1024x512", lambda library: lambda x: x.sort(dim=1)[0], SHAPE)
    yield _op("sort/1024x512-dim0", lambda library: lambda x: x.sort(dim=0)[0], SHAPE)
    yield _op("topk/5-of-1024x512", lambda library: lambda x: x.topk(5)[0], SHAPE)
    yield _op("topk/50-of-64x10000", lambda library: lambda x: x.topk(50)[0], (64, 10000))


def products() -> Iterator[Op]:
    """Einstein's sums."""
    heads = (8, 4, 128, 32)

    def einsum(equation: str) -> Callable[[Library], Callable[..., Any]]:
        return lambda library: lambda *xs: library.torch.einsum(equation, *xs)

    yield _op("einsum/scores", einsum("bhqd,bhkd->bhqk"), heads, heads)
    yield _op("einsum/chain", einsum("ij,jk,kl->il"), (64, 256), (256, 256), (256, 64))
    yield _op("einsum/bilinear", einsum("bi,oij,bj->bo"), (64, 32), (16, 32, 32), (64, 32))
