"""What a table of wrong calls is made of."""

from collections.abc import Callable
from typing import Any, NamedTuple


class Wrong(NamedTuple):
    """A call that must fail, written once for both libraries: `call(torch, F, nn)`.

    The message has to name who complains, what came, and what was expected.
    """

    who: str
    got: str
    expected: str
    call: Callable[[Any, Any, Any], Any]
