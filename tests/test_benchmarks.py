"""The benchmarks run, refuse wrong results, and summarise a group as they say."""

import importlib.util
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.catalogue import catalogue, select
from benchmarks.measure import Row, difference
from benchmarks.report import geometric_mean, row_text, summary

WITH_TORCH = importlib.util.find_spec("torch") is not None


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["kernels/linear/64x512x10/", "models/train/mlp-b8", "overhead/chain/1000"])
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


def test_threads_that_cannot_be_had_are_refused():
    done = run("overhead", "--threads", "1000")
    assert done.returncode == 1
    assert done.stderr.startswith("benchmarks: --threads 1000: expected 1 to ")


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


def test_a_refused_row_shows_no_times():
    assert row_text(row("a", 1.0, 2.0, 3.0, refused="result 0 differs")).endswith("REFUSED: result 0 differs")
