"""vmap of every row of the table of primitives, against a loop over the samples."""

import math
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from autograd import Tensor
from autograd.batching import next_dim
from autograd.func import jacrev, jvp, vmap
from autograd.primitive import primitive
from autograd.tape import grad
from tests.op_table import ROWS
from tests.row import Row, Sample, as_tensors, call, flattened

SIZE = 3
DYNAMIC = ("argwhere", "masked_select", "nonzero")  # the shape of their results depends on elements


def stacked(array: np.ndarray) -> np.ndarray:
    """Return samples with the elements of an array in other places: each is in the same domain."""
    return np.stack([np.roll(array.reshape(-1), i).reshape(array.shape) for i in range(SIZE)])


def places(value: Any) -> Iterator[np.ndarray]:
    """Yield the arrays of an argument."""
    if isinstance(value, list):
        for each in value:
            yield from places(each)
    elif isinstance(value, np.ndarray):
        yield value


def rebuilt(value: Any, tensors: Iterator[Any]) -> Any:
    if isinstance(value, list):
        return [rebuilt(each, tensors) for each in value]
    return next(tensors) if isinstance(value, np.ndarray) else value


def patterns(count: int) -> list[list[int | None]]:
    """Return in_dims: all arrays mapped over, and each alone."""
    alone = [[-1 if i == k else None for i in range(count)] for k in range(count)]
    return [[0] * count, *(alone if count > 1 else [[-1]])]


def compare(row: Row, sample: Sample, in_dims: list[int | None]) -> None:
    arrays = [array for value in sample.inputs for array in places(value)]
    whole = [array if dim is None else stacked(array) for array, dim in zip(arrays, in_dims, strict=True)]
    given_arrays = [
        np.ascontiguousarray(np.moveaxis(x, 0, dim)) if dim == -1 else x for x, dim in zip(whole, in_dims, strict=True)
    ]

    def function(*tensors: Any) -> tuple[Any, ...]:
        remaining = iter(tensors)
        inputs = [rebuilt(value, remaining) for value in sample.inputs]
        return tuple(call(row, inputs, sample))

    def leaves(given: list[np.ndarray]) -> list[Tensor]:
        return [Tensor(x.copy(), requires_grad=x.dtype.kind == "f") for x in given]

    mapped, looped = leaves(given_arrays), leaves(whole)
    samples = [
        function(*[x if dim is None else x[i] for x, dim in zip(looped, in_dims, strict=True)]) for i in range(SIZE)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = vmap(function, tuple(in_dims), randomness="same")(*mapped)  # rows seed what they draw
    for k, y in enumerate(found):
        expected = np.stack([each[k].array for each in samples])
        assert y.array.dtype == expected.dtype
        np.testing.assert_allclose(y.array, expected, rtol=1e-12, atol=1e-12)
    tracked = [k for k, y in enumerate(found) if y.requires_grad]
    wanted = [i for i, x in enumerate(mapped) if x.requires_grad]
    if not tracked or not wanted:
        return
    seeds = [np.cos(np.arange(found[k].numel())).reshape(found[k].shape) for k in tracked]
    ours = grad(
        [found[k] for k in tracked],
        [mapped[i] for i in wanted],
        [Tensor(s.astype(found[k].array.dtype)) for k, s in zip(tracked, seeds, strict=True)],
        materialize_grads=True,
    )
    theirs = grad(
        [each[k] for k in tracked for each in samples],
        [looped[i] for i in wanted],
        [Tensor(s[i].astype(found[k].array.dtype)) for k, s in zip(tracked, seeds, strict=True) for i in range(SIZE)],
        materialize_grads=True,
    )
    for i, g, reference in zip(wanted, ours, theirs, strict=True):
        moved = np.moveaxis(g.array, -1, 0) if in_dims[i] == -1 else g.array
        np.testing.assert_allclose(moved, reference.array, rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name in DYNAMIC], ids=lambda row: row.name)
def test_results_of_dynamic_shape_are_refused(row: Row) -> None:
    x = Tensor(np.ones((2, 3)))
    inputs = (x, x > 0) if row.name == "masked_select" else (x,)
    with pytest.raises(RuntimeError, match="vmap"):
        vmap(row.function)(*inputs)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in DYNAMIC], ids=lambda row: row.name)
def test_vmap_is_the_loop(row: Row) -> None:

    def check(sample: Sample) -> None:
        count = sum(1 for value in sample.inputs for _ in places(value))
        for in_dims in patterns(count) if count else ():
            compare(row, sample, in_dims)

    for edge in row.samples.edges:
        check(edge)

    @settings(max_examples=math.ceil(settings.default.max_examples * 0.3), database=None)
    @given(row.samples.drawn)
    def at_drawn(sample: Sample) -> None:
        check(sample)

    at_drawn()


# -- derivatives of every row, by vmap over what walks the tape back --------------------------------------------------


def small(row: Row, sample: Sample) -> bool:
    return 0 < sum(array.size for value in sample.inputs for array in places(value)) <= 60


@pytest.mark.parametrize("row", [row for row in ROWS if row.order >= 1], ids=lambda row: row.name)
def test_jacobians_are_those_of_a_loop(row: Row) -> None:
    """Reverse mode, row by row and all rows at once, and forward mode along one direction."""

    def check(sample: Sample) -> None:
        if not small(row, sample):
            return
        function, tensors = flattened(row, as_tensors(sample), sample)
        outputs = function(*tensors)
        tracked = [i for i, y in enumerate(outputs) if y.requires_grad]
        if not tracked or sum(outputs[i].numel() for i in tracked) > 30:
            return

        def differentiable(*xs: Any) -> tuple[Any, ...]:
            ys = function(*xs)
            return tuple(ys[i] for i in tracked)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = jacrev(differentiable, tuple(range(len(tensors))))(*tensors)
            plain = [x.detach() for x in tensors]
            directions = [Tensor(np.cos(np.arange(x.numel()) + 1.0).reshape(x.shape)) for x in tensors]
            pushed = jvp(differentiable, tuple(plain), tuple(directions))[1]
        for blocks, i, tangent in zip(found, tracked, pushed, strict=True):
            y = outputs[i]
            expected_tangent = np.zeros(y.shape)
            for k, unit in enumerate(np.eye(y.numel()).reshape(y.numel(), *y.shape)):
                grads = grad(y, tensors, Tensor(unit), retain_graph=True, materialize_grads=True)
                for block, g, v in zip(blocks, grads, directions, strict=True):
                    rows = block.array.reshape(y.numel(), *g.shape)
                    np.testing.assert_allclose(rows[k], g.array, rtol=1e-10, atol=1e-10)
                    expected_tangent.reshape(-1)[k] += (g.array * v.array).sum()
            if row.order >= 2:
                np.testing.assert_allclose(tangent.array, expected_tangent, rtol=1e-9, atol=1e-9)

    for edge in row.samples.edges:
        check(edge)

    @settings(max_examples=math.ceil(settings.default.max_examples * 0.2), database=None)
    @given(row.samples.drawn)
    def at_drawn(sample: Sample) -> None:
        check(sample)

    at_drawn()


# -- declaring rules ---------------------------------------------------------------------------------------------------


def test_a_primitive_without_a_rule_is_called_for_each_sample() -> None:
    @primitive
    def reversed_rows(x: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """y[i] = x[n − 1 − i] scale."""
        return x[::-1] * scale

    reversed_rows.vjp(x=lambda grad, scale: reversed_rows(grad, scale))
    x = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True)
    with pytest.warns(UserWarning, match="reversed_rows has no batching rule"):
        y = vmap(lambda v: reversed_rows(v, Tensor(np.asarray(2.0))))(x)
    assert y.tolist() == [[2, 0], [6, 4], [10, 8]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it is said once
        z = vmap(lambda v: reversed_rows(v, Tensor(np.asarray(2.0))))(x)
    (g,) = grad(z, x, Tensor(np.arange(6.0).reshape(3, 2)))
    assert g.tolist() == [[2, 0], [6, 4], [10, 8]]


def test_rules_name_parameters_that_exist() -> None:
    @primitive
    def halves(x: np.ndarray, *, dim: int) -> np.ndarray:
        """Every other element."""
        return x[(slice(None),) * dim + (slice(None, None, 2),)]

    with pytest.raises(TypeError, match=r"halves: vmap names 'axis', but the parameters are \['dim'\]"):
        halves.vmap(axis=next_dim)
    halves.vmap(dim=next_dim)
    assert vmap(lambda v: halves(v, dim=0))(Tensor(np.arange(6.0).reshape(2, 3))).tolist() == [[0, 2], [3, 5]]
