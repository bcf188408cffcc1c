"""What functions made of primitives say when they are given something else than a tensor.

A primitive refuses it by itself. A function made of them has asked for a shape before it reaches the first, and what
Python raises then speaks of attributes: `'list' object has no attribute 'ndim'`. So when such a function has failed,
and only then, the types of its arguments are looked at. (PyTorch looks at them before anything else: whatever went
wrong, they come first.) It is done where users find the functions; ops and methods call them directly.

A warning of such a function counts one frame more to its caller.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Set
from typing import Any

import numpy as np

from autograd.tensor import Tensor

ARRAYS = (Tensor, np.ndarray, np.generic)
FIRST = frozenset(("a", "anchor", "condition", "input", "input1", "logits", "mean", "query", "tensor", "x", "x1", "A"))
"""Names of a first parameter that is a tensor."""
OTHERS = frozenset((
    "batch1", "batch2", "input2", "mask", "mat1", "mat2", "other", "source", "src", "target", "tensor1", "tensor2",
    "x2",
))  # fmt: skip
"""Names of further parameters that are tensors."""
OF_DIMS = {"movedim": {"source"}, "moveaxis": {"source"}}
"""Functions of which they are not."""


def refuse_others(namespace: dict[str, Any], names: Iterable[str]) -> None:
    """Let those `names` of a module that are made of primitives, and take a tensor first, refuse all else."""
    for name in names:
        function = namespace[name]
        if inspect.isfunction(function) and not hasattr(function, "primitive") and _takes_tensor(function):
            namespace[name] = refusing(function, name)
            namespace[name].__module__ = namespace["__name__"]


def _takes_tensor(function: Callable[..., Any]) -> bool:
    code: Any = inspect.unwrap(function).__code__
    return code.co_argcount > 0 and code.co_varnames[0] in FIRST


def refusing(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Return `function`, called `name`, whose failures say which argument is no tensor, if it is that."""
    others = OTHERS - OF_DIMS.get(name, set())

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Exception as error:
            _explain(name, _tensors_of(function, args, kwargs, others), isinstance(error, AttributeError))
            raise

    call.__name__ = call.__qualname__ = name  # where `pickle` finds it; `clip` is `clamp` under another name
    return call


def _tensors_of(
    function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], others: Set[str]
) -> dict[str, Any]:
    """Return the arguments, by name, that are to be tensors; those that are None by default may be."""
    signature = inspect.signature(function)
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError:
        return {}
    first = next(iter(signature.parameters))
    optional = {name for name, parameter in signature.parameters.items() if parameter.default is None}
    return {name: x for name, x in given.items() if name in {first, *others} and not (x is None and name in optional)}


def _explain(name: str, arguments: dict[str, Any], numbers: bool) -> None:
    """Raise TypeError for an argument that is no tensor; for a number, which may stand for one, if `numbers`."""
    for argument, x in arguments.items():
        if not isinstance(x, ARRAYS) and (numbers or not isinstance(x, (int, float))):
            raise TypeError(f"{name}: argument {argument!r} must be a Tensor, not {type(x).__name__}") from None
