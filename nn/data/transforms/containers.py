"""Transforms made of others: Compose, RandomApply, RandomChoice; and Lambda, Identity."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from nn.data.transforms.arguments import probability
from nn.data.transforms.base import Transform, array_of, as_batch, like, pixels, random


class _Container(Transform):
    transforms: list[Callable[..., Any]]

    @property
    def batched(self) -> bool:  # type: ignore[override]  # it depends on the others
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    @property
    def mixes(self) -> bool:  # type: ignore[override]  # it depends on the others
        return any(getattr(transform, "mixes", False) for transform in self.transforms)


class Compose(_Container):
    """One transform after the other; each is any function of what the one before returned."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        self.transforms = _checked("Compose", transforms)

    def __call__(self, *inputs: Any) -> Any:
        return _in_turn(self.transforms, inputs)


class Lambda(Transform):
    """Apply a function to each input, or to those of the given types."""

    batched = False

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        if not callable(lambd):
            raise TypeError(f"Lambda: expected a function, got {type(lambd).__name__}")
        self.lambd, self.types = lambd, types or (object,)

    def __call__(self, *inputs: Any) -> Any:
        results = tuple(self.lambd(each) if isinstance(each, self.types) else each for each in inputs)
        return results[0] if len(inputs) == 1 else results


class Identity(Transform):
    """Return what is given."""

    def __call__(self, *inputs: Any) -> Any:
        return inputs[0] if len(inputs) == 1 else inputs


class _Choosing(_Container):
    """Applies one of several transforms, anew for each image of a batch.

    Where one of them mixes images (`MixUp`, `CutMix`), the choice is made for the whole batch.
    """

    def choices(self, count: int) -> np.ndarray:
        """Draw for each of `count` images which transform it gets."""
        raise NotImplementedError(f"{type(self).__name__} must define choices")

    def apply(self, choice: int, *inputs: Any) -> Any:
        """Return what the chosen transform makes of the inputs."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def __call__(self, *inputs: Any) -> Any:
        return self.apply(int(self.choices(1)[0]), *inputs) if self.mixes else super().__call__(*inputs)

    def _of_images(self, images: Any) -> Any:
        name = type(self).__name__
        array = pixels(name, images)
        if array.ndim == 3:
            result = self.apply(int(self.choices(1)[0]), images)
            return like(images, array.copy()) if result is images else result
        batch = as_batch(array)
        choices, parts = self.choices(len(batch)), {}
        for choice in map(int, np.unique(choices)):
            where = np.flatnonzero(choices == choice)
            parts[choice] = where, array_of(name, self.apply(choice, like(images, batch[where])))
        result = _together(name, batch, list(parts.values()))
        return like(images, result.reshape(*array.shape[:-3], *result.shape[-3:]))


class RandomApply(_Choosing):
    """Apply all the transforms in turn to an image with probability p, else none."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: float = 0.5) -> None:
        self.transforms, self.p = _checked("RandomApply", transforms), probability("RandomApply", p)

    def choices(self, count: int) -> np.ndarray:
        """Draw for each image whether it is transformed."""
        return random().random(count) < self.p

    def apply(self, choice: int, *inputs: Any) -> Any:
        """Return the inputs transformed, or as they are."""
        return _in_turn(self.transforms if choice else [Identity()], inputs)


class RandomChoice(_Choosing):
    """Apply one of the transforms to an image, drawn with probabilities p, or all equal."""

    def __init__(self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None) -> None:
        self.transforms = _checked("RandomChoice", transforms)
        weights = [1.0] * len(transforms) if p is None else list(p)
        if len(weights) != len(transforms):
            raise ValueError(f"RandomChoice: {len(transforms)} transforms, but p has {len(weights)} entries")
        if min(weights) < 0 or not sum(weights) > 0:
            raise ValueError(f"RandomChoice: p should not be negative, and not all zero, got {p!r}")
        self.p = [weight / sum(weights) for weight in weights]

    def choices(self, count: int) -> np.ndarray:
        """Draw for each image its transform."""
        return random().choice(len(self.p), count, p=self.p)

    def apply(self, choice: int, *inputs: Any) -> Any:
        """Return what the chosen transform makes of the inputs."""
        return self.transforms[choice](*inputs)


def _together(name: str, batch: np.ndarray, parts: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return one batch of parts that were transformed apart, each with the places it came from."""
    kinds = {(part.shape[1:], part.dtype) for _, part in parts}
    if len(kinds) > 1:
        raise RuntimeError(f"{name}: images of one batch came out different: {sorted(map(str, kinds))}")
    if not parts:
        return batch.copy()
    result = np.empty((len(batch), *parts[0][1].shape[1:]), parts[0][1].dtype)
    for where, part in parts:
        result[where] = part
    return result


def _in_turn(transforms: Sequence[Callable[..., Any]], inputs: tuple[Any, ...]) -> Any:
    for transform in transforms:
        result = transform(*inputs)
        inputs = result if len(inputs) > 1 else (result,)
    return result


def _checked(name: str, transforms: Any) -> list[Callable[..., Any]]:
    if isinstance(transforms, str) or not isinstance(transforms, Sequence):
        raise TypeError(f"{name}: expected a sequence of transforms, got {type(transforms).__name__}")
    if not transforms:
        raise ValueError(f"{name}: expected at least one transform")
    for transform in transforms:
        if not callable(transform):
            raise TypeError(f"{name}: expected functions, got {type(transform).__name__}")
    return list(transforms)
