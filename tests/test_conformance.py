"""Level 1 beside PyTorch: every row of `tests/conformance`, in every form, on generated calls.

`CONFORMANCE_SAMPLES=1000 pytest tests/test_conformance.py` draws a thousand calls per row and form instead of 40.
The number of calls compared stands at the end of pytest's output.
"""

import inspect
import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.call import Arr, Call
from tests.conformance.draw import Draw
from tests.conformance.names import FUNCTIONS, NOT_TAKEN
from tests.conformance.runner import OURS, Difference, Row, compare, theirs
from tests.conformance.table import ROWS, forms_of

SAMPLES = int(os.environ.get("CONFORMANCE_SAMPLES", "40"))


def calls(row: Row, form: str) -> list[Call]:
    """Draw the calls of a row in a form; a method needs a tensor to be called on."""
    seed = zlib.crc32(row.id.encode())
    drawn = [row.call(Draw(seed, i), form) for i in range(max(1, round(SAMPLES * row.samples)))]
    if form == "function" or "." in row.name:
        return drawn
    return [call for call in drawn if isinstance(next(iter(call.arguments.values())), Arr)]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_as_in_pytorch(row: Row, torch: Any, record_property: Callable[[str, object], None]) -> None:
    other = theirs(torch)
    compared, differences = 0, []
    for form in forms_of(row, other):
        assert row.function or OURS.find(row.name, form) is not None, f"{row.name}: no {form}"
        for call in calls(row, form):
            compared += 1
            try:
                compare(row, form, call, other)
            except Difference as difference:
                differences.append(f"{form}: {row.name}({call!r})\n    {difference}")
    record_property("conformance", compared)
    assert not differences, f"{len(differences)} of {compared} differ:\n" + "\n".join(differences[:3])


def drawn_parameters(name: str) -> set[str]:
    """Return the names of all arguments that the rows of a name give."""
    return {key for row in ROWS if row.name == name for i in range(100) for key in row.draw(Draw(i))}


def pytorch_parameters(torch: Any, name: str) -> set[str]:
    """Return the parameters of PyTorch's function, in all its overloads of a tensor."""
    function = theirs(torch).find(name, "function")
    if inspect.isfunction(function) and name.startswith("F."):
        return {*inspect.signature(function).parameters} - {"args", "kwargs"}
    if name.startswith("__") or name == "einsum":
        return set()  # of operands alone
    schemas = torch._C._jit_get_schemas_for_operator("aten::" + name.replace("F.", "").replace(".", "_"))
    of_tensors = [s.arguments for s in schemas if str(s.arguments[0].type) == "Tensor"]
    parameters = [a for arguments in of_tensors or [s.arguments for s in schemas] for a in arguments[1:]]
    written = [a for a in parameters if a.alias_info is not None and a.alias_info.is_write]
    return {a.name for a in parameters if a not in written and a.name != "names" and "Dimname" not in str(a.type)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_drawn(name: str, torch: Any) -> None:
    drawn = drawn_parameters(name)
    assert drawn, f"{name}: no row"
    missing = pytorch_parameters(torch, name) - drawn - {*NOT_TAKEN} - {"self", "input"}
    assert not missing, f"{name}: never drawn: {missing}"
