"""No kernel touches memory outside its arrays: see tests/guarded.py."""

import os
import subprocess
import sys

import numpy as np
import pytest

from tests import guarded

pytestmark = pytest.mark.skipif(os.name != "posix", reason="guard pages are made with mprotect")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", *arguments] if len(arguments) == 1 else [sys.executable, "-m", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("side", ["after", "before"])
@pytest.mark.parametrize("group", guarded.GROUPS)
def test_kernels_stay_inside_their_arrays(group, side):
    done = run("tests.guarded", side, group)
    assert done.returncode == 0, "\n".join([*done.stdout.splitlines()[-2:], done.stderr])
    assert done.stdout.endswith("all inside\n")


@pytest.mark.parametrize(("side", "offset"), [("after", 4), ("before", -4)])
def test_the_guard_catches_one_element_outside(side, offset):
    program = f"""
import ctypes
import numpy as np
from tests.guarded import guarded
x = guarded((1000,), np.float32, {side!r})
inside = x.ctypes.data + (3996 if {offset} > 0 else 0)
ctypes.c_float.from_address(inside).value
print("inside", flush=True)
ctypes.c_float.from_address(inside + {offset}).value
print("outside")
"""
    done = run(program)
    assert done.returncode < 0
    assert done.stdout == "inside\n"


def test_guarded_arrays_are_ordinary_otherwise():
    x = guarded.guarded((3, 4), np.float64, "after")
    assert x.shape == (3, 4)
    assert x.flags.carray
    assert not x.any()
