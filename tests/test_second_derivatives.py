"""Second derivatives of all of level 1, by name: `gradgradcheck` of every function and module that has them.

Functions are called as in `tests/conformance`, in every form, at float64 inputs moved off ties and kinks; modules as in
`tests/module_table.py`, in training, as functions of their inputs and parameters. Where a function is piecewise linear,
or constant, its second derivative is checked to be 0. How many were checked stands at the end of pytest's output.
"""

import warnings
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import pytest

import autograd
from autograd import Tensor
from autograd.checking import gradgradcheck, random_seeds
from autograd.func import functional_call
from autograd.tape import grad
from tests.conformance.call import Arr, Call, mapped
from tests.conformance.draw import Draw
from tests.conformance.names import FUNCTIONS, MODULES
from tests.conformance.runner import IN_PLACE, OURS, Row
from tests.conformance.table import ROWS, forms_of
from tests.module_table import MODULES as MODULE_ROWS
from tests.module_table import ModuleRow
from tests.row import flat
from tests.test_nn_modules import ours, tensors

WITHOUT_DERIVATIVE = {
    "arange linspace zeros ones full eye empty randn randint zeros_like ones_like full_like empty_like randn_like "
    "rand_like new_zeros new_ones new_full new_empty": "made of shapes and numbers alone",
    "eq ne lt le gt ge logical_not logical_and logical_or logical_xor bitwise_not bitwise_and bitwise_or isnan isinf "
    "isfinite allclose equal isclose all any bool": "True or False",
    "argmax argmin argsort nonzero multinomial long int F.one_hot": "integers",
    "item": "a Python number",
}
NOT_CHECKED = [name for names in WITHOUT_DERIVATIVE for name in names.split()]
CHECKED = [name for name in FUNCTIONS if name not in NOT_CHECKED]
CALLS = 3  # of each row of a name, in each form
FLOAT32 = {"eps": 1.0, "atol": 1e-5}  # of conversions, which are linear: no step is too long
OPTIONS = {"to": FLOAT32, "float": FLOAT32}


def check(function: Callable[..., Any], leaves: list[Tensor], **options: Any) -> None:
    """Run gradgradcheck, with whole Jacobians where they are small, and compare recorded gradients with others.

    Those that are recorded may come from other code than those that are not, which first derivatives are checked with.
    """
    large = sum(x.numel() for x in leaves) > 24
    gradgradcheck(function, leaves, fast_mode=large, **{"atol": 1e-6, "rtol": 1e-5, **options})
    outputs = [y for y in function(*leaves) if y.requires_grad]
    seeds = random_seeds(function, leaves)
    plain, recorded = (
        grad(outputs, leaves, seeds, create_graph=recording, retain_graph=True, materialize_grads=True)
        for recording in (False, True)
    )
    for a, b in zip(plain, recorded, strict=True):
        np.testing.assert_allclose(a.array, b.array, rtol=1e-10, atol=1e-10)


@pytest.fixture(autouse=True)
def without_warnings() -> Iterator[None]:
    """Let deprecated arguments, and inputs of little precision, be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# -- functions -------------------------------------------------------------------------------------------------------


def rows_of(name: str) -> list[Row]:
    """Return the rows of a name; that of `zero_` as a method is called zero."""
    return [row for row in ROWS if row.name == name or (row.name, name) == ("zero", "zero_")]


def differentiated(row: Row) -> set[str]:
    """Return the arguments of which some call wants gradients."""
    found: set[str] = set()

    def note(name: str, x: Any) -> Any:
        if isinstance(x, Arr) and x.requires_grad:
            found.add(name)
        return x

    for i in range(30):
        for name, value in row.draw(Draw(i)).items():
            mapped(lambda x, name=name: note(name, x), value)
    return found


def smooth(call: Call, wanted: set[str]) -> Call | None:
    """Return a call whose arguments to be differentiated are float64 and off ties; None where there are none."""
    rng, leaves = np.random.default_rng(0), []

    def moved(x: Any) -> Any:
        if isinstance(x, Arr) and x.array.dtype.kind == "f":
            leaves.append(x := Arr(x.array + rng.uniform(1e-3, 9e-3, x.array.shape), True))
        return x

    arguments = {name: mapped(moved, x) if name in wanted else x for name, x in call.arguments.items()}
    usual = leaves and all(x.array.size and np.isfinite(x.array).all() for x in leaves)
    return call._replace(arguments=arguments) if usual else None


def is_leaf(x: Any) -> bool:
    return isinstance(x, Arr) and x.requires_grad


def as_function(row: Row, call: Call, form: str) -> tuple[Callable[..., Any], list[Tensor]]:
    """Return a call as a function of the tensors it is differentiated by, and those."""
    args, kwargs = call.split()
    leaves: list[Tensor] = []
    mapped(lambda x: leaves.append(Tensor(x.array, requires_grad=True)) if is_leaf(x) else x, [args, kwargs])

    def function(*xs: Any) -> Any:
        given = iter(xs)
        made = [  # copies, as some calls write to them
            mapped(lambda x: next(given).clone() if is_leaf(x) else OURS.make(x), value) for value in (args, kwargs)
        ]
        autograd.manual_seed(0)
        y = (row.function or OURS.find(row.name, form))(*made[0], **made[1])
        return tuple(x for x in flat(y) if x.is_floating_point())

    return function, leaves


def functions_at(row: Row, form: str) -> Iterator[tuple[Callable[..., Any], list[Tensor]]]:
    """Yield a row as functions, with inputs at which they are finite and depend on them."""
    wanted = differentiated(row)
    for i in range(100 if wanted else 0):
        call = smooth(row.call(Draw(7, i), form), wanted)
        if call is None or (form != "function" and not isinstance(next(iter(call.arguments.values())), Arr)):
            continue
        function, leaves = as_function(row, call, form)
        try:
            outputs = function(*leaves)
        except (RuntimeError, IndexError, ValueError, TypeError, NotImplementedError, AssertionError):
            continue  # a wrong call: the tests of conformance compare what it raises
        recorded = any(y.requires_grad and not y.is_leaf and y.numel() for y in outputs)
        precise = row.name in OPTIONS or all(y.dtype == autograd.float64 for y in outputs)
        if recorded and precise and all(np.isfinite(y.array).all() for y in outputs):
            yield function, leaves


@pytest.mark.parametrize("name", CHECKED)
def test_function(name: str, record_property: Callable[[str, object], None]) -> None:
    checked = 0
    for row in rows_of(name):
        for form in forms_of(row, OURS):
            for function, leaves in islice(functions_at(row, form), CALLS):
                check(function, leaves, **OPTIONS.get(name, {}))
                checked += 1
    record_property("functions differentiated twice", checked)
    assert checked, name


@pytest.mark.parametrize("name", NOT_CHECKED)
def test_function_without_derivative(name: str) -> None:
    for row in rows_of(name):
        for form in forms_of(row, OURS):
            for function, leaves in islice(functions_at(row, form), CALLS):
                assert form in IN_PLACE  # into floating memory, where it is constant
                check(function, leaves)


# -- modules ---------------------------------------------------------------------------------------------------------


def of_parameters(row: ModuleRow) -> tuple[Callable[..., Any], list[Tensor]]:
    """Return a module, in training, as a function of its parameters and inputs, and those."""
    autograd.manual_seed(1)
    module, arguments = ours(row), tensors(row.draw())
    names = [name for name, _ in module.named_parameters()]
    places = [i for i, x in enumerate(arguments) if x.requires_grad]

    def function(*xs: Any) -> Any:
        inputs = dict(enumerate(arguments)) | dict(zip(places, xs[len(names) :], strict=True))
        buffers = {name: x.clone() for name, x in module.named_buffers()}
        autograd.manual_seed(0)
        y = functional_call(module, buffers | dict(zip(names, xs, strict=False)), tuple(inputs.values()))
        return tuple(x for x in flat(y) if x.is_floating_point())

    leaves = [x.detach().requires_grad_() for x in module.parameters()]
    return function, leaves + [arguments[i] for i in places]


@pytest.mark.parametrize("name", MODULES)
def test_module(name: str, record_property: Callable[[str, object], None]) -> None:
    rows = [row for row in MODULE_ROWS if row.name == name and row.order]
    assert rows, name
    for row in rows:
        check(*of_parameters(row))
    record_property("modules differentiated twice", len(rows))
