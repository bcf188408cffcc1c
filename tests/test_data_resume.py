"""Loaders that go on in the middle of an epoch, exactly."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as torch
from nn.data import (
    BatchSampler,
    DataLoader,
    IterableDataset,
    RandomSampler,
    Sampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    transforms,
)
from tests import worker_datasets as data
from tests.worker_datasets import plain


def saved(state):
    """Return a state as it comes back from a file."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file)


def assert_resumes_anywhere(make, stops=None):
    """Assert that a loader stopped behind each batch, and another that loads its state, yield what one yields alone.

    The epoch stopped in is the first or, to find samplers moved on, the second.
    """
    torch.manual_seed(3)
    loader = make()
    whole = [[plain(batch) for batch in loader] for _ in range(3)]
    for stop in range(len(whole[0]) + 1) if stops is None else stops:
        earlier = stop % 2
        torch.manual_seed(3)
        loader = make()
        for _ in range(earlier):
            list(loader)
        iterator = iter(loader)
        first = [plain(next(iterator)) for _ in range(stop)]
        state, rng = saved(loader.state_dict()), saved(torch.get_rng_state())
        del iterator, loader
        torch.manual_seed(99)
        loader = make()
        loader.load_state_dict(state)
        assert plain(loader.state_dict()) == plain(state)
        torch.set_rng_state(rng)
        found = [first + [plain(batch) for batch in loader]]
        found += [[plain(batch) for batch in loader] for _ in range(2 - earlier)]
        assert found == whole[earlier:], f"stopped behind batch {stop}"


@given(
    st.integers(0, 13),
    st.integers(1, 5),
    st.booleans(),
    st.booleans(),
    st.sampled_from([{}, {"num_workers": 2}, {"num_workers": 3, "persistent_workers": True, "prefetch_factor": 3}]),
)
def test_a_map_resumes_behind_any_batch(count, batch_size, shuffle, drop_last, options):
    if options:
        options = {**options, "workers": "threads"}
    dataset = data.Numbered(count)
    assert_resumes_anywhere(
        lambda: DataLoader(dataset, batch_size, shuffle=shuffle and count > 0, drop_last=drop_last, **options)
    )


@pytest.mark.parametrize("options", [{}, {"persistent_workers": True}])
def test_a_map_in_processes_resumes(options):
    make = lambda: DataLoader(data.Numbered(20), 3, shuffle=True, num_workers=2, **options)  # noqa: E731
    assert_resumes_anywhere(make, stops=[0, 3, 7])


def test_tensors_that_are_sliced_resume():
    dataset = TensorDataset(torch.arange(20), torch.arange(20) * 2.0)
    assert_resumes_anywhere(lambda: DataLoader(dataset, 3, shuffle=True))


class OwnSampler(Sampler):
    """Draws as it goes, from a generator of its own."""

    def __init__(self):
        self.generator = torch.Generator().manual_seed(5)

    def __iter__(self):
        for _ in range(9):
            yield int(torch.randint(0, 20, (1,), generator=self.generator))


class Countdown(Sampler):
    """Has a state of its own, and no length."""

    def __init__(self):
        self.start = 20

    def __iter__(self):
        self.start -= 1
        return iter(range(self.start, 5, -1))

    def state_dict(self):
        return {"start": self.start}

    def load_state_dict(self, state):
        self.start = state["start"]


class DrawsFromDefault(Sampler):
    def __iter__(self):
        for _ in range(9):
            yield int(torch.randint(0, 20, (1,)))


def generator():
    return torch.Generator().manual_seed(11)


@pytest.mark.parametrize(
    "options",
    [
        lambda: {"sampler": RandomSampler(range(20), replacement=True, num_samples=15, generator=generator())},
        lambda: {"sampler": WeightedRandomSampler([1.0, 2.0] * 10, 15)},
        lambda: {"sampler": SubsetRandomSampler(range(3, 17), generator=generator())},
        lambda: {"sampler": OwnSampler()},
        lambda: {"sampler": DrawsFromDefault()},
        lambda: {"sampler": Countdown()},
        lambda: {"batch_sampler": BatchSampler(OwnSampler(), 4, False)},
        lambda: {"batch_sampler": BatchSampler(RandomSampler(range(20)), 4, False)},
        lambda: {"shuffle": True, "generator": generator()},
        lambda: {"shuffle": True, "batch_size": None},
    ],
)
@pytest.mark.parametrize("workers", [0, 2])
def test_samplers_of_all_kinds_resume(options, workers):
    def make():
        return DataLoader(data.Numbered(20), num_workers=workers, workers="threads", **options())

    assert_resumes_anywhere(make, stops=[0, 1, 3])


@pytest.mark.parametrize(
    "dataset", [data.Share(17, every=3), data.Share(5, every=5), data.Lengths(5, 1, 6)], ids=["even", "one", "uneven"]
)
@pytest.mark.parametrize("batch_size", [1, 4, None])
@pytest.mark.parametrize("workers", [0, 2, 3])
def test_an_iterable_without_a_state_is_passed_over(dataset, batch_size, workers):
    assert_resumes_anywhere(lambda: DataLoader(dataset, batch_size, num_workers=workers, workers="threads"))


def test_an_iterable_in_processes_resumes():
    make = lambda: DataLoader(data.Share(17, every=3), 2, num_workers=2)  # noqa: E731
    assert_resumes_anywhere(make, stops=[1, 6])


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "workers": "threads"}], ids=["alone", "threads"])
def test_an_iterable_that_shuffles_as_it_goes_resumes(options):
    assert_resumes_anywhere(lambda: DataLoader(data.Shuffled(14), 3, **options))


def test_an_iterable_in_processes_may_shuffle_with_any_numbers():
    dataset = data.Shuffled(14, everything=True)
    make = lambda: DataLoader(dataset, 3, num_workers=2, persistent_workers=True)  # noqa: E731
    assert_resumes_anywhere(make, stops=[3, 4])


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "workers": "threads"}, {"num_workers": 2}])
def test_an_iterable_with_a_state_reads_nothing_again(options):
    def make():
        return DataLoader(data.Stateful(9), 2, **options)

    whole = [plain(batch[0]) for batch in make()]
    for stop in (1, 4, len(whole)):
        loader = make()
        iterator = iter(loader)
        first = [plain(next(iterator)[0]) for _ in range(stop)]
        state = saved(loader.state_dict())
        del iterator
        loader = make()
        loader.load_state_dict(state)
        rest = [plain(batch) for batch in loader]
        assert first + [batch[0] for batch in rest] == whole
        if rest:
            assert rest[0][1][0] == 1  # the first sample it read


class StatefulIterator(IterableDataset):
    """The iterator has the state, not the dataset."""

    def __iter__(self):
        return Letters()


class Letters:
    def __init__(self):
        self.at = 0

    def __iter__(self):
        return self

    def __next__(self):
        self.at += 1
        if self.at > 8:
            raise StopIteration
        return "abcdefgh"[self.at - 1]

    def state_dict(self):
        return {"at": self.at}

    def load_state_dict(self, state):
        self.at = state["at"]


def test_an_iterators_state_goes_before_the_datasets():
    assert_resumes_anywhere(lambda: DataLoader(StatefulIterator(), 3))


def test_out_of_order_every_batch_still_comes_once(tmp_path):
    def make():
        return DataLoader(data.SlowFirst(tmp_path), 1, num_workers=2, workers="threads", in_order=False)

    loader = make()
    iterator = iter(loader)
    first = [int(next(iterator)) for _ in range(3)]
    state = saved(loader.state_dict())
    assert state["position"]["ahead"] == first == [1, 3, 4]
    loader = make()
    loader.load_state_dict(state)
    assert sorted(first + [int(batch) for batch in loader]) == list(range(8))


def test_only_batches_that_were_yielded_count():
    loader = DataLoader(data.Numbered(40), 2, num_workers=2, workers="threads", prefetch_factor=4)
    iterator = iter(loader)
    next(iterator)
    assert loader.state_dict()["position"]["yielded"] == 1


def test_a_state_may_be_saved_after_the_loop_was_left_and_resumed_from_twice():
    torch.manual_seed(0)
    loader = DataLoader(data.Numbered(12), 2, shuffle=True)
    whole = [plain(batch) for batch in loader]
    torch.manual_seed(0)
    for number, _ in enumerate(loader):
        if number == 1:
            break
    state = loader.state_dict()
    for _ in range(2):
        loader.load_state_dict(state)
        assert [plain(batch) for batch in loader] == whole[2:]


def test_a_state_of_a_finished_epoch_begins_the_next():
    loader = DataLoader(data.Numbered(12), 5, shuffle=True, generator=generator())
    list(loader)
    state = loader.state_dict()
    second = [plain(batch) for batch in loader]
    other = DataLoader(data.Numbered(12), 5, shuffle=True, generator=torch.Generator())
    other.load_state_dict(state)
    assert [plain(batch) for batch in other] == second


def test_the_number_of_workers_may_change_where_a_dataset_is_indexed():
    torch.manual_seed(0)
    whole = [plain(batch) for batch in DataLoader(data.Numbered(20), 3, shuffle=True)]
    torch.manual_seed(0)
    loader = DataLoader(data.Numbered(20), 3, shuffle=True, num_workers=3, workers="threads")
    iterator = iter(loader)
    first = [plain(next(iterator)) for _ in range(2)]
    other = DataLoader(data.Numbered(20), 3, shuffle=True)
    other.load_state_dict(loader.state_dict())
    assert first + [plain(batch) for batch in other] == whole


def test_each_batch_comes_from_the_worker_it_would_have_come_from():
    def who(loader):
        return [int(batch[0]) for batch in loader]

    loader = DataLoader(data.Who(), num_workers=3, workers="threads")
    whole = who(loader)
    iterator = iter(loader)
    first = [int(next(iterator)[0]) for _ in range(4)]
    loader.load_state_dict(loader.state_dict())
    assert first + who(loader) == whole == [0, 1, 2, 0, 1, 2, 0, 1]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "expected a dict with"),
        (None, "expected a dict with"),
        (DataLoader(data.Numbered(4), 2).state_dict(), "saved with batch_size=2, this loader has 1"),
    ],
)
def test_a_state_of_something_else_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        DataLoader(data.Numbered(4)).load_state_dict(state)


def test_a_state_of_another_kind_of_dataset_or_other_shares_is_refused():
    iterable = DataLoader(data.Share(9), num_workers=2, workers="threads")
    iterator = iter(iterable)
    next(iterator)
    state = iterable.state_dict()
    with pytest.raises(ValueError, match="an iterable one, this loader's dataset is one that is indexed"):
        DataLoader(data.Numbered(9)).load_state_dict(state)
    with pytest.raises(ValueError, match="the state had 2 and this loader has 0"):
        DataLoader(data.Share(9)).load_state_dict(state)


@pytest.mark.parametrize("options", [{}, {"num_workers": 2, "workers": "threads"}], ids=["alone", "threads"])
def test_transforms_of_batches_go_on(options):
    dataset = TensorDataset(torch.arange(10.0).reshape(10, 1, 1, 1).expand(10, 1, 4, 4).clone(), torch.arange(10))
    transform = transforms.Compose([transforms.RandomCrop(3, padding=1), transforms.MixUp(num_classes=10)])
    assert_resumes_anywhere(
        lambda: DataLoader(dataset, batch_size=3, shuffle=True, batch_transform=transform, **options)
    )


def test_transforms_of_an_iterables_batches_go_on():
    assert_resumes_anywhere(lambda: DataLoader(data.Share(8), batch_size=3, batch_transform=data.draw_and_add))
