"""The table of methods: bound as it says, described for type checkers, PyTorch's names."""

import ast
import inspect
import sys

import pytest

from autograd import Tensor
from ops.methods import METHODS, OPERATORS, PROPERTIES
from tests import method_stub


def test_every_entry_is_bound():
    for name, function in {**OPERATORS, **METHODS}.items():
        assert vars(Tensor)[name] is function
    for name, function in PROPERTIES.items():
        assert vars(Tensor)[name].fget is function


def test_no_method_of_the_engine_is_overwritten():
    tree = ast.parse(inspect.getsource(sys.modules["autograd.tensor"]))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Tensor").body
    own = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    assert own & {*OPERATORS, *METHODS, *PROPERTIES} <= {"__repr__"}


def test_the_stub_is_up_to_date():
    assert method_stub.PATH.read_text() == method_stub.stub(), "run `python -m tests.method_stub`"


def test_every_name_is_pytorchs():
    torch = pytest.importorskip("torch")
    names = {**METHODS, **OPERATORS, **PROPERTIES}
    assert [name for name in names if not hasattr(torch.Tensor, name)] == ["__array_ufunc__"]
