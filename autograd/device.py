"""Devices as PyTorch scripts use them: `cpu` is the only one."""

from typing import Any


class device:
    """A place tensors live; only `device("cpu")` exists."""

    __slots__ = ("index", "type")

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        if not isinstance(type, str):
            raise TypeError(f"device: expected a string such as 'cpu', got {type!r}")
        kind, colon, number = type.partition(":")
        if kind != "cpu":
            raise RuntimeError(f"device: got {type!r}, but this build computes on 'cpu' alone")
        if colon:
            if index is not None or not (number.isascii() and number.isdigit()):
                raise RuntimeError(f"device: invalid device string {type!r}")
            index = int(number)
        if index:
            raise RuntimeError(f"device: there is one cpu, 'cpu:0', got index {index}")
        self.type: str = kind
        self.index: int | None = index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='{self.type}'" + (")" if self.index is None else f", index={self.index})")

    def __reduce__(self) -> tuple[type, tuple[str, int | None]]:
        return device, (self.type, self.index)


CPU = device("cpu")


def check_device(where: Any) -> None:
    """Raise RuntimeError unless `where` names the cpu or is None."""
    if where is not None:
        device(where)
