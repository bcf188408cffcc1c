"""The pickle machine, cut down to what PyTorch's files need: a stack of plain values and a closed list of functions.

Nothing is imported and nothing of the file's is called. What a file names beside that list becomes a `Refused`, which
takes the place of whatever would be built of it; so the message can say where in the file's value it stands.
Opcodes: Python's pickletools.py, protocols 2 to 5 (2 as Python 2 wrote it, too), without text, extension codes,
instances and foreign buffers.
"""

import struct
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np

from autograd.serialization.errors import FileError
from autograd.serialization.pickle_arguments import (
    Reader,
    counted,
    double,
    fixed,
    nothing,
    signed,
    text,
    two_lines,
    unsigned,
)
from autograd.serialization.stream import Stream
from autograd.serialization.tensors import integers, is_key, set_parameter
from autograd.tensor import Tensor

DICTS = (dict, OrderedDict, Counter)
MALFORMED = (LookupError, ValueError, TypeError, AttributeError, OverflowError, RuntimeError, struct.error)


def printable(text: str) -> str:
    """Return at most 200 characters of a file's text, fit for a message."""
    return ascii(text[:200])[1:-1]


class Refused:
    """Stands for what is not built, and says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason


class Global:
    """A name of the closed list; `build(machine, *arguments)` is what calling it does, if it can be called."""

    def __init__(self, name: str, build: Callable[..., Any] | None) -> None:
        self.name = name
        self.build = build


class Machine:
    """Runs one pickle.

    Args:
        stream: what the pickle is read from; it is left where the pickle ends.
        find: gives for the name in a pickle what it stands for.
        storage: gives the memory that a persistent identifier names.
    """

    def __init__(self, stream: Stream, find: Callable[[str], Any], storage: Callable[[Any], Any]) -> None:
        self.stream = stream
        self.begin = stream.position
        self.find = find
        self.storage = storage
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}
        self.copied = 0

    def run(self) -> Any:
        """Return the value the pickle builds."""
        position = self.begin
        try:
            while (code := self.stream.take(1)) != STOP:
                if code not in OPCODES:
                    raise FileError(f"{code!r} is no opcode of PyTorch's files")
                argument, step = OPCODES[code]
                step(self, argument(self.stream))
                position = self.stream.position
            return self.stack.pop()
        except FileError as error:
            raise FileError(f"{error} (at byte {position} of {self.stream.name})") from error
        except MALFORMED as error:
            raise FileError(f"{self.stream.name} makes no sense at byte {position}: {error}") from error

    def charge(self, amount: int) -> None:
        """Count what is copied; a pickle that copies what was read of it over and over is refused."""
        self.copied += amount
        if self.copied > 4 * (self.stream.position - self.begin):
            raise FileError("it unpacks to many times its own size")

    def since_mark(self) -> list[Any]:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def tuple_of(self, count: int) -> None:
        if len(self.stack) < count:
            raise FileError("it takes more from the stack than there is")
        self.stack[-count:] = [tuple(self.stack[-count:])]

    def set_items(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if isinstance(target, Refused):
            return
        if type(target) not in DICTS or len(items) % 2:
            raise FileError(f"it sets items of something of type {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_checked(key)] = value

    def append(self, items: list[Any]) -> None:
        target = self.stack[-1]
        if type(target) is list:
            target.extend(items)
        elif not isinstance(target, Refused):
            raise FileError(f"it appends to something of type {type(target).__name__}")

    def add(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not set:
            raise FileError(f"it adds to something of type {type(self.stack[-1]).__name__}")
        self.stack[-1].update(map(_checked, items))

    def push_dict(self) -> None:
        items = self.since_mark()
        self.stack.append({})
        self.set_items(items)

    def push_global(self, name: str) -> None:
        self.stack.append(self.find(name))

    def push_named(self) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        self.push_global(f"{module} {name}" if isinstance(name, str) and isinstance(module, str) else "?")

    def call(self) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.result(function, arguments))

    def result(self, function: Any, arguments: Any) -> Any:
        """Return what a function of the list gives, or the `Refused` among what it is called with."""
        if isinstance(function, Refused):
            return function
        if not isinstance(function, Global) or type(arguments) is not tuple:
            raise FileError(f"it calls something of type {type(function).__name__}")
        refused = next((each for each in arguments if isinstance(each, Refused)), None)
        if refused is not None:
            return refused
        if function.build is None:
            return Refused(f"an object of {function.name}")
        return function.build(self, *arguments)

    def set_state(self) -> None:
        """Do what `__setstate__` does for the few values that have a state."""
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, Refused):
            return
        if type(target) is OrderedDict and type(state) is dict and list(state) == ["_metadata"]:
            target._metadata = state["_metadata"]  # type: ignore[attr-defined]  # the versions in a module's state
        elif isinstance(target, (np.ndarray, Tensor)) and type(state) is tuple:
            refused = next((each for each in state if isinstance(each, Refused)), None)
            if refused is not None:
                self.stack[-1] = refused
            elif isinstance(target, Tensor):
                set_parameter(target, state)
            else:
                set_array(self, target, state)
        elif isinstance(target, np.dtype):
            set_dtype(target, state)
        else:
            raise FileError(f"it sets the state of something of type {type(target).__name__}")


def _checked(key: Any) -> Any:
    if not is_key(key):
        raise FileError(f"something of type {type(key).__name__} is no key")
    return key


# -- numpy ------------------------------------------------------------------------------------------------------------


def set_dtype(target: np.dtype, state: Any) -> None:
    """Set the byte order of a dtype that was made a moment ago; it has no other state unless it is a record's."""
    plain = type(state) is tuple and all(type(each) in (int, str, type(None)) for each in state)
    if not plain or state[1] not in ("<", ">", "|", "=") or state[2:] != (None, None, None, -1, -1, 0):
        raise FileError("it has a NumPy type that is not one of numbers")
    if state[1] == ">":
        target.__setstate__((3, ">", None, None, None, -1, -1, 0))  # type: ignore[attr-defined]  # not in NumPy's stubs


def set_array(machine: Machine, target: np.ndarray, state: Any) -> None:
    """Give an array that was made empty its shape, type and values."""
    _, shape, dtype, fortran_order, content = state
    size = 1
    for n in integers(shape):
        size *= n
    if type(content) is not bytes or not isinstance(dtype, np.dtype) or len(content) != size * dtype.itemsize:
        raise FileError("it has a NumPy array whose values do not fit its shape")
    machine.charge(len(content))
    own = bytes(bytearray(content))
    target.__setstate__((1, shape, dtype, fortran_order is True, own))  # type: ignore[arg-type]  # the stubs want NumPy's bool


# -- opcodes ----------------------------------------------------------------------------------------------------------


def _push(machine: Machine, value: Any) -> None:
    machine.stack.append(value)


def _memoize(machine: Machine, number: Any) -> None:
    machine.memo[len(machine.memo) if number is None else number] = machine.stack[-1]


def _recall(machine: Machine, number: int) -> None:
    machine.stack.append(machine.memo[number])


STOP = b"."
_U1, _U4 = fixed(1, unsigned), fixed(4, unsigned)

OPCODES: dict[bytes, tuple[Reader, Callable[[Machine, Any], Any]]] = {
    b"\x80": (_U1, lambda m, protocol: None),
    b"\x95": (fixed(8, unsigned), lambda m, frame: None),
    # numbers and strings
    b"N": (nothing, lambda m, _: m.stack.append(None)),
    b"\x88": (nothing, lambda m, _: m.stack.append(True)),
    b"\x89": (nothing, lambda m, _: m.stack.append(False)),
    b"K": (_U1, _push),
    b"M": (fixed(2, unsigned), _push),
    b"J": (fixed(4, signed), _push),
    b"\x8a": (counted(1, signed), _push),
    b"\x8b": (counted(4, signed), _push),
    b"G": (fixed(8, double), _push),
    b"U": (counted(1, bytes.decode), _push),
    b"T": (counted(4, bytes.decode), _push),
    b"X": (counted(4, text), _push),
    b"\x8c": (counted(1, text), _push),
    b"\x8d": (counted(8, text), _push),
    b"B": (counted(4, bytes), _push),
    b"C": (counted(1, bytes), _push),
    b"\x8e": (counted(8, bytes), _push),
    b"\x96": (counted(8, bytearray), _push),
    # containers
    b"}": (nothing, lambda m, _: m.stack.append({})),
    b"]": (nothing, lambda m, _: m.stack.append([])),
    b")": (nothing, lambda m, _: m.stack.append(())),
    b"\x8f": (nothing, lambda m, _: m.stack.append(set())),
    b"(": (nothing, lambda m, _: m.marks.append(len(m.stack))),
    b"t": (nothing, lambda m, _: m.stack.append(tuple(m.since_mark()))),
    b"\x85": (nothing, lambda m, _: m.tuple_of(1)),
    b"\x86": (nothing, lambda m, _: m.tuple_of(2)),
    b"\x87": (nothing, lambda m, _: m.tuple_of(3)),
    b"l": (nothing, lambda m, _: m.stack.append(m.since_mark())),
    b"d": (nothing, lambda m, _: m.push_dict()),
    b"\x91": (nothing, lambda m, _: m.stack.append(frozenset(map(_checked, m.since_mark())))),
    b"a": (nothing, lambda m, _: m.append([m.stack.pop()])),
    b"e": (nothing, lambda m, _: m.append(m.since_mark())),
    b"s": (nothing, lambda m, _: m.set_items([m.stack.pop(-2), m.stack.pop()])),
    b"u": (nothing, lambda m, _: m.set_items(m.since_mark())),
    b"\x90": (nothing, lambda m, _: m.add(m.since_mark())),
    # the stack and the memo
    b"0": (nothing, lambda m, _: m.stack.pop()),
    b"1": (nothing, lambda m, _: m.since_mark()),
    b"2": (nothing, lambda m, _: m.stack.append(m.stack[-1])),
    b"q": (_U1, _memoize),
    b"r": (_U4, _memoize),
    b"\x94": (nothing, _memoize),
    b"h": (_U1, _recall),
    b"j": (_U4, _recall),
    # what the closed list allows
    b"c": (two_lines, lambda m, name: m.push_global(name)),
    b"\x93": (nothing, lambda m, _: m.push_named()),
    b"R": (nothing, lambda m, _: m.call()),
    b"\x81": (nothing, lambda m, _: m.call()),
    b"b": (nothing, lambda m, _: m.set_state()),
    b"Q": (nothing, lambda m, _: m.stack.append(m.storage(m.stack.pop()))),
}
