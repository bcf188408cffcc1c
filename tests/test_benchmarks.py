"""The benchmarks run, agree with PyTorch, and print a table."""

import importlib.util
import subprocess
import sys

import pytest

from benchmarks.cases import CASES


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", [case.name for case in CASES] + ["startup"])
def test_each_benchmark_runs_and_the_results_agree(name):
    done = run(name, "--threads", "1", "--rounds", "1", "--seconds", "0.01")
    assert done.returncode == 0, done.stderr
    row = done.stdout.strip().splitlines()[-1].split()
    assert row[0].startswith(name)
    with_peer = importlib.util.find_spec("torch") is not None
    assert len(row) == (7 if with_peer else 4)
    assert all(float(cell) >= 0 for cell in row[1:])
    assert float(row[2]) > 0


def test_an_unknown_name_lists_the_known_ones():
    done = run("missing")
    assert done.returncode == 1
    assert "overhead/chain" in done.stderr
