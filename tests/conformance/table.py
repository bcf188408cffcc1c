"""All rows, and the forms in which each is called."""

from tests.conformance import arithmetic, creation, functional, indexing, products, reduction, shape
from tests.conformance.runner import Library, Row

_FAMILIES = (arithmetic, reduction, shape, indexing, creation, products, functional)
ROWS: list[Row] = [row for family in _FAMILIES for row in family.ROWS]

FORMS = ("function", "method", "in-place")


def forms_of(row: Row, other: Library) -> list[str]:
    """Return the forms a row is called in: those it names, or all that PyTorch has."""
    if row.forms:
        return list(row.forms)
    homes = ("function", "in-place") if "." in row.name else FORMS
    return [form for form in homes if other.find(row.name, form) is not None]
