"""Level 1 beside PyTorch: every row of `tests/conformance`, in every form, on generated calls.

`CONFORMANCE_SAMPLES=1000 pytest tests/test_conformance.py` draws a thousand calls per row and form instead of 40.
The number of calls compared stands at the end of pytest's output.
"""

import os
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from tests.conformance.call import Arr, Call
from tests.conformance.draw import Draw
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
