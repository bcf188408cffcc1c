"""Threads: none may spin for a core that others need, neither those of NumPy's BLAS nor idle ones of our own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PRELUDE = """
    import os, time
    import numpy as np
    import autograd as torch
    import nn
    import nn.functional as F

    torch.set_num_threads(1)

    def others():
        "Nanoseconds that the threads beside this one have run."
        tasks = [task for task in os.listdir("/proc/self/task") if int(task) != os.getpid()]
        return sum(int(open(f"/proc/self/task/{task}/schedstat").read().split()[0]) for task in tasks)

    def seconds_of_others(work):
        time.sleep(0.5)  # until threads that were started or woken before are asleep
        before = others()
        work()
        time.sleep(0.1)
        return (others() - before) * 1e-9

    def conv_net():
        net = nn.Sequential(nn.Conv2d(3, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3136, 10))
        images, labels = torch.randn(128, 3, 32, 32), torch.arange(128) % 10
        return lambda: F.cross_entropy(net(images), labels).backward()

    def regression():
        net = nn.Sequential(nn.Linear(300, 300), nn.Tanh(), nn.Linear(300, 200)).double()
        x, y = torch.randn(256, 300, dtype=torch.float64), torch.randn(256, 200, dtype=torch.float64)

        def step():
            F.mse_loss(net(x), y).backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)

        return step

    def one_filter():
        x, w = torch.randn(4096, 300), torch.randn(300, requires_grad=True)
        return lambda: F.linear(x, w).sum().backward()

    def product():
        x = np.ones((500, 500), np.float32)
        return lambda: np.dot(x, x)
"""


def seconds_of_others(work: str) -> float:
    """Return how long threads beside Python's ran during three calls of a piece of work."""
    program = f"""
    step = {work}()
    step()
    print(seconds_of_others(lambda: [step() for _ in range(3)]))
    """
    code = textwrap.dedent(PRELUDE) + textwrap.dedent(program)
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the time a thread has run is read from /proc")
@pytest.mark.parametrize("work", ["conv_net", "regression", "one_filter"])
def test_training_wakes_no_threads_of_blas(work: str) -> None:
    if seconds_of_others("product") < 1e-3:
        pytest.skip("NumPy's BLAS has no threads here")
    assert seconds_of_others(work) < 1e-3


def openmp_settings(**environment: str) -> str:
    """Return what GNU OpenMP says of its settings in a process that starts the pool."""
    code = "from ops.kernels import threads; print(threads.start_pool())"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GOMP_", "OMP_"))}
    environment = {**kept, "OMP_DISPLAY_ENV": "verbose", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    if done.stdout != "omp\n" or "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip(f"the threading layer is {done.stdout.strip()}, not GNU OpenMP")
    return done.stderr


def test_idle_threads_sleep_soon() -> None:
    assert "GOMP_SPINCOUNT = '3000'" in openmp_settings()


def test_waiting_as_the_user_says() -> None:
    assert "GOMP_SPINCOUNT = '77'" in openmp_settings(GOMP_SPINCOUNT="77")
    assert "GOMP_SPINCOUNT = '0'" in openmp_settings(OMP_WAIT_POLICY="passive")


def test_child_processes_get_no_settings_of_ours() -> None:
    code = "import os, ops.kernels.threads; print([name for name in os.environ if name.startswith('GOMP_')])"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GOMP_")}
    done = subprocess.run([sys.executable, "-c", code], env=kept, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
