"""Sequences of different lengths: padded to one length, or packed so that no step is spent on padding."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from autograd import cat, full, stack
from autograd.tensor import Tensor
from nn.parameter import typename

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(_Fields):
    """Sequences, the longest first, as the rows of their first steps, then those of their second steps, and so on.

    Made by `pack_padded_sequence` and `pack_sequence`, taken by recurrent layers.

    Attributes:
        data: (rows, ...), a row per step of a sequence.
        batch_sizes: how many sequences have a first step, a second step, and so on; of int64.
        sorted_indices: which of the sequences given stands at each place; None if they came in that order.
        unsorted_indices: at which place each of the sequences given stands.
    """

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> Self:
        """Fill in what follows from the rest; (data, batch_sizes) may come as a pair."""
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError("PackedSequence: Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Return it with data converted by `Tensor.to`: itself if that changes nothing."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else self._replace(data=data)

    def _replace(self, **fields: Any) -> Self:
        return type(self)(**{**self._asdict(), **fields})

    def double(self) -> Self:
        """Return it with data of float64."""
        return self.to(np.float64)

    def float(self) -> Self:
        """Return it with data of float32."""
        return self.to(np.float32)

    def half(self) -> Self:
        """Return it with data of float16."""
        return self.to(np.float16)

    def long(self) -> Self:
        """Return it with data of int64."""
        return self.to(np.int64)

    def int(self) -> Self:
        """Return it with data of int32."""
        return self.to(np.int32)

    def short(self) -> Self:
        """Return it with data of int16."""
        return self.to(np.int16)

    def char(self) -> Self:
        """Return it with data of int8."""
        return self.to(np.int8)

    def byte(self) -> Self:
        """Return it with data of uint8."""
        return self.to(np.uint8)

    def cpu(self) -> Self:
        """Return it: it is on the CPU already."""
        return self

    @property
    def is_cuda(self) -> bool:
        """False: there is no other device."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """Return q with q[permutation[i]] = i; None stays None."""
    return None if permutation is None else Tensor(np.argsort(permutation.array))


def _lengths(name: str, lengths: Any) -> np.ndarray[Any, Any]:
    """Return lengths, a tensor or numbers, as an array of int64."""
    array = lengths.array if isinstance(lengths, Tensor) else np.array([int(n) for n in lengths], np.int64)
    if array.ndim != 1:
        raise RuntimeError(f"{name}: 'lengths' argument should be a 1D CPU int64 tensor, but got {array.ndim}D")
    return array.astype(np.int64)


# -- packing -------------------------------------------------------------------------------------------------


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Pack padded sequences (T, B, ...), or (B, T, ...) if `batch_first`, of the given lengths.

    `enforce_sorted`: the lengths must fall; otherwise the sequences are sorted by length.
    """
    counts = _lengths("pack_padded_sequence", lengths)
    B, T = input.shape[:2] if batch_first else (input.shape[1], input.shape[0])
    _check_lengths(counts, B, T)
    order = None
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
        counts = counts[order]
    elif (np.diff(counts) > 0).any():
        raise RuntimeError(
            "pack_padded_sequence: `lengths` array must be sorted in decreasing order when `enforce_sorted` is True. "
            "You can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this."
        )
    times, places = np.nonzero(np.arange(counts[0])[:, None] < counts)
    sequences = places if order is None else order[places]
    index = (sequences, times) if batch_first else (times, sequences)
    sizes = np.bincount(times)
    return PackedSequence(
        input[tuple(map(Tensor, index))], Tensor(sizes.astype(np.int64)), None if order is None else Tensor(order)
    )


def _check_lengths(counts: np.ndarray[Any, Any], B: int, T: int) -> None:
    if len(counts) != B:
        raise RuntimeError(
            f"pack_padded_sequence: Expected `len(lengths)` to be equal to batch_size, but got {len(counts)} "
            f"(batch_size={B})"
        )
    if B == 0:
        raise RuntimeError("pack_padded_sequence: Cannot pack empty tensors.")
    if (counts <= 0).any():
        raise RuntimeError(
            "pack_padded_sequence: Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if counts.max() > T:
        raise RuntimeError(f"pack_padded_sequence: input has {T} steps, but 'lengths' has an element {counts.max()}")


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return the sequences padded, (T, B, ...) or (B, T, ...), in the order they were packed from, and their lengths.

    T is the longest length, or `total_length`.
    """
    sizes = sequence.batch_sizes.array
    T, B = len(sizes), int(sizes[0])
    if total_length is not None:
        if total_length < T:
            raise ValueError(
                "pad_packed_sequence: Expected total_length to be at least the length of the longest sequence in "
                f"input, but got total_length={total_length} and max sequence length being {T}"
            )
        T = total_length
    data = sequence.data
    exists = np.zeros((T, B), bool)
    exists[: len(sizes)] = np.arange(B) < sizes[:, None]
    rows = np.full((T, B), data.shape[0])  # that of the padding, behind all others
    rows[exists] = np.arange(data.shape[0])
    if sequence.unsorted_indices is not None:
        order = sequence.unsorted_indices.array
        rows, exists = rows[:, order], exists[:, order]
    padding = full((1, *data.shape[1:]), padding_value, dtype=data.dtype)
    index = np.ascontiguousarray(rows.T if batch_first else rows)
    return cat([data, padding])[Tensor(index)], Tensor(exists.sum(0, dtype=np.int64))


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (length, ...), the longest first, or in any order unless `enforce_sorted`."""
    lengths = [len(each) for each in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """Return the sequences (length, ...) in the order they were packed from."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)


# -- padding -------------------------------------------------------------------------------------------------


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Return sequences (length, ...) padded to the longest, (T, B, ...), or (B, T, ...) if `batch_first`."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("left", "right"):
        raise RuntimeError(f"pad_sequence: Expected padding_side to be one of left or right, but got {padding_side}.")
    sequences = list(sequences)
    _check_sequences(sequences)
    T, first = max(len(each) for each in sequences), sequences[0]

    def padded(each: Tensor) -> Tensor:
        each = each.to(first.dtype)
        if len(each) == T:
            return each
        rest = full((T - len(each), *each.shape[1:]), padding_value, dtype=each.dtype)
        return cat([each, rest] if padding_side == "right" else [rest, each])

    return stack([padded(each) for each in sequences], 0 if batch_first else 1)


def _check_sequences(sequences: list[Any]) -> None:
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    for i, each in enumerate(sequences):
        if not isinstance(each, Tensor):
            raise TypeError(f"pad_sequence: expected Tensor as element {i} in argument 0, but got {typename(each)}")
        if each.ndim == 0 or each.shape[1:] != sequences[0].shape[1:]:
            raise RuntimeError(
                f"pad_sequence: sequence {i} has shape {list(each.shape)}, which must match that of sequence 0, "
                f"{list(sequences[0].shape)}, but for the first size"
            )


def unpad_sequence(padded_sequences: Tensor, lengths: Any, batch_first: bool = False) -> list[Tensor]:
    """Return the sequences (length, ...) that were padded to (T, B, ...), or to (B, T, ...) if `batch_first`."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    counts = _lengths("unpad_sequence", lengths)
    return [each[:count] for each, count in zip(rows.unbind(0), counts.tolist(), strict=False)]
