"""What is no tensor, where a function takes one: PyTorch's exception, naming the function and what came."""

import contextlib
import copy
import itertools
import pickle
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import autograd
import nn.functional as F
from autograd import linalg
from tests.conformance.call import Arr, mapped
from tests.conformance.draw import Draw
from tests.conformance.names import FUNCTIONS
from tests.conformance.runner import OURS, Library, theirs
from tests.conformance.table import ROWS
from tests.test_wrong_calls import python_type

NO_TENSOR_FIRST = {
    **dict.fromkeys(("arange", "linspace", "randint"), "numbers first"),
    **dict.fromkeys(("zeros", "ones", "full", "eye", "empty", "randn"), "sizes first"),
    "einsum": "the equation first",
}
WRONG: tuple[Any, ...] = ([1.0], None, "a", object())
LISTS_OF_TENSORS = ("cat", "stack", "meshgrid")

ALIASES = {"true_divide": "div"}  # one primitive under two names: it says its own

PYTORCH_FAILS_ON_THE_WAY = (
    *("norm", "split", "F.adaptive_avg_pool2d", "F.adaptive_max_pool2d", "F.batch_norm", "F.group_norm"),
    *("F.instance_norm", "F.dropout2d", "F.interpolate", "F.normalize", "F.multi_head_attention_forward", "F.glu"),
    *("F.softsign", "F.mse_loss", "F.l1_loss", "F.smooth_l1_loss", "F.huber_loss", "F.binary_cross_entropy"),
    "F.binary_cross_entropy_with_logits",
)
"""Written in Python there, they ask a list for its `size()`: AttributeError for what is TypeError everywhere else."""


def error_of(library: Library, name: str, first: Any, args: list[Any], kwargs: dict[str, Any]) -> Exception | None:
    """Return what a call raises."""
    try:
        library.find(name, "function")(first, *mapped(library.make, args), **mapped(library.make, kwargs))
    except Exception as error:
        return error
    return None


@cache
def rest_of_a_call(name: str) -> tuple[list[Any], dict[str, Any]]:
    """Return what follows the first argument in a call that succeeds."""
    if name in LISTS_OF_TENSORS:
        return [], {}
    for row in [row for row in ROWS if row.name == name]:
        for i in range(60):
            args, kwargs = row.call(Draw(7, i), "function").split()
            if args and isinstance(args[0], Arr) and not error_of(OURS, name, OURS.make(args[0]), args[1:], kwargs):
                return args[1:], kwargs
    raise AssertionError(f"{name}: no row calls it with a tensor first")


NAMES = [name for name in FUNCTIONS if name not in NO_TENSOR_FIRST and callable(OURS.find(name, "function"))]


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith("__")])
@pytest.mark.parametrize("wrong", WRONG, ids=lambda x: type(x).__name__)
def test_what_is_no_tensor_is_refused(name: str, wrong: Any, torch: Any) -> None:
    error = error_of(OURS, name, wrong, *rest_of_a_call(name))
    assert type(error) is TypeError, repr(error)
    assert str(error).startswith(ALIASES.get(name, name.rpartition(".")[2]))
    assert type(wrong[0] if name in LISTS_OF_TENSORS and type(wrong) is list else wrong).__name__ in str(error)
    reference = error_of(theirs(torch), name, wrong, *rest_of_a_call(name))
    assert reference is not None
    assert python_type(reference) is (AttributeError if name in PYTORCH_FAILS_ON_THE_WAY else TypeError) or (
        (name, wrong) == ("split", "a")  # strings have a method of that name
    )


@pytest.mark.parametrize("module", [autograd, F, linalg], ids=lambda module: module.__name__)
def test_no_failure_speaks_of_attributes(module: Any) -> None:
    x, index = autograd.tensor([1.0, 2.0]), autograd.tensor([0, 1])
    for name in module.__all__:
        function = getattr(module, name)
        if not hasattr(function, "__wrapped__"):
            continue
        for wrong, rest in itertools.product(WRONG, ((), (1,), (1, 1), (x,), (x, x), (1, x), (0, index, x), ((1, 1),))):
            with contextlib.suppress(TypeError):
                function(wrong, *rest)


def test_the_argument_is_named() -> None:
    x = autograd.tensor([1.0, 2.0])
    for call, message in (
        (lambda: autograd.allclose(x, [1.0]), "allclose: argument 'other' must be a Tensor, not list"),
        (lambda: autograd.sort(input=None), "sort: argument 'input' must be a Tensor, not NoneType"),
        (lambda: autograd.sort(5), "sort: argument 'input' must be a Tensor, not int"),
        (lambda: F.kl_div(x, "a"), "kl_div: argument 'target' must be a Tensor, not str"),
        (lambda: linalg.norm([1.0]), "norm: argument 'A' must be a Tensor, not list"),
        (lambda: autograd.addcmul(x, x, 2.0), "addcmul: argument 'tensor2' must be a Tensor, not float"),
        (lambda: autograd.logical_and(x, [1.0]), "logical_and: argument 'y' must be a Tensor, not list"),
    ):
        with pytest.raises(TypeError, match=re.escape(message)):
            call()


def test_other_failures_are_as_they_were() -> None:
    x = autograd.tensor([1.0, 2.0])
    with pytest.raises(IndexError, match="sort: Dimension out of range"):
        autograd.sort(x, 5)
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'input'"):
        autograd.sort()
    with pytest.raises(TypeError, match="unexpected keyword argument 'along'"):
        autograd.sort([1.0], along=0)


def test_functions_are_found_where_they_stand() -> None:
    for function in (autograd.sort, autograd.clip, F.pad, linalg.norm):
        assert pickle.loads(pickle.dumps(function)) is function
        assert copy.deepcopy(function) is function


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: F.softmax(x), "Implicit dimension"),
        (lambda x: F.gumbel_softmax(x, eps=1.0), "no effect"),
        (lambda x: F.dropout2d(x), "Please use dropout instead"),
        (lambda x: F.dropout2d(x[None]), "dropout1d instead"),
        (lambda x: F.dropout3d(x), "Please use dropout instead"),
        (lambda x: F.kl_div(x, x), "batch size"),
        (lambda x: F.mse_loss(x, x[0]), "different to the input size"),
        (lambda x: F.l1_loss(x, x, size_average=False), "deprecated"),
        (lambda x: F.binary_cross_entropy_with_logits(x, x, size_average=False), "deprecated"),
        (lambda x: F.soft_margin_loss(x, x, reduce=True), "deprecated"),
        (lambda x: F.multi_margin_loss(x, autograd.tensor([0, 1]), reduce=True), "deprecated"),
        (lambda x: x[autograd.tensor([1, 0], dtype=autograd.uint8)], "indexing with dtype uint8"),
    ],
)
def test_warnings_point_to_the_caller(call: Any, says: str) -> None:
    with pytest.warns(UserWarning, match=says) as caught:
        call(autograd.ones(2, 3))
    assert [Path(warning.filename) for warning in caught] == [Path(__file__)] * len(caught)
