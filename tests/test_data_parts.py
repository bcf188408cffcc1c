"""Datasets, samplers and collating, compared with PyTorch's where both do the same."""

import collections
import enum
import pickle
import threading
import warnings
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd
import nn.data as ours
from autograd.random import drawing_from

theirs = pytest.importorskip("torch", reason="compares with PyTorch: pip install 'magtape[peers]'").utils.data
torch = pytest.importorskip("torch")


def plain(value):
    if isinstance(value, (autograd.Tensor, torch.Tensor)):
        return [str(value.dtype).rpartition(".")[2], tuple(value.shape), value.tolist()]
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(*map(plain, value)) if hasattr(value, "_fields") else type(value)(map(plain, value))
    return value


def outcome(function):
    """Return what a function returns, or the type of what it raises."""
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return plain(function()), [(each.category, str(each.message)) for each in caught]
    except Exception as error:
        return type(error)


def agree(function):
    """Assert that both libraries give the same: `function` is called with (data module, tensor function)."""
    expected = outcome(lambda: function(theirs, torch.tensor))
    assert outcome(lambda: function(ours, autograd.tensor)) == expected
    return expected


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
        lambda t: [1, None], lambda t: [1.5, None], lambda t: [1, [2]], lambda t: [True, "x"], lambda t: [1.5, [2.5]],
        lambda t: [t([1]), t([2.5])], lambda t: [t(1), t(2.5)], lambda t: [t([True]), t([3])],
        lambda t: [np.int64([1]), np.float32([2.5])], lambda t: [np.uint8([1]), np.int8([-1])],
        lambda t: [np.float16([1]), np.int64([2])], lambda t: [np.zeros(1, "M8[D]")], lambda t: [np.zeros(1, ">f4")],
        lambda t: [np.datetime64("2026-01-01")], lambda t: [np.zeros(1, "f4,f4")], lambda t: [np.zeros(1, object)],
    ],
)  # fmt: skip
def test_samples_of_different_types_are_promoted_or_refused_as_in_pytorch(batch):
    agree(lambda data, tensor: data.default_collate(batch(tensor)))


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([b"a"]), np.str_("a"), np.zeros(1, "M8[D]"), np.zeros(1, ">f4")])
def test_what_is_no_number_is_converted_or_refused_as_in_pytorch(value):
    agree(lambda data, tensor: data.default_convert([value, 3]))


def test_arrays_of_objects_stay():
    value = np.array([None, "a"])
    assert ours.default_convert(value) is value


def test_collated_tensors_keep_their_gradients():
    x = autograd.tensor([1.0, 2.0], requires_grad=True)
    (batch,) = ours.DataLoader([x * 2, x * 3], batch_size=2)
    batch.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


# -- datasets ---------------------------------------------------------------------------------------------------------


class TheirCount(theirs.IterableDataset):
    def __iter__(self):
        return iter(range(3))

    def __len__(self):
        return 3


class OurCount(ours.IterableDataset):
    __iter__, __len__ = TheirCount.__iter__, TheirCount.__len__


def count_of(data):
    return (TheirCount if data is theirs else OurCount)()


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


# -- the loader -------------------------------------------------------------------------------------------------------


@given(
    st.integers(0, 12),
    st.one_of(st.none(), st.integers(1, 5)),
    st.sampled_from(["plain", "drop_last", "sampler", "batch_sampler", "iterable", "iterable drop_last"]),
)
def test_batches_and_lengths_as_pytorchs(count, batch_size, how):
    class Iterated:
        def __iter__(self):
            return iter(range(count))

        def __len__(self):
            return count

    def use(data, tensor):
        options = {"batch_size": batch_size, "drop_last": "drop_last" in how}
        if how == "sampler":
            options["sampler"] = range(count - 1, -1, -2)
        if how == "batch_sampler":
            options = {"batch_sampler": [[i, 0] for i in range(count)]}
        base = data.IterableDataset if "iterable" in how else data.Dataset
        kind = Iterated if "iterable" in how else type("Squares", (Iterated,), {"__getitem__": lambda self, i: i * i})
        dataset = type("Drawn", (kind, base), {})()
        loader = data.DataLoader(dataset, **options)
        return [len(loader), list(loader), list(loader)]

    agree(use)


@pytest.mark.parametrize(
    "options",
    [
        {"num_workers": -1},
        {"timeout": -1},
        {"prefetch_factor": 2},
        {"persistent_workers": True},
        {"num_workers": 1, "prefetch_factor": -1},
        {"batch_size": 0},
        {"batch_size": None, "drop_last": True},
        {"shuffle": True, "sampler": [1]},
        {"batch_sampler": [[1]], "batch_size": 2},
        {"batch_sampler": [[1]], "shuffle": True},
        {"batch_sampler": [[1]], "drop_last": True},
        {"multiprocessing_context": "fork"},
        {"num_workers": 1, "multiprocessing_context": "other"},
        {"num_workers": 1, "multiprocessing_context": 3},
        {"no_such_option": 3},
        {"iterable": True, "shuffle": True},
        {"iterable": True, "sampler": [1]},
        {"iterable": True, "batch_sampler": [[1]]},
        {"iterable": True, "shuffle": False},
        {"pin_memory": False, "in_order": False, "worker_init_fn": print},
    ],
)
def test_wrong_options_raise_as_pytorch(options):
    def use(data, tensor):
        kwargs = {name: value for name, value in options.items() if name != "iterable"}
        data.DataLoader(count_of(data) if "iterable" in options else [1, 2], **kwargs)

    agree(use)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"workers": "greenlets"}, ValueError, "should be 'processes' or 'threads', got 'greenlets'"),
        ({"num_workers": 2.0}, TypeError, "num_workers should be an integer, got float"),
        ({"timeout": 3}, ValueError, "timeout option needs num_workers > 0"),
        ({"num_workers": 1, "prefetch_factor": 0}, ValueError, "prefetch_factor should be a positive integer, got 0"),
        (
            {"num_workers": 1, "workers": "threads", "multiprocessing_context": "fork"},
            ValueError,
            "only be used with worker processes",
        ),
    ],
)
def test_options_of_our_own_are_checked(options, error, message):
    with pytest.raises(error, match=message):
        ours.DataLoader([1, 2], **options)


def test_pinned_memory_warns_as_pytorch_without_an_accelerator():
    with pytest.warns(UserWarning, match="no accelerator is found"):
        iter(ours.DataLoader([1], pin_memory=True))


@pytest.mark.parametrize("name", ["batch_size", "sampler", "batch_sampler", "drop_last", "dataset"])
def test_what_makes_the_batches_cannot_be_changed_later(name):
    agree(lambda data, tensor: setattr(data.DataLoader([1]), name, 2))


@pytest.mark.parametrize("indices", [["b", "a"], [("b",), ("a",)], [None, "a"]])
def test_subsets_may_be_of_keys_of_any_kind(indices):
    samples = {"a": 1, "b": 2, ("a",): 3, ("b",): 4, None: 5}
    agree(lambda data, tensor: list(data.DataLoader(data.Subset(samples, indices), 2)))


class Restarting:
    """Iterates over itself, and begins again when it is asked once more."""

    def __iter__(self):
        self.at = 0
        return self

    def __next__(self):
        self.at = (self.at + 1) % 6
        if self.at == 0:
            raise StopIteration
        return self.at


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 2}, {"batch_size": 2, "drop_last": True}, {"batch_size": 5}, {"batch_size": 9}, {"batch_size": None}],
)
@pytest.mark.parametrize("workers", [{}, {"num_workers": 1, "workers": "threads", "prefetch_factor": 4}])
def test_an_iterator_that_has_ended_is_not_asked_again(options, workers):
    def use(data, tensor):
        dataset = type("Restarts", (Restarting, data.IterableDataset), {})()
        return list(islice(data.DataLoader(dataset, **options, **(workers if data is ours else {})), 20))

    agree(use)


def test_getitems_fetches_a_whole_batch():
    class Whole(ours.Dataset):
        def __len__(self):
            return 5

        def __getitems__(self, indices):
            return [("together", len(indices), index) for index in indices]

    batches = list(ours.DataLoader(Whole(), 3))
    assert [batch[0] for batch in batches] == [("together",) * 3, ("together",) * 2]
    assert next(iter(ours.DataLoader(ours.Subset(Whole(), [4, 1]), 2)))[2].tolist() == [4, 1]


def test_errors_of_a_dataset_reach_the_caller_and_the_loop_can_go_on():
    class Broken(ours.Dataset):
        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index == 1:
                raise StopIteration
            return index

    iterator = iter(ours.DataLoader(Broken()))
    assert next(iterator).tolist() == [0]
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        next(iterator)
    assert next(iterator).tolist() == [2]
    assert list(iterator) == []


def test_a_batch_whose_fetching_was_interrupted_is_fetched_again():
    class Interrupted(ours.Dataset):
        interrupts = [1]

        def __len__(self):
            return 3

        def __getitem__(self, index):
            if index in self.interrupts:
                self.interrupts.remove(index)
                raise KeyboardInterrupt
            return index

    iterator = iter(ours.DataLoader(Interrupted()))
    assert next(iterator).tolist() == [0]
    with pytest.raises(KeyboardInterrupt):
        next(iterator)
    assert [batch.tolist() for batch in iterator] == [[1], [2]]


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
