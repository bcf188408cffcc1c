"""What is saved comes back as it was, shared memory included."""

import io
from collections import Counter, OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

import autograd
import nn
from autograd import Tensor, tensor
from tests.saved import DTYPES, same, through_file

# -- values -----------------------------------------------------------------------------------------------------------

VALUES = {
    "numbers": [0, -1, 2**63 - 1, 2**63, 2**64, -(10**5000), 1.5, -0.0, 5e-324, float("inf"), float("-inf")],
    "not a number": float("nan"),
    "flags": [True, False, None],
    "complex": complex(-0.0, float("inf")),
    "text": ["", "a\0b", "\ud800", "é\n\"'", "☃" * 1000],
    "bytes": [b"", b"\0\xff" * 500, bytearray(b"abc"), bytearray()],
    "empty": [[], (), {}, set(), frozenset(), OrderedDict(), Counter(), np.empty((0, 3)), tensor([])],
    "nested": {"a": ({"b": [(1,), {"c": OrderedDict([("z", 1), ("a", (2, [3]))])}]},)},
    "keys": {3: "a", "3": "b", 2.5: "c", True: "d", None: "e", b"k": "f", (1, ("x", None)): "g"},
    "sets": [{1, "a", None}, frozenset([(1, 2), b"x"])],
    "counter": Counter({10: 2, 20: 1}),
    "types": [autograd.float16, autograd.bool, np.dtype("float32"), np.dtype(">i4"), autograd.device("cpu")],
    "size": autograd.Size([2, 0, 3]),
    "scalars": [
        np.float64(1.5),
        np.float32("nan"),
        np.int8(-3),
        np.bool_(True),
        np.uint64(2**64 - 1),
        np.complex64(1j),
    ],
    "arrays": [np.arange(6, dtype=">f8").reshape(2, 3), np.array(3), np.array([1j]), np.arange(3, dtype=np.uint16)],
    "same bytes": [b"once"] * 2,
}


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back_as_they_were(name):
    assert same(through_file(VALUES[name]), VALUES[name])
    assert same(through_file({"x": [VALUES[name]]}), {"x": [VALUES[name]]})


@pytest.mark.parametrize("dtype", DTYPES)
@given(data=st.data())
def test_tensors_of_all_types_and_layouts_come_back(dtype, data):
    array = data.draw(npst.arrays(dtype, npst.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4)))
    order = data.draw(st.permutations(range(array.ndim)))
    saved = Tensor(array.transpose(order))
    loaded = through_file(saved)
    assert same(loaded, saved)
    if array.size > 1:
        assert all(n == 1 or s == t for n, s, t in zip(saved.shape, loaded.stride(), saved.stride(), strict=True))
    assert loaded.array.flags.writeable


leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.binary(max_size=3)
keys = st.text(max_size=3) | st.integers(-(2**63), 2**63) | st.booleans() | st.binary(max_size=2)


@given(
    st.recursive(
        leaves,
        lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )
)
def test_drawn_values_come_back(value):
    assert same(through_file(value), value)


def test_paths_that_spell_alike_do_not_meet():
    value = {"a/b": tensor([1.0]), "a": {"b": tensor([2.0])}, 3: tensor([3.0]), "3": tensor([4.0]), "": tensor([5.0])}
    value |= {"__outline__": tensor([6.0]), "x\0y": tensor([7.0]), "x": tensor([8.0]), "n" * 70000: tensor([9.0])}
    assert same(through_file(value), value)


def test_requires_grad_and_parameters_are_kept():
    loaded = through_file({"p": nn.Parameter(tensor([1.0])), "q": nn.Parameter(tensor([1]), requires_grad=False)})
    assert type(loaded["p"]) is type(loaded["q"]) is nn.Parameter
    assert (loaded["p"].requires_grad, loaded["q"].requires_grad) == (True, False)
    x = tensor([1.0], requires_grad=True)
    computed = through_file(x * 2)
    assert computed.requires_grad
    assert computed.is_leaf


def test_the_versions_in_a_state_dict_are_kept():
    state = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).state_dict()
    loaded = through_file({"model": state})["model"]
    assert type(loaded) is OrderedDict
    assert loaded._metadata == state._metadata
    assert loaded._metadata["1"] == {"version": 2}


def test_generators_go_on_from_their_state():
    generator = autograd.Generator().manual_seed(3)
    autograd.rand(7, generator=generator)
    state = through_file(generator.get_state())
    expected = autograd.rand(3, generator=generator).tolist()
    assert autograd.rand(3, generator=autograd.Generator().set_state(state)).tolist() == expected
    with pytest.raises(TypeError, match="rng is a Generator, which cannot be saved; save its get_state"):
        through_file({"rng": generator})


REFUSED = [
    ({"a": [object()]}, TypeError, "save: a/0 is a object, which cannot be saved"),
    ({"net": nn.Linear(1, 1)}, TypeError, r"save: net is a Linear, which cannot be saved; save its state_dict\(\)"),
    ({"a": np.array(["x"])}, TypeError, "save: a is an array of <U1"),
    ({"a": np.array([None])}, TypeError, "save: a is an array of object"),
    ({"a": np.ma.array([1])}, TypeError, "save: a is a MaskedArray"),
    ({"a": Path("x")}, TypeError, "save: a is a PosixPath"),
    ({(1, object()): 1}, TypeError, "save: the dict has a key of type tuple"),
    ({2**70: 1}, TypeError, "has a key of type int; keys must be strings, numbers of 64 bits"),
    (lambda x: x, TypeError, "save: the object is a function"),
    (type("Kind", (dict,), {})(), TypeError, "save: the object is a Kind"),
]


@pytest.mark.parametrize(("value", "error", "message"), REFUSED)
def test_what_cannot_be_saved_is_named(value, error, message):
    with pytest.raises(error, match=message):
        through_file(value)


def test_what_holds_itself_is_refused():
    value: list[Any] = []
    value.append({"again": value})
    with pytest.raises(ValueError, match="nested more than 100 deep, or holds itself"):
        through_file(value)


# -- shared memory ----------------------------------------------------------------------------------------------------


def test_two_names_of_one_tensor_share_memory_and_versions():
    x = autograd.arange(1000.0)
    file = io.BytesIO()
    autograd.save({"a": x, "b": x.detach(), "c": x.numpy()}, file)
    assert len(file.getvalue()) < 2 * 4000
    file.seek(0)
    loaded = autograd.load(file)
    loaded["a"].add_(1)
    assert same(loaded["b"], x + 1)
    assert same(loaded["c"], (x + 1).numpy())
    assert loaded["b"]._version == loaded["a"]._version == 1


def test_views_of_one_memory_share_it():
    x = autograd.arange(24).reshape(4, 6)
    loaded = through_file({"rows": x[1:3], "columns": x[:, ::2], "all": x.t(), "apart": tensor([1])})
    assert same(loaded["rows"], x[1:3])
    assert same(loaded["columns"], x[:, ::2])
    assert same(loaded["all"], x.t())
    loaded["all"].zero_()
    assert not loaded["rows"].any()
    assert not loaded["columns"].any()
    assert loaded["apart"].item() == 1


def test_a_view_is_saved_without_the_rest_of_its_memory():
    file = io.BytesIO()
    autograd.save(autograd.zeros(100000)[5:10], file)
    assert len(file.getvalue()) < 2000


def test_an_expanded_tensor_is_saved_as_what_it_repeats():
    x = tensor([[1.0], [2.0]]).expand(2, 1000000)
    file = io.BytesIO()
    autograd.save(x, file)
    assert len(file.getvalue()) < 2000
    file.seek(0)
    loaded = autograd.load(file)
    assert loaded.shape == x.shape
    assert loaded[:, -1].tolist() == [1.0, 2.0]


def test_arrays_that_run_backwards_or_apart_come_back():
    x = np.arange(10.0)
    value = {"x": x, "back": x[::-1], "odd": np.frombuffer(x.tobytes()[1:73], np.float64)}
    assert same(through_file(value), value)
