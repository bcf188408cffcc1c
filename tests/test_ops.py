"""Every row of the table of primitives, against everything that is promised of all of them."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings

import autograd
from autograd import Tensor
from autograd.checking import gradcheck, gradgradcheck
from autograd.tape import grad
from tests.op_table import ROWS
from tests.row import Row, Sample, arrays_of, as_tensors, call, flat, flattened, is_large, mapped

every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
differentiable = [row for row in ROWS if row.order >= 1]
every_differentiable_row = pytest.mark.parametrize("row", differentiable, ids=lambda row: row.name)


def at_samples(row: Row, check: Callable[[Sample], None], share: float = 1.0) -> None:
    """Call `check` at the row's edges, and at a share of the number of examples the profile says."""
    for edge in row.samples.edges:
        check(edge)

    count = max(1, math.ceil(settings.default.max_examples * share))

    @settings(max_examples=count, database=None)
    @given(row.samples.drawn)
    def at_drawn(sample: Sample) -> None:
        check(sample)

    at_drawn()


def assert_same(found: Any, expected: Any, rtol: float, atol: float) -> None:
    """Compare shapes and elements; a NaN is an error of the sample, which should keep clear of it."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape
    if expected.dtype.kind != "f":
        assert found.dtype.kind != "f"
        np.testing.assert_array_equal(found, expected)
        return
    assert not np.isnan(expected).any()
    np.testing.assert_allclose(found, expected, rtol=rtol, atol=atol)


def as_list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, (list, tuple)) else [value]


@every_row
def test_forward_is_the_reference(row: Row) -> None:
    if row.reference is None:
        pytest.skip("no NumPy reference: see the comparison with PyTorch")

    def check(sample: Sample) -> None:
        found = call(row, as_tensors(sample), sample)
        expected = as_list(row.reference(*sample.inputs, **sample.parameters))
        assert len(found) == len(expected)
        for y, reference in zip(found, expected, strict=True):
            assert_same(y.array, reference, row.rtol, 1e-12)

    at_samples(row, check)


@every_row
def test_inputs_are_left_alone_and_reruns_give_the_same_bits(row: Row) -> None:
    def run(sample: Sample) -> list[bytes]:
        inputs = as_tensors(sample)
        outputs = call(row, inputs, sample)
        results = [y.array for y in outputs]
        leaves = [x for x in flat(inputs) if x.requires_grad]
        tracked = [y for y in outputs if y.requires_grad]
        if tracked and leaves:
            seeds = [Tensor(np.cos(np.arange(y.numel()).reshape(y.shape))) for y in tracked]
            results += [g.array for g in grad(tracked, leaves, seeds, allow_unused=True) if g is not None]
        return [array.tobytes() for array in results]

    def check(sample: Sample) -> None:
        before = [array.tobytes() for array in arrays_of(sample)]
        first = run(sample)
        assert [array.tobytes() for array in arrays_of(sample)] == before
        assert run(sample) == first

    at_samples(row, check)


@every_differentiable_row
def test_first_derivatives(row: Row) -> None:
    def check(sample: Sample) -> None:
        function, tensors = flattened(row, as_tensors(sample), sample)
        gradcheck(function, tensors, fast_mode=is_large(sample), **row.tolerances())

    at_samples(row, check)


@pytest.mark.parametrize("row", [row for row in ROWS if row.order >= 2], ids=lambda row: row.name)
def test_second_derivatives(row: Row) -> None:
    def check(sample: Sample) -> None:
        function, tensors = flattened(row, as_tensors(sample), sample)
        gradgradcheck(
            function,
            tensors,
            gen_non_contig_grad_outputs=True,
            fast_mode=is_large(sample),
            **row.tolerances(),
        )

    at_samples(row, check, share=0.6)


def may_have_twins(row: Row) -> bool:
    """Return whether a row has two floating inputs, as one of its samples shows."""
    once = settings(max_examples=1, database=None, derandomize=True, phases=[Phase.generate])
    sample = (row.samples.edges or (find(row.samples.drawn, lambda sample: True, settings=once),))[0]
    return row.doubles and sum(x.dtype.kind == "f" for x in arrays_of(sample)) >= 2


@pytest.mark.parametrize("row", [row for row in differentiable if may_have_twins(row)], ids=lambda row: row.name)
def test_one_tensor_given_for_two_inputs(row: Row) -> None:
    """Its gradient is the sum of those of two tensors with equal elements."""
    compared = []

    def gradient(inputs: list[Any], leaves: list[Tensor], sample: Sample) -> Any:
        outputs = [y for y in call(row, inputs, sample) if y.requires_grad]
        seeds = [Tensor(np.cos(np.arange(y.numel()).reshape(y.shape))) for y in outputs]
        return sum(g.array for g in grad(outputs, leaves, seeds, materialize_grads=True))

    def check(sample: Sample) -> None:
        inputs = as_tensors(sample)
        places = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
        twins = [(i, j) for i in places for j in places if i < j and inputs[i].shape == inputs[j].shape]
        for i, j in twins[-1:]:
            inputs[j] = Tensor(inputs[i].array, requires_grad=True)
            of_two = gradient(inputs, [inputs[i], inputs[j]], sample)
            inputs[j] = inputs[i]
            if np.isfinite(of_two).all():  # the one's elements may lie outside the other's domain
                assert_same(gradient(inputs, [inputs[i]], sample), of_two, 1e-12, 1e-12)
                compared.append(sample)

    at_samples(row, check, share=0.5)
    if not compared:
        pytest.skip("no two inputs of one shape")


@pytest.mark.parametrize("row", [row for row in ROWS if row.keeps_float32 is not None], ids=lambda row: row.name)
def test_float32_stays_float32(row: Row) -> None:
    def narrow(array: np.ndarray) -> np.ndarray:
        return array.astype(np.float32) if array.dtype == np.float64 else array

    def check(sample: Sample) -> None:
        low = Sample(tuple(mapped(narrow, x) for x in sample.inputs), sample.parameters)
        high = Sample(
            tuple(mapped(lambda x: x.astype(np.float64) if x.dtype == np.float32 else x, x) for x in low.inputs),
            sample.parameters,
        )
        inputs = as_tensors(low)
        outputs = call(row, inputs, low)
        for y, reference in zip(outputs, call(row, as_tensors(high), high), strict=True):
            if reference.array.dtype == np.float64:
                assert y.array.dtype == (np.float32 if row.keeps_float32 else np.float64)
                scale = np.abs(reference.array).max(initial=1.0)
                np.testing.assert_allclose(y.array, reference.array, rtol=1e-4, atol=1e-5 * scale)
        leaves = [x for x in flat(inputs) if x.requires_grad]
        tracked = [y for y in outputs if y.requires_grad]
        if tracked and leaves:
            seeds = [Tensor(np.ones(y.shape, y.array.dtype)) for y in tracked]
            for g in grad(tracked, leaves, seeds, materialize_grads=True):
                assert g.array.dtype == np.float32

    at_samples(row, check, share=0.5)


promoting = [row for row in ROWS if row.primitive is not None and row.primitive.promotion is not None]


@pytest.mark.parametrize("row", promoting, ids=lambda row: row.name)
def test_integers_are_promoted(row: Row) -> None:
    """Primitives that compute in "float" make integers the default floating type; "common" ones keep them."""
    integers = [Tensor(np.array([1, 2, 3], np.int64)) for _ in row.primitive.inputs]
    parameters = next((edge.parameters for edge in row.samples.edges), {})
    with np.errstate(all="ignore"):
        result = row.function(*integers, **parameters)
    if row.primitive.promotion == "float":
        assert result.dtype is autograd.float32
    else:
        assert result.dtype in (autograd.int64, autograd.bool)


errors = [(row, error) for row in ROWS for error in row.errors]


@pytest.mark.parametrize(("row", "error"), errors, ids=lambda value: getattr(value, "name", ""))
def test_wrong_arguments_are_refused(row: Row, error: Any) -> None:
    inputs = as_tensors(Sample(error.inputs), requires_grad=False)
    with pytest.raises(error.type, match=error.match):
        row.function(*inputs, **error.parameters)


def torch_function(row: Row, torch: Any) -> Any:
    """Return what the row names, looked up where PyTorch keeps functions of tensors."""
    if callable(row.torch):
        return row.torch
    name = row.torch or row.name
    for home in (torch.nn.functional, torch, torch.linalg, torch.Tensor):
        if hasattr(home, name):
            return getattr(home, name)
    raise LookupError(f"PyTorch has no {name}: say torch=None, or which function it is")


@pytest.mark.parametrize("row", [row for row in ROWS if row.torch is not None], ids=lambda row: row.name)
def test_results_and_gradients_are_pytorch_s(row: Row, torch: Any) -> None:
    function = torch_function(row, torch)

    def theirs(array: np.ndarray) -> Any:
        tensor = torch.from_numpy(np.array(array, order="C"))
        return tensor.requires_grad_(tensor.is_floating_point())

    def flat_theirs(value: Any) -> list[Any]:
        if isinstance(value, (list, tuple)):
            return [x for each in value for x in flat_theirs(each)]
        return [value] if isinstance(value, torch.Tensor) else []

    def check(sample: Sample) -> None:
        inputs = as_tensors(sample)
        outputs = call(row, inputs, sample)
        their_inputs = [mapped(theirs, value) for value in sample.inputs]
        their_outputs = flat_theirs(function(*their_inputs, **sample.parameters))
        assert len(outputs) == len(their_outputs)
        for y, reference in zip(outputs, their_outputs, strict=True):
            assert str(y.dtype).rpartition(".")[2] == str(reference.dtype).rpartition(".")[2]
            assert_same(y.array, reference.detach().numpy(), 1e-10, 1e-10)
        tracked = [i for i, y in enumerate(outputs) if y.requires_grad]
        leaves = [x for x in flat(inputs) if x.requires_grad]
        if not tracked or not leaves:
            return
        seeds = [np.cos(np.arange(outputs[i].numel()).reshape(outputs[i].shape)) for i in tracked]
        ours = grad([outputs[i] for i in tracked], leaves, [Tensor(s) for s in seeds], materialize_grads=True)
        their_leaves = [x for x in flat_theirs(their_inputs) if x.requires_grad]
        their_grads = torch.autograd.grad(
            [their_outputs[i] for i in tracked],
            their_leaves,
            [torch.from_numpy(np.array(s)) for s in seeds],
            materialize_grads=True,
        )
        for g, reference in zip(ours, their_grads, strict=True):
            assert_same(g.array, reference.numpy(), 1e-10, 1e-10)

    at_samples(row, check)
