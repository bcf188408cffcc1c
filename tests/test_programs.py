"""Whole programs, written once, run under both libraries: the losses they go through agree to 1e-9 in float64."""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PROGRAMS = sorted(p for p in (Path(__file__).parent / "programs").glob("*.py") if p.stem not in ("__init__", "start"))

SWAPPED_IMPORTS = {
    "import autograd as torch\n": "import torch\n",
    "import nn\n": "from torch import nn\n",
    "import nn.functional as F\n": "import torch.nn.functional as F\n",
    "from nn import optim\n": "from torch import optim\n",
    "from nn.optim import ": "from torch.optim import ",
    "from nn.optim.swa_utils import ": "from torch.optim.swa_utils import ",
    "from nn.data import ": "from torch.utils.data import ",
    "from nn.utils import ": "from torch.nn.utils import ",
    "from nn.utils.rnn import ": "from torch.nn.utils.rnn import ",
    "from nn.utils.parametrizations import ": "from torch.nn.utils.parametrizations import ",
    "from nn.utils.checkpoint import ": "from torch.utils.checkpoint import ",
    "from autograd.func import ": "from torch.func import ",
    "from autograd.functional import ": "from torch.autograd.functional import ",
}


def swapped(source: str) -> str:
    """Return a program with PyTorch's imports in place of ours."""
    lines = source.splitlines(keepends=True)
    for i, line in enumerate(lines):
        for ours, theirs in SWAPPED_IMPORTS.items():
            if line.startswith(ours):
                lines[i] = line.replace(ours, theirs, 1)
    return "".join(lines)


def losses(source: str, name: str, library: Any) -> np.ndarray:
    """Run a program in float64 and return the losses it went through."""
    namespace: dict[str, Any] = {"__name__": f"{name} under {library.__name__}"}
    default = library.get_default_dtype()
    library.set_default_dtype(library.float64)
    try:
        exec(compile(source, name, "exec"), namespace)
        return np.array(namespace["train"]())
    finally:
        library.set_default_dtype(default)


@pytest.fixture
def pytorch(torch: Any) -> Iterator[Any]:
    """PyTorch on one thread: these nets are too small for more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch
    torch.set_num_threads(threads)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")  # PyTorch's own, of its transformer encoder
@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_goes_through_the_same_losses(path, pytorch):
    source = path.read_text()
    theirs = swapped(source)
    assert "import torch\n" in theirs
    assert not re.search(r"^(import|from) (nn|autograd)\b", theirs, re.MULTILINE)
    expected = losses(theirs, path.name, pytorch)
    found = losses(source, path.name, importlib.import_module("autograd"))
    assert len(found) >= 10
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
