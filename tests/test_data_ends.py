"""Loaders with workers when something goes wrong, and when they end: errors that say who, and nothing left behind."""

import contextlib
import multiprocessing
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from nn.data import DataLoader
from tests import worker_datasets as data
from tests.test_data_workers import both, forks, no_worker_left_behind, workers_alive  # noqa: F401  # a fixture


@both
@pytest.mark.parametrize(
    ("how", "kind_of_error", "text"),
    [
        ("key", KeyError, "no sample five"),
        ("os", FileNotFoundError, "no sample five"),
        ("stop", RuntimeError, "StopIteration"),
        ("named", Exception, "sample has 5"),
    ],
)
def test_an_error_comes_back_with_its_type_worker_and_traceback(kind, how, kind_of_error, text):
    iterator = iter(DataLoader(data.Failing(how), 2, num_workers=2, **kind))
    assert [next(iterator).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(kind_of_error, match=text) as caught:
        next(iterator)
    (note,) = caught.value.__notes__
    name = "process" if kind["workers"] == "processes" else "thread"
    assert re.match(rf"Caught \w+ in DataLoader worker {name} 0\.\nOriginal Traceback", note)
    assert "__getitem__" in note
    if how == "os":
        assert caught.value.errno == 2
    assert [batch.tolist() for batch in iterator] == [[6, 7]]  # the worker goes on


@both
def test_an_error_of_the_init_function_is_reported(kind):
    loader = DataLoader(data.Numbered(4), num_workers=2, worker_init_fn=data.failing_init, **kind)
    with pytest.raises(OSError, match="worker 0 has no disk"):
        next(iter(loader))


@pytest.mark.parametrize(
    ("how", "ending"), [("killed", "was killed by SIGKILL"), ("exit", "exited unexpectedly with exit code 3")]
)
def test_a_worker_that_dies_is_named(how, ending):
    iterator = iter(DataLoader(data.Failing(how), 2, num_workers=2))
    assert [next(iterator).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(RuntimeError, match=rf"DataLoader worker process 0 \(pid \d+\) {ending}"):
        next(iterator)
    with pytest.raises(RuntimeError, match="workers of this iterator are gone"):
        next(iterator)


def test_a_worker_killed_from_outside_is_noticed_and_the_loader_can_start_again():
    loader = DataLoader(data.Numbered(40, seconds=0.01), 2, num_workers=2, persistent_workers=True)
    iterator = iter(loader)
    next(iterator)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match="was killed by SIGKILL"):
        list(iterator)
    assert len(list(loader)) == 20


@both
def test_waiting_ends_after_the_timeout(kind):
    dataset = data.Numbered(2, seconds=0.6)
    iterator = iter(DataLoader(dataset, num_workers=1, timeout=0.05, **kind))
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0\.05 seconds"):
        next(iterator)
    end = time.monotonic() + 60
    found = None
    while found is None and time.monotonic() < end:
        with contextlib.suppress(RuntimeError):
            found = next(iterator)["index"].tolist()
    assert found == [0]  # nothing was lost


@forks
@pytest.mark.parametrize("what", ["dataset", "collate_fn", "worker_init_fn", "batch_transform"])
def test_what_cannot_be_sent_is_named(what):
    class Local(data.Numbered):
        pass

    options = {"dataset": Local(2) if what == "dataset" else data.Numbered(2), "num_workers": 1}
    if what != "dataset":
        options[what] = lambda each: each
    message = rf"DataLoader: {what} cannot be sent to worker processes: .*choose workers='threads'"
    with pytest.raises(pickle.PicklingError, match=message):
        iter(DataLoader(**options))
    assert len(list(DataLoader(**options, workers="threads"))) == 2
    assert len(list(DataLoader(**options, multiprocessing_context="fork"))) == 2


def test_what_cannot_be_received_is_named():
    with pytest.raises(ImportError, match="no such module in a worker") as caught:
        next(iter(DataLoader(data.NotHere(), num_workers=1)))
    assert "could not be made there" in caught.value.__notes__[0]
    with pytest.raises(pickle.PicklingError, match="a batch cannot be sent from a worker process"):
        next(iter(DataLoader(data.NoBatch(), num_workers=1, collate_fn=data.unpicklable)))


def test_a_batch_that_cannot_be_made_here_ends_the_workers():
    loader = DataLoader(data.NoBatch(), num_workers=1, collate_fn=data.not_for_the_caller, persistent_workers=True)
    iterator = iter(loader)
    assert next(iterator) == [0]
    with pytest.raises(ValueError, match="no such thing here"):
        next(iterator)
    with pytest.raises(RuntimeError, match="workers of this iterator are gone"):  # none is waited for in vain
        next(iterator)
    assert next(iter(loader)) == [0]


# -- ends -------------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("persistent", [False, True])
def test_leaving_a_loop_early_leaves_no_worker(kind, persistent):
    for batch in DataLoader(data.Numbered(100), num_workers=2, persistent_workers=persistent, **kind):
        assert batch["index"].tolist() == [0]
        break
    assert workers_alive() == []
    iterator = iter(DataLoader(data.Numbered(100), num_workers=2, persistent_workers=persistent, **kind))
    next(iterator)
    assert len(workers_alive()) == 2
    del iterator
    assert workers_alive() == []


@both
def test_a_pool_that_is_closed_fetches_at_most_the_batches_it_is_at(kind, tmp_path):
    iterator = iter(DataLoader(data.Marked(tmp_path, seconds=0.3), 1, num_workers=2, prefetch_factor=20, **kind))
    next(iterator)
    before = len(list(tmp_path.iterdir()))
    del iterator
    assert len(list(tmp_path.iterdir())) <= before + 4


PROGRAM = """
    import sys, time
    from nn.data import DataLoader
    from tests.worker_datasets import Numbered
    import multiprocessing

    def main():
        loader = DataLoader(Numbered(10000, seconds=0.01), num_workers=2, workers={workers!r}, persistent_workers=True)
        for number, batch in enumerate(loader):
            if number == 3:
                print(*[each.pid for each in multiprocessing.active_children()], flush=True)
                {then}

    if __name__ == "__main__":
        main()
"""


def start(tmp_path, then, workers="processes", guarded=True):
    text = textwrap.dedent(PROGRAM.format(then=then, workers=workers))
    path = tmp_path / "program.py"
    path.write_text(text if guarded else text.replace('if __name__ == "__main__":', "if True:"))
    return subprocess.Popen(
        [sys.executable, str(path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def gone(pids, seconds=30.0):
    end = time.monotonic() + seconds
    while any(os.path.exists(f"/proc/{pid}") for pid in pids) and time.monotonic() < end:
        time.sleep(0.02)
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")] == []


@pytest.mark.parametrize("how", ["kill -9", "Ctrl-C", "exit", "threads exit", "threads Ctrl-C"])
def test_a_program_that_ends_leaves_no_process_behind(tmp_path, how):
    then = {"exit": "return", "threads exit": "return"}.get(how, "pass")
    program = start(tmp_path, then, "threads" if "threads" in how else "processes")
    pids = [int(each) for each in program.stdout.readline().split()]
    assert len(pids) == (0 if "threads" in how else 2)
    if how == "kill -9":
        program.kill()
    if "Ctrl-C" in how:
        os.killpg(program.pid, signal.SIGINT)
    _, errors = program.communicate(timeout=60)
    expected = {"kill -9": -signal.SIGKILL, "Ctrl-C": -signal.SIGINT, "threads Ctrl-C": -signal.SIGINT}
    assert program.returncode == expected.get(how, 0), errors
    assert errors.count("Traceback") == (1 if "Ctrl-C" in how else 0), errors
    assert gone(pids)


def test_a_script_without_a_guard_is_told(tmp_path):
    program = start(tmp_path, "return", guarded=False)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 1
    assert "must do so below `if __name__ == '__main__':`" in errors
