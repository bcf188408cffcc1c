"""What backward says of saved values that are gone, or not what they were."""

from typing import Any

from autograd.tracing import Trace


def freed(name: str) -> RuntimeError:
    """Return the error of a second backward through the op `name`."""
    return RuntimeError(
        f"{name}: Trying to backward through the graph a second time: its saved values were freed by the first "
        "backward. Specify retain_graph=True there if you need to backward again."
    )


def overwritten(what: str, writes: Any, expected: int, saved_at: Trace | None = None) -> RuntimeError:
    """Return the error of `what`, needed at version `expected` and written to since, as `writes` tells."""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{what}, which {writes.by} has written to since; it is at version {writes.count}, expected version "
        f"{expected}{_places(saved_at, writes.place)}"
    )


def _places(saved: Trace | None, written: Trace | None) -> str:
    """Say where a value was saved and where it was written, or how to find out."""
    if saved is None and written is None:
        return ". Run it inside autograd.detect_anomaly() to see the lines of both."
    return f"; saved at {saved or 'an unknown place'}; written at {written or 'an unknown place'}"
