"""Where in the user's program an op was called, and who wants to be told of ops while they run.

All three lists are empty unless a debugging mode (`detect_anomaly`, `trace_nans`) is on, so that an op pays for them
with the look at an empty list.
"""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, NamedTuple

import numpy as np

watchers: list[Callable[..., None]] = []  # called (op, inputs, parameters, output) with each result of an op
tracers: list[Any] = []  # while there are any, nodes and in-place writes remember where they were made
grad_checks: list[Callable[..., None]] = []  # called (node, gradients it hands on) during backward

_ROOT = Path(__file__).resolve().parent.parent
_LIBRARY = tuple(str(_ROOT / package) + os.sep for package in ("autograd", "ops", "nn"))


WRITING = "autograd.views"  # the family of ops that write in place


class Op(NamedTuple):
    """What a watcher is told of an op that is no primitive."""

    name: str
    family: str = ""
    inputs: tuple[str, ...] = ()


def watch(op: Any, inputs: Sequence[Any], parameters: dict[str, Any], output: np.ndarray) -> None:
    """Show all watchers what an op has computed."""
    for watcher in list(watchers):
        watcher(op, inputs, parameters, output)


def watch_write(by: str, target: Any, values: Any, *positions: Any) -> None:
    """Show all watchers what an op has written in place, to the whole target or only to some positions."""
    watch(Op(by, WRITING, ("input", "value")), (target, values, *positions), {}, target.array)


def check_gradients(node: Any, grads: Sequence[Any]) -> None:
    """Show all checks what a node hands on."""
    for check in list(grad_checks):
        check(node, grads)


class _Modules:
    """What `nn` says of its modules, of which this package knows nothing."""

    call: CodeType | None = None  # of the function in whose frame a module, its `self`, runs
    path: Callable[[Sequence[Any]], str]  # says which submodule the last of modules that called each other is


modules = _Modules()


class Trace:
    """A place in the user's program: the calls that led to it, and the modules that were running."""

    __slots__ = ("_modules", "stack")

    def __init__(self, frame: FrameType) -> None:
        frames = list(traceback.walk_stack(frame))[::-1]
        self._modules = [each.f_locals["self"] for each, _ in frames if each.f_code is modules.call]
        while len(frames) > 1 and _is_library(frames[-1][0].f_code.co_filename):
            frames.pop()
        self.stack = traceback.StackSummary.extract(iter(frames), lookup_lines=False)

    @classmethod
    def here(cls) -> "Trace":
        """Return the place from which the caller was called."""
        return cls(sys._getframe(2))

    @property
    def line(self) -> str:
        """The user's innermost line: `train.py:12, in forward: y = x.log()`."""
        place = self.stack[-1]
        return f"{place.filename}:{place.lineno}, in {place.name}" + (f": {place.line}" if place.line else "")

    @property
    def module(self) -> str:
        """The module that was running: `features.3 (Conv2d)`; empty if none was."""
        return modules.path(self._modules) if self._modules else ""

    def __str__(self) -> str:
        return f"{self.module}, {self.line}" if self._modules else self.line


def trace_of(node: Any) -> Trace | None:
    """Return where a node was made, if a debugging mode was on."""
    return getattr(node, "trace", None)


def explain(error: Exception, node: Any) -> None:
    """Add to an error that backward raised at `node` where its op was called, if that is known."""
    trace = trace_of(node)
    if trace is None:
        return
    module = f" in {trace.module}" if trace.module else ""
    calls = "".join(trace.stack.format()).rstrip()
    error.add_note(f"Traceback of the forward call of {node.name()}{module} (most recent call last):\n{calls}")


def user_frames() -> Sequence[FrameType]:
    """Return the frames that run now and are not the library's, innermost first."""
    frames = [frame for frame, _ in traceback.walk_stack(sys._getframe(1))]
    return [frame for frame in frames if not _is_library(frame.f_code.co_filename)]


def _is_library(filename: str) -> bool:
    return filename.startswith(_LIBRARY)
