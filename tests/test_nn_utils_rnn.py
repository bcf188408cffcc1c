"""Padded and packed sequences, against PyTorch's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import autograd
from autograd.tensor import Tensor
from nn.utils import rnn

LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=6)
DTYPES = st.sampled_from(["float32", "float64", "int64", "bool"])


def draw(*shape: int, dtype: str = "float64") -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 100, shape).astype(dtype)


def same(a: Any, b: Any) -> None:
    """Assert that tensors, or sequences of them, are PyTorch's."""
    assert (a is None) == (b is None)
    if isinstance(a, (tuple, list)):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    elif a is not None:
        assert a.array.dtype == b.numpy(force=True).dtype
        np.testing.assert_array_equal(a.array, b.numpy(force=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=LENGTHS, more=st.sampled_from([(), (2,), (2, 3)]), dtype=DTYPES, batch_first=st.booleans(),
       in_order=st.booleans(), total=st.sampled_from([None, 7]), value=st.sampled_from([0.0, 1.0]))  # fmt: skip
def test_packing_and_back(
    lengths: list[int], more: Any, dtype: str, batch_first: bool, in_order: bool, total: Any, value: float, torch: Any
) -> None:
    if in_order:
        lengths = sorted(lengths, reverse=True)
    sizes = (len(lengths), max(lengths)) if batch_first else (max(lengths), len(lengths))
    x = draw(*sizes, *more, dtype=dtype)
    options = {"batch_first": batch_first, "enforce_sorted": in_order}
    ours = rnn.pack_padded_sequence(Tensor(x), lengths, **options)
    theirs = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), torch.tensor(lengths), **options)
    if len(set(lengths)) == len(lengths) or in_order:
        same(ours, theirs)
    back = rnn.pad_packed_sequence(ours, batch_first, value, total)
    same(back, torch.nn.utils.rnn.pad_packed_sequence(theirs, batch_first, value, total))
    for each, length, b in zip(rnn.unpack_sequence(ours), lengths, range(len(lengths)), strict=True):
        np.testing.assert_array_equal(each.array, x[b, :length] if batch_first else x[:length, b])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=LENGTHS, dtype=DTYPES, batch_first=st.booleans(), side=st.sampled_from(["left", "right"]))
def test_padding_and_back(lengths: list[int], dtype: str, batch_first: bool, side: str, torch: Any) -> None:
    arrays = [draw(n, 3, dtype=dtype) for n in lengths]
    ours = rnn.pad_sequence([Tensor(a) for a in arrays], batch_first, 1, side)
    theirs = torch.nn.utils.rnn.pad_sequence([torch.tensor(a) for a in arrays], batch_first, 1, side)
    same(ours, theirs)
    if side == "right":
        for each, a in zip(rnn.unpad_sequence(ours, Tensor(np.array(lengths)), batch_first), arrays, strict=True):
            np.testing.assert_array_equal(each.array, a)
    if dtype == "float64":
        packed = rnn.pack_sequence([Tensor(a) for a in arrays], enforce_sorted=False)
        same(packed.batch_sizes, torch.nn.utils.rnn.pack_sequence([*map(torch.tensor, arrays)], False).batch_sizes)
        for each, a in zip(rnn.unpack_sequence(packed), arrays, strict=True):
            np.testing.assert_array_equal(each.array, a)


def test_gradients_flow_through_all_of_them(torch: Any) -> None:
    arrays = [draw(n, 2) for n in (2, 4, 1)]
    grads = []
    for library, make in ((rnn, Tensor), (torch.nn.utils.rnn, torch.tensor)):
        leaves = [make(a, requires_grad=True) for a in arrays]
        packed = library.pack_sequence(leaves, enforce_sorted=False)
        padded, _ = library.pad_packed_sequence(packed._replace(data=packed.data**2), total_length=5)
        (padded * make(draw(5, 3, 2))).sum().backward()
        grads.append([leaf.grad for leaf in leaves])
    same(*grads)


def test_packed_sequences_are_converted_as_their_data() -> None:
    packed = rnn.pack_sequence([Tensor(np.array([1.5, 2.0], np.float32)), Tensor(np.array([3.0], np.float32))])
    names = {
        "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16", "char": "int8",
        "byte": "uint8",
    }  # fmt: skip
    for method, dtype in names.items():
        converted = getattr(packed, method)()
        assert isinstance(converted, rnn.PackedSequence)
        assert converted.data.dtype == getattr(autograd, dtype)
        assert converted.batch_sizes is packed.batch_sizes
    assert packed.float() is packed
    assert packed.to(autograd.float32) is packed
    assert packed.cpu() is packed
    assert packed.is_cuda is False
    assert packed._fields == ("data", "batch_sizes", "sorted_indices", "unsorted_indices")


def test_the_order_back_follows_from_the_order() -> None:
    data, sizes = Tensor(np.arange(3.0)), Tensor(np.array([3]))
    packed = rnn.PackedSequence(data, sizes, Tensor(np.array([1, 2, 0])))
    np.testing.assert_array_equal(packed.unsorted_indices.array, [2, 0, 1])
    assert rnn.PackedSequence((data, sizes)).batch_sizes is sizes
    with pytest.raises(AssertionError, match="list or tuple of length 2"):
        rnn.PackedSequence(5)


A = Tensor(np.ones((4, 3, 2)))
ONES = [Tensor(np.ones(n)) for n in range(5)]
WRONG = [
    (
        lambda: rnn.pack_padded_sequence(A, [4, 2]),
        r"len\(lengths\)` to be equal to batch_size, but got 2 \(batch_size=3\)",
    ),
    (lambda: rnn.pack_padded_sequence(A, [2, 4, 1]), "must be sorted in decreasing order"),
    (lambda: rnn.pack_padded_sequence(A, [4, 2, 0]), "has to be greater than 0"),
    (lambda: rnn.pack_padded_sequence(A, [5, 2, 1]), "input has 4 steps, but 'lengths' has an element 5"),
    (lambda: rnn.pack_padded_sequence(A, Tensor(np.array([[4, 2, 1]]))), "should be a 1D CPU int64 tensor, but got 2D"),
    (lambda: rnn.pack_padded_sequence(Tensor(np.ones((4, 0, 2))), []), "Cannot pack empty tensors"),
    (lambda: rnn.pack_sequence([ONES[2], ONES[3]]), "must be sorted in decreasing order"),
    (lambda: rnn.pack_sequence([]), "empty list of sequences"),
    (lambda: rnn.pad_sequence(5), "Expected iterable for input sequences"),
    (lambda: rnn.pad_sequence(ONES, padding_side="top"), "one of left or right, but got top"),
    (lambda: rnn.pad_sequence([Tensor(np.ones((2, 3))), Tensor(np.ones((3, 2)))]), r"sequence 1 has shape \[3, 2\]"),
]


@pytest.mark.parametrize(("call", "message"), WRONG, ids=lambda value: value if isinstance(value, str) else "")
def test_wrong_arguments(call: Any, message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        call()


def test_wrong_types() -> None:
    with pytest.raises(TypeError, match="expected Tensor as element 0"):
        rnn.pad_sequence([1, 2])
    with pytest.raises(ValueError, match="total_length=2 and max sequence length being 4"):
        rnn.pad_packed_sequence(rnn.pack_sequence([ONES[4]]), total_length=2)
    with pytest.raises(IndexError):
        rnn.pack_padded_sequence(ONES[3], [3])
