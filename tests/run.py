"""Run the whole suite: python -m tests.run [pytest options]. `make test` does.

Four passes, for what one process cannot show: the whole suite on one thread in two processes; the table of
primitives on two threads; the kernels with every index checked, in vectors half as wide where the CPU has wider
ones; the table and the engine on small cases without the JIT.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import llvmlite.binding as llvm

TABLE = ["tests/test_ops.py"]
ENGINE = ["tests/test_engine_tape.py", "tests/test_engine_views.py", "tests/test_engine_function.py"]
KERNELS = [*sorted(map(str, Path("tests").glob("test_kernels_*.py"))), "tests/test_guard_pages.py"]
CHECKED = {"TEST_THREADS": "1", "HYPOTHESIS_PROFILE": "small", "NUMBA_BOUNDSCHECK": "1"}
if llvm.get_host_cpu_features().get("avx512f"):
    CHECKED |= {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ""}  # AVX2; by default the features are the host's

PASSES = {
    "one thread": ({"TEST_THREADS": "1"}, ["-n", "2", "--dist", "worksteal"]),
    "two threads": ({"TEST_THREADS": "2", "HYPOTHESIS_PROFILE": "small"}, TABLE),
    "indices checked": (CHECKED, ["-n", "2", "--dist", "worksteal", *KERNELS]),
    "without the JIT": ({"NUMBA_DISABLE_JIT": "1", "HYPOTHESIS_PROFILE": "small"}, ["-n", "2", *TABLE, *ENGINE]),
}


def main() -> None:
    """Run every pass; stop at the first that fails."""
    for name, (environment, arguments) in PASSES.items():
        print(f"== {name} ==", flush=True)
        begin = time.perf_counter()
        command = [sys.executable, "-m", "pytest", *arguments, *sys.argv[1:]]
        status = subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
        print(f"== {name}: {time.perf_counter() - begin:.0f} s ==", flush=True)
        if status:
            raise SystemExit(status)


if __name__ == "__main__":
    main()
