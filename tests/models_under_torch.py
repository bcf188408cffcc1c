"""The source of `nn.models` run under PyTorch: the same models, of PyTorch's modules, as a reference."""

import hashlib
import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import autograd
import nn

SOURCES = Path(nn.__file__).parent / "models"
SWAPPED = (
    (r"^from autograd(\.tensor)? import ", "from torch import "),
    (r"^from nn\.models\.", "from models_under_torch."),
    (r"^from nn\.utils\b", "from torch.nn.utils"),
    (r"^from nn(\.(?!models|utils)\w+)? import ", "from torch.nn import "),
    (r"^import nn$", "from torch import nn"),
    (r"^import nn\.", "import torch.nn."),
)


def swapped(source: str) -> str:
    """Return a model's source with PyTorch's imports in place of ours."""
    for ours, theirs in SWAPPED:
        source = re.sub(ours, theirs, source, flags=re.MULTILINE)
    assert not re.search(r"^(import|from) (nn|autograd|ops)\b", source, re.MULTILINE)
    return source


def under_torch(name: str) -> ModuleType:
    """Return `nn/models/NAME.py` executed under PyTorch, with the models it imports from beside it."""
    full = f"models_under_torch.{name}"
    if full not in sys.modules:
        source = (SOURCES / f"{name}.py").read_text(encoding="utf-8")
        for each in re.findall(r"^from nn\.models\.(\w+) import", source, re.MULTILINE):
            under_torch(each)
        module = ModuleType(full)
        exec(compile(swapped(source), full, "exec"), vars(module))
        sys.modules.setdefault("models_under_torch", ModuleType("models_under_torch"))
        sys.modules[full] = module
    return sys.modules[full]


def fingerprint(model: Any) -> str:
    """Return a SHA-256 over the sorted lines "name shape" of a model's state."""
    lines = sorted(f"{name} {tuple(value.shape)}" for name, value in model.state_dict().items())
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def scattered(model: Any, seed: int = 0) -> None:
    """Add small random numbers to all parameters, so that none stays zero or one."""
    random = np.random.default_rng(seed)
    for parameter in model.parameters():
        parameter.detach().add_(autograd.tensor(random.normal(0, 0.05, parameter.shape)))


def assert_computes_as_pytorch(ours: Any, theirs: Any, *inputs: np.ndarray, tolerance: float = 1e-4) -> None:
    """With one set of weights both give the same output, gradients and buffers, relative to the largest of each."""
    torch = importlib.import_module("torch")
    theirs.load_state_dict({name: torch.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    y, expected = ours(*map(autograd.tensor, inputs)), theirs(*map(torch.tensor, inputs))
    assert tuple(y.shape) == tuple(expected.shape)
    weight = np.random.default_rng(1).standard_normal(y.shape).astype(np.float32)
    (y * autograd.tensor(weight)).sum().backward()
    (expected * torch.tensor(weight)).sum().backward()
    for name, a, b in [("output", y, expected), *_states(ours, theirs)]:
        a, b = a.detach().numpy(), b.detach().numpy()
        assert np.abs(a - b).max() <= tolerance * max(np.abs(b).max(), 1e-3), name


def _states(ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield the names, gradients of parameters, and buffers of both."""
    for (name, p), (same, q) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
        assert name == same
        assert (p.grad is None) == (q.grad is None), name
        if q.grad is not None:
            yield name, p.grad, q.grad
    for (name, p), (_, q) in zip(ours.named_buffers(), theirs.named_buffers(), strict=True):
        yield name, p, q


def assert_table_is_true(module: ModuleType, model: Any, *inputs: Any) -> None:
    """The rows "layer  (N, ...)  parameters" of the file's docstring are what the model has."""
    rows = re.findall(r"^ {4}([\w.]+) {2,}\((N[^)]*)\) +([\d,]+)$", module.__doc__ or "", re.MULTILINE)
    assert len(rows) >= 3, f"{module.__name__} shows no table"
    shapes = {row.path: row.output_shape for row in nn.summary(model, *inputs).rows}
    for path, shape, parameters in rows:
        assert shapes[path] is not None
        assert ", ".join(["N", *map(str, shapes[path][1:])]) == shape, path
        count = sum(p.numel() for p in model.get_submodule(path).parameters())
        assert f"{count:,}" == parameters, path
