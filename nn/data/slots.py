"""Batches in shared memory: how a worker process hands its arrays over.

An object is pickled with its arrays' memory left out (protocol 5). The worker copies that memory to a slot, a file in
memory with no name, and the caller copies it from there to arrays of its own; then the slot can be written again.
Without a name nothing is left behind when processes are killed, and the limit of /dev/shm does not apply. A batch of
38 MB takes 9 ms so and 52 ms through a pipe, one of 0.4 MB 0.16 and 0.17 ms.
"""

import mmap
import os
import pickle
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import numpy as np

ALIGNMENT = 64


class Parcel(NamedTuple):
    """An object without its arrays' memory, which is in a slot at the given places; `size` is that of a new slot."""

    pickled: bytes
    slot: int
    places: list[tuple[int, int]]
    size: int


class Sender:
    """The worker's side: writes to its slots by turns."""

    def __init__(self, connection: Connection, slots: int) -> None:
        self._connection = connection
        self._slots: list[np.ndarray] = [np.empty(0, np.uint8)] * slots
        self._turn = 0

    def send(self, value: Any) -> None:
        """Send a value, in whose slot nothing may lie that was not received yet."""
        buffers: list[pickle.PickleBuffer] = []
        pickled = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
        memory = [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]
        places, end = [], 0
        for each in memory:
            places.append((end, end + each.nbytes))
            end += -(-each.nbytes // ALIGNMENT) * ALIGNMENT
        slot = self._turn
        descriptor = self._grow(slot, end) if end > len(self._slots[slot]) else -1
        for (start, stop), each in zip(places, memory, strict=True):
            self._slots[slot][start:stop] = each
        self._connection.send_bytes(pickle.dumps(Parcel(pickled, slot, places, end if descriptor >= 0 else 0)))
        if descriptor >= 0:
            reduction.send_handle(self._connection, descriptor, None)
            os.close(descriptor)
        self._turn = (slot + 1) % len(self._slots)  # not earlier: what could not be sent has taken no turn

    def _grow(self, slot: int, size: int) -> int:
        """Put a larger slot in a slot's place; return its file descriptor."""
        descriptor = os.memfd_create("batch")
        os.ftruncate(descriptor, size)
        self._slots[slot] = _mapped(descriptor, size)
        return descriptor


class Receiver:
    """The caller's side: copies out of the slots."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._slots: dict[int, np.ndarray] = {}

    def receive(self) -> Any:
        """Return the next value."""
        parcel: Parcel = pickle.loads(self._connection.recv_bytes())
        if parcel.size:
            descriptor = reduction.recv_handle(self._connection)
            self._slots[parcel.slot] = _mapped(descriptor, parcel.size)
            os.close(descriptor)
        slot = self._slots.get(parcel.slot)
        return pickle.loads(parcel.pickled, buffers=[_copied(slot, *place) for place in parcel.places])


def _copied(slot: np.ndarray | None, start: int, stop: int) -> np.ndarray:
    return np.empty(0, np.uint8) if slot is None else slot[start:stop].copy()


def _mapped(descriptor: int, size: int) -> np.ndarray:
    return np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
