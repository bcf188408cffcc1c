"""The programs of the slides, run under both libraries by swapping their imports: the same numbers in float64."""

import importlib
from pathlib import Path

import numpy as np
import pytest

from tests.test_programs import losses, swapped

LISTINGS = sorted(p for p in (Path(__file__).parent / "listings").glob("*.py") if p.stem != "__init__")


@pytest.mark.parametrize("path", LISTINGS, ids=lambda path: path.stem)
def test_a_listing_computes_the_same_numbers(path, torch):
    source = path.read_text()
    expected = losses(swapped(source), path.name, torch)
    found = losses(source, path.name, importlib.import_module("autograd"))
    assert len(found) >= 10
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
