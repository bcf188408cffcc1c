"""Writes `autograd/bound.pyi`, which tells type checkers and editors what `ops.methods` binds to `Tensor`.

    python -m tests.method_stub

`tests/test_methods.py` fails when the file is not what this would write.
"""

import inspect
import types
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ops.methods import METHODS, OPERATORS, PROPERTIES

PATH = Path(__file__).parent.parent / "autograd" / "bound.pyi"

HEAD = '''"""What `ops.methods` binds to `Tensor`. Written by `python -m tests.method_stub`."""

# ruff: noqa
# fmt: off
from typing import Any

import numpy as np

from autograd.hooks import RemovableHandle
from autograd.tensor import Tensor

# Methods below hide these names in the class's body.
_bool = bool
_float = float
_int = int

class Bound:
'''

NAMES = {bool: "_bool", float: "_float", int: "_int", str: "str", type(None): "None"}


RETURNS = {
    "numpy": "np.ndarray",
    "register_hook": "RemovableHandle",
    "register_post_accumulate_grad_hook": "RemovableHandle",
    "__array__": "np.ndarray",
    "__array_ufunc__": "Any",
    "__dlpack__": "Any",
    "__dlpack_device__": "tuple[_int, _int]",
    "__reduce_ex__": "tuple[Any, ...]",
    "type": "Any",
    "max": "Any",
    "min": "Any",
    "nonzero": "Any",
}
"""Results whose type depends on the arguments, or is no tensor although the annotation is silent."""


def annotation(hint: Any) -> str:
    """Return an annotation as it is written in the stub; what it has no name for becomes Any."""
    if isinstance(hint, types.UnionType):
        parts = [annotation(part) for part in typing.get_args(hint)]
        return "Any" if "Any" in parts else " | ".join(parts)
    return NAMES.get(hint, "Any")


def returned(name: str, hint: Any) -> str:
    """Return the type of a result. A tensor is what functions give unless they say otherwise."""
    if name in RETURNS:
        return RETURNS[name]
    if typing.get_origin(hint) is tuple:
        return "tuple[Tensor, ...]"
    if isinstance(hint, type) and issubclass(hint, tuple):
        return "Any"  # a named tuple of values and positions
    return "None" if hint is None else NAMES.get(hint, "Tensor")


def declaration(name: str, function: Callable[..., Any]) -> str:
    """Return a method's line."""
    signature = inspect.signature(function)
    written, starred = ["self"], False
    for parameter in list(signature.parameters.values())[1:]:
        known_as = "other" if parameter.name == "y" else parameter.name  # what callers call a primitive's second input
        if parameter.kind is parameter.VAR_POSITIONAL:
            written.append(f"*{known_as}: {annotation(parameter.annotation)}")
            starred = True
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            written.append("*")
            starred = True
        prefix = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        default = "" if parameter.default is parameter.empty else " = ..."
        written.append(f"{prefix}{known_as}: {annotation(parameter.annotation)}{default}")
    ignored = "  # type: ignore[override]" if name in ("__eq__", "__ne__") else ""
    return f"    def {name}({', '.join(written)}) -> {returned(name, signature.return_annotation)}: ...{ignored}"


def stub() -> str:
    """Return the contents of the file."""
    lines = [declaration(name, function) for name, function in {**OPERATORS, **METHODS}.items()]
    for name, function in PROPERTIES.items():
        lines += ["    @property", declaration(name, function)]
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    PATH.write_text(stub())
