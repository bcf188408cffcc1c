"""The benchmarks run, refuse wrong results, and summarise a group as they say."""

import importlib.util
import re
import signal
import subprocess
import sys

import numpy as np
import pytest

import autograd
from benchmarks import machine, measure, process_measures, store, worker
from benchmarks.__main__ import DESCRIPTION
from benchmarks.case import Case, Work
from benchmarks.catalogue import catalogue, select
from benchmarks.measure import difference
from benchmarks.peers import MAGTAPE, Peer, Variant, choose, parse
from benchmarks.report import geometric_mean, quantity, row_text, speed_ups, summary
from benchmarks.row import Plan, Row

WITH_TORCH = importlib.util.find_spec("torch") is not None


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "name", ["kernels/linear/64x512x10/", "models/train/mlp-b8", "overhead/chain/1e3", "data/loader/arrays"]
)
def test_a_benchmark_runs_and_the_results_agree(name):
    done = run(name, "--seconds", "0.01")
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(name)]
    assert rows
    for row in rows:
        assert "REFUSED" not in row
        assert float(row[2]) > 0
    assert ("geometric mean" in done.stdout) == WITH_TORCH


def test_the_beginning_of_a_name_selects_a_group():
    names = [case.name for case in select(["kernels/conv3x3/"])]
    assert len(names) == 8 * 2 * 3
    assert "kernels/conv3x3/n8-c64-56x56/grad_weight" in names
    assert len(select([])) == len(catalogue())


def test_an_unknown_name_lists_the_groups():
    with pytest.raises(SystemExit, match=r"nothing begins with 'missing'; there are .*kernels/conv3x3"):
        select(["missing"])


def test_the_help_names_every_suite():
    for suite in {case.suite for case in catalogue().values()}:
        assert re.search(rf"^  {suite} ", DESCRIPTION, re.MULTILINE), suite


@pytest.mark.parametrize(
    ("arguments", "option", "command"),
    [
        (["roofline", "kernels/linear", "--variants", "eager"], "--variants", "roofline"),
        (["roofline", "kernels/linear", "--save", "run.json"], "--save", "roofline"),
        (["table", "run.json", "--jax-python", "python"], "--jax-python", "table"),
        (["overhead", "--plot", "plot.png"], "--plot", "comparison"),
    ],
)
def test_an_option_that_makes_no_difference_is_refused(arguments, option, command):
    done = run(*arguments)
    assert done.returncode == 1
    assert done.stderr == f"benchmarks: {option} makes no difference to a {command}\n"


def test_threads_that_cannot_be_had_are_refused():
    done = run("overhead", "--threads", "1000")
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks: --threads 1000: expected 1 to ")


def test_what_busy_cores_falsify_is_not_stored(tmp_path):
    done = run("overhead", "--busy", "1", "--save", str(tmp_path / "run.json"))
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks: --save keeps runs on an idle machine")


def test_a_run_is_not_measured_where_it_cannot_be_stored(tmp_path):
    (tmp_path / "run.json").write_text("[]")
    done = run("overhead/chain/1e3", "--seconds", "0.01", "--save", str(tmp_path / "run.json"))
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.endswith("run.json is not a stored run; --save writes one\n")


def test_other_programs_run_only_meanwhile():
    with machine.busy(2) as programs:
        assert [program.poll() for program in programs] == [None, None]
    assert [program.poll() for program in programs] == [-signal.SIGKILL] * 2


def row(name, ours, eager, channels_last, refused=""):
    times = {"magtape": ours, "eager": eager, "channels_last": channels_last}
    return Row(name, 1, median=times, minimum=times, first=times, refused=refused)


def test_the_ratio_is_to_the_best_variant():
    assert row("a", 1.0, 4.0, 2.0).best == "channels_last"
    assert row("a", 1.0, 4.0, 2.0).ratio() == 2.0


def test_a_group_comes_to_the_geometric_mean_and_the_least_of_its_ratios():
    assert geometric_mean([1, 2, 4]) == pytest.approx(2)
    text = summary("group", [row("a", 1.0, 2.0, 9.0), row("b", 2.0, 16.0, 17.0), row("c", 1.0, 1.0, 1.0, "wrong")])
    assert text == "group: geometric mean 4.00, minimum 2.00 (a), of 2; 1 REFUSED"


def test_the_difference_is_relative_and_nan_is_never_right():
    assert difference(np.array([3.0, 4.0]), np.array([3.0, 4.5])) == pytest.approx(0.5 / 29.25**0.5)
    assert difference(np.array([1e-9]), np.array([2e-9]), floor=1e-3) == pytest.approx(1e-6)
    assert not difference(np.array([np.nan, 1.0]), np.array([np.nan, 1.0])) <= 1.0


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.9994, "999 ms"), (0.9996, "1000 ms"), (1.0, "1 s"), (12345.0, "12345 s")]
)
def test_figures_have_three_digits_and_no_exponent(seconds, text):
    assert quantity(seconds) == text


def test_a_refused_row_shows_no_times():
    assert row_text(row("a", 1.0, 2.0, 3.0, refused="result 0 differs")).endswith("REFUSED: result 0 differs")


class StubPeer:
    """A peer whose results are `answers[variant]`, and which needs as many seconds as its name is long."""

    answers = {}

    def __init__(self, variant, *_options):
        self.variant, self.results, self.asked = variant, f"{variant.name}.npz", []

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        pass

    def ask(self, what, **_arguments):
        self.asked.append(what)
        return {"first": 1.0, "step": 1.0, "samples": [float(len(self.variant.name))], "bytes": 100}


class FailingPeer(StubPeer):
    """A peer that fails when it is asked to `fails`."""

    fails = ""

    def ask(self, what, **arguments):
        if what == self.fails:
            raise ChildProcessError(f"{self.variant.name}: ZeroDivisionError: by nothing")
        return super().ask(what, **arguments)


@pytest.fixture
def stubs(monkeypatch):
    monkeypatch.setattr(measure, "Peer", StubPeer)
    monkeypatch.setattr(measure, "read", lambda peer: StubPeer.answers[peer.variant.name])
    monkeypatch.setattr(measure, "REST", 0)
    return [MAGTAPE, Variant("pytorch")]


def one_row(variants):
    (row,) = measure.measure([Case("kernels/group/case", lambda library: None)], variants, Plan())
    return row


def test_equal_results_are_timed(stubs):
    StubPeer.answers = {name: [np.arange(5.0)] for name in ("magtape", "eager")}
    assert one_row(stubs).ratio() == pytest.approx(len("eager") / len("magtape"))


@pytest.mark.parametrize("wrong", [np.arange(5.0) + 0.01, np.full(5, np.nan), np.arange(6.0)])
def test_a_wrong_result_is_refused_and_not_timed(stubs, wrong):
    StubPeer.answers = {"magtape": [wrong], "eager": [np.arange(5.0)]}
    row = one_row(stubs)
    assert "eager's" in row.refused
    assert not row.median
    assert row.ratio() is None


@pytest.mark.parametrize("what", ["prepare", "warm_up", "time"])
def test_a_case_whose_step_fails_is_refused_with_the_reason(stubs, monkeypatch, what):
    StubPeer.answers = {name: [np.arange(5.0)] for name in ("magtape", "eager")}
    monkeypatch.setattr(measure, "Peer", FailingPeer)
    monkeypatch.setattr(FailingPeer, "fails", what)
    row = one_row(stubs)
    assert row.refused == "magtape: ZeroDivisionError: by nothing"
    assert not row.median


def test_a_peer_says_what_went_wrong_and_that_it_ended(tmp_path):
    with Peer(MAGTAPE, 1) as peer:
        with pytest.raises(ChildProcessError, match="magtape: KeyError: 'missing'"):
            peer.ask("prepare", case="missing", results=str(tmp_path / "results.npz"))
        peer.process.kill()
        peer.process.wait()
        with pytest.raises(ChildProcessError, match="magtape: "):
            peer.ask("warm_up")


def test_a_case_does_not_repeat_its_steps_as_often_as_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(worker, "find", lambda name: name)
    measurements = worker.Measurements("magtape", frozenset(), autograd.get_num_threads())
    measurements.build = lambda name: Work(lambda: None, list)
    measurements.prepare("fast", str(tmp_path / "results.npz"))
    measurements.warm_up()
    assert measurements.calls > 1
    measurements.prepare("slow", str(tmp_path / "results.npz"))
    assert measurements.calls == 1


def test_a_stored_run_comes_back_and_renders_as_a_table(tmp_path):
    path = tmp_path / "run.json"
    store.save(path, [row("models/train/net", 1e-3, 3e-3, 2e-3), row("kernels/conv/a", 1.0, 9.0, 9.0)])
    two = row("models/train/net", 1e-3, 4e-3, 5e-3)
    two.threads = 2
    store.save(path, [two, row("kernels/conv/b", 1.0, 4.0, 4.0)])
    described, rows = store.load(path)
    assert described["cores"] >= 1
    assert len(rows) == 4
    lines = store.table(path).splitlines()
    assert "| benchmark | magtape | best PyTorch | variant | ratio, 1 thread | ratio, 2 threads | JAX |" in lines
    assert "| models/train/net | 1 ms | 2 ms | channels_last | 2.00 | 4.00 |  |" in lines
    assert "| kernels/conv (2 cases) |  |  |  | 6.00 (≥ 4.00) |  |  |" in lines


def test_the_table_sums_what_compiling_takes(tmp_path):
    figures = [{"magtape": seconds} for seconds in (0.5, 1.5)]
    rows = [Row(f"startup/compile/kernel {i}", 1, each, each, each) for i, each in enumerate(figures)]
    store.save(tmp_path / "run.json", rows)
    assert store.table(tmp_path / "run.json").endswith("| startup/compile, all 2 | 2 s |  |  |  |  |")


def test_a_file_that_is_no_stored_run_is_refused(tmp_path):
    path = tmp_path / "run.json"
    path.write_text("[]")
    with pytest.raises(SystemExit, match="is not a stored run"):
        store.table(path)


def test_the_speed_up_compares_thread_counts():
    two = row("models/train/net", 1.0, 5.0, 5.0)
    two.threads = 2
    lines = speed_ups([row("models/train/net", 2.0, 5.0, 6.0), two])
    assert lines == ["models/train, 2 threads against 1: magtape 2.00 times as fast, PyTorch 1.00"]


def test_a_speed_up_is_of_times_measured_with_both_counts():
    rows = [row(name, 1.0, 2.0, 2.0) for name in ("models/train/a", "models/train/b", *["memory/train/net"] * 2)]
    rows[1].threads = rows[3].threads = 2
    rows[2].unit = rows[3].unit = "B"
    assert speed_ups(rows) == []


def test_variants_are_named_by_their_features():
    assert parse("fused+channels_last").name == "channels_last+fused"
    assert parse("eager").name == "eager"
    with pytest.raises(SystemExit, match="no variant 'faster'"):
        parse("faster")


def test_a_peer_that_is_missing_is_left_out_with_a_reason():
    variants, reasons = choose(["jax"], "/missing/python")
    assert variants == [MAGTAPE]
    assert reasons == ["JAX left out: it is not installed; pip install jax, or name a Python by --jax-python"]


def test_memory_is_measured_of_whole_processes(monkeypatch):
    monkeypatch.setattr(process_measures, "Peer", StubPeer)
    case = Case("memory/train/net", lambda library: None, kind="memory")
    (measured,) = measure.measure([case], [MAGTAPE, Variant("pytorch")], Plan())
    assert measured.median == {"magtape": 100, "eager": 100}
    assert measured.unit == "B"


@pytest.mark.parametrize(("kind", "processes"), [("import", 2), ("warm", 2), ("cold", 1), ("memory", 1)])
def test_what_is_to_be_warm_is_run_once_before(monkeypatch, kind, processes):
    started = []

    class Counted(StubPeer):
        import_seconds = 1.0

        def __enter__(self):
            started.append(self.variant.name)
            return self

    monkeypatch.setattr(process_measures, "Peer", Counted)
    case = Case("startup/net", lambda library: None, kind=kind)
    (measured,) = measure.measure([case], [MAGTAPE, Variant("pytorch")], Plan())
    assert started == ["magtape", "eager"] * processes
    assert set(measured.median) == {"magtape", "eager"}


def test_a_process_that_fails_is_refused_with_the_reason(monkeypatch):
    monkeypatch.setattr(process_measures, "Peer", FailingPeer)
    monkeypatch.setattr(FailingPeer, "fails", "peak")
    case = Case("memory/train/net", lambda library: None, kind="memory")
    (measured,) = measure.measure([case], [MAGTAPE], Plan())
    assert measured.refused == "magtape: ZeroDivisionError: by nothing"
