"""Calls that must fail: with PyTorch's type of exception, and a message that names who, what came and what was expected."""

import itertools
import types
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import autograd
import nn
import nn.data
import nn.functional as F
import nn.init
import nn.optim
import nn.utils
from tests.wrong_calls import arithmetic, creation, data, learning, products, shapes, states
from tests.wrong_calls.row import Wrong

FAMILIES = (arithmetic, shapes, products, learning, creation, states, data)


def rows() -> Iterator[Any]:
    for family in FAMILIES:
        for number, row in enumerate(family.ROWS):
            name = row.call.__name__ if row.call.__name__ != "<lambda>" else f"{number}-{row.who}"
            yield pytest.param(row, id=f"{family.__name__.rpartition('.')[2]}-{name}")


def raised(row: Wrong, *library: Any) -> Exception:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as caught:  # noqa: PT011  # which one is what is tested
            row.call(*library)
    return caught.value


def python_type(error: BaseException) -> type:
    """Return the type of Python's own that an error is of: libraries derive theirs from them."""
    return next(kind for kind in type(error).__mro__ if kind.__module__ == "builtins")


@pytest.mark.parametrize("row", list(rows()))
def test_the_message_names_who_got_and_expected(row: Wrong) -> None:
    message = str(raised(row, autograd, F, nn))
    assert row.who in message
    assert row.got in message
    assert row.expected in message


@pytest.mark.parametrize("row", list(rows()))
def test_the_type_is_pytorchs(row: Wrong, torch: Any) -> None:
    theirs = types.SimpleNamespace(**vars(torch.nn), optim=torch.optim, data=torch.utils.data)
    error = raised(row, torch, torch.nn.functional, theirs)
    assert python_type(raised(row, autograd, F, nn)) is python_type(error), error


def test_there_are_three_hundred() -> None:
    calls = [row.call for row in itertools.chain.from_iterable(family.ROWS for family in FAMILIES)]
    assert len({call.__code__.co_code + repr(call.__code__.co_consts).encode() for call in calls}) >= 300
    print(f"{len(calls)} wrong calls")  # noqa: T201
