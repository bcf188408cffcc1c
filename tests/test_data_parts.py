"""Datasets, samplers and collating, compared with PyTorch's where both do the same."""

import collections
import enum
import pickle
import threading
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn.data as ours
from autograd.random import drawing_from
from tests.data_peers import Restarting, agree, count_of

# -- collating --------------------------------------------------------------------------------------------------------

Point = collections.namedtuple("Point", ["x", "label"])

numbers = st.sampled_from([lambda t, i: i, lambda t, i: i / 2, lambda t, i: bool(i % 2), lambda t, i: f"s{i}",
                           lambda t, i: b"b", lambda t, i: t([i, 2 * i]), lambda t, i: t(i * 0.5),
                           lambda t, i: np.full((2, 1), i, np.int16), lambda t, i: np.float32(i)])  # fmt: skip
samples_made = st.recursive(
    numbers,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: lambda t, i: [part(t, i) for part in parts]),
        st.lists(inner, max_size=3).map(lambda parts: lambda t, i: tuple(part(t, i) for part in parts)),
        inner.map(lambda part: lambda t, i: {"a": part(t, i), "b": part(t, i + 1)}),
        inner.map(lambda part: lambda t, i: collections.OrderedDict(k=part(t, i))),
        inner.map(lambda part: lambda t, i: Point(part(t, i), "name")),
    ),
    max_leaves=6,
)


@given(samples_made, st.integers(1, 4))
def test_collating_and_converting_nested_samples_as_pytorch(sample, count):
    agree(lambda data, tensor: data.default_collate([sample(tensor, i) for i in range(count)]))
    agree(lambda data, tensor: data.default_convert([sample(tensor, i) for i in range(count)]))


@pytest.mark.parametrize(
    "batch",
    [
        lambda tensor: [object()],
        lambda tensor: [[1, 2], [1]],
        lambda tensor: [tensor([1.0]), tensor([1.0, 2.0])],
        lambda tensor: [np.array(["a"])],
        lambda tensor: [None],
        lambda tensor: [2**70],
        lambda tensor: [{"a": 1}, {"b": 1}],
    ],
)
def test_what_cannot_be_collated_raises_as_pytorch(batch):
    assert isinstance(agree(lambda data, tensor: data.default_collate(batch(tensor))), type)


class Animal(enum.IntEnum):
    CAT = 3
    DOG = 5


@pytest.mark.parametrize(
    "batch",
    [
        lambda t: [1, 2.5], lambda t: [True, 5], lambda t: [5, True], lambda t: [True, False], lambda t: [0.5, 1, True],
        lambda t: [False, 0.5], lambda t: [Animal.DOG, Animal.CAT], lambda t: [-1, 2**63], lambda t: [2**63],
        lambda t: [1, np.float32(2.5)], lambda t: [1, t(2)], lambda t: [1, np.int8(2)], lambda t: [0.5, np.int8(2)],
        lambda t: [1, None], lambda t: [1.5, "2"], lambda t: [1, [2]], lambda t: [True, "x"], lambda t: [1.5, [2.5]],
        lambda t: [t([1]), t([2.5])], lambda t: [t(1), t(2.5)], lambda t: [t([True]), t([3])],
        lambda t: [np.int64([1]), np.float32([2.5])], lambda t: [np.uint8([1]), np.int8([-1])],
        lambda t: [np.float16([1]), np.int64([2])], lambda t: [np.zeros(1, "M8[D]")], lambda t: [np.zeros(1, ">f4")],
        lambda t: [np.datetime64("2026-01-01")], lambda t: [np.zeros(1, "f4,f4")], lambda t: [np.zeros(1, object)],
    ],
)  # fmt: skip
def test_samples_of_different_types_are_promoted_or_refused_as_in_pytorch(batch):
    agree(lambda data, tensor: data.default_collate(batch(tensor)))


@pytest.mark.parametrize(
    "value", [np.array(["a"]), np.array([b"a"]), np.str_("a"), np.zeros(1, "M8[D]"), np.zeros(1, ">f4")]
)
def test_what_is_no_number_is_converted_or_refused_as_in_pytorch(value):
    agree(lambda data, tensor: data.default_convert([value, 3]))


def test_nothing_is_taken_for_nan():
    with pytest.raises(RuntimeError, match="NoneType"):
        ours.default_collate([1.5, None])


def test_arrays_of_objects_stay():
    value = np.array([None, "a"])
    assert ours.default_convert(value) is value


def test_collated_tensors_keep_their_gradients():
    x = autograd.tensor([1.0, 2.0], requires_grad=True)
    (batch,) = ours.DataLoader([x * 2, x * 3], batch_size=2)
    batch.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


# -- datasets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda d, t: d.TensorDataset(t([1, 2]), t([3.0, 4.0]))[1],
        lambda d, t: d.TensorDataset(t([1, 2]), t([3.0])),
        lambda d, t: d.StackDataset([1, 2], "ab")[1],
        lambda d, t: d.StackDataset(x=[1, 2], y="ab")[-1],
        lambda d, t: d.StackDataset(x=[1, 2], y="ab").__getitems__([1, 0]),
        lambda d, t: len(d.StackDataset([1, 2])),
        lambda d, t: d.StackDataset(),
        lambda d, t: d.StackDataset([1], y=[1]),
        lambda d, t: d.StackDataset([1], [1, 2]),
        lambda d, t: d.StackDataset(x=[1], y=[1, 2]),
        lambda d, t: [d.ConcatDataset([[1], [], [2, 3]])[i] for i in (0, 1, 2, -1, -3)],
        lambda d, t: d.ConcatDataset([[1], [2]])[2],
        lambda d, t: d.ConcatDataset([[1], [2]])[-3],
        lambda d, t: d.ConcatDataset([]),
        lambda d, t: d.ConcatDataset([count_of(d)]),
        lambda d, t: d.ConcatDataset([[1], [2, 3]]).cumulative_sizes,
        lambda d, t: list(count_of(d) + count_of(d)),
        lambda d, t: len(d.ChainDataset([count_of(d)] * 3)),
        lambda d, t: list(d.ChainDataset([[1]])),
        lambda d, t: len(d.ChainDataset([[1]])),
        lambda d, t: d.Subset([5, 6, 7], [2, 0])[1],
        lambda d, t: d.Subset([5, 6, 7], [2, 0]).__getitems__([0, 1]),
        lambda d, t: d.Subset([5, 6, 7], [2, 0])[2],
        lambda d, t: type("Half", (d.Subset,), {"__getitem__": lambda self, i: i})([1], [0]),
        lambda d, t: d.Dataset()[0],
        lambda d, t: iter(d.Sampler()),
        lambda d, t: len(d.Sampler()),
        lambda d, t: [len(p) for p in d.random_split(range(10), [0.3, 0.3, 0.4])],
        lambda d, t: [len(p) for p in d.random_split(range(3), [0.9, 0.05, 0.05])],
        lambda d, t: [len(p) for p in d.random_split(range(1), [0.5, 0.5])],
        lambda d, t: d.random_split(range(10), [0.5, 1.5, -1.0]),
        lambda d, t: [len(p) for p in d.random_split(range(10), np.float32([0.25, 0.75]))],
        lambda d, t: [len(p) for p in d.random_split(range(10), [1, 0])],
        lambda d, t: d.random_split(range(10), [5.7, 5.2]),
        lambda d, t: d.random_split(range(10), [5.5, 4.5]),
        lambda d, t: d.random_split(range(9), [0.33333, 0.33333, 0.33333]),
        lambda d, t: d.random_split(range(10), [3, 3]),
    ],
)
def test_datasets_do_as_pytorchs(use):
    agree(use)


def test_types_can_be_written_as_in_pytorch():
    class Typed(ours.Dataset[tuple[int, str]]):
        pass

    class Order(ours.Sampler[int]):
        pass

    assert issubclass(Typed, ours.Dataset)
    assert issubclass(Order, ours.Sampler)


# -- samplers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "use",
    [
        lambda d: list(d.SequentialSampler("abcd")),
        lambda d: len(d.SequentialSampler("abcd")),
        lambda d: sorted(d.RandomSampler("abcd")),
        lambda d: len(list(d.RandomSampler("abcd", num_samples=11))),
        lambda d: sorted(list(d.RandomSampler("abcd", num_samples=11))[:8]),
        lambda d: len(list(d.RandomSampler("abcd", replacement=True, num_samples=11))),
        lambda d: len(d.RandomSampler("abcd", num_samples=3)),
        lambda d: list(d.RandomSampler("")),
        lambda d: list(d.RandomSampler("ab", num_samples=0)),
        lambda d: len(list(d.RandomSampler("ab", num_samples=True))),
        lambda d: list(d.RandomSampler("ab", replacement=1)),
        lambda d: sorted(d.SubsetRandomSampler([7, 3, 5])),
        lambda d: len(d.SubsetRandomSampler([7, 3, 5])),
        lambda d: set(d.WeightedRandomSampler([0.0, 1.0, 0.0], 5)),
        lambda d: sorted(d.WeightedRandomSampler([1.0, 1.0, 0.0, 2.0], 3, replacement=False)),
        lambda d: len(d.WeightedRandomSampler([1.0], 5)),
        lambda d: list(d.WeightedRandomSampler([1.0, 0.0], 2, replacement=False)),
        lambda d: list(d.WeightedRandomSampler([-1.0, 2.0], 2)),
        lambda d: d.WeightedRandomSampler([[1.0]], 2),
        lambda d: d.WeightedRandomSampler([1.0], 0),
        lambda d: d.WeightedRandomSampler([1.0], 2, replacement=1),
        lambda d: list(d.BatchSampler(range(7), 3, False)),
        lambda d: list(d.BatchSampler(range(7), 3, True)),
        lambda d: [len(d.BatchSampler(range(7), 3, drop)) for drop in (False, True)],
        lambda d: list(islice(d.BatchSampler(Restarting(7), 3, True), 9)),
        lambda d: d.BatchSampler(range(7), 0, False),
        lambda d: d.BatchSampler(range(7), 3, 1),
        lambda d: len(d.BatchSampler(iter(range(7)), 3, False)),
    ],
)
def test_samplers_do_as_pytorchs(use):
    agree(lambda data, tensor: use(data))


def test_weights_and_replacement_give_the_probabilities():
    autograd.manual_seed(0)
    drawn = np.bincount(list(ours.WeightedRandomSampler([1.0, 3.0, 4.0], 80_000)), minlength=3) / 80_000
    np.testing.assert_allclose(drawn, [1 / 8, 3 / 8, 4 / 8], atol=0.01)
    drawn = np.bincount(list(ours.RandomSampler(range(4), True, 80_000)), minlength=4) / 80_000
    np.testing.assert_allclose(drawn, 1 / 4, atol=0.01)
    orders = {tuple(ours.RandomSampler(range(3))) for _ in range(100)}
    assert len(orders) == 6


def test_a_pass_takes_one_key_and_repeats_by_seed():
    generator = autograd.Generator().manual_seed(4)
    sampler = ours.RandomSampler(range(50), generator=generator)
    passes = [list(sampler) for _ in range(2)]
    assert passes[0] != passes[1]
    left = generator.key()
    generator.manual_seed(4)
    interleaved = [iter(sampler) for _ in range(2)]
    assert [list(each) for each in interleaved] == passes
    assert generator.key() == left


# -- the generator in the default one's place -------------------------------------------------------------------------


def test_draws_come_from_the_generator_put_in_place_and_only_there():
    autograd.manual_seed(1)
    expected = autograd.rand(3).tolist()
    autograd.manual_seed(2)
    state = autograd.get_rng_state().tolist()
    with drawing_from(autograd.Generator()):
        autograd.manual_seed(1)
        assert autograd.initial_seed() == 1
        assert autograd.rand(3).tolist() == expected
        elsewhere = []
        thread = threading.Thread(target=lambda: elsewhere.append(autograd.get_rng_state().tolist()))
        thread.start()
        thread.join()
        assert elsewhere == [state]
    assert autograd.get_rng_state().tolist() == state
    assert autograd.initial_seed() == 2
    assert pickle.loads(pickle.dumps(autograd.default_generator)) is autograd.default_generator
