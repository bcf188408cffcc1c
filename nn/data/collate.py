"""Collating: many samples become one batch."""

import copy
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from functools import reduce
from typing import Any

import numpy as np

from autograd import dtypes
from autograd.tensor import Tensor
from ops.creation import from_numpy, tensor
from ops.joining import stack


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack samples along a new first axis: tensors, arrays and numbers; tuples, lists and dicts of them per entry.

    Tuples become lists; strings stay as they are.
    """
    first = batch[0]
    if isinstance(first, Tensor):
        return _stacked_tensors(batch)
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, (np.ndarray, np.generic)):
        return from_numpy(_stacked([np.asarray(each) for each in batch]))
    if isinstance(first, (float, int)):
        return _numbers(batch)
    if isinstance(first, Mapping):
        return _like_mapping(first, lambda key: default_collate([sample[key] for sample in batch]))
    if isinstance(first, Sequence):
        return _collate_sequences(first, batch)
    raise TypeError(
        f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {type(first)}"
    )


def default_convert(data: Any) -> Any:
    """Turn arrays into tensors, also those inside tuples, lists and dicts; leave everything else as it is."""
    if isinstance(data, (np.ndarray, np.generic)) and data.dtype.kind not in "SUO":
        return from_numpy(np.asarray(data))
    if isinstance(data, Mapping):
        return _like_mapping(data, lambda key: default_convert(data[key]))
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(each) for each in data))
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        converted = [default_convert(each) for each in data]
        return converted if isinstance(data, tuple) else _like_sequence(data, converted)
    return data


def _numbers(batch: Sequence[Any]) -> Tensor:
    """Return a tensor of Python's numbers, of the type PyTorch's `tensor` gives them; behind a float all float64."""
    kinds = set(map(type, batch))
    target: np.dtype | None = np.dtype(np.float64) if isinstance(batch[0], float) else None
    if not all(kind is float or issubclass(kind, int) for kind in kinds):
        return tensor(batch, dtype=target)  # which converts numbers of other kinds, and nothing else
    if target is None:
        target = dtypes.default_float() if float in kinds else np.dtype(np.bool_ if kinds == {bool} else np.int64)
    try:
        return Tensor(np.array(batch, dtype=target))
    except OverflowError as error:
        raise ValueError(f"default_collate: an integer does not fit in int64: {max(batch, key=abs)}") from error


def _stacked_tensors(batch: Sequence[Any]) -> Tensor:
    if any(sample.requires_grad for sample in batch):
        return stack(list(batch))
    return Tensor(_stacked([sample.array for sample in batch]))


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    """Return the arrays along a new first axis, in the type they promote to."""
    first = arrays[0]
    if first.dtype.kind in "SUO":
        raise TypeError(
            f"default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {first.dtype}"
        )
    for index, array in enumerate(arrays):
        if array.shape != first.shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(first.shape)} at entry 0 and "
                f"{list(array.shape)} at entry {index}"
            )
    target = reduce(dtypes.promote_numpy, {array.dtype for array in arrays})
    if first.ndim == 0:
        return np.array(arrays, dtype=target)
    return np.concatenate(arrays, dtype=target).reshape(len(arrays), *first.shape)  # a third of the time np.stack takes


def _collate_sequences(first: Any, batch: Sequence[Any]) -> Any:
    """Collate position by position: samples (a, b), (c, d) give [batch of a and c, batch of b and d]."""
    if any(len(sample) != len(first) for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [default_collate(column) for column in zip(*batch, strict=True)]
    if isinstance(first, tuple):
        return type(first)(*columns) if hasattr(first, "_fields") else columns
    return _like_sequence(first, columns)


def _like_mapping(like: Mapping[Any, Any], value: Callable[[Any], Any]) -> Any:
    """Return a mapping of the same type and keys, or a dict where that type cannot be made so."""
    values = {key: value(key) for key in like}
    try:
        if isinstance(like, MutableMapping):
            result = copy.copy(like)
            result.update(values)
            return result
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values


def _like_sequence(like: Sequence[Any], values: list[Any]) -> Any:
    """Return a sequence of the same type, or a list where that type cannot be made so."""
    if type(like) is list or isinstance(like, range):
        return values
    try:
        if isinstance(like, MutableSequence):
            result = copy.copy(like)
            for i, value in enumerate(values):
                result[i] = value
            return result
        return type(like)(values)  # type: ignore[call-arg]
    except TypeError:
        return values
