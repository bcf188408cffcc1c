"""How to measure, and what was measured."""

import sys
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.peers import MAGTAPE


@dataclass
class Plan:
    """How to measure: threads, rounds of fresh processes, bursts by turns within each, seconds per variant."""

    threads: int = 1
    rounds: int = 1
    bursts: int = 5
    seconds: float = 0.5
    jax_python: str = sys.executable


@dataclass
class Row:
    """What was measured of a case, in seconds per operation or in bytes (`unit`), or why nothing was.

    `median`, `minimum` and `first` (the first call, with compilation, in seconds) hold a figure per variant.
    """

    name: str
    threads: int
    median: dict[str, float] = field(default_factory=dict)
    minimum: dict[str, float] = field(default_factory=dict)
    first: dict[str, float] = field(default_factory=dict)
    flops: float = 0
    traffic: float = 0
    unit: str = "s"
    refused: str = ""

    @property
    def group(self) -> str:
        """The first two parts of the name."""
        return "/".join(self.name.split("/")[:2])

    @property
    def suite(self) -> str:
        """The first part of the name."""
        return self.name.split("/")[0]

    @property
    def best(self) -> str:
        """The best PyTorch variant, empty where PyTorch took no part."""
        variants = [name for name in self.median if name not in (MAGTAPE.name, "jax")]
        return min(variants, key=self.median.__getitem__, default="")

    def ratio(self, other: str = "", figure: str = "median") -> float | None:
        """The other's figure (by default the best PyTorch variant's) over magtape's."""
        figures: dict[str, float] = getattr(self, figure)
        other = other or self.best
        return figures[other] / figures[MAGTAPE.name] if other in figures and not self.refused else None

    def stored(self) -> dict[str, Any]:
        """Return the row as it is stored."""
        return asdict(self) | {"best": self.best, "ratio": self.ratio()}


def restored(stored: dict[str, Any]) -> Row:
    """Return a stored row."""
    return Row(**{name: value for name, value in stored.items() if name not in ("best", "ratio")})
