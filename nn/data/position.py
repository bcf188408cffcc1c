"""Where an epoch is: what a loader must know to go on with it exactly.

All randomness of an epoch follows from one seed, so its order is found again by running the sampler from the start and
passing over what was yielded; only indices are drawn for that, no sample is read.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from autograd.random import Generator


@dataclass
class Position:
    """An epoch's seed and what was yielded of it; batches that were prefetched do not count.

    Args:
        samplers: the states of the samplers at the epoch's start.
        yielded: how many batches were yielded, all before this number.
        ahead: numbers of batches yielded out of order, before an earlier one.
        turns: of an iterable dataset, the workers that have not ended, in the order in which they are to be heard.
        shares: of an iterable dataset, for each worker the number of batches yielded and the dataset's state then.
    """

    seed: int
    samplers: list[Any] = field(default_factory=list)
    yielded: int = 0
    ahead: set[int] = field(default_factory=set)
    turns: list[int] = field(default_factory=list)
    shares: list[tuple[int, Any]] = field(default_factory=list)
    finished: bool = False

    def note(self, number: int) -> None:
        """Note that a batch of a dataset that is indexed is yielded."""
        self.ahead.add(number)
        while self.yielded in self.ahead:
            self.ahead.remove(self.yielded)
            self.yielded += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the position as numbers, lists and dicts."""
        return {**vars(self), "ahead": sorted(self.ahead), "turns": list(self.turns), "shares": list(self.shares)}

    @staticmethod
    def from_state(state: dict[str, Any]) -> "Position":
        """Return the position `state_dict` gave."""
        shares = [(count, inner) for count, inner in state["shares"]]
        return Position(**{**state, "ahead": set(state["ahead"]), "turns": list(state["turns"]), "shares": shares})


def sampler_states(samplers: Iterable[Any]) -> list[Any]:
    """Return for each sampler its own state, or that of the generator it was given, or None."""
    return [_state(sampler) for sampler in samplers]


def _state(sampler: Any) -> Any:
    if hasattr(sampler, "state_dict"):
        return sampler.state_dict()
    generator = getattr(sampler, "generator", None)
    return generator.get_state() if isinstance(generator, Generator) else None


def restore_samplers(samplers: Iterable[Any], states: list[Any]) -> None:
    """Put samplers back to where they were when an epoch began."""
    for sampler, state in zip(samplers, states, strict=True):
        if hasattr(sampler, "load_state_dict") and state is not None:
            sampler.load_state_dict(state)
        elif state is not None:
            sampler.generator.set_state(state)
