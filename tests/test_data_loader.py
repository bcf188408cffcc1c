"""The loader without workers, compared with PyTorch's where both do the same."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nn.data as ours
from tests.data_peers import Restarting, agree, count_of


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


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 2},
        {"batch_size": 2, "drop_last": True},
        {"batch_size": 5},
        {"batch_size": 9},
        {"batch_size": None},
    ],
)
@pytest.mark.parametrize("workers", [{}, {"num_workers": 1, "workers": "threads", "prefetch_factor": 4}])
def test_iterators_are_begun_once_and_not_asked_again_when_they_have_ended(options, workers):
    def use(data, tensor):
        dataset = type("Restarts", (Restarting, data.IterableDataset), {})(5)
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
