"""Hypothesis profiles, and a guard that fails a test which leaves global state behind."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings

from autograd import dtypes, grad_mode
from ops.kernels import precision, threads

# A kernel's first call compiles it: no deadline, and slow draws are no fault of the strategy.
_COMMON = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
    "phases": [phase for phase in Phase if phase is not Phase.explain],
}

settings.register_profile("ci", derandomize=True, max_examples=10, print_blob=True, **_COMMON)
settings.register_profile("small", derandomize=True, max_examples=2, print_blob=True, **_COMMON)
settings.register_profile("long", max_examples=300, print_blob=True, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

if "TEST_THREADS" in os.environ:
    threads.set_num_threads(int(os.environ["TEST_THREADS"]))


def _global_state() -> dict[str, Any]:
    return {
        "grad mode": grad_mode.is_grad_enabled(),
        "default dtype": dtypes.get_default_dtype(),
        "number of threads": threads.get_num_threads(),
        "precision of float32": precision.get_float32_matmul_precision(),
        "NumPy's error state": np.geterr(),
    }


@pytest.fixture(autouse=True)
def no_global_state_left_behind() -> Iterator[None]:
    """Fail a test that leaves the grad mode, default dtype, threads, precision or NumPy's error state changed."""
    before = _global_state()
    yield
    after = _global_state()
    dtypes.set_default_dtype(before["default dtype"])
    threads.set_num_threads(before["number of threads"])
    precision.set_float32_matmul_precision(before["precision of float32"])
    np.seterr(**before["NumPy's error state"])
    grad_mode.recording.set(before["grad mode"])
    changed = [f"{name}: {before[name]} -> {after[name]}" for name in before if before[name] != after[name]]
    if changed:
        pytest.fail("the test left global state changed: " + "; ".join(changed))


@pytest.fixture
def torch() -> Any:
    """PyTorch, where it is installed; the test is skipped where it is not."""
    return pytest.importorskip("torch")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many calls were compared with PyTorch's, and how many functions and modules differentiated twice."""
    passed = terminalreporter.getreports("passed")
    properties = [pair for report in passed for pair in report.user_properties]
    for name, text in (
        ("conformance", "conformance: {calls} calls in {rows} rows equal PyTorch's"),
        ("functions differentiated twice", "gradgradcheck: {rows} functions, in {calls} calls"),
        ("modules differentiated twice", "gradgradcheck: {rows} modules, in {calls} forms"),
    ):
        counts = [value for key, value in properties if key == name]
        if counts:
            terminalreporter.write_line(text.format(calls=sum(counts), rows=len(counts)))
