"""The mutation script: mutants are put in place, noticed, and taken away again."""

import pytest

from ops.arithmetic import mul
from tests import mutation
from tests.op_table import ROWS

ROW_OF_MUL = [row for row in ROWS if row.name == "mul"]


@pytest.mark.parametrize("only_second", [False, True])
def test_mutants_are_killed_and_the_rules_restored(only_second: bool) -> None:
    rules = dict(mul.primitive.rules)
    for mutant in mutation.mutants(mul.primitive, only_second):
        killed_by = mutation.killer(mutant, ROW_OF_MUL)
        order = "second" if only_second else "first"
        assert killed_by == f"test_{order}_derivatives[mul]", f"{mutant.rule}: {killed_by or 'survived'}"
        assert mutant.ran
        assert mutant.differed
        assert mul.primitive.rules == rules


def test_what_changes_nothing_survives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mutation, "FACTOR", 1.0)
    assert mutation.killer(mutation.Mutant(mul.primitive, "x"), ROW_OF_MUL) == ""
