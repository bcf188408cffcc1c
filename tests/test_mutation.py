"""The mutation script: mutants are put in place, noticed, and taken away again."""

from ops.arithmetic import mul
from tests import mutation
from tests.op_table import ROWS

ROW_OF_MUL = [row for row in ROWS if row.name == "mul"]


def test_mutants_are_killed_and_the_rules_restored() -> None:
    rules = dict(mul.primitive.rules)
    for only_second in (False, True):
        for name, mutate in mutation.mutants(mul.primitive, only_second):
            killed_by = mutation.killer(mul.primitive, mutate, ROW_OF_MUL, only_second)
            order = "second" if only_second else "first"
            assert killed_by == f"test_{order}_derivatives[mul]", f"{name}: {killed_by or 'survived'}"
            assert mul.primitive.rules == rules


def test_what_changes_nothing_survives() -> None:
    assert mutation.killer(mul.primitive, lambda: None, ROW_OF_MUL) == ""
