"""Random numbers: generators with a seed, a state to save, and keys for counter-based kernels."""

import contextlib
import secrets
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import numpy as np

from autograd.device import check_device
from autograd.tensor import Tensor


class Generator:
    """A stream of random numbers (PCG64), used where a function takes `generator=`."""

    def __init__(self, device: Any = "cpu") -> None:
        check_device(device)
        self.numpy = np.random.Generator(np.random.PCG64(0))
        self._seed = 0

    def manual_seed(self, seed: int) -> "Generator":
        """Restart the stream from `seed`, an integer of at most 64 bits; return the generator."""
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
            raise TypeError(f"manual_seed: expected an integer, got {type(seed).__name__}")
        if not -(2**63) <= seed < 2**64:
            raise RuntimeError(f"manual_seed: the seed must fit in 64 bits, got {seed}")
        self._seed = int(seed) % 2**64
        self.numpy.bit_generator.state = np.random.PCG64(self._seed).state
        return self

    def seed(self) -> int:
        """Restart the stream from a seed drawn by the operating system; return the seed."""
        self.manual_seed(secrets.randbits(64))
        return self._seed

    def initial_seed(self) -> int:
        """Return the seed the stream was last started from."""
        return self._seed

    def key(self) -> int:
        """Draw a 64-bit key for a counter-based kernel."""
        return int(self.numpy.integers(0, 2**64, dtype=np.uint64))

    def get_state(self) -> Tensor:
        """Return the state as a tensor of bytes."""
        inner = self.numpy.bit_generator.state
        words = (self._seed, inner["state"]["state"], inner["state"]["inc"], inner["has_uint32"], inner["uinteger"])
        return Tensor(np.frombuffer(b"".join(int(w).to_bytes(16, "little") for w in words), np.uint8).copy())

    def set_state(self, state: Tensor) -> "Generator":
        """Go on from a state `get_state` returned."""
        if not isinstance(state, Tensor) or state.array.dtype != np.uint8 or state.array.size != 80:
            raise RuntimeError("set_state: expected the 80 bytes that get_state returned")
        raw = state.array.tobytes()
        seed, inner, increment, has_half, half = (
            int.from_bytes(raw[i : i + 16], "little") for i in range(0, len(raw), 16)
        )
        self._seed = seed
        self.numpy.bit_generator.state = {
            "bit_generator": "PCG64",
            "state": {"state": inner, "inc": increment},
            "has_uint32": has_half,
            "uinteger": half,
        }
        return self


_program = Generator()
_stream = ContextVar("_stream", default=_program)


class DefaultGenerator(Generator):
    """The stream drawn from where no generator is given: the program's, or inside `drawing_from` another."""

    def __init__(self) -> None:  # its state is the stream's
        pass

    @property
    def numpy(self) -> np.random.Generator:  # type: ignore[override]  # nobody sets it
        return _stream.get().numpy

    @property
    def _seed(self) -> int:
        return _stream.get()._seed

    @_seed.setter
    def _seed(self, seed: int) -> None:
        _stream.get()._seed = seed

    def __reduce__(self) -> str:
        return "default_generator"  # each process has its own


default_generator = DefaultGenerator()


@contextlib.contextmanager
def drawing_from(generator: Generator) -> Iterator[None]:
    """Put `generator` in the default generator's place, in this thread (and asyncio task) alone."""
    token = _stream.set(generator)
    try:
        yield
    finally:
        _stream.reset(token)


def manual_seed(seed: int) -> Generator:
    """Restart the default generator from `seed`; return it."""
    return default_generator.manual_seed(seed)


def seed() -> int:
    """Restart the default generator from a seed drawn by the operating system; return the seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """Return the seed the default generator was last started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Return the default generator's state as a tensor of bytes."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Go on from a state `get_rng_state` returned."""
    default_generator.set_state(state)


def resolve(generator: Generator | None) -> Generator:
    """Return the generator given, or the default one."""
    if generator is None:
        return default_generator
    if not isinstance(generator, Generator):
        raise TypeError(f"generator: expected a Generator or None, got {type(generator).__name__}")
    return generator
