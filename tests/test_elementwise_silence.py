"""NumPy's warnings: none from ops, in any thread; the user's own settings are left alone."""

import contextvars
import threading
import warnings

import numpy as np
import pytest

import ops  # noqa: F401  # binds the operators
from autograd.elementwise import silent, silently
from autograd.tensor import Tensor


def overflow() -> Tensor:
    return Tensor(np.full(4, 1e308)) * Tensor(np.full(4, 1e308))


def test_ops_do_not_warn_and_numpy_still_does():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(overflow().array).all()
        with pytest.raises(RuntimeWarning, match="overflow"):
            np.multiply(np.full(4, 1e308), 1e308)


def in_thread(function, context=None):
    results = []
    target = (
        (lambda: results.append(function())) if context is None else (lambda: results.append(context.run(function)))
    )
    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return results


def test_a_new_thread_is_silent_too():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isinf(in_thread(overflow)[0].array).all()


def test_a_context_copied_to_another_thread_gets_a_silent_context_of_its_own():
    overflow()  # so that this thread has one, which the copy takes along
    copied = contextvars.copy_context()

    def inside(function):
        return in_thread(function, copied)  # while this thread is in the silent context

    before = silent()
    found = before(inside, lambda: (overflow(), silent()))
    assert len(found) == 1
    assert np.isinf(found[0][0].array).all()
    assert found[0][1] is not before
    assert silent() is before


def test_an_error_of_the_function_itself_is_raised_once():
    calls = []

    def fails():
        calls.append(1)
        raise RuntimeError("its own")

    with pytest.raises(RuntimeError, match="its own"):
        silently(fails)
    assert len(calls) == 1
