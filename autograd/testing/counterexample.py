"""A point at which a check failed, as Python that repeats it."""

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from autograd.tensor import Tensor
from autograd.testing.layouts import layout_of

_LITERALS = 200  # a module's state of more elements than this is left out


def source(function: Callable[..., Any], arguments: Sequence[Any], options: Mapping[str, Any]) -> str:
    """Return lines that call `check_gradients(function, *arguments, **options)`.

    A function that can be imported is; another one is called by the name `function` (or `module`), and what
    follows it is to be run where that is defined.
    """
    name, lines = _definition(function)
    values = [f"x{i} = {literal(argument)}" for i, argument in enumerate(arguments)]
    passed = [
        name,
        *(f"x{i}" for i in range(len(arguments))),
        *(f"{k}={_value(k, v)}" for k, v in options.items()),
    ]
    body = "\n".join([*lines, *values, f"check_gradients({', '.join(passed)})"])
    imports = ["import numpy as np", "from autograd import Tensor"]
    if "nan" in body or "inf" in body:
        imports.append("from numpy import inf, nan")
    testing = "check_gradients, with_layout" if "with_layout(" in body else "check_gradients"
    return "\n".join([*imports, f"from autograd.testing import {testing}", body])


def literal(value: Any) -> str:
    """Return an expression that makes a value of the same type, shape, elements and memory layout.

    >>> literal(Tensor(np.array([[1.0, 2.0]]).T, requires_grad=True))
    'Tensor(np.array([[1.0], [2.0]]), requires_grad=True)'
    """
    if isinstance(value, Tensor):
        flag = ", requires_grad=True" if value.requires_grad else ""
        return f"Tensor({literal(value.array)}{flag})"
    if not isinstance(value, np.ndarray):
        return repr(value)
    dtype = "" if value.dtype == np.float64 else f", dtype=np.{value.dtype.name.replace('bool', 'bool_')}"
    text = f"np.array({value.tolist()!r}{dtype})" if value.size else f"np.zeros({value.shape}{dtype})"
    layout = layout_of(value)
    return text if layout in ("contiguous", None) else f'with_layout({text}, "{layout}")'


def _value(option: str, value: Any) -> str:
    return option if option == "parameters" else repr(value)


def _definition(function: Callable[..., Any]) -> tuple[str, list[str]]:
    """Return what to call the function, and the lines that come before."""
    if hasattr(function, "named_parameters"):
        state = dict(function.state_dict())  # type: ignore[attr-defined]
        kind = " ".join(repr(function).split())
        lines = [f"# `module` is the {type(function).__name__} under test: {kind}"]
        if 0 < sum(x.numel() for x in state.values()) <= _LITERALS:
            entries = ", ".join(f"{name!r}: {literal(x.detach())}" for name, x in state.items())
            lines.append(f"module.double().load_state_dict({{{entries}}})")
        return "module", lines
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", None) or ""
    if module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return name, [f"from {module} import {name}"]
    code = getattr(function, "__code__", None)
    where = f", {code.co_filename}:{code.co_firstlineno}" if code is not None else ""
    return "function", [f"# `function` is the one under test: {name or repr(function)}{where}"]
