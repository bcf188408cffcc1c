"""Where in a model an error arose: `features.3 (Conv2d): ...`."""

from typing import Any


class _Location:
    """The path from the outermost module passed so far down to where the error was raised."""

    __slots__ = ("kind", "note", "outermost", "path", "text")

    def __init__(self, module: Any, text: str | None) -> None:
        self.outermost = module
        self.path = ""
        self.kind = type(module).__name__
        self.text = text  # the message as it was raised; None when it is not a sentence of its own
        self.note = ""


def locate(error: Exception, module: Any) -> None:
    """Put into an error that leaves `module` the path, from there, of the submodule that raised it."""
    location = vars(error).get("_location")
    if location is None:
        plain = len(error.args) == 1 and isinstance(error.args[0], str) and not isinstance(error, KeyError)
        error._location = _Location(module, error.args[0] if plain else None)  # type: ignore[attr-defined]
        return
    if location.outermost is module:
        return
    for name, child in module.named_modules():
        if child is location.outermost:
            location.outermost = module
            location.path = f"{name}.{location.path}" if location.path else name
            _reword(error, location)
            return


def _reword(error: Exception, location: _Location) -> None:
    where = f"{location.path} ({location.kind})"
    if location.text is not None:
        error.args = (f"{where}: {location.text}",)
        return
    notes = getattr(error, "__notes__", [])
    if location.note in notes:
        notes.remove(location.note)
    location.note = f"in {where}"
    error.add_note(location.note)
