"""Freed memory is kept for the next arrays, up to a limit, and given back on request."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import autograd as torch
from autograd import memory

MB = 2**20

pytestmark = pytest.mark.skipif(memory._malloc is None, reason="malloc is not glibc's")


def run(program: str, **environment: str) -> list[int]:
    """Run a program in a fresh process, return the numbers it prints."""
    prelude = """
        import resource
        import numpy as np
        import autograd as torch
        from autograd import memory
        MB = 2**20
        def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        def resident(): return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
        def step(sizes):
            arrays = [np.ones(size * MB, np.uint8) for size in sizes]
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_"))}
    code = textwrap.dedent(prelude) + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", code], env={**kept, **environment}, capture_output=True, text=True, check=True
    )
    return [int(word) for word in done.stdout.split()]


STEPS = """
    step([8, 8, 8, 40])
    before = faults()
    for _ in range(10):
        step([8, 8, 8, 40])
    print(faults() - before)
"""


def test_steps_after_the_first_take_no_new_pages() -> None:
    assert run(STEPS)[0] < 200  # 64 MB are 16384 pages, or 32 huge ones, per step


@pytest.mark.parametrize("name", ["MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_"])
def test_settings_of_the_user_stand(name: str) -> None:
    value = "65536" if name == "MALLOC_MMAP_MAX_" else "100000"
    assert run(STEPS, **{name: value})[0] > 300


def test_empty_cache_gives_memory_back() -> None:
    program = """
        step([50, 50])
        print(resident())
        torch.empty_cache()
        print(resident())
    """
    kept, released = run(program)
    assert kept - released > 90 * MB


def test_what_is_kept_at_the_end_of_the_heap_is_bounded() -> None:
    program = """
        memory.LIMIT = 20 * MB
        memory.keep_freed_memory()
        step([30, 30])
        print(memory.memory_stats().kept)
    """
    assert run(program)[0] < 25 * MB


def test_live_arrays_share_no_memory_with_recycled_ones() -> None:
    program = """
        live = np.arange(8 * MB // 8)
        for value in range(5):
            step([8, 8])
            other = np.full(8 * MB // 8, value)
        print(int((live == np.arange(8 * MB // 8)).all()), int(np.shares_memory(live, other)))
    """
    assert run(program) == [1, 0]


def test_statistics_follow_allocations() -> None:
    program = """
        before = memory.memory_allocated()
        x = np.ones(64 * MB, np.uint8)
        print(memory.memory_allocated() - before)
        del x
        print(memory.memory_allocated() - before, memory.memory_reserved() - memory.memory_allocated())
    """
    taken, left, kept = run(program)
    assert taken >= 64 * MB > left + 60 * MB
    assert kept >= 60 * MB


def test_addresses_that_were_never_used_are_not_reserved() -> None:
    program = """
        print(memory.memory_reserved())
        step([30])
        torch.empty_cache()
        print(memory.memory_reserved())
    """
    assert max(run(program)) < 30 * MB


@pytest.mark.skipif(
    not Path("/sys/kernel/mm/transparent_hugepage").exists(), reason="the system has no transparent huge pages"
)
@pytest.mark.skipif(memory._addresses_count(), reason="addresses count as memory here: the heap is not extended")
@pytest.mark.parametrize(
    ("before", "huge"),
    [
        ("", True),
        ("step([8]); torch.empty_cache()", True),
        ("memory._addresses_count = lambda: True; torch.empty_cache()", False),
    ],
    ids=["at first", "after empty_cache", "addresses count as memory"],
)
def test_huge_pages_are_asked_for_where_arrays_lie(before: str, huge: bool) -> None:
    program = f"""
        {before}
        arrays = [np.ones(MB, np.uint8) for _ in range(8)]  # NumPy asks for huge pages from 4 MB on
        asked = 0
        for line in open("/proc/self/smaps"):
            first, *rest = line.split()
            if not first.endswith(":"):
                low, high = (int(end, 16) for end in first.split("-"))
            elif first == "VmFlags:" and "hg" in rest:
                asked += sum(low <= x.ctypes.data < high for x in arrays)
        print(asked)
    """
    (asked,) = run(program)
    assert asked >= 6 if huge else asked == 0  # the first few may lie before the part that is extended


def test_summary() -> None:
    text = torch.memory_summary()
    assert re.fullmatch(r"(Allocated|Reserved|Kept for new arrays) +[\d.]+ (B|[KMG]iB)", text.splitlines()[0])
    assert len(text.splitlines()) == 3
    assert [memory._readable(n) for n in (5, 2048, 3 * MB, 5 * 2**30)] == ["5 B", "2.0 KiB", "3.0 MiB", "5.0 GiB"]
