"""Loaders with workers, in threads and in processes, yield the batches that a loader without any does."""

import gc
import multiprocessing
import os
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as torch
from nn.data import DataLoader, TensorDataset, get_worker_info
from tests import worker_datasets as data
from tests.worker_datasets import plain

KINDS = [{"workers": "threads"}, {"workers": "processes"}]
forks = pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")  # from Python 3.12 on
both = pytest.mark.parametrize("kind", KINDS, ids=["threads", "processes"])


def workers_alive():
    processes = [each.name for each in multiprocessing.active_children()]
    return [name for name in [*processes, *(each.name for each in threading.enumerate())] if "DataLoader" in name]


@pytest.fixture(autouse=True)
def no_worker_left_behind():
    yield
    gc.collect()
    assert workers_alive() == []


def epoch(dataset, seed=0, **options):
    torch.manual_seed(seed)
    return [plain(batch) for batch in DataLoader(dataset, **options)]


@forks
@pytest.mark.parametrize(
    "options",
    [
        {"workers": "threads"},
        {"num_workers": 3, "prefetch_factor": 1, "workers": "threads"},
        {},
        {"num_workers": 3, "prefetch_factor": 5},
        {"num_workers": 1, "multiprocessing_context": "spawn"},
        {"num_workers": 2, "multiprocessing_context": multiprocessing.get_context("fork")},
    ],
)
def test_batches_and_what_datasets_draw_do_not_depend_on_the_workers(options):
    common = {"batch_size": 4, "shuffle": True}
    alone = epoch(data.Numbered(22), **common)
    assert epoch(data.Numbered(22), **common, **{"num_workers": 2, **options}) == alone
    drawn = [value for batch in alone for pair in batch["drawn"] for value in pair]
    assert len(set(drawn)) == 44
    assert epoch(data.Numbered(22), seed=1, **common) != alone


@given(st.integers(0, 30), st.integers(1, 9), st.booleans(), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_any_number_of_threads_yields_what_none_does(count, batch_size, drop_last, workers, prefetch, iterable):
    dataset = data.Range() if iterable else data.Numbered(count)
    options = {"batch_size": batch_size, "drop_last": drop_last}
    loader = DataLoader(dataset, **options, num_workers=workers, workers="threads", prefetch_factor=prefetch)
    found = [plain(batch) for batch in loader]
    if iterable:  # each worker has all of it
        assert sorted(map(str, found)) == sorted(map(str, epoch(dataset, **options) * workers))
    else:
        torch.manual_seed(0)
        assert [batch["index"] for batch in found] == [batch["index"] for batch in epoch(dataset, **options)]


@both
def test_an_iterable_is_shared_out_and_read_by_turns(kind):
    def firsts(**options):
        return [batch[0] for batch in epoch(data.Share(11, every=2), batch_size=2, **options)]

    assert firsts() == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]
    assert firsts(num_workers=3, **kind) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]
    uneven = [batch[0] for batch in epoch(data.Share(11, every=4), batch_size=2, num_workers=2, **kind)]
    assert uneven == [[0, 1], [4, 5], [2, 3], [6, 7], [8, 9], [10]]


@both
def test_pytorch_yields_an_iterable_in_the_same_order(torch, kind):
    class TorchRange(torch.utils.data.IterableDataset):
        def __iter__(self):
            info = torch.utils.data.get_worker_info()
            return iter(range(7) if info.id == 0 else range(10, 12))

    expected = [b.tolist() for b in torch.utils.data.DataLoader(TorchRange(), 2, num_workers=2)]
    ours = DataLoader(data.Range(), 2, num_workers=2, worker_init_fn=data.uneven_range, **kind)
    assert [batch.tolist() for batch in ours] == expected


@both
def test_the_init_function_may_set_what_its_worker_iterates_over(kind):
    batches = epoch(data.Range(), batch_size=3, num_workers=2, worker_init_fn=data.split_range, **kind)
    assert batches == [[0, 1, 2], [6, 7, 8], [3, 4, 5], [9, 10, 11]]
    assert (data.Range.start, data.Range.stop) == (0, 12)


def test_processes_are_told_who_they_are():
    ids, counts, processes, threads, _ = zip(*epoch(data.Who(), batch_size=None, num_workers=2), strict=True)
    assert ids == (0, 1) * 4
    assert set(counts) == {2}
    assert len(set(processes)) == 2
    assert os.getpid() not in processes
    assert set(threads) == {1}
    assert get_worker_info() is None


def test_worker_processes_seed_python_and_numpy_at_each_batch():
    three, two = (epoch(data.GlobalDraws(), batch_size=2, num_workers=count) for count in (3, 2))
    assert three == two
    assert len({value for batch in two for column in batch for value in column}) == 24
    assert epoch(data.GlobalDraws(), seed=1, batch_size=2, num_workers=2) != two


def test_init_functions_draw_what_their_worker_is_seeded_with():
    def drawn(seed, **options):
        return epoch(data.FromInit(), seed, num_workers=2, worker_init_fn=data.draw_in_init, **options)

    batches = drawn(0)
    assert batches == drawn(0)
    assert batches[:2] == batches[2:]
    assert len({value for batch in [*batches[:2], *drawn(1)[:2]] for column in batch for value in column}) == 12
    assert [batch[2] for batch in drawn(0, workers="threads")] == [batch[2] for batch in batches]


@both
def test_what_is_drawn_by_datasets_leaves_the_programs_numbers_alone(kind):
    torch.manual_seed(0)
    list(DataLoader(data.Numbered(3)))
    expected = torch.rand(3).tolist()
    torch.manual_seed(0)
    list(DataLoader(data.Numbered(30), num_workers=2, **kind))
    assert torch.rand(3).tolist() == expected


@both
@pytest.mark.parametrize("persistent", [False, True])
def test_epochs_follow_one_another(kind, persistent):
    torch.manual_seed(0)
    alone = DataLoader(data.Numbered(9), 2, shuffle=True)
    expected = [[plain(batch) for batch in alone] for _ in range(3)]
    torch.manual_seed(0)
    loader = DataLoader(data.Numbered(9), 2, shuffle=True, num_workers=2, persistent_workers=persistent, **kind)
    assert [[plain(batch) for batch in loader] for _ in range(3)] == expected
    assert len(workers_alive()) == (2 if persistent else 0)


@both
def test_persistent_workers_drop_what_an_epoch_left_unread(kind):
    loader = DataLoader(data.Numbered(20), 2, num_workers=2, persistent_workers=True, **kind)
    first = iter(loader)
    next(first)
    pids = {each.pid for each in multiprocessing.active_children()}
    assert [batch["index"].tolist()[0] for batch in loader] == list(range(0, 20, 2))
    assert {each.pid for each in multiprocessing.active_children()} == pids
    with pytest.raises(RuntimeError, match="newer iterator"):
        next(first)


@both
def test_out_of_order_the_slow_worker_holds_nobody_up(kind, tmp_path):
    loader = DataLoader(data.SlowFirst(tmp_path), 1, num_workers=2, in_order=False, **kind)
    found = [int(batch) for batch in loader]
    assert sorted(found) == list(range(8))
    assert found[:3] == [1, 3, 4]


@both
def test_no_more_is_fetched_than_was_allowed(kind, tmp_path):
    loader = DataLoader(data.Marked(tmp_path), 1, num_workers=2, prefetch_factor=3, **kind)
    iterator = iter(loader)
    for taken in (1, 2, 3):
        next(iterator)
        time.sleep(0.3)
        assert taken <= len(list(tmp_path.iterdir())) <= taken + 6
    del iterator


def test_large_batches_come_through_shared_memory_and_belong_to_the_caller():
    batches = list(DataLoader(data.Numbered(6, width=50_000), 2, num_workers=2, prefetch_factor=1))
    for number, batch in enumerate(batches):  # all are still whole: the memory they came through is used again
        np.testing.assert_array_equal(batch["x"].numpy(), np.repeat([[2 * number], [2 * number + 1]], 50_000, axis=1))
        batch["x"].array[0, 0] = -1
    assert not any(name.startswith("batch") for name in os.listdir("/dev/shm"))


def test_a_pool_that_persists_prefetches_what_it_was_made_for():
    loader = DataLoader(data.Numbered(6), num_workers=1, prefetch_factor=1, persistent_workers=True)
    list(loader)
    loader.prefetch_factor = 6  # a worker has memory for as many batches as it could owe when it was started
    iterator = iter(loader)
    first = next(iterator)
    time.sleep(0.3)
    found = [batch["x"].numpy()[0, 0] for batch in (first, *iterator)]
    assert found == list(range(6))


@both
def test_empty_batches_and_tensors_pass(kind):
    dataset = TensorDataset(torch.zeros(4, 0), torch.arange(4))
    shapes = [[tuple(each.shape) for each in batch] for batch in DataLoader(dataset, 2, num_workers=1, **kind)]
    assert shapes == [[(2, 0), (2,)]] * 2
    assert list(DataLoader(data.Numbered(0), 2, num_workers=2, **kind)) == []


@both
@pytest.mark.parametrize("count", [1, 2, 3])
def test_batches_are_transformed_alike_by_any_workers(kind, count):
    options = {"batch_size": 3, "shuffle": True, "batch_transform": data.draw_and_add}
    for dataset in (TensorDataset(torch.zeros(10, 2), torch.arange(10)), data.Pairs(10)):
        alone = epoch(dataset, **options)
        assert alone == epoch(dataset, **options, num_workers=count, **kind)
        drawn = [row[0] for images, _ in alone for row in images]
        assert len(set(drawn)) == 10
        assert sorted(label for _, labels in alone for label in labels) == list(range(10))


def test_a_transform_of_batches_is_a_function():
    with pytest.raises(TypeError, match="DataLoader: batch_transform should be callable, got int"):
        DataLoader(data.Pairs(3), batch_transform=3)
